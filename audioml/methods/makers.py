"""What the methods share that make audio, whether an input lies beside the output or there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError
from audioml.kinds import Batch, Seq
from audioml.methods.fits import same_rate
from audioml.parts import Side

if TYPE_CHECKING:
    from audioml.system import System


def beside(inputs: list[Side], output: Side) -> Side | None:
    """The input that the output is aligned with, frame by frame: the first of its family.  Misfit where their rates differ."""
    same = next((s for s in inputs if s.world.family == output.world.family), None)
    if same is not None:
        same_rate(same, output)
    return same


@dataclass(frozen=True)
class Ground:
    """What is known of the output before it is made: `frames`, valid frames `n` [B], the `side` that decoding wants, and the
    aligned input in the output's space, `seq`, where there is one (its stems summed, where the output is one signal)."""

    frames: int
    n: Any
    side: Any
    seq: Seq | None


def ground(system: System, inputs: Batch, ask: Seq | None) -> Ground:
    """As the aligned input says, else as `ask` says (samples [B]).  Raises RequestError where neither does."""
    output = system.plan.output
    if system.plan.reference is not None:
        wave, world = system.beside(inputs)
        seq, side = output.representation.encode(wave, world)
        return Ground(seq.x.shape[-1], seq.n, side if output.representation.borrows else (wave.x.shape[-1], wave.n), seq)
    if ask is None:
        raise RequestError(f"method '{system.plan.method.name}' makes '{output.port}' without an input of its length: say how long")
    return Ground(*system.blank(ask.n), None)
