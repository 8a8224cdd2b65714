"""data.trim: silence around a recording is left out, in training and in evaluation, and nothing of the sound is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audioml import shelf
from audioml.errors import RequestError

RATE = 16000


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Twelve half-second tones with silence of 0.4 s before and 0.7 s after, in two classes."""
    for i in range(12):
        tone = 0.3 * np.sin(2 * np.pi * (300 + 40 * i) * np.arange(RATE // 2) / RATE)
        wave = np.concatenate([np.zeros(int(0.4 * RATE)), tone, np.zeros(int(0.7 * RATE))]) + 1e-5
        place = tmp_path / "set" / ("low" if i % 2 else "high")
        place.mkdir(parents=True, exist_ok=True)
        sf.write(place / f"{i}.wav", wave, RATE)
    return tmp_path


def corpus(place: Path, **user: object) -> object:
    keys = {"path": str(place / "set"), "cache": str(place / "cache"), **user}
    return shelf.make("data", "folder", keys).prepare(shelf.make("task", "classification"))


def test_the_silence_goes_and_the_sound_stays(spoken: Path) -> None:
    plain, cut = corpus(spoken), corpus(spoken, trim=30.0)
    for split in ("train", "test"):
        for i in range(cut.size(split)):
            whole, short = plain.clip(split, i).ports["audio"], cut.clip(split, i).ports["audio"]
            assert whole.shape[-1] == int(1.6 * RATE)
            assert 0.5 * RATE <= short.shape[-1] <= 0.5 * RATE + 4 * 256
            assert np.square(short).sum() == pytest.approx(np.square(whole).sum(), rel=1e-3)
    x, n = cut.train_batch(0, 4, None, 0)["audio"]
    assert n.max() <= 0.5 * RATE + 4 * 256
    assert (np.square(x).sum((1, 2)) > 0.9 * 0.045 * 0.5 * RATE).all()
    assert plain.fingerprint != cut.fingerprint


def test_what_it_cannot_serve_is_told(spoken: Path) -> None:
    with pytest.raises(RequestError, match=r"data\.trim=0\.0 should be null, or more than 0 and at most 120 dB"):
        corpus(spoken, trim=0.0)
