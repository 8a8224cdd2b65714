"""Noise is removed step by step: diffusion in v-parameterisation over the output's frames (Salimans & Ho 2022)."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Seq, dims_of
from audioml.lazy import LazyModule
from audioml.methods.fits import makes_audio
from audioml.methods.makers import beside, ground
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")
noise = LazyModule("audioml.nn.noise")
samplers = LazyModule("audioml.nn.samplers")
HALF_TURN = 1.5707963267948966  # π/2: the clock runs from 0 (clean) to 1 (noise)


class Diffusion(Method):
    """The network learns the velocity of a stream on its way between audio and noise; sampling follows it back.

    The stream is the output's frames at unit deviation (`scale`: of each bin, or of all together).  An input of the output's
    family lies beside it frame by frame, and where both have one shape the stream is their difference (`residual`), so that what
    the input holds need not be made again.  Other inputs are read into one vector (`reading: cond`) or attended to (`memory`); a
    share `drop` of the items trains without them, and `guidance` w draws v0 + w·(v - v0) (Ho & Salimans 2022; 1: none).

    `predicts`: what the emission stands for, the velocity or the clean stream, from which the velocity follows.  A velocity holds
    all the noise, which a network narrower than a frame cannot pass on; a clean stream it can (Li & He 2025).  The loss is that of
    the velocity in both cases, but at noise so low that an error of the clean stream would count more than 11-fold.

    `span`: log-SNR in nats at the ends of the cosine schedule.  `decay`: of the averaged weights, which draw in eval mode.
    `nfe`: evaluations of the velocity per draw; with guidance each runs the network twice.
    """

    losses = {"velocity": 1.0}

    def __init__(
        self,
        *,
        span: float,
        predicts: Literal["velocity", "clean"],
        residual: bool,
        scale: Literal["bins", "all"],
        decay: float,
        reading: Literal["cond", "memory"],
        drop: float,
        guidance: float,
        sampler: Literal["ddim", "ddpm", "heun", "dpmpp2m"],
        nfe: int,
    ) -> None:
        for name, value, fine, want in (
            ("span", span, 0 < span <= 60, "between 0 and 60 nats"),
            ("decay", decay, 0 <= decay < 1, "at least 0 and below 1"),
            ("drop", drop, 0 <= drop < 1, "at least 0 and below 1"),
            ("guidance", guidance, guidance >= 0, "zero or more"),
            ("nfe", nfe, nfe >= 1, "at least 1"),
        ):
            if not fine:
                raise RequestError(f"method.{name}={value} should be {want}")
        self.span, self.predicts, self.residual, self.scale, self.decay = span, predicts, residual, scale, decay
        self.reading, self.drop, self.guidance, self.sampler, self.nfe = reading, drop, guidance, sampler, nfe

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses symbols, zeros and ones, and an aligned input of another frame rate."""
        makes_audio(self.name, output)
        if output.representation.borrows == "audio":
            raise Misfit(
                f"method 'diffusion' learns from the target's frames, and representation '{output.representation.name}' holds what "
                "is to be done to an input, which no target shows"
            )
        aligned = beside(inputs, output)
        rest = tuple(s.port for s in inputs if s is not aligned)
        attend = self.reading == "memory" and rest
        return Flow(
            output.space,
            output.space,
            joined=(aligned.port,) if aligned else (),
            memory=rest if attend else (),
            cond=() if attend else rest,
            needs=frozenset({"aligned", "memory"} if attend else {"aligned"}),
            clock=True,
        )

    def fallback(self) -> Diffusion:
        """The same, for models that cannot attend: side inputs are pooled."""
        other = copy.copy(self)
        other.reading = "cond"
        return other

    def parts(self, system: System) -> Any:
        """Statistics of the stream, and the averaged weights."""
        from audioml.nn.ema import Average

        scale = noise.Scale(dims_of(system.plan.output.space), single=self.scale == "all")
        return torch.nn.ModuleDict({"scale": scale, "average": Average(system, self.decay)})

    def after_step(self, system: System, step: int) -> None:
        """Let the average follow."""
        self._average(system).update(system)

    # ---- training ----------------------------------------------------------------------------------------------------
    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Mean square of the velocity's error over valid frames.  In eval mode: of the averaged weights, at fixed noise."""
        with self._weights(system):
            target, _ = system.encode(system.plan.output.port, batch)
            known = ground(system, batch, None).seq if system.plan.reference is not None else None
            offset, level = self._offset(system, known)
            stream = target.x if level is None else target.x / level
            stream = stream if offset is None else stream - offset
            scale = self._scale(system)
            if system.training:
                scale.update(stream, target.n)
            valid = noise.valid_frames(target.n, stream)
            x = scale(stream) * valid
            dice = None if system.training else torch.Generator(x.device).manual_seed(0)
            angle = noise.angle_of(noise.spread_times(len(x), x.device, dice), self.span)
            e = torch.randn(x.shape, generator=dice, device=x.device, dtype=x.dtype) * valid
            context = self._context(system, batch, level)
            if system.training:
                keep = torch.rand(len(x), device=x.device) >= self.drop
                context = context.muted(keep)
            z = Seq(noise.noisy(x, e, angle), target.n)
            found = system.emit(batch, z, context, angle / HALF_TURN).x
            if self.predicts == "clean":
                error = (found - x) / noise.turn(angle, x)[1].clamp(min=noise.LEAST)
            else:
                error = found - noise.velocity(x, e, angle)
            error = error.square() * valid
            return {"velocity": error.sum() / (valid.sum() * error[0, ..., 0].numel())}

    # ---- use -----------------------------------------------------------------------------------------------------------
    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> audio as long as the aligned input, or as `ask` says; its noise comes from torch's generator."""
        output = system.plan.output
        known = ground(system, inputs, ask)
        n = known.n
        with self._weights(system):
            offset, level = self._offset(system, known.seq)
            like = next(system.parameters())
            z = torch.randn(len(n), *dims_of(output.space), known.frames, device=like.device, dtype=like.dtype)
            angles = samplers.angles_for(self.sampler, self.nfe, self.span, z.device)
            context = self._context(system, inputs, level)
            x = samplers.SAMPLERS[self.sampler](self._field(system, inputs, context, n), z, angles)
            stream = self._scale(system).back(x)
            stream = stream if offset is None else stream + offset
            stream = stream if level is None else stream * level
            return {output.port: output.representation.decode(Seq(stream, n), known.side, output.world)}

    def _field(self, system: System, inputs: Batch, context: Any, n: Any) -> Any:
        """(z, angle [B]) -> velocity, guided where there is something to be guided by."""
        valid = None
        guided = self.guidance != 1 and (context.cond is not None or context.memory is not None)
        deaf = context.muted(torch.zeros(len(n), dtype=torch.bool, device=n.device)) if guided else context

        def field(z: Any, angle: Any) -> Any:
            nonlocal valid
            valid = noise.valid_frames(n, z) if valid is None else valid
            clock, stream = (angle / HALF_TURN).to(z.dtype), Seq(z * valid, n)
            found = system.emit(inputs, stream, context, clock).x
            if guided:
                without = system.emit(inputs, stream, deaf, clock).x
                found = without + self.guidance * (found - without)
            return noise.leading(z, found, angle) if self.predicts == "clean" else found

        return field

    # ---- pieces --------------------------------------------------------------------------------------------------------
    @staticmethod
    def _scale(system: System) -> Any:
        return system.extra["scale"]  # type: ignore[index]

    @staticmethod
    def _average(system: System) -> Any:
        return system.extra["average"]  # type: ignore[index]

    def _weights(self, system: System) -> Any:
        return nullcontext() if system.training else self._average(system).instead(system)

    def _offset(self, system: System, known: Seq | None) -> tuple[Any, Any]:
        """(what the stream is counted from, its level [B, 1, …]): the aligned input's, or None."""
        if known is None:
            return None, None
        output = system.plan.output
        level = output.representation.loudness(known)
        x = known.x if level is None else known.x / level
        return (x if self.residual and x.shape[1:-1] == dims_of(output.space) else None), level

    @staticmethod
    def _context(system: System, inputs: Batch, level: Any) -> Any:
        """What lies beside the stream, at the stream's level."""
        context = system.context(inputs)
        if level is None:
            return context
        return replace(context, joined=[j / level.reshape(-1, *(1,) * (j.dim() - 1)) for j in context.joined])
