"""Recurrent network: GRU or LSTM, in one or two directions."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from audioml.kinds import Frames, Space
from audioml.nn.layers import Recurrent
from audioml.nn.network import Network


class Rnn(Network):
    """`layers` recurrent layers of `cells` units on Frames [B, width, N]; `directions` 2 reads the clip backwards too."""

    takes = ("Frames",)
    traffic = ("aligned",)

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        width: int,
        cells: int,
        layers: int,
        cell: Literal["gru", "lstm"],
        directions: Literal[1, 2],
        dropout: float,
    ) -> None:
        super().__init__(inp, out)
        self.width, self.directions = width, directions
        self.rnn = Recurrent(cell, width, cells, layers=layers, directions=directions, dropout=dropout)
        self.drop = nn.Dropout(dropout)
        self.out = Frames(self.rnn.width, inp.rate)  # type: ignore[union-attr]

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, directions·cells, N]."""
        return self.drop(self.rnn(h, n))

    def cannot_step(self) -> str:
        """Steps in one direction."""
        return "rnn with directions=2 reads the clip from its end; directions=1 streams" if self.directions == 2 else ""

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the cells'."""
        return self.rnn.step(h, state)
