"""The network emits the output itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.methods.aligned import Aligned

if TYPE_CHECKING:
    from audioml.system import System


class Regress(Aligned):
    """The emission is the output's frames (direct or spectral mapping)."""

    levels = True

    def __init__(self, *, losses: dict[str, float]) -> None:
        super().__init__(losses=losses)

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """The emission as it is."""
        return emission
