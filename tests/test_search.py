"""The search: what may be asked, that it prunes and goes on after a kill as if it had not been killed, and never sees the test split."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from audioml import run as run_module
from audioml import search
from audioml.errors import RequestError, RunError
from audioml.records import Record
from audioml.run import execute
from audioml.sweep import compose
from tests.conftest import tiny_args

SPACE = ("model=fcn", "model.learning_rate=log:1e-4,1e-1", "model.width=int:4,16")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model=unet"], "search needs something to vary"),
        (["model.width=int:8"], "model.width=int:8 should be of the form model.width=int:LOW,HIGH"),
        (["model.width=int:8,x"], "should be of the form"),
        (["model.width=int:32,8"], "with LOW below HIGH"),
        (["model.learning_rate=log:0,1"], "with LOW below HIGH, both above zero"),
        (["model.learning_rate=float:0,inf"], "with LOW below HIGH"),
        (["model.width=intt:3,4"], r"model.width=intt:3,4: 'intt' is no kind of range; did you mean int\? kinds: log, float, int, choice"),
        ([*SPACE, "model.causal=either:true,false"], "'either' is no kind of range; kinds: log"),
        (["method=choice:mask"], "method=choice:A,B"),
        (["method=choice:mask,regres"], r"method=regres does not exist; did you mean regress\?"),
        (["modle.width=int:1,2"], r"'modle' is no axis or setting; did you mean model\?"),
        ([*SPACE, "trials=0"], "trials=0 should be a whole number above zero"),
        ([*SPACE, "prune=maybe"], "prune=maybe should be true or false"),
    ],
)
def test_wrong_requests(arguments: list[str], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        search.read(arguments)


def test_plain_values_may_hold_colons() -> None:
    plain = ("budget=macs:2e8", "data.sources={speech:a,noise:b}", "data.path='x:a,b'")
    assert search.read([*SPACE, *plain]).fixed == ("model=fcn", *plain)


def test_an_equal_search_is_one_study() -> None:
    one = search.read([*SPACE, "trials=3", "trainer.threads=1"])
    assert one.name == search.read([*reversed(SPACE), "trials=9", "outputs=elsewhere"]).name
    assert one.name != search.read([*SPACE, "seed=1"]).name
    assert one.name != search.read(["model=fcn", "model.width=int:4,16"]).name


def test_a_search_finds_repeats_and_goes_on(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*tiny_args(tiny, tmp_path), *SPACE, f"storage={tmp_path / 's' / 'x.db'}"]
    search.main([*arguments, "trials=2"])
    said = capsys.readouterr().out
    assert "[2/2, " in said
    command = shlex.split(said.strip().splitlines()[-1])
    assert command[:2] == ["python", "train.py"]
    repeat = execute(compose(command[2:]))
    best = float(said.split("validation loss ")[-1].split(";")[0])
    assert repeat.provenance["valid_loss"] == pytest.approx(best, rel=1e-4)
    began: list[Any] = []

    def never(request: Any, **_: Any) -> Record:
        began.append(request)
        return Record("x", {"task": "t"}, provenance={"valid_loss": 1e9})

    monkeypatch.setattr(run_module, "execute", never)
    search.main([*arguments, "trials=2"])
    assert not began, "it was finished"
    search.main([*arguments, "trials=3"])
    assert len(began) == 1
    assert "3 trials finished" in capsys.readouterr().out


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing is told."""


def asked(tmp: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int | None) -> list[tuple[float, int]]:
    """What a search of nine trials runs, when it dies in one of them and is started again."""
    seen: list[tuple[float, int]] = []

    def fake(request: Any, **_: Any) -> Record:
        point = (request.learning_rate, request.settings["model"]["width"])
        if len(seen) == kill_at and point not in seen and not hasattr(fake, "dead"):
            fake.dead = True  # type: ignore[attr-defined]
            raise Killed
        seen.append(point)
        return Record("x", {"task": "t"}, provenance={"valid_loss": abs(point[0] - 0.01) + point[1] / 100})

    monkeypatch.setattr(run_module, "execute", fake)
    arguments = [*SPACE, f"outputs={tmp}", f"storage={tmp / 'x.db'}", "trials=9"]
    if kill_at is not None:
        with pytest.raises(Killed):
            search.main(arguments)
    search.main(arguments)
    return seen


def test_a_killed_search_asks_what_an_unbroken_one_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(tmp_path / "whole", monkeypatch, None)
    assert len(set(whole)) == 9, "no point is drawn twice"
    assert asked(tmp_path / "early", monkeypatch, 2) == whole
    assert asked(tmp_path / "late", monkeypatch, 7) == whole


def test_a_hopeless_trial_is_pruned_by_its_validation_losses(tiny: Path, tmp_path: Path) -> None:
    import optuna

    wanted = search.read([*tiny_args(tiny, tmp_path), *SPACE, f"storage={tmp_path / 'x.db'}"])
    study = search.open_study(wanted)
    for _ in range(search.BEFORE):
        trial = study.ask()
        trial.report(-1e6, 1)
        study.tell(trial, -1e6)
    line = search.one(study, wanted)
    assert "pruned at step 1 with validation loss" in line
    assert study.trials[-1].state == optuna.trial.TrialState.PRUNED
    (record,) = (tmp_path / "outputs" / "runs").glob("*/record.json")
    assert Record.read(record).status == "interrupted"
    assert "pruned at step 1" in Record.read(record).error
    assert not Record.read(record).values, "it was never tested"


def test_what_fails_is_told_and_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(search, "run", lambda trial, arguments, prune: (_ for _ in ()).throw(RunError("no luck")))
    with pytest.raises(RunError, match="none of 2 trials finished"):
        search.main([*SPACE, f"storage={tmp_path / 'x.db'}", "trials=2"])
    assert capsys.readouterr().out.count("failed: no luck") == 2
    (tmp_path / "y.db").write_text("this is no database, and it is long enough to be taken for one" * 20)
    with pytest.raises(RequestError, match=r"y\.db cannot be used: "):
        search.main([*SPACE, f"storage={tmp_path / 'y.db'}", "trials=2"])
