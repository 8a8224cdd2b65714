"""What the methods share whose output is audio aligned with an input: losses between waves, rendering, streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError, did_you_mean
from audioml.kinds import Batch, Frames, Grid, Seq, Stems, Wave, rate_of
from audioml.parts import Flow, Method, Representation, Side

if TYPE_CHECKING:
    from audioml.system import System

LOSS_NAMES = ("snr", "si_sdr", "l1", "spectral", "multispectral")


class Aligned(Method):
    """One input stream, one audio output at the same frame rate; `shape` turns the head's emission into frames of it.

    The stream is the first audio input; the others condition the network.  An input of several stems may be treated stem by
    stem (`per_source`): then one emission holds what is to be done to each, and the results add up.

    `losses` between waves; `blind` those where the representation keeps no phase (`phaseless`); `space` the weight of the mean
    absolute difference in the output's space, which alone is taken where rendering searches for a phase (`iterations`) and so
    has no useful gradient.
    """

    streams = True
    mixes = False  # whether `shape` wants the encoded input

    def __init__(self, *, losses: dict[str, float], blind: dict[str, float], space: float) -> None:
        check_losses(losses, "losses")
        check_losses(blind, "blind")
        for name in blind.keys() & losses.keys():
            if blind[name] != losses[name]:
                raise RequestError(f"method.blind.{name}={blind[name]} and method.losses.{name}={losses[name]} must be equal")
        self.sharp, self.blind = tuple(losses), tuple(blind)
        self.losses = {**losses, **blind, "space": space}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses symbols, tasks without an audio input, unequal rates."""
        if not isinstance(output.world, Wave | Stems):
            raise Misfit(f"method '{self.name}' emits audio frames, the output '{output.port}' is {type(output.world).__name__}")
        rep = output.representation
        if not isinstance(output.space, Frames | Grid):
            raise Misfit(f"method '{self.name}' emits numbers, and representation '{rep.name}' gives {type(output.space).__name__}")
        one = next((s for s in inputs if isinstance(s.world, Wave | Stems)), None)
        if one is None:
            raise Misfit(f"method '{self.name}' follows an audio input frame by frame, and the task has none")
        x, y = rate_of(one.space), rate_of(output.space)
        if x != y:
            have = "no frame rate" if x is None else f"{float(x):g} frames/s"
            raise Misfit(f"input '{one.port}' runs at {have} and output '{output.port}' at {float(y or 0):g}; they must be equal")
        sources = sources_of(one.world)
        emit = output.space
        if sources > 1 and self.per_source(rep):
            emit = rep.space(spread(one.world, output.world))
        others = tuple(s.port for s in inputs if s is not one)
        return Flow(one.space, emit, source=one.port, cond=others)

    def per_source(self, rep: Representation) -> bool:
        """Whether each stem of an input is treated by itself."""
        return False

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """Emission and the encoded input, both in the output's space -> the output's frames."""
        raise NotImplementedError

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> the output wave, differentiable."""
        frames, side = self._frames(system, inputs)
        output = system.plan.output
        return {output.port: output.representation.decode(frames, side, output.world)}

    def _frames(self, system: System, inputs: Batch) -> tuple[Seq, Any]:
        """The output's frames and what decoding wants beside them."""
        emission = system.emit(inputs)
        mixture, side = self._lent(system, inputs)
        x = emission.x
        if mixture is not None:  # windows of other lengths have more frames, or fewer
            x = same_frames(x, mixture.shape[-1])
        return Seq(self.shape(system, x, mixture), emission.n), side

    def _lent(self, system: System, inputs: Batch) -> tuple[Any, Any]:
        """The aligned input in the output's space (None where `shape` does not look at it) and what decoding needs of it."""
        plan = system.plan
        rep, reference = plan.output.representation, plan.reference
        assert reference is not None
        wave, world = inputs[reference.port], reference.world
        if self.mixes:
            mixture, side = rep.encode(wave, world)
            return mixture.x, side
        if not rep.borrows:
            return None, (wave.x.shape[-1], wave.n)
        if isinstance(world, Stems) and not isinstance(plan.output.world, Stems) and not self.per_source(rep):
            wave, world = Seq(wave.x.sum(1), wave.n), Wave(world.channels, world.rate)  # lends the plain sum's
        lend = getattr(rep, "lend", None)
        return None, lend(wave, world) if lend else rep.encode(wave, world)[1]

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """The configured losses between waves, or in the output's space; unnamed stems in their best order."""
        from audioml import losses

        output = system.plan.output
        rep, true = output.representation, batch[output.port]
        if not rep.borrows and getattr(rep, "iterations", 0):
            target = system.encode(output.port, batch)[0].x
            planes = same_frames(self._frames(system, batch)[0].x, target.shape[-1])
            if unordered(system):
                stems = (len(output.world.names or ()), -1)  # type: ignore[union-attr]
                a, b = (x.flatten(2).unflatten(1, stems) for x in (planes, target))
                order = losses.best_order(a, b, true.n.new_full(true.n.shape, a.shape[-1]), "l1")
                planes = losses.reordered(a, order).reshape(target.shape)
            return {"space": (planes - target).abs().mean()}
        names = self.blind if getattr(rep, "phaseless", False) else self.sharp
        return self.between(system, self.draw(system, batch)[output.port].x, batch, names)

    def between(self, system: System, estimate: Any, batch: Batch, names: tuple[str, ...]) -> dict[str, Any]:
        """Losses `names` of an estimated wave, unnamed stems in their best order."""
        from audioml import losses

        true = batch[system.plan.output.port]
        if unordered(system):
            estimate = losses.reordered(estimate, losses.best_order(estimate, true.x, true.n, names[0]))
        waves = (estimate.flatten(1, -2), true.x.flatten(1, -2), true.n)
        return {name: losses.LOSSES[name](*waves) for name in names}


def unordered(system: System) -> bool:
    """Whether the output's stems have no names, so that any order is right."""
    return bool(getattr(system.plan.task, "unordered", False))


def sources_of(world: Any) -> int:
    """How many sources an input holds: its stems, or one."""
    return len(world.names or ()) if isinstance(world, Stems) else 1


def spread(inp: Any, out: Any) -> Stems:
    """Every signal of `out` once per source of `inp`, as one world: [B, I·S, C, T].  Misfit where channels do not match."""
    if inp.channels not in (1, out.channels):
        raise Misfit(f"{inp.channels} channels of the input cannot make {out.channels}; one channel, or as many, can")
    count = sources_of(inp) * sources_of(out)
    return Stems(tuple(str(i) for i in range(count)), out.channels, out.rate)


def same_frames(x: Any, count: int) -> Any:
    """[..., N] -> [..., count]: cut, or the last frame held."""
    import torch

    if x.shape[-1] >= count:
        return x[..., :count]
    return torch.cat([x, x[..., -1:].expand(*x.shape[:-1], count - x.shape[-1])], -1)


def check_losses(losses: dict[str, float], setting: str) -> None:
    """Raises RequestError for a loss that does not exist, or none at all."""
    if not losses:
        raise RequestError(f"method.{setting} is empty; losses: {', '.join(LOSS_NAMES)}")
    for name in losses:
        if name not in LOSS_NAMES:
            near = did_you_mean(name, LOSS_NAMES)
            raise RequestError(f"method.{setting}.{name} is not a loss{near or ';'} losses: {', '.join(LOSS_NAMES)}")


def only_input(method: str, inputs: list[Side]) -> Side:
    """The single input, or Misfit."""
    if len(inputs) != 1:
        raise Misfit(f"method '{method}' wants one input stream, the task has {len(inputs)}")
    return inputs[0]
