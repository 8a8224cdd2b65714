"""The table: what may be compared, and what is said of what may not.  Its files: test_table_files.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from audioml import stats
from audioml.records import Value
from audioml.table import Table, build_table
from audioml.table.collect import find_runs
from audioml.table.paired import paired_delta
from audioml.table.rows import by_run
from audioml.table.text import json_text
from tests.sample_runs import HOSTILE, ITEMS, PRIMARY, bare, enhancement, gallery, three_seeds


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


def test_a_row_says_whose_weights_it_began_from(tmp_path: Path) -> None:
    bare(tmp_path / "a", "fcn")
    bare(tmp_path / "b", "unet", axes={"init": "encodec:0123abcd"})
    (section,) = build_table(find_runs([tmp_path])).sections
    assert {row.name for row in section.rows} == {"fcn", "unet · init encodec:0123abcd"}


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
