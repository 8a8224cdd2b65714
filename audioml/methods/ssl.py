"""Self-supervised learning by masked prediction (HuBERT, Hsu et al. 2021, §II, first iteration): hide stretches of the input and
predict, there, the codes of the sound that was hidden.  The middle of the network (its bottleneck) is what the representation
`semantic` quantises: the last layers serve the prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Codes, Seq
from audioml.methods.fits import only_input, reads_audio, same_rate
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System


class Ssl(Method):
    """Cross-entropy of the output's codes (k-means over mel: representation `vq`) at hidden frames only.

    `share` of each clip is hidden, in stretches of `length` frames; hidden frames are zeros.  In use, nothing is hidden, and the
    most probable codes are rendered.
    """

    losses = {"masked": 1.0}

    def __init__(self, *, share: float, length: int) -> None:
        if not 0 < share < 1 or length < 1:
            raise RequestError(f"method.share={share} should lie between 0 and 1 and method.length={length} be at least 1")
        self.share, self.length = share, length

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no codes, inputs that are no audio features, unequal rates."""
        one = only_input(self.name, inputs)
        if not isinstance(output.space, Codes):
            raise Misfit(
                f"method '{self.name}' predicts codes, and representation '{output.representation.name}' of the output "
                f"'{output.port}' gives {type(output.space).__name__}"
            )
        reads_audio(self.name, one)
        same_rate(one, output)
        return Flow(one.space, output.space, source=one.port, needs=frozenset({"bottleneck"}))

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Mean over the hidden frames and the books."""
        import torch
        from torch.nn.functional import cross_entropy

        flow, output = system.plan.flow, system.plan.output
        assert flow.source is not None
        target, _ = system.encode(output.port, batch)
        x, _ = system.encode(flow.source, batch)
        hidden = stretches(x.n, x.x.shape[-1], self.share, self.length, x.x.device)
        seen = torch.where(hidden.reshape(len(hidden), *(1,) * (x.x.dim() - 2), -1), 0.0, x.x)
        logits = system.emit(batch, x=Seq(seen, x.n)).x
        frames = min(logits.shape[-1], target.x.shape[-1])
        on = hidden[:, :frames] & (torch.arange(frames, device=hidden.device) < target.n.to(hidden.device)[:, None])
        scores = logits[..., :frames].permute(0, 3, 1, 2)[on]  # [hidden frames, K, V]
        codes = target.x[..., :frames].permute(0, 2, 1)[on]
        return {"masked": cross_entropy(scores.flatten(0, 1), codes.flatten())}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The most probable codes, rendered."""
        output = system.plan.output
        emission = system.emit(inputs)
        wave = inputs[system.plan.flow.source]  # type: ignore[index]
        side = (wave.x.shape[-1], wave.n)
        return {output.port: output.representation.decode(Seq(emission.x.argmax(2), emission.n), side, output.world)}


def stretches(n: Any, frames: int, share: float, length: int, device: Any) -> Any:
    """[B, frames] True where hidden: stretches of `length` frames at random places that cover about `share`, at least one."""
    import torch

    n = n.to(device)
    index = torch.arange(frames, device=device)
    count = (share * n / length).round().clamp(min=1)
    most = int(count.max())
    start = (torch.rand(len(n), most, device=device) * (n[:, None] - length + 1).clamp(min=1)).long()
    start = torch.where(torch.arange(most, device=device) < count[:, None], start, frames)
    hidden = ((index >= start[..., None]) & (index < start[..., None] + length)).any(1)
    return hidden & (index < n[:, None])
