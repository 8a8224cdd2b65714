"""Any aligned network as an encoder and a decoder with fewer, narrower frames between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audioml.kinds import Frames, Grid
from audioml.nn.network import Network

LATENT = 32  # channels
PACE = 30.0  # latent frames per second that the ratio comes nearest to


def whole_blocks(h: Tensor, ratio: int) -> Tensor:
    """[..., N] zero-padded at the end to the next multiple of `ratio` frames."""
    return F.pad(h, (0, -h.shape[-1] % ratio))


def ratio_for(rate: Any) -> int:
    """The power of two, at least 2, that brings `rate` frames/s nearest to 30 on a log scale; 4 where there is no clock."""
    if rate is None:
        return 4
    return max(2, 2 ** round(math.log2(float(rate) / PACE)))


class Sandwich(Network):
    """Two copies of a network around a strided convolution: [B, width, (F,) N] -> z [B, latent, M] -> the same layout.

    `make` builds one copy for the layout `inp`; M = ceil(N / ratio); latent frame m stands for frames [m·ratio, (m + 1)·ratio).
    `latent` and `ratio` default to 32 channels at about 30 frames per second.
    """

    traffic = ("aligned", "bottleneck")

    def __init__(self, make: Callable[[], Any], inp: Frames | Grid, *, latent: int = LATENT, ratio: int | None = None) -> None:
        super().__init__(inp, inp)
        self.before, self.after = make(), make()
        self.width, self.fold, self.out = self.before.width, self.before.fold, self.before.out
        self.latent, self.ratio = latent, ratio or ratio_for(inp.rate)
        self.bins = -(-inp.bins // self.fold) if isinstance(inp, Grid) else None
        have = self.out.flat().dim if isinstance(self.out, Grid) else self.out.dim
        want = self.width * (self.bins or 1)
        self.down = nn.Conv1d(have, latent, self.ratio, self.ratio)
        self.up = nn.ConvTranspose1d(latent, want, self.ratio, self.ratio)

    def encode(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, (F,) N] -> [B, latent, M]; frames past each item's `n` count as zeros."""
        y = self.before(h, n)
        y = y.flatten(1, 2) if y.dim() == 4 else y
        if n is not None:
            y = y * (torch.arange(y.shape[-1], device=y.device) < n.to(y.device)[:, None])[:, None]
        return self.down(whole_blocks(y, self.ratio))

    def decode(self, z: Tensor, frames: int) -> Tensor:
        """[B, latent, M] -> the layout of `out`, `frames` long (at most M·ratio)."""
        h = self.up(z)[..., :frames]
        return self.after(h.unflatten(1, (self.width, self.bins)) if self.bins else h, None)

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """decode(encode(h))."""
        return self.decode(self.encode(h, n), h.shape[-1])

    def cannot_step(self) -> str:
        """Latent frames stand for whole blocks."""
        return f"a bottleneck answers in blocks of {self.ratio} frames, not frame by frame"
