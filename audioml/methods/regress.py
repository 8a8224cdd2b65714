"""The network emits the output itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError
from audioml.kinds import Batch
from audioml.methods.aligned import Aligned, check_losses, same_frames
from audioml.parts import Representation

if TYPE_CHECKING:
    from audioml.system import System


class Regress(Aligned):
    """The emission is the output's frames (direct or spectral mapping; settings of a synthesiser or of a filter).

    `losses` between waves; `blind` those where the representation keeps no phase (`phaseless`); `space` the weight of the mean
    absolute difference in the output's space, which alone is taken where rendering searches for a phase (`iterations`) and so
    has no useful gradient.
    """

    levels = True

    def __init__(self, *, losses: dict[str, float], blind: dict[str, float], space: float) -> None:
        super().__init__(losses=losses)
        check_losses(blind, "blind")
        for name in blind.keys() & losses.keys():
            if blind[name] != losses[name]:
                raise RequestError(f"method.blind.{name}={blind[name]} and method.losses.{name}={losses[name]} must be equal")
        self.sharp, self.blind = tuple(losses), tuple(blind)
        self.losses = {**losses, **blind, "space": space}

    def per_source(self, rep: Representation) -> bool:
        """A filter borrows the audio itself, of every stem."""
        return rep.borrows == "audio"

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """The emission as it is."""
        return emission

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Between waves, or in the output's space."""
        output = system.plan.output
        rep = output.representation
        if not rep.borrows and getattr(rep, "iterations", 0):
            target = system.encode(output.port, batch)[0]
            return {"space": (same_frames(system.emit(batch).x, target.x.shape[-1]) - target.x).abs().mean()}
        estimate = self.draw(system, batch)[output.port].x
        return self.between(system, estimate, batch, self.blind if getattr(rep, "phaseless", False) else self.sharp)
