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
        axes = tuple(range(1, x.dim() - 1))
        var, mean = torch.var_mean(x, dim=axes, keepdim=True, correction=0)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return (x - mean) * torch.rsqrt(var + 1e-5) * self.weight.view(shape) + self.bias.view(shape)


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
    """GRU or LSTM over time: [B, C, N] -> [B, directions·width, N]."""

    def __init__(
        self, cell: Literal["gru", "lstm"], inp: int, width: int, *, layers: int, directions: int, dropout: float = 0
    ) -> None:
        super().__init__()
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rnn = kind(inp, width, layers, batch_first=True, bidirectional=directions == 2, dropout=dropout if layers > 1 else 0.0)
        self.width = width * directions

    def forward(self, x: Tensor, n: Tensor | None = None) -> Tensor:
        """All frames at once; with `n` a backward pass starts at each clip's own end."""
        h = x.transpose(1, 2)
        if n is None or not self.rnn.bidirectional or int(n.min()) == h.shape[1]:
            return self.rnn(h)[0].transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(h, n.cpu(), batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=h.shape[1])
        return y.transpose(1, 2)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state is the cell's."""
        y, state = self.rnn(x.transpose(1, 2), state)
        return y.transpose(1, 2), state
