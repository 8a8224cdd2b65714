"""Acoustic tokens: the codes of a codec trained here (method=vq)."""

from __future__ import annotations

from typing import Any

from audioml.errors import RequestError
from audioml.kinds import Codes, Seq, Wave
from audioml.representations.trained import Trained


class CodecTokens(Trained):
    """Codes [B, books, N] of the run `run`; `books`: only the first so many levels (null: all of them)."""

    def __init__(self, *, run: str | None, books: int | None) -> None:
        super().__init__(run=run)
        self.books = books

    def space(self, world: Wave) -> Codes:
        """Raises RequestError where the run has no code books, or fewer than asked for."""
        facts = self.facts(world)
        if facts.books is None or facts.size is None:
            raise RequestError(f"the run in {self.run} has no code books: a run of method=vq has")
        if self.books is not None and not 1 <= self.books <= facts.books:
            raise RequestError(f"representation.books={self.books}: the run in {self.run} has {facts.books} books")
        return Codes(self.books or facts.books, facts.size, facts.rate)

    def encode(self, seq: Seq, world: Wave) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, books, N] int64, (samples, lengths))."""
        codes = self._coder().encode(seq.x)[:, : self.books]
        return Seq(codes, self.steps(seq, codes.shape[-1], world)), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave) -> Seq:
        """[B, k, N] -> the wave, by the run's decoder."""
        samples, lengths = side
        return Seq(self._coder().decode(seq.x, samples), lengths)
