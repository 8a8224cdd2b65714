"""A class label as one token."""

from __future__ import annotations

from typing import Any

from audioml.errors import Misfit
from audioml.kinds import Label, Seq, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation

torch = LazyModule("torch")


class LabelIndex(Representation):
    """Tokens [B, 1]: the index of the class."""

    carries = (Label,)

    def space(self, world: Label) -> Tokens:
        """One token out of the classes."""
        self._check(world)
        if not world.classes:
            raise Misfit("representation 'label' needs the class names, and the data provides none")
        return Tokens(len(world.classes), length=1)

    def encode(self, seq: Seq, world: Label) -> tuple[Seq, Any]:
        """[B] int64 -> ([B, 1] int64, None)."""
        return Seq(seq.x[:, None], torch.ones_like(seq.x)), None

    def decode(self, seq: Seq, side: Any, world: Label) -> Seq:
        """[B, 1] int64 -> [B] int64."""
        return Seq(seq.x[:, 0], seq.n)
