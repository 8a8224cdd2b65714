"""PESQ and STOI on speech-like sound; on real speech where it lies beside the checkout."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioml.corpus import Clip
from audioml.kinds import Wave
from audioml.metrics import evaluate
from audioml.metrics.pesq import WORST
from audioml.parts import Task

RATE = 16000
JUDGED = Task("t", {"noisy": Wave()}, {"clean": Wave()}, ("pesq", "stoi"), "", (), "", "")


def babble(seconds, rate=RATE, seed=0):
    """A buzz with moving formants and syllables: enough like speech for PESQ to find utterances.  [1, T]."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * t + k) / k for k in range(1, 40))
    return ((buzz + 0.1 * rng.standard_normal(len(t))) * np.clip(np.sin(2 * np.pi * 3 * t), 0, 1) * 0.1)[None].astype(np.float32)


def judged(pairs, rate=RATE):
    clips = [Clip(str(i), {"noisy": clean, "clean": clean}) for i, (clean, _) in enumerate(pairs)]
    return evaluate(JUDGED, clips, [{"clean": out} for _, out in pairs], worlds={"clean": Wave(1, rate)})


def test_scores_agree_with_the_packages_and_fall_with_noise():
    import pesq
    import pystoi

    x = babble(2.0)
    noise = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    scores = judged([(x, x), (x, x + 0.01 * noise), (x, x + 0.1 * noise)])
    quality, clear = scores.items["fidelity/pesq_wb"], scores.items["fidelity/stoi"]
    assert quality[0] == pytest.approx(4.64, abs=0.01)
    assert quality[0] > quality[1] > quality[2]
    assert clear[0] == pytest.approx(1, abs=1e-6)
    assert clear[0] > clear[1] > clear[2]
    assert quality[1] == pytest.approx(pesq.pesq(RATE, x[0], (x + 0.01 * noise)[0], "wb"))
    assert clear[1] == pytest.approx(pystoi.stoi(x[0], (x + 0.01 * noise)[0], RATE))


def test_what_cannot_be_scored_is_counted_with_its_reason():
    x, short = babble(2.0), babble(0.1)
    scores = judged([(x, x), (short, short), (0 * x, x), (x, 0 * x)])
    pesq, stoi = scores.values["fidelity/pesq_wb"], scores.values["fidelity/stoi"]
    assert pesq.n == 2
    assert "silent target (1)" in pesq.reason
    assert "1/4 of a second" in pesq.reason
    assert stoi.n == 2
    assert "less than 30 frames of speech (1)" in stoi.reason
    assert scores.items["fidelity/pesq_wb"][3] == WORST == pytest.approx(1.04, abs=0.005)
    assert scores.items["fidelity/stoi"][3] == pytest.approx(0, abs=1e-3)


def test_rates():
    low = judged([(babble(1.0, 8000), babble(1.0, 8000))], 8000).values
    assert low["fidelity/pesq_wb"].value is None
    assert low["fidelity/pesq_wb"].reason == "PESQ wide-band needs audio of at least 16000 Hz, this is 8000 Hz"
    assert low["fidelity/stoi"].value == pytest.approx(1, abs=1e-6)
    high = judged([(babble(1.0, 44100), babble(1.0, 44100))], 44100).values
    assert high["fidelity/pesq_wb"].value == pytest.approx(4.64, abs=0.01)
    unknown = judged([(babble(1.0), babble(1.0))], None).values
    assert unknown["fidelity/stoi"].reason == "STOI needs the sampling rate, which the data does not state"


def test_real_noisy_speech_has_the_published_level():
    root = Path(os.environ.get("AUDIOML_DATA", Path(__file__).parents[3] / "shared" / "data")) / "libri_noisy"
    if not root.is_dir():
        pytest.skip(f"real speech is not here: {root}")
    with open(root / "metadata.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    pairs = [[soundfile.read(root / row[c], dtype="float32")[0][None] for c in ("clean_file_name", "file_name")] for row in rows]
    value = judged(pairs).values["fidelity/pesq_wb"]
    assert value.n == 42
    assert value.value == pytest.approx(1.39, abs=0.01)
    assert value.ci[0] < 1.39 < value.ci[1]
