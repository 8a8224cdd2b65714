"""A plan with weights: encode, embed, network, head, decode; over a clip (`forward`) or in steps (`stream`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from audioml.adapters import embed, head
from audioml.errors import Misfit
from audioml.kinds import Batch, Seq
from audioml.nn.augment import hide_blocks
from audioml.plan import Plan, check_shape


class System(nn.Module):
    """World in, world out.  `plan` says what; `network` is the trunk; `statistics` what trivial predictors know of the data."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.statistics: Mapping[str, Any] = {}
        module, _, name = plan.model.target.rpartition(".")
        self.network = getattr(import_module(module), name)(plan.layout, plan.flow.emit, **plan.model.settings)
        if plan.method.trains:
            self.embed = embed(plan.flow.x, plan.layout, self.network.width, self.network.fold)
            self.head = head(self.network.out, plan.flow.emit, plan.flow.pool)

    # ---- pieces ------------------------------------------------------------------------------------------------------
    def emit(self, inputs: Batch, augment: Mapping[str, Any] | None = None) -> Seq:
        """World inputs -> the head's emission in `plan.flow.emit`'s space; [B, V, N] logits for Tokens, [B, V, 1] if pooled.

        `augment` hides blocks of the encoded input, in training mode only.
        """
        (port,) = self.plan.inputs
        side = self.plan.inputs[port]
        seq, _ = side.representation.encode(inputs[port], side.world)
        check_shape(seq, side.space, f"encoded '{port}'")
        level = side.representation.loudness(seq)
        x = seq.x if level is None else seq.x / level
        if augment and self.training:
            x = hide_blocks(x, seq.n, **augment)
        h = self.network(self.embed(x), seq.n)
        check_shape(Seq(h, seq.n), self.network.out, "out of the network")
        if self.plan.flow.pool:
            return Seq(self.head(h, seq.n), torch.ones_like(seq.n))
        y = self.head(h)
        if level is not None and self.plan.method.levels:
            y = y * level.reshape(-1, *(1,) * (y.dim() - 1))
        return check_shape(Seq(y, seq.n), self.plan.flow.emit, "out of the head")

    def reference(self, inputs: Batch) -> tuple[Seq, Any]:
        """The input that the output is aligned with, encoded as the output is, and the side its decoding needs."""
        side = self.plan.reference
        assert side is not None
        return self.plan.output.representation.encode(inputs[side.port], side.world)

    def forward(self, inputs: Batch) -> Batch:
        """World inputs -> world outputs (in eval mode for use; differentiable where the output is audio)."""
        return self.plan.method.draw(self, inputs)

    def example(self, seconds: float, batch: int = 1, generator: torch.Generator | None = None) -> Batch:
        """Noise of that length on every input port, for probes."""
        out = {}
        like = next(self.parameters(), torch.zeros(1))
        for port, side in self.plan.inputs.items():
            world: Any = side.world
            samples = int(seconds * world.rate)
            x = 0.1 * torch.randn(batch, world.channels, samples, generator=generator).to(like)
            out[port] = Seq(x, torch.full((batch,), samples, device=like.device))
        return out

    # ---- streaming -----------------------------------------------------------------------------------------------------
    def stream(self, batch: int = 1) -> Stream:
        """A running instance.  Raises Misfit naming what keeps the system from streaming."""
        if not self.plan.method.streams:
            raise Misfit(f"method '{self.plan.method.name}' does not work frame by frame")
        reason = self.network.cannot_step()
        if reason:
            raise Misfit(reason)
        return Stream(self, batch)


class Stream:
    """Push blocks of any size, get what is ready; all pushed and flushed equals `forward` delayed by `delay` samples.

    For audio outputs the blocks are audio; for symbols they are the head's logits [B, V, k], frame by frame.
    """

    def __init__(self, system: System, batch: int) -> None:
        self.system, self.batch = system, batch
        plan = system.plan
        (self.port,) = plan.inputs
        self.input, self.output = plan.inputs[self.port], plan.output
        self.audio = plan.reference is not None
        rep = self.input.representation
        self.block = rep.block
        self.delay = plan.output.representation.delay if self.audio else 0
        self.tail = getattr(rep, "window", rep.block) - rep.block
        self.same = self.audio and plan.output.representation is rep
        self.buffer: Tensor | None = None
        self.encoder = self.mixer = self.network = self.decoder = None
        self._steps(torch.zeros(batch, self.input.world.channels, 0))  # asks now whether the encoder can stream at all
        self.pushed = 0

    def push(self, block: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{port: [B, C, t]} for any t -> {port: what is ready}."""
        x = block[self.port]
        self.pushed += x.shape[-1]
        if self.buffer is not None:
            x = torch.cat([self.buffer, x], -1)
        whole = x.shape[-1] // self.block * self.block
        self.buffer = x[..., whole:]
        return {self.output.port: self._steps(x[..., :whole])}

    def flush(self) -> dict[str, Tensor]:
        """The rest, as if silence followed; the stream is finished after it."""
        waiting = 0 if self.buffer is None else self.buffer.shape[-1]
        like = self.buffer if self.buffer is not None else torch.zeros(self.batch, self.input.world.channels, 0)
        pad = self.tail + (-(waiting + self.tail)) % self.block
        return self.push({self.port: like.new_zeros(*like.shape[:-1], pad)})

    def _steps(self, x: Tensor) -> Tensor:
        system, plan = self.system, self.system.plan
        if not x.shape[-1]:
            if self.encoder is None:  # a probe on one block of silence, whose state is thrown away
                self.input.representation.encode_step(x.new_zeros(*x.shape[:-1], self.block), None, self.input.world)
            return self._empty(x)
        frames, side, self.encoder = self.input.representation.encode_step(x, self.encoder, self.input.world)
        mixture = frames
        if self.audio and not self.same:
            rep = plan.output.representation
            mixture, side, self.mixer = rep.encode_step(x, self.mixer, plan.reference.world)  # type: ignore[union-attr]
        h, self.network = system.network.step(system.embed(frames), self.network)
        y = system.head(h)
        if not self.audio:
            return y
        method: Any = plan.method
        shaped = method.shape(system, y, mixture)
        wave, self.decoder = plan.output.representation.decode_step(shaped, side, self.decoder, plan.output.world)
        return wave

    def _empty(self, x: Tensor) -> Tensor:
        if not self.audio:
            return x.new_zeros(x.shape[0], self.system.plan.flow.emit.size, 0)  # type: ignore[union-attr]
        names = getattr(self.output.world, "names", None)
        shape = (x.shape[0], *((len(names),) if names else ()), self.output.world.channels, 0)  # type: ignore[union-attr]
        return x.new_zeros(shape)
