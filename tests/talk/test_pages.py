"""The files of the talk's table: whole, escaped, repeatable; and the command that writes them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from audioml import stats
from audioml.cli import guarded
from audioml.talk import main, write_talk
from audioml.talk.agree import AGREE, DISAGREE, judge
from audioml.talk.cli import FILES
from audioml.talk.pages import Result, brief, json_text, long_csv, markdown, wide_csv
from audioml.talk.story import story
from tests.conftest import ROOT
from tests.talk_records import RISING, ROWS, TALK, built, record, sweep, write


# ---- the files ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def result() -> Result:
    runs = sweep("enhancement", RISING) + sweep("codec", {row: RISING[row] for row in ROWS[:6]})
    runs += sweep("enhancement", RISING, share=0.25) + sweep("enhancement", RISING, share=0.0625)
    found = built(runs, lambda task, row: "a <b>reason</b> | with signs" if task == "codec" else "")
    return Result(TALK, found, judge(found, TALK), ["Skipped: a record."], "python scripts/table.py --talk")


def test_the_table_has_ten_rows_and_no_empty_cell(result: Result) -> None:
    rows = list(csv.DictReader(io.StringIO(wide_csv(result))))
    assert [row["row"] for row in rows] == list(ROWS)
    for row in rows:
        for column in TALK.aspects:
            assert row[column], (row["row"], column)
            assert row[f"{column}_talk"] == TALK.cells[row["row"], column].text
    assert "codec: does not fit: a <b>reason</b> | with signs" in rows[9]["fidelity"]
    assert "of the data [" in rows[0]["training_data_needs"] or "not reached" in rows[0]["training_data_needs"]


def test_each_measured_value_has_its_line(result: Result) -> None:
    rows = list(csv.DictReader(io.StringIO(long_csv(result))))
    assert {(row["task"], row["row"], row["column"]) for row in rows} == {
        (task, row, column) for task in ("codec", "enhancement") for row in ROWS for column in TALK.aspects
    }
    assert all(row["measured"] for row in rows)
    assert all(row["verdict"] in (AGREE, DISAGREE) or row["reason"] for row in rows)
    skill = next(row for row in rows if (row["task"], row["row"], row["measure"]) == ("enhancement", "unet", "skill"))
    assert float(skill["low"]) < float(skill["value"]) < float(skill["high"])


def test_json_keeps_pairs_and_numbers(result: Result) -> None:
    whole = json.loads(json_text(result))
    enhancement = next(task for task in whole["tasks"] if task["task"] == "enhancement")
    assert len(enhancement["pairs"]) == 45
    assert {pair["verdict"] for pair in enhancement["pairs"]} <= {stats.BETTER, stats.WORSE, stats.TIE}
    assert len(enhancement["cells"]) == 80
    assert whole["rule"]["within"] == TALK.rule.within


def test_pages_show_words_as_words(result: Result) -> None:
    text = markdown(result)
    assert "<b>" not in text
    assert "a &lt;b&gt;reason&lt;/b&gt; \\| with signs" in text
    said = story(result)
    assert "not of equal parameters or compute" in said
    assert "asr" in said  # the talk names it, nothing was measured
    assert "Fidelity: " in brief(result)
    assert text == markdown(result)


def test_the_command_writes_the_files_and_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "records", sweep("enhancement", RISING))
    for out in ("a", "b"):
        write_talk([folder], tmp_path / out, show=False, why=lambda task, row: "")
    assert {path.name for path in (tmp_path / "a").iterdir()} == set(FILES)
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in FILES)
    nested = tmp_path / "runs"
    record("enhancement", "unet", 0.5).write(nested / "one" / "record.json")
    write_talk([nested, folder], tmp_path / "c", show=False, why=lambda task, row: "")


def test_wrong_requests_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guarded(lambda: main(["--talk", str(tmp_path / "none")])) == 2
    other = record("enhancement", "unet", 0.5)
    other.axes["row"] = "fcn"
    assert guarded(lambda: main(["--talk", str(write(tmp_path / "fcn", [other]))])) == 2
    monkeypatch.chdir(tmp_path)
    assert guarded(lambda: main(["--talk"])) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 3
    assert "there is no folder" in errors[0]
    assert "of one of the talk's rows: cnn1d" in errors[1]
    assert "there is neither outputs/runs nor docs/results/records/talk" in errors[2]


def test_the_script_knows_the_talk(tmp_path: Path) -> None:
    folder = write(tmp_path / "records", sweep("enhancement", RISING, seeds=2))
    words = [sys.executable, "scripts/table.py", "--talk", str(folder), "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "Fidelity: " in done.stdout
    assert "what_the_talk_got_right.md" in done.stdout
