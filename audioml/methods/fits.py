"""What several methods ask of the ports, each with its one sentence where it does not fit."""

from __future__ import annotations

from audioml.errors import Misfit
from audioml.kinds import Frames, Grid, Stems, Wave, rate_of
from audioml.parts import Side


def only_input(method: str, inputs: list[Side]) -> Side:
    """The single input, or Misfit."""
    if len(inputs) != 1:
        raise Misfit(f"method '{method}' wants one input stream, the task has {len(inputs)}")
    return inputs[0]


def makes_audio(method: str, output: Side) -> None:
    """Misfit unless the output is audio in frames of real numbers with a clock."""
    if not isinstance(output.world, Wave | Stems):
        raise Misfit(f"method '{method}' makes audio, the output '{output.port}' is {type(output.world).__name__}")
    space = output.space
    if not isinstance(space, Frames | Grid) or (isinstance(space, Frames) and space.binary) or space.rate is None:
        raise Misfit(
            f"method '{method}' emits real numbers, and representation '{output.representation.name}' of the output "
            f"'{output.port}' gives {type(space).__name__}"
        )


def reads_audio(method: str, one: Side) -> None:
    """Misfit unless the input is audio in frames of numbers."""
    if not isinstance(one.world, Wave | Stems):
        raise Misfit(f"method '{method}' takes audio in, the input '{one.port}' is {type(one.world).__name__}")
    if not isinstance(one.space, Frames | Grid):
        raise Misfit(
            f"method '{method}' takes numbers in, and representation '{one.representation.name}' of the input '{one.port}' gives "
            f"{type(one.space).__name__}"
        )


def same_rate(one: Side, output: Side) -> None:
    """Misfit where input and output do not run at one frame rate."""
    x, y = rate_of(one.space), rate_of(output.space)
    if x != y:
        have = "no frame rate" if x is None else f"{float(x):g} frames/s"
        raise Misfit(f"input '{one.port}' runs at {have} and output '{output.port}' at {float(y or 0):g}; they must be equal")
