"""What is compared with the talk: never a mixture, never one seed; planted orders are found, equal rows settle nothing."""

from __future__ import annotations

import numpy as np
import pytest

from audioml import stats
from audioml.records import Record, Value
from audioml.runfolder import run_signature
from audioml.sweep import compose
from audioml.talk.agree import AGREE, DISAGREE, NOT
from audioml.talk.cli import Asking
from audioml.talk.opinion import SUITABLE
from audioml.talk.pages import Result
from audioml.talk.story import story
from tests.talk_records import (
    RISING,
    ROWS,
    TALK,
    Told,
    built,
    in_order_of,
    judged,
    measured,
    record,
    sweep,
)


# ---- what is compared --------------------------------------------------------------------------------------------------
def test_other_versions_budgets_and_presets_are_not_mixed_and_it_is_said() -> None:
    runs = sweep("enhancement", RISING)
    old = sweep("enhancement", {"unet": 0.9}, preset="full") + sweep("enhancement", {"unet": 0.9})
    old += sweep("enhancement", {"unet": 0.9}, budget="macs:1e8")  # asked for by --budget only
    for each in old[3:6]:
        each.signature += "x"
        each.provenance["measures"] = "metrics 1, probes 1"
    (arena,) = built(runs + old)
    assert (len(arena.rows), arena.preset, arena.conditions.budget) == (10, "quick", "")
    assert arena.notes == ["6 other run(s) of the task are not comparable and left out; they differ in: measures, preset."]


def test_a_cell_that_does_not_fit_prints_the_misfit_and_a_failed_one_its_error() -> None:
    runs = sweep("beat_tracking", {"cnn1d": 0.6})
    lost = record("beat_tracking", "cnn2d", 0.0)
    lost.status, lost.error, lost.values, lost.items = "failed", "the loss became NaN", {}, {}
    (arena,) = built([*runs, lost], Told({"ddsp": "it speaks"}))
    assert arena.missing["ddsp"] == "does not fit: it speaks"
    assert arena.missing["cnn2d"] == "failed: the loss became NaN"
    assert arena.missing["rnn"] == "not run"
    gone = [record("beat_tracking", "cnn1d", 0.0, seed) for seed in (4, 3, 4)]
    for each in gone:
        each.status, each.error, each.values, each.items = "failed", "the loss became NaN", {}, {}
    (arena,) = built([*runs, *gone])
    assert arena.notes == ["cnn1d: seed 3, 4 did not finish; its row is of the seeds that did, which may flatter it."]


def test_the_planner_is_asked_for_misfits_and_for_the_usual_settings() -> None:
    asking = Asking()
    assert "output 'beats' of task 'beat_tracking' is Times" in asking.misfit("beat_tracking", "ddsp")
    assert (asking.misfit("enhancement", "unet"), asking.misfit("no such task", "unet")) == ("", "")
    request = compose(["task=enhancement", "model=rnn", "seed=2", "share=0.25"])
    run = record("enhancement", "rnn", 0.5)
    run.axes, run.signature = request.axes(), run_signature(request)
    assert asking.usual(run) is True
    run.signature = run_signature(compose(["task=enhancement", "model=rnn", "seed=2", "share=0.25", "model.directions=1"]))
    assert asking.usual(run) is False
    run.axes = run.axes | {"task": "no such task"}
    assert asking.usual(run) is None


def variants() -> list[Record]:
    """A row as its file has it, offline, and with other settings, streaming and newer."""
    own, other = sweep("enhancement", {"rnn": 0.5}), sweep("enhancement", {"rnn": 0.3})
    for family, runs in (("own", own), ("other", other)):
        for each in runs:
            each.provenance |= {"family": family, "created": "2026-01-01" if family == "own" else "2026-02-02"}
            each.signature = f"{family}{each.axes['seed']}"
            each.values["streaming/class"] = Value("offline" if family == "own" else "online")
    return own + other


