"""Mixtures of diagonal Gaussians, one per state: densities, sufficient statistics, re-estimation, growth by splitting, and two
ways to move the means to a speaker with little speech (MAP, MLLR).

Everything a statistic needs is linear in [1, x, x²], so that both densities and sums over frames are matrix products.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LEAST = 1e-30  # a weight of nothing, whose logarithm is finite
SAME = 1e-10  # variance over squared mean at which a feature counts as constant
APART = 0.2  # standard deviations by which the halves of a split component part (HTK's HHEd MU; Young et al., The HTK Book)


class Mixtures(nn.Module):
    """`states` mixtures of up to `most` Gaussians over `dim` features, of which `used` slots count.  Parameters without gradient.

    weight [S, M] natural logarithms, mean [S, M, D], variance [S, M, D].
    """

    used: Tensor

    def __init__(self, states: int, most: int, dim: int) -> None:
        super().__init__()
        self.most, self.dim = most, dim
        weight = torch.full((states, most), math.log(LEAST))
        weight[:, 0] = 0.0
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.mean = nn.Parameter(torch.zeros(states, most, dim), requires_grad=False)
        self.variance = nn.Parameter(torch.ones(states, most, dim), requires_grad=False)
        self.register_buffer("used", torch.ones((), dtype=torch.long))

    def densities(self, powers: Tensor, ids: Tensor) -> Tensor:
        """`powers_of` frames [B, 1 + 2D, N], states ids [L] (the same for all) or [B, L] -> log of weight times density
        [B, L, slots, N]."""
        slots = int(self.used)
        precision = 1 / self.variance[:, :slots]
        mean = self.mean[:, :slots]
        constant = self.weight[:, :slots] - 0.5 * (
            self.dim * math.log(2 * math.pi) + self.variance[:, :slots].log().sum(-1) + (mean.square() * precision).sum(-1)
        )
        rows = torch.cat([constant[..., None], mean * precision, -0.5 * precision], -1)  # [S, slots, 1 + 2D]
        found = rows[ids].flatten(-3, -2) @ powers
        return found.unflatten(1, (ids.shape[-1], slots))

    def scores(self, powers: Tensor, ids: Tensor) -> Tensor:
        """Log densities of the states [B, L, N]."""
        return self.densities(powers, ids).logsumexp(2)

    def shares(self, powers: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Log densities of the states [B, L, N], and each component's part in its state's [B, L, slots, N]."""
        found = self.densities(powers, ids)
        parts = found.log_softmax(2)
        return found[:, :, 0] - parts[:, :, 0], parts.exp_()

    def split(self, counts: Tensor, least: float) -> None:
        """Twice the slots: components that saw at least `least` frames (counts [S, M]) become two, the others keep their place."""
        slots = int(self.used)
        if 2 * slots > self.most:
            return
        new, old = slice(slots, 2 * slots), slice(0, slots)
        rich = counts[:, old] >= least
        step = APART * self.variance[:, old].sqrt() * rich[..., None]
        self.variance[:, new] = self.variance[:, old]
        self.mean[:, new] = self.mean[:, old] - step
        self.mean[:, old] += step
        half = self.weight[:, old] - math.log(2)
        self.weight[:, new] = torch.where(rich, half, math.log(LEAST))
        self.weight[:, old] = torch.where(rich, half, self.weight[:, old])
        self.used.fill_(2 * slots)


def powers_of(x: Tensor) -> Tensor:
    """[B, D, N] -> [B, 1 + 2D, N]: one, x, x²."""
    dim = x.shape[1]
    out = x.new_empty(x.shape[0], 1 + 2 * dim, x.shape[2])
    out[:, 0] = 1
    out[:, 1 : 1 + dim] = x
    out[:, 1 + dim :] = x.square()
    return out


