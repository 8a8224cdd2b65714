"""Bandwidth extension: what the narrow input lacks, and the distance there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from audioml import shelf
from audioml.errors import RequestError
from audioml.kinds import Wave
from audioml.metrics import band_distance
from audioml.metrics._base import Items, UnscoredError
from tests.conftest import RATE


def noises(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [0.01 * rng.standard_normal((1, 16000)).astype(np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def extension() -> Any:
    return shelf.make("task", "bandwidth", {"cutoff": 2000.0})


def test_the_narrow_input_lacks_what_lies_above_the_cutoff(extension: Any) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 16001)).astype(np.float32)
    narrow = extension.derive("narrow", x, Wave(2, RATE), rng)
    assert narrow.shape == x.shape
    assert narrow.dtype == x.dtype
    power = np.abs(np.fft.rfft(narrow, 32000)) ** 2 / np.mean(np.abs(np.fft.rfft(x, 32000)) ** 2)
    frequency = np.arange(power.shape[1]) / 2
    assert power[:, frequency > 2000].max() < 1e-2
    assert power[:, frequency > 2100].mean() < 1e-4
    low = frequency < 1700
    error = np.abs(np.fft.rfft(narrow - x, 32000))[:, low].mean() / np.abs(np.fft.rfft(x, 32000))[:, low].mean()
    assert error < 0.05  # in phase, too


@pytest.mark.parametrize(
    ("cutoff", "rate", "reason"),
    [
        (4000.0, 8000, "task.cutoff=4000 Hz must lie below half the data's sampling rate of 8000 Hz"),
        (0.0, 16000, "task.cutoff=0.0 should be above 0 Hz"),
    ],
)
def test_an_impossible_cutoff_says_why(cutoff: float, rate: int, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        shelf.make("task", "bandwidth", {"cutoff": cutoff}).derive("narrow", np.zeros((1, 100), np.float32), Wave(1, rate), None)


def narrowed(extension: Any, waves: list[np.ndarray]) -> list[np.ndarray]:
    return [extension.derive("narrow", x, Wave(1, RATE), None) for x in waves]


def test_distance_in_the_missing_band(extension: Any) -> None:
    real = noises(6)
    narrow = narrowed(extension, real)
    quieter = [n + 10 ** (-6 / 20) * (x - n) for x, n in zip(real, narrow, strict=True)]
    found = {}
    for name, outputs in (("truth", real), ("narrow", narrow), ("6 dB short", quieter)):
        scored = band_distance.score(Items(real, outputs, narrow, Wave(1, RATE)))["fidelity/band_distance"]
        found[name] = scored.rows.mean()
        assert scored.pairs is not None
    assert found["truth"] == 0
    assert found["6 dB short"] == pytest.approx(6, abs=0.5)
    assert found["narrow"] > 30
    first = band_distance.missing_from(Items(real, real, narrow, Wave(1, RATE)), 2048)
    assert first * RATE / 2048 == pytest.approx(2000, abs=100)


def test_no_missing_band_is_no_value() -> None:
    real = noises(4)
    with pytest.raises(UnscoredError, match="the inputs lack no band that the targets have"):
        band_distance.score(Items(real, real, real, Wave(1, RATE)))
    with pytest.raises(UnscoredError, match="there is no input of the target's shape"):
        band_distance.score(Items(real, real, None, Wave(1, RATE)))
