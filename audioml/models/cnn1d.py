"""1-D CNN: a temporal convolutional network as in Conv-TasNet (Luo & Mesgarani 2019, §II-C)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from audioml.kinds import Frames, Space
from audioml.nn.layers import Chain, Residual, TimeConv, make_norm
from audioml.nn.network import Network
from audioml.nn.prelu import PReLU


class Cnn1d(Network):
    """`repeats` stacks of `blocks` dilated depthwise-separable blocks on Frames [B, width, N].

    `gate` multiplies the embedded input by the net's output, so that a linear embedding and head around it make the learned
    filterbank mask of Conv-TasNet.  `norm=global` (gLN) looks at the whole clip; `frame` and `batch` stream.
    """

    takes = ("Frames",)
    traffic = ("aligned",)
    causal_if = {"causal": True, "norm": "frame"}

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        width: int,
        bottleneck: int,
        hidden: int,
        blocks: int,
        repeats: int,
        kernel: int,
        causal: bool,
        norm: Literal["batch", "frame", "global"],
        gate: bool,
    ) -> None:
        super().__init__(inp, out)
        self.width, self.causal, self.kind, self.gate = width, causal, norm, gate
        self.out = Frames(width, inp.rate)  # type: ignore[union-attr]

        def block(dilation: int) -> Residual:
            return Residual(
                nn.Conv1d(bottleneck, hidden, 1),
                PReLU(),
                make_norm(norm, hidden, 1),
                TimeConv(hidden, hidden, kernel, causal=causal, dilation=dilation, groups=hidden),
                PReLU(),
                make_norm(norm, hidden, 1),
                nn.Conv1d(hidden, bottleneck, 1),
            )

        self.body = Chain(
            nn.Conv1d(width, bottleneck, 1),
            *[block(2**i) for _ in range(repeats) for i in range(blocks)],
            PReLU(),
            nn.Conv1d(bottleneck, width, 1),
        )

    def _close(self, h: Tensor, y: Tensor) -> Tensor:
        return h * torch.sigmoid(y) if self.gate else y

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, width, N]."""
        return self._close(h, self.body(h))

    def cannot_step(self) -> str:
        """Steps when causal and without a norm over the clip."""
        if self.kind == "global":
            return "cnn1d with norm=global averages over the whole clip; norm=frame or norm=batch streams"
        return "" if self.causal else "cnn1d with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state holds each block's past inputs."""
        y, state = self.body.step(h, state)
        return self._close(h, y), state
