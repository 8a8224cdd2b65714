"""One step of expectation maximisation: what a batch of clips and their chains say of every state (Rabiner 1989).

Clips come in blocks of similar length, so that little is computed for padding; neighbours of a block with the same chain of states
share one matrix product for their densities and one for their statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from audioml.nn import gmm, hmm

Align = Literal["all", "viterbi", "evenly"]


PIECE = 4096  # frames of a group, about: their powers fit into a core's own cache


class Group(NamedTuple):
    """Some neighbours in a block whose chains are the same states: frames `columns` of the block's, all clips side by side; the
    first clip, counted over all blocks."""

    columns: slice
    clip: int


def gather(
    mixtures: gmm.Mixtures, sums: gmm.Sums, blocks: Sequence[Tensor], chains: hmm.Chains, n: Tensor, align: Align
) -> Tensor:
    """Frames in blocks [b, D, N]; chains and valid frames n [B] of all clips, block after block -> log-likelihood [B] float64,
    and all that they say added to `sums`.  `align`: "all" paths by their probabilities, the best ("viterbi"), or the path that
    stays equally long everywhere ("evenly")."""
    heard = _Heard(mixtures, blocks, chains)
    scores, shares = zip(*(gmm.shares(found) for found in heard.densities()), strict=True)
    likelihood, occupied, stays = _ALIGN[align](heard.padded(scores), chains, n)
    for share, there in zip(shares, occupied, strict=True):
        share.unflatten(2, (len(there), -1)).mul_(there.transpose(0, 1)[: len(share), None])
    heard.add(sums, shares)
    sums.stay(chains.ids, stays)
    return likelihood


def log_likelihood(mixtures: gmm.Mixtures, blocks: Sequence[Tensor], chains: hmm.Chains, n: Tensor) -> Tensor:
    """Of each clip under its chain [B] float64."""
    heard = _Heard(mixtures, blocks, chains)
    return hmm.log_likelihood(heard.padded([gmm.shares(found)[0] for found in heard.densities()]), chains, n)


class _Heard:
    """Blocks of frames, and which of their clips are neighbours with the same chain."""

    def __init__(self, mixtures: gmm.Mixtures, blocks: Sequence[Tensor], chains: hmm.Chains) -> None:
        self.blocks, self.ids = blocks, chains.ids
        places = (chains.loop > hmm.NEVER / 2).sum(1)
        new = torch.ones(len(places), dtype=torch.bool, device=places.device)
        new[1:] = (chains.ids[1:] != chains.ids[:-1]).any(1)
        self.groups = list(_alike(blocks, new.tolist()))
        self.first = torch.tensor([one.clip for own in self.groups for one in own], device=places.device)
        self.places = [max(1, int(own.max())) for own in places.split([len(x) for x in blocks])]  # of each block's longest chain
        self.rows = mixtures.rows()[self.ids[self.first]]  # [groups, L, slots, 1 + 2D]
        widest = max(one.columns.stop - one.columns.start for own in self.groups for one in own)
        self.room = blocks[0].new_empty(self.rows.shape[-1] * widest)

    def powers(self, block: Tensor, one: Group) -> Tensor:
        """`gmm.powers_of` a group's frames [1 + 2D, T].  They are made where they are used, twice, always in the same memory: a
        piece stays in the cache, those of all frames would be written to fresh pages and read back."""
        frames = block.shape[2]
        width = one.columns.stop - one.columns.start
        clips = block[one.columns.start // frames : one.columns.stop // frames]
        return gmm.powers_of(clips, self.room[: self.rows.shape[-1] * width].view(-1, width))

    def densities(self) -> Iterator[Tensor]:
        """Of each block, log of weight times density [l, slots, b·N]."""
        rows = iter(self.rows.flatten(1, 2))
        slots = self.rows.shape[2]
        for block, groups, places in zip(self.blocks, self.groups, self.places, strict=True):
            found = block.new_empty(places * slots, len(block) * block.shape[2])
            for one in groups:
                torch.mm(next(rows)[: len(found)], self.powers(block, one), out=found[:, one.columns])
            yield found.view(places, slots, -1)

    def padded(self, scores: Sequence[Tensor]) -> list[Tensor]:
        """[l, b·N] -> blocks [b, L, N]; what no chain of the block has is impossible."""
        out = []
        for x, one in zip(self.blocks, scores, strict=True):
            whole = torch.nn.functional.pad(one, (0, 0, 0, self.ids.shape[1] - len(one)), value=hmm.NEVER)
            out.append(whole.unflatten(1, (len(x), -1)).transpose(0, 1))
        return out

    def add(self, sums: gmm.Sums, shares: Sequence[Tensor]) -> None:
        """Each component's part in each frame [l, slots, b·N]."""
        found = torch.zeros_like(self.rows)
        to = iter(found.flatten(1, 2))
        for block, groups, share in zip(self.blocks, self.groups, shares, strict=True):
            parts = share.flatten(0, 1)
            for one in groups:
                torch.mm(parts[:, one.columns], self.powers(block, one).T, out=next(to)[: len(parts)])
        sums.add(self.ids[self.first], found)


def _alike(blocks: Sequence[Tensor], new: Sequence[bool]) -> Iterator[list[Group]]:
    at = 0
    for block in blocks:
        frames, starts = block.shape[2], []
        for k in range(len(block)):
            if not starts or new[at + k] or (k - starts[-1]) * frames >= PIECE:
                starts.append(k)
        ends = [*starts[1:], len(block)]
        yield [Group(slice(a * frames, b * frames), at + a) for a, b in zip(starts, ends, strict=True)]
        at += len(block)


def _along(path: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """One path [B, N] as probabilities: each place at each frame [B, L, N], stays at each place [B, L]."""
    at = torch.nn.functional.one_hot(path.clamp(min=0), scores.shape[1]).to(scores) * (path >= 0)[..., None]
    return at.transpose(1, 2), (at[:, 1:] * at[:, :-1]).sum(1)


def _best(blocks: Sequence[Tensor], chains: hmm.Chains, n: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    found = []
    for scores, own, count in _cut(blocks, chains, n):
        likelihood, path = hmm.viterbi(scores, own, count)
        found.append((likelihood, *_along(path, scores)))
    likelihood, occupied, stays = zip(*found, strict=True)
    return torch.cat(likelihood), list(occupied), torch.cat(stays)


def _flat(blocks: Sequence[Tensor], chains: hmm.Chains, n: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    found = []
    for scores, own, count in _cut(blocks, chains, n):
        at, stays = _along(hmm.evenly(own, count, scores.shape[2]), scores)
        found.append(((scores * at).double().sum((1, 2)), at, stays))
    likelihood, occupied, stays = zip(*found, strict=True)
    return torch.cat(likelihood), list(occupied), torch.cat(stays)


def _cut(blocks: Sequence[Tensor], chains: hmm.Chains, n: Tensor) -> Iterator[tuple[Tensor, hmm.Chains, Tensor]]:
    """Each block with its own chains and counts."""
    at = 0
    for block in blocks:
        rows = slice(at, at + len(block))
        yield block, chains.of(rows), n[rows]
        at += len(block)


_ALIGN = {"all": hmm.forward_backward, "viterbi": _best, "evenly": _flat}
