"""Left-right hidden Markov chains in the log domain, many clips at once: forward-backward and Viterbi, a loop over frames only.

The frames of all clips stand side by side, clip after clip, without padding.

A chain is what one text says: states in order, each of which may be stayed in or left for the next; optional places (silences of
`hop - 1` states) may be jumped over.  All clips of a batch have chains of their own, padded to the longest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

BITS = 1 / math.log(2)  # of a nat: torch.exp takes 15 times as long as exp2 where it underflows (float32, MKL)
NEVER = -1e30  # log of nothing; finite, so that differences of it are numbers


@dataclass(frozen=True)
class Chains:
    """`ids` [B, L] the state at each place.  Logarithms of probabilities [B, L]: `loop` of staying, `move` of coming from the
    place before, `jump` of coming from `hop` places before (None: nothing is optional), `enter` of beginning, `leave` of ending
    there.  What cannot be, and padding, is NEVER."""

    ids: Tensor
    loop: Tensor
    move: Tensor
    jump: Tensor | None
    enter: Tensor
    leave: Tensor
    hop: int

    def each(self, change: Callable[[Tensor], Tensor]) -> Chains:
        """Every part changed alike."""
        ids, loop, move, enter, leave = (change(x) for x in (self.ids, self.loop, self.move, self.enter, self.leave))
        return Chains(ids, loop, move, None if self.jump is None else change(self.jump), enter, leave, self.hop)


class Found(NamedTuple):
    """What the paths through all clips say: log-likelihood [B] float64, the probability of each place at each frame [L, T], the
    expected stays at each place [B, L].  A clip too short for its chain has none of these (its log-likelihood is below NEVER / 2).
    """

    likelihood: Tensor
    occupied: Tensor
    stays: Tensor


def forward_backward(scores: Tensor, chains: Chains, n: Tensor) -> Found:
    """Log densities at each place of its clip's chain [L, T], frames n [B] of each clip: all paths by their probabilities."""
    return _Trellis(scores, chains, n).walk(best=False)


def viterbi(scores: Tensor, chains: Chains, n: Tensor) -> Found:
    """As above, the best path alone."""
    return _Trellis(scores, chains, n).walk(best=True)


def log_likelihood(scores: Tensor, chains: Chains, n: Tensor) -> Tensor:
    """Of all paths [B] float64."""
    return _Trellis(scores, chains, n).likelihood()


