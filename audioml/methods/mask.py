"""The network emits a mask that filters the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.methods.aligned import Aligned
from audioml.parts import Flow, Side

if TYPE_CHECKING:
    from audioml.system import System


class Mask(Aligned):
    """One mask per output signal on the encoded input (time-frequency masking)."""

    def __init__(self, *, losses: dict[str, float]) -> None:
        super().__init__(losses=losses)

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses a representation in which a product is not a filter."""
        flow = super().flow(inputs, output)
        if not output.representation.masks:
            raise Misfit(
                f"method 'mask' multiplies the input's spectrum, and in representation '{output.representation.name}' "
                "a product is not a filter"
            )
        return flow

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """Mask times input."""
        return system.plan.output.representation.mask(mixture, emission)
