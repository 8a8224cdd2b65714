"""Sounds with captions (one event each) and scenes with tags and captions (one to three kinds of event), by the formulas of
effects.py and noises.py.  Captions say only what is true of the samples: the kind, and how long and how bright it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making import effects as events
from audioml.data.making import noises as beds
from audioml.data.making.nouns import NOUNS, noun
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np

ADJECTIVES = {"length": ("short", "long"), "colour": ("dark", "bright")}
BEDS = ("hum", "rain", "wind", "engine", "fan", "crackle", "waves")
TAGS = tuple(sorted([*events.KINDS, *BEDS]))
SPREAD = 24  # events by which a kind's usual length and brightness are known
SOUNDS = """# Sounds (made by audioml)
Single events computed from formulas (see the set `effects`), each with a caption such as "a short bright bell": short or long,
dark or bright by comparison with other events of its kind (length, centre of the spectrum). Nothing was recorded; the captions
are templates filled with measured facts.

Columns: `file_name`, `split`, `category`, `caption`.
"""
SCENES = """# Scenes (made by audioml)
One to three kinds of sound: up to two events (at random times, in the caption's order) and, in most clips, a bed of noise under
them. Computed from formulas; nothing was recorded.

Columns: `file_name`, `split`, `tags` (kinds, separated by |), `caption` ("a bell then footsteps over rain").
"""


def alphabet() -> str:
    """Every character that a caption can hold, sorted."""
    words = [name for _, name in NOUNS.values()] + [a for pair in ADJECTIVES.values() for a in pair]
    return "".join(sorted(set("".join([*words, "an then over"]))))


def centre(x: np.ndarray) -> float:
    """The centre of the power spectrum of x [T], in Hz."""
    import numpy as np

    power = np.abs(np.fft.rfft(x)) ** 2
    return float(power @ np.fft.rfftfreq(len(x), 1 / RATE) / power.sum())


def event(kind: str, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """One event of at most `seconds` [T], at full scale."""
    import numpy as np

    x = fade(events.KINDS[kind](rng)[: int(seconds * RATE)], 0.002)
    return x / np.abs(x).max()


def usual(kind: str, seconds: float) -> tuple[float, float]:
    """Length in samples and brightness in Hz that half of a kind's events exceed."""
    import numpy as np

    some = [event(kind, draw("sounds", "usual", kind, i), seconds) for i in range(SPREAD)]
    return float(np.median([len(x) for x in some])), float(np.median([centre(x) for x in some]))


def make_sounds(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/sounds."""
    import numpy as np

    seconds, n = scale.sound_seconds, int(scale.sound_seconds * RATE)
    known = {kind: usual(kind, seconds) for kind in events.KINDS}
    with Shelf(root / "sounds", ("file_name", "split", "category", "caption"), SOUNDS, tick) as shelf:
        for split, count in zip(SPLITS, scale.sounds, strict=True):
            for kind, (length, hertz) in known.items():
                for index in range(count):
                    x = event(kind, draw("sounds", split, kind, index), seconds)
                    said = ADJECTIVES["length"][len(x) > length], ADJECTIVES["colour"][centre(x) > hertz]
                    pcm = to_int16(np.pad(level(x, -20.0), (0, n - len(x))))
                    audio = shelf.audio(f"{split}/{kind}_{index:02d}.flac", pcm)
                    shelf.row(file_name=audio, split=split, category=kind, caption=noun(kind, *said))


def make_scenes(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/scenes."""
    with Shelf(root / "scenes", ("file_name", "split", "tags", "caption"), SCENES, tick) as shelf:
        for split, count in zip(SPLITS, scale.scenes, strict=True):
            for index in range(count):
                pcm, kinds, caption = scene(draw("scenes", split, index), scale.scene_seconds)
                audio = shelf.audio(f"{split}/{index:03d}.flac", pcm)
                shelf.row(file_name=audio, split=split, tags="|".join(kinds), caption=caption)


def scene(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, list[str], str]:
    """(int16 [T], its kinds, its caption)."""
    import numpy as np

    n = int(seconds * RATE)
    count = int(rng.integers(0, 3))
    bed = str(rng.choice(BEDS)) if count == 0 or rng.random() < 0.6 else None
    kinds = [str(k) for k in rng.choice(list(events.KINDS), count, replace=False)]
    x = np.zeros(n)
    if bed:
        x += level(beds.KINDS[bed](rng, n), float(rng.uniform(-32, -26)) + (0.0 if count else 6.0))
    starts = np.sort(rng.uniform(0, 0.6, count)) * n
    for kind, start in zip(kinds, starts.astype(int), strict=True):
        sound = level(event(kind, rng, 0.4 * seconds), float(rng.uniform(-24, -18)))[: n - start]
        x[start : start + len(sound)] += sound
    words = " then ".join(noun(kind) for kind in kinds)
    words = f"{words} over {noun(bed)}" if words and bed else words or noun(str(bed))
    pcm = to_int16(fade(x * min(1.0, 0.9 / max(float(np.abs(x).max()), 1e-9))))
    return pcm, [*kinds, *([bed] if bed else [])], words
