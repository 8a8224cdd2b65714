"""Text as subwords: byte-pair encoding (Sennrich et al. 2016) over the data's alphabet, learnt from the training texts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Seq, Text, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.learning import texts
from audioml.representations.packing import pack, unpack

np = LazyModule("numpy")

Pair = tuple[int, int]


class Subwords(Representation):
    """Tokens [B, L] below `size`: the alphabet's characters first, then the merges in the order in which they were learnt.

    A word carries the blank before it, and no merge reaches across words, so that decoding is joining: the text comes back
    exactly, but for characters that the alphabet lacks, which are left out.  Pairs that occur less than `least` times are
    not merged; few texts may fill fewer than `size` symbols.  With `lead` a text begins with a blank that decoding takes off
    again (SentencePiece's dummy prefix), so that a word is the same symbols wherever it stands.
    """

    carries = (Text,)
    fits = True

    def __init__(self, *, size: int, least: int, lead: bool) -> None:
        if size < 2 or least < 1:
            raise RequestError(f"size={size} should be at least 2 and least={least} at least 1")
        self.size, self.least, self.lead = size, least, lead
        self.merges: dict[Pair, int] | None = None  # pair -> the symbol that replaces it
        self._known: dict[str, list[int]] = {}

    def space(self, world: Text) -> Tokens:
        """As many symbols as asked for, of which the alphabet takes some."""
        self._check(world)
        if not world.alphabet:
            raise Misfit(f"representation '{self.name}' needs an alphabet, and the data provides none")
        if len(world.alphabet) > self.size:
            raise Misfit(
                f"representation '{self.name}' has room for {self.size} symbols, and the alphabet alone has "
                f"{len(world.alphabet)}; representation.size={2 * len(world.alphabet)} would do"
            )
        return Tokens(self.size)

    def fit(self, prepared: Prepared, port: str, world: Text, seed: int) -> None:
        """Merge the most frequent pair again and again; of equally frequent ones that of the lowest symbols."""
        index = {c: i for i, c in enumerate(world.alphabet or "")}
        counts = Counter(word for text in texts(prepared, port, seed) for word in words(self._led(text)))
        spelt = [([index[c] for c in word if c in index], number) for word, number in sorted(counts.items())]
        self.merges, self._known = learn(spelt, len(index), self.size, self.least), {}

    def state(self) -> dict[str, Any]:
        """The merges in order, as a list of pairs."""
        return {"merges": [list(pair) for pair in self.merges or ()], "first": min((self.merges or {}).values(), default=0)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError where the merges do not build on each other."""
        pairs, first = state["merges"], state["first"]
        if not isinstance(first, int) or not isinstance(pairs, list) or not 0 <= first + len(pairs) <= self.size:
            raise ValueError("the merges of 'subwords' are not a list that fits its size")
        for k, pair in enumerate(pairs):
            if len(pair) != 2 or not all(isinstance(s, int) and 0 <= s < first + k for s in pair):
                raise ValueError(f"merge {k} of 'subwords' is {pair}, not two symbols known by then")
        self.merges, self._known = {(a, b): first + k for k, (a, b) in enumerate(pairs)}, {}

    def encode(self, seq: Seq, world: Text) -> tuple[Seq, Any]:
        """List of B strings -> ([B, L] int64, None).  Raises RunError before `fit`."""
        index = {c: i for i, c in enumerate(world.alphabet or "")}
        return pack([np.asarray([s for w in words(self._led(t)) for s in self._word(w, index)], np.int64) for t in seq.x]), None

    def decode(self, seq: Seq, side: Any, world: Text) -> Seq:
        """[B, L] int64 -> list of B strings; symbols that stand for nothing are left out."""
        pieces = self.pieces(world.alphabet or "")
        found = ["".join(pieces[s] for s in row.tolist() if 0 <= s < len(pieces)) for row in unpack(seq)]
        found = [text.removeprefix(" ") if self.lead else text for text in found]
        return Seq(found, seq.n.new_tensor([len(text) for text in found]))

    def pieces(self, alphabet: str) -> list[str]:
        """The string that every symbol stands for."""
        out = list(alphabet)
        for a, b in self.merges or ():
            out.append(out[a] + out[b])
        return out

    def _led(self, text: str) -> str:
        return " " + text if self.lead and text else text

    def _word(self, word: str, index: Mapping[str, int]) -> list[int]:
        if self.merges is None:
            raise RunError(f"representation '{self.name}' has not learnt its merges yet")
        if word not in self._known:
            self._known[word] = apply([index[c] for c in word if c in index], self.merges)
        return self._known[word]


def words(text: str) -> list[str]:
    """Words, each with the blank before it; joined they are the text."""
    return re.findall(r" ?[^ ]+| +", text)


def apply(symbols: list[int], merges: Mapping[Pair, int]) -> list[int]:
    """Merge, earliest learnt first, all places of a pair at once from the left."""
    while len(symbols) > 1:
        pair = min(pairwise(symbols), key=lambda p: merges.get(p, 1 << 60))
        if pair not in merges:
            break
        symbols = merge(symbols, pair, merges[pair])
    return symbols


def merge(symbols: list[int], pair: Pair, new: int) -> list[int]:
    """Every place of `pair`, from the left, becomes `new`."""
    out: list[int] = []
    for s in symbols:
        if out and (out[-1], s) == pair:
            out[-1] = new
        else:
            out.append(s)
    return out


def learn(spelt: list[tuple[list[int], int]], first: int, size: int, least: int) -> dict[Pair, int]:
    """(word as symbols, how often) -> merges.  Pair counts are kept up to date word by word."""
    spelt = [(list(word), number) for word, number in spelt]
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, (word, number) in enumerate(spelt):
        for pair in pairwise(word):
            counts[pair] += number
            where[pair].add(i)
    merges: dict[Pair, int] = {}
    while first + len(merges) < size and counts:
        pair = min(counts, key=lambda p: (-counts[p], p))
        if counts[pair] < least:
            break
        new = first + len(merges)
        merges[pair] = new
        for i in sorted(where[pair]):
            word, number = spelt[i]
            for p in pairwise(word):
                counts[p] -= number
            after = merge(word, pair, new)
            for p in pairwise(after):
                counts[p] += number
                where[p].add(i)
            spelt[i] = (after, number)
        counts = +counts
    return merges
