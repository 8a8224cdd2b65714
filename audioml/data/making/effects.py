"""Sound events by formula: the third stem of the embedded `separation`.

A kind is ``kind(rng) -> event [T]``, one short sound; a clip is several of them (the same kind, each drawn anew) with pauses.
Two kinds (TEST_ONLY) are heard in the test split alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making.noises import band, phase, shaped, slow
from audioml.data.making.nouns import noun
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np

Kind = Callable[["np.random.Generator"], "np.ndarray"]

README = """# Sound effects (made by audioml)
Computed from formulas (damped modes, sweeps, bursts of noise); nothing was recorded.

Columns: `file_name`, `split`, `category`, `caption`. Each event has its own parameters.
The kinds {test_only} occur only in the test split.
"""


def _time(seconds: float) -> np.ndarray:
    import numpy as np

    return np.arange(int(seconds * RATE)) / RATE


def _decay(seconds: float, tau: float, attack: float = 0.002) -> np.ndarray:
    """An envelope [T]: up in `attack`, down by 1/e every `tau` seconds."""
    import numpy as np

    t = _time(seconds)
    return np.minimum(t / attack, 1) * np.exp(-t / tau)


def _modes(t: np.ndarray, hertz: np.ndarray, taus: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Damped sines, summed [T]."""
    import numpy as np

    return gains @ (np.exp(-t[None] / taus[:, None]) * np.sin(2 * np.pi * hertz[:, None] * t[None]))


def alarm(rng: np.random.Generator) -> np.ndarray:
    """Two tones in turn, hard-edged."""
    import numpy as np

    seconds, low = rng.uniform(0.6, 1.2), rng.uniform(700, 1400)
    n = int(seconds * RATE)
    swap = np.sin(phase(rng.uniform(2, 6), n)) > 0
    return np.tanh(3 * np.sin(phase(np.where(swap, low, low * rng.uniform(1.2, 1.6)), n)))


def siren(rng: np.random.Generator) -> np.ndarray:
    """A tone that wails up and down, with overtones."""
    import numpy as np

    n = int(rng.uniform(1.0, 2.0) * RATE)
    ph = phase(rng.uniform(500, 900) * (1 + 0.4 * np.sin(phase(rng.uniform(0.6, 3), n))), n)
    return np.sin(ph) + 0.4 * np.sin(2 * ph) + 0.2 * np.sin(3 * ph)


def birds(rng: np.random.Generator) -> np.ndarray:
    """A few quick chirps."""
    import numpy as np

    chirps = []
    for _ in range(int(rng.integers(2, 6))):
        t = _time(rng.uniform(0.05, 0.15))
        glide = np.linspace(rng.uniform(2000, 5000), rng.uniform(2000, 6000), len(t))
        chirps += [np.sin(phase(glide, len(t))) * np.hanning(len(t)), np.zeros(int(rng.uniform(0.02, 0.1) * RATE))]
    return np.concatenate(chirps)


def steps(rng: np.random.Generator) -> np.ndarray:
    """Two footsteps: a low thud and grit."""
    import numpy as np

    pace, parts = rng.uniform(0.3, 0.6), []
    for _ in range(2):
        envelope = _decay(pace, rng.uniform(0.02, 0.05))
        thud = shaped(rng, len(envelope), band(50, rng.uniform(150, 350)))
        grit = shaped(rng, len(envelope), band(1500, 6000)) * _decay(pace, 0.03, 0.02)
        parts.append(envelope * thud + rng.uniform(0.1, 0.4) * grit)
    return np.concatenate(parts)


def knocks(rng: np.random.Generator) -> np.ndarray:
    """Knuckles on wood, two to four times."""
    import numpy as np

    base, gap = rng.uniform(150, 400), rng.uniform(0.12, 0.25)
    hertz = base * np.array([1.0, 2.3, 3.9, 5.2])
    taus, gains = rng.uniform(0.01, 0.04, 4), rng.uniform(0.3, 1.0, 4)
    one = _modes(_time(gap), hertz, taus, gains)
    return np.concatenate([one * rng.uniform(0.7, 1.0) for _ in range(int(rng.integers(2, 5)))])


def claps(rng: np.random.Generator) -> np.ndarray:
    """Hands: short bursts in the middle of the spectrum."""
    import numpy as np

    parts = []
    for _ in range(int(rng.integers(2, 6))):
        envelope = _decay(rng.uniform(0.15, 0.3), rng.uniform(0.01, 0.03), 0.001)
        parts.append(envelope * shaped(rng, len(envelope), band(rng.uniform(600, 1200), rng.uniform(2000, 4000))))
    return np.concatenate(parts)


def bell(rng: np.random.Generator) -> np.ndarray:
    """Inharmonic partials that ring on."""
    import numpy as np

    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.74, 3.76])
    base, tau = rng.uniform(400, 1200), rng.uniform(0.4, 0.9)
    return _modes(_time(1.5), base * ratios, tau / ratios**0.7, rng.uniform(0.3, 1, 7))


