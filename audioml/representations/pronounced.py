"""Text as words of a pronunciation lexicon: what a recogniser of phones needs to know of a language's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import RequestError, RunError
from audioml.kinds import Seq, Text, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.learning import texts
from audioml.representations.packing import pack, unpack
from audioml.representations.pronunciation import INDEX, LONGEST, PHONES, SILENCE, known, read, spelt

np = LazyModule("numpy")

Triphone = tuple[int, int, int]  # left neighbour, phone, right neighbour
_PLACES = range(-1, len(PHONES))


class Pronounced(Representation):
    """Tokens [B, L] below `size`: the words of the training texts, in alphabetical order; a word that they lack is left out.

    `dictionary`: a file in CMUdict's form; a word that it lacks is taken from the table in the package, else pronounced by rules
    of English spelling.  Decoding joins the words by blanks.

    `contexts`: room for so many triphones within words (Schwartz et al. 1985), phones with their neighbours, which are then
    units of their own beside the phones: the most frequent of the training texts.  Another is said by the triphone of the same
    phone that shares a neighbour with it, else by any of that phone, else by the phone itself.
    """

    carries = (Text,)
    fits = True
    pronounces = True
    phones = PHONES
    silence = INDEX[SILENCE]

    def __init__(self, *, size: int, dictionary: str | None, contexts: int) -> None:
        if size < 1:
            raise RequestError(f"representation.size={size} should be at least 1")
        if contexts < 0:
            raise RequestError(f"representation.contexts={contexts} should be zero or more")
        self.size, self.dictionary, self.contexts = size, dictionary, contexts
        self.triphones: list[Triphone] = []
        self.words: list[str] | None = None
        self.lexicon: dict[str, tuple[int, ...]] = {}
        self._table: dict[str, tuple[str, ...]] | None = None

    def space(self, world: Text) -> Tokens:
        """As many words as there is room for."""
        self._check(world)
        return Tokens(self.size)

    def fit(self, prepared: Prepared, port: str, world: Text, seed: int) -> None:
        """The words of the training texts.  RequestError where there are more than there is room for."""
        found = sorted({word for text in texts(prepared, port, seed) for word in text.split()})
        if not found:
            raise RequestError(f"representation '{self.name}' finds no word in the training texts")
        if len(found) > self.size:
            raise RequestError(
                f"the training texts have {len(found)} words, more than representation.size={self.size} of '{self.name}'"
            )
        self.words, self.lexicon = found, {}
        said = Counter(word for text in texts(prepared, port, seed) for word in text.split())
        heard: Counter[Triphone] = Counter()
        for word in found:
            for one in around(self.pronounce(word)):
                heard[one] += said[word]
        self.triphones = [one for one, _ in sorted(heard.items(), key=lambda item: (-item[1], item[0]))[: self.contexts]]

    def state(self) -> dict[str, Any]:
        """The words and how they are pronounced, so that a changed dictionary changes no finished run; the triphones."""
        lexicon = {word: list(self.lexicon[word]) for word in self.words or ()}
        return {"lexicon": lexicon, "triphones": [list(one) for one in self.triphones]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for anything but words with phones."""
        table = state["lexicon"]
        if not isinstance(table, dict) or len(table) > self.size:
            raise ValueError(f"the lexicon of '{self.name}' is no table of at most {self.size} words")
        for word, phones in table.items():
            fine = isinstance(word, str) and isinstance(phones, list) and 1 <= len(phones) <= LONGEST
            if not fine or not all(isinstance(p, int) and 0 <= p < len(PHONES) for p in phones):
                raise ValueError(f"the lexicon of '{self.name}' has an entry that is no word with phones")
        triphones = state.get("triphones", [])  # runs before 2026-11-29 know none
        if not isinstance(triphones, list) or len(triphones) > self.contexts:
            raise ValueError(f"'{self.name}' has no list of at most {self.contexts} triphones")
        if not all(isinstance(one, list) and len(one) == 3 and all(p in _PLACES for p in one) for one in triphones):
            raise ValueError(f"a triphone of '{self.name}' is no three phones")
        self.words, self.lexicon = sorted(table), {word: tuple(phones) for word, phones in table.items()}
        self.triphones = [(left, phone, right) for left, phone, right in triphones]

    def encode(self, seq: Seq, world: Text) -> tuple[Seq, Any]:
        """List of B strings -> ([B, L] int64, None).  Raises RunError before `fit`."""
        index = {word: i for i, word in enumerate(self.learnt())}
        return pack([np.asarray([index[w] for w in text.split() if w in index], np.int64) for text in seq.x]), None

    def decode(self, seq: Seq, side: Any, world: Text) -> Seq:
        """[B, L] int64 -> list of B strings; symbols that stand for no word are left out."""
        words = self.learnt()
        found = [" ".join(words[s] for s in row.tolist() if 0 <= s < len(words)) for row in unpack(seq)]
        return Seq(found, seq.n.new_tensor([len(text) for text in found]))

    def learnt(self) -> list[str]:
        """The words in order.  Raises RunError before `fit`."""
        if self.words is None:
            raise RunError(f"representation '{self.name}' has not learnt its words yet")
        return self.words

    @property
    def units(self) -> int:
        """What a recogniser models: the phones, and behind them the triphones."""
        return len(PHONES) + self.contexts

    def phone(self, unit: int) -> int:
        """The phone of a unit, as a place in `phones`."""
        return unit if unit < len(PHONES) else self.triphones[unit - len(PHONES)][1]

    def say(self, word: str) -> tuple[int, ...]:
        """The units of any word."""
        phones = self.pronounce(word)
        return tuple(self._unit(one) for one in around(phones)) if self.triphones else phones

    def pronounce(self, word: str) -> tuple[int, ...]:
        """The phones of any word, as places in `phones`."""
        if word not in self.lexicon:
            if self._table is None:
                self._table = {**known(), **(read(self.dictionary) if self.dictionary else {})}
            self.lexicon[word] = tuple(INDEX[phone] for phone in self._table.get(word.lower()) or spelt(word))
        return self.lexicon[word]

    def _unit(self, wanted: Triphone) -> int:
        def shared(k: int) -> tuple[int, int]:
            return sum(a == b for a, b in zip(self.triphones[k], wanted, strict=True)), -k  # the more frequent where equal

        alike = [k for k, one in enumerate(self.triphones) if one[1] == wanted[1]]
        return len(PHONES) + max(alike, key=shared) if alike else wanted[1]


def around(phones: tuple[int, ...]) -> list[Triphone]:
    """Each phone of a word with its neighbours; beside the word, nothing is known of them (-1)."""
    padded = (-1, *phones, -1)
    return [(left, phone, right) for (left, phone), (_, right) in zip(pairwise(padded), pairwise(padded[1:]), strict=False)]
