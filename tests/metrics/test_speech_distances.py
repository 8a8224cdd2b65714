"""Metrics of effects and of speech: against definitions, librosa, and what should and should not count."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from audioml.corpus import Clip
from audioml.kinds import Text, Wave
from audioml.metrics import evaluate
from audioml.metrics.mel_dtw import cepstra, warped
from audioml.parts import Task

RATE = 16000
RNG = np.random.default_rng(1)


def judge(metric: str, targets: list, outputs: list, inputs: dict | None = None) -> dict:
    task = Task("t", inputs or {"text": Text()}, {"y": Wave()}, (metric,), "", (), "", "")
    clips = [Clip(str(i), {"text": "a", "x": t, "y": t}) for i, t in enumerate(targets)]
    return evaluate(task, clips, [{"y": o} for o in outputs], worlds={"y": Wave(1, RATE)}).values


def chirp(seconds: float, low: float = 200, high: float = 2000) -> np.ndarray:
    t = np.linspace(0, 1, int(seconds * RATE))
    f = low * (high / low) ** t
    phase = 2 * np.pi * np.cumsum(f) / RATE
    return sum(np.sin(k * phase) / k for k in (1, 2, 3))[None].astype(np.float32) * 0.2


def test_esr_is_the_definition() -> None:
    x = RNG.standard_normal((1, 8000)).astype(np.float32)
    values = judge("esr", [x, x], [np.zeros_like(x), x + 0.1 * RNG.standard_normal(x.shape).astype(np.float32)], {"x": Wave()})
    assert values["fidelity/esr"].value == pytest.approx((0 - 20) / 2, abs=0.2)
    assert judge("esr", [x, 0 * x], [0.5 * x, x], {"x": Wave()})["fidelity/esr"].value == pytest.approx(-6.02, abs=0.01)


def test_warping_equals_librosa() -> None:
    pairs = [(RNG.standard_normal((n, 4)), RNG.standard_normal((m, 4))) for n, m in ((7, 9), (12, 5), (1, 3))]
    ours = warped(*zip(*pairs, strict=True))
    for (t, o), value in zip(pairs, ours, strict=True):
        total, path = librosa.sequence.dtw(t.T, o.T, metric="euclidean")
        assert value == pytest.approx(total[-1, -1] / len(path))


def test_cepstra_of_a_tilt_are_the_definition() -> None:
    x = 0.1 * RNG.standard_normal(RATE).astype(np.float32)
    c = cepstra(x, RATE)
    assert c.shape[1] == 13
    assert np.allclose(cepstra(3 * x, RATE), c, atol=1e-3), "level does not count"


def test_tempo_is_forgiven_and_other_sounds_are_not() -> None:
    x, slow, other = chirp(1.0), chirp(1.4), chirp(1.0, 2000, 200)
    a, b, c = (judge("mel_dtw", [x], [y])["fidelity/mel_cepstral_distortion"].value for y in (x, slow, other))
    assert a == pytest.approx(0, abs=1e-3)
    assert b < 0.3 * c
    assert judge("mel_dtw", [0 * x], [x])["fidelity/mel_cepstral_distortion"].value is None


def test_duration_error_is_relative() -> None:
    x = np.zeros((1, 1000), np.float32)
    values = judge("duration", [x, x], [x[:, :900], np.zeros((1, 1300), np.float32)])
    assert values["fidelity/duration_error"].value == pytest.approx(20)
