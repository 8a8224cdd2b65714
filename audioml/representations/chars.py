"""Text as characters."""

from __future__ import annotations

from typing import Any

from audioml.errors import Misfit
from audioml.kinds import Seq, Text, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation

torch = LazyModule("torch")


class Chars(Representation):
    """Tokens [B, L]: the index of each character in the data's alphabet; what the alphabet lacks is left out."""

    carries = (Text,)

    def space(self, world: Text) -> Tokens:
        """One token per character of the alphabet."""
        self._check(world)
        if not world.alphabet:
            raise Misfit("representation 'chars' needs an alphabet, and the data provides none")
        return Tokens(len(world.alphabet))

    def encode(self, seq: Seq, world: Text) -> tuple[Seq, Any]:
        """List of B strings -> ([B, L] int64, None)."""
        index = {c: i for i, c in enumerate(world.alphabet or "")}
        rows = [torch.tensor([index[c] for c in text if c in index], dtype=torch.long) for text in seq.x]
        n = torch.tensor([len(r) for r in rows])
        return Seq(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), n), None

    def decode(self, seq: Seq, side: Any, world: Text) -> Seq:
        """[B, L] int64 -> list of B strings."""
        alphabet = world.alphabet or ""
        texts = ["".join(alphabet[i] for i in row[:n]) for row, n in zip(seq.x.tolist(), seq.n.tolist(), strict=True)]
        return Seq(texts, torch.tensor([len(t) for t in texts]))
