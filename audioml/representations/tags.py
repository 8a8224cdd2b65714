"""Tags: any number of classes at once."""

from __future__ import annotations

from typing import Any

from audioml.errors import Misfit
from audioml.kinds import Seq, Tags, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation

torch = LazyModule("torch")


class TagSet(Representation):
    """Tokens [B, classes] of zeros and ones; decoded, each is a probability (a tag is there from one half on)."""

    carries = (Tags,)

    def space(self, world: Tags) -> Tokens:
        """One place per class."""
        self._check(world)
        if not world.classes:
            raise Misfit(f"representation '{self.name}' needs the names of the tags, and the data provides none")
        return Tokens(len(world.classes), length=1, many=True)

    def encode(self, seq: Seq, world: Tags) -> tuple[Seq, Any]:
        """As it is."""
        return seq, None

    def decode(self, seq: Seq, side: Any, world: Tags) -> Seq:
        """As it is; every place is valid."""
        return Seq(seq.x, torch.full((len(seq.x),), seq.x.shape[-1], device=seq.x.device))
