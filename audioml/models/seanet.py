"""SEANet as EnCodec has it: convolutions with an LSTM between them, from samples to latents and back (Tagliasacchi et al. 2020;
Défossez et al. 2022, §3.1 and fig. 1).  Numbers, padding and weight norm are those of `transformers`' EncodecModel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from audioml.errors import RequestError
from audioml.kinds import Frames, Grid, Space
from audioml.nn.layers import Chain, Recurrent, Residual
from audioml.nn.network import Network


@dataclass(frozen=True)
class Padding:
    """How every convolution of a network is padded and normed.  `trim`: share of a transposed one's surplus cut at its end."""

    causal: bool
    pad: str
    norm: str
    trim: float


def padded(x: Tensor, left: int, right: int, mode: str) -> Tensor:
    """x [B, C, N] with so many frames more on both sides; mirrored ones where it is long enough, else zeros behind it first."""
    if mode != "reflect":
        return F.pad(x, (left, right))
    lack = max(0, max(left, right) + 1 - x.shape[-1])
    y = F.pad(F.pad(x, (0, lack)), (left, right), mode="reflect")
    return y[..., : y.shape[-1] - lack]


def normed(conv: nn.Conv1d | nn.ConvTranspose1d, norm: str) -> tuple[nn.Module, nn.Module]:
    """The convolution and what comes after it: weight norm in the one, or group norm as the other."""
    return (weight_norm(conv), nn.Identity()) if norm == "weight" else (conv, nn.GroupNorm(1, conv.out_channels))


