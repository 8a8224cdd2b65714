"""Vector quantisation with code books learnt by moving averages, and its residual form.

Straight-through gradients and commitment: van den Oord et al. 2017 (VQ-VAE), eq. 3 and app. A.1.  k-means start and restart
of dead codes: Dhariwal et al. 2020 (Jukebox), §3; residual levels and quantiser dropout: Zeghidour et al. 2021
(SoundStream), §III-C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from audioml.nn.kmeans import kmeans, nearest


def _together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _sum(x: Tensor) -> Tensor:
    """The sum over all processes of a distributed run."""
    if _together():
        dist.all_reduce(x)
    return x


def _same(x: Tensor) -> Tensor:
    """Process 0's tensor, everywhere."""
    if _together():
        dist.broadcast(x, 0)
    return x


class VectorQuantizer(nn.Module):
    """One code book [size, dim].  It learns in training mode only, from the vectors that pass.

    `decay` of the moving averages; `restart`: a code whose average use falls below that share of even use is dead and is
    replaced by a vector of the current batch (0: never).  The first batch starts the book by k-means.
    """

    def __init__(self, dim: int, size: int, *, decay: float, restart: float, iterations: int = 10) -> None:
        super().__init__()
        self.size, self.decay, self.restart, self.iterations = size, decay, restart, iterations
        self.register_buffer("book", torch.randn(size, dim))
        self.register_buffer("count", torch.ones(size))
        self.register_buffer("sums", self.book.clone())
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [M, dim] -> (vectors of the nearest codes [M, dim], without gradient; codes [M] int64)."""
        flat = x.detach()
        if self.training and not self.started:
            self._start(flat)
        codes = nearest(flat, self.book)
        found = self.book[codes]
        if self.training:
            self._learn(flat, codes)
        return found, codes

    def _start(self, x: Tensor) -> None:
        """k-means on the first batch."""
        self.book.copy_(_same(kmeans(x, self.size, iterations=self.iterations)))
        self.sums.copy_(self.book)
        self.started.fill_(True)

    def _learn(self, x: Tensor, codes: Tensor) -> None:
        """Moving averages of counts and sums (VQ-VAE, eq. 6-8, counts smoothed), then the restart of dead codes."""
        count = _sum(torch.bincount(codes, minlength=self.size).to(x))
        sums = _sum(torch.zeros_like(self.sums).index_add_(0, codes, x))
        self.count.lerp_(count, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total = self.count.sum()
        smooth = (self.count + 1e-5) / (total + self.size * 1e-5) * total
        self.book.copy_(self.sums / smooth[:, None].clamp(min=1e-8))
        even = count.sum() / self.size
        dead = self.count < self.restart * torch.minimum(even, total / self.size)
        if self.restart:
            # a fresh code starts at even use, so that it has time to find its vectors
            spare = x if len(x) else self.book
            pick = _same(spare[torch.randint(len(spare), (self.size,), device=x.device)])
            self.book.copy_(torch.where(dead[:, None], pick, self.book))
            self.count.copy_(torch.where(dead, even, self.count))
            self.sums.copy_(torch.where(dead[:, None], pick * even, self.sums))

    def use(self) -> Tensor:
        """Share [size] of the vectors that each code took, averaged over the last batches."""
        return self.count / self.count.sum().clamp(min=1e-12)


@dataclass
class Quantised:
    """`x` [B, D, N] with straight-through gradients; `codes` [B, K, N], -1 where a level was dropped; `commitment`, a scalar."""

    x: Tensor
    codes: Tensor
    commitment: Tensor


class ResidualVQ(nn.Module):
    """`levels` code books, each coding what those before left over.

    `dropout`: in training, the share of items that use a random number of levels, so that one system serves every bit rate
    (SoundStream §III-C; the share as in Kumar et al. 2023, §3.2).
    """

    def __init__(self, dim: int, size: int, levels: int, *, decay: float, restart: float, dropout: float) -> None:
        super().__init__()
        self.levels, self.size, self.dropout = levels, size, dropout
        self.books = nn.ModuleList([VectorQuantizer(dim, size, decay=decay, restart=restart) for _ in range(levels)])

    def forward(self, x: Tensor, n: Tensor | None = None, levels: int | None = None) -> Quantised:
        """x [B, D, N] with `n` [B] valid steps, through the first `levels` books (None: all)."""
        used = self._depth(len(x), x.device, levels)
        valid = torch.ones(len(x), x.shape[-1], dtype=torch.bool, device=x.device)
        if n is not None:
            valid = torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None]
        rest = flat = x.transpose(1, 2)
        total, commitment, codes = torch.zeros_like(flat), x.new_zeros(()), []
        for level, book in enumerate(self.books[: levels or self.levels]):
            on = valid & (used > level)[:, None]
            found, index = book(rest[on])
            placed = torch.zeros_like(flat).masked_scatter(on[..., None], found.to(flat))
            if on.any():
                commitment = commitment + F.mse_loss(rest[on], found)
            total = total + placed
            rest = rest - placed
            codes.append(torch.full_like(on, -1, dtype=torch.long).masked_scatter(on, index))
        # beyond the valid steps nothing is coded; the vectors pass as they are
        kept = torch.where(valid[..., None], total, flat)
        return Quantised((flat + (kept - flat).detach()).transpose(1, 2), torch.stack(codes, 1), commitment)

    def _depth(self, batch: int, device: torch.device, levels: int | None) -> Tensor:
        """How many levels each item uses [B]."""
        most = torch.full((batch,), levels or self.levels, device=device)
        if not self.training or not self.dropout:
            return most
        some = torch.randint(1, self.levels + 1, (batch,), device=device)
        return torch.where(torch.rand(batch, device=device) < self.dropout, torch.minimum(some, most), most)

    def encode(self, x: Tensor, levels: int | None = None) -> Tensor:
        """x [B, D, N] -> codes [B, K, N] of the first `levels` books."""
        rest, codes = x.detach().transpose(1, 2).flatten(0, 1), []
        for book in self.books[: levels or self.levels]:
            codes.append(nearest(rest, book.book))
            rest = rest - book.book[codes[-1]]
        return torch.stack(codes, 0).view(-1, x.shape[0], x.shape[2]).transpose(0, 1)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes [B, k, N], k <= levels -> [B, D, N]."""
        found = [book.book[index] for book, index in zip(self.books, codes.unbind(1), strict=False)]
        return torch.stack(found).sum(0).transpose(1, 2)

    def perplexity(self) -> list[float]:
        """exp(entropy) of each level's recent use: how many codes it would take at even use."""
        return [math.exp(float(-(p * p.clamp(min=1e-12).log()).sum())) for p in (book.use() for book in self.books)]

    def used(self, share: float = 0.1) -> list[float]:
        """The part of each book that was used at least `share` as much as at even use."""
        return [float((book.use() * self.size >= share).float().mean()) for book in self.books]
