"""What the methods share whose output is audio aligned with an input: losses between waves, rendering, streaming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError, did_you_mean
from audioml.kinds import Batch, Seq, Stems, Wave, rate_of
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System

LOSS_NAMES = ("snr", "si_sdr", "l1", "spectral")


class Aligned(Method):
    """One input stream, one audio output at the same frame rate; `shape` turns the head's emission into frames of it."""

    streams = True

    def __init__(self, *, losses: dict[str, float]) -> None:
        for name in losses:
            if name not in LOSS_NAMES:
                near = did_you_mean(name, LOSS_NAMES)
                raise RequestError(f"method.losses.{name} is not a loss{near or ';'} losses: {', '.join(LOSS_NAMES)}")
        self.losses = losses

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses symbols, several inputs, unequal rates."""
        if not isinstance(output.world, Wave | Stems):
            raise Misfit(f"method '{self.name}' emits audio frames, the output '{output.port}' is {type(output.world).__name__}")
        one = only_input(self.name, inputs)
        x, y = rate_of(one.space), rate_of(output.space)
        if x != y:
            have = "no frame rate" if x is None else f"{float(x):g} frames/s"
            raise Misfit(f"input '{one.port}' runs at {have} and output '{output.port}' at {float(y or 0):g}; they must be equal")
        return Flow(one.space, output.space, source=one.port)

    def shape(self, system: System, emission: Any, mixture: Any) -> Any:
        """Emission and the encoded input, both in the output's space -> the output's frames."""
        raise NotImplementedError

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> the output wave, differentiable."""
        emission = system.emit(inputs)
        output = system.plan.output
        mixture, side = system.reference(inputs)
        frames = Seq(self.shape(system, emission.x, mixture.x), emission.n)
        return {output.port: output.representation.decode(frames, side, output.world)}

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """The configured losses between the drawn and the true wave."""
        from audioml.losses import LOSSES

        port = system.plan.output.port
        estimate, reference = self.draw(system, batch)[port], batch[port]
        waves = (estimate.x.flatten(1, -2), reference.x.flatten(1, -2), reference.n)
        return {name: LOSSES[name](*waves) for name in self.losses}


def only_input(method: str, inputs: list[Side]) -> Side:
    """The single input, or Misfit."""
    if len(inputs) != 1:
        raise Misfit(f"method '{method}' wants one input stream, the task has {len(inputs)}")
    return inputs[0]
