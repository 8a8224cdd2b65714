"""A plan with weights: encode, embed, network, head, decode; over a clip (`forward`) or in steps (`stream`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from audioml.adapters import AsItIs, Clock, embed, head
from audioml.errors import Misfit
from audioml.kinds import Batch, Codes, Seq, Stems, Wave, signals_of
from audioml.nn.augment import hide_blocks
from audioml.nn.film import Film
from audioml.plan import Plan, check_shape
from audioml.readers import Reader, build_network, concatenated, example_of, side_by_side


@dataclass
class Context:
    """What the network may look at beside its stream: `joined` [B, D, N] or [B, C, F, N], `memory` [B, width, M] with valid
    steps, `cond` [B, width], `prefix` symbols.  Made once per batch, reused over the steps of a sampler.  `stream`: if encoded."""

    joined: list[Tensor] = field(default_factory=list)
    memory: Seq | None = None
    cond: Tensor | None = None
    prefix: Seq | None = None
    stream: Seq | None = None

    def muted(self, keep: Tensor) -> Context:
        """Condition and memory zeroed where `keep` [B] is False: what classifier-free guidance is guided away from."""
        cond = None if self.cond is None else self.cond * keep[:, None]
        memory = None if self.memory is None else Seq(self.memory.x * keep[:, None, None], self.memory.n)
        return replace(self, cond=cond, memory=memory)


class System(nn.Module):
    """World in, world out.  `plan` says what; `network` is the trunk; `extra` what the method owns; `statistics` what trivial
    predictors know of the data."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.statistics: Mapping[str, Any] = {}
        flow, layout = plan.flow, plan.layout
        self.network = build_network(plan.model, layout, flow.emit)
        if "bottleneck" in flow.needs and "bottleneck" not in plan.model.traffic:
            from audioml.nn.bottleneck import Sandwich

            self.network = Sandwich(lambda: build_network(plan.model, layout, flow.emit), layout)
        self.extra: nn.Module | None = None
        if not plan.method.trains:
            self.extra = plan.method.parts(self)
            return
        width = self.network.width
        bare = self.network.bare
        self.embed = AsItIs(plan.stream, layout) if bare else embed(plan.stream, layout, width, self.network.fold)
        self.head = nn.Identity() if bare else head(self.network.out, flow.emit, flow.pool)
        self.readers = nn.ModuleDict(
            {p: Reader(plan.inputs[p], plan.reader or plan.model, width, pool=p in flow.cond) for p in (*flow.memory, *flow.cond)}
        )
        if flow.memory:
            self.network.with_memory(width)
        if flow.clock:
            self.clock = Clock(width)
        self.film = Film(self.network, width) if flow.clock or flow.cond else None
        if flow.cond and "bottleneck" in flow.needs:
            self.inner_cond = nn.Linear(width, self.network.latent)
        self.to(memory_format=torch.channels_last)  # 2-D convolutions of few channels: 15 to 40 % less time on a CPU
        self.extra = plan.method.parts(self)

    # ---- pieces ------------------------------------------------------------------------------------------------------
    def encode(self, port: str, batch: Batch) -> tuple[Seq, Any]:
        """A port of the batch in its space, checked, with the side that decoding wants."""
        side = self.plan.inputs.get(port) or self.plan.output
        seq, rest = side.representation.encode(batch[port], side.world)
        return check_shape(seq, side.space, f"encoded '{port}'"), rest

    def context(self, inputs: Batch, augment: Mapping[str, Any] | None = None) -> Context:
        """Everything that the flow reads beside its stream; `augment` hides blocks of what is attended to, in training only."""
        flow = self.plan.flow
        seen = {p: self.encode(p, inputs)[0] for p in (*flow.memory, *flow.cond)}
        read = {p: self.readers[p](self._hidden(x, augment if p in flow.memory else None)) for p, x in seen.items()}
        memory = None
        if flow.memory:
            parts = [read[p] for p in flow.memory]
            memory = parts[0] if len(parts) == 1 else concatenated(parts)
        cond = sum(read[p].x for p in flow.cond) if flow.cond else None
        prefix = self.encode(flow.prefix, inputs)[0] if flow.prefix else None
        return Context([self.encode(p, inputs)[0].x for p in flow.joined], memory, cond, prefix)

    def emit(
        self,
        inputs: Batch,
        x: Seq | None = None,
        context: Context | None = None,
        clock: Tensor | None = None,
        augment: Mapping[str, Any] | None = None,
    ) -> Seq:
        """The emission in `plan.flow.emit`'s space: logits [B, V, L] for Tokens, [B, V, 1] if pooled, [B, K, V, N] for Codes.

        `x`: the stream, where the method makes it itself; else it is the flow's source among `inputs`.  `augment` hides
        blocks of it, in training mode only.
        """
        h, n, level, context, told = self._enter(inputs, x, context, clock, augment)
        with self._telling(told):
            h = self.network(h, n, **self._memory(context))
        check_shape(Seq(h, n), self.network.out, "out of the network")
        if self.plan.flow.pool:
            return Seq(self.head(h, n), torch.ones_like(n))
        return self._leave(h, n, level)

    def step(self, x: Tensor, state: Any, context: Context) -> tuple[Tensor, Any]:
        """The next k steps of the stream (symbols [B, k] / [B, K, k] or frames) -> the head's emission for them, and the state."""
        told = self._told(context, None)
        with self._telling(told):
            h, state = self.network.step(added(self.embed(x), told), state, **self._memory(context))
        return self.head(h), state

    def inward(self, inputs: Batch, x: Seq | None = None, context: Context | None = None) -> Seq:
        """Into the bottleneck: [B, latent, M]."""
        h, n, _, _, told = self._enter(inputs, x, context, None, None)
        with self._telling(told):
            z = self.network.encode(h, n)
        return Seq(z, -(-n // self.network.ratio))

    def outward(self, z: Seq, frames: int, context: Context | None = None) -> Seq:
        """Out of the bottleneck: `frames` frames of the head's emission."""
        inner, told = z.x, None if context is None else context.cond
        if told is not None:
            inner = inner + self.inner_cond(told)[..., None]
        with self._telling(told):
            h = self.network.decode(inner, frames)
        return self._leave(h, (z.n * self.network.ratio).clamp(max=frames), None)

    @property
    def sums(self) -> bool:
        """Whether the plain sum of an input's stems stands for them, beside an output of one signal."""
        plan = self.plan
        stems = plan.reference is not None and isinstance(plan.reference.world, Stems) and isinstance(plan.output.world, Wave)
        return stems and not plan.method.per_source(plan.output.representation)

    def beside(self, inputs: Batch) -> tuple[Seq, Wave | Stems]:
        """The input that the output is aligned with, as the output's representation is to hear it."""
        side: Any = self.plan.reference
        seq, world = inputs[side.port], side.world
        return (Seq(seq.x.sum(1), seq.n), Wave(world.channels, world.rate)) if self.sums else (seq, world)

    def blank(self, n: Tensor, samples: int | None = None) -> tuple[int, Tensor, Any]:
        """What the output's representation makes of so many samples [B], padded to `samples`: frames in all, valid ones [B], and
        the side that decoding wants where nothing is borrowed."""
        output, n = self.plan.output, n.to(next(self.parameters()).device)
        samples = int(n.max()) if samples is None else samples
        silence = torch.zeros((), device=n.device).expand(len(n), *signals_of(output.world), samples)
        coded, _ = output.representation.encode(Seq(silence, n), output.world)
        return coded.x.shape[-1], coded.n, (samples, n)

    def forward(self, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> world outputs; `ask` says how much is wanted where no input does (see Method.draw)."""
        return self.plan.method.draw(self, inputs, ask)

    def example(self, seconds: float, batch: int = 1, generator: torch.Generator | None = None) -> Batch:
        """Noise, random symbols or short texts of that length on every input port, for probes and tests."""
        like = next(self.parameters(), torch.zeros(1))
        return {p: example_of(s.world, seconds, batch, like, generator) for p, s in self.plan.inputs.items()}

    # ---- how a stream enters and leaves the network -----------------------------------------------------------------------
    def _enter(
        self, inputs: Batch, x: Seq | None, context: Context | None, clock: Tensor | None, augment: Mapping[str, Any] | None
    ) -> tuple[Tensor, Tensor, Tensor | None, Context, Tensor | None]:
        flow, level = self.plan.flow, None
        context = self.context(inputs) if context is None else context
        if x is None:
            assert flow.source is not None
            x = context.stream or self.encode(flow.source, inputs)[0]
            level = self.plan.inputs[flow.source].representation.loudness(x)
            x = x if level is None else Seq(x.x / level, x.n)
            x = self._hidden(x, augment)
        h = self.embed(side_by_side(x.x, context.joined, self.plan.stream))
        told = self._told(context, clock)
        return added(h, told), x.n, level, context, told

    def _hidden(self, x: Seq, augment: Mapping[str, Any] | None) -> Seq:
        """SpecAugment, in training; symbols are not hidden by a mean."""
        if not augment or not self.training or not x.x.is_floating_point():
            return x
        return Seq(hide_blocks(x.x, x.n, **augment), x.n)

    def _told(self, context: Context, clock: Tensor | None) -> Tensor | None:
        """What every layer is told, [B, width]: the condition and the noise level."""
        if clock is None:
            return context.cond
        return self.clock(clock) if context.cond is None else context.cond + self.clock(clock)

    def _telling(self, told: Tensor | None) -> Any:
        return nullcontext() if told is None or self.film is None else self.film.telling(told)

    def _leave(self, h: Tensor, n: Tensor, level: Tensor | None) -> Seq:
        y = self.head(h)
        if level is not None and self.plan.method.levels and not self.plan.output.representation.listens:
            y = y * level.reshape(-1, *(1,) * (y.dim() - 1))
        emit = self.plan.flow.emit
        return Seq(y, n) if isinstance(emit, Codes) else check_shape(Seq(y, n), emit, "out of the head")

    def _memory(self, context: Context) -> dict[str, Seq]:
        return {} if context.memory is None else {"memory": context.memory}

    # ---- streaming -----------------------------------------------------------------------------------------------------
    def stream(self, batch: int = 1) -> Stream:
        """A running instance.  Raises Misfit naming what keeps the system from streaming."""
        if not self.plan.method.streams or (self.plan.reference is not None and not self.plan.method.shapes):
            raise Misfit(f"method '{self.plan.method.name}' does not work frame by frame")
        reason = self.network.cannot_step()
        if reason:
            raise Misfit(reason)
        return Stream(self, batch)


class Stream:
    """Push blocks of any size, get what is ready; all pushed and flushed equals `forward` delayed by `delay` samples.

    `block`: samples that it takes at once: as many frames as the network must see together (`grain`).
    For audio outputs the blocks are audio; for symbols they are the head's logits [B, V, k], frame by frame.
    """

    def __init__(self, system: System, batch: int) -> None:
        self.system, self.batch = system, batch
        plan = system.plan
        if len(plan.inputs) != 1 or plan.flow.source is None:
            raise Misfit(f"a stream has one input, and task '{plan.task.name}' with method '{plan.method.name}' has another shape")
        (self.port,) = plan.inputs
        self.input, self.output = plan.inputs[self.port], plan.output
        if self.input.world.family != "audio":
            raise Misfit(f"a stream takes audio, and input '{self.port}' is {type(self.input.world).__name__}")
        self.audio = plan.reference is not None
        rep = self.input.representation
        self.hop = rep.block
        self.block = rep.block * system.network.grain
        self.delay = plan.output.representation.delay if self.audio else 0
        self.tail = max(rep.overlap, self.delay)
        self.summed = system.sums
        self.same = plan.shared and not self.summed
        self.buffer: Tensor | None = None
        self.encoder = self.mixer = self.network = self.decoder = None
        self.pushed = 0
        with torch.no_grad():  # one block of silence now tells whether every part can stream; its state is thrown away
            silence = next(system.parameters()).new_zeros(batch, *signals_of(self.input.world), self.block)
            self.nothing = self._steps(silence)[..., :0]
        self.silence = silence[..., :0]
        self.encoder = self.mixer = self.network = self.decoder = None

    def push(self, block: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{port: [B, C, t]} for any t -> {port: what is ready}."""
        x = block[self.port]
        self.pushed += x.shape[-1]
        if self.buffer is not None:
            x = torch.cat([self.buffer, x], -1)
        return self._take(x, x.shape[-1] // self.block * self.block)

    def _take(self, x: Tensor, whole: int) -> dict[str, Tensor]:
        self.buffer = x[..., whole:]
        return {self.output.port: self._steps(x[..., :whole])}

    def flush(self) -> dict[str, Tensor]:
        """The rest, as if silence followed, and no frame more than `forward` sees; the stream is finished after it."""
        rest = self.silence if self.buffer is None else self.buffer
        pad = self.tail + (-(rest.shape[-1] + self.tail)) % self.hop
        x = torch.nn.functional.pad(rest, (0, pad))
        return self._take(x, x.shape[-1])

    def _steps(self, x: Tensor) -> Tensor:
        system, plan = self.system, self.system.plan
        if not x.shape[-1]:
            return self.nothing
        x = x.flatten(1, -2)
        frames, side, self.encoder = self.input.representation.encode_step(x, self.encoder, self.input.world)
        if frames is None:
            raise Misfit(f"representation '{self.input.representation.name}' has no streaming encoder")
        mixture = frames
        if self.audio and not self.same:
            rep, heard, world = plan.output.representation, x, plan.reference.world  # type: ignore[union-attr]
            if self.summed:
                heard, world = x.unflatten(1, (len(self.input.world.names), -1)).sum(1), self.output.world
            mixture, side, self.mixer = rep.encode_step(heard, self.mixer, world)
        h, self.network = system.network.step(system.embed(frames), self.network)
        y = system.head(h)
        if not self.audio:
            return y
        method: Any = plan.method
        shaped = method.shape(system, y, mixture)
        wave, self.decoder = plan.output.representation.decode_step(shaped, side, self.decoder, plan.output.world)
        return wave


def added(h: Tensor, told: Tensor | None) -> Tensor:
    """[B, C, …] with what is told [B, C] added to every frame."""
    return h if told is None else h + told.reshape(*told.shape, *(1,) * (h.dim() - 2))
