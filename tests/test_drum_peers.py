"""The script that sets separated drums beside HPSS: clicks come out of a tone, and the record must say whose they are."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioml.errors import RequestError
from audioml.records import Record, Value

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
peers = importlib.import_module("drum_peers")


def test_clicks_are_drums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rate, rng = 16000, np.random.default_rng(0)
    drums = np.zeros(2 * rate)
    for start in range(1000, len(drums) - 400, 4000):
        drums[start : start + 400] += 0.3 * rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    mix = drums + 0.2 * np.sin(2 * np.pi * 440 * np.arange(len(drums)) / rate)
    soundfile.write(tmp_path / "mix.flac", mix, rate)
    soundfile.write(tmp_path / "drums.flac", drums, rate)
    (tmp_path / "metadata.csv").write_text("file_name,drums_file_name\nmix.flac,drums.flac\n")
    assert peers.measured(tmp_path)["mix"] > 5
    record = Record(
        "a", {"task": "separation"}, {peers.OWN: Value(20.0, "dB", "high")}, items={peers.OWN: [20.0]},
        provenance={"test_items": ["mix"]},
    )  # fmt: skip
    record.write(tmp_path / "record.json")
    peers.main([str(tmp_path), str(tmp_path / "record.json")])
    assert "trained  20.00 dB" in capsys.readouterr().out
    Record("a", {"task": "separation"}).write(tmp_path / "bare.json")
    with pytest.raises(RequestError, match="has no fidelity/si_sdr_improvement_drums per named song"):
        peers.main([str(tmp_path), str(tmp_path / "bare.json")])
