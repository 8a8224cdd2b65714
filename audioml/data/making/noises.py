"""Noises by formula: what lies under speech in the embedded `enhancement`.  Every kind is ``kind(rng, n) -> samples [n]``.

Parameters are drawn per clip, so no two clips share them; two kinds (TEST_ONLY) are heard in the test split alone, so that its
results say something about noise never trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making.nouns import noun
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np

Kind = Callable[["np.random.Generator", int], "np.ndarray"]

README = """# Noises (made by audioml)
Computed from formulas (coloured noise, resonances, pulses); nothing was recorded. `babble` is a sum of the synthetic speech of
the same split's voices.

Columns: `file_name`, `split`, `category`, `caption`. Each clip has its own parameters.
The kinds {test_only} occur only in the test split.
"""


# ---- tools, shared with the effects -----------------------------------------------------------------------------------
def shaped(rng: np.random.Generator, n: int, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Gaussian noise [n] with the amplitude response `gain(frequency in Hz)`, normalised to RMS 1."""
    import numpy as np

    size = 1 << (n - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(size))
    x = np.fft.irfft(spectrum * gain(np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0)), size)[:n]
    return x / np.sqrt(np.mean(x**2))


def coloured(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Noise [n] whose power falls with frequency to the power of `slope` (0 white, 1 pink, 2 brown)."""
    return shaped(rng, n, lambda f: f ** (-slope / 2))


def band(low: float, high: float, order: int = 2) -> Callable[[np.ndarray], np.ndarray]:
    """A smooth band-pass response for `shaped`."""
    return lambda f: 1 / ((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order))) ** 0.5


def slow(rng: np.random.Generator, n: int, hertz: float) -> np.ndarray:
    """A random curve [n] of RMS 1 that changes about `hertz` times a second."""
    import numpy as np

    knots = rng.standard_normal(max(4, int(n / RATE * hertz) + 4))
    return np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots)


def phase(frequency: np.ndarray | float, n: int) -> np.ndarray:
    """Phase in radians [n] of an oscillator whose frequency in Hz may vary."""
    import numpy as np

    return 2 * np.pi * np.cumsum(np.broadcast_to(frequency, (n,))) / RATE


def harmonics(ph: np.ndarray, gains: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Sum over k of gains[k-1] · sin(k · ph + phases[k-1]), [n]."""
    import numpy as np

    k = np.arange(1, len(gains) + 1)
    return gains @ np.sin(k[:, None] * ph[None] + phases[:, None])


def sparks(rng: np.random.Generator, n: int, per_second: float, tail: float) -> np.ndarray:
    """Impulses [n] at random times; `tail` > 0 makes some much louder than others."""
    import numpy as np

    x = np.zeros(n)
    count = max(1, rng.poisson(per_second * n / RATE))
    np.add.at(x, rng.integers(0, n, count), rng.choice([-1.0, 1.0], count) * np.exp(tail * rng.standard_normal(count)))
    return x


def ringing(x: np.ndarray, hertz: float, decay: float) -> np.ndarray:
    """`x` [n] through a resonance at `hertz` that dies away in `decay` seconds."""
    import numpy as np

    t = np.arange(int(6 * decay * RATE)) / RATE
    response = np.exp(-t / decay) * np.sin(2 * np.pi * hertz * t + 0.5)
    size = 1 << (len(x) + len(t) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: len(x)]


def unit(x: np.ndarray) -> np.ndarray:
    """`x` at RMS 1."""
    import numpy as np

    return x / np.sqrt(np.mean(x**2) + 1e-12)


# ---- the kinds --------------------------------------------------------------------------------------------------------
def white(rng: np.random.Generator, n: int) -> np.ndarray:
    """Flat, or nearly so."""
    return coloured(rng, n, rng.uniform(-0.2, 0.2))


def pink(rng: np.random.Generator, n: int) -> np.ndarray:
    """Power falls by 3 dB an octave."""
    return coloured(rng, n, rng.uniform(0.8, 1.2))


def brown(rng: np.random.Generator, n: int) -> np.ndarray:
    """Power falls by 6 dB an octave."""
    return coloured(rng, n, rng.uniform(1.7, 2.1))


def hum(rng: np.random.Generator, n: int) -> np.ndarray:
    """Mains at 50 or 60 Hz with harmonics and a little hiss."""
    import numpy as np

    count = int(rng.integers(12, 40))
    gains = np.arange(1, count + 1) ** -rng.uniform(0.4, 1.2) * rng.uniform(0.2, 1.0, count)
    mains = rng.choice([50.0, 60.0]) + rng.uniform(-0.2, 0.2)
    tone = harmonics(phase(mains, n), gains, rng.uniform(0, 2 * np.pi, count))
    return unit(tone) + rng.uniform(0.05, 0.2) * coloured(rng, n, 0.5)


def rain(rng: np.random.Generator, n: int) -> np.ndarray:
    """Drops on a surface over a bed of high noise."""
    drops = ringing(sparks(rng, n, rng.uniform(40, 200), 0.8), rng.uniform(1500, 4500), rng.uniform(0.002, 0.006))
    return unit(drops) + rng.uniform(0.4, 1.2) * shaped(rng, n, band(rng.uniform(600, 1500), 7000, 1))


def wind(rng: np.random.Generator, n: int) -> np.ndarray:
    """Gusts: low noise, and a whistle that comes with them."""
    import numpy as np

    gust = np.exp(0.7 * slow(rng, n, rng.uniform(0.6, 1.5)))
    low = shaped(rng, n, lambda f: f**-0.8 * band(40, rng.uniform(400, 900), 1)(f))
    centre = rng.uniform(300, 700)
    return gust * low + rng.uniform(0.1, 0.4) * gust**1.5 * shaped(rng, n, band(centre, 1.4 * centre, 3))


def engine(rng: np.random.Generator, n: int) -> np.ndarray:
    """A motor that never quite keeps its speed: firing pulses, their harmonics, and noise that beats with them."""
    import numpy as np

    ph = phase(rng.uniform(22, 70) * (1 + 0.04 * slow(rng, n, 1.0)), n)
    count = 24
    gains = np.exp(-np.arange(count) / rng.uniform(4, 10)) * rng.uniform(0.2, 1, count)
    puff = (0.5 + 0.5 * np.cos(ph)) ** 4
    return unit(harmonics(ph, gains, rng.uniform(0, 2 * np.pi, count))) + rng.uniform(0.4, 1.0) * puff * coloured(rng, n, 1)


def fan(rng: np.random.Generator, n: int) -> np.ndarray:
    """A ventilator: a band of noise with a blade rate and a thin tone of its motor."""
    import numpy as np

    beat = 1 + 0.3 * np.sin(phase(rng.uniform(8, 30), n))
    air = shaped(rng, n, lambda f: f**-0.3 * band(rng.uniform(80, 200), rng.uniform(1200, 4000), 1)(f))
    return beat * air + rng.uniform(0.05, 0.3) * np.sin(phase(rng.uniform(120, 420), n))


def crackle(rng: np.random.Generator, n: int) -> np.ndarray:
    """A worn record or a fire: snaps of very different loudness over pink noise."""
    snaps = ringing(sparks(rng, n, rng.uniform(15, 60), 0.7), rng.uniform(800, 3000), rng.uniform(0.001, 0.003))
    return unit(snaps) + rng.uniform(0.2, 0.6) * coloured(rng, n, 1)


def waves(rng: np.random.Generator, n: int) -> np.ndarray:
    """The sea: noise that swells and falls back."""
    import numpy as np

    swell = 0.25 + np.sin(phase(rng.uniform(0.1, 0.3), n) / 2 + rng.uniform(0, 3)) ** 2
    return swell * coloured(rng, n, rng.uniform(0.7, 1.4))


def helicopter(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rotor thumps with a turbine above them."""
    import numpy as np

    thump = np.exp(4 * (np.cos(phase(rng.uniform(9, 14), n)) - 1))
    turbine = np.sin(phase(rng.uniform(900, 1600), n))
    return thump * coloured(rng, n, 1.2) * 2 + 0.3 * coloured(rng, n, 0.3) + rng.uniform(0.05, 0.15) * turbine


def keyboard(rng: np.random.Generator, n: int) -> np.ndarray:
    """Typing: irregular double clicks in a quiet room."""
    import numpy as np

    press = sparks(rng, n, rng.uniform(6, 11), 0.3)
    both = press + 0.6 * np.roll(press, int(rng.uniform(0.05, 0.09) * RATE))
    clicks = ringing(both, rng.uniform(1800, 3500), 0.002) + 0.5 * ringing(both, rng.uniform(250, 500), 0.008)
    return unit(clicks) + 0.12 * coloured(rng, n, 0.8)


KINDS: dict[str, Kind] = {f.__name__: f for f in (white, pink, brown, hum, rain, wind, engine, fan, crackle, waves)}
TEST_ONLY: dict[str, Kind] = {f.__name__: f for f in (helicopter, keyboard)}


def babble(rng: np.random.Generator, n: int, clips: list[Path]) -> np.ndarray:
    """Several voices at once: random sentences of `clips`, each going round."""
    import numpy as np
    import soundfile

    x = np.zeros(n)
    for _ in range(int(rng.integers(5, 9))):
        pieces, total = [], 0
        while total < n:
            pieces.append(soundfile.read(clips[int(rng.integers(len(clips)))])[0])
            total += len(pieces[-1])
        x += np.roll(np.concatenate(pieces), int(rng.integers(n)))[:n] * rng.uniform(0.5, 1.0)
    return x


def make_noise(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/noise; root/speech must be there (babble)."""
    n = int(scale.noise_seconds * RATE)
    readme = README.format(test_only=" and ".join(f"`{k}`" for k in TEST_ONLY))
    with Shelf(root / "noise", ("file_name", "split", "category", "caption"), readme, tick) as shelf:
        for split, count in zip(SPLITS, scale.noises, strict=True):
            clips = sorted((root / "speech" / split).rglob("*.flac"))
            crowd = {"babble": partial(babble, clips=clips)}
            for name, kind in {**KINDS, **(TEST_ONLY if split == "test" else {}), **crowd}.items():
                for index in range(count):
                    rng = draw("noise", split, name, index)
                    pcm = to_int16(fade(level(kind(rng, n), -23.0)))
                    audio = shelf.audio(f"{split}/{name}_{index:02d}.flac", pcm)
                    shelf.row(file_name=audio, split=split, category=name, caption=noun(name))