class Sums(nn.Module):
    """What re-estimation needs, in float64: per component the frames it explains, and their sums of x and x² [S, M, 1 + 2D]; per
    state the expected self-transitions [S]."""

    table: Tensor
    loops: Tensor

    def __init__(self, states: int, most: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("table", torch.zeros(states, most, 1 + 2 * dim, dtype=torch.float64))
        self.register_buffer("loops", torch.zeros(states, dtype=torch.float64))

    def add(self, powers: Tensor, ids: Tensor, share: Tensor, loops: Tensor) -> None:
        """`powers_of` frames; ids [B, L]; share [B, L, slots, N], each component's part in each frame; loops [B, L]."""
        slots = share.shape[2]
        sums = share.flatten(1, 2) @ powers.transpose(1, 2)  # [B, L·slots, 1 + 2D]
        batch = sums.new_zeros(len(self.table), slots * sums.shape[2])
        self.table[:, :slots] += batch.index_add_(0, ids.flatten(), sums.view(ids.numel(), -1)).view(len(batch), slots, -1)
        self.loops.index_add_(0, ids.flatten(), loops.double().flatten())

    def clear(self) -> None:
        """Begin anew."""
        self.table.zero_()
        self.loops.zero_()

    @property
    def counts(self) -> Tensor:
        """Frames per component [S, M]."""
        return self.table[..., 0]

    def mean(self) -> Tensor:
        """Mean of each component's frames [S, M, D]; zeros where there are none."""
        return self.table[..., 1 : 1 + self.dim] / self.counts.clamp(min=LEAST)[..., None]

    def variance(self) -> Tensor:
        """Their variance [S, M, D]."""
        return self.table[..., 1 + self.dim :] / self.counts.clamp(min=LEAST)[..., None] - self.mean().square()

    def overall(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of all frames together [D], [D]."""
        total = self.table.sum((0, 1)) / self.counts.sum().clamp(min=LEAST)
        mean = total[1 : 1 + self.dim]
        return mean, total[1 + self.dim :] - mean.square()


def floor_of(sums: Sums, share: float) -> Tensor:
    """`share` of the variance of all frames [D]; 1 where a feature never changes, which then says nothing."""
    mean, variance = sums.overall()
    return torch.where(variance > SAME * mean.square(), share * variance, 1.0)


def reestimate(mixtures: Mixtures, sums: Sums, floor: Tensor, least: float) -> None:
    """Maximum likelihood: the weights, means and variances of the statistics, no variance below `floor` [D].

    A component with fewer than `least` frames keeps its mean and variance; a state without any keeps its weights.
    """
    enough = (sums.counts >= max(least, LEAST))[..., None]
    mixtures.mean.copy_(torch.where(enough, sums.mean().to(mixtures.mean), mixtures.mean))
    variance = torch.maximum(sums.variance(), floor.double()).to(mixtures.variance)
    mixtures.variance.copy_(torch.where(enough, variance, mixtures.variance))
    total = sums.counts.sum(1, keepdim=True)
    weight = (sums.counts / total.clamp(min=LEAST)).clamp(min=LEAST).log().to(mixtures.weight)
    mixtures.weight.copy_(torch.where(total > 0, weight, mixtures.weight))


def map_means(mixtures: Mixtures, sums: Sums, tau: float) -> None:
    """Maximum a posteriori: each mean moves to (τ·mean + Σx) / (τ + frames) (Gauvain & Lee 1994)."""
    counts = sums.counts[..., None]
    mean = mixtures.mean.double()
    moved = mean + counts * (sums.mean() - mean) / (tau + counts).clamp(min=LEAST)
    mixtures.mean.copy_(moved.to(mixtures.mean))


def mllr_means(mixtures: Mixtures, sums: Sums, tau: float) -> None:
    """One affine map of all means that makes the statistics most likely (Leggetter & Woodland 1995), drawn to the identity as if
    `tau` frames per feature had said that nothing moves."""
    counts = sums.counts.flatten()
    seen = counts > LEAST
    mean, variance = mixtures.mean.flatten(0, 1)[seen].double(), mixtures.variance.flatten(0, 1)[seen].double()
    extended = torch.cat([torch.ones_like(mean[:, :1]), mean], 1)  # [C, 1 + D]
    heard = (sums.mean().flatten(0, 1)[seen] * counts[seen][:, None]) / variance  # [C, D]
    dim = mean.shape[1]
    weights = counts[seen][:, None] / variance  # [C, D]
    gram = torch.einsum("cd,ci,cj->dij", weights, extended, extended)
    target = heard.T @ extended  # [D, 1 + D]
    typical = 1 / variance.mean(0)  # [D]
    identity = torch.cat([torch.zeros(dim, 1), torch.eye(dim)], 1).to(gram)
    gram = gram + tau * typical[:, None, None] * torch.eye(1 + dim).to(gram)
    target = target + tau * typical[:, None] * identity
    mapped = torch.linalg.solve(gram, target[..., None])[..., 0]  # [D, 1 + D]
    everything = mixtures.mean.double()
    mixtures.mean.copy_((everything @ mapped[:, 1:].T + mapped[:, 0]).to(mixtures.mean))
