"""The script that sets trained beat trackers beside librosa's: its trackers on a click, and its report."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml import shelf

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
peers = importlib.import_module("beat_peers")


@pytest.mark.parametrize("name", ["librosa", "untrained, by maximum", "untrained, by mean"])
def test_every_tracker_hears_a_click(name: str) -> None:
    rate, period = 16000, 0.5
    wave = 0.001 * np.random.default_rng(0).standard_normal(12 * rate).astype(np.float32)
    for beat in np.arange(0.25, 11.9, period):
        wave[int(beat * rate) :][:400] += np.sin(np.arange(400) * 0.4).astype(np.float32) * np.exp(-np.arange(400) / 80)
    rep = shelf.settings("representation", "activations", {}, "full")[0]
    search = {k: rep[k] for k in ("fps", "slowest", "fastest", "tightness")} | {"threshold": rep["doubt"]}
    beats = peers.trackers(search)[name](wave, rate)
    inner = beats[(beats > 1) & (beats < 11)]
    off = np.abs((inner - 0.25 + period / 2) % period - period / 2)
    assert len(inner) >= 18
    assert off.max() < 0.07


def test_the_report_compares_clip_by_clip_within_each_set() -> None:
    names = ["mdb/a", "mdb/b", "pop/c", "pop/d"]
    scores = {
        "trained": {"quality/beat_f": [1.0, 0.8, 0.6, None]},
        "librosa": {"quality/beat_f": [0.5, 0.3, 0.6, 0.2]},
    }
    rows = {(r["set"], r["tracker"]): r for r in peers.report(names, scores)}
    assert rows["mdb", "trained"]["value"] == pytest.approx(0.9)
    assert rows["mdb", "trained"]["over_librosa"] == pytest.approx(0.5)
    assert rows["pop", "trained"]["n"] == 1
    assert rows["pop", "librosa"]["over_librosa"] == pytest.approx(0.0)
