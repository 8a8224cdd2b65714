"""What the talk says and what is measured of it: skills, waits, contexts, learning curves, each by hand."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
import yaml

from audioml import stats
from audioml.errors import RunError
from audioml.records import Value, not_measured
from audioml.talk.columns import MEASURES
from audioml.talk.learning import fit, reach
from audioml.talk.opinion import SUITABLE, read
from audioml.talk.pages import shown
from tests.conftest import ROOT
from tests.talk_records import (
    METRIC,
    RISING,
    ROWS,
    TALK,
    built,
    items_of,
    judged,
    measured,
    record,
    sweep,
)


# ---- the talk's words ------------------------------------------------------------------------------------------------
def test_the_talk_is_there_word_for_word_and_every_cell_is_graded_or_says_why_not() -> None:
    assert len(TALK.rows) == 10
    assert list(TALK.aspects) == ["fidelity", "latency", "accuracy_quality", "compute_load", "long_term_context",
                                  "training_data_needs", "streaming_realtime", "suitable_for"]  # fmt: skip
    for (row, column), said in TALK.cells.items():
        assert (said.grade is None) != (not said.reason) or column == SUITABLE, (row, column)
    assert TALK.cells["gan", "accuracy_quality"].reason == "varies, by its own words"
    assert TALK.cells["cnn1d", "fidelity"].grade == 1.5  # "Low–medium" stands between 1 and 2
    state = TALK.cells["diffusion", "accuracy_quality"]
    assert (state.of("generation").grade, state.of("codec").grade) == (4, None)
    tasks = {path.stem for path in (ROOT / "conf" / "task").glob("*.yaml")}
    assert {task for suits in TALK.suits.values() for _, named in suits for task in named} <= tasks
    assert [word for word, _ in TALK.suits["diffusion"]] == ["High-fidelity generation (music, speech)", "offline enhancement"]
    assert {aspect.measure for aspect in TALK.aspects.values()} == set(MEASURES)


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ("Very limited", "Endless", "does not grade 'Endless'"), ("Denoising,", "Cooking,", "which task is meant by: Cooking"),
    ("U-Net", "V-Net", "does not name the talk's rows"),
])  # fmt: skip
def test_words_without_a_grade_are_refused(old: str, new: str, sentence: str) -> None:
    here = ROOT / "audioml" / "talk"
    text = (here / "architectures.csv").read_text("utf-8").replace(old, new)
    with pytest.raises(RunError, match=sentence):
        read(yaml.safe_load((here / "grades.yaml").read_text("utf-8")), list(csv.DictReader(io.StringIO(text))))


# ---- what is measured -------------------------------------------------------------------------------------------------
def test_skill_is_one_at_the_ceiling_and_zero_at_the_baseline() -> None:
    name, _, _, floor, top = METRIC["codec"]
    (arena,) = built(sweep("codec", {"unet": 0.6, "rnn": 0.0, "cnn1d": 1.0}, noise=0.0))
    assert [measured(arena, row, "accuracy_quality").best for row in ("unet", "rnn", "cnn1d")] == pytest.approx([0.6, 0, 1])
    by_hand = []
    for seed in range(3):
        items, floors = items_of("codec", 0.4, seed, "vae")
        by_hand.append(np.mean((np.array(items) - floors) / (top - floor)))
    (arena,) = built(sweep("codec", {"vae": 0.4}))
    cell = measured(arena, "vae", "accuracy_quality")
    assert cell.best == pytest.approx(np.mean(by_hand))
    assert cell.numbers[0].ci[0] < cell.best < cell.numbers[0].ci[1]
    lost = sweep("codec", {"vae": 0.4})
    for each in lost:
        each.ceilings = {}
    assert measured(built(lost)[0], "vae", "accuracy_quality").reason.startswith("no skill: no ceiling is known; ")


def test_fidelity_stands_beside_its_own_ceiling_and_lower_is_better_where_it_is() -> None:
    (arena,) = built(sweep("codec", {"unet": 0.6, "rnn": 0.2}))
    cell = measured(arena, "unet", "fidelity")
    assert "mel distance" in cell.text
    assert cell.text.endswith("its ceiling 1.50")
    assert cell.best > measured(arena, "rnn", "fidelity").best
    (beats,) = built(sweep("beat_tracking", {"unet": 0.6}))
    assert measured(beats, "unet", "fidelity").reason == "the task has no signal to be faithful to"


def test_what_does_not_stream_waits_without_end() -> None:
    (arena,) = built(sweep("enhancement", RISING))
    assert measured(arena, "cnn2d", "latency").best == pytest.approx(16.0)  # 15 algorithmic + 1 to compute
    assert math.isinf(measured(arena, "diffusion", "latency").best)
    assert measured(arena, "diffusion", "latency").text.startswith("waits for the whole clip")
    assert measured(arena, "diffusion", "streaming_realtime").text == "offline (it looks at the whole clip)"


def test_a_class_that_one_seed_lost_is_lost() -> None:
    runs = sweep("enhancement", {"unet": 0.5})
    runs[1].values["streaming/class"] = Value("offline")
    runs[1].values["streaming/reason"] = Value("the law is broken")
    cell = measured(built(runs)[0], "unet", "streaming_realtime")
    assert cell.text.startswith("offline (the law is broken)")
    assert cell.best == 1.0


def test_context_is_ranked_by_one_measure_and_a_bound_only_where_it_is_above_all() -> None:
    runs = sweep("enhancement", RISING)
    for each in runs:
        each.values["context/useful_ms"] = Value(100.0 * (1 + ROWS.index(each.axes["row"])), "ms")
        if each.axes["row"] == "rnn":
            each.values["context/useful_ms"] = Value(4000.0, "ms", reason="at least: longer than was asked")
        if each.axes["row"] == "gan":
            each.values["context/useful_ms"] = Value(200.0, "ms", reason="at least: longer than was asked")
    (arena,) = built(runs)
    assert measured(arena, "unet", "long_term_context").best == pytest.approx(500.0)
    assert math.isinf(measured(arena, "rnn", "long_term_context").best)
    assert measured(arena, "gan", "long_term_context").amount is None  # at least 200: it may be anywhere above
    assert "useful ≥ 200.0 ms" in measured(arena, "gan", "long_term_context").text


def test_an_interval_over_seeds_ends_where_the_quantity_does() -> None:
    runs = sweep("enhancement", {"unet": 0.5})
    for each, recall, growth in zip(runs, (0.0, 125.0, 250.0), (-0.02, 0.0, 0.05), strict=True):
        each.values["context/recall_ms"] = Value(recall, "ms", "high")
        each.values["streaming/memory_growth_mb"] = Value(growth, "MB", "low")
    (arena,) = built(runs)
    numbers = {one.name: one for column in ("long_term_context", "streaming_realtime") for one in measured(arena, "unet", column).numbers}
    recall, growth = numbers["context/recall_ms"], numbers["streaming/memory_growth_mb"]
    assert (recall.value, recall.ci[0]) == (125.0, 0.0)
    assert recall.ci[1] == pytest.approx(stats.estimate([[0.0], [125.0], [250.0]]).ci[1])
    assert growth.ci[0] < 0, "memory may shrink"


def test_nothing_measured_says_why() -> None:
    runs = sweep("enhancement", {"unet": 0.5})
    for each in runs:
        each.values["compute/macs_per_second"] = not_measured("no clock")
        each.values["compute/parameters"] = not_measured("no scales")
    found, verdicts = judged(runs)
    assert shown(verdicts.cells["enhancement", "unet", "compute_load"]) == "not measured: no clock"
    assert shown(verdicts.cells["enhancement", "unet", "training_data_needs"]).startswith("not measured: no run of it on a part")


def test_suitable_means_beats_the_baseline_and_cannot_be_told_from_the_best() -> None:
    (arena,) = built(sweep("enhancement", {"unet": 0.6, "rnn": 0.598, "cnn1d": 0.3, "vae": -0.2}))
    fits = {row: measured(arena, row, SUITABLE) for row in arena.rows}
    assert {row: cell.fits for row, cell in fits.items()} == {"unet": True, "rnn": True, "cnn1d": False, "vae": False}
    assert fits["cnn1d"].text == "not shown fit: behind the best; live"  # 10 + 1 ms
    assert fits["unet"].text.endswith("; streaming")  # 30 + 1 ms
    (hopeless,) = built(sweep("enhancement", {"unet": 0.0, "rnn": 0.0}))
    assert measured(hopeless, "unet", SUITABLE).fits is False


# ---- data needs --------------------------------------------------------------------------------------------------------
def test_a_power_law_is_found_again_and_the_share_is_read_between_the_sizes() -> None:
    shares = np.array([0.0625, 0.25, 1.0])
    assert float(fit(shares, 0.3 * shares**-0.4)) == pytest.approx(0.4)
    assert float(fit(shares, np.full(3, 0.7))) == pytest.approx(0.0)
    curve = np.array([0.2, 0.4, 0.6])
    assert [float(reach(shares, curve, goal)) for goal in (0.1, 0.4, 0.3, 0.7)] == pytest.approx([0.0625, 0.25, 0.125, math.inf])
    assert np.isinf(reach(shares, np.stack([curve, curve]), 0.7)).all()


def test_learning_curves_come_from_the_shares_and_their_intervals_hold_the_truth() -> None:
    shares, hits = (0.0625, 0.25, 1.0), 0
    for trial in range(20):
        runs = [record("enhancement", "unet", 1 - 0.3 * share**-0.25, 3 * trial + seed, share=share) for share in shares for seed in range(3)]
        (arena,) = built(runs)
        cell = measured(arena, "unet", "training_data_needs")
        low, high = next(one for one in cell.numbers if one.name == "exponent").ci
        hits += low <= 0.25 <= high
    assert hits >= 17
    assert "exponent" in cell.text
    assert [one.name for one in cell.numbers if one.name.startswith("skill")] == [
        "skill at share 0.0625", "skill at share 0.25", "skill at share 1",
    ]  # fmt: skip
    assert cell.best == pytest.approx(0.25, abs=0.1)
    share = next(one for one in cell.numbers if one.name == "share to reach the target")
    assert share.value == pytest.approx(0.0625)  # 0.4 of skill at the least size, half of the best row's 0.7 is 0.35
    assert "at most" in cell.text


def test_what_has_learnt_nothing_has_no_place_among_the_needs() -> None:
    sizes = (0.0625, 0.25, 1.0)
    runs = [each for share in sizes for each in sweep("enhancement", {"unet": 0.5 + share / 9, "vae": -0.4}, share=share)]
    (arena,) = built(runs)
    cells = {row: measured(arena, row, "training_data_needs") for row in ("unet", "vae")}
    assert cells["unet"].amount is not None
    assert cells["vae"].amount is None
    assert "exponent" in cells["vae"].text


def test_shares_that_were_tested_on_other_data_are_left_out() -> None:
    runs = sweep("enhancement", {"unet": 0.5}) + sweep("enhancement", {"unet": 0.3}, share=0.25)
    for each in runs[3:]:
        each.provenance["data_fingerprint"] = "other"
    (arena,) = built(runs)
    assert not arena.curves
    assert "unet: its runs on 0.25 of the data are left out, they were tested on other data." in arena.notes
    for each in runs:
        each.provenance["test_items"] = ["a", "b"]  # the training data differ, what is tested does not
    assert list(built(runs)[0].curves) == ["unet"]
