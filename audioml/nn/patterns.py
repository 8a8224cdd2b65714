"""In which order the symbols of several code books are predicted (Copet et al. 2023, §2.2): parallel, delay or flatten.

A pattern lays codes [B, K, N] out as columns [B, K, S]; what holds no code holds `special`.  The first column is all special
(it starts the sequence), and every code lies in exactly one column, so that the product of the columns' probabilities is the
joint probability of the codes, whatever the pattern.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Pattern = Literal["parallel", "delay", "flatten"]


def columns(pattern: Pattern, books: int, frames: int, device: torch.device | str = "cpu") -> Tensor:
    """The column of each code [K, N].

    parallel: a frame's books at once; delay: book k lies k columns late; flatten: one code per column, book after book.
    """
    book = torch.arange(books, device=device)[:, None]
    frame = torch.arange(frames, device=device)
    if pattern == "flatten":
        return 1 + frame * books + book
    return 1 + frame + (book if pattern == "delay" else 0 * book)


def width(pattern: Pattern, books: int, frames: Tensor | int) -> Tensor | int:
    """Columns that `frames` frames take, the first special one included; for a number or a tensor of numbers."""
    extra = {"parallel": 1, "delay": books, "flatten": 1}[pattern]
    return frames * (books if pattern == "flatten" else 1) + extra


def layout(pattern: Pattern, books: int, frames: int, device: torch.device | str = "cpu") -> Tensor:
    """The frame that lies in each column [K, S], -1 where there is none."""
    where = columns(pattern, books, frames, device)
    size = int(width(pattern, books, frames))
    frame = torch.arange(frames, device=device).expand(books, frames)
    return torch.full((books, size), -1, device=device).scatter(1, where, frame)


def build(codes: Tensor, n: Tensor, pattern: Pattern, special: int) -> tuple[Tensor, Tensor]:
    """Codes [B, K, N] with n valid frames -> columns [B, K, S] and where they hold codes [B, K, S]."""
    books, frames = codes.shape[1:]
    frame = layout(pattern, books, frames, codes.device)
    real = (frame >= 0) & (frame < n.to(codes.device)[:, None, None])
    if not frames:
        return torch.full(real.shape, special, device=codes.device), real
    laid = codes.gather(2, frame.clamp(min=0).expand(len(codes), -1, -1))
    return torch.where(real, laid, special), real


def revert(laid: Tensor, pattern: Pattern, frames: int) -> Tensor:
    """Columns [B, K, S] -> codes [B, K, frames]; the inverse of `build`."""
    books = laid.shape[1]
    return laid.gather(2, columns(pattern, books, frames, laid.device).expand(len(laid), -1, -1))
