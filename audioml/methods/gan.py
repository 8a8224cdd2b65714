"""Adversarial training: the row's network makes audio, judges of waveforms tell it from real audio (HiFi-GAN, Kong et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Frames, Grid, Seq, Stems, Wave, dims_of
from audioml.lazy import LazyModule
from audioml.methods import compare
from audioml.methods.fits import makes_audio
from audioml.methods.makers import ground
from audioml.methods.regress import Regress
from audioml.parts import Flow, Side

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")
judges = LazyModule("audioml.nn.discriminators")
QUIET = 0.1  # of what a residual would change to begin with
LATENT_PLANES = 2  # of a Grid of noise: one that changes from frame to frame, one that holds for the clip


class Gan(Regress):
    """With an audio input: frames of it in, frames of the output out, trained as `regress` is (`losses`, or `blind` where the
    representation keeps no phase) and by the judges; where both have one shape the emission is what changes (`residual`), so that
    the judges hear how the input was changed and not whether it arrived.  Without: `noise` channels in, half of them held over the
    clip, trained by the judges, the means of their maps, and the mean and deviation of each mel band (weight `statistics`).

    Weights: `adversarial` of the judges' verdict, `features` of their maps.  Judges: `periods`, `scales` (how often each halves
    the rate), `windows` of spectra, with `width` and `widest` channels; `criterion` lsgan or hinge; they hear `segment` seconds
    of each clip.
    """

    turns = ("oppose", "loss")

    def __init__(
        self,
        *,
        losses: dict[str, float],
        blind: dict[str, float],
        residual: bool,
        adversarial: float,
        features: float,
        statistics: float,
        noise: int,
        periods: list[int],
        scales: list[int],
        windows: list[int],
        width: int,
        widest: int,
        criterion: Literal["lsgan", "hinge"],
        segment: float,
    ) -> None:
        super().__init__(losses=losses, blind=blind, space=0.0)
        if not (periods or scales or windows):
            raise RequestError("method.periods, method.scales and method.windows name no judge; a GAN needs one")
        if noise < 2:
            raise RequestError(f"method.noise={noise} should be at least 2 channels")
        if segment <= 0:
            raise RequestError(f"method.segment={segment:g} should be above 0 seconds")
        if any(p < 1 for p in periods) or any(s < 0 for s in scales) or any(w < 64 or w % 4 for w in windows):
            raise RequestError("method.periods start at 1, method.scales at 0, method.windows at 64 in steps of 4")
        self.mixes, self.noise, self.criterion, self.segment = residual, noise, criterion, segment
        self.jury = {"periods": list(periods), "scales": list(scales), "windows": list(windows), "width": width, "widest": widest}
        self.losses |= {"oppose": 1.0, "adversarial": adversarial, "features": features, "statistics": statistics}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses symbols, and representations that search for their phase while rendering."""
        rep = output.representation
        if not rep.teaches:
            raise Misfit(
                f"method '{self.name}' judges the wave, and representation '{rep.name}' renders it in a way that passes no useful "
                "gradient on"
            )
        if any(isinstance(s.world, Wave | Stems) for s in inputs):
            return super().flow(inputs, output)
        makes_audio(self.name, output)
        space: Any = output.space
        x = Grid(LATENT_PLANES, space.bins, space.rate) if isinstance(space, Grid) else Frames(self.noise, space.rate)
        return Flow(x, space, cond=tuple(s.port for s in inputs))

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """What changes, and the encoded input that it changes."""
        same = self.mixes and mixture is not None and mixture.shape == emission.shape
        return emission + mixture if same else emission

    def parts(self, system: System) -> Any:
        """The judges.  What only changes its input begins by hardly changing it."""
        if self.mixes and system.plan.flow.source is not None:
            with torch.no_grad():
                for weight in system.head.parameters():
                    weight.mul_(QUIET)
        cond = system.network.width if system.plan.flow.cond else None
        return judges.Jury(**self.jury, cond=cond)

    def parameters(self, system: System, turn: str) -> list[Any]:
        """The judges' in turn "oppose", all others in turn "loss"."""
        theirs = {id(p) for p in system.extra.parameters()}  # type: ignore[union-attr]
        return [p for p in system.parameters() if (id(p) in theirs) == (turn == "oppose")]

    # ---- making ------------------------------------------------------------------------------------------------------
    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> audio; where no input is audio, out of noise (torch's generator) and as long as `ask` says."""
        if system.plan.flow.source is not None:
            return super().draw(system, inputs, ask)
        output, known = system.plan.output, ground(system, inputs, ask)
        x = self._latent(system.plan.flow.x, known.n, known.frames)
        emission = system.emit(inputs, Seq(x, known.n))
        return {output.port: output.representation.decode(Seq(emission.x, known.n), known.side, output.world)}

    @staticmethod
    def _latent(space: Any, n: Any, frames: int) -> Any:
        """Noise in the flow's space; the second half of the channels (the second plane) is the same in all frames."""
        x = torch.randn(len(n), *dims_of(space), frames, device=n.device)
        held = x.shape[1] // 2
        x[:, -held:] = x[:, -held:, ..., :1].clone()
        return x

    def _made(self, system: System, batch: Batch) -> Any:
        """The drawn wave for a training batch, unnamed stems in the targets' order."""
        target = batch[system.plan.output.port]
        made = self.draw(system, batch, Seq(None, target.n))[system.plan.output.port].x
        return compare.in_order(system, made, target, self.sharp[0])

    # ---- training ----------------------------------------------------------------------------------------------------
    def oppose(self, system: System, batch: Batch) -> dict[str, Any]:
        """The judges' loss on real and made waves."""
        jury: Any = system.extra
        with torch.no_grad():
            made = self._made(system, batch)
            real, fake, asked = self._heard(system, batch, made)
        both = None if asked is None else torch.cat([asked, asked])
        return {"oppose": judges.oppose(*judges.parted(jury(torch.cat([real, fake]), both)), self.criterion)}

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """The generator's losses; in eval mode those alone that do not depend on the judges."""
        made = self._made(system, batch)
        paired = system.plan.flow.source is not None
        if paired:
            found = compare.waves(system, made, batch, self.heard(system.plan.output.representation))
        else:
            found = {"statistics": self._statistics(system, made, batch)}
        if not system.training:
            return found
        jury: Any = system.extra
        real, fake, asked = self._heard(system, batch, made)
        with judges.frozen(jury):
            verdict = jury(fake, asked)
            with torch.no_grad():
                truth = jury(real, asked)
        found["adversarial"] = judges.please(verdict, self.criterion)
        found["features"] = judges.matching(truth, verdict, paired=paired)
        return found

    def _heard(self, system: System, batch: Batch, made: Any) -> tuple[Any, Any, Any]:
        """The same random segment of real and made waves [M, 1, t], signals as items, and the condition of each [M, C]."""
        target, world = batch[system.plan.output.port], system.plan.output.world
        length = min(made.shape[-1], max(1, round(self.segment * (world.rate or 16000))))  # type: ignore[union-attr]
        room = (target.n.to(made.device) - length).clamp(min=0)
        start = (torch.rand(len(room), device=made.device) * (room + 1)).long()
        index = start[:, None] + torch.arange(length, device=made.device)

        def cut(x: Any) -> Any:
            signals = x.flatten(1, -2)
            return signals.gather(-1, index[:, None].expand(-1, signals.shape[1], -1)).flatten(0, 1)[:, None]

        asked = None
        if system.plan.flow.cond:
            with torch.no_grad():
                cond = system.context(batch).cond
            asked = cond.repeat_interleave(made.flatten(1, -2).shape[1], 0)
        return cut(target.x), cut(made), asked

    @staticmethod
    def _statistics(system: System, made: Any, batch: Batch) -> Any:
        """Difference of the mean and deviation of each mel band over items and frames, in units of 10 dB."""
        from audioml.nn.embedding import levels

        target = batch[system.plan.output.port]
        rate = system.plan.output.world.rate or 16000  # type: ignore[union-attr]
        valid = (torch.arange(made.shape[-1], device=made.device) < target.n.to(made.device)[:, None])[:, None]
        x, y = (levels((w.flatten(1, -2) * valid).flatten(0, 1), rate).transpose(0, 1).flatten(1) / 10 for w in (made, target.x))
        return (x.mean(1) - y.mean(1)).abs().mean() + (x.std(1) - y.std(1)).abs().mean()
