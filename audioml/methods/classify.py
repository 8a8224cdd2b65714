"""One label for the whole clip, or any number of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Seq, Tokens, rate_of
from audioml.methods.fits import only_input
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System


class Classify(Method):
    """Cross-entropy on logits pooled over the clip, of one class, or of each tag for itself.

    `parts`: 1 pools mean and maximum of all frames, k the means of k equal parts in order (a word, not a texture).
    `smoothing` spreads a little probability over all classes; of tags, a one becomes 1 - smoothing/2, a zero smoothing/2.
    """

    losses = {"cross_entropy": 1.0}

    def __init__(
        self, *, parts: int, smoothing: float, time_masks: int, time_width: float, bin_masks: int, bin_width: float
    ) -> None:
        if parts < 1:
            raise RequestError(f"method.parts={parts} should be 1 (mean and maximum of all frames) or more")
        self.pool, self.smoothing = parts, smoothing
        self.augment = {"time_masks": time_masks, "time_width": time_width, "bin_masks": bin_masks, "bin_width": bin_width}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses anything but a single symbol or a set of them, and inputs without a frame rate."""
        one = only_input(self.name, inputs)
        if not isinstance(output.space, Tokens) or output.space.length != 1:
            raise Misfit(
                f"method '{self.name}' emits one symbol per clip, the output '{output.port}' is {type(output.world).__name__}"
            )
        if rate_of(one.space) is None:
            raise Misfit(f"method '{self.name}' pools over frames, and input '{one.port}' has no frame rate")
        return Flow(one.space, output.space, source=one.port, pool=self.pool)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Cross-entropy."""
        from torch.nn import functional as F

        output = system.plan.output
        logits = system.emit(batch, augment=self.augment).x[..., 0]
        target = output.representation.encode(batch[output.port], output.world)[0].x.to(logits.device)
        if output.space.many:  # type: ignore[union-attr]
            soft = target.to(logits) * (1 - self.smoothing) + self.smoothing / 2
            return {"cross_entropy": F.binary_cross_entropy_with_logits(logits, soft)}
        return {"cross_entropy": F.cross_entropy(logits, target[:, 0], label_smoothing=self.smoothing)}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The most probable class [B], or the probability of every tag [B, classes]."""
        output = system.plan.output
        emission = system.emit(inputs)
        many = output.space.many  # type: ignore[union-attr]
        symbols = emission.x[..., 0].sigmoid() if many else emission.x.argmax(1)
        return {output.port: output.representation.decode(Seq(symbols, emission.n), None, output.world)}
