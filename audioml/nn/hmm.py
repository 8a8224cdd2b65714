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
    """Log densities [B, N, L] at each place, valid frames n [B] -> log-likelihood [B] float64, the probability of each place at
    each frame [B, N, L], and the expected stays at each place [B, L].  A clip too short for its chain has none of these (its
    log-likelihood is below NEVER / 2).

    Backward is forward over frames and places in reverse, so that both directions are one loop over twice the batch.
    """
    b, peak, valid, back = _prepared(scores, n)
    mirrored = b.gather(0, back).flip(-1)
    alpha = _forward(torch.cat([b, mirrored], 1), _both_ways(chains))
    alpha, beta = alpha.chunk(2, 1)
    beta = beta.flip(-1).gather(0, back)
    likelihood = _ends(alpha, chains, n)
    possible = likelihood > NEVER / 2
    whole = torch.where(possible, likelihood, 0.0)[:, None]
    later = beta - whole
    counted = valid & possible[:, None]
    occupied = (alpha + later - b).exp_().masked_fill_(~counted, 0.0)
    stays = (alpha[:-1] + chains.loop + later[1:]).exp_().masked_fill_(~counted[1:], 0.0)
    total = likelihood.double() + torch.where(possible, (peak * valid).double().sum((0, 2)), 0.0)
    return total, occupied.transpose(0, 1), stays.sum(0)


def log_likelihood(scores: Tensor, chains: Chains, n: Tensor) -> Tensor:
    """The forward pass alone: [B] float64."""
    b, peak, valid, _ = _prepared(scores, n)
    found = _ends(_forward(b, chains), chains, n)
    return found.double() + torch.where(found > NEVER / 2, (peak * valid).double().sum((0, 2)), 0.0)


def viterbi(scores: Tensor, chains: Chains, n: Tensor) -> tuple[Tensor, Tensor]:
    """As above -> log-probability of the best path [B] float64, and its place at each frame [B, N] (-1 past the end, and where
    there is no path)."""
    b, peak, valid, _ = _prepared(scores, n)
    frames, items, length = b.shape
    steps = torch.tensor([0, 1, chains.hop], device=b.device)
    before = b.new_full((items, length + chains.hop), NEVER)
    before[:, chains.hop :] = chains.enter + b[0]
    came, ends = [torch.zeros(items, length, dtype=torch.uint8, device=b.device)], [before[:, chains.hop :].clone()]
    for t in range(1, frames):
        stay = before[:, chains.hop :] + chains.loop
        move = before[:, chains.hop - 1 : -1] + chains.move
        best, step = torch.maximum(stay, move), (move > stay).to(torch.uint8)
        if chains.jump is not None:
            jump = before[:, :length] + chains.jump
            step[jump > best] = 2
            best = torch.maximum(best, jump)
        before[:, chains.hop :] = best + b[t]
        came.append(step)
        ends.append(before[:, chains.hop :].clone())
    last = torch.stack(ends).gather(0, (n - 1).expand(1, length, -1).transpose(1, 2))[0] + chains.leave
    score, place = last.max(-1)
    possible = score > NEVER / 2
    path = torch.full((items, frames), -1, device=b.device)
    for t in range(frames - 1, -1, -1):
        here = (t < n) & possible
        path[:, t] = torch.where(here, place, -1)
        place = torch.where(here, place - steps[came[t].gather(1, place[:, None])[:, 0].long()], place)
    return score.double() + torch.where(possible, (peak * valid).double().sum((0, 2)), 0.0), path


def evenly(chains: Chains, n: Tensor, frames: int) -> Tensor:
    """The path [B, N] that stays equally long at every place: where to begin when nothing is known (flat start)."""
    length = (chains.loop > NEVER / 2).sum(1, keepdim=True)
    t = torch.arange(frames, device=n.device)
    return torch.where(t < n[:, None], t * length // n[:, None].clamp(min=1), -1)


# ---- the recursion ---------------------------------------------------------------------------------------------------
def _prepared(scores: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Time first: scores less their peak [N, B, L], the peaks [N, B, 1], valid frames [N, B, 1], and for each frame the one as
    far from its clip's end, as an index [N, B, L]."""
    b = scores.transpose(0, 1)
    peak = b.amax(-1, keepdim=True)
    t = torch.arange(len(b), device=b.device)[:, None]
    back = (n - 1 - t).clamp(min=0)[..., None].expand(-1, -1, b.shape[-1])
    return (b - peak).contiguous(), peak, (t < n)[..., None], back


def _both_ways(chains: Chains) -> Chains:
    """The chains, and behind them the same backwards."""

    def behind(x: Tensor, shift: int) -> Tensor:
        """Below `x` the same from the other side: into which place a place goes."""
        pad = torch.full_like(x[:, :shift], NEVER)
        return torch.cat([x, torch.cat([pad, x.flip(-1)[:, : x.shape[1] - shift]], 1)])

    jump = None if chains.jump is None else behind(chains.jump, chains.hop)
    enter = torch.cat([chains.enter, chains.leave.flip(-1)])
    return Chains(chains.ids, behind(chains.loop, 0), behind(chains.move, 1), jump, enter, enter, chains.hop)


def _forward(b: Tensor, chains: Chains) -> Tensor:
    """[N, B, L] -> log-probability of all paths that are at a place at a frame [N, B, L]."""
    frames, items, length = b.shape
    hop = chains.hop
    out = b.new_full((frames, items, hop + length), NEVER)
    torch.add(chains.enter, b[0], out=out[0, :, hop:])
    for t in range(1, frames):
        before, here = out[t - 1], out[t, :, hop:]
        torch.logaddexp(before[:, hop:] + chains.loop, before[:, hop - 1 : -1] + chains.move, out=here)
        if chains.jump is not None:
            torch.logaddexp(here, before[:, :length] + chains.jump, out=here)
        here += b[t]
    return out[..., hop:]


def _ends(alpha: Tensor, chains: Chains, n: Tensor) -> Tensor:
    """Log-likelihood [B] without the peaks."""
    last = alpha.gather(0, (n - 1)[None, :, None].expand(1, -1, alpha.shape[-1]))[0]
    return (last + chains.leave).logsumexp(-1)
