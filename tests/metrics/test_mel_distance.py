"""Mel distance against its definition in librosa, and what it hears."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from audioml.corpus import Clip
from audioml.kinds import Wave
from audioml.metrics import evaluate
from audioml.parts import Task

RATE = 16000
TASK = Task("codec", {"audio": Wave()}, {"decoded": Wave()}, ("mel_distance",), "", (), "", "")


def speechlike(seed: int = 0, samples: int = 12000) -> np.ndarray:
    """Noise whose level and colour change."""
    rng = np.random.default_rng(seed)
    x = np.convolve(rng.standard_normal(samples), np.hanning(9), "same") * (0.02 + np.sin(np.arange(samples) / 1500) ** 2)
    return (0.05 * x).astype(np.float32)[None]


def distance(target: np.ndarray, output: np.ndarray) -> float | None:
    scores = evaluate(TASK, [Clip("a", {"audio": target, "decoded": target})], [{"decoded": output}], worlds={"decoded": Wave(1, RATE)})
    return scores.values["fidelity/mel_distance"].value


def by_librosa(target: np.ndarray, output: np.ndarray) -> float:
    found = []
    for size in (512, 2048):
        bank = librosa.filters.mel(sr=RATE, n_fft=size, n_mels=80)
        t, o = (bank @ np.abs(librosa.stft(x[0], n_fft=size, hop_length=size // 4, pad_mode="constant")) ** 2 for x in (target, output))
        heard = bank.sum(1) > 0
        floor = t.max() * 1e-6
        found.append(np.abs(10 * np.log10(np.maximum(t, floor) / np.maximum(o, floor)))[heard].mean())
    return float(np.mean(found))


def test_it_is_its_definition_in_librosa() -> None:
    target, output = speechlike(0), speechlike(0) * 0.7 + 0.2 * speechlike(1)
    assert distance(target, output) == pytest.approx(by_librosa(target, output), rel=1e-3)


def test_copies_gains_phases_and_silence() -> None:
    x = speechlike()
    assert distance(x, x) == pytest.approx(0, abs=1e-4)
    assert distance(x, -x) == pytest.approx(0, abs=1e-4)
    assert 5.0 < distance(x, x / 2) < 6.03  # 6.02 dB where nothing meets the floor
    assert distance(x, 0 * x) > 20
    assert distance(0 * x, x) is None
