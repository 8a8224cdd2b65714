"""Recipes: what they name, what the user may change, and stages that go on where they stood."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audioml import recipe, shelf
from audioml.cli import guarded
from audioml.errors import RequestError
from audioml.records import Record
from audioml.sweep import compose
from tests.conftest import ROOT

SMOKE = ("preset=smoke", "trainer=cpu", "trainer.threads=1", "trainer.progress=false")


@pytest.mark.parametrize("name", shelf.names("recipe"))
def test_every_recipe_composes(name: str, tmp_path: Path, embedded_cache: Path) -> None:
    found, _ = recipe.stages([f"recipe={name}", *SMOKE])
    here = dict.fromkeys(recipe.recipe(name).stages, tmp_path)
    first = compose([*recipe.placed(found[0], name, here), f"data.cache='{embedded_cache}'"])
    assert first.names["preset"] == "smoke"
    assert 2000 < recipe.recipe(name).year < 2030


def test_the_user_speaks_last_and_to_one_stage() -> None:
    found, _ = recipe.stages(["recipe=musicgen", "seed=3", "lm.method.pattern=flatten", "codec.method.books=2"])
    codec, lm = (dict(a.partition("=")[::2] for a in stage.arguments) for stage in found)
    assert (codec["method.books"], lm["method.pattern"]) == ("2", "flatten")
    assert codec["seed"] == lm["seed"] == "3"
    only, folders = recipe.stages(["recipe=musicgen", "stage=lm", "stages.codec=/some/where"])
    assert [s.name for s in only] == ["lm"]
    assert "representation.run='/some/where'" in recipe.placed(only[0], "musicgen", folders)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["recipe=clra"], r"recipe=clra does not exist; did you mean clara\? "),
        (["recipe=clara", "stage=x"], "stage=x is not a stage of recipe=clara; stages: main"),
        (["recipe=musicgen", "model.width=3"], "recipe=musicgen has several stages: say for which one, codec.model.width, lm.model.width"),
        (["recipe=musicgen", "stages.lmm=x"], "stages.lmm is not a stage of recipe=musicgen; stages: codec, lm"),
        (["recipe=clara", "-m"], "'-m' does not go with recipe="),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        recipe.stages(arguments)


def test_a_stage_alone_wants_the_one_before(tmp_path: Path, embedded_cache: Path, capsys: pytest.CaptureFixture) -> None:
    more = [f"outputs={tmp_path}", f"data.cache='{embedded_cache}'"]
    assert guarded(lambda: recipe.run(["recipe=musicgen", "stage=lm", *SMOKE, *more])) == 2
    assert "stage lm of recipe=musicgen begins with what stage codec has learnt" in capsys.readouterr().err


def test_a_sweep_takes_a_recipe_of_one_stage_and_refuses_more(embedded_cache: Path) -> None:
    request = compose(["recipe=clara", "model.layers=1", *SMOKE, f"data.cache='{embedded_cache}'"])
    assert (request.recipe, request.settings["model"]["layers"]) == ("clara", 1)
    assert request.axes()["recipe"] == "clara"
    with pytest.raises(RequestError, match="recipe=musicgen is 2 runs in a row"):
        compose(["recipe=musicgen", *SMOKE])


@pytest.mark.slow
def test_killed_in_the_second_stage_it_goes_on_there(tmp_path: Path, embedded_cache: Path) -> None:
    more = (f"outputs={tmp_path}", f"data.cache='{embedded_cache}'", "lm.preset.steps=400", "lm.preset.validate_every=4")
    command = [sys.executable, "train.py", "recipe=musicgen", *SMOKE, *more]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    begun = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not list(tmp_path.glob("runs/*text_to_audio*/checkpoints/last.ckpt")) and time.time() < deadline:
        time.sleep(0.05)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert not list(tmp_path.glob("runs/*text_to_audio*/record.json")), "it was killed before its end"
    again = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=True)
    assert "done before" in again.stdout, "the first stage is not run again"
    (lm,) = tmp_path.glob("runs/*text_to_audio*")
    record = Record.read(lm / "record.json")
    assert (record.status, record.provenance["steps"], record.axes["recipe"]) == ("done", 400, "musicgen")
    steps = [line.split(",")[0] for line in (lm / "metrics.csv").read_text().splitlines() if "valid/loss" in line]
    assert len(steps) == len(set(steps)), "no validation was made twice"
    assert json.loads((lm / "record.json").read_text())["axes"]["representation"]["audio"] == "codec"
