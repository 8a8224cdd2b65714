"""Connectionist temporal classification (Graves et al. 2006): symbols in order, alignment marginalised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.kinds import Batch, Seq, Tokens, rate_of
from audioml.methods.fits import only_input
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System


class Ctc(Method):
    """CTC loss per character, greedy decoding; the blank is the last symbol."""

    losses = {"ctc": 1.0}
    streams = True

    def __init__(self, *, fastest: float, time_masks: int, time_width: float, bin_masks: int, bin_width: float) -> None:
        self.fastest = fastest
        self.augment = {"time_masks": time_masks, "time_width": time_width, "bin_masks": bin_masks, "bin_width": bin_width}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no sequence of symbols, and frame rates above `fastest` Hz."""
        one = only_input(self.name, inputs)
        if not isinstance(output.space, Tokens) or output.space.length is not None:
            raise Misfit(
                f"method '{self.name}' emits a sequence of symbols, the output '{output.port}' is {type(output.world).__name__}"
            )
        rate = rate_of(one.space)
        if rate is None or rate > self.fastest:
            have = "no frame rate" if rate is None else f"{float(rate):g} frames/s"
            raise Misfit(f"method '{self.name}' aligns symbols to at most {self.fastest:g} frames/s, input '{one.port}' has {have}")
        return Flow(one.space, Tokens(output.space.size + 1), source=one.port)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Negative log-likelihood per symbol, mean over the batch; a clip too short for its text counts as zero."""
        from torch.nn.functional import ctc_loss

        output = system.plan.output
        emission = system.emit(batch, augment=self.augment)
        target, _ = output.representation.encode(batch[output.port], output.world)
        blank = emission.x.shape[1] - 1
        scores = emission.x.log_softmax(1).permute(2, 0, 1)
        loss = ctc_loss(
            scores, target.x.to(scores.device), emission.n.cpu(), target.n.cpu(), blank, reduction="none", zero_infinity=True
        )
        return {"ctc": (loss / target.n.clamp(min=1).to(loss.device)).mean()}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The best path with repeats and blanks removed."""
        import torch

        emission, output = system.emit(inputs), system.plan.output
        blank = emission.x.shape[1] - 1
        best = emission.x.argmax(1)
        keep = (best != blank) & (torch.arange(best.shape[1], device=best.device) < emission.n[:, None].to(best.device))
        keep[:, 1:] &= best[:, 1:] != best[:, :-1]
        rows = [row[k] for row, k in zip(best.cpu(), keep.cpu(), strict=True)]
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        n = torch.tensor([len(r) for r in rows])
        return {output.port: output.representation.decode(Seq(tokens, n), None, output.world)}
