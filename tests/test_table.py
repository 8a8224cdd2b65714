"""The table: what may be compared, what is said of what may not, and every file format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audioml import stats
from audioml.cli import guarded
from audioml.records import Record, Value, not_measured
from audioml.table import Table, build_table, main, write_table
from audioml.table.cells import clean, number, with_interval
from audioml.table.collect import find_runs
from audioml.table.columns import COLUMNS
from audioml.table.paired import paired_delta
from audioml.table.rows import by_run
from audioml.table.text import csv_text, json_text, markdown, print_table
from tests.sample_runs import HOSTILE, ITEMS, PRIMARY, bare, enhancement, gallery


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def table(runs: Path) -> Table:
    return build_table(find_runs([runs]))


# ---- what is compared ----------------------------------------------------------------------------------------------
def test_one_table_per_task_sorted_best_first_by_its_own_metric(table: Table) -> None:
    assert [section.task for section in table.sections] == ["asr", "enhancement"]
    asr_, enhancement_ = table.sections
    assert [row.name for row in asr_.rows] == ["rnn", "cnn1d"]  # a low word error rate is good
    assert [row.name for row in enhancement_.rows] == [
        "oracle", "unet", "rnn", "cnn1d", "transformer", "fcn", "identity", HOSTILE, "cnn2d", "vae",
    ]  # fmt: skip
    assert next(c.title for c in asr_.columns if c.key == "primary") == "WER"
    assert next(c.title for c in enhancement_.columns if c.key == "primary") == "SI-SDR improvement dB"


def test_the_table_itself_says_who_beats_the_baseline(table: Table) -> None:
    said = {row.name: row.cells["delta"].text for row in table.sections[1].rows}
    assert re.fullmatch(r"\+7\.\d\d \[\d\.\d\d, \d\.\d\d\] ✓ beats", said["unet"])
    assert said["fcn"].endswith("✗ does not beat")
    assert said[HOSTILE].endswith("✗ worse")
    assert said["identity"] == "floor"
    assert table.sections[1].summary.startswith("4 of 6 trained rows beat the baseline")
    assert table.sections[1].summary.endswith("1 failed; 1 interrupted.")
    assert {row.delta.verdict for row in table.sections[0].rows} == {"beats"}  # lower than the baseline's error rate


def test_a_failed_and_an_interrupted_run_are_rows_that_say_so(table: Table) -> None:
    ended = {row.name: row for row in table.sections[1].rows if not row.done}
    assert ended["cnn2d"].cells["status"].text == "failed: the loss became NaN at step 120 (batch 7)"
    assert ended["vae"].cells["status"].text == "interrupted: Ctrl-C"
    assert ended["cnn2d"].cells["primary"].reason == "the run failed"


def test_what_was_not_measured_says_why(table: Table) -> None:
    section = table.sections[1]
    cell = section.rows[1].cells["pesq"]
    assert (cell.text, cell.reason) == ("–", "package 'pesq' is not installed (pip install pesq)")
    assert "PESQ: package 'pesq' is not installed (pip install pesq) (all runs)." in section.notes
    assert "wer" in [column.key for column in section.absent]  # no run speaks of it: no column of dashes


def test_units_are_the_columns(table: Table) -> None:
    unet = next(row for row in table.sections[1].rows if row.name == "unet")
    assert unet.cells["receptive"].value == pytest.approx(1.02)  # recorded as 1020 ms
    assert unet.cells["memory"].text == "114 MiB"  # recorded as 120 MB
    assert unet.cells["parameters"].text == "447 k"


def test_a_bound_and_an_explained_value_say_so(table: Table) -> None:
    unet = next(row for row in table.sections[1].rows if row.name == "unet")
    assert unet.cells["receptive"].text == "≥ 1.02"
    assert (unet.cells["streaming"].text, unet.cells["streaming"].reason) == ("offline", "it attends to both sides")


def test_a_run_bears_the_name_that_its_user_gave(tmp_path: Path) -> None:
    bare(tmp_path, "unet", provenance={"name": HOSTILE}, axes={"row": "gan"})
    (section,) = build_table(find_runs([tmp_path])).sections
    assert section.rows[0].name == f"gan (unet) “{HOSTILE}”"


def test_other_data_and_other_test_items_are_tables_of_their_own(tmp_path: Path) -> None:
    bare(tmp_path, "a")
    bare(tmp_path, "b")
    bare(tmp_path, "other-data", provenance={"data_fingerprint": "bb"})
    bare(tmp_path, "fewer", items={PRIMARY: [5.0] * 9}, baseline_items={PRIMARY: [0.0] * 9})
    bare(tmp_path, "early", status="failed", values={}, items={}, error="x")
    sections = build_table(find_runs([tmp_path])).sections
    assert [[row.name for row in section.rows] for section in sections] == [["a", "b", "early"], ["fewer"], ["other-data"]]
    assert [section.about for section in sections] == [
        "40 test items · data aa", "9 test items · data aa", "40 test items · data bb",
    ]  # fmt: skip
    note = "Other runs of this task have a table of their own, they differ in: data, test items."
    assert all(section.notes[-1] == note for section in sections)


def test_left_out_items_do_not_make_another_table(tmp_path: Path) -> None:
    note = "1 of 40 items left out: silent target (1)"
    bare(tmp_path, "a")
    bare(tmp_path, "b", values={PRIMARY: Value(5.0, "dB", "high", ITEMS - 1, reason=note)}, items={PRIMARY: [None] + [5.0] * 39})
    (section,) = build_table(find_runs([tmp_path])).sections
    assert [row.name for row in section.rows] == ["a", "b"]
    assert any(note in words for words in section.notes)
    assert any("1 of 40 items could not be compared (b)" in words for words in section.notes)


def test_of_equal_runs_the_newest_finished_one_is_shown(tmp_path: Path) -> None:
    for index, (status, day) in enumerate([("done", "01"), ("done", "02"), ("failed", "03")]):
        made = {"created": f"2026-01-{day}T00:00:00+00:00", "data_fingerprint": "aa"}
        bare(tmp_path, f"run{index}", signature="same", axes={"model": "unet"}, status=status, provenance=made)
    found = find_runs([tmp_path])
    assert [run.name for run in found.runs] == ["run1"]
    assert found.notes == ["2 older run(s) of the same settings and data are not shown."]


# ---- seeds ---------------------------------------------------------------------------------------------------------
def three_seeds(root: Path, model: str, levels: list[float], **more: Any) -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, ITEMS)
    for seed, level in enumerate(levels):
        items = (level + shared + rng.normal(0, 0.2, ITEMS)).tolist()
        values = {PRIMARY: Value(sum(items) / ITEMS, "dB", "high", ITEMS), "latency/block_p95_ms": Value(1.0 + seed, "ms", "low"),
                  "streaming/class": Value("online")}  # fmt: skip
        bare(root, f"{model}{seed}", axes={"model": model, "seed": seed}, values=values, items={PRIMARY: items}, **more)


def test_runs_that_differ_in_the_seed_alone_are_one_row(tmp_path: Path) -> None:
    three_seeds(tmp_path, "unet", [5.0, 5.1, 4.9])
    (section,) = build_table(find_runs([tmp_path])).sections
    (row,) = section.rows
    items = np.array([run.record.items[PRIMARY] for run in row.runs])
    cell = row.cells["primary"]
    assert cell.value == pytest.approx(items.mean())
    assert cell.ci[0] < items.mean() < cell.ci[1]
    assert cell.ci == stats.estimate(items.tolist()).ci
    assert (row.cells["seeds"].text, row.cells["seed"].text, row.cells["p95"].value) == ("3 seeds", "0, 1, 2", 2.0)
    assert row.cells["spread"].value == pytest.approx(items.mean(1).std(ddof=1))
    assert row.cells["streaming"].text == "online"
    assert row.delta.ci == pytest.approx(stats.contrast(dict(enumerate(items)), dict(enumerate(np.zeros((3, ITEMS))))).ci)
    assert {run["run"] for run in json.loads(json_text(Table([section], []), "x"))["sections"][0]["rows"][0]["seeds"].values()} == {
        "unet0", "unet1", "unet2",
    }  # fmt: skip


def test_ties_are_shown_as_ties_and_one_seed_wins_nothing(tmp_path: Path) -> None:
    three_seeds(tmp_path, "good", [5.0, 5.1, 4.9])
    three_seeds(tmp_path, "even", [5.05, 4.95, 5.05])
    three_seeds(tmp_path, "bad", [1.0, 1.1, 0.9])
    three_seeds(tmp_path, "lone", [9.0])
    (section,) = build_table(find_runs([tmp_path])).sections
    said = {row.name: row.cells["standing"].text for row in section.rows}
    assert said == {"lone": stats.ONE_SEED, "good": stats.TIED, "even": stats.TIED, "bad": stats.BEHIND}


def test_a_lost_seed_is_told(tmp_path: Path) -> None:
    three_seeds(tmp_path, "gan", [5.0, 5.1])
    bare(tmp_path, "gan2", axes={"model": "gan", "seed": 2}, status="failed", values={}, items={}, error="NaN")
    (section,) = build_table(find_runs([tmp_path])).sections
    assert [row.record.status for row in section.rows] == ["done", "failed"]
    assert "gan: seed 2 did not finish; its row is of the seeds that did, which may flatter it." in section.notes


def test_runs_of_one_seed_that_differ_in_a_setting_stay_apart(tmp_path: Path) -> None:
    for name, family in (("a0", "A"), ("b0", "B")):
        bare(tmp_path, name, axes={"model": "unet"}, provenance={"data_fingerprint": "aa", "family": family})
    bare(tmp_path, "a1", axes={"model": "unet", "seed": 1}, provenance={"data_fingerprint": "aa", "family": "A"})
    (section,) = build_table(find_runs([tmp_path])).sections
    assert sorted(len(row.runs) for row in section.rows) == [1, 2]
    unsaid = tmp_path / "unsaid"
    for name in ("c", "d"):  # the records do not say what they differ in, so neither can be a seed of the other
        bare(unsaid, name, axes={"model": "unet"})
    bare(unsaid, "e", axes={"model": "unet", "seed": 1})
    assert [len(row.runs) for row in build_table(find_runs([unsaid])).sections[0].rows] == [1, 1, 1]


@pytest.mark.parametrize(
    ("axes", "provenance", "words"),
    [
        ({}, {"measures": "metrics 2, probes 2"}, "version of metrics and probes"),
        ({"budget": "params 300000"}, {}, "budget"),
        ({"share": 0.25}, {}, "share of the training data"),
    ],
)
def test_what_was_measured_under_other_conditions_is_not_mixed(tmp_path: Path, axes: dict, provenance: dict, words: str) -> None:
    bare(tmp_path, "a")
    bare(tmp_path, "b", axes=axes, provenance={"data_fingerprint": "aa"} | provenance)
    sections = build_table(find_runs([tmp_path])).sections
    assert sorted(len(section.rows) for section in sections) == [1, 1]
    assert all(f"they differ in: {words}." in section.notes[-1] for section in sections)
    assert len({f"{section.title} {section.about}" for section in sections}) == 2


def test_each_seeds_curve_and_sound_stay_reachable(tmp_path: Path) -> None:
    for seed in range(2):
        enhancement(tmp_path, "unet", 5.0, seed)
    (section,) = build_table(find_runs([tmp_path])).sections
    (row,) = section.rows
    assert [each.name for each in by_run([row])] == ["unet · seed 0", "unet · seed 1"]


# ---- the test against the baseline ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("run", "baseline", "better", "verdict", "reason"),
    [
        ([1.1, 1.2, 1.0, 1.3, 1.1, 1.2], [0.0] * 6, "high", "beats", ""),
        ([1.1, 1.2, 1.0, 1.3, 1.1, 1.2], [0.0] * 6, "low", "worse", ""),
        ([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], [0.0] * 6, "high", "even", ""),
        ([0.0] * 6, [0.0] * 6, "high", "even", ""),
        ([2.0, 9.0, 3.0, 7.0, 5.0, 1.0], [1.0, 8.0, 2.0, 6.0, 4.0, 0.0], "high", "beats", ""),  # paired: items differ, gains do not
        ([], [], "high", "untested", "not tested: no per-item numbers in the record"),
        ([1.0] * 6, [0.0] * 5, "high", "untested", "not tested: 6 items against the baseline's 5"),
        ([1.0] * 4, [0.0] * 4, "high", "untested", "not tested: 4 comparable items, at least 5 are needed"),
        ([1.0] * 6, [0.0] * 6, "", "untested", "not tested: the record does not say which direction is better"),
        ([1.0] * 6 + [None], [0.0] * 7, "high", "beats", "1 of 7 items could not be compared"),
    ],
)
def test_verdicts(run: list, baseline: list, better: str, verdict: str, reason: str) -> None:
    delta = paired_delta(run, baseline, better)
    assert (delta.verdict, delta.reason) == (verdict, reason)


def test_too_few_items_are_no_evidence(tmp_path: Path) -> None:
    bare(tmp_path, "a", items={PRIMARY: [5.0] * 4}, baseline_items={PRIMARY: [0.0] * 4})
    (section,) = build_table(find_runs([tmp_path])).sections
    assert section.summary == "No trained row could be tested against the baseline; 1 not tested."
    assert "Δ over baseline: not tested: 4 comparable items, at least 5 are needed (a)." in section.notes


# ---- bad input -----------------------------------------------------------------------------------------------------
def test_garbled_records_are_skipped_and_counted(tmp_path: Path) -> None:
    bare(tmp_path, "good")
    for name, text in {"torn": '{"schema": 1', "foreign": '{"name": "x"}', "future": '{"schema": 9}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(text)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "metrics.csv").write_text("step,name,value,time\n")
    table = build_table(find_runs([tmp_path]))
    assert [row.name for row in table.sections[0].rows] == ["good"]
    assert len([note for note in table.notes if note.startswith("Skipped: cannot read the record")]) == 3
    assert "1 run folder(s) without a record (still running, or killed): killed." in table.notes
    assert "schema 9, this version reads schema 1" in markdown(table, "x")


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (lambda root: None, ["{root}/none"], r"there is no folder .*none; name one that holds runs, or first train: python"),
        (lambda root: None, ["{root}"], r"there is no record of a run in .*; first train: python train\.py"),
        (lambda root: (root / "record.json").write_text("x"), ["{root}"], r"1 remark\(s\), the first: Skipped: cannot read"),
        (lambda root: bare(root, "a"), ["{root}", "--task", "enhance"], "no run of task 'enhance'; .*: enhancement; did you mean"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture, make: Any, arguments: list[str], sentence: str
) -> None:
    make(tmp_path)
    assert guarded(lambda: main([word.format(root=tmp_path) for word in arguments] + ["--out", str(tmp_path / "out")])) == 2
    error = capsys.readouterr().err
    assert re.search(sentence, error)
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_that_cannot_be_written_is_one_sentence_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bare(tmp_path, "a")
    (tmp_path / "file").write_text("")
    assert guarded(lambda: main([str(tmp_path), "--out", str(tmp_path / "file")])) == 1
    assert re.search(r"cannot write .*table\.md: ", capsys.readouterr().err)


def test_published_records_join_and_a_local_run_of_the_same_is_preferred(tmp_path: Path) -> None:
    local = bare(tmp_path / "runs", "a", signature="one")
    published = tmp_path / "records"
    published.mkdir()
    (published / "one.json").write_bytes((local / "record.json").read_bytes())
    Record("two", {"task": "enhancement", "model": "b"}).write(published / "two.json")
    found = find_runs([tmp_path / "runs"], [published])
    assert {(run.name, run.folder is not None) for run in found.runs} == {("a", True), ("two", False)}
    assert guarded(lambda: main(["--records", str(published), "--out", str(tmp_path / "out"), "--quiet"])) == 0


def test_a_record_may_hold_anything_json_may_hold(tmp_path: Path) -> None:
    odd = {"task": "t\n|x", "row": "\x1b[31mred", "model": ["a", 1], "method": None, "data": {"a": 1}, "preset": 10**30}
    bare(tmp_path, "odd", axes=odd, values={PRIMARY: not_measured("no reason")}, primary="")
    bare(tmp_path, "text", axes={"seed": "x"}, values={PRIMARY: Value("very good")}, provenance={"steps": [1], "wall_s": "long"})
    out = tmp_path / "out"
    write_table([tmp_path], out, show=False)
    assert "\x1b" not in (out / "table.md").read_text() + (out / "index.html").read_text()


# ---- the files -----------------------------------------------------------------------------------------------------
def test_markdown_shows_every_row_and_no_markup_of_a_name(table: Table) -> None:
    text = markdown(table, "python scripts/table.py")
    assert "Made by `python scripts/table.py` from the runs' records; no number is typed in." in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == (2 + 2) + (2 + 10)
    assert len({re.sub(r"\\\|", "", line).count("|") for line in lines[4:]}) == 1


def test_csv_holds_unrounded_numbers_of_all_tasks(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert len(rows) == 12
    assert {column.key for column in COLUMNS} <= set(rows[0])
    unet = next(row for row in rows if row["row"] == "unet")
    record = next(row.run.record for row in table.sections[1].rows if row.name == "unet")
    assert float(unet["primary"]) == record.values[PRIMARY].value
    assert (unet["task"], unet["test_items"], unet["verdict"], unet["pesq"]) == ("enhancement", "40", "beats", "")
    failed = next(row for row in rows if row["row"] == "cnn2d")
    assert (failed["status"], failed["primary"], failed["error"]) == ("failed", "", "the loss became NaN at step 120 (batch 7)")


def test_json_keeps_the_reason_of_every_gap(table: Table) -> None:
    whole = json.loads(json_text(table, "x"))
    rows = {row["cells"]["row"]["text"]: row for row in whole["sections"][1]["rows"]}
    assert rows["unet"]["cells"]["pesq"] == {
        "text": "–", "value": None, "ci": None, "reason": "package 'pesq' is not installed (pip install pesq)",
    }  # fmt: skip
    assert rows["identity"]["role"] == "floor"
    assert rows["unet"]["delta"]["verdict"] == "beats"
    assert all(cell["value"] is not None or cell.get("reason") for row in rows.values() for cell in row["cells"].values())


def test_the_terminal_shows_the_brief_columns(table: Table) -> None:
    from rich.console import Console

    out = io.StringIO()
    print_table(table, Console(file=out, highlight=False))
    text = out.getvalue()
    assert HOSTILE in text
    assert "✗ does not beat" in text
    assert "failed: the loss became NaN" in text
    assert "Signature" not in text


def test_the_same_records_give_the_same_files(runs: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        write_table([runs], tmp_path / out, show=False)
    for name in ("table.md", "table.csv", "table.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# ---- words ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12, "0.120"), (0.001234, "0.00123"), (-1.6, "-1.60"), (31.25, "31.25"), (123.4, "123.4"), (1234.5, "1234"),
     (3e7, "3.00e+07"), (1e-9, "1.00e-09"), (0.9999, "1.000")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_an_interval_shares_the_decimals_of_its_number() -> None:
    assert with_interval(0.273, (-0.0842, 0.7123), plus=True) == "+0.273 [-0.084, 0.712]"
    assert with_interval(12.345, (9.87, 15.0)) == "12.35 [9.87, 15.00]"


def test_control_characters_and_overlong_text_are_cleaned() -> None:
    assert clean("a\x1b[31m\nb\u202ec\t d") == "a [31m b c d"
    assert clean("x" * 999, 10) == "x" * 9 + "…"
