"""k-means (Lloyd 1982) on tensors, and its residual form: each level codes what the levels before left over."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 1 << 24  # distances computed at once (64 MB of floats)


def nearest(x: Tensor, centres: Tensor) -> Tensor:
    """x [M, D], centres [V, D] -> index [M] of the nearest centre (Euclidean), in chunks that fit a cache of 64 MB."""
    norms = centres.square().sum(1)
    rows = max(1, CHUNK // len(centres))
    return torch.cat([(norms - 2 * part @ centres.T).argmin(1) for part in x.split(rows)]) if len(x) else norms.new_zeros(0).long()


def kmeans(x: Tensor, size: int, *, iterations: int, generator: torch.Generator | None = None) -> Tensor:
    """x [M, D] -> centres [size, D].  Starts from random points; a centre without points moves to a random point.

    With fewer points than centres the points are repeated with a little noise, so that centres differ.
    """
    if not len(x):
        return torch.randn(size, x.shape[1], generator=generator).to(x)
    order = torch.randperm(len(x), generator=generator).to(x.device)
    centres = x[order[torch.arange(size, device=x.device) % len(x)]].clone()
    if len(x) < size:
        scale = x.std(0, correction=0) + 1e-6
        centres[len(x) :] += 0.01 * scale * torch.randn(size - len(x), x.shape[1], generator=generator).to(x)
    for _ in range(iterations):
        index = nearest(x, centres)
        count = torch.bincount(index, minlength=size)
        sums = torch.zeros_like(centres).index_add_(0, index, x)
        spare = torch.randint(len(x), (size,), generator=generator).to(x.device)
        centres = torch.where(count[:, None] > 0, sums / count.clamp(min=1)[:, None], x[spare])
    return centres


def residual_kmeans(x: Tensor, size: int, levels: int, *, iterations: int, generator: torch.Generator | None = None) -> Tensor:
    """x [M, D] -> code books [levels, size, D]; each is fitted to the residual of those before (Juang & Gray 1982)."""
    books, rest = [], x
    for _ in range(levels):
        book = kmeans(rest, size, iterations=iterations, generator=generator)
        rest = rest - book[nearest(rest, book)]
        books.append(book)
    return torch.stack(books)


def encode(x: Tensor, books: Tensor) -> Tensor:
    """x [B, D, N], books [K, V, D] -> codes [B, K, N] int64, greedily level by level."""
    rest = x.transpose(1, 2).reshape(-1, x.shape[1])
    codes = []
    for book in books:
        index = nearest(rest, book)
        rest = rest - book[index]
        codes.append(index.view(x.shape[0], x.shape[2]))
    return torch.stack(codes, 1)


def decode(codes: Tensor, books: Tensor) -> Tensor:
    """codes [B, k, N] with k <= K, books [K, V, D] -> the sum of the levels [B, D, N]."""
    return sum(book[index] for book, index in zip(books, codes.unbind(1), strict=False)).transpose(1, 2)  # type: ignore[union-attr]
