"""Grooves: drums, bass and chords at a steady tempo, with beats and onsets, for beat tracking beyond chorales.

The parts are drawn from a small grammar of patterns on a grid of sixteenths; played by symusic with pretty_midi's sound font.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making.chorales import player
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np

KICK, SNARE, RIM, CLAP, CLOSED, OPEN, RIDE, TOM = 36, 38, 37, 39, 42, 46, 51, 45
BASSES, KEYS, LEADS = (33, 32, 38, 43), (0, 4, 24, 25, 48, 11), (73, 71, 56, 25, 80)  # General MIDI programs
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7))
ROOTS = ((0, 5, 7, 5), (0, 9, 5, 7), (0, 7, 9, 5), (0, 3, 8, 10), (0, 0, 5, 7))
README = """# Patterns (made by audioml)
Drums, bass, chords and sometimes a melody at 70 to 170 beats a minute, in 4/4 and 3/4, starting anywhere in the bar, with small
errors of timing; one in six has no drums. Drawn from a grammar and played by the sampled instruments of the TimGM6mb sound font
(from the package pretty_midi) through symusic, which plays some of them out of tune. These are synthetic recordings.

Columns: `file_name`, `split`, `song`, `tempo` (beats a minute), `metre`, `beats` (CSV: time in seconds, beat in the bar, 1 is the
downbeat), `onsets` (CSV: time in seconds, of every note of every part).
"""

Hit = tuple[float, int, int, float]  # place in sixteenths, pitch, velocity, length in sixteenths
Part = tuple[int | None, list[Hit]]  # program (None: drums), hits


def drums(rng: np.random.Generator, beats: int) -> list[Hit]:
    """One bar of a drum pattern."""
    import numpy as np

    steps = 4 * beats
    kick = {0, *(int(s) for s in np.flatnonzero(rng.random(steps) < rng.uniform(0.03, 0.18)))}
    kick |= {8} if beats == 4 and rng.random() < 0.7 else set()
    back = range(4, steps, 8) if beats == 4 else range(4, steps, 4)
    snare = {*back, *(int(s) for s in np.flatnonzero(rng.random(steps) < 0.04))}
    every, hat = int(rng.choice([1, 2, 2, 2, 4])), int(rng.choice([CLOSED, CLOSED, RIDE, OPEN]))
    second = int(rng.choice([SNARE, SNARE, SNARE, RIM, CLAP]))
    hits = [(s, KICK, int(rng.integers(95, 120)), 1.0) for s in sorted(kick)]
    hits += [(s, second, int(rng.integers(85, 118) if s in back else rng.integers(35, 60)), 1.0) for s in sorted(snare)]
    return hits + [(s, hat, int(rng.integers(50, 80)) + 18 * (s % 4 == 0), 1.0) for s in range(0, steps, every)]


def fill_in(rng: np.random.Generator, beats: int) -> list[Hit]:
    """Toms and snare over the last beat of a bar."""
    return [(4 * beats - 4 + k, int(rng.choice([TOM, SNARE])), int(rng.integers(80, 115)), 1.0) for k in range(4)]


def harmony(rng: np.random.Generator, beats: int, bars: int) -> list[Part]:
    """Bass, chords, and in half of the songs a melody."""
    import numpy as np

    steps, key = 4 * beats, int(rng.integers(0, 12))
    roots, chord = ROOTS[int(rng.integers(len(ROOTS)))], CHORDS[int(rng.integers(len(CHORDS)))]
    rhythm = [0, *(int(s) for s in np.flatnonzero(rng.random(steps) < rng.uniform(0.1, 0.35)) if s % 2 == 0)]
    comp = [s for s in range(0, steps, int(rng.choice([2, 4, 8]))) if s == 0 or rng.random() < 0.8]
    comp = [s + 2 for s in range(0, steps, 4)] if rng.random() < 0.15 else comp  # on the off-beats
    bass, chords, lead = [], [], []
    scale = np.asarray([0, 2, 4, 7, 9])
    for bar in range(bars):
        at, root = bar * steps, key + roots[bar % len(roots)]
        bass += [(at + s, 36 + root % 12, int(rng.integers(80, 105)), 2.0) for s in sorted(set(rhythm))]
        chords += [(at + s, 60 + (root + n) % 12, int(rng.integers(55, 80)), 2.5) for s in comp for n in chord]
        tune = np.flatnonzero(rng.random(steps) < 0.25)
        lead += [(at + int(s), 72 + (key + int(rng.choice(scale))) % 12, int(rng.integers(70, 100)), 2.0) for s in tune]
    parts: list[Part] = [(int(rng.choice(BASSES)), bass), (int(rng.choice(KEYS)), chords)]
    return [*parts, (int(rng.choice(LEADS)), lead)] if rng.random() < 0.5 else parts


def groove(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, list[tuple[float, int]], list[float], float, int]:
    """(int16 [T], beats (s, beat in the bar), onsets in s, beats a minute, beats in a bar)."""
    import numpy as np

    tempo = float(np.exp(rng.uniform(np.log(70), np.log(170))))
    beats, beat = int(rng.choice([4, 4, 4, 3])), 60 / tempo
    bars = int(np.ceil(seconds / (beats * beat))) + 2
    parts = harmony(rng, beats, bars)
    if rng.random() < 5 / 6:
        bar = drums(rng, beats)
        hits = [(b * 4 * beats + s, p, v, d) for b in range(bars) for s, p, v, d in bar]
        hits += [(b * 4 * beats + s, p, v, d) for b in range(3, bars, 4) for s, p, v, d in fill_in(rng, beats)]
        parts.append((None, hits))
    swing = float(rng.choice([0.0, 0.0, 0.0, 0.33])) * (tempo < 130)
    start = float(rng.uniform(0, beats * beat))  # where in the first bar the excerpt begins
    played, onsets = [], []
    for program, hits in parts:
        notes = []
        for place, pitch, velocity, length in hits:
            late = swing if place % 4 == 2 else 0.0
            time = (place + late) * beat / 4 - start + float(np.clip(rng.normal(0, 0.006), -0.015, 0.015))
            if 0 <= time < seconds - 0.05:
                notes.append((time, time + length * beat / 4, pitch, velocity))
        onsets += [n[0] for n in notes]
        played.append((program, notes))
    pcm = to_int16(fade(level(band(played, seconds), float(rng.uniform(-22, -17))), 0.01))
    times = [(k * beat - start, k % beats + 1) for k in range(bars * beats)]
    return pcm, [(t, b) for t, b in times if 0 <= t < seconds], sorted(onsets), tempo, beats


def band(parts: list[tuple[int | None, list[tuple[float, float, int, int]]]], seconds: float) -> np.ndarray:
    """All parts together at 16 kHz, [T]."""
    import numpy as np
    import soxr
    import symusic

    score = symusic.Score(480).to("second")
    for program, notes in parts:
        track = symusic.Track("", program=program or 0, is_drum=program is None, ttype="second")
        for onset, offset, pitch, velocity in notes:
            track.notes.append(symusic.Note(time=onset, duration=offset - onset, pitch=pitch, velocity=velocity, ttype="second"))
        score.tracks.append(track)
    x = player().render(score, stereo=False)[0][: int(seconds * 44100)]
    y = soxr.resample(x.astype(np.float64), 44100, RATE, quality="HQ")
    out = np.zeros(round(seconds * RATE))
    out[: min(len(y), len(out))] = y[: len(out)]
    return out


def make(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/patterns."""
    columns = ("file_name", "split", "song", "tempo", "metre", "beats", "onsets")
    with Shelf(root / "patterns", columns, README, tick) as shelf:
        for split, count in zip(SPLITS, scale.patterns, strict=True):
            for index in range(count):
                name = f"{split}_{index:03d}"
                pcm, beats, onsets, tempo, metre = groove(draw("patterns", name), scale.pattern_seconds)
                tables = {
                    "beats": shelf.table(f"beats/{name}.csv", ("time", "beat"), [(f"{t:.4f}", b) for t, b in beats]),
                    "onsets": shelf.table(f"onsets/{name}.csv", ("time",), [(f"{t:.4f}",) for t in onsets]),
                }
                audio = shelf.audio(f"{split}/{index:03d}.flac", pcm)
                shelf.row(file_name=audio, split=split, song=name, tempo=f"{tempo:.1f}", metre=f"{metre}/4", **tables)
