"""Autoencoder: strided convolutions into a narrow bottleneck and back (SEANet: Tagliasacchi et al. 2020; SoundStream §III-A, B)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from audioml.kinds import Frames, Space
from audioml.nn.bottleneck import whole_blocks
from audioml.nn.layers import Chain, FrameNorm, Residual, TimeConv
from audioml.nn.network import Network


class Down(nn.Module):
    """Strided convolution of 2·stride taps, [B, C, M·stride] -> [B, C', M]; causal: frame m sees up to its own block's end."""

    def __init__(self, inp: int, out: int, stride: int, *, causal: bool) -> None:
        super().__init__()
        self.stride = stride
        self.past = stride if causal else (stride + 1) // 2
        self.conv = nn.Conv1d(inp, out, 2 * stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        """All blocks."""
        return self.conv(nn.functional.pad(x, (self.past, self.stride - self.past)))

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """k·stride frames -> k frames; the state is the last block (where causal)."""
        state = x.new_zeros(*x.shape[:-1], self.stride) if state is None else state
        return self.conv(torch.cat([state, x], -1)), x[..., -self.stride :]


class Up(nn.Module):
    """Transposed convolution of 2·stride taps, [B, C, M] -> [B, C', M·stride]; causal: a block hears its latent and the last."""

    def __init__(self, inp: int, out: int, stride: int, *, causal: bool) -> None:
        super().__init__()
        self.stride = stride
        self.cut = 0 if causal else stride // 2
        self.conv = nn.ConvTranspose1d(inp, out, 2 * stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        """All blocks."""
        return self.conv(x)[..., self.cut : self.cut + x.shape[-1] * self.stride]

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """k frames -> k·stride frames; the state is the last latent (where causal)."""
        y = self.conv(x if state is None else torch.cat([state, x], -1))
        skip = 0 if state is None else self.stride
        return y[..., skip : skip + x.shape[-1] * self.stride], x[..., -1:]


class Linear(nn.Module):
    """Blocks of `ratio` frames [B, C, M·ratio] -> [B, latent, M] (`down`) and back (`up`), linearly and each by itself."""

    def __init__(self, width: int, latent: int, ratio: int) -> None:
        super().__init__()
        self.down = nn.Conv1d(width, latent, ratio, ratio, bias=False)
        self.up = nn.ConvTranspose1d(latent, width, ratio, ratio, bias=False)

    @torch.no_grad()
    def pass_on(self, embed: nn.Conv1d, head: nn.Conv1d) -> None:
        """head · up · down · embed becomes the identity, or, with fewer latents than a block has numbers, its slowest cosines.

        `embed` gets orthonormal columns, `head` is its transpose, and so is `up` to `down`: a block's cosine transform in time
        (orthonormal DCT-II), all features of each cosine side by side, the slowest first.
        """
        nn.init.orthogonal_(embed.weight[..., 0])
        if embed.bias is not None:
            embed.bias.zero_()
        head.bias.zero_()  # type: ignore[union-attr]
        head.weight.copy_(embed.weight.transpose(0, 1))
        columns = embed.weight[..., 0]  # [width, D]
        latent, ratio = self.down.weight.shape[0], self.down.weight.shape[-1]
        j, t = torch.arange(ratio)[:, None], torch.arange(ratio) + 0.5
        cosines = torch.cos(math.pi / ratio * j * t) * (2 / ratio) ** 0.5
        cosines[0] /= 2**0.5
        basis = torch.einsum("jt,wd->jdwt", cosines, columns).flatten(0, 1)[:latent]
        for weight in (self.down.weight, self.up.weight):
            weight.zero_()
            weight[: len(basis)] = basis


class Autoencoder(Network):
    """Frames [B, width, N] -> z [B, latent, M] -> [B, width, N]; M = ceil(N / product of the strides).

    Each stage has `units` residual units (dilations 1, 3, 9 …; each normed frame by frame, without which wide ones ran away at
    once), then a strided convolution; channels grow by `growth` up to `widest`.  Latent frame m stands for the block of frames
    [m·ratio, (m + 1)·ratio), so a causal one looks ahead only within its block.  `ratio` frames make one answer, so it steps by
    so many.  `shortcut`: a linear way from each block to its latent frame and back, beside the convolutions, which begin silent.
    """

    takes = ("Frames",)
    traffic = ("aligned", "bottleneck")

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        width: int,
        latent: int,
        strides: list[int],
        growth: float,
        widest: int,
        units: int,
        kernel: int,
        causal: bool,
        shortcut: bool,
    ) -> None:
        super().__init__(inp, out)
        self.width, self.latent, self.causal = width, latent, causal
        self.ratio = self.grain = math.prod(strides)
        self.out = Frames(width, inp.rate)  # type: ignore[union-attr]
        channels = [min(max(widest, width), round(width * growth**i)) for i in range(len(strides) + 1)]

        def unit(size: int, dilation: int) -> Residual:
            return Residual(
                FrameNorm(size),
                nn.ELU(),
                TimeConv(size, size // 2, kernel, causal=causal, dilation=dilation),
                nn.ELU(),
                nn.Conv1d(size // 2, size, 1),
            )

        def stack(size: int) -> list[nn.Module]:
            return [unit(size, 3**i) for i in range(units)]

        down: list[nn.Module] = []
        up: list[nn.Module] = [TimeConv(latent, channels[-1], kernel, causal=causal)]
        for i, stride in enumerate(strides):
            down += [*stack(channels[i]), nn.ELU(), Down(channels[i], channels[i + 1], stride, causal=causal)]
        for i, stride in reversed(list(enumerate(strides))):
            up += [nn.ELU(), Up(channels[i + 1], channels[i], stride, causal=causal), *stack(channels[i])]
        if not strides:
            down, up = stack(width), [*up, *stack(width)]
        self.down = Chain(*down, nn.ELU(), TimeConv(channels[-1], latent, kernel, causal=causal))
        self.up = Chain(*up, nn.ELU(), *([nn.Conv1d(width, width, 1)] if shortcut else []))
        self.linear = Linear(width, latent, self.ratio) if shortcut else None
        for last in (self.down[-1].conv, self.up[-1]) if shortcut else ():
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def pass_on(self, embed: nn.Module, head: nn.Module) -> None:
        """With a shortcut, begin as the identity between an embedding and a head of one linear map each, of as many features."""
        maps = [[m for m in part.modules() if isinstance(m, nn.Conv1d)] for part in (embed, head)]
        if self.linear is not None and [len(m) for m in maps] == [1, 1] and maps[0][0].in_channels == maps[1][0].out_channels:
            self.linear.pass_on(maps[0][0], maps[1][0])
            embed.norm = nn.Identity()  # which would undo it

    def encode(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, latent, M]; frames past each item's `n` count as zeros."""
        if n is not None and int(n.min()) < h.shape[-1]:
            h = h * (torch.arange(h.shape[-1], device=h.device) < n.to(h.device)[:, None])[:, None]
        h = whole_blocks(h, self.ratio)
        return self.down(h) if self.linear is None else self.down(h) + self.linear.down(h)

    def decode(self, z: Tensor, frames: int) -> Tensor:
        """[B, latent, M] -> [B, width, frames], frames at most M·ratio."""
        y = self.up(z) if self.linear is None else self.up(z) + self.linear.up(z)
        return y[..., :frames]

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """decode(encode(h))."""
        return self.decode(self.encode(h, n), h.shape[-1])

    def cannot_step(self) -> str:
        """Steps when causal."""
        return "" if self.causal else "autoencoder with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next k·ratio frames (the last block may be cut short); the state holds each layer's past inputs."""
        down, up = state or (None, None)
        frames, h = h.shape[-1], whole_blocks(h, self.ratio)
        z, down = self.down.step(h, down)
        z = z if self.linear is None else z + self.linear.down(h)
        y, up = self.up.step(z, up)
        y = y if self.linear is None else y + self.linear.up(z)
        return y[..., :frames], (down, up)
