"""One step of expectation maximisation: what a batch of clips and their chains say of every state (Rabiner 1989).

The frames of all clips stand side by side, clip after clip.  Neighbours with the same chain of states share matrix products for
their densities and for their statistics.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from audioml.nn import gmm, hmm

Align = Literal["all", "viterbi", "evenly"]


ALIGNED = 8  # the products' columns are filled up to a multiple of it: 79 take a fifth longer than 80 (MKL)
PIECE = 12_000
LINE = 16  # numbers that fill a line of the cache
_KEPT = threading.local()
_ALIGN = {"all": hmm.forward_backward, "viterbi": hmm.viterbi, "evenly": hmm.evenly}


class Piece(NamedTuple):
    """Neighbouring frames whose chains are the same states: the frames, their first clip, the places of its chain."""

    columns: slice
    clip: int
    places: int


@torch.inference_mode()  # a tenth faster than without gradients
def gather(mixtures: gmm.Mixtures, sums: gmm.Sums, x: Tensor, chains: hmm.Chains, n: Tensor, align: Align) -> Tensor:
    """Frames [D, T] of all clips, clip after clip; their chains and counts n [B] -> log-likelihood [B] float64, and all that they
    say added to `sums`.  `align`: "all" paths by their probabilities, the best ("viterbi"), or the path that stays equally long
    everywhere ("evenly")."""
    if not x.shape[1]:
        return _unheard(n)
    heard = _Heard(mixtures, x, chains, n, keep=True)
    found = _ALIGN[align](heard.scores, chains, n, heard.rooms)
    heard.add(sums, found.occupied)
    sums.stay(chains.ids, found.stays)
    return found.likelihood


@torch.inference_mode()
def log_likelihood(mixtures: gmm.Mixtures, x: Tensor, chains: hmm.Chains, n: Tensor) -> Tensor:
    """Of each clip under its chain [B] float64."""
    if not x.shape[1]:
        return _unheard(n)
    heard = _Heard(mixtures, x, chains, n, keep=False)
    return hmm.log_likelihood(heard.scores, chains, n, heard.rooms)


def _unheard(n: Tensor) -> Tensor:
    """Clips none of which has a frame have no likelihood."""
    return torch.full((len(n),), hmm.NEVER, dtype=torch.float64, device=n.device)


class _Heard:
    """Frames; under their clips' chains, the log densities of each place [L, T]; with `keep`, each component's parts in them."""

    def __init__(self, mixtures: gmm.Mixtures, x: Tensor, chains: hmm.Chains, n: Tensor, keep: bool) -> None:
        self.x, self.pieces = x, list(_pieces(chains, n))
        self.ids = chains.ids[[one.clip for one in self.pieces]]
        rows = gmm.BITS * mixtures.rows()[self.ids]  # [pieces, L, slots, 1 + 2D]
        self.width, slots = rows.shape[-1], rows.shape[2]
        self.rows = torch.nn.functional.pad(rows, (0, -self.width % ALIGNED))
        sizes = [one.columns.stop - one.columns.start for one in self.pieces]
        shape = (self.rows.shape[-1], max(sizes))
        sizes = [one.places * slots * size for one, size in zip(self.pieces, sizes, strict=True)]
        places, frames = chains.ids.shape[1], x.shape[1]
        tables, room, parts = _memory(x, (2 + chains.rooms) * places * frames, math.prod(shape), sum(sizes) if keep else max(sizes))
        tables, self.room = tables.view(-1, places, frames), room.view(shape)
        self.scores, self.total, self.rooms = tables[0], tables[1], tables[2:]
        self.room[0], self.room[self.width :] = 1.0, 0.0
        self.parts = parts.split(sizes) if keep else [parts[:size] for size in sizes]  # of each piece
        for one, rows, parts in zip(self.pieces, self.rows, self.parts, strict=True):
            parts = parts.view(one.places, slots, -1)
            torch.mm(rows[: one.places].flatten(0, 1), self.powers(one), out=parts.flatten(0, 1))
            gmm.shares(parts, self.scores[: one.places, one.columns], self.total[: one.places, one.columns])
            self.scores[one.places :, one.columns] = hmm.NEVER

    def powers(self, one: Piece) -> Tensor:
        """`gmm.powers_of` a piece [1 + 2D, frames], and zeros below.  They are made where they are used, twice, always in the same
        memory: a piece stays in the cache, those of all frames would be written to fresh pages and read back."""
        x = self.x[:, one.columns]
        room = self.room[:, : x.shape[1]]
        room[1 : 1 + len(x)] = x
        torch.mul(x, x, out=room[1 + len(x) : self.width])
        return room

    def add(self, sums: gmm.Sums, occupied: Tensor) -> None:
        """The probability of each place at each frame [L, T]."""
        found = torch.zeros_like(self.rows)
        for to, one, parts in zip(found, self.pieces, self.parts, strict=True):
            total = self.total[: one.places, one.columns]
            parts = parts.view(one.places, -1, total.shape[1])
            parts *= torch.div(occupied[: one.places, one.columns], total, out=total)[:, None]
            torch.mm(parts.flatten(0, 1), self.powers(one).T, out=to[: one.places].flatten(0, 1))
        sums.add(self.ids, found[..., : self.width])


def _memory(like: Tensor, *sizes: int) -> tuple[Tensor, ...]:
    """Memory of some sizes, on the CPU the same for all batches: what large tensors leave free, malloc may hand back to the system,
    and to fault its pages in anew would take half as long as all that is done here."""
    starts = list(accumulate((-(-size // LINE) * LINE for size in sizes), initial=0))
    if like.device.type != "cpu":
        whole = like.new_empty(starts[-1])
    else:
        whole = vars(_KEPT).get(str(like.dtype))
        if whole is None or len(whole) < starts[-1]:
            whole = vars(_KEPT)[str(like.dtype)] = like.new_empty(starts[-1])
    return tuple(whole[start : start + size] for start, size in zip(starts, sizes, strict=False))


def _pieces(chains: hmm.Chains, n: Tensor) -> Iterator[Piece]:
    """Runs of clips with the same chain, in pieces of about the same length."""
    new = torch.ones(len(n), dtype=torch.bool, device=n.device)
    new[1:] = (chains.ids[1:] != chains.ids[:-1]).any(1)
    clips = new.nonzero()[:, 0]
    places = (chains.loop[clips] > hmm.NEVER / 2).sum(1).clamp(min=1)
    starts = (n.cumsum(0) - n)[clips]
    ends = [*starts[1:].tolist(), int(n.sum())]
    for clip, length, start, end in zip(clips.tolist(), places.tolist(), starts.tolist(), ends, strict=True):
        count = -(-(end - start) // PIECE)
        for k in range(count):
            yield Piece(slice(start + k * (end - start) // count, start + (k + 1) * (end - start) // count), clip, length)
