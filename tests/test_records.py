"""Records: written whole or not at all, read without trust."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audioml import records
from audioml.errors import RunError
from audioml.records import Record, Value, not_measured

AXES = {"task": "enhancement", "row": "unet", "model": "unet", "representation": {"noisy": "stft"}, "seed": 3}


def record(**changes: object) -> Record:
    made = Record(
        "0123456789", dict(AXES), primary="fidelity/si_sdr_improvement",
        values={"fidelity/si_sdr_improvement": Value(5.5, "dB", "high", 3, (5.0, 6.0)), "x/none": not_measured("no pesq", "MOS")},
        baselines={"fidelity/si_sdr_improvement": Value(0.0, "dB", "high", 3)},
        ceilings={"fidelity/si_sdr_improvement": Value(14.0, "dB", "high", 3)},
        items={"fidelity/si_sdr_improvement": [5.0, None, 6.0]}, baseline_items={"fidelity/si_sdr_improvement": [0.0, 0.0, 0.0]},
        provenance={"data_fingerprint": "abc", "seed": 3},
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record().write(tmp_path / "run" / "record.json")
    assert Record.read(tmp_path / "run" / "record.json") == record()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["record.json"]


def test_the_shape_is_the_published_one() -> None:
    raw = record(status="failed", error="NaN").as_dict()
    assert set(raw) >= {"schema", "signature", "axes", "values", "baselines", "provenance", "status", "error"}
    assert (raw["schema"], raw["status"], raw["error"], record().as_dict()["error"]) == (1, "failed", "NaN", None)
    assert raw["values"]["fidelity/si_sdr_improvement"] == {
        "value": 5.5, "unit": "dB", "better": "high", "n": 3, "ci": [5.0, 6.0],
    }  # fmt: skip
    assert raw["values"]["x/none"]["value"] is None
    assert raw["values"]["x/none"]["reason"] == "no pesq"


def test_nan_and_infinity_become_null_with_the_reason(tmp_path: Path) -> None:
    values = {"a/nan": Value(math.nan), "a/inf": Value(math.inf, ci=(0.0, math.inf)), "a/bare": Value(None)}
    record(values=values, items={"a/nan": [math.nan, 1.0]}, provenance={"lr": -math.inf}).write(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text()
    raw = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert raw["values"]["a/nan"]["reason"] == "not finite (nan)"
    assert raw["values"]["a/inf"] == {"value": None, "unit": "", "better": "", "n": None, "ci": None, "reason": "not finite (inf)"}
    assert raw["values"]["a/bare"]["reason"] == "not measured"
    assert raw["items"] == {"a/nan": [None, 1.0]}
    assert raw["provenance"] == {"lr": None}


def test_numpy_numbers_and_paths_are_plain(tmp_path: Path) -> None:
    import numpy as np

    axes = AXES | {"seed": np.int64(3), "data": Path("x")}
    record(axes=axes, values={"a/b": Value(np.float32(0.5), n=4, ci=(np.float64(0), np.float64(1)))}).write(tmp_path / "r.json")
    read = Record.read(tmp_path / "r.json")
    assert (read.axes["seed"], read.axes["data"], read.values["a/b"].value) == (3, "x", 0.5)


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(RunError, match="a record's status is one of done, failed, interrupted, not 'finished'"):
        record(status="finished").as_dict()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "cannot write .*record.json: the disk is full; free some space, then repeat the command"),
        (errno.EACCES, "cannot write .*record.json: Permission denied"),
    ],
)
def test_a_failed_write_is_a_sentence_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, sentence: str
) -> None:
    path = tmp_path / "record.json"
    record().write(path)
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=sentence):
        record(status="failed").write(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["record.json"]


GOOD = record().as_dict()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is not valid JSON"),
        ('{"schema": 1, "axes"', "it is not valid JSON"),
        (b"\xff\xfe\x00", "it is not valid JSON"),
        ("[" * 100_000, "it is not valid JSON"),
        ("[1, 2]", r"it is not an audioml record \(no key 'schema'\)"),
        ({"name": "package.json"}, r"it is not an audioml record \(no key 'schema'\)"),
        (GOOD | {"schema": 7}, "it has schema 7, this version reads schema 1"),
        (GOOD | {"axes": ["enhancement"]}, "its 'axes' do not name a task"),
        (GOOD | {"axes": {"task": 3}}, "its 'axes' do not name a task"),
        (GOOD | {"status": "perfect"}, "its status is 'perfect', not one of done, failed, interrupted"),
        (GOOD | {"values": [1]}, "its 'values' is not an object"),
        (GOOD | {"values": {"a/b": 3}}, "a value is not an object with the key 'value'"),
        (GOOD | {"values": {"a/b": {"value": [1]}}}, "a value is neither a number nor a text nor null"),
        (GOOD | {"values": {"a/b": {"value": 1, "better": "up"}}}, "'better' is 'up', not one of"),
        (GOOD | {"values": {"a/b": {"value": 1, "unit": 5}}}, "its 'unit' is not a text"),
        (GOOD | {"items": {"a/b": 3}}, "its 'items' of 'a/b' is not a list"),
        (GOOD | {"baseline_items": 3}, "its 'baseline_items' is not an object"),
        (GOOD | {"provenance": "me"}, "its 'provenance' is not an object"),
    ],
)
def test_a_file_that_is_no_sound_record_is_one_sentence(tmp_path: Path, text: object, sentence: str) -> None:
    path = tmp_path / "record.json"
    data = text if isinstance(text, bytes) else text.encode() if isinstance(text, str) else json.dumps(text).encode()
    path.write_bytes(data)
    with pytest.raises(RunError, match=sentence) as caught:
        Record.read(path)
    assert str(caught.value).startswith(f"cannot read the record {path}: ")
    assert "\n" not in str(caught.value)


def test_a_folder_a_missing_and_a_huge_file_are_no_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(RunError, match="it is no file"):
            Record.read(path)
    monkeypatch.setattr(records, "LARGEST", 2**20)
    (tmp_path / "huge.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(RunError, match="it is larger than 1 MiB, so it is no record"):
        Record.read(tmp_path / "huge.json")


def test_numbers_beyond_all_measure_are_not_finite(tmp_path: Path) -> None:
    text = json.dumps(GOOD).replace("5.5", "1e999").replace("[5.0, null, 6.0]", f"[5.0, 1e999, {10**400}]")
    (tmp_path / "r.json").write_text(text)
    read = Record.read(tmp_path / "r.json")
    assert read.values[read.primary] == Value(None, "dB", "high", 3, (5.0, 6.0), "not finite")
    assert read.items[read.primary] == [5.0, None, None]


def test_reading_records_needs_neither_torch_nor_numpy() -> None:
    script = "import sys, audioml.records, audioml.history, audioml.provenance; print({'torch', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "set()"
