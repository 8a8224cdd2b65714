"""The network emits a mask that filters the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.methods.aligned import Aligned, sources_of
from audioml.parts import Flow, Representation, Side

if TYPE_CHECKING:
    from audioml.system import System


class Mask(Aligned):
    """One mask per output signal on the encoded input (time-frequency masking); on an input of stems one for each, and the sum."""

    mixes = True

    def __init__(self, *, losses: dict[str, float], blind: dict[str, float], space: float) -> None:
        super().__init__(losses=losses, blind=blind, space=space)

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses a representation in which a product is not a filter."""
        flow = super().flow(inputs, output)
        rep = output.representation
        if not rep.masks:
            raise Misfit(
                f"method 'mask' multiplies the input's spectrum, and in representation '{rep.name}' a product is not a filter"
            )
        stems = next(s for s in inputs if s.port == flow.source)
        if sources_of(stems.world) > 1 and not rep.mixes:
            raise Misfit(f"method 'mask' adds up the stems of '{stems.port}', and representation '{rep.name}' masks one input only")
        return flow

    def per_source(self, rep: Representation) -> bool:
        """Every stem has its masks."""
        return True

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """Mask times input."""
        plan = system.plan
        assert plan.reference is not None
        rep, sources = plan.output.representation, sources_of(plan.reference.world)
        return rep.mask(mixture, emission, sources) if sources > 1 else rep.mask(mixture, emission)
