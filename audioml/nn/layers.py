"""Layers that run over a whole clip or step by step, with the state as an argument and a result (None = zeros, the start)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["batch", "frame", "global"]


class TimeConv(nn.Module):
    """Convolution over the last axis (1-D), or over bins and frames (2-D), that is causal or centred in time.

    x [B, C, N] or [B, C, F, N]; kernel (f, t); stride in time is 1, stride in bins may be larger; bins are padded "same".
    """

    def __init__(
        self,
        inp: int,
        out: int,
        kernel: int | tuple[int, int],
        *,
        causal: bool,
        dilation: int = 1,
        groups: int = 1,
        bin_stride: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.causal = causal
        if isinstance(kernel, tuple):
            f, t = kernel
            self.conv: nn.Module = nn.Conv2d(
                inp, out, (f, t), stride=(bin_stride, 1), padding=(f // 2, 0), dilation=(1, dilation), groups=groups, bias=bias
            )
        else:
            t = kernel
            self.conv = nn.Conv1d(inp, out, t, dilation=dilation, groups=groups, bias=bias)
        self.past = (t - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        """All frames at once, as many out as in."""
        if not self.past:
            return self.conv(x)
        left = self.past if self.causal else self.past // 2
        return self.conv(F.pad(x, (left, self.past - left)))

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The next frames; the state is the last `past` input frames."""
        if not self.past:
            return self.conv(x), None
        if state is None:
            state = x.new_zeros(*x.shape[:-1], self.past)
        joined = torch.cat([state, x], -1)
        return self.conv(joined), joined[..., -self.past :]


class FrameNorm(nn.Module):
    """Layer normalisation over the channels (and bins) of each frame alone, so that it streams ("cLN" per frame).

    x [B, C, N] or [B, C, F, N]; one gain and bias per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Zero mean, unit variance in every frame."""
        h = x.transpose(1, -1)  # the frame's numbers last, where torch has a fast kernel
        shape = h.shape[2:]
        return F.layer_norm(h, shape, self.weight.expand(shape), self.bias.expand(shape)).transpose(1, -1)


def make_norm(kind: Norm, channels: int, dims: int) -> nn.Module:
    """`batch`: BatchNorm; `frame`: FrameNorm; `global`: over channels and time (gLN of Conv-TasNet), which cannot stream."""
    if kind == "batch":
        return nn.BatchNorm1d(channels) if dims == 1 else nn.BatchNorm2d(channels)
    if kind == "frame":
        return FrameNorm(channels)
    return nn.GroupNorm(1, channels)


class Chain(nn.Sequential):
    """nn.Sequential that also steps: layers with a `step` carry state, the others act on each frame alone."""

    def step(self, x: Tensor, state: list[Any] | None) -> tuple[Tensor, list[Any]]:
        """The next frames through every layer."""
        state = state or [None] * len(self)
        new = []
        for layer, s in zip(self, state, strict=True):
            if hasattr(layer, "step"):
                x, s = layer.step(x, s)
            else:
                x = layer(x)
            new.append(s)
        return x, new


class Residual(nn.Module):
    """x + body(x); the body is a Chain with as many channels out as in."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = Chain(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """All frames at once."""
        return x + self.body(x)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames."""
        y, state = self.body.step(x, state)
        return x + y, state


