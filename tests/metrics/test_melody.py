"""Melody accuracy: what it hears and what it does not, and librosa's pitch classes."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from audioml.corpus import Clip
from audioml.kinds import Wave
from audioml.metrics import evaluate
from audioml.parts import Task

RATE = 16000
TASK = Task("codec", {"audio": Wave()}, {"decoded": Wave()}, ("melody",), "", (), "", "")
TUNE = (60, 64, 67, 65, 62, 71)


def played(notes: tuple[int, ...], partials: tuple[float, ...] = (1.0, 0.5, 0.25), gain: float = 0.1) -> np.ndarray:
    """Half a second a note, [1, T]."""
    t = np.arange(RATE // 2) / RATE
    hz = [440 * 2 ** ((note - 69) / 12) for note in notes]
    return gain * np.concatenate([sum(a * np.sin(2 * np.pi * (k + 1) * f * t) for k, a in enumerate(partials)) for f in hz])[None]


def accuracy(target: np.ndarray, output: np.ndarray) -> float | None:
    scores = evaluate(TASK, [Clip("a", {"audio": target, "decoded": target})], [{"decoded": output}], worlds={"decoded": Wave(1, RATE)})
    return scores.values["fidelity/melody_accuracy"].value


def test_octave_level_and_weak_partials_do_not_count_and_notes_do() -> None:
    tune = played(TUNE)
    assert accuracy(tune, tune) == 1
    assert accuracy(tune, played(tuple(note + 12 for note in TUNE), (1.0,), 0.01)) > 0.9
    assert accuracy(tune, played(tuple(note + 1 for note in TUNE))) < 0.1
    half = played(TUNE[:3] + tuple(note + 1 for note in TUNE[3:]))
    assert accuracy(tune, half) == pytest.approx(0.5, abs=0.1)


def test_a_strong_third_partial_is_another_pitch_class() -> None:
    tune = played(TUNE)
    reedy = played(TUNE, (0.2, 0.1, 1.0))
    assert accuracy(tune, reedy) < 0.1
    assert accuracy(played(tuple(note + 7 for note in TUNE)), reedy) > 0.9


def test_silence_agrees_with_nothing_and_has_no_melody() -> None:
    cs = played((60, 60))
    assert accuracy(cs, np.zeros_like(cs)) == 0
    assert accuracy(np.zeros_like(cs), cs) is None


def test_only_frames_that_sound_count() -> None:
    tune = played(TUNE)
    paused = np.concatenate([tune, np.zeros((1, RATE)), tune], 1)
    noisy = paused + 1e-5 * np.random.default_rng(0).standard_normal(paused.shape)
    assert accuracy(noisy, paused) > 0.98


def test_agrees_with_librosa() -> None:
    """Its strongest pitch classes over the same frames, frame by frame, against those of another tune."""
    target, output = played(TUNE), played(TUNE[::-1], (1.0, 0.8, 0.1, 0.3))
    classes = []
    for x in (target, output):
        power = np.abs(librosa.stft(x[0].astype(np.float32), n_fft=4096, hop_length=1024, pad_mode="constant")) ** 2
        classes.append((librosa.filters.chroma(sr=RATE, n_fft=4096, tuning=0.0) @ power).argmax(0))
    assert accuracy(target, output) == pytest.approx(float((classes[0] == classes[1]).mean()), abs=0.05)
