"""Runs that answer together: their mean, what it may be made of, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audioml import predict, sweep
from audioml.errors import AudiomlError, RequestError
from audioml.kinds import Seq
from audioml.predict import load
from audioml.records import Record
from audioml.run import execute
from audioml.runfolder import finished
from tests.conftest import tiny_args


def run(tiny: Path, tmp: Path, *more: str) -> tuple[Record, Path]:
    record = execute(sweep.compose(tiny_args(tiny, tmp, *more)))
    return record, tmp / "outputs" / "runs" / record.provenance["folder"]


def named(*folders: Path) -> str:
    return f"method.runs=[{','.join(map(str, folders))}]"


@pytest.fixture(scope="module")
def two(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs over windows of other lengths."""
    tmp = tmp_path_factory.mktemp("members")
    one = run(tiny, tmp, "model=fcn", "representation=stft_mag", "preset.steps=20")[1]
    other = run(
        tiny, tmp, "model=rnn", "representation=stft_mag", "representation.window=256", "representation.hop=128", "preset.steps=20"
    )[1]
    return one, other


def heard(folder: Path, x: torch.Tensor) -> torch.Tensor:
    system = load(finished(folder))
    ((port, _),) = system.plan.inputs.items()
    with torch.no_grad():
        return system({port: Seq(x, torch.full((len(x),), x.shape[-1]))})[system.plan.output.port].x


def test_an_ensemble_is_the_mean_of_its_runs(two: tuple[Path, Path], tiny: Path, tmp_path: Path) -> None:
    record, folder = run(tiny, tmp_path, "model=ensemble", named(*two))
    x = 0.1 * torch.randn(2, 1, 5000, generator=torch.Generator().manual_seed(0))
    each = [heard(place, x) for place in two]
    assert torch.allclose(heard(folder, x), sum(each) / 2, atol=1e-6)
    assert not torch.allclose(*each, atol=1e-3), "a mean of equal answers would show nothing"
    members = [Record.read(place / "record.json") for place in two]
    for count in ("compute/parameters", "compute/macs_per_second"):
        assert record.values[count].value == pytest.approx(sum(m.values[count].value for m in members), rel=1e-3), count
    assert record.provenance["train_s"] == pytest.approx(sum(m.provenance["train_s"] for m in members))
    assert record.provenance["members"] == [place.name for place in two]
    assert record.axes["model"] == record.axes["method"] == record.axes["row"] == "ensemble"
    assert record.values["compute/parameters_trainable"].value == 0


def test_its_squared_error_is_at_most_the_mean_of_theirs(two: tuple[Path, Path], tiny: Path, tmp_path: Path) -> None:
    _, folder = run(tiny, tmp_path, "model=ensemble", named(*two))
    generator = torch.Generator().manual_seed(1)
    clean, noise = (0.1 * torch.randn(4, 1, 8000, generator=generator) for _ in "12")
    errors = [(heard(place, clean + noise) - clean).square().mean((1, 2)) for place in (folder, *two)]
    assert (errors[0] < (errors[1] + errors[2]) / 2).all()


def test_shifts_hear_the_input_later_and_answer_on_its_clock(two: tuple[Path, Path], tiny: Path, tmp_path: Path) -> None:
    _, folder = run(tiny, tmp_path, "model=ensemble", named(two[1]), "method.shifts=2")
    x = 0.1 * torch.randn(2, 1, 5000, generator=torch.Generator().manual_seed(2))
    late = heard(two[1], torch.nn.functional.pad(x, (64, 0)))[..., 64:]
    assert torch.allclose(heard(folder, x), (heard(two[1], x) + late) / 2, atol=1e-6)
    assert heard(folder, x).shape == x.shape


def test_of_a_class_the_probabilities_are_averaged(tiny: Path, tmp_path: Path) -> None:
    task = ("task=classification", "model=cnn2d", "preset.steps=4")
    places = [run(tiny, tmp_path, *task, f"seed={seed}")[1] for seed in (0, 1)]
    _, folder = run(tiny, tmp_path, "task=classification", "model=ensemble", named(*places))
    x = 0.1 * torch.randn(6, 1, 8000, generator=torch.Generator().manual_seed(3))
    told = []
    for place in places:
        system = load(finished(place))
        with torch.no_grad():
            told.append(system.emit({"audio": Seq(x, torch.full((6,), 8000))}).x[..., 0].softmax(1))
    assert heard(folder, x).tolist() == (told[0] + told[1]).argmax(1).tolist()


def test_it_is_used_like_any_run(
    two: tuple[Path, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = run(tiny, tmp_path, "model=ensemble", named(*two))
    wave = 0.1 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    predict.main([str(folder), str(tmp_path / "a.wav"), "--out", str(tmp_path / "made")])
    assert "a.wav" in capsys.readouterr().out
    (made,) = (tmp_path / "made").glob("*.wav")
    assert len(soundfile.read(made)[0]) == 4000


def changed(folder: Path, tmp: Path, name: str, change: Any) -> Path:
    """A copy of a run's folder, its weights left out, with another record or config."""
    place = tmp / "changed"
    place.mkdir()
    for file, reads, writes in (("record.json", json.loads, json.dumps), ("config.yaml", yaml.safe_load, yaml.safe_dump)):
        held = reads((folder / file).read_text())
        if file == name:
            change(held)
        (place / file).write_text(writes(held))
    return place


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("record.json", lambda r: r.update(status="interrupted"), "is not done but interrupted"),
        ("config.yaml", lambda c: c.update(worlds=3), "is not a finished run: its config.yaml cannot be read"),
        ("config.yaml", lambda c: c["worlds"]["noisy"].update(rate=8000), "rate 8000.* and here it is Wave .*rate 16000"),
    ],
)
def test_a_folder_that_will_not_do_is_named_before_anything_runs(
    name: str, change: Any, says: str, two: tuple[Path, Path], tiny: Path, tmp_path: Path
) -> None:
    place = changed(two[0], tmp_path, name, change)
    with pytest.raises(AudiomlError, match=says):
        sweep.compose(tiny_args(tiny, tmp_path, "model=ensemble", named(two[1], place)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("method.runs=[]",), r"method.runs=\[FOLDER,FOLDER\] names them"),
        (("method.runs=[nowhere]",), "nowhere is not a finished run"),
        (("method.shifts=0",), "method.shifts=0 should be 1"),
        (("task=asr",), "of Text, the output 'text', there is none"),
        (("task=separation",), "has nothing for 'mix'"),
        (("task=tts",), "what is made of text has any phase"),
    ],
)
def test_requests_that_cannot_be_met_say_why(
    more: tuple[str, ...], says: str, two: tuple[Path, Path], tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(AudiomlError, match=says):
        sweep.compose(tiny_args(tiny, tmp_path, "model=ensemble", named(*two), *more))


def test_what_learnt_nothing_itself_is_no_member(two: tuple[Path, Path], tiny: Path, tmp_path: Path) -> None:
    _, floor = run(tiny, tmp_path, "model=identity")
    _, mean = run(tiny, tmp_path, "model=ensemble", named(*two))
    for place in (floor, mean):
        with pytest.raises(RequestError, match="holds no trained system"):
            run(tiny, tmp_path, "model=ensemble", named(place))


def test_a_config_that_names_itself_ends(two: tuple[Path, Path], tiny: Path, tmp_path: Path) -> None:
    _, mean = run(tiny, tmp_path, "model=ensemble", named(*two))
    config = yaml.safe_load((mean / "config.yaml").read_text())
    config["settings"]["method"]["runs"] = [str(mean)]
    (mean / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RequestError, match="holds no trained system"):
        load(finished(mean))
