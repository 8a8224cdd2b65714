"""Left-right hidden Markov chains in the log domain, many clips at once: forward-backward and Viterbi, a loop over frames only.

A chain is what one text says: states in order, each of which may be stayed in or left for the next; optional places (silences of
`hop - 1` states) may be jumped over.  All clips of a batch have chains of their own, padded to the longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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


def forward_backward(scores: Tensor, chains: Chains, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log densities [B, L, N] at each place, valid frames n [B] -> log-likelihood [B] float64, the probability of each place at
    each frame [B, L, N], and the expected stays at each place [B, L].  A clip too short for its chain has none of these (its
    log-likelihood is below NEVER / 2).

    Backward is forward over frames and places in reverse, so that both directions are one loop over twice the batch.
    """
    b, peak, valid = _prepared(scores, n)
    chain = _places_first(chains)
    alpha, beta = _forward(torch.cat([b, b.flip(0, 1)], -1), _both_ways(chain), n).chunk(2, -1)
    beta = beta.flip(0, 1)
    likelihood = _ends(alpha, chain, n)
    possible = likelihood > NEVER / 2
    beta -= torch.where(possible, likelihood, 0.0)
    unseen = ~(valid & possible)
    stays = (alpha[:-1] + chain.loop).add_(beta[1:]).exp_().masked_fill_(unseen[1:], 0.0)
    occupied = beta.add_(alpha).sub_(b).exp_().masked_fill_(unseen, 0.0)
    total = likelihood.double() + torch.where(possible, (peak * valid).double().sum((0, 1)), 0.0)
    return total, occupied.permute(2, 1, 0), stays.sum(0).T


def log_likelihood(scores: Tensor, chains: Chains, n: Tensor) -> Tensor:
    """The forward pass alone: [B] float64."""
    b, peak, valid = _prepared(scores, n)
    chain = _places_first(chains)
    found = _ends(_forward(b, chain), chain, n)
    return found.double() + torch.where(found > NEVER / 2, (peak * valid).double().sum((0, 1)), 0.0)


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


# ---- the recursion, clips last: neighbouring places are then neighbouring rows, and each step runs over whole memory ----
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


def _both_ways(chain: Chains) -> Chains:
    """The chains, and beside them the same backwards [L, 2B]."""

    def beside(x: Tensor, shift: int) -> Tensor:
        """`x` and the same from the other side: into which place a place goes."""
        pad = torch.full_like(x[:shift], NEVER)
        return torch.cat([x, torch.cat([pad, x.flip(0)[: max(0, len(x) - shift)]])], 1)

    jump = None if chain.jump is None else beside(chain.jump, chain.hop)
    enter = torch.cat([chain.enter, chain.leave.flip(0)], 1)
    return Chains(chain.ids, beside(chain.loop, 0), beside(chain.move, 1), jump, enter, enter, chain.hop)


def _forward(b: Tensor, chain: Chains, n: Tensor | None = None) -> Tensor:
    """[N, L, B] -> log-probability of all paths that are at a place at a frame [N, L, B].

    With `n`, the second half of the clips runs backwards: each begins where its last frame, n from the end, is met.
    """
    frames, length, items = b.shape
    hop = chain.hop
    out = b.new_full((frames, hop + length, items), NEVER)
    begins = torch.zeros(items, dtype=torch.long, device=b.device)
    if n is not None:
        begins[len(n) :] = frames - n
    starts = set(begins.tolist())
    stay, move = torch.empty_like(b[0]), torch.empty_like(b[0])
    for t in range(frames):
        here = out[t, hop:]
        if t:
            before = out[t - 1]
            torch.add(before[hop:], chain.loop, out=stay)
            torch.add(before[hop - 1 : -1], chain.move, out=move)
            torch.logaddexp(stay, move, out=here)
            if chain.jump is not None:
                torch.logaddexp(here, torch.add(before[:length], chain.jump, out=move), out=here)
        if t in starts:
            here.copy_(torch.where(begins == t, chain.enter, here))
        here += b[t]
    return out[:, hop:]


def _ends(alpha: Tensor, chain: Chains, n: Tensor) -> Tensor:
    """Log-likelihood [B] without the peaks."""
    rows = torch.arange(len(n), device=n.device)
    return (alpha[n - 1, :, rows].T + chain.leave).logsumexp(0)
