"""Symbols are stretched to the frames they last, and the network makes frames of the output from them, all at once.

FastSpeech (Ren et al. 2019) with durations from the data's times of phonemes where the symbols are those, else from a monotonic
alignment that is searched for while training (Glow-TTS, Kim et al. 2020, §3.2); in use they are predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Frames, Grid, Phones, Seq, Tokens, rate_of
from audioml.methods import compare
from audioml.methods.fits import makes_audio
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    import torch

    from audioml.system import System

OWN = ("frames", "means", "durations")


class Stretch(Method):
    """`losses`: "frames" and "means" (what each symbol predicts whatever its neighbours: with them, an alignment of few clips would
    be learnt by heart), mean absolute differences in the output's space; "durations", squared, of log frames; further ones
    between waves (audioml/losses.py) where rendering does not search for a phase.  `width`, `layers`, `dropout` of the symbols'
    encoder; `diagonal` nats by which an alignment is drawn to equal shares.
    """

    def __init__(self, *, losses: dict[str, float], width: int, layers: int, dropout: float, diagonal: float) -> None:
        compare.check_losses(losses, "losses", OWN)
        for name in OWN:
            if name not in losses:
                raise RequestError(f"method.losses.{name} is missing: stretching learns by {', '.join(OWN)}")
        self.losses = losses
        self.waves = tuple(n for n in losses if n not in OWN)
        self.width, self.layers, self.dropout, self.diagonal = width, layers, dropout, diagonal

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no audio in frames, those that borrow from an input, and tasks without a sequence of symbols."""
        rep = output.representation
        makes_audio(self.name, output)
        if rep.borrows:
            raise Misfit(f"method '{self.name}' has no audio to go by, and representation '{rep.name}' borrows its {rep.borrows}")
        text = next((s for s in inputs if isinstance(s.space, Tokens) and s.space.length is None and not s.space.many), None)
        if text is None:
            kinds = ", ".join(f"'{s.port}' is {type(s.world).__name__}" for s in inputs) or "it has no input"
            raise Misfit(f"method '{self.name}' stretches a sequence of symbols, and the task has none ({kinds})")
        others = tuple(s.port for s in inputs if s is not text)
        return Flow(Frames(self.width, rate_of(output.space)), output.space, stretch=text.port, cond=others)

    def parts(self, system: System) -> torch.nn.Module:
        """Encoder of symbols, predictor of durations, what places frames within symbols, and frames from symbols alone."""
        from torch import nn

        from audioml.nn.durations import DurationPredictor, Stretcher, SymbolEncoder

        plan = system.plan
        size, space = plan.inputs[plan.flow.stretch or ""].space.size, plan.output.space  # type: ignore[union-attr]
        features = (space.flat() if isinstance(space, Grid) else space).dim  # type: ignore[union-attr]
        means = nn.Conv1d(self.width, features, 1)
        nn.init.zeros_(means.weight)  # a flat start: before anything is learnt, all symbols get equal shares
        return nn.ModuleDict(
            {
                "encoder": SymbolEncoder(size, self.width, self.layers, self.dropout),
                "durations": DurationPredictor(self.width, self.dropout),
                "stretcher": Stretcher(self.width),
                "means": means,
            }
        )

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """With the true durations, or those of the best alignment."""
        import torch
        from torch.nn.functional import mse_loss

        from audioml.nn.durations import repeated, spread_out, valid

        extra: Any = system.extra
        output = system.plan.output
        h, alone, symbols = self._read(system, batch)
        target, side = system.encode(output.port, batch)
        frames, flat = target.n.to(h.device), target.x.flatten(1, -2)
        means = extra["means"](alone)
        durations = self._durations(system, batch, means.detach(), symbols, flat, frames)
        index, total = spread_out(durations)
        emission = system.emit(batch, Seq(extra["stretcher"](h, durations, index), total)).x.flatten(1, -2)
        count = min(flat.shape[-1], index.shape[1])
        there, flat = valid(total.clamp(max=count), count), flat[..., :count]
        share = there.sum() * flat.shape[1]
        said = extra["durations"](h.detach(), symbols)
        spoken = valid(symbols, h.shape[-1])[:, 0]
        found = {
            "frames": ((emission[..., :count] - flat).abs() * there).sum() / share,
            "means": ((repeated(means, index)[..., :count] - flat).abs() * there).sum() / share,
            "durations": mse_loss(said[spoken], torch.log1p(durations.to(said.dtype))[spoken]),
        }
        if self.waves and output.representation.teaches:
            made = Seq(emission[..., :count].reshape(*target.x.shape[:-1], count), total)
            found |= compare.waves(system, output.representation.decode(made, side, output.world).x, batch, self.waves)
        return found

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """Audio as long as the predicted durations say, whatever `ask` says: the length is part of what is predicted."""
        from audioml.nn.durations import spread_out, valid

        extra: Any = system.extra
        output = system.plan.output
        h, _, symbols = self._read(system, inputs)
        durations = extra["durations"](h, symbols).expm1().round().long().clamp(0, 1000)
        durations = durations * valid(symbols, h.shape[-1])[:, 0]
        durations[:, 0] += durations.sum(1) == 0  # never nothing at all
        index, total = spread_out(durations)
        emission = system.emit(inputs, Seq(extra["stretcher"](h, durations, index), total))
        rep, world = output.representation, output.world
        samples = (total * rep.block - rep.overlap).clamp(min=1)
        return {output.port: rep.decode(Seq(emission.x, total), (int(samples.max()), samples), world)}

    def _read(self, system: System, inputs: Batch) -> tuple[Any, Any, Any]:
        """The symbols with the silences around, in context and alone: [B, width, L + 2] twice, and how many [B]."""
        extra: Any = system.extra
        tokens, _ = system.encode(system.plan.flow.stretch or "", inputs)
        device = extra["means"].weight.device
        return extra["encoder"](tokens.x.to(device), tokens.n.to(device))

    def _durations(self, system: System, batch: Batch, means: Any, symbols: Any, target: Any, frames: Any) -> Any:
        """Frames of each symbol [B, L + 2]: from the hint where it speaks of the same symbols, else by the best path."""
        import torch

        from audioml.nn.durations import best_path, diagonal, timed, valid

        count, length = means.shape[-1], target.shape[-1]
        # frames that are Gaussian around their symbol's mean; what a frame costs wherever it lies is left out
        score = means.transpose(1, 2) @ target - 0.5 * means.square().sum(1)[:, :, None]
        score = score - self.diagonal * diagonal(symbols, frames, count, length)
        hint = self._hint(system, batch)
        if hint is None:
            return best_path(score, symbols, frames)
        x, n = hint.x.to(means.device), hint.n.to(means.device)
        fits = n + 2 == symbols
        searched = None if bool(fits.all()) else best_path(score, symbols, frames)
        marks = torch.nn.functional.pad(x[:, 0], (0, 1)).scatter(1, n[:, None], x[:, 1].gather(1, (n[:, None] - 1).clamp(min=0)))
        told = timed(marks, n, frames, float(system.plan.flow.x.rate))  # type: ignore[union-attr]
        told = torch.nn.functional.pad(told, (0, max(0, count - told.shape[1])))[:, :count] * valid(symbols, count)[:, 0]
        return told if searched is None else torch.where(fits[:, None], told, searched)

    def _hint(self, system: System, batch: Batch) -> Seq | None:
        """Times of the very symbols that are stretched, where data and representation have them."""
        plan = system.plan
        port = plan.inputs[plan.flow.stretch or ""].representation.hint
        return batch.get(port) if port and isinstance(plan.hints.get(port), Phones) else None