def test_a_rows_own_settings_are_used_and_the_others_count_for_streaming_only() -> None:
    (arena,) = built(variants(), Told(usual={"own"}))
    assert measured(arena, "rnn", "accuracy_quality").best == pytest.approx(0.5, abs=0.1)
    streaming = measured(arena, "rnn", "streaming_realtime")
    assert streaming.best == 3.0
    assert streaming.text == "offline (the law holds); with other settings online, 3 seeds"
    assert arena.notes == ["rnn: 3 run(s) with other settings count for streaming only (other0, other1, other2)."]
    (tuned,) = built(variants()[2:], Told(usual={"own"}))  # its own settings were a trial of one seed
    assert measured(tuned, "rnn", "accuracy_quality").best == pytest.approx(0.3, abs=0.1)
    (unknown,) = built(variants(), Told())  # it cannot be told which are the row's own: the newer ones
    assert measured(unknown, "rnn", "accuracy_quality").best == pytest.approx(0.3, abs=0.1)


def test_a_budget_has_a_table_of_its_own() -> None:
    runs = sweep("enhancement", {"unet": 0.5}) + sweep("enhancement", {"unet": 0.2}, budget="macs:2e8")
    assert [a.conditions.budget for a in built(runs)] == [""]
    (fair,) = built(runs, budget="macs:2e8")
    assert measured(fair, "unet", "accuracy_quality").best == pytest.approx(0.2, abs=0.1)
    assert built(runs, budget="steps:5") == []


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


def test_a_learning_curve_of_one_seed_makes_no_claim_either() -> None:
    lone = [each for share in (0.0625, 0.25) for each in sweep("enhancement", dict.fromkeys(ROWS, 0.04), seeds=1, share=share)]
    _, verdicts = judged(sweep("enhancement", RISING) + lone)
    cells = [verdicts.cells["enhancement", row, "training_data_needs"] for row in ROWS]
    assert {(cell.verdict, cell.reason, cell.seeds) for cell in cells} == {(NOT, "one seed is one draw", 1)}
    assert all(cell.cell.text for cell in cells)


def test_named_tasks_agree_where_the_row_is_fit_for_them() -> None:
    _, verdicts = judged(sweep("enhancement", dict.fromkeys(ROWS, 0.2) | {"unet": 0.6, "rnn": 0.6}))
    said = {row: verdicts.cells["enhancement", row, SUITABLE].verdict for row in ROWS}
    assert (said["unet"], said["cnn2d"], said["rnn"], said["ddsp"]) == (AGREE, DISAGREE, NOT, NOT)
    assert verdicts.cells["enhancement", "unet", SUITABLE].said == "denoising, enhancement"


def test_luck_is_how_often_a_random_order_would_agree() -> None:
    _, verdicts = judged(sweep("enhancement", RISING))
    found = verdicts.by_task["enhancement", "compute_load"]
    grades = stats.positions(np.array([TALK.cells[row, "compute_load"].grade for row in ROWS]))
    places, rng = np.arange(10) / 9, np.random.default_rng(0)
    shuffled = np.mean([np.abs(rng.permutation(grades) - places) <= TALK.rule.within for _ in range(2000)])
    assert found.luck == pytest.approx(shuffled, abs=0.02)
    assert verdicts.overall["compute_load"].luck == found.luck


def test_the_mean_over_tasks_is_of_the_tasks_that_have_one() -> None:
    _, verdicts = judged(sweep("enhancement", RISING) + sweep("codec", RISING) + sweep("beat_tracking", RISING))
    overall = verdicts.overall["fidelity"]
    assert overall.tasks == ("codec", "enhancement")
    assert overall.rho == pytest.approx(np.mean([verdicts.by_task[task, "fidelity"].rho for task in overall.tasks]))
    assert overall.ci[0] <= overall.rho <= overall.ci[1]
    assert verdicts.overall["training_data_needs"].rho is None