class Recurrent(nn.Module):
    """GRU or LSTM over time: [B, C, N] -> [B, directions·width, N].

    `weight_drop`: share of the weights from state to state that are zero for the whole of a training step (AWD-LSTM,
    Merity et al. 2018, §2).
    """

    def __init__(
        self, cell: Literal["gru", "lstm"], inp: int, width: int, *, layers: int, directions: int, dropout: float = 0,
        weight_drop: float = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rnn = kind(inp, width, layers, batch_first=True, bidirectional=directions == 2, dropout=dropout if layers > 1 else 0.0)
        self.width, self.weight_drop = width * directions, weight_drop

    def _run(self, x: Any) -> Any:
        """x [B, N, C], or such packed, from an empty state; while training with some recurrent weights missing."""
        if not (self.training and self.weight_drop):
            return self.rnn(x)[0]
        rnn, packed = self.rnn, isinstance(x, nn.utils.rnn.PackedSequence)
        weights = [
            nn.functional.dropout(w, self.weight_drop) if name.startswith("weight_hh") else w
            for name, w in zip(rnn._flat_weights_names, rnn._flat_weights, strict=True)
        ]
        items = int(x.batch_sizes[0]) if packed else len(x)
        empty = weights[0].new_zeros(rnn.num_layers * (1 + rnn.bidirectional), items, rnn.hidden_size)
        kind, state = (torch.lstm, (empty, empty)) if isinstance(rnn, nn.LSTM) else (torch.gru, empty)
        how = (weights, True, rnn.num_layers, rnn.dropout, True, rnn.bidirectional)
        if not packed:
            return kind(x, state, *how, True)[0]
        return x._replace(data=kind(x.data, x.batch_sizes, state, *how)[0])

    def forward(self, x: Tensor, n: Tensor | None = None) -> Tensor:
        """All frames at once; with `n` a backward pass starts at each clip's own end."""
        h = x.transpose(1, 2)
        if n is None or not self.rnn.bidirectional or int(n.min()) == h.shape[1]:
            return self._run(h).transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(h, n.cpu(), batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self._run(packed), batch_first=True, total_length=h.shape[1])
        return y.transpose(1, 2)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the cell's."""
        y, state = self.rnn(x.transpose(1, 2), state)
        return y.transpose(1, 2), state


class FlatPath(nn.Module):
    """A recurrence along time over all channels and bins of a frame at once (CRN, Tan & Wang 2018): x [B, C, F, N] -> the same."""

    def __init__(self, channels: int, bins: int, cells: int, *, directions: int, dropout: float) -> None:
        super().__init__()
        self.rnn = Recurrent("lstm", channels * bins, cells, layers=1, directions=directions)
        self.widen = nn.Conv1d(self.rnn.width, channels * bins, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, n: Tensor | None = None) -> Tensor:
        """All frames at once."""
        return x + self.widen(self.drop(self.rnn(x.flatten(1, 2), n))).view_as(x)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the recurrence's."""
        y, state = self.rnn.step(x.flatten(1, 2), state)
        return x + self.widen(y).view_as(x), state


class DualPath(nn.Module):
    """A recurrence across the bins of each frame, then one along time that all bins share (DPCRN, Le et al. 2021, §2.3).

    x [B, C, F, N] -> the same; weights do not grow with F, which is what makes it learn from little data.
    """

    def __init__(self, channels: int, cells: int, *, directions: int, dropout: float) -> None:
        super().__init__()
        self.across = Recurrent("lstm", channels, cells // 2, layers=1, directions=2)
        self.along = Recurrent("lstm", channels, cells, layers=1, directions=directions)
        self.mix = nn.ModuleList([nn.Linear(self.across.width, channels), nn.Linear(self.along.width, channels)])
        self.norm = nn.ModuleList([FrameNorm(channels), FrameNorm(channels)])
        self.drop = nn.Dropout(dropout)

    def _across(self, x: Tensor) -> Tensor:
        b, c, f, n = x.shape
        y = self.across(x.permute(0, 3, 2, 1).reshape(b * n, f, c).transpose(1, 2))
        y = self.mix[0](y.transpose(1, 2)).view(b, n, f, c)
        return x + self.drop(self.norm[0](y.permute(0, 3, 2, 1)))

    @staticmethod
    def _rows(x: Tensor) -> Tensor:
        """A clip per bin [B·F, C, N], its channels side by side in memory: nothing is copied where x is channels-last."""
        return x.permute(0, 2, 3, 1).flatten(0, 1).transpose(1, 2)

    def _back(self, x: Tensor, y: Tensor) -> Tensor:
        b, c, f, n = x.shape
        y = self.mix[1](y.transpose(1, 2)).view(b, f, n, c)
        return x + self.drop(self.norm[1](y.permute(0, 3, 1, 2)))

    def forward(self, x: Tensor, n: Tensor | None = None) -> Tensor:
        """All frames at once."""
        x = self._across(x)
        lengths = None if n is None else n.repeat_interleave(x.shape[2])
        return self._back(x, self.along(self._rows(x), lengths))

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the recurrence's along time."""
        x = self._across(x)
        y, state = self.along.step(self._rows(x), state)
        return self._back(x, y), state
