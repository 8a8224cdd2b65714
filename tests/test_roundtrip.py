"""Round trips: clips found, numbers right, the page whole and safe, errors told."""

from __future__ import annotations

import csv
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audioml import shelf
from audioml.errors import RequestError
from audioml.kinds import Wave
from audioml.roundtrip import measure, run
from audioml.roundtrip.clips import Training, find_clips
from tests.conftest import ROOT, tone

FEW = ("waveform", "mulaw", "stft_mag", "chroma", "lpc", "logmel")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets: one with metadata, a broken file and a silent one, and one of plain files with a hostile name."""
    root, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    (root / "told").mkdir()
    rows = []
    for i in range(6):
        sf.write(root / "told" / f"{i}.wav", tone(rng, 200 + 50 * i, 0.7) + 0.01 * rng.standard_normal(11200), 16000)
        rows.append({"file_name": f"{i}.wav", "clean_file_name": f"{i}.wav", "notes": "x", "split": "test" if i < 4 else "train"})
    (root / "told" / "3.wav").write_bytes(b"no sound")
    sf.write(root / "told" / "2.wav", np.zeros(8000), 16000)
    with (root / "told" / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    plain = root.parent / "plain"
    plain.mkdir()
    for i in range(4):
        sf.write(plain / f"<img src=x onerror=alert({i})>.wav", tone(rng, 300, 0.5), 16000)
    return root


def test_clips_come_from_test_rows_and_books_from_the_others(place: Path) -> None:
    measured, training, where = find_clips([str(place), str(place.parent / "plain")])
    assert [c.name for c in measured[:2]] == ["told/0", "told/1"]  # 2 is silent, 3 broken
    assert {c.name for c in training if c.group == "told"} == {"told/4", "told/5"}
    assert len(measured) == 4
    assert not {c.name for c in measured} & {c.name for c in training}
    assert "plain" in where
    x, n = Training(training).train_batch(3, 5, 0.25, 0)["audio"]
    assert x.shape == (5, 1, 4000)
    assert np.array_equal(x, Training(training).train_batch(3, 5, 0.25, 0)["audio"][0])


def test_the_folder_named_by_the_environment_is_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOML_DATA", str(place))
    assert len(find_clips([])[0]) == 2


def test_wrong_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--clips: there is no .*nowhere"):
        find_clips([str(tmp_path / "nowhere")])
    with pytest.raises(RequestError, match="no audio to measure in .* name files or folders with --clips"):
        find_clips([str(tmp_path)])


def test_every_representation_of_sound_is_there() -> None:
    names = {name for name, _ in measure.audio_representations()}
    assert names == {n for n in shelf.parts("representation") if Wave in shelf.make("representation", n).carries}
    assert {"mulaw", "mfcc", "cqt", "chroma", "f0", "lpc", "logmel", "stft_power"} <= names


def test_table_and_page(place: Path, tmp_path: Path) -> None:
    text = run([str(place), str(place.parent / "plain")], tmp_path, FEW)
    saved = json.loads((tmp_path / "table.json").read_text())
    rows = {r["name"]: r for r in saved["rows"]}
    assert len(saved["clips"]) == 4
    assert rows["waveform"]["si_sdr"]["value"] == pytest.approx(100, abs=5)
    assert 30 < rows["mulaw"]["si_sdr"]["value"] < 45
    assert rows["lpc excitation=residual"]["mel_distance"]["value"] < 0.01
    assert rows["logmel"]["si_sdr"]["value"] < 10 < rows["mulaw"]["si_sdr"]["value"]
    assert rows["logmel"]["mel_distance"]["value"] < rows["lpc excitation=noise"]["mel_distance"]["value"]
    assert rows["logmel"]["n"] == 4
    low, high = rows["logmel"]["mel_distance"]["ci"]
    assert low <= rows["logmel"]["mel_distance"]["value"] <= high
    assert set(rows["mulaw"]["sets"]) == {"told", "plain"}
    assert "does not render" in text
    assert "phase of the clip itself" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    page = (tmp_path / "index.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert page.count("<article>") == 1 + len(rows)
    assert page.count("<audio") == 1 + sum("si_sdr" in r for r in saved["rows"])
    assert page.count("data:image/png") == 1 + len(rows)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page


def test_si_sdr_is_that_of_the_metric_and_takes_exact_copies() -> None:
    from audioml.metrics._base import Items
    from audioml.metrics.si_sdr import score

    rng = np.random.default_rng(0)
    target = [0.1 * rng.standard_normal(4000).astype(np.float32) for _ in range(3)]
    output = [2 * t + 0.05 * rng.standard_normal(4000).astype(np.float32) for t in target]
    theirs = score(Items([t[None] for t in target], [o[None] for o in output], None, Wave(1, 16000)))["fidelity/si_sdr"].rows
    np.testing.assert_allclose(measure.si_sdr(target, output), np.ravel(theirs), atol=1e-3)
    assert measure.si_sdr(target, target).tolist() == [100.0] * 3


def test_what_needs_a_run_or_learns_says_so(place: Path) -> None:
    measured, training, _ = find_clips([str(place)])
    found = measure.trips(measured, training, ["codec"])
    assert "representation.run=FOLDER" in found[0].reason
    assert "representation.run=FOLDER" in measure.markdown(measure.table(found, measured))


def test_the_script_runs_and_refuses(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["matrix.py", "--roundtrip", "--out", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(ROOT / "scripts" / "matrix.py"), run_name="__main__")
        return left.value.code

    assert script("--clips", str(place), "--only", "mulaw") == 0
    assert "mulaw" in capsys.readouterr().out
    assert (tmp_path / "index.html").is_file()
    assert script("--clips", str(tmp_path / "gone")) == 2
    assert "there is no" in capsys.readouterr().err
