"""Melodies alone: lines by one instrument with notes and pitch, and pairs of instruments for the transfer of style.

The phrases are voices of the chorales, so that splits are disjoint by melody; the instruments are those of the chorales.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import SPLITS, Scale
from audioml.data.making.chorales import INSTRUMENTS, STEMS, Song, choose, render
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np

PLAYERS = {name: told for voice in INSTRUMENTS.values() for name, told in voice.items()}
LOUD = -22.0  # dB re full scale, RMS
LINES = """# Lines (made by audioml)
Phrases from single voices of Bach chorales (see the set `chorales`), some an octave higher or lower, each played alone by a
sampled instrument. These are synthetic recordings.

Columns: `file_name`, `split`, `song`, `instrument`, `notes` (CSV: onset, offset in seconds, MIDI pitch), `f0` (the same file: the
pitch of a line is that of its notes; the samples keep within 25 cents of it).
"""
STYLES = """# Styles (made by audioml)
Triples of synthetic recordings: a phrase played by one instrument (`file_name`), another phrase by a second instrument
(`style_file_name`), and the first phrase by the second instrument (`styled_file_name`): what a transfer of style should give.

Columns: those three, `split`, `song`, `instruments` (of the content and of the style).
"""

Phrase = list[tuple[float, float, int, int]]  # onset s, offset s, MIDI pitch, velocity


@cache
def dealt(chorales: tuple[int, int, int]) -> dict[str, list[Song]]:
    """The songs of each split, dealt as the chorales are."""
    songs = iter(choose(sum(chorales)))
    return {split: [next(songs) for _ in range(count)] for split, count in zip(SPLITS, chorales, strict=True)}


def phrase(songs: list[Song], rng: np.random.Generator, seconds: float) -> tuple[Phrase, str]:
    """Some bars of one voice of one of `songs`, within `seconds`, and the song's name."""
    import numpy as np

    while True:
        song = songs[int(rng.integers(len(songs)))]
        voice = STEMS[int(rng.integers(len(STEMS)))]
        quarter = 60 / float(rng.uniform(80, 144))
        first = float(song.bars[int(rng.integers(max(1, len(song.bars) - 2)))])
        shift = 12 * int(rng.integers(-1, 2))
        played: Phrase = []
        for _, onset, offset, pitch in (n for n in song.notes if n[0] == voice and n[1] >= first):
            start = 0.05 + (float(onset) - first) * quarter
            stop = start + float(offset - onset) * quarter * float(rng.uniform(0.88, 0.97))
            if stop > seconds - 0.05:
                break
            jitter = float(np.clip(rng.normal(0, 0.006), -0.015, 0.015))
            played.append((start + jitter, stop, pitch + shift, int(rng.integers(68, 100))))
        if len(played) >= 4 and fits(played):
            return played, song.name


def fits(played: Phrase) -> list[str]:
    """The instruments that reach every pitch of a phrase."""
    low, high = min(n[2] for n in played), max(n[2] for n in played)
    return [name for name, (_, bottom, top) in PLAYERS.items() if bottom <= low and high <= top]


def sound(played: Phrase, player: str, seconds: float) -> np.ndarray:
    """A phrase by an instrument, int16 [T], at the loudness all have."""
    return to_int16(fade(level(render(played, PLAYERS[player][0], seconds), LOUD), 0.02))


def make_lines(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/lines."""
    seconds = scale.line_seconds
    columns = ("file_name", "split", "song", "instrument", "notes", "f0")
    with Shelf(root / "lines", columns, LINES, tick) as shelf:
        for split, count in zip(SPLITS, scale.lines, strict=True):
            for index in range(count):
                rng = draw("lines", split, index)
                played, song = phrase(dealt(scale.chorales)[split], rng, seconds)
                player = str(rng.choice(fits(played)))
                rows = [(f"{a:.4f}", f"{b:.4f}", pitch) for a, b, pitch, _ in played]
                notes = shelf.table(f"notes/{split}_{index:03d}.csv", ("onset", "offset", "pitch"), rows)
                audio = shelf.audio(f"{split}/{index:03d}.flac", sound(played, player, seconds))
                shelf.row(file_name=audio, split=split, song=song, instrument=player, notes=notes, f0=notes)


def make_styles(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/styles."""
    seconds = scale.style_seconds
    columns = ("file_name", "style_file_name", "styled_file_name", "split", "song", "instruments")
    with Shelf(root / "styles", columns, STYLES, tick) as shelf:
        for split, count in zip(SPLITS, scale.styles, strict=True):
            for index in range(count):
                rng, songs = draw("styles", split, index), dealt(scale.chorales)[split]
                content, style, one, other, song = pair(songs, rng, seconds)
                sounds = {"content": sound(content, one, seconds), "style": sound(style, other, seconds)}
                sounds["styled"] = sound(content, other, seconds)
                names = {kind: shelf.audio(f"{split}/{index:03d}_{kind}.flac", pcm) for kind, pcm in sounds.items()}
                shelf.row(
                    file_name=names["content"], style_file_name=names["style"], styled_file_name=names["styled"],
                    split=split, song=song, instruments=f"{one}, {other}",
                )  # fmt: skip


def pair(songs: list[Song], rng: np.random.Generator, seconds: float) -> tuple[Phrase, Phrase, str, str, str]:
    """(content, style, the content's instrument, the style's, the content's song); both instruments can play the content."""
    while True:
        content, song = phrase(songs, rng, seconds)
        style, _ = phrase(songs, rng, seconds)
        both = [name for name in fits(content) if name in fits(style)]
        if both and len(fits(content)) > 1:
            other = str(rng.choice(both))
            one = str(rng.choice([name for name in fits(content) if name != other]))
            return content, style, one, other, song
