"""Equal budgets, and less data: what they set, what they refuse, and that they name the run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from audioml import budget
from audioml.errors import Misfit, RequestError
from audioml.records import Record
from audioml.runfolder import request_of, run_signature
from audioml.sweep import compose
from tests.conftest import tiny_args
from tests.test_run import run


@pytest.mark.parametrize("power", [1.0, 2.0, 1.5])
def test_the_nearest_size_is_found_above_and_below(power: float) -> None:
    for amount in (1e3, 1e6, 4e7):
        cost, _ = budget.nearest(lambda factor: (1e4 * factor**power, factor), amount)
        assert abs(math.log(cost / amount)) < 0.06


@pytest.mark.parametrize("model", ["fcn", "cnn1d", "cnn2d", "unet", "rnn", "transformer", "autoencoder", "seanet", "ddsp"])
def test_every_row_meets_a_budget_of_parameters(model: str, tiny: Path, tmp_path: Path) -> None:
    request = compose(tiny_args(tiny, tmp_path, f"model={model}", "budget=params:1e5"))
    assert budget.count("compute/parameters", request.plan, "") == pytest.approx(1e5, rel=budget.NEAR)
    assert request.axes()["budget"] == "params:100000"


def test_a_budget_of_arithmetic_is_met(tiny: Path, tmp_path: Path) -> None:
    request = compose(tiny_args(tiny, tmp_path, "model=fcn", "budget=macs:5e6"))
    assert budget.count("compute/macs_per_second", request.plan, "") == pytest.approx(5e6, rel=budget.NEAR)


def test_steps_and_seconds(tiny: Path, tmp_path: Path) -> None:
    steps = compose(tiny_args(tiny, tmp_path, "model=fcn", "budget=steps:10")).settings
    assert steps["preset"]["steps"] == 4 * steps["preset"]["validate_every"] == 8 or steps["preset"]["steps"] == 12
    record, _ = run(tiny, tmp_path, "model=fcn", "budget=seconds:1.5")
    assert record.status == "done"
    assert 4 < record.provenance["steps"] < 10_000
    assert record.provenance["train_s"] < 15


@pytest.mark.parametrize(
    ("extra", "error", "text"),
    [
        ("budget=parms:3", RequestError, r"budget=parms:3 should be one of params:AMOUNT, macs:AMOUNT, steps:AMOUNT, seconds:AMOUNT"),
        ("budget=params:-3", RequestError, r"budget=params:-3 should be one of"),
        ("budget=params", RequestError, r"budget=params should be one of"),
        ("budget=params:3", Misfit, r"budget=params:3 does not fit model=fcn: the nearest that its sizes \(width\) come to is params:"),
        ("share=0", RequestError, r"share=0 should be above 0 and at most 1"),
        ("share=1.5", RequestError, r"share=1.5 should be above 0 and at most 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(extra: str, error: type[Exception], text: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(error, match=text):
        compose(tiny_args(tiny, tmp_path, "model=fcn", extra))


def test_share_and_budget_name_the_run_and_are_kept(tiny: Path, tmp_path: Path) -> None:
    signs = {run_signature(compose(tiny_args(tiny, tmp_path, "model=fcn", *x))) for x in ((), ("share=1",), ("share=0.5",))}
    assert len(signs) == 2, "a share of one is no choice"
    record, folder = run(tiny, tmp_path, "model=fcn", "share=0.5", "budget=params:40000")
    assert record.axes["share"] == 0.5
    again = request_of(folder)
    assert (again.share, again.budget) == (0.5, "params:40000")
    assert run_signature(again) == Record.read(folder / "record.json").signature
