"""Where a frame stands: rotary, relative (skewed) and sinusoidal positions.  Pure functions of a start, so they also step."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn


def rotate(x: Tensor, start: int) -> Tensor:
    """Rotary embedding (Su et al. 2021, §3.2; halves paired as in GPT-NeoX) of x [..., N, D], whose first frame is `start`."""
    cos, sin = _turns(start, x.shape[-2], x.shape[-1] // 2, x.device, x.dtype, torch.is_inference_mode_enabled())
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


@lru_cache(4)
def _turns(
    start: int, frames: int, half: int, device: torch.device, dtype: torch.dtype, inference: bool
) -> tuple[Tensor, Tensor]:
    """Cosines and sines [N, D / 2].  Every layer of a step asks for the same ones; what was made in inference mode stays there."""
    scale = torch.exp(torch.arange(half, device=device, dtype=dtype) * (-math.log(10000.0) / half))
    angle = torch.arange(start, start + frames, device=device, dtype=dtype)[:, None] * scale
    return angle.cos(), angle.sin()


def sinusoids(start: int, frames: int, width: int, like: Tensor, cosines_first: bool = False) -> Tensor:
    """[frames, width]: sines, then cosines, of wavelengths from 2π to 10000·2π (Vaswani et al. 2017, §3.5; Whisper's order).

    `cosines_first`: MusicGen's order.
    """
    half = width // 2
    scale = torch.exp(torch.arange(half, device=like.device, dtype=like.dtype) * (-math.log(10000.0) / max(1, half - 1)))
    angle = torch.arange(start, start + frames, device=like.device, dtype=like.dtype)[:, None] * scale
    return torch.cat([angle.cos(), angle.sin()] if cosines_first else [angle.sin(), angle.cos()], -1)


def skew(scores: Tensor, keys: int) -> Tensor:
    """[..., N, W + 1] -> [..., N, keys]: entry (i, j) is column N - 1 - i + j (Huang et al. 2019, §3.4.1), a view without a copy.

    Column N - 1 - i + j must be below W, else the entry is rubbish; the last column is never read.
    """
    rows, width = scores.shape[-2], scores.shape[-1] - 1
    flat = scores.flatten(-2)[..., rows - 1 : rows - 1 + rows * width]
    return flat.unflatten(-1, (rows, width))[..., :keys]


class Relative(nn.Module):
    """A learned vector per head and distance; what a query makes of it is added to its score (Shaw et al. 2018; Huang et al. 2019).

    Distances (frames by which the key is earlier) run from -`future` to `clip` and are clipped there.  Only L vectors are
    laid out, never L² of them: memory is O(L·D) beside the scores themselves.
    """

    def __init__(self, heads: int, dim: int, *, clip: int, future: int) -> None:
        super().__init__()
        self.clip, self.future = clip, future
        self.table = nn.Parameter(torch.randn(heads, future + clip + 1, dim) * dim**-0.5)

    def forward(self, q: Tensor, keys: int) -> Tensor:
        """q [B, H, N, D], the last N of `keys` positions (or all of them) -> additive scores [B, H, N, keys], scaled by 1/√D."""
        rows, dim = q.shape[-2:]
        # with no future the columns for later keys are left out: skewing then yields rubbish there, which the mask hides
        width = keys if not self.future else rows + keys - 1
        distance = keys - 1 - torch.arange(width + 1, device=q.device)
        vectors = self.table[:, distance.clamp(-self.future, self.clip) + self.future]
        return skew(torch.einsum("bhnd,hwd->bhnw", q, vectors * dim**-0.5), keys)
