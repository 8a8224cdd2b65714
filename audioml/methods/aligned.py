"""What the methods share whose output is audio aligned with an input: losses between waves, rendering, streaming."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Seq, Stems, Wave
from audioml.methods import compare
from audioml.methods.fits import makes_audio, same_rate
from audioml.parts import Flow, Method, Representation, Side

if TYPE_CHECKING:
    from audioml.system import System


class Aligned(Method):
    """One input stream, one audio output at the same frame rate; `shape` turns the head's emission into frames of it.

    The stream is the first audio input; the others condition the network.  An input of several stems may be treated stem by
    stem (`per_source`): then one emission holds what is to be done to each, and the results add up.

    `losses` between waves; `blind` those where the representation keeps no phase (`phaseless`); `space` the weight of the mean
    absolute difference in the output's space, which alone is taken where rendering passes no useful gradient on (`teaches`).
    """

    streams = shapes = True

    def __init__(self, *, losses: dict[str, float], blind: dict[str, float], space: float) -> None:
        for setting, given in (("losses", losses), ("blind", blind)):
            if not given:
                raise RequestError(f"method.{setting} is empty; losses: {', '.join(compare.LOSS_NAMES)}")
            compare.check_losses(given, setting)
        for name in blind.keys() & losses.keys():
            if blind[name] != losses[name]:
                raise RequestError(f"method.blind.{name}={blind[name]} and method.losses.{name}={losses[name]} must be equal")
        self.sharp, self.blind = tuple(losses), tuple(blind)
        self.losses = {**losses, **blind, "space": space}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses symbols, tasks without an audio input, unequal rates."""
        makes_audio(self.name, output)
        rep = output.representation
        one = next((s for s in inputs if isinstance(s.world, Wave | Stems)), None)
        if one is None:
            raise Misfit(f"method '{self.name}' follows an audio input frame by frame, and the task has none")
        same_rate(one, output)
        sources = sources_of(one.world)
        emit = output.space
        if sources > 1 and self.per_source(rep):
            emit = rep.space(spread(one.world, output.world))
        others = tuple(s.port for s in inputs if s is not one)
        return Flow(one.space, emit, source=one.port, cond=others)

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
        plan, rep = system.plan, system.plan.output.representation
        if plan.shared and not system.sums and not rep.listens and (self.mixes or rep.borrows):  # one encoding serves both
            coded, side = system.encode(plan.flow.source, inputs)
            emission = system.emit(inputs, context=replace(system.context(inputs), stream=coded))
            mixture = coded.x if self.mixes else None
        else:
            emission = system.emit(inputs)
            mixture, side = self._lent(system, inputs)
        x = emission.x
        if mixture is not None:  # windows of other lengths have more frames, or fewer
            x = compare.fitted(x, mixture.shape[-1])
        return Seq(self.shape(system, x, mixture), emission.n), side

    def _lent(self, system: System, inputs: Batch) -> tuple[Any, Any]:
        """The aligned input in the output's space (None where `shape` does not look at it) and what decoding needs of it."""
        rep = system.plan.output.representation
        wave, world = system.beside(inputs)
        if self.mixes and not rep.listens:  # settings of a synthesiser are heard through another representation
            mixture, side = rep.encode(wave, world)
            return mixture.x, side
        return None, rep.lend(wave, world) if rep.borrows else (wave.x.shape[-1], wave.n)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """The configured losses between waves, or in the output's space."""
        output = system.plan.output
        if not output.representation.teaches:
            target, _ = system.encode(output.port, batch)
            return {"space": compare.space(system, self._frames(system, batch)[0].x, target)}
        return compare.waves(system, self.draw(system, batch)[output.port].x, batch, self.heard(output.representation))

    def heard(self, rep: Representation) -> tuple[str, ...]:
        """The losses between waves that make sense in `rep`."""
        return self.blind if rep.phaseless else self.sharp


def sources_of(world: Any) -> int:
    """How many sources an input holds: its stems, or one."""
    return len(world.names or ()) if isinstance(world, Stems) else 1


def spread(inp: Any, out: Any) -> Stems:
    """Every signal of `out` once per source of `inp`, as one world: [B, I·S, C, T].  Misfit where channels do not match."""
    if inp.channels not in (1, out.channels):
        raise Misfit(f"{inp.channels} channels of the input cannot make {out.channels}; one channel, or as many, can")
    count = sources_of(inp) * sources_of(out)
    return Stems(tuple(str(i) for i in range(count)), out.channels, out.rate)
