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
    """
    b, peak, valid = _prepared(scores, n)
    chain = _places_first(chains)
    alpha, beta = _forward(b, chain), _backward(b, chain, n)
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


def _forward(b: Tensor, chain: Chains) -> Tensor:
    """[N, L, B] -> log-probability of all paths that are at a place at a frame [N, L, B]."""
    frames, length, items = b.shape
    hop = chain.hop
    out = b.new_full((frames, hop + length, items), NEVER)
    torch.add(chain.enter, b[0], out=out[0, hop:])
    stay, move = torch.empty_like(b[0]), torch.empty_like(b[0])
    for t in range(1, frames):
        before, here = out[t - 1], out[t, hop:]
        torch.add(before[hop:], chain.loop, out=stay)
        torch.add(before[hop - 1 : -1], chain.move, out=move)
        torch.logaddexp(stay, move, out=here)
        if chain.jump is not None:
            torch.logaddexp(here, torch.add(before[:length], chain.jump, out=move), out=here)
        here += b[t]
    return out[:, hop:]


def _backward(b: Tensor, chain: Chains, n: Tensor) -> Tensor:
    """[N, L, B] -> log-probability of a clip's frames from one on, given that it is at a place in that one [N, L, B]."""
    frames, length, items = b.shape
    hop = chain.hop
    out = b.new_full((frames, length + hop, items), NEVER)
    onward, over = _seen_from(chain.move, 1), None if chain.jump is None else _seen_from(chain.jump, hop)
    stay, move, ends = torch.empty_like(b[0]), torch.empty_like(b[0]), set((n - 1).tolist())
    for t in range(frames - 1, -1, -1):
        here = out[t, :length]
        if t + 1 < frames:
            after = out[t + 1]
            torch.add(after[:length], chain.loop, out=stay)
            torch.add(after[1 : length + 1], onward, out=move)
            torch.logaddexp(stay, move, out=here)
            if over is not None:
                torch.logaddexp(here, torch.add(after[hop:], over, out=move), out=here)
        if t in ends:
            here.copy_(torch.where(n - 1 == t, chain.leave, here))
        here += b[t]
    return out[:, :length]


def _seen_from(into: Tensor, back: int) -> Tensor:
    """[L, B] what coming into a place costs -> what going from the place `back` before it costs."""
    return torch.cat([into[back:], torch.full_like(into[: min(back, len(into))], NEVER)])


def _ends(alpha: Tensor, chain: Chains, n: Tensor) -> Tensor:
    """Log-likelihood [B] without the peaks."""
    rows = torch.arange(len(n), device=n.device)
    return (alpha[n - 1, :, rows].T + chain.leave).logsumexp(0)
