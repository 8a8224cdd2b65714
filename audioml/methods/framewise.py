"""One decision per frame: which events, pitches or codes there are, in one pass of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Codes, Frames, Seq, rate_of
from audioml.lazy import LazyModule
from audioml.methods.fits import only_input
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")
F = LazyModule("torch.nn.functional")


class Framewise(Method):
    """Cross-entropy per frame: of codes, or of zeros and ones, where `positive` weighs a one against a zero.

    The output takes the input's frame rate unless it has its own, which must then be equal.  `positive` balances rare events
    (1 keeps probabilities honest); `smoothing` spreads a little probability of codes over all of them.  Frames past a clip's
    end take no part; where the target ends earlier there is nothing: zeros, or the last code (for pitch: unvoiced).
    """

    streams = True

    def __init__(
        self, *, positive: float, smoothing: float, time_masks: int, time_width: float, bin_masks: int, bin_width: float
    ) -> None:
        if positive <= 0:
            raise RequestError(f"method.positive={positive:g} should be above 0")
        self.positive, self.smoothing = positive, smoothing
        self.augment = {"time_masks": time_masks, "time_width": time_width, "bin_masks": bin_masks, "bin_width": bin_width}
        self.losses = {"cross_entropy": 1.0}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are neither codes nor zeros and ones, inputs without frames or of the output's own symbols (a
        prompt), and unequal rates."""
        one = only_input(self.name, inputs)
        space = output.space
        if not (isinstance(space, Codes) or (isinstance(space, Frames) and space.binary)):
            raise Misfit(
                f"method '{self.name}' decides between symbols in every frame, and representation "
                f"'{output.representation.name}' of output '{output.port}' gives {type(space).__name__}"
            )
        x, y = rate_of(one.space), rate_of(space)
        if x is None:
            raise Misfit(f"method '{self.name}' works frame by frame, and input '{one.port}' has no frame rate")
        if y is not None and y != x and not output.representation.follows:
            raise Misfit(
                f"input '{one.port}' runs at {float(x):g} frames/s and output '{output.port}' at {float(y):g}; they must be equal"
            )
        if one.world.family == output.world.family != "audio":
            raise Misfit(
                f"method '{self.name}' reads the output off the input frame by frame, and input '{one.port}' comes before output "
                f"'{output.port}', not beside it"
            )
        return Flow(one.space, replace(space, rate=x), source=one.port)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Mean over the valid frames (and rows or books)."""
        output = system.plan.output
        emission = system.emit(batch, augment=self.augment)
        target, _ = output.representation.encode(batch[output.port], output.world)
        y = fitted(target, emission, output.space)
        valid = torch.arange(emission.x.shape[-1], device=emission.x.device) < emission.n.to(emission.x.device)[:, None]
        if isinstance(output.space, Codes):
            logits = emission.x.transpose(1, 2)  # [B, V, K, N]
            each = F.cross_entropy(logits, y, reduction="none", label_smoothing=self.smoothing)
        else:
            weight = emission.x.new_tensor(self.positive)
            each = F.binary_cross_entropy_with_logits(emission.x, y, pos_weight=weight, reduction="none")
        return {"cross_entropy": (each * valid[:, None]).sum() / (valid.sum() * each.shape[1]).clamp(min=1)}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The likeliest codes, or the probability of every event, decoded."""
        output = system.plan.output
        emission = system.emit(inputs)
        one = inputs[system.plan.flow.source or ""]
        frames = emission.x.argmax(2) if isinstance(output.space, Codes) else emission.x.sigmoid()
        side = (one.x.shape[-1], one.n) if ask is None or ask.n is None else (int(ask.n.max()), ask.n)
        return {output.port: output.representation.decode(Seq(frames, emission.n), side, output.world)}


def fitted(target: Seq, emission: Seq, space: Any) -> Any:
    """The target [B, D or K, M] on the emission's frames: cut, or filled with zeros or the last code, past its end too."""
    frames = emission.x.shape[-1]
    nothing = space.size - 1 if isinstance(space, Codes) else 0
    x = target.x.to(emission.x.device)
    x = F.pad(x[..., :frames], (0, max(0, frames - x.shape[-1])), value=nothing)
    known = torch.arange(frames, device=x.device) < target.n.to(x.device)[:, None]
    x = torch.where(known[:, None], x, torch.full_like(x, nothing))
    return x.long() if isinstance(space, Codes) else x.to(emission.x)
