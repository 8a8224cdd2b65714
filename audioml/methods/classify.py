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
    `mixup` lays another recording of the batch over each in training, with a share drawn from Beta(mixup, mixup), and asks for
    both their answers by that share (Zhang et al. 2018; on waves, as in Tokozume et al. 2018, without its loudness curve).
    """

    losses = {"cross_entropy": 1.0}

    def __init__(
        self, *, parts: int, smoothing: float, mixup: float, time_masks: int, time_width: float, bin_masks: int, bin_width: float
    ) -> None:
        if parts < 1:
            raise RequestError(f"method.parts={parts} should be 1 (mean and maximum of all frames) or more")
        if mixup < 0:
            raise RequestError(f"method.mixup={mixup} should be 0 (none) or more")
        self.pool, self.smoothing, self.mixup = parts, smoothing, mixup
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
        inputs, share, other = self._overlaid(system, batch)
        logits = system.emit(inputs, augment=self.augment).x[..., 0]
        target = output.representation.encode(batch[output.port], output.world)[0].x.to(logits.device)
        if not output.space.many:  # type: ignore[union-attr]
            target = F.one_hot(target[:, 0], logits.shape[1])
        target = target.to(logits)
        target = share * target + (1 - share) * target[other]
        if output.space.many:  # type: ignore[union-attr]
            soft = target * (1 - self.smoothing) + self.smoothing / 2
            return {"cross_entropy": F.binary_cross_entropy_with_logits(logits, soft)}
        return {"cross_entropy": F.cross_entropy(logits, target, label_smoothing=self.smoothing)}

    def _overlaid(self, system: System, batch: Batch) -> tuple[Batch, Any, Any]:
        """The batch with recordings over each other, in training; the share [B, 1] of each item's own, and whose is the rest."""
        import torch

        port = system.plan.flow.source
        assert port is not None
        x, n = batch[port]
        other, share = torch.arange(len(n), device=n.device), torch.ones(len(n), 1, device=n.device)
        if not (self.mixup and system.training):
            return batch, share, other
        alpha = torch.tensor(self.mixup, device=n.device)
        share, other = torch.distributions.Beta(alpha, alpha).sample((len(n), 1)), torch.randperm(len(n), device=n.device)
        own, rest = (s.view(-1, *(1,) * (x.dim() - 1)) for s in (share, 1 - share))
        mixed = (own * x + rest * x[other]) / (own.square() + rest.square()).sqrt()
        return {**batch, port: Seq(mixed, torch.maximum(n, n[other]))}, share, other

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The most probable class [B], or the probability of every tag [B, classes]."""
        output = system.plan.output
        beliefs = self.beliefs(system, inputs)
        symbols = beliefs if output.space.many else beliefs.argmax(1, keepdim=True)  # type: ignore[union-attr]
        one = beliefs.new_ones(len(beliefs), dtype=int)
        return {output.port: output.representation.decode(Seq(symbols, one), None, output.world)}

    def beliefs(self, system: System, inputs: Batch) -> Any:
        """Probabilities [B, V] of the classes, or of each tag."""
        logits = system.emit(inputs).x[..., 0]
        return logits.sigmoid() if system.plan.output.space.many else logits.softmax(1)  # type: ignore[union-attr]
