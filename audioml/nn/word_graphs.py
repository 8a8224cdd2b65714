"""What may be said as places of states: the chain of a known text, and the loop in which any word may follow any other.

A silence, where there is one, is a phone like the others that may be left out; going into it or past it are equally likely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audioml.nn.hmm import NEVER, Chains
from audioml.nn.token_passing import Loop

HALF = math.log(0.5)
Word = Sequence[int]


@dataclass(frozen=True)
class Layout:
    """One text's places: states, and what going on into a place, past a silence into it, beginning and ending there cost, beside
    the probability of leaving the state that one comes from."""

    ids: np.ndarray
    share: np.ndarray
    jump: np.ndarray
    enter: np.ndarray
    leave: np.ndarray


def layout(words: Sequence[Word], states: int, silence: int | None) -> Layout:
    """The places of a text of `words` (phones each), with a silence around and between them where there is one."""
    pauses = [] if silence is None else [silence]
    parts, firsts, pausing, at = [], [], [], 0
    for word in words:
        for phones, places in ((pauses, pausing), (word, firsts)):
            if len(phones):
                places.append(at)
                parts += [phone * states + s for phone in phones for s in range(states)]
                at += len(phones) * states
    if pauses:
        pausing.append(at)
        parts += [pauses[0] * states + s for s in range(states)]
    ids = np.asarray(parts or [0], np.int64)
    share, jump, enter, leave = (np.full(len(ids), value, np.float32) for value in (0.0, NEVER, NEVER, NEVER))
    share[pausing] = HALF
    if parts:
        enter[0] = leave[-1] = 0.0
    if pauses and firsts:
        jump[firsts[1:]] = HALF
        enter[[0, firsts[0]]] = HALF
        leave[pausing[-1] - 1] = HALF
    return Layout(ids, share, jump, enter, leave)


def chains(layouts: Sequence[Layout], stay: Tensor, states: int, silence: int | None) -> Chains:
    """Layouts of B texts, log-probabilities of staying in each state [S] -> their chains, padded to the longest."""
    length = max(len(one.ids) for one in layouts)

    def padded(field: str, fill: float) -> Tensor:
        out = np.full((len(layouts), length), fill, getattr(layouts[0], field).dtype)
        for row, one in zip(out, layouts, strict=True):
            row[: len(one.ids)] = getattr(one, field)
        made = torch.from_numpy(out).to(stay.device)
        return made.to(stay.dtype) if made.is_floating_point() else made

    ids, hop = padded("ids", 0), 1 if silence is None else states + 1
    there = torch.arange(length, device=stay.device) < torch.tensor([[len(one.ids)] for one in layouts], device=stay.device)
    go = left(stay)[ids]

    def came(share: Tensor, back: int) -> Tensor:
        out = torch.full_like(share, NEVER)
        out[:, back:] = go[:, : max(0, length - back)] + share[:, back:]
        return out

    loop = torch.where(there, stay[ids], NEVER)
    jump = None if silence is None else came(padded("jump", NEVER), hop)
    return Chains(ids, loop, came(padded("share", NEVER), 1), jump, padded("enter", NEVER), padded("leave", NEVER) + go, hop)


def left(stay: Tensor) -> Tensor:
    """Log-probability of leaving from that of staying."""
    return torch.log1p(-stay.exp())


def word_loop(words: Sequence[Word], stay: Tensor, states: int, silence: int | None, price: Tensor) -> Loop:
    """Every word's chain with a silence behind it, and the silence before the first one; `price` [W + 1, W + 1] as in Loop."""
    pause = [] if silence is None else [silence * states + s for s in range(states)]
    rows = [[phone * states + s for phone in word for s in range(states)] for word in words]
    length = max([len(row) for row in rows], default=0) + max(1, len(pause))
    ids = torch.zeros(len(rows) + 1, length, dtype=torch.long)
    exits = torch.zeros(len(rows) + 1, 2, dtype=torch.long)
    share = torch.full((len(rows) + 1, length), NEVER)
    ending = torch.full((len(rows) + 1, 2), NEVER)
    begin = torch.full((len(rows) + 1,), NEVER)
    half = HALF if pause else 0.0
    for k, row in enumerate([*rows, []]):
        whole = [*row, *pause]
        ids[k, : len(whole)] = torch.tensor(whole, dtype=torch.long)
        share[k, : len(whole)] = 0.0
        exits[k] = torch.tensor([max(0, len(row) - 1), max(0, len(whole) - 1)])
        if row:
            begin[k], ending[k, 0] = half, half
        if pause:
            begin[k], ending[k, 1] = half, 0.0
            share[k, len(row)] = half
    ids, exits, share, ending, begin = (x.to(stay.device) for x in (ids, exits, share, ending, begin))
    go = left(stay)[ids]
    move = torch.full_like(go, NEVER)
    move[:, 1:] = go[:, :-1] + share[:, 1:].to(go)
    loop = torch.where(share > NEVER / 2, stay[ids], NEVER)
    return Loop(ids, loop, move, ending.to(go) + go.gather(1, exits), exits, begin.to(go), price.to(go))
