"""2-D CNN over a time-frequency grid."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from audioml.kinds import Grid, Space, Tokens
from audioml.nn.layers import Chain, Residual, TimeConv, make_norm
from audioml.nn.network import Network
from audioml.nn.prelu import PReLU


class Cnn2d(Network):
    """Convolutions over bins and frames of a Grid [B, width, F, N], with time dilation growing from block to block.

    Where symbols are emitted, each of `layers` stages halves the bins and widens by `growth`;
    where a grid is emitted, `fold` bins enter as one and the stages are residual.
    """

    takes = ("Grid",)
    traffic = ("aligned",)
    causal_if = {"causal": True, "norm": "frame"}

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        fold: int,
        width: int,
        layers: int,
        kernel: list[int],
        dilation: int,
        growth: float,
        causal: bool,
        norm: Literal["batch", "frame", "global"],
        dropout: float,
    ) -> None:
        super().__init__(inp, out)
        assert isinstance(inp, Grid)
        self.width, self.causal, self.kind = width, causal, norm
        pools = isinstance(out, Tokens)
        self.fold = 1 if pools else fold
        bins, channels, stages = -(-inp.bins // self.fold), width, []
        for i in range(layers):
            dilate = dilation**i
            wider = round(channels * growth) if pools else channels
            conv = TimeConv(channels, wider, (kernel[0], kernel[1]), causal=causal, dilation=dilate)
            if pools:
                stages += [conv, make_norm(norm, wider, 2), nn.ReLU()]
                stages += [nn.AvgPool2d((2, 1)), nn.Dropout(dropout)] if bins > 1 else [nn.Dropout(dropout)]
                bins = bins // 2 if bins > 1 else bins
            else:
                stages.append(Residual(make_norm(norm, wider, 2), PReLU(), conv))
            channels = wider
        self.body = Chain(*stages)
        self.out = Grid(channels, bins, inp.rate)

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, F, N] -> [B, C', F', N]."""
        return self.body(h)

    def cannot_step(self) -> str:
        """Steps when causal and without a norm over the clip."""
        if self.kind == "global":
            return "cnn2d with norm=global averages over the whole clip; norm=frame or norm=batch streams"
        return "" if self.causal else "cnn2d with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state holds each layer's past inputs."""
        return self.body.step(h, state)
