"""What is compared with the talk: never a mixture, never one seed; planted orders are found, equal rows settle nothing."""

from __future__ import annotations

import numpy as np
import pytest

from audioml import stats
from audioml.talk.agree import AGREE, DISAGREE, NOT
from audioml.talk.cli import misfit
from audioml.talk.opinion import SUITABLE
from audioml.talk.pages import Result
from audioml.talk.story import story
from tests.talk_records import RISING, ROWS, TALK, built, in_order_of, judged, record, sweep


# ---- what is compared --------------------------------------------------------------------------------------------------
def test_other_versions_budgets_and_presets_are_not_mixed_and_it_is_said() -> None:
    runs = sweep("enhancement", RISING)
    old = sweep("enhancement", {"unet": 0.9}, preset="full") + sweep("enhancement", {"unet": 0.9}, budget="macs 1e8")
    for each in old[3:]:
        each.provenance["measures"] = "metrics 1, probes 1"
    (arena,) = built(runs + old)
    assert (len(arena.rows), arena.preset, arena.conditions.budget) == (10, "quick", "")
    assert arena.notes == ["6 other run(s) of the task are not comparable and left out; they differ in: measures, budget, preset."]


def test_a_cell_that_does_not_fit_prints_the_misfit_and_a_failed_one_its_error() -> None:
    runs = sweep("beat_tracking", {"cnn1d": 0.6})
    lost = record("beat_tracking", "cnn2d", 0.0)
    lost.status, lost.error, lost.values, lost.items = "failed", "the loss became NaN", {}, {}
    (arena,) = built([*runs, lost], lambda task, row: "it speaks" if row == "ddsp" else "")
    assert arena.missing["ddsp"] == "does not fit: it speaks"
    assert arena.missing["cnn2d"] == "failed: the loss became NaN"
    assert arena.missing["rnn"] == "not run"
    assert "output 'beats' of task 'beat_tracking' is Times" in misfit("beat_tracking", "ddsp")  # the planner's own words
    assert (misfit("enhancement", "unet"), misfit("no such task", "unet")) == ("", "")


def test_where_the_measured_order_is_the_talks_the_column_agrees() -> None:
    found, verdicts = judged(sweep("enhancement", in_order_of("fidelity")))
    correlation = verdicts.by_task["enhancement", "fidelity"]
    assert correlation.rho > 0.95
    assert correlation.ci[0] > correlation.chance
    counts = verdicts.counts(column="fidelity")
    assert (counts[AGREE], counts[DISAGREE]) == (10, 0)
    text = story(Result(TALK, found, verdicts, [], "x"))
    assert "enhancement: the measured order follows the talk's" in text


def test_where_it_is_turned_round_it_disagrees_at_both_ends() -> None:
    skills = {row: 1 - skill for row, skill in in_order_of("fidelity").items()}
    found, verdicts = judged(sweep("enhancement", skills))
    assert verdicts.by_task["enhancement", "fidelity"].rho < -0.95
    assert verdicts.cells["enhancement", "diffusion", "fidelity"].verdict == DISAGREE
    assert verdicts.cells["enhancement", "cnn1d", "fidelity"].verdict == DISAGREE
    assert verdicts.cells["enhancement", "unet", "fidelity"].verdict != DISAGREE  # "High" stands in the middle either way
    assert "enhancement: the measured order runs against the talk's" in story(Result(TALK, found, verdicts, [], "x"))


def test_equal_rows_settle_nothing() -> None:
    found, verdicts = judged(sweep("enhancement", dict.fromkeys(ROWS, 0.5), noise=0.1))
    correlation = verdicts.by_task["enhancement", "fidelity"]
    assert correlation.ci[0] < correlation.chance
    assert verdicts.counts(column="fidelity")[DISAGREE] == 0
    assert "the order cannot be told from a random one" in story(Result(TALK, found, verdicts, [], "x"))


def test_one_seed_makes_no_claim_at_all() -> None:
    found, verdicts = judged(sweep("enhancement", RISING, seeds=1) + sweep("codec", RISING, seeds=1))
    assert set(verdicts.counts()) == {NOT}
    assert all(each.rho is None for each in [*verdicts.by_task.values(), *verdicts.overall.values()])
    text = story(Result(TALK, found, verdicts, [], "x"))
    assert "No order is claimed" in text
    for claim in ("Agree:", "Disagree:", "better than", "follows the talk", "runs against", "shown fit:"):
        assert claim not in text
    for arena in found:
        assert {row.standing for row in arena.rows.values()} == {stats.ONE_SEED}


def test_named_tasks_agree_where_the_row_is_fit_for_them() -> None:
    _, verdicts = judged(sweep("enhancement", dict.fromkeys(ROWS, 0.2) | {"unet": 0.6, "rnn": 0.6}))
    said = {row: verdicts.cells["enhancement", row, SUITABLE].verdict for row in ROWS}
    assert (said["unet"], said["cnn2d"], said["rnn"], said["ddsp"]) == (AGREE, DISAGREE, NOT, NOT)
    assert verdicts.cells["enhancement", "unet", SUITABLE].said == "denoising, enhancement"


def test_the_mean_over_tasks_is_of_the_tasks_that_have_one() -> None:
    _, verdicts = judged(sweep("enhancement", RISING) + sweep("codec", RISING) + sweep("beat_tracking", RISING))
    overall = verdicts.overall["fidelity"]
    assert overall.tasks == ("codec", "enhancement")
    assert overall.rho == pytest.approx(np.mean([verdicts.by_task[task, "fidelity"].rho for task in overall.tasks]))
    assert overall.ci[0] <= overall.rho <= overall.ci[1]
    assert verdicts.overall["training_data_needs"].rho is None
