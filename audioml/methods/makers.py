"""What the methods share that make audio, whether an input lies beside the output or there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Frames, Grid, Seq, Stems, Wave, rate_of
from audioml.lazy import LazyModule
from audioml.parts import Side

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")


def check_output(method: str, output: Side) -> None:
    """Raises Misfit unless the output is audio in frames of real numbers with a clock."""
    if not isinstance(output.world, Wave | Stems):
        raise Misfit(f"method '{method}' makes audio, the output '{output.port}' is {type(output.world).__name__}")
    space = output.space
    if not isinstance(space, Frames | Grid) or getattr(space, "binary", False) or space.rate is None:
        raise Misfit(
            f"method '{method}' makes frames of real numbers, and representation '{output.representation.name}' of "
            f"'{output.port}' gives {type(space).__name__}"
        )


def beside(method: str, inputs: list[Side], output: Side) -> Side | None:
    """The input that the output is aligned with, frame by frame: the first of its family.  Misfit where their rates differ."""
    same = [s for s in inputs if s.world.family == output.world.family]
    if not same:
        return None
    x, y = rate_of(same[0].space), rate_of(output.space)
    if x != y:
        have = "no frame rate" if x is None else f"{float(x):g} frames/s"
        raise Misfit(f"input '{same[0].port}' runs at {have} and output '{output.port}' at {float(y or 0):g}; they must be equal")
    return same[0]


def dims(space: Any) -> tuple[int, ...]:
    """[D] of Frames, [C, F] of a Grid."""
    return (space.channels, space.bins) if isinstance(space, Grid) else (space.dim,)


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
    output, reference = system.plan.output, system.plan.reference
    rep, world = output.representation, output.world
    if reference is not None:
        wave, given = inputs[reference.port], reference.world
        if isinstance(given, Stems) and not isinstance(world, Stems):
            wave, given = Seq(wave.x.sum(1), wave.n), Wave(given.channels, given.rate)
        seq, side = rep.encode(wave, given)
        return Ground(seq.x.shape[-1], seq.n, side if rep.borrows else (wave.x.shape[-1], wave.n), seq)
    if ask is None:
        raise RequestError(f"method '{system.plan.method.name}' makes '{output.port}' without an input of its length: say how long")
    samples = int(ask.n.max())
    signals = (len(world.names or ()), world.channels) if isinstance(world, Stems) else (world.channels,)  # type: ignore[union-attr]
    n = ask.n.to(next(system.parameters()).device)
    seq, _ = rep.encode(Seq(torch.zeros(len(n), *signals, samples, device=n.device), n), world)
    return Ground(seq.x.shape[-1], seq.n, (samples, n), None)
