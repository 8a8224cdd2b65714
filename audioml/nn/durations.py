"""Symbols in time: an encoder of symbols, a predictor of how many frames each lasts, stretching, and the search for an alignment.

Symbols [B, L] with `n` [B] valid ones become L + 2: silence before and after them is symbols of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ENDS = 2  # the silences around


def valid(n: Tensor, length: int) -> Tensor:
    """[B] -> bool [B, 1, length]."""
    return (torch.arange(length, device=n.device) < n[:, None])[:, None]


class Convolved(nn.Module):
    """`layers` residual convolutions over `kernel` steps on [B, width, L]; padding stays zero."""

    def __init__(self, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.drop = nn.Dropout(dropout)

    def forward(self, h: Tensor, there: Tensor) -> Tensor:
        """h [B, width, L], there bool [B, 1, L]."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = F.gelu(conv(norm(h.transpose(1, 2)).transpose(1, 2) * there))
            h = h + self.drop(y) * there
        return h * there


class SymbolEncoder(nn.Module):
    """Symbols -> vectors [B, width, L + 2] that know their neighbours, and vectors that do not."""

    def __init__(self, size: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.size = size
        self.table = nn.Embedding(size + ENDS, width)
        self.body = Convolved(width, layers, 5, dropout)

    def forward(self, ids: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ids [B, L], n [B] -> (in context [B, width, L + 2], alone [B, width, L + 2], n + 2)."""
        place = torch.arange(ids.shape[1] + ENDS, device=ids.device)
        padded = F.pad(ids, (1, 1), value=self.size)
        padded = torch.where(place == n[:, None] + 1, self.size + 1, padded)
        alone = self.table(padded).transpose(1, 2)
        return self.body(alone, valid(n + ENDS, len(place))), alone, n + ENDS


class DurationPredictor(nn.Module):
    """Log of one plus the frames that each symbol lasts (FastSpeech, Ren et al. 2019, §3.3)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = Convolved(width, 2, 3, dropout)
        self.out = nn.Conv1d(width, 1, 1)

    def forward(self, h: Tensor, n: Tensor) -> Tensor:
        """[B, width, L] -> [B, L]."""
        return self.out(self.body(h, valid(n, h.shape[-1])))[:, 0]


class Stretcher(nn.Module):
    """Repeats each symbol for as many frames as it lasts, and tells each frame how far into its symbol it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Conv1d(3, width, 1)

    def forward(self, h: Tensor, durations: Tensor, index: Tensor) -> Tensor:
        """h [B, width, L], durations [B, L] and `index` [B, N] of `spread_out` -> [B, width, N]."""
        starts = durations.cumsum(1) - durations
        length = durations.gather(1, index).clamp(min=1).to(h.dtype)
        past = torch.arange(index.shape[1], device=h.device) - starts.gather(1, index)
        share = ((past.to(h.dtype) + 0.5) / length).clamp(0, 1)
        features = torch.stack([share, 1 - share, length.log1p()], 1)
        return repeated(h, index) + self.place(features)


def repeated(h: Tensor, index: Tensor) -> Tensor:
    """h [B, W, L] -> [B, W, N], column `index` [B, N]."""
    return h.gather(2, index[:, None].expand(-1, h.shape[1], -1))


def spread_out(durations: Tensor) -> tuple[Tensor, Tensor]:
    """Frames per symbol [B, L] -> (which symbol each frame belongs to [B, N], frames [B]); past an item's end, its last symbol."""
    ends = durations.cumsum(1)
    total = ends[:, -1]
    frames = torch.arange(max(1, int(total.max())), device=durations.device).expand(len(durations), -1).contiguous()
    index = torch.searchsorted(ends, frames, right=True)
    last = (durations > 0).to(torch.long) * torch.arange(durations.shape[1], device=durations.device)
    return torch.minimum(index, last.amax(1, keepdim=True)), total


def timed(marks: Tensor, n: Tensor, frames: Tensor, rate: float) -> Tensor:
    """Seconds at which n [B] symbols start, and the last one ends, [B, M + 1] -> frames that each lasts [B, M + 2], with silences.

    A symbol lasts until the next one starts; all lie within `frames` [B] frames at `rate` per second.
    """
    edges = (marks * rate).round().long().clamp(min=0)
    edges = torch.minimum(edges, frames[:, None]).cummax(1).values
    edges = torch.where(torch.arange(marks.shape[1], device=marks.device) <= n[:, None], edges, frames[:, None])
    return torch.diff(F.pad(edges, (1, 0)), append=frames[:, None], dim=1)


def best_path(score: Tensor, symbols: Tensor, frames: Tensor) -> Tensor:
    """Monotonic alignment search (Kim et al. 2020, §3.2): score [B, L, N] -> frames of each symbol [B, L].

    Finds the path from the first symbol and frame to the last ones that visits every symbol in order and has the greatest sum.
    With sums S over frames, Q[l, n] = S_l(n) + max over starts s <= n of Q[l - 1, s - 1] - S_l(s - 1): a running maximum, so that
    the only loop is over symbols.  An item with fewer frames than symbols gets them spread evenly.
    """
    items, count, length = score.shape
    total = F.pad(score.double().cumsum(2), (1, 0))  # S_l(n - 1) at n
    q, starts = total[:, 0, 1:], []
    for row in range(1, count):
        before = F.pad(q, (1, 0), value=-torch.inf)[:, :-1]  # Q[l - 1, s - 1] at s
        best, start = (before - total[:, row, :-1]).cummax(1)
        q = total[:, row, 1:] + best
        starts.append(start)
    durations = torch.zeros(items, count, dtype=torch.long, device=score.device)
    end, rows = frames.clone(), torch.arange(items, device=score.device)
    for row in range(count - 1, 0, -1):
        start = starts[row - 1][rows, (end - 1).clamp(0, length - 1)]
        on = row < symbols
        durations[:, row] = torch.where(on, end - start, 0)
        end = torch.where(on, start, end)
    durations[:, 0] = end
    short = frames < symbols
    return torch.where(short[:, None], evenly(symbols, frames, count), durations)


def evenly(symbols: Tensor, frames: Tensor, count: int) -> Tensor:
    """As equal shares as whole frames allow: [B], [B] -> [B, count]."""
    place = torch.arange(count + 1, device=symbols.device)
    edges = torch.minimum(place, symbols[:, None]) * frames[:, None] // symbols[:, None].clamp(min=1)
    return torch.diff(edges, dim=1)


def diagonal(symbols: Tensor, frames: Tensor, count: int, length: int) -> Tensor:
    """How far each cell lies off the diagonal, squared, in tenths of the clip [B, count, length]; silences stand at its ends."""
    at = (torch.arange(count, device=symbols.device) - 0.5) / (symbols[:, None] - ENDS).clamp(min=1)
    when = (torch.arange(length, device=symbols.device) + 0.5) / frames[:, None]
    return ((at.clamp(0, 1)[:, :, None] - when[:, None]) / 0.1).square()
