"""One label for the whole clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.kinds import Batch, Seq, Tokens, rate_of
from audioml.methods.aligned import only_input
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System


class Classify(Method):
    """Cross-entropy on logits pooled over the clip; `smoothing` spreads a little probability over all classes."""

    losses = {"cross_entropy": 1.0}

    def __init__(self, *, smoothing: float, time_masks: int, time_width: float, bin_masks: int, bin_width: float) -> None:
        self.smoothing = smoothing
        self.augment = {"time_masks": time_masks, "time_width": time_width, "bin_masks": bin_masks, "bin_width": bin_width}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses anything but a single symbol, and inputs without a frame rate."""
        one = only_input(self.name, inputs)
        if not isinstance(output.space, Tokens) or output.space.length != 1:
            raise Misfit(
                f"method '{self.name}' emits one symbol per clip, the output '{output.port}' is {type(output.world).__name__}"
            )
        if rate_of(one.space) is None:
            raise Misfit(f"method '{self.name}' pools over frames, and input '{one.port}' has no frame rate")
        return Flow(one.space, output.space, source=one.port, pool=True)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Cross-entropy."""
        from torch.nn.functional import cross_entropy

        logits = system.emit(batch, augment=self.augment).x[..., 0]
        return {"cross_entropy": cross_entropy(logits, batch[system.plan.output.port].x, label_smoothing=self.smoothing)}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The most probable class [B]."""
        output = system.plan.output
        emission = system.emit(inputs)
        return {output.port: output.representation.decode(Seq(emission.x.argmax(1), emission.n), None, output.world)}