def clicks(rng: np.random.Generator) -> np.ndarray:
    """A ratchet: an even train of clicks."""
    import numpy as np

    gap, hertz = rng.uniform(0.03, 0.09), rng.uniform(1500, 5000)
    one = np.sin(2 * np.pi * hertz * _time(gap)) * _decay(gap, 0.004, 0.0005)
    return np.tile(one, int(rng.uniform(0.5, 1.2) / gap))


def horn(rng: np.random.Generator) -> np.ndarray:
    """A car's horn: two buzzing tones a third apart."""
    import numpy as np

    n = int(rng.uniform(0.3, 0.9) * RATE)
    low = rng.uniform(300, 450)
    buzz = [np.tanh(4 * np.sin(phase(f, n))) + 0.5 * np.sin(3 * phase(f, n)) for f in (low, low * 1.26)]
    return fade(np.sum(buzz, axis=0), 0.03)


def zap(rng: np.random.Generator) -> np.ndarray:
    """A fast fall in pitch."""
    import numpy as np

    t = _time(rng.uniform(0.2, 0.5))
    sweep = rng.uniform(300, 700) + rng.uniform(2500, 5000) * np.exp(-t / rng.uniform(0.05, 0.15))
    return np.tanh(2 * np.sin(phase(sweep, len(t)))) * np.exp(-t / 0.2)


def drops(rng: np.random.Generator) -> np.ndarray:
    """Water drops: bubbles whose pitch rises as they die."""
    import numpy as np

    parts = []
    for _ in range(int(rng.integers(2, 5))):
        t = _time(rng.uniform(0.1, 0.25))
        rise = rng.uniform(500, 1500) * (1 + rng.uniform(3, 8) * t)
        parts.append(np.sin(phase(rise, len(t))) * np.exp(-t / rng.uniform(0.02, 0.05)))
    return np.concatenate(parts)


def whoosh(rng: np.random.Generator) -> np.ndarray:
    """Something flies past: a band of noise moved up and down by a sliding carrier."""
    import numpy as np

    n = int(rng.uniform(0.5, 1.2) * RATE)
    carrier = np.cos(phase(rng.uniform(400, 900) + rng.uniform(800, 2500) * np.hanning(n), n))
    return shaped(rng, n, band(20, rng.uniform(200, 500))) * carrier * np.hanning(n) * (1 + 0.2 * slow(rng, n, 10))


def phone(rng: np.random.Generator) -> np.ndarray:
    """A telephone's bell."""
    import numpy as np

    n = int(rng.uniform(0.8, 1.2) * RATE)
    hammer = np.sin(phase(rng.uniform(16, 25), n)) > 0
    low = rng.uniform(900, 1500)
    return fade(np.where(hammer, np.sin(phase(low, n)), np.sin(phase(1.25 * low, n))) + 0.3 * np.sin(phase(2.9 * low, n)))


def glass(rng: np.random.Generator) -> np.ndarray:
    """Something breaks: many small modes, not all at once."""
    import numpy as np

    x = np.zeros(int(0.9 * RATE))
    for _ in range(12):
        piece = _modes(_time(0.3), rng.uniform(2000, 7000, 5), rng.uniform(0.01, 0.08, 5), rng.uniform(0.2, 1, 5))
        start = int(min(rng.exponential(0.12), 0.59) * RATE)
        x[start : start + len(piece)] += piece
    return x


KINDS: dict[str, Kind] = {
    f.__name__: f for f in (alarm, siren, birds, steps, knocks, claps, bell, clicks, horn, zap, drops, whoosh)
}
TEST_ONLY: dict[str, Kind] = {f.__name__: f for f in (phone, glass)}


def clip(kind: Kind, rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Events of one kind, one after the other with pauses of up to 0.4 s, [T]; loud ones and soft ones."""
    import numpy as np

    n = int(seconds * RATE)
    pieces, total = [np.zeros(int(rng.uniform(0, 0.2) * RATE))], 0
    while total < n:
        event = fade(kind(rng), 0.001)
        event *= 10 ** (rng.uniform(-6, 0) / 20) / np.abs(event).max()
        pieces += [event, np.zeros(int(rng.uniform(0.05, 0.4) * RATE))]
        total = sum(map(len, pieces))
    return np.concatenate(pieces)[:n]


def make_effects(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/effects."""
    readme = README.format(test_only=" and ".join(f"`{k}`" for k in TEST_ONLY))
    with Shelf(root / "effects", ("file_name", "split", "category", "caption"), readme, tick) as shelf:
        for split, count in zip(SPLITS, scale.effects, strict=True):
            for name, kind in {**KINDS, **(TEST_ONLY if split == "test" else {})}.items():
                for index in range(count):
                    rng = draw("effects", split, name, index)
                    pcm = to_int16(fade(level(clip(kind, rng, scale.effect_seconds), -23.0)))
                    audio = shelf.audio(f"{split}/{name}_{index:02d}.flac", pcm)
                    shelf.row(file_name=audio, split=split, category=name, caption=noun(name))