class Conv(nn.Module):
    """Convolution [B, C, N] -> [B, C', ceil(N / stride)]; the end is filled up to whole strides."""

    def __init__(self, inp: int, out: int, kernel: int, how: Padding, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.how, self.stride = how, stride
        self.surplus = (kernel - 1) * dilation + 1 - stride
        self.conv, self.norm = normed(nn.Conv1d(inp, out, kernel, stride, dilation=dilation), how.norm)

    def forward(self, x: Tensor) -> Tensor:
        """All frames."""
        right = 0 if self.how.causal else self.surplus // 2
        return self.norm(self.conv(padded(x, self.surplus - right, right + -x.shape[-1] % self.stride, self.how.pad)))

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next whole strides (the last may be cut short); the state is the past that the kernel still reaches."""
        state = x.new_zeros(*x.shape[:-1], self.surplus) if state is None else state
        joined = torch.cat([state, x], -1)
        kept = joined[..., joined.shape[-1] - self.surplus :]
        return self.norm(self.conv(F.pad(joined, (0, -x.shape[-1] % self.stride)))), kept


class Up(nn.Module):
    """Transposed convolution [B, C, M] -> [B, C', M·stride]."""

    def __init__(self, inp: int, out: int, stride: int, how: Padding) -> None:
        super().__init__()
        self.stride = stride
        right = math.ceil(stride * how.trim) if how.causal else stride // 2
        self.left = stride - right
        self.conv, self.norm = normed(nn.ConvTranspose1d(inp, out, 2 * stride, stride), how.norm)

    def forward(self, x: Tensor) -> Tensor:
        """All frames; norms see what is cut, too."""
        return self.norm(self.conv(x))[..., self.left : self.left + x.shape[-1] * self.stride]

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """The next frames; the state is the last latent."""
        y = self.norm(self.conv(x if state is None else torch.cat([state, x], -1)))
        skip = 0 if state is None else self.stride
        return y[..., skip : skip + x.shape[-1] * self.stride], x[..., -1:]


class Unit(Residual):
    """shortcut(x) + body(x): a dilated convolution into fewer channels, and one of a single tap out of them."""

    def __init__(self, size: int, inner: int, kernel: int, how: Padding, *, dilation: int, shortcut: bool) -> None:
        super().__init__(nn.ELU(), Conv(size, inner, kernel, how, dilation=dilation), nn.ELU(), Conv(inner, size, 1, how))
        self.shortcut: nn.Module = Conv(size, size, 1, how) if shortcut else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """All frames."""
        return self.shortcut(x) + self.body(x)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames."""
        y, state = self.body.step(x, state)
        return self.shortcut(x) + y, state


class Seanet(Network):
    """Frames [B, D, N] -> z [B, latent, M] -> what the method emits, N frames; M = ceil(N / product of the strides).

    It is at home on samples (representation=waveform with window=1 and hop=1), where it is EnCodec's network.  Where numbers
    go in and come out it sees the stream itself and gives the emission itself, without an embedding or a head of the house; where
    symbols do, it stands between such.

    `filters` channels at the first and last frame, twice as many behind each stride; `units` residual ones before each stride
    of `unit_kernel` taps and dilations 1, `dilation`, `dilation`² …, inside `squeeze` times narrower, with a convolution as
    their `shortcut` or none; `lstm` layers at the narrowest.  `pad`: with what ends are padded; `trim`: see Padding.
    """

    takes = ("Frames",)
    traffic = ("aligned", "bottleneck")
    published = ("encodec",)

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        filters: int,
        latent: int,
        strides: list[int],
        units: int,
        kernel: int,
        last_kernel: int,
        unit_kernel: int,
        dilation: int,
        squeeze: int,
        lstm: int,
        shortcut: bool,
        causal: bool,
        pad: Literal["reflect", "constant"],
        trim: float,
        norm: Literal["weight", "group"],
    ) -> None:
        super().__init__(inp, out)
        if min(filters, latent, kernel, last_kernel, unit_kernel, dilation, squeeze, *strides) < 1 or min(units, lstm) < 0:
            raise RequestError("model.units and model.lstm should be at least 0, and all other sizes of model=seanet at least 1")
        if squeeze > filters:
            raise RequestError(f"model.squeeze={squeeze} leaves no channel of model.filters={filters}")
        if not 0 <= trim <= 1 or (trim != 1 and not causal):
            raise RequestError(f"model.trim={trim:g} should be 1, or with model.causal=true between 0 and 1")
        assert isinstance(inp, Frames)
        self.bare = inp.dim > 0 and isinstance(out, Frames | Grid)
        self.width = inp.dim if self.bare else filters
        self.out: Any = out if self.bare else Frames(filters, inp.rate)
        self.latent, self.ratio = latent, math.prod(strides)
        self.grain, self.causal = self.ratio, causal
        self.how = how = Padding(causal, pad, norm, trim)
        sizes = [filters * 2**i for i in range(len(strides) + 1)]

        def stack(size: int) -> list[nn.Module]:
            inner = size // squeeze
            return [Unit(size, inner, unit_kernel, how, dilation=dilation**i, shortcut=shortcut) for i in range(units)]

        def memory(size: int) -> list[nn.Module]:
            return [Residual(Recurrent("lstm", size, size, layers=lstm, directions=1))] if lstm else []

        down: list[nn.Module] = [Conv(self.width, filters, kernel, how)]
        up: list[nn.Module] = [Conv(latent, sizes[-1], kernel, how), *memory(sizes[-1])]
        for i, stride in enumerate(strides):
            down += [*stack(sizes[i]), nn.ELU(), Conv(sizes[i], sizes[i + 1], 2 * stride, how, stride=stride)]
        for i, stride in reversed(list(enumerate(strides))):
            up += [nn.ELU(), Up(sizes[i + 1], sizes[i], stride, how), *stack(sizes[i])]
        self.down = Chain(*down, *memory(sizes[-1]), nn.ELU(), Conv(sizes[-1], latent, last_kernel, how))
        emitted = self.out.flat() if isinstance(self.out, Grid) else self.out
        self.up = Chain(*up, nn.ELU(), Conv(filters, emitted.dim, last_kernel, how))

    def encode(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, latent, M]; frames past each item's `n` count as zeros."""
        if n is not None and int(n.min()) < h.shape[-1]:
            h = h * (torch.arange(h.shape[-1], device=h.device) < n.to(h.device)[:, None])[:, None]
        return self.down(h)

    def decode(self, z: Tensor, frames: int) -> Tensor:
        """[B, latent, M] -> the layout of `out`, `frames` long (at most M·ratio)."""
        return self._shaped(self.up(z)[..., :frames])

    def _shaped(self, y: Tensor) -> Tensor:
        return y.unflatten(1, (self.out.channels, self.out.bins)) if isinstance(self.out, Grid) else y

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """decode(encode(h))."""
        return self.decode(self.encode(h, n), h.shape[-1])

    def cannot_step(self) -> str:
        """Steps when causal, padded with zeros, normed by weights and trimmed at the end alone."""
        if not self.causal:
            return "seanet with causal=false looks at later frames; causal=true streams"
        if self.how.pad != "constant":
            return "seanet with pad=reflect begins with a mirror of what follows; pad=constant streams"
        if self.how.norm != "weight":
            return "seanet with norm=group looks at the whole clip; norm=weight streams"
        return "" if self.how.trim == 1 else "seanet with trim below 1 looks at later frames; trim=1 streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next k·ratio frames (the last block may be cut short); the state holds each layer's past."""
        down, up = state or (None, None)
        frames = h.shape[-1]
        z, down = self.down.step(h, down)
        y, up = self.up.step(z, up)
        return self._shaped(y[..., :frames]), (down, up)
