"""The network emits the output itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.methods.aligned import Aligned
from audioml.parts import Representation

if TYPE_CHECKING:
    from audioml.system import System


class Regress(Aligned):
    """The emission is the output's frames (direct or spectral mapping; settings of a synthesiser or of a filter)."""

    levels = True

    def __init__(self, *, losses: dict[str, float], blind: dict[str, float], space: float) -> None:
        super().__init__(losses=losses, blind=blind, space=space)

    def per_source(self, rep: Representation) -> bool:
        """A filter borrows the audio itself, of every stem."""
        return rep.borrows == "audio"

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """The emission as it is."""
        return emission
