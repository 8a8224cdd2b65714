"""Recurrent network: GRU or LSTM, in one or two directions; with a memory, an attentive decoder (Luong et al. 2015)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from audioml.kinds import Frames, Seq, Space
from audioml.nn.attention import CrossAttention
from audioml.nn.layers import Recurrent
from audioml.nn.network import Network


class Rnn(Network):
    """`layers` recurrent layers of `cells` units on Frames [B, width, N]; `directions` 2 reads the clip backwards too.

    `with_memory` adds attention after the recurrence: the states ask the memory, and tanh of a map of both goes on
    (Luong et al. 2015, eq. 5; global attention without input feeding, so that training needs no loop over frames).
    """

    takes = ("Frames",)
    traffic = ("aligned", "memory")
    causal_if = {"directions": 1}

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
        weight_drop: float,
    ) -> None:
        super().__init__(inp, out)
        self.width, self.directions = width, directions
        self.rnn = Recurrent(
            cell, width, cells, layers=layers, directions=directions, dropout=dropout, weight_drop=weight_drop
        )
        self.drop = nn.Dropout(dropout)
        self.out = Frames(self.rnn.width, inp.rate)  # type: ignore[union-attr]
        self.memory_dim = 0
        self.cross: CrossAttention | None = None

    def with_memory(self, dim: int) -> None:
        """Add attention over a memory of `dim` channels."""
        self.memory_dim = dim
        size = self.rnn.width
        self.cross = CrossAttention(size, dim, 1, placed=True)
        self.merge = nn.Linear(2 * size, size)

    def _recall(self, y: Tensor, kept: Any, start: int) -> Tensor:
        """States [B, C, N] with what they find in the memory -> [B, C, N]."""
        assert self.cross is not None
        x = y.transpose(1, 2)
        return torch.tanh(self.merge(torch.cat([x, self.cross(x, kept, start)], -1))).transpose(1, 2)

    def forward(self, h: Tensor, n: Tensor | None = None, memory: Seq | None = None) -> Tensor:
        """[B, width, N], and a memory [B, dim, M] where `with_memory` was called -> [B, directions·cells, N]."""
        y = self.rnn(h, n)
        if self.cross is not None:
            assert memory is not None, "an rnn with attention needs its memory"
            y = self._recall(y, self.cross.keep(memory), 0)
        return self.drop(y)

    def cannot_step(self) -> str:
        """Steps in one direction."""
        return "rnn with directions=2 reads the clip from its end; directions=1 streams" if self.directions == 2 else ""

    def step(self, h: Tensor, state: Any, memory: Seq | None = None) -> tuple[Tensor, Any]:
        """The next frames; the state is the cells', and with a memory its keys and values."""
        if self.cross is None:
            return self.rnn.step(h, state)
        assert memory is not None, "an rnn with attention needs its memory"
        cells, kept, start = state or (None, self.cross.keep(memory), 0)
        y, cells = self.rnn.step(h, cells)
        return self.drop(self._recall(y, kept, start)), (cells, kept, start + h.shape[-1])
