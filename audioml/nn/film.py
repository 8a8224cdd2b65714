"""A condition that speaks to every layer: it scales and shifts what each normalisation of a network gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from audioml.nn.layers import FrameNorm

LAST = (nn.LayerNorm,)  # channels on the last axis; on the second in all others
NORMS = (*LAST, FrameNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d)


class Film(nn.Module):
    """Feature-wise linear modulation (Perez et al. 2018) of all norms in `network` by a condition [B, width]; it starts as none.

    What a network adds at its first layer only, its norms can take away again.
    """

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        norms = [m for m in network.modules() if isinstance(m, NORMS)]
        self.maps = nn.ModuleList(nn.Linear(width, 2 * channels_of(m)) for m in norms)
        for layer in self.maps:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for norm, layer in zip(norms, self.maps, strict=True):
            norm.register_forward_hook(partial(self._turned, layer))
        self.told: Tensor | None = None

    @contextmanager
    def telling(self, condition: Tensor | None) -> Iterator[None]:
        """While it lasts, the network hears `condition` [B, width]."""
        before, self.told = self.told, condition
        try:
            yield
        finally:
            self.told = before

    def _turned(self, layer: nn.Module, norm: nn.Module, _: Any, y: Tensor) -> Tensor | None:
        if self.told is None:
            return None
        gain, shift = layer(self.told).chunk(2, -1)
        middle = (1,) * (y.dim() - 2)
        shape = (len(gain), *middle, -1) if isinstance(norm, LAST) else (len(gain), -1, *middle)
        return y * (1 + gain.view(shape)) + shift.view(shape)


def channels_of(norm: Any) -> int:
    """How many channels a norm has gains for."""
    if isinstance(norm, LAST):
        return norm.normalized_shape[-1]
    return len(norm.weight) if isinstance(norm, FrameNorm) else getattr(norm, "num_channels", 0) or norm.num_features
