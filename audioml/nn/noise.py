"""Gaussian diffusion in v-parameterisation (Salimans & Ho 2022, §2 and app. D), told by one angle per item.

Variance preserving: a noisy stream is z = cos(a)·x + sin(a)·e, its velocity v = dz/da = cos(a)·e - sin(a)·x.  The cosine schedule
(Nichol & Dhariwal 2021) moves the angle evenly; it stops short of 0 and π/2 where the log-SNR 2·log(cos/sin) reaches ± `span`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CEILING = 200  # batches after which the statistics of `Scale` stand still, so that the goal of training does
LEAST = 0.3  # an error of x counts as one of the velocity, 1 / sin(a) times as much, down to this sin(a)
FLOOR = 0.1  # least deviation of a bin, as a share of the root mean square deviation of all


def angle_of(t: Tensor, span: float) -> Tensor:
    """Times t in [0, 1] -> angles; t = 0 has a log-SNR of +span nats, t = 1 of -span (Salimans & Ho 2022, app. B)."""
    low = math.atan(math.exp(-span / 2))
    return low + t * (math.pi / 2 - 2 * low)


def spread_times(count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """One random time in [0, 1] per item [count], evenly spread over the batch (Kingma et al. 2021, app. I.1)."""
    first = torch.rand((), device=device, generator=generator)
    return (first + torch.arange(count, device=device) / count) % 1


def turn(angle: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin of angle [B] or a scalar, in x's precision and broadcastable to x [B, …]."""
    shape = (-1, *(1,) * (x.dim() - 1))
    return angle.cos().to(x.dtype).reshape(shape), angle.sin().to(x.dtype).reshape(shape)


def noisy(x: Tensor, e: Tensor, angle: Tensor) -> Tensor:
    """cos(a)·x + sin(a)·e for x, e [B, …] and angle [B] or a scalar."""
    cos, sin = turn(angle, x)
    return cos * x + sin * e


def velocity(x: Tensor, e: Tensor, angle: Tensor) -> Tensor:
    """cos(a)·e - sin(a)·x."""
    cos, sin = turn(angle, x)
    return cos * e - sin * x


def split(z: Tensor, v: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """z and its velocity -> (x, e), the clean stream and the noise they stand for."""
    cos, sin = turn(angle, z)
    return cos * z - sin * v, sin * z + cos * v


def leading(z: Tensor, x: Tensor, angle: Tensor) -> Tensor:
    """The velocity of z on its way from x: (cos(a)·z - x) / sin(a)."""
    cos, sin = turn(angle, z)
    return (cos * z - x) / sin


def valid_frames(n: Tensor, x: Tensor) -> Tensor:
    """True where x [B, …, N] holds one of the item's n [B] frames: [B, 1 …, N]."""
    frame = torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None]
    return frame.reshape(len(n), *(1,) * (x.dim() - 2), -1)


class Scale(nn.Module):
    """Running mean and deviation of streams [B, *shape, N] over items and valid frames; `shape` is [D] or [C, F].

    Every batch counts alike; after CEILING batches nothing changes any more.  `single`: one deviation for all features.
    """

    def __init__(self, shape: tuple[int, ...], *, single: bool) -> None:
        super().__init__()
        self.single = single
        self.register_buffer("mean", torch.zeros(*shape, 1))
        self.register_buffer("square", torch.ones(*shape, 1))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, x: Tensor, n: Tensor) -> None:
        """Take in one batch x [B, *shape, N] with n [B] valid frames."""
        if int(self.batches) >= CEILING:
            return
        valid = valid_frames(n, x)
        count = valid.sum().clamp(min=1)
        sums = torch.stack([(x * valid).sum((0, -1)), (x.square() * valid).sum((0, -1))])[..., None] / count
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)
            sums /= torch.distributed.get_world_size()
        self.batches += 1
        share = 1 / self.batches.to(sums)
        if int(self.batches) == 1:
            self.square.zero_()
        self.mean.lerp_(sums[0], share)
        self.square.lerp_(sums[1], share)

    @property
    def deviation(self) -> Tensor:
        """Standard deviations [*shape, 1], no bin below FLOOR of the whole."""
        variance = (self.square - self.mean.square()).clamp(min=0)
        whole = variance.mean().clamp(min=1e-12)
        return (torch.full_like(variance, float(whole)) if self.single else variance.clamp(min=FLOOR**2 * whole)).sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """To zero mean and unit deviation."""
        return (x - self.mean) / self.deviation

    def back(self, x: Tensor) -> Tensor:
        """The reverse of `forward`."""
        return x * self.deviation + self.mean
