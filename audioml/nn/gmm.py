"""Mixtures of diagonal Gaussians, one per state: densities, sufficient statistics, re-estimation, growth by splitting, and two
ways to move the means to a speaker with little speech (MAP, MLLR).

Everything a statistic needs is linear in [1, x, x²], so that both densities and sums over frames are matrix products.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from audioml.nn.hmm import BITS

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

    def rows(self) -> Tensor:
        """What `powers_of` frames are multiplied by to give the log of weight times density [S, slots, 1 + 2D]."""
        slots = int(self.used)
        precision = 1 / self.variance[:, :slots]
        mean = self.mean[:, :slots]
        constant = self.weight[:, :slots] - 0.5 * (
            self.dim * math.log(2 * math.pi) + self.variance[:, :slots].log().sum(-1) + (mean.square() * precision).sum(-1)
        )
        return torch.cat([constant[..., None], mean * precision, -0.5 * precision], -1)

    def scores(self, powers: Tensor, ids: Tensor) -> Tensor:
        """`powers_of` frames [1 + 2D, T], states [L] -> log densities of the states [L, T]."""
        return densities(self.rows()[ids], powers).logsumexp(1)

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


def densities(rows: Tensor, powers: Tensor) -> Tensor:
    """Some states' `rows` [L, slots, 1 + 2D], frames [1 + 2D, T] -> log of weight times density [L, slots, T]."""
    return (rows.flatten(0, 1) @ powers).view(*rows.shape[:2], -1)


def shares(parts: Tensor, scores: Tensor, total: Tensor) -> None:
    """`densities` [L, slots, T] to base 2, in whose place come the components' parts in their state's, times `total` -> `scores`
    [L, T], log densities of the states (natural), and `total` [L, T]."""
    peak = parts.amax(1)
    torch.sum(parts.sub_(peak[:, None]).exp2_(), 1, out=total)
    torch.add(torch.log(total, out=scores), peak, alpha=1 / BITS, out=scores)


def powers_of(x: Tensor) -> Tensor:
    """[B, D, N] -> one, x, x² of all frames side by side [1 + 2D, B·N]."""
    x = x.transpose(0, 1).flatten(1)
    return torch.cat([torch.ones_like(x[:1]), x, x.square()])


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

    def add(self, ids: Tensor, found: Tensor) -> None:
        """Of states ids [G, L], some perhaps more than once, what is heard of each component [G, L, slots, 1 + 2D]: the sum over
        frames of its part in a frame times `powers_of` it."""
        self.table[:, : found.shape[2]].index_add_(0, ids.flatten(), found.flatten(0, 1).double())

    def stay(self, ids: Tensor, loops: Tensor) -> None:
        """Expected stays [B, L] in states [B, L]."""
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
