"""Fully connected network over a window of frames, the talk's first network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from audioml.kinds import Frames, Space
from audioml.nn.layers import Chain, FrameNorm, TimeConv
from audioml.nn.network import Network


class Fcn(Network):
    """Dense layers on each frame and its `past` and `future` neighbours; layout Frames [B, width, N]."""

    takes = ("Frames",)
    traffic = ("aligned",)
    causal_if = {"future": 0}

    def __init__(self, inp: Space, out: Space, *, width: int, layers: int, past: int, future: int, dropout: float) -> None:
        super().__init__(inp, out)
        self.width, self.past, self.future = width, past, future
        self.out = Frames(width, inp.rate)  # type: ignore[union-attr]
        # a convolution over past + 1 + future frames is the dense layer on the window, shifted by `future`
        self.window = TimeConv(width, width, past + 1 + future, causal=True)
        body: list[nn.Module] = []
        for _ in range(layers - 1):
            body += [FrameNorm(width), nn.SiLU(), nn.Dropout(dropout), nn.Conv1d(width, width, 1)]
        self.body = Chain(*body, FrameNorm(width), nn.SiLU())

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, width, N]."""
        if self.future:
            h = nn.functional.pad(h, (0, self.future))
        return self.body(self.window(h)[..., self.future :])

    def cannot_step(self) -> str:
        """Steps when it looks at no later frame."""
        return f"fcn with future={self.future} looks at later frames; future=0 streams" if self.future else ""

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the window of past ones."""
        h, state = self.window.step(h, state)
        return self.body(h), state
