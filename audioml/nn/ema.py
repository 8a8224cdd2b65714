"""An exponential moving average of weights, and its temporary use in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average(nn.Module):
    """Buffers that follow the trainable parameters, and the statistics of batch norms, of a module that is not its child.

    The average's `decay` grows with the number of updates k as (1 + k) / (10 + k), so that a short training is not held back by
    its random start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.count = 0
        for p in self.followed(model).values():
            self.register_buffer(f"average{self.count}", p.detach().clone())
            self.count += 1

    @staticmethod
    def followed(model: nn.Module) -> dict[str, torch.Tensor]:
        """What is averaged, by its name in the module's state."""
        found: dict[str, torch.Tensor] = {name: p for name, p in model.named_parameters() if p.requires_grad}
        for name, norm in model.named_modules():
            if isinstance(norm, nn.modules.batchnorm._NormBase):
                found |= {f"{name}.{key}": b for key, b in norm.named_buffers() if b.is_floating_point()}
        return found

    def averages(self) -> list[torch.Tensor]:
        """In the order of `followed`."""
        return [getattr(self, f"average{i}") for i in range(self.count)]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the module's present weights."""
        k = int(self.updates)
        self.updates += 1
        own = [p.detach() for p in self.followed(model).values()]
        torch._foreach_lerp_(self.averages(), own, 1 - min(self.decay, (1 + k) / (10 + k)))

    @contextmanager
    def instead(self, model: nn.Module) -> Iterator[None]:
        """Within, the module computes with the average (gradients flow through it, not into it)."""
        own = self.followed(model).values()
        average = {
            id(p): nn.Parameter(a, requires_grad=False) if isinstance(p, nn.Parameter) else a
            for p, a in zip(own, self.averages(), strict=True)
        }
        slots = [(m, k, p) for m in model.modules() for k, p in [*m._parameters.items(), *m._buffers.items()] if id(p) in average]
        for module, name, p in slots:
            setattr(module, name, average[id(p)])
        try:
            yield
        finally:
            for module, name, p in slots:
                setattr(module, name, p)