def evenly(scores: Tensor, chains: Chains, n: Tensor) -> Found:
    """The path that stays equally long at every place: where to begin when nothing is known (flat start)."""
    length = (chains.loop > NEVER / 2).sum(1)
    clip = torch.arange(len(n), device=n.device).repeat_interleave(n)
    t = torch.arange(len(clip), device=n.device) - (n.cumsum(0) - n)[clip]
    occupied = scores.new_zeros(scores.shape).scatter_(0, (t * length[clip] // n[clip])[None], 1.0)
    visits = scores.new_zeros(len(n), len(scores)).index_add_(0, clip, occupied.T)
    there = (scores * occupied).sum(0, dtype=torch.float64)
    return Found(there.new_zeros(len(n)).index_add_(0, clip, there), occupied, (visits - 1).clamp(min=0))


class _Trellis:
    """Every place at every frame of all clips, in one loop over frames.

    Columns are sorted: the first frames of all clips, the longest clip's first; then the second frames, of those that have one; and
    so on.  So the clips that still go on are always the first ones, and each step runs over whole memory.  Above the first place
    are `hop` rows more, from which nothing can come.
    """

    def __init__(self, scores: Tensor, chains: Chains, n: Tensor) -> None:
        self.hop, (self.length, frames) = chains.hop, scores.shape
        self.order = n.argsort(descending=True, stable=True)
        self.chain = chains.each(lambda x: x.T.index_select(1, self.order))  # [L, B]
        width = len(n) - torch.bincount(n).cumsum(0)[:-1]  # clips that have a frame t
        first = width.cumsum(0) - width  # column of frame t of the longest clip
        t = torch.arange(len(width), device=n.device).repeat_interleave(width, output_size=frames)
        self.clip = torch.arange(frames, device=n.device) - first.index_select(0, t)  # of each column, as `order` has them
        self.frame = (n.cumsum(0) - n).index_select(0, self.order).index_select(0, self.clip) + t  # of `scores`, of each column
        self.widths = width.tolist()
        self.begun = self.widths[0]  # columns of the first frames
        self.last = first[n[self.order[: self.begun]] - 1] + torch.arange(self.begun, device=n.device)
        # one piece of memory: small ones are handed back to the system, and their pages faulted in anew for each batch
        rows = [self.hop + self.length] + (2 if chains.jump is None else 3) * [self.length]
        self.table, *self.rooms = scores.new_empty(sum(rows), frames).split(rows)
        self.peaks = self._fill(scores, n)
        self.ways = list(self._ways())

    def _fill(self, scores: Tensor, n: Tensor) -> Tensor:
        """The table: each place's density at each frame, with what beginning or staying there costs.  Returns what was taken off
        each clip's densities [B] float64: with it, sums over long clips would lose digits."""
        peak, end = scores.amax(0), n.cumsum(0)
        less, loop = (room[: self.length] for room in self.rooms[:2])
        torch.sub(scores, peak, out=less)
        self.table[: self.hop] = NEVER
        here = torch.gather(less, 1, self.frame.expand(self.length, -1), out=self.table[self.hop :])
        here[:, : self.begun] += self.chain.enter[:, : self.begun]
        torch.gather(self.chain.loop, 1, self.clip.expand(self.length, -1), out=loop)
        here[:, self.begun :] += loop[:, self.begun :]
        sums = torch.nn.functional.pad(peak.cumsum(0, dtype=torch.float64), (1, 0))
        return sums[end] - sums[end - n]

    def _ways(self) -> Iterator[tuple[Tensor, ...]]:
        """Of each frame but the first the places of the table, and those of the frame before from which they are come to (only the
        columns that go on): themselves, the ones before, those `hop` before where there are jumps."""
        above = (0, 1) if self.chain.jump is None else (0, 1, self.hop)
        views = [self.table[self.hop - up :][: self.length].split(self.widths, 1) for up in above]
        for t, width in enumerate(self.widths[1:]):
            from_ = [view[t] for view in views]
            if width < self.widths[t]:
                from_ = [x[:, :width] for x in from_]
            yield views[0][t + 1], *from_

    def _later(self, table: Tensor) -> tuple[Tensor, ...]:
        """A table's frames but the first."""
        return table[:, self.begun :].split(self.widths[1:], 1)

    def likelihood(self) -> Tensor:
        """Of all paths [B] float64."""
        self._forward(torch.logaddexp)
        return self._given(self._ends(best=False)[0])

    def walk(self, best: bool) -> Found:
        """Forward and backward."""
        self._forward(torch.maximum if best else torch.logaddexp)
        likelihood, last = self._ends(best)
        stays = self._backward(_larger if best else torch.sigmoid_, last)
        occupied = self.rooms[0].scatter_(1, self.frame.expand(self.length, -1), self.table[self.hop :])
        return Found(self._given(likelihood), occupied, self._given(stays.T))

    def _given(self, x: Tensor) -> Tensor:
        """Rows in `order` -> as the clips were given."""
        return torch.empty_like(x).index_copy_(0, self.order, x)

    def _forward(self, join: Callable[..., Tensor]) -> None:
        """The log-probability of the paths that are at a place at a frame, in the table.  In the rooms the logarithms of odds: of
        having stayed, against having come from the place before; of either, against having jumped."""
        move, jump = self.chain.move - self.chain.loop, self.chain.jump  # staying is in the table
        steps = zip(self.ways, self._later(self.rooms[0]), self.widths[1:], strict=True)
        if jump is None:
            for (now, here, left), odds, width in steps:
                if width < move.shape[1]:
                    move = move[:, :width]
                paths = left + move
                torch.sub(here, paths, out=odds)
                now.add_(join(here, paths, out=paths))
            return
        jump = jump - self.chain.loop
        for ((now, here, left, past), odds, width), leap in zip(steps, self._later(self.rooms[1]), strict=True):
            if width < move.shape[1]:
                move, jump = move[:, :width], jump[:, :width]
            paths, jumped = left + move, past + jump
            torch.sub(here, paths, out=odds)
            join(here, paths, out=paths)
            torch.sub(paths, jumped, out=leap)
            now.add_(join(paths, jumped, out=paths))

    def _ends(self, best: bool) -> tuple[Tensor, Tensor]:
        """Of each clip, in `order`, the log-likelihood [B] float64 and the part of each place in which it may end [L, B]."""
        paths = torch.full_like(self.chain.leave, NEVER)
        paths[:, : self.begun] = self.table[self.hop :].index_select(1, self.last) + self.chain.leave[:, : self.begun]
        peak, place = paths.max(0)
        if best:
            part, total = torch.zeros_like(paths).scatter_(0, place[None], 1.0), torch.ones_like(peak)
        else:
            part = ((paths - peak) * BITS).exp2_()
            total = part.sum(0)
        possible = peak > NEVER / 2
        likelihood = torch.where(possible, peak.double() + total.log() + self.peaks.index_select(0, self.order), NEVER)
        return likelihood, part * (possible / total)

    def _backward(self, part: Callable[[Tensor], Tensor], last: Tensor) -> Tensor:
        """The probability of each place at each frame, in the table: from the last one on, a place's is handed to those before by
        their parts in it.  These add up to one, so that nothing is lost without logarithms.  Returns the expected stays [L, B]."""
        stay, move = (x[:, self.begun :] for x in self.rooms[:2])
        if self.chain.jump is None:
            torch.sub(1, part(stay), out=move)
        else:
            torch.sub(1, part(move), out=self.rooms[2][:, self.begun :])
            move -= part(stay).mul_(move)
        self.table.zero_()
        self.table[self.hop :, self.last] = last[:, : self.begun]
        parts = zip(*(self._later(room) for room in self.rooms), strict=True)
        for (now, *ways), shares in zip(reversed(self.ways), reversed(list(parts)), strict=True):
            for way, share in zip(ways, shares, strict=True):
                way.addcmul_(now, share)
        stay *= self.table[self.hop :, self.begun :]
        return torch.zeros_like(last).scatter_add_(1, self.clip[self.begun :].expand(self.length, -1), stay)


def _larger(odds: Tensor) -> Tensor:
    """Of two ways the likelier one alone."""
    return torch.ge(odds, 0, out=odds)
