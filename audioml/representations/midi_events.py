"""Notes as a performance: note on, note off, time shift, velocity (Oore et al. 2018, section 3.3; MIDI-like of miditok)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from audioml.errors import RequestError
from audioml.kinds import Notes, Seq, Tokens
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.packing import pack, unpack

np = LazyModule("numpy")
voices = LazyModule("audioml.metrics._voices")


class MidiEvents(Representation):
    """Tokens [B, L]: P note-ons, P note-offs, `shifts` time shifts of 1 … `shifts` steps, `velocities` levels of loudness.

    A step is `step` seconds, or the grid of the world where it has one.  Times are rounded to it and a note lasts at least
    one; a velocity stands before the first note-on that differs from the one before.  Voices are not kept; two notes of one
    pitch that overlap are closed in the order in which they began.
    """

    carries = (Notes,)

    def __init__(self, *, step: float, shifts: int, velocities: int) -> None:
        if step <= 0 or shifts < 1 or not 1 <= velocities <= 127:
            raise RequestError(
                f"step={step:g} should be positive, shifts={shifts} at least 1 and velocities={velocities} between 1 and 127"
            )
        self.step, self.shifts, self.velocities = step, shifts, velocities

    def space(self, world: Notes) -> Tokens:
        """One vocabulary for the four kinds of event."""
        self._check(world)
        return Tokens(2 * voices.pitches(world) + self.shifts + self.velocities)

    def encode(self, seq: Seq, world: Notes) -> tuple[Seq, Any]:
        """[B, 5, M] -> ([B, L] int64, None)."""
        return pack([self._events(notes, world) for notes in unpack(seq)], seq.x), None

    def decode(self, seq: Seq, side: Any, world: Notes) -> Seq:
        """[B, L] -> notes [B, 5, M]; a note that is never closed lasts to the end, an off without an on is ignored."""
        return pack([self._notes(tokens, world) for tokens in unpack(seq)], seq.x)

    def _events(self, notes: Any, world: Notes) -> Any:
        count, step = voices.pitches(world), world.step or self.step
        fine = (np.rint(notes[2]) >= world.low) & (np.rint(notes[2]) <= world.high)
        start, stop = (np.rint(notes[i][fine] / step).astype(np.int64) for i in (0, 1))
        pitch = np.rint(notes[2][fine]).astype(np.int64) - world.low
        level = np.clip(np.ceil(notes[3][fine] * self.velocities), 1, self.velocities).astype(np.int64) - 1
        order = np.lexsort((pitch, start))
        start, stop, pitch, level = (v[order] for v in (start, stop, pitch, level))
        stop = np.maximum(stop, start + 1)
        new = np.flatnonzero(np.diff(level, prepend=-1))
        place = np.arange(len(start))
        # one row per event: step, 0 = off / 1 = on and its velocity, order within, token
        offs = np.stack([stop, 0 * stop, pitch, count + pitch])
        ons = np.stack([start, 0 * start + 1, 2 * place + 1, pitch])
        louder = np.stack([start[new], 0 * new + 1, 2 * new, 2 * count + self.shifts + level[new]])
        events = np.concatenate([offs, ons, louder], 1)
        events = events[:, np.lexsort((events[2], events[1], events[0]))]
        return self._with_shifts(events[0], events[3], 2 * count)

    def _with_shifts(self, steps: Any, tokens: Any, base: int) -> Any:
        """Tokens in order of `steps`, with the time shifts that lie between them."""
        gap = np.diff(steps, prepend=0)
        whole, rest = gap // self.shifts, gap % self.shifts
        number = whole + (rest > 0) + 1  # the longest shifts, the remainder, then the event itself
        out = np.full(int(number.sum()), base + self.shifts - 1, np.int64)
        last = np.cumsum(number) - 1
        out[last] = tokens
        some = rest > 0
        out[last[some] - 1] = base + rest[some] - 1
        return out

    def _notes(self, tokens: Any, world: Notes) -> Any:
        count, step = voices.pitches(world), world.step or self.step
        shift = tokens - 2 * count + 1
        now = np.cumsum(np.where((shift >= 1) & (shift <= self.shifts), shift, 0))
        level, sounding, notes = round(voices.VELOCITY * self.velocities), defaultdict(list), []
        for token, at in zip(tokens.tolist(), now.tolist(), strict=True):
            if token < count:
                sounding[token].append(len(notes))
                notes.append([at, -1, token + world.low, level / self.velocities, 0])
            elif token < 2 * count and sounding[token - count]:
                notes[sounding[token - count].pop(0)][1] = at
            elif 2 * count + self.shifts <= token < 2 * count + self.shifts + self.velocities:
                level = token - 2 * count - self.shifts + 1
        end = int(now[-1]) if len(now) else 0
        rows = np.asarray(notes, np.float32).reshape(-1, 5).T.copy()
        rows[1] = np.where(rows[1] < 0, end, rows[1])
        rows[1] = np.maximum(rows[1], rows[0] + 1)
        rows[:2] *= step
        return rows
