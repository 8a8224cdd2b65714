"""Piano rolls: the beginning of a score as bars over time and pitch, all versions of one test item on one scale."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEADER = ["onset", "offset", "pitch", "velocity", "voice"]  # of symbols.csv_of
LONGEST, MOST = 20.0, 800  # seconds and notes that are drawn and played
COLOURS = 4
LARGEST = 2**20  # bytes


@dataclass(frozen=True)
class Note:
    """Seconds, MIDI pitch, 0 to 1, number of the voice."""

    onset: float
    offset: float
    pitch: float
    velocity: float
    voice: int


@dataclass(frozen=True)
class Bar:
    """A note in % of the picture, and as it is played."""

    x: float
    y: float
    width: float
    height: float
    note: Note

    @property
    def colour(self) -> str:
        """A class of the page's colours."""
        return f"v{self.note.voice % COLOURS}"


@dataclass(frozen=True)
class Roll:
    """The bars of one score, and what is drawn, in words."""

    bars: tuple[Bar, ...]
    said: str


def read_notes(path: Path | None) -> list[Note]:
    """The notes of a run's csv file that begin within 20 s; none where it is not such a file."""
    try:
        if path is None or path.stat().st_size > LARGEST:
            return []
        header, *rows = csv.reader(io.StringIO(path.read_text("utf-8")))
        if header != HEADER:
            return []
        notes = [Note(*map(float, row[:4]), int(float(row[4]))) for row in rows[: 8 * MOST]]
    except (OSError, ValueError, TypeError, IndexError, OverflowError, csv.Error):
        return []
    return [note for note in notes if _sound(note)][:MOST]


def _sound(note: Note) -> bool:
    known = all(map(math.isfinite, (note.onset, note.offset, note.pitch, note.velocity)))
    return known and 0 <= note.onset < LONGEST and note.onset < note.offset and 0 <= note.pitch <= 127 and 0 <= note.velocity <= 1


def rolls(scores: Sequence[Sequence[Note]]) -> list[Roll | None]:
    """One roll per score, None for one without notes."""
    every = [note for score in scores for note in score]
    if not every:
        return [None] * len(scores)
    length = min(LONGEST, max(note.offset for note in every))
    low, high = min(note.pitch for note in every) - 1, max(note.pitch for note in every) + 2
    tall = 100 / (high - low)
    return [_roll(score, length, high, tall) if score else None for score in scores]


def _roll(score: Sequence[Note], length: float, high: float, tall: float) -> Roll:
    bars = []
    for note in score:
        start, stop = note.onset, min(note.offset, length)
        x, width = 100 * start / length, 100 * (stop - start) / length
        bars.append(Bar(round(x, 2), round((high - 1 - note.pitch) * tall, 2), round(width, 2), round(tall, 2), note))
    return Roll(tuple(bars), f"Piano roll of the first {length:.0f} s: {len(score)} notes")
