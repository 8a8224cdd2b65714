"""The files of the talk's table: whole, escaped, repeatable; and the command that writes them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml import stats
from audioml.cli import guarded
from audioml.records import Record, Value, not_measured
from audioml.table import write_table
from audioml.talk import main, write_talk
from audioml.talk.agree import AGREE, DISAGREE, judge
from audioml.talk.cli import FILES
from audioml.talk.pages import Result, brief, json_text, long_csv, markdown, wide_csv
from audioml.talk.story import story
from tests.conftest import ROOT
from tests.talk_records import (
    RISING,
    ROWS,
    TALK,
    Told,
    built,
    record,
    sweep,
    write,
)


# ---- the files ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def result() -> Result:
    runs = sweep("enhancement", RISING) + sweep("codec", {row: RISING[row] for row in ROWS[:6]})
    runs += sweep("enhancement", RISING, share=0.25) + sweep("enhancement", RISING, share=0.0625)
    found = built(runs, Told({"codec": "a <b>reason</b> | with signs"}))
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
        write_talk([folder], tmp_path / out, show=False, planner=Told())
    assert {path.name for path in (tmp_path / "a").iterdir()} == set(FILES)
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in FILES)
    nested = tmp_path / "runs"
    record("enhancement", "unet", 0.5, 7).write(nested / "one" / "record.json")  # a fourth seed, as a run's folder
    write_talk([nested, folder], tmp_path / "c", show=False, planner=Told())
    seeds = {row["row"]: row["seeds"] for row in csv.DictReader(io.StringIO((tmp_path / "c" / "cells.csv").read_text()))}
    assert (seeds["unet"], seeds["rnn"]) == ("4", "3")


def broken(each: Record, rng: np.random.Generator) -> None:
    """Do something to a record that its reader lets pass."""
    name = list(each.values)[rng.integers(len(each.values))]
    odd = [Value("text"), Value(0), Value(-3.5, "\n|<b>" * 99), Value(1e300), not_measured("<i>"), Value(1.0, reason="at least")]
    value = odd[rng.integers(len(odd))]
    harm = [
        lambda: each.values.pop(name), lambda: each.values.update({name: value}), each.baselines.clear, each.ceilings.clear,
        each.items.clear, each.baseline_items.clear, lambda: each.items.update({each.primary: [None] * 24}),
        lambda: each.items.update({each.primary: [1.0] * 3}), lambda: each.axes.update(seed=["x"]), lambda: each.axes.update(share="all"),
        lambda: each.axes.update(data={"a": 1}), lambda: each.axes.update(budget=[1]), lambda: each.axes.update(row=["unet"]),
        lambda: each.provenance.update(created=5, test_items=[{}], measures=[2]), lambda: setattr(each, "primary", "no/such"),
        lambda: setattr(each, "primary", ""), each.provenance.clear, lambda: setattr(each, "status", "failed"),
        lambda: each.ceilings.update({each.primary: Value(0.0, "dB", "high")}), lambda: each.axes.update(preset=None),
    ]  # fmt: skip
    harm[rng.integers(len(harm))]()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_a_record_holds_the_files_are_written(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    runs = sweep("enhancement", RISING, seeds=2) + sweep("codec", RISING, seeds=2) + sweep("enhancement", RISING, seeds=2, share=0.25)
    for each in rng.permutation(np.array(runs, dtype=object))[:40]:
        broken(each, rng)
    write_talk([write(tmp_path / "records", runs)], tmp_path / "out", show=False, planner=Told())
    write_table([], tmp_path / "table", records=[tmp_path / "records"], show=False)
    for name in ("table.md", "what_the_talk_got_right.md"):
        assert "<b>" not in (tmp_path / "out" / name).read_text()
    assert json.loads((tmp_path / "out" / "table.json").read_text())["tasks"]


def test_wrong_requests_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guarded(lambda: main(["--talk", str(tmp_path / "none")])) == 2
    other = record("enhancement", "unet", 0.5)
    other.axes["row"] = "fcn"
    assert guarded(lambda: main(["--talk", str(write(tmp_path / "fcn", [other]))])) == 2
    assert guarded(lambda: main(["--talk", str(write(tmp_path / "r", [record("enhancement", "unet", 0.5)])), "--budget", "macs:1"])) == 2
    monkeypatch.chdir(tmp_path)
    assert guarded(lambda: main(["--talk"])) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 4
    assert "there is no folder" in errors[0]
    assert "of one of the talk's rows: cnn1d" in errors[1]
    assert "with budget 'macs:1'; there are: none (leave --budget away)" in errors[2]
    assert "there is neither outputs/runs nor docs/results/records/talk" in errors[3]


def test_the_script_knows_the_talk(tmp_path: Path) -> None:
    folder = write(tmp_path / "records", sweep("enhancement", RISING, seeds=2))
    words = [sys.executable, "scripts/table.py", "--talk", str(folder), "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "Fidelity: " in done.stdout
    assert "what_the_talk_got_right.md" in done.stdout
