"""Notes of several voices on a time grid: one symbol per voice and step, as parallel code books or one after the other."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Codes, Notes, Seq, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.packing import pack, unpack

voices = LazyModule("audioml.metrics._voices")


class MidiGrid(Representation):
    """Codes [B, voices, N] at one frame per step, or (`serial`) Tokens [B, N·voices] in raster order, voice 0 first.

    Symbols are the pitches of the world and a rest; with `hold` one more says that a note goes on.  Without it equal
    neighbours are one note, as in the JSB chorales' grid (Boulanger-Lewandowski 2012; order as in Huang et al. 2018).
    `period` tells methods that ask after how many symbols the place in the bar returns (0: nothing is told).
    Exact both ways for notes on the grid, but for velocities, which are not kept.
    """

    carries = (Notes,)

    def __init__(self, *, serial: bool, hold: bool, period: int) -> None:
        if period < 0:
            raise RequestError(f"period={period} should be 0 or more symbols of one voice or of the raster")
        self.serial, self.hold, self.period = serial, hold, period

    def space(self, world: Notes) -> Codes | Tokens:
        """Codes of one book per voice, or Tokens.  Raises Misfit for a performance, which has no grid."""
        self._check(world)
        if not voices.on_grid(world):
            raise Misfit(f"representation '{self.name}' needs notes with voices on a time grid, and the data's are a performance")
        size = voices.pitches(world) + 1 + self.hold
        rate = 1 / Fraction(world.step).limit_denominator(10**6)  # type: ignore[arg-type]
        return Tokens(size) if self.serial else Codes(world.voices or 1, size, rate)

    def encode(self, seq: Seq, world: Notes) -> tuple[Seq, Any]:
        """[B, 5, M] -> ([B, voices, N] or [B, N·voices] int64, None); padding is rests."""
        grids = [voices.to_grid(notes, world, self.hold) for notes in unpack(seq)]
        if self.serial:
            grids = [grid.T.reshape(-1) for grid in grids]
        return pack(grids, seq.x, fill=voices.pitches(world)), None

    def decode(self, seq: Seq, side: Any, world: Notes) -> Seq:
        """Symbols -> notes [B, 5, M]; what is no symbol of the grid is a rest, and half a raster row is dropped."""
        rows = []
        for grid in unpack(seq):
            if self.serial:
                whole = len(grid) // world.voices * world.voices
                grid = grid[:whole].reshape(-1, world.voices).T
            rows.append(voices.from_grid(grid, world, self.hold))
        return pack(rows, seq.x)
