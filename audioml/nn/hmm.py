"""Left-right hidden Markov chains in the log domain, many clips at once: forward-backward and Viterbi, a loop over frames only.

The frames of all clips stand side by side, clip after clip, without padding.

A chain is what one text says: states in order, each of which may be stayed in or left for the next; optional places (silences of
`hop - 1` states) may be jumped over.  All clips of a batch have chains of their own, padded to the longest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

    @property
    def rooms(self) -> int:
        """Tables [L, T] that `forward_backward` and the others need memory for."""
        return 2 if self.jump is None else 4

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


def forward_backward(scores: Tensor, chains: Chains, n: Tensor, rooms: Tensor | None = None) -> Found:
    """Log densities at each place of its clip's chain [L, T], in whose memory come the probabilities; frames n [B] of each clip;
    memory [`chains.rooms`, L, T], where there is some to use: all paths by their probabilities."""
    return _Trellis(scores, chains, n, rooms).walk(best=False)


def viterbi(scores: Tensor, chains: Chains, n: Tensor, rooms: Tensor | None = None) -> Found:
    """As above, the best path alone."""
    return _Trellis(scores, chains, n, rooms).walk(best=True)


def log_likelihood(scores: Tensor, chains: Chains, n: Tensor, rooms: Tensor | None = None) -> Tensor:
    """Of all paths [B] float64.  `scores` are overwritten."""
    return _Trellis(scores, chains, n, rooms).likelihood()


def evenly(scores: Tensor, chains: Chains, n: Tensor, rooms: Tensor | None = None) -> Found:
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
    so on.  So the clips that still go on are always the first ones.
    """

    def __init__(self, scores: Tensor, chains: Chains, n: Tensor, rooms: Tensor | None) -> None:
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
        self.table, *self.rooms = scores.new_empty(chains.rooms, *scores.shape) if rooms is None else rooms
        self.spare = scores  # once they are in the table
        peak, end = scores.amax(0), n.cumsum(0)
        scores -= peak  # sums over long clips would lose digits
        torch.gather(scores, 1, self.frame.expand(self.length, -1), out=self.table)
        loop = torch.gather(self.chain.loop, 1, self.clip.expand(self.length, -1), out=scores)
        loop[:, : self.begun] = self.chain.enter[:, : self.begun]
        self.table += loop
        peaks = torch.nn.functional.pad(peak.cumsum(0, dtype=torch.float64), (1, 0))
        self.peaks = (peaks[end] - peaks[end - n])[self.order]

    def likelihood(self) -> Tensor:
        """Of all paths [B] float64."""
        return self._given(self._ends(self._forward(torch.logaddexp), best=False)[0])

    def walk(self, best: bool) -> Found:
        """Forward and backward."""
        odds = [self.spare[1:]] + [self.rooms[1][start:] for start, _ in self._ways()[1:]]
        ended = self._forward(torch.maximum if best else torch.logaddexp, odds)
        likelihood, last = self._ends(ended, best)
        stays = self._backward(self._parts(*(_larger(x) if best else x.sigmoid_() for x in odds)), last)
        occupied = self.spare.scatter_(1, self.frame.expand(self.length, -1), self.table)
        return Found(self._given(likelihood), occupied, self._given(stays.T))

    def _given(self, x: Tensor) -> Tensor:
        """Rows in `order` -> as the clips were given."""
        return torch.empty_like(x).index_copy_(0, self.order, x)

    def _forward(self, join: Callable[..., Tensor], odds: Sequence[Tensor] = ()) -> Tensor:
        """The log-probability of all paths to each place at the last frame of each clip, in `order` [L, B].  In `odds` come the
        logarithms of odds: of having stayed, against having come from the place before [L - 1, T]; of either, against having jumped
        [L - hop, T]."""
        frames, odds = self.table.split(self.widths, 1), [x.split(self.widths, 1) for x in odds]
        costs = [cost[start:] - self.chain.loop[start:] for start, cost in self._ways()]  # staying is in the table
        ended = torch.full_like(self.chain.loop, NEVER)
        now, wide = frames[0], None
        for t, width in enumerate(self.widths[1:], 1):
            if width != wide:  # memory of one frame at a time, so that each step runs over all of it at once
                ended[:, width : now.shape[1]], wide = now[:, width:], width
                now, costs = now[:, :width].contiguous(), [x[:, :width].contiguous() for x in costs]
                ways = [(now[:-start], now[start:], cost) for (start, _), cost in zip(self._ways(), costs, strict=True)]
            came = [here + cost for here, _, cost in ways]
            for k, (_, there, _) in enumerate(ways):
                if odds:
                    torch.sub(there, came[k], out=odds[k][t])
                join(there, came[k], out=there)
            now += frames[t]
        ended[:, : now.shape[1]] = now
        return ended

    def _ways(self) -> list[tuple[int, Tensor]]:
        """How many places on other ways than staying lead, and what they cost at their end [L, B]."""
        return [(1, self.chain.move)] + ([] if self.chain.jump is None else [(self.hop, self.chain.jump)])

    def _ends(self, paths: Tensor, best: bool) -> tuple[Tensor, Tensor]:
        """Of each clip, in `order`, the log-likelihood [B] float64 and the part of each place in which it may end [L, B]."""
        paths = paths + self.chain.leave
        peak, place = paths.max(0)
        if best:
            part, total = torch.zeros_like(paths).scatter_(0, place[None], 1.0), torch.ones_like(peak)
        else:
            part = ((paths - peak) * BITS).exp2_()
            total = part.sum(0)
        possible = peak > NEVER / 2
        return torch.where(possible, peak.double() + total.log() + self.peaks, NEVER), part * (possible / total)

    def _parts(self, stay: Tensor, walk: Tensor | None = None) -> list[Tensor]:
        """Of those in a place at a frame the parts that stayed [L, T], came from the place before [L - 1, T] and jumped
        [L - hop, T], from the probability of staying instead of moving, and of either instead of jumping."""
        parts = [self.spare, torch.sub(1, stay, out=self.rooms[0][1:])]
        self.spare[0] = 1.0  # into the first place there is no other way
        if walk is not None:
            self.spare[self.hop :] *= walk
            parts[1][self.hop - 1 :] *= walk
            parts.append(torch.sub(1, walk, out=self.rooms[2][self.hop :]))
        return parts

    def _backward(self, parts: list[Tensor], last: Tensor) -> Tensor:
        """The probability of each place at each frame, in the table: from the last frame on, a place's is handed to those before by
        their parts in it.  These add up to one, so that nothing is lost, and no logarithm is needed.  Returns the expected stays
        [L, B]."""
        self.table.zero_()
        self.table[:, self.last] = last[:, : self.begun]
        starts = [0, *(start for start, _ in self._ways())]
        steps = [
            [x.split(self.widths, 1) for x in (self.table[: max(0, self.length - start)], self.table[start:], part)]
            for start, part in zip(starts, parts, strict=True)
        ]
        for t in range(len(self.widths) - 1, 0, -1):
            width = self.widths[t]
            for before, now, part in steps:
                here = before[t - 1] if width == self.widths[t - 1] else before[t - 1][:, :width]
                here.addcmul_(now[t], part[t])
        later = slice(self.begun, None)
        stays = parts[0][:, later].mul_(self.table[:, later])
        return torch.zeros_like(last).scatter_add_(1, self.clip[later].expand(self.length, -1), stays)


def _larger(odds: Tensor) -> Tensor:
    """Of two ways the likelier one alone."""
    return torch.ge(odds, 0, out=odds)
