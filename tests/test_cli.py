"""The front door: help without Hydra, one sentence and the right exit code for every wrong request, all before torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from audioml import cli, shelf
from audioml.errors import RequestError
from tests.conftest import ROOT, tiny_args, train_py

NO_TORCH = {"PYTHONPATH": ""}


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which importing torch or Lightning fails, so that an answer proves that neither was imported."""
    place = tmp_path_factory.mktemp("poison")
    for name in ("torch", "pytorch_lightning", "torchaudio", "torchmetrics"):
        (place / f"{name}.py").write_text("raise RuntimeError('heavy import')")
    return {"PYTHONPATH": str(place)}


def test_help_lists_every_name_without_hydra(poisoned: dict[str, str]) -> None:
    done = train_py("--help", env=poisoned)
    assert done.returncode == 0, done.stderr
    for group in shelf.GROUPS:
        for name in shelf.names(group):
            assert f"  {name}" in done.stdout
    code = "import sys; sys.argv=['train.py','--help']; from audioml.cli import train; train(); print('hydra' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert answer.strip().endswith("False")


WRONG = [
    (["model=unt"], "model=unt does not exist; did you mean unet? choices: auto, autoencoder, cnn1d"),
    (["modle=unet"], "'modle' is no axis or setting; did you mean model? there are: task, representation"),
    (["sed=3"], "'sed' is no axis or setting; did you mean seed?"),
    (["model.widht=3", "model=unet"], "model.widht is not a setting of Unet; did you mean width?"),
    (["model=unet", "model.width=big"], "model.width='big' has the wrong type; it should be a whole number"),
    (["model=unet", "method=ctc"], "method 'ctc' emits a sequence of symbols, the output 'clean' is Wave"),
    (["task"], "'task' is not of the form key=value"),
    (["seed=-1"], "seed=-1 should be a whole number, zero or more"),
    (["seed=true"], "seed=True should be a whole number, zero or more"),
    (["share=true"], "share=True should be"),
    (["ports.noise=mel"], "ports.noise is not a port of task 'enhancement'; did you mean noisy? ports: noisy, clean"),
    (["ports.noisy=mell"], "representation=mell does not exist; did you mean mel?"),
    (["preset.steps=0"], "preset.steps=0 should be at least 1"),
    (["preset.probe_seconds=0"], "preset.probe_seconds=0.0 should be between 0.1 and 100000: seconds on one core"),
    (["preset.step=3"], "preset.step is not a setting of preset=smoke; did you mean steps?"),
    (["task=asr", "representation=chars"], "representation 'chars' cannot carry Wave; it carries Text"),
    (["init=/nowhere/at/all"], "init=/nowhere/at/all is no published checkpoint: it has no config.json"),
    (["resume=/nowhere/at/all"], "/nowhere/at/all is not a run's folder: it has no config.yaml"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_wrong_requests(arguments: list[str], sentence: str, tiny: Path, tmp_path: Path, poisoned: dict[str, str]) -> None:
    base = [] if arguments[0].startswith("resume") else tiny_args(tiny, tmp_path)
    done = train_py(*base, *arguments, env=poisoned)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_wrong_data_is_told_before_torch(tmp_path: Path, poisoned: dict[str, str]) -> None:
    done = train_py("data=folder", f"data.path={tmp_path / 'nowhere'}", env=poisoned)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_resume_takes_nothing_else(tiny: Path, tmp_path: Path) -> None:
    done = train_py("resume=somewhere", "model=unet")
    assert done.returncode == 2
    assert "resume= goes on with the run's own settings, so model=unet cannot be changed with it" in done.stderr


@pytest.mark.parametrize(
    ("argument", "becomes"),
    [
        ("model.width=3", "++model.width=3"), ("data.sources.voice=a b", "++data.sources.voice=a b"), ("model=unet", "model=unet"),
        ("+model.width=3", "+model.width=3"), ("seed=3", "seed=3"), ("-m", "-m"), ("hydra/launcher=joblib", "hydra/launcher=joblib"),
    ],
)
def test_settings_are_opened_to_hydra(argument: str, becomes: str) -> None:
    assert cli.prepare(argument) == becomes


def test_sweeps_check_every_name() -> None:
    assert cli.prepare("model=unet,rnn", multirun=True) == "model=unet,rnn"
    with pytest.raises(RequestError, match="model=rnnn does not exist"):
        cli.prepare("model=unet,rnnn", multirun=True)
    with pytest.raises(RequestError, match="model=unet,rnn is no name; choices: auto"):
        cli.prepare("model=unet,rnn")
