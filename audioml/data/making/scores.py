"""Scores alone: every chorale of music21's corpus in four plain voices, on the grid of sixteenths.  No audio."""

from __future__ import annotations

from pathlib import Path

from audioml.data.making import SPLITS, Scale
from audioml.data.making.chorales import Song, corpus, read_song
from audioml.data.making.writing import Shelf, Tick, draw

STEP = 0.15  # s: a sixteenth at 100 quarter notes a minute
LOW, HIGH, VOICES = 36, 81, 4
README = """# Scores (made by audioml)
Four-part chorales by J. S. Bach (public domain; from the corpus of the Python package music21), not transposed, on a grid of
sixteenths of 0.15 s. No audio.

Columns: `notes` (CSV: onset and offset in seconds, MIDI pitch, voice), `split`, `song`, `metre`. No melody (soprano's first
intervals) occurs in two splits.
"""


def usable(song: Song) -> bool:
    """On the grid, and within the range stated for the set."""
    times = (4 * t for note in song.notes for t in note[1:3])
    return all(t.denominator == 1 for t in times) and all(LOW <= note[3] <= HIGH for note in song.notes)


def every(counts: tuple[int, int, int]) -> list[tuple[str, Song]]:
    """(split, song): valid and test hold `counts` melodies, train all other songs (at most its count)."""
    paths = corpus()
    order = draw("scores", "order").permutation(len(paths))
    found: list[tuple[str, Song]] = []
    split_of: dict[tuple[int, ...], str] = {}
    left = dict(zip(SPLITS, counts, strict=True))
    for index in order:
        if not any(left.values()):
            break
        song = read_song(paths[index])
        if song is None or not usable(song):
            continue
        fresh = next((split for split in ("test", "valid", "train") if left[split]), None)
        split = split_of.setdefault(song.melody, fresh or "train")
        if left[split]:
            left[split] -= 1
            found.append((split, song))
    return found


def make(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/scores."""
    with Shelf(root / "scores", ("notes", "split", "song", "metre"), README, tick) as shelf:
        for split, song in every(scale.scores):
            rows = [(f"{float(4 * a) * STEP:.2f}", f"{float(4 * b) * STEP:.2f}", p, v) for v, a, b, p in song.notes]
            notes = shelf.table(f"notes/{song.name}.csv", ("onset", "offset", "pitch", "voice"), rows)
            shelf.row(notes=notes, split=split, song=song.name, metre=song.metre)
