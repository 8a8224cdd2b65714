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


class Gathered(nn.Module):
    """Vectors of the first `batches` training batches, kept in checkpoints until they have served."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches, self.seen = batches, []

    def take(self, x: Tensor) -> Tensor | None:
        """x [M, D] of one batch -> all vectors once enough batches are there, else None."""
        self.seen = [*self.seen, x.detach().clone()]
        if len(self.seen) < self.batches:
            return None
        found, self.seen = torch.cat(self.seen), []
        return found

    def get_extra_state(self) -> list[Tensor]:
        """For checkpoints."""
        return self.seen

    def set_extra_state(self, state: list[Tensor]) -> None:
        """From a checkpoint."""
        self.seen = list(state)


class ResidualVQ(nn.Module):
    """`levels` code books, each coding what those before left over.

    `dropout`: in training, the share of items that use a random number of levels, so that one system serves every bit rate
    (SoundStream §III-C; the share as in Kumar et al. 2023, §3.2).  `dims`: each book codes only the projection of what is left
    on so many orthonormal axes, the principal ones of the vectors it starts from (low-dimensional look-up: Yu et al. 2022,
    §3.1; Kumar et al. 2023, §3.2, where the projections are learnt; here the layers around them are): books of whole vectors
    learn little data by heart.  `gather`: the first so many batches pass as they are, and all books start from them.
    """

    def __init__(
        self,
        dim: int,
        size: int,
        levels: int,
        *,
        decay: float,
        restart: float,
        dropout: float,
        dims: int | None = None,
        gather: int = 0,
    ) -> None:
        super().__init__()
        self.levels, self.size, self.dropout, self.dims = levels, size, dropout, dims and min(dims, dim)
        inner = self.dims or dim
        self.books = nn.ModuleList([VectorQuantizer(inner, size, decay=decay, restart=restart) for _ in range(levels)])
        if self.dims:
            self.register_buffer("centre", torch.zeros(dim))
            self.register_buffer("axes", torch.stack([torch.eye(dim)[:, : self.dims] for _ in range(levels)]))
        self.gathered = Gathered(max(1, gather)) if self.dims or gather else None

    def forward(self, x: Tensor, n: Tensor | None = None, levels: int | None = None) -> Quantised:
        """x [B, D, N] with `n` [B] valid steps, through the first `levels` books (None: all); in full precision always."""
        with torch.autocast(x.device.type, enabled=False):
            return self._quantised(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x, n, levels)

    def _quantised(self, x: Tensor, n: Tensor | None, levels: int | None) -> Quantised:
        valid = torch.ones(len(x), x.shape[-1], dtype=torch.bool, device=x.device)
        if n is not None:
            valid = torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None]
        flat = x.transpose(1, 2)
        count = levels or self.levels
        codes = torch.full((count, *valid.shape), -1, dtype=torch.long, device=x.device)
        if not self._started(flat[valid]):
            return Quantised(x, codes.transpose(0, 1), x.new_zeros(()))
        # the items of most levels come first, so that each level takes the first rows
        depth = self._depth(len(x), x.device, levels)[:, None].expand_as(valid)[valid]
        order = depth.argsort(descending=True, stable=True)
        rest, total = self._centred(flat[valid][order]), self._nothing(flat[valid])
        commitment, chosen = x.new_zeros(()), torch.full((count, len(order)), -1, dtype=torch.long, device=x.device)
        for level in range(count):
            rest = rest[: int((depth > level).sum())]
            found, index = self._coded(level, rest)
            if len(rest):
                commitment = commitment + F.mse_loss(rest, found)
            total[: len(rest)] += found
            chosen[level, order[: len(rest)]] = index
            rest = rest - found
        codes[:, valid] = chosen
        # beyond the valid steps nothing is coded; the vectors pass as they are
        kept = flat.detach().masked_scatter(valid[..., None], torch.empty_like(total).index_copy_(0, order, total))
        return Quantised((flat + (kept - flat).detach()).transpose(1, 2), codes.transpose(0, 1), commitment)

    def _coded(self, level: int, rest: Tensor) -> tuple[Tensor, Tensor]:
        """What is left [M, D] -> the vectors of its codes in book `level`, without gradient, and the codes [M]."""
        if not self.dims:
            found, index = self.books[level](rest)
            return found.to(rest), index
        with torch.no_grad():
            found, index = self.books[level](rest @ self.axes[level])
            return found @ self.axes[level].T, index

    def _centred(self, x: Tensor) -> Tensor:
        return x - self.centre if self.dims else x

    def _nothing(self, like: Tensor) -> Tensor:
        """What no code at all stands for, as rows."""
        return (self.centre.expand_as(like) if self.dims else torch.zeros_like(like)).clone()

    def _started(self, x: Tensor) -> bool:
        """Whether vectors are coded yet; in training, x [M, D] may be what the books were waiting for."""
        if self.gathered is None or bool(self.books[-1].started):
            return True
        found = self.gathered.take(x) if self.training else None
        if found is not None:
            self._start(found)
        return found is not None

    @torch.no_grad()
    def _start(self, x: Tensor) -> None:
        """Axes and books, level by level: the principal axes of what is left, k-means on the projections."""
        if self.dims:
            self.centre.copy_(_same(x.mean(0)))
        rest = self._centred(x)
        for level, book in enumerate(self.books):
            if self.dims:
                self.axes[level] = _same(torch.linalg.eigh(rest.T @ rest)[1][:, -self.dims :].contiguous())
            z = rest @ self.axes[level] if self.dims else rest
            book._start(z)
            found = book.book[nearest(z, book.book)]
            rest = rest - (found @ self.axes[level].T if self.dims else found)

    def _depth(self, batch: int, device: torch.device, levels: int | None) -> Tensor:
        """How many levels each item uses [B]."""
        most = torch.full((batch,), levels or self.levels, device=device)
        if not self.training or not self.dropout:
            return most
        some = torch.randint(1, self.levels + 1, (batch,), device=device)
        return torch.where(torch.rand(batch, device=device) < self.dropout, torch.minimum(some, most), most)

    def encode(self, x: Tensor, levels: int | None = None) -> Tensor:
        """x [B, D, N] -> codes [B, K, N] of the first `levels` books."""
        rest, codes = self._centred(x.detach().transpose(1, 2).flatten(0, 1)), []
        for level in range(levels or self.levels):
            codes.append(nearest(rest @ self.axes[level] if self.dims else rest, self.books[level].book))
            rest = rest - self._found(level, codes[-1])
        return torch.stack(codes, 0).view(-1, x.shape[0], x.shape[2]).transpose(0, 1)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes [B, k, N], k <= levels -> [B, D, N]."""
        found = torch.stack([self._found(level, index) for level, index in enumerate(codes.unbind(1))]).sum(0)
        return (found + self.centre if self.dims else found).transpose(1, 2)

    def _found(self, level: int, index: Tensor) -> Tensor:
        """The vectors [..., D] of codes."""
        found = self.books[level].book[index]
        return found @ self.axes[level].T if self.dims else found

    def perplexity(self) -> list[float]:
        """exp(entropy) of each level's recent use: how many codes it would take at even use."""
        return [math.exp(float(-(p * p.clamp(min=1e-12).log()).sum())) for p in (book.use() for book in self.books)]

    def used(self, share: float = 0.1) -> list[float]:
        """The part of each book that was used at least `share` as much as at even use."""
        return [float((book.use() * self.size >= share).float().mean()) for book in self.books]
