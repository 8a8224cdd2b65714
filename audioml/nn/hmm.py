"""Left-right hidden Markov chains in the log domain, many clips at once: forward-backward and Viterbi, a loop over frames only.

A chain is what one text says: states in order, each of which may be stayed in or left for the next; optional places (silences of
`hop - 1` states) may be jumped over.  All clips of a batch have chains of their own, padded to the longest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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

    def of(self, rows: slice | Tensor) -> Chains:
        """Those of some clips."""
        ids, loop, move, enter, leave = (x[rows] for x in (self.ids, self.loop, self.move, self.enter, self.leave))
        return Chains(ids, loop, move, None if self.jump is None else self.jump[rows], enter, leave, self.hop)


def forward_backward(blocks: Sequence[Tensor], chains: Chains, n: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """Log densities at each place, in blocks [b, L, N] of clips of similar length; the chains and valid frames n [B] of all clips,
    block after block -> log-likelihood [B] float64, the probability of each place at each frame in blocks [b, L, N], and the
    expected stays at each place [B, L].  A clip too short for its chain has none of these (its log-likelihood is below NEVER / 2).
    """
    chain, walk = _places_first(chains), _Walk(blocks, n)
    walk.forward(chain, both=True)
    likelihood = walk.ends(chain)
    occupied, stays = [], torch.empty_like(chain.loop)
    for k, rows in enumerate(walk.rows):
        alpha, beta = walk.of(k), walk.of(k, back=True)
        beta -= torch.where(likelihood[rows] > NEVER / 2, likelihood[rows], 0.0)
        stays[:, rows] = (alpha[:-1] + chain.loop[:, rows]).add_(beta[1:]).mul_(BITS).exp2_().sum(0)
        occupied.append(beta.add_(alpha).sub_(walk.scores[k]).permute(1, 2, 0).mul(BITS).exp2_().transpose(0, 1))
    return walk.with_peaks(likelihood), occupied, stays.T


def log_likelihood(blocks: Sequence[Tensor], chains: Chains, n: Tensor) -> Tensor:
    """The forward pass alone: [B] float64."""
    chain, walk = _places_first(chains), _Walk(blocks, n)
    walk.forward(chain, both=False)
    return walk.with_peaks(walk.ends(chain))


def viterbi(scores: Tensor, chains: Chains, n: Tensor) -> tuple[Tensor, Tensor]:
    """As above -> log-probability of the best path [B] float64, and its place at each frame [B, N] (-1 past the end, and where
    there is no path)."""
    b, peak, valid = _prepared(scores, n)
    chain = _places_first(chains)
    frames, length, items = b.shape
    hop = chain.hop
    sums = b.new_full((frames, hop + length, items), NEVER)
    came = torch.zeros(frames, length, items, dtype=torch.uint8, device=b.device)
    sums[0, hop:] = chain.enter + b[0]
    for t in range(1, frames):
        before = sums[t - 1]
        stay, move = before[hop:] + chain.loop, before[hop - 1 : -1] + chain.move
        best, came[t] = torch.maximum(stay, move), move > stay
        if chain.jump is not None:
            jump = before[:length] + chain.jump
            came[t].masked_fill_(jump > best, 2)
            best = torch.maximum(best, jump)
        torch.add(best, b[t], out=sums[t, hop:])
    rows = torch.arange(items, device=b.device)
    score, place = (sums[n - 1, hop:, rows] + chain.leave.T).max(-1)
    possible = score > NEVER / 2
    steps = torch.tensor([0, 1, hop], device=b.device)
    path = torch.full((items, frames), -1, device=b.device)
    for t in range(frames - 1, -1, -1):
        here = (t < n) & possible
        path[:, t] = torch.where(here, place, -1)
        place = torch.where(here, place - steps[came[t, place, rows].long()], place)
    return score.double() + torch.where(possible, (peak * valid).double().sum((0, 1)), 0.0), path


def evenly(chains: Chains, n: Tensor, frames: int) -> Tensor:
    """The path [B, N] that stays equally long at every place: where to begin when nothing is known (flat start)."""
    length = (chains.loop > NEVER / 2).sum(1, keepdim=True)
    t = torch.arange(frames, device=n.device)
    return torch.where(t < n[:, None], t * length // n[:, None].clamp(min=1), -1)


def _prepared(scores: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores less their peak [N, L, B]; the peaks, and which frames are valid [N, 1, B]."""
    b = scores.permute(2, 1, 0)
    peak = b.amax(1, keepdim=True)
    t = torch.arange(len(b), device=b.device)[:, None]
    return torch.sub(b, peak, out=b.new_empty(0)), peak, (t < n)[:, None]


def _places_first(chains: Chains) -> Chains:
    """[L, B] throughout."""
    jump = None if chains.jump is None else chains.jump.T.contiguous()
    loop, move, enter, leave = (x.T.contiguous() for x in (chains.loop, chains.move, chains.enter, chains.leave))
    return Chains(chains.ids, loop, move, jump, enter, leave, chains.hop)


