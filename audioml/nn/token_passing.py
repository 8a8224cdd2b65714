"""Token passing (Young, Russell & Thornton 1989): the best sequence of words, and where each phone of it lies.

Every word is a left-right chain of states followed by a silence that may be left out; a token that leaves a word goes on into
every word, at the price that the language model names.  All clips and words move at once; the only loop is over frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from audioml.nn.hmm import NEVER


@dataclass(frozen=True)
class Loop:
    """The words that may follow each other; the last of the W rows is what comes before the first word, a silence alone.

    `ids` [W, L] state at each place; logarithms: `loop` [W, L] of staying, `move` [W, L] of coming from the place before, `leave`
    [W, 2] of ending a word at its `exits` [W, 2] (before the silence, after it), `begin` [W] of beginning in a word's first place.
    `price` [W, W]: what going from a word into another costs; its last column is the price of ending there.
    """

    ids: Tensor
    loop: Tensor
    move: Tensor
    leave: Tensor
    exits: Tensor
    begin: Tensor
    price: Tensor


class Found(NamedTuple):
    """Per clip and frame: the word's row [B, N] and the place in it [B, N] (-1 past the end), and whether a word begins [B, N]."""

    word: Tensor
    place: Tensor
    begins: Tensor


def search(scores: Tensor, loop: Loop, n: Tensor, beam: float) -> Found:
    """Log densities [B, states, N] of every state, valid frames n [B] -> the best path.

    Tokens that are `beam` or more behind the best of their clip are given up (0: none is).  A clip in which no path comes to
    the end of a word has none.
    """
    items, _, frames = scores.shape
    scores = scores.permute(2, 0, 1).contiguous()
    words, length = loop.ids.shape
    last = words - 1
    rows = torch.arange(items, device=scores.device)
    flat = loop.ids.flatten()
    b = scores[0][:, flat].view(items, words, length)
    token = torch.full_like(b, NEVER)
    token[:, :last, 0] = loop.begin[:last] + loop.price[last, :last] + b[:, :last, 0]
    token[:, last, 0] = loop.begin[last] + b[:, last, 0]
    ways = torch.zeros(frames, items, words, length, dtype=torch.uint8, device=b.device)  # 0 stayed, 1 moved, 2 began
    origin = torch.zeros(frames, items, words, dtype=torch.int32, device=b.device)  # the word that a beginning one came from
    after = torch.zeros(frames, items, words, dtype=torch.uint8, device=b.device)  # which of a word's exits is better
    ending = torch.full((items,), last, device=b.device)
    score = torch.full((items,), NEVER, dtype=b.dtype, device=b.device)
    entry = b.new_full((items, last), NEVER)
    for t in range(frames):
        if t:
            b = scores[t][:, flat].view(items, words, length)
            stay = token + loop.loop
            move = torch.cat([torch.full_like(token[..., :1], NEVER), token[..., :-1]], -1) + loop.move
            best = torch.maximum(stay, move)
            ways[t] = move > stay
            begun = best[:, :last, 0] < entry
            ways[t, :, :last, 0] = torch.where(begun, 2, ways[t, :, :last, 0])
            best[:, :last, 0] = torch.maximum(best[:, :last, 0], entry)
            token = best + b
            if beam:
                token = token.masked_fill(token < token.amax((1, 2), keepdim=True) - beam, NEVER)
        out = token.gather(2, loop.exits.expand(items, -1, -1)) + loop.leave
        value, exit_ = out.max(-1)
        after[t] = exit_.to(torch.uint8)
        onward = value[:, :, None] + loop.price  # [B, from, to]
        entry, source = onward[:, :, :last].max(1)
        if t + 1 < frames:
            origin[t + 1, :, :last] = source.to(torch.int32)
        final, word = onward[:, :, last].max(1)
        now = n - 1 == t
        ending, score = torch.where(now, word, ending), torch.where(now, final, score)
    return _backwards(ways, origin, after, ending, score > NEVER / 2, loop, n, rows)


def _backwards(
    ways: Tensor, origin: Tensor, after: Tensor, word: Tensor, possible: Tensor, loop: Loop, n: Tensor, rows: Tensor
) -> Found:
    """From the best last word to the first frame, all clips at once."""
    frames = len(ways)
    out = Found(*(torch.full((len(rows), frames), -1, device=word.device) for _ in range(2)), torch.zeros(
        len(rows), frames, dtype=torch.bool, device=word.device))  # fmt: skip
    place = loop.exits[word, after[(n - 1).clamp(max=frames - 1), rows, word].long()]
    for t in range(frames - 1, -1, -1):
        here = (t < n) & possible
        out.word[:, t] = torch.where(here, word, -1)
        out.place[:, t] = torch.where(here, place, -1)
        way = ways[t, rows, word, place].long()
        began = here & (way == 2)
        out.begins[:, t] = began if t else here
        source = origin[t, rows, word].long()
        exit_ = loop.exits[source, after[max(0, t - 1), rows, source].long()]
        place = torch.where(began, exit_, torch.where(here & (way == 1), place - 1, place))
        word = torch.where(began, source, word)
    return out
