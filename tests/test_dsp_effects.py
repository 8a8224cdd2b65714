"""Effects against loops over samples and against what they promise."""

from __future__ import annotations

import time

import numpy as np
import pytest

from audioml import dsp_effects as fx
from audioml import shelf
from audioml.errors import RequestError
from audioml.kinds import Stems, Wave

RATE = 16000
RNG = np.random.default_rng(0)


def sound(channels: int = 1, seconds: float = 0.5) -> np.ndarray:
    x = RNG.standard_normal((channels, int(RATE * seconds))) * 0.2
    return (x * np.clip(np.sin(np.arange(x.shape[-1]) / 900), 0, 1)).astype(np.float32)


def naive_compressor(x: np.ndarray, threshold: float, ratio: float, attack: float, release: float) -> np.ndarray:
    """Giannoulis et al. 2012, sample by sample."""
    fall, rise = np.exp(-1 / (release * RATE)), np.exp(-1 / (attack * RATE))
    out, held, smooth = np.zeros_like(x), None, 0.0
    for n in range(x.shape[-1]):
        over = 20 * np.log10(abs(x[:, n]).max() + 1e-6) - threshold
        bent = (over + 3) ** 2 / 12 if abs(over) < 3 else max(over, 0)
        reduction = (1 - 1 / ratio) * bent
        if held is None:
            held = smooth = reduction
        held = max(reduction, fall * held)
        smooth = rise * smooth + (1 - rise) * held
        out[:, n] = x[:, n] * 10 ** ((-0.5 * threshold * (1 - 1 / ratio) - smooth) / 20)
    return out


def test_the_compressor_equals_a_loop() -> None:
    x = sound(2, 0.2)
    how = {"threshold": -30.0, "ratio": 6.0, "attack": 0.003, "release": 0.05}
    np.testing.assert_allclose(fx.compressor(x, RATE, **how), naive_compressor(x, **how), atol=1e-5)


def test_the_compressor_narrows_levels() -> None:
    loud, quiet = np.full((1, RATE), 0.5, np.float32), np.full((1, RATE), 0.05, np.float32)
    a, b = (np.abs(fx.compressor(x, RATE, threshold=-40.0, ratio=4.0, attack=0.005, release=0.1))[0, -1] for x in (loud, quiet))
    assert 20 * np.log10(a / b) == pytest.approx(20 / 4, abs=0.1)


def test_overdrive_adds_harmonics_and_keeps_the_level() -> None:
    t = np.arange(RATE) / RATE
    x = (0.25 * np.sin(2 * np.pi * 500 * t))[None].astype(np.float32)
    y = fx.overdrive(x, RATE, drive=24.0, tone=6000.0)
    spectrum = np.abs(np.fft.rfft(y[0]))
    assert spectrum[1000] > 1e-3 * spectrum[500], "even, by asymmetry"
    assert spectrum[1500] > 0.05 * spectrum[500]
    between = np.delete(spectrum, np.arange(0, len(spectrum), 500))
    assert between.max() < 0.01 * spectrum[500], "no aliasing to speak of"
    assert np.abs(y[0, 4000:-4000]).max() == pytest.approx(0.25, rel=0.6)


def test_the_reverb_is_linear_and_its_tail_decays() -> None:
    x = np.zeros((1, RATE), np.float32)
    x[0, 0] = 1
    y = fx.reverb(x, RATE, decay=0.5, mix=0.5)
    assert 10 * np.log10((y[0, 1:400] ** 2).mean() / (y[0, 4001:4400] ** 2).mean()) == pytest.approx(30, abs=3)
    assert np.allclose(y, fx.reverb(x, RATE, decay=0.5, mix=0.5)), "the same room every time"


def test_the_engineer_levels_ducks_and_cuts() -> None:
    t = np.arange(4 * RATE) / RATE
    lead = 0.02 * np.sin(2 * np.pi * 600 * t) * (t < 2)
    bass, hum = 0.3 * np.sin(2 * np.pi * 300 * t), 0.1 * np.sin(2 * np.pi * 40 * t) + 0.01 * np.sin(2 * np.pi * 2000 * t)
    y = fx.mix_down(np.stack([lead, bass, hum])[:, None], RATE)[0]

    def level(f: float, a: float, b: float) -> float:
        part = y[int(a * RATE) : int(b * RATE)]
        return 20 * np.log10(np.abs(np.fft.rfft(part * np.hanning(len(part))))[round(f * len(part) / RATE)] / len(part) * 4 + 1e-9)

    assert level(600, 1, 2) > 20 * np.log10(0.02) + 9, "a quiet leader comes up"
    assert level(300, 3, 4) > level(300, 1, 2) + 3, "the others duck under it"
    assert level(2000, 3, 4) - level(40, 3, 4) > 20 * np.log10(0.01 / 0.1) - 1, "the deepest keeps its lows"
    y = fx.mix_down(np.stack([lead, hum + bass, 0.1 * np.sin(2 * np.pi * 30 * t)])[:, None], RATE)[0]
    assert level(40, 3, 4) < level(300, 3, 4) - 20, "and the rest loses them"


def test_two_channels_are_placed() -> None:
    y = fx.mix_down(np.stack([sound(1), sound(1)]).repeat(2, 1), RATE)
    assert y.shape[0] == 2
    assert not np.allclose(y[0], y[1])


@pytest.mark.parametrize("effect", ["overdrive", "compressor", "reverb", "chain"])
def test_the_task_derives_its_wet_side_fast_and_alike(effect: str) -> None:
    task, x = shelf.make("task", "effects", {"effect": effect}), sound(1, 1.0)
    wet = task.derive("wet", x, Wave(1, RATE), None)
    assert wet.shape == x.shape
    assert wet.dtype == np.float32
    assert not np.allclose(wet, x, atol=1e-3)
    begin = time.perf_counter()
    assert np.array_equal(task.derive("wet", x, Wave(1, RATE), None), wet)
    assert time.perf_counter() - begin < 0.2
    empty = task.derive("wet", x[:, :1], Wave(1, RATE), None)
    assert empty.shape == (1, 1)


def test_the_mixing_task_derives_its_mix() -> None:
    stems = np.stack([sound(), sound()])
    assert shelf.make("task", "mixing").derive("mix", stems, Stems(("a", "b"), 1, RATE), None).shape == (1, stems.shape[-1])


@pytest.mark.parametrize(
    ("user", "text"),
    [({"tone": 0.0}, r"task\.tone=0 should be above zero"), ({"ratio": 0.5}, r"task\.ratio=0\.5 should be at least 1"), ({"mix": 2.0}, "task.mix=2 between 0 and 1")],
)
def test_impossible_effects_are_refused(user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("task", "effects", user)