# ---- the recursion, clips last: neighbouring places are then neighbouring rows, and each step runs over whole memory ----
class _Walk:
    """All blocks in one loop over frames, and both directions: backward is forward over frames and places in reverse.

    The columns of the longest block stand first, so that the clips that still go on at a frame are the first ones, and a block
    costs no more steps than it has frames.
    """

    def __init__(self, blocks: Sequence[Tensor], n: Tensor) -> None:
        self.n, at = n, 0
        self.scores, self.peaks, self.rows = [], [], []  # per block [N, L, b], less their peaks; peaks [B]; its clips
        for block in blocks:
            self.rows.append(slice(at, at + len(block)))
            at += len(block)
            own = n[self.rows[-1]]
            peak = block.amax(1)  # [b, N]
            t = torch.arange(block.shape[2], device=n.device)
            self.peaks.append(torch.where(t < own[:, None], peak, 0.0).sum(1, dtype=torch.float64))
            self.scores.append((block - peak[:, None]).permute(2, 1, 0).contiguous())

    def forward(self, chain: Chains, both: bool) -> None:
        """The log-probability of all paths that are at a place at a frame; with `both`, also the same from the other end."""
        first, ways = self.scores[0], 2 if both else 1
        self.columns, columns, begins, at = {}, [], [], 0
        ends = []  # (frames, columns up to there) of the blocks, the longest first
        for k in sorted(range(len(self.scores)), key=lambda k: -len(self.scores[k])):
            frames, _, items = self.scores[k].shape
            place = torch.arange(self.rows[k].start, self.rows[k].stop, device=first.device)
            for back in range(ways):
                self.columns[k, bool(back)] = slice(at, at + items)
                columns.append(place + back * len(self.n))
                begins.append(frames - self.n[place] if back else torch.zeros_like(place))
                at += items
            ends.append((frames, at))
        self.out = first.new_empty(ends[0][0], first.shape[1], at)  # memory of steps that a block does not have is never touched
        for (k, back), there in self.columns.items():
            block = self.scores[k]
            self.out[: len(block), :, there] = block.flip(0, 1) if back else block
        chain = _taken(_both_ways(chain) if both else chain, torch.cat(columns))
        self._run(chain, torch.cat(begins), ends)

    def _run(self, chain: Chains, begins: Tensor, ends: list[tuple[int, int]]) -> None:
        """Adds to the scores at each frame the best of all ways there; a column begins at its frame of `begins`."""
        starts, hop, t = set(begins.tolist()), chain.hop, 1
        self.out[0] += torch.where(begins == 0, chain.enter, NEVER)
        for frames, width in reversed(ends):
            active = self.out[t - 1 : frames, :, :width].unbind(0)
            onward = self.out[t - 1 : frames, :-1, :width].unbind(0)
            loop, move = chain.loop[:, :width].contiguous(), chain.move[1:, :width].contiguous()
            jump = None if chain.jump is None else chain.jump[hop:, :width].contiguous()
            here, moved = torch.empty_like(loop), torch.empty_like(move)
            jumped = None if jump is None else torch.empty_like(jump)
            later, past = here[1:], here[hop:]
            for before, left, now in zip(active, onward, active[1:], strict=False):
                torch.add(before, loop, out=here)
                torch.add(left, move, out=moved)
                torch.logaddexp(later, moved, out=later)
                if jump is not None:
                    torch.add(before[:-hop], jump, out=jumped)
                    torch.logaddexp(past, jumped, out=past)
                if t in starts:
                    here.copy_(torch.where(begins[:width] == t, chain.enter[:, :width], here))
                now.add_(here)
                t += 1

    def of(self, k: int, back: bool = False) -> Tensor:
        """What block k's clips have [N, L, b]; `back`: from each frame to the end, that frame's own score included."""
        found = self.out[: len(self.scores[k]), :, self.columns[k, back]]
        return found.flip(0, 1) if back else found

    def ends(self, chain: Chains) -> Tensor:
        """Log-likelihood [B] without the peaks."""
        found = []
        for k, rows in enumerate(self.rows):
            alpha, n = self.of(k), self.n[rows]
            found.append((alpha[n - 1, :, torch.arange(len(n), device=n.device)].T + chain.leave[:, rows]).logsumexp(0))
        return torch.cat(found)

    def with_peaks(self, likelihood: Tensor) -> Tensor:
        """The log-likelihood of the scores as they were given [B] float64."""
        return likelihood.double() + torch.where(likelihood > NEVER / 2, torch.cat(self.peaks), 0.0)


def _taken(chain: Chains, columns: Tensor) -> Chains:
    jump = None if chain.jump is None else chain.jump[:, columns]
    loop, move, enter, leave = (x[:, columns] for x in (chain.loop, chain.move, chain.enter, chain.leave))
    return Chains(chain.ids, loop, move, jump, enter, leave, chain.hop)


def _both_ways(chain: Chains) -> Chains:
    """The chains, and beside them the same backwards [L, 2B]."""

    def beside(x: Tensor, shift: int) -> Tensor:
        """`x` and the same from the other side: into which place a place goes."""
        pad = torch.full_like(x[:shift], NEVER)
        return torch.cat([x, torch.cat([pad, x.flip(0)[: max(0, len(x) - shift)]])], 1)

    jump = None if chain.jump is None else beside(chain.jump, chain.hop)
    enter = torch.cat([chain.enter, chain.leave.flip(0)], 1)
    return Chains(chain.ids, beside(chain.loop, 0), beside(chain.move, 1), jump, enter, enter, chain.hop)
