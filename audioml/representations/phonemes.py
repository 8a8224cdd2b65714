"""Text as phonemes: a lexicon of the training texts' words, and letters for words that it lacks; both are learnt.

How they are learnt: audioml/representations/lexicon.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Seq, Text, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.learning import batches
from audioml.representations.lexicon import Chunk, learn, parts_of
from audioml.representations.packing import pack

np = LazyModule("numpy")


class Phonemes(Representation):
    """Tokens [B, L]: indices into the symbols of the data's port `hint` (kind Phones), so that they can be compared with it.

    `symbols` is the room for them (the text alone does not say how many there are).  Nothing stands for the gap between words
    but what the hint has there.  A word that is in no training text is spelt letter by letter, each letter as it is most often
    pronounced; a letter never seen says nothing.
    """

    carries = (Text,)
    renders = False
    fits = True

    def __init__(self, *, hint: str, symbols: int, longest: int, rounds: int) -> None:
        if symbols < 1 or longest < 1 or rounds < 1:
            raise RequestError(f"symbols={symbols}, longest={longest} and rounds={rounds} should all be at least 1")
        self.hint, self.symbols, self.longest, self.rounds = hint, symbols, longest, rounds
        self.lexicon: dict[str, Chunk] | None = None
        self.letters: dict[str, Chunk] = {}

    def space(self, world: Text) -> Tokens:
        """As many symbols as there is room for."""
        self._check(world)
        return Tokens(self.symbols)

    def fit(self, prepared: Prepared, port: str, world: Text, seed: int) -> None:
        """Learn the lexicon.  Raises RequestError where the data has no phonemes, or more than there is room for."""
        pairs = set()
        for batch in batches(prepared, seed):
            if self.hint not in batch:
                raise RequestError(
                    f"representation '{self.name}' learns from port '{self.hint}' (phonemes with their times), which this data "
                    "does not hold; use representation chars or subwords for the text"
                )
            said, n = batch[self.hint]
            spoken = [tuple(np.rint(row[2, :k]).astype(int).tolist()) for row, k in zip(said, n, strict=True)]
            pairs |= {(text, chunk) for text, chunk in zip(batch[port][0], spoken, strict=True) if text and chunk}
        most = max((max(chunk) for _, chunk in pairs), default=-1)
        if most >= self.symbols:
            raise RequestError(f"port '{self.hint}' has {most + 1} symbols, more than representation.symbols={self.symbols}")
        self.lexicon, self.letters = learn(sorted(pairs), self.longest, self.rounds)

    def state(self) -> dict[str, Any]:
        """The lexicon and the letters, as lists of numbers."""
        return {
            "lexicon": {w: list(c) for w, c in (self.lexicon or {}).items()},
            "letters": {w: list(c) for w, c in self.letters.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for anything but words with symbols."""
        for table in (state["lexicon"], state["letters"]):
            for word, chunk in table.items():
                if not isinstance(word, str) or not all(isinstance(s, int) and 0 <= s < self.symbols for s in chunk):
                    raise ValueError(f"the entry {word!r} of the lexicon is no list of symbols below {self.symbols}")
        self.lexicon = {w: tuple(c) for w, c in state["lexicon"].items()}
        self.letters = {w: tuple(c) for w, c in state["letters"].items()}

    def encode(self, seq: Seq, world: Text) -> tuple[Seq, Any]:
        """List of B strings -> ([B, L] int64, None).  Raises RunError before `fit`."""
        return pack([np.asarray(self.say(text), np.int64) for text in seq.x]), None

    def decode(self, seq: Seq, side: Any, world: Text) -> Seq:
        """Raises Misfit: many spellings sound alike."""
        raise Misfit(f"representation '{self.name}' cannot spell what it hears")

    def say(self, text: str) -> list[int]:
        """The symbols of a text."""
        if self.lexicon is None:
            raise RunError(f"representation '{self.name}' has not learnt its lexicon yet")
        out: list[int] = []
        for part in parts_of(text):
            known = self.lexicon.get(part)
            out += known if known is not None else [s for letter in part for s in self.letters.get(letter, ())]
        return out
