"""What only real processes show: SIGKILL and resume, two DDP processes, the wheel, multirun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from audioml.checkpoints import load_weights
from audioml.nn.ema import Average
from audioml.records import Record
from audioml.runfolder import finished
from audioml.system import System
from tests.conftest import ROOT, tiny_args, train_py


def weights(outputs: Path) -> tuple[dict[str, torch.Tensor], Path]:
    (folder,) = (outputs / "runs").iterdir()
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"], folder


def test_killed_and_resumed_equals_never_stopped(tiny: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of an epoch; dropout makes the random state matter; weights and their average must agree bit for bit."""
    arguments = [
        "model=rnn", "model.width=256", "model.cells=256", "model.layers=2", "model.dropout=0.2", "preset.steps=60",
        "preset.validate_every=20", "trainer.average=0.9",
    ]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = train_py(*tiny_args(tiny, whole, *arguments))
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *tiny_args(tiny, broken, *arguments)], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=ROOT,
    )
    deadline = time.time() + 120
    while not list((broken / "outputs").glob("runs/*/checkpoints/last.ckpt")):
        assert time.time() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    halfway, folder = weights(broken / "outputs")
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] in (20, 40)
    assert not (folder / "record.json").exists()
    done = train_py(f"resume='{folder}'", "trainer=cpu", "trainer.threads=1", "trainer.progress=false")
    assert done.returncode == 0, done.stderr
    resumed, _ = weights(broken / "outputs")
    reference, other = weights(whole / "outputs")
    assert all(torch.equal(resumed[k], reference[k]) for k in reference)
    assert not all(torch.equal(halfway[k], reference[k]) for k in reference)
    used, last = System(finished(folder).plan), folder / "checkpoints" / "last.ckpt"
    load_weights(used, last, None)
    followed = Average.followed(used)
    assert followed
    for i, (name, own) in enumerate(followed.items()):
        assert torch.equal(own, reference[f"average.average{i}"])
        assert not torch.equal(own, reference[f"system.{name}"])
    a, b = (Record.read(f / "record.json") for f in (folder, other))
    assert a.signature == b.signature
    assert a.values["fidelity/si_sdr_improvement"].value == b.values["fidelity/si_sdr_improvement"].value


def test_two_processes_equal_one_of_twice_the_batch(tiny: Path, tmp_path: Path) -> None:
    common = ["model=rnn", "preset.steps=4", "preset.validate_every=2"]
    single, pair = tmp_path / "single", tmp_path / "pair"
    assert train_py(*tiny_args(tiny, single, *common, "preset.batch=4")).returncode == 0
    done = train_py(*tiny_args(tiny, pair, *common, "preset.batch=2", "trainer=ddp", "trainer.accelerator=cpu"))
    assert done.returncode == 0, done.stderr
    (a, _), (b, folder) = weights(single / "outputs"), weights(pair / "outputs")
    for key in a:
        assert torch.allclose(a[key], b[key], atol=2e-6), key
    record = Record.read(folder / "record.json")
    assert record.provenance["examples_seen"] == 4 * 2 * 2


def test_multirun_goes_on_after_a_misfit(tiny: Path, tmp_path: Path) -> None:
    done = train_py("-m", *tiny_args(tiny, tmp_path), "model=identity,cnn2d", "representation=waveform")
    assert done.returncode == 2
    assert "model=cnn2d method=mask do not fit" in done.stderr
    assert len(list((tmp_path / "outputs" / "runs").glob("*/record.json"))) == 1


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked where nothing of the checkout is."""
    place = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)], check=True, capture_output=True
    )
    (wheel,) = place.glob("*.whl")
    subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(place / "site"), str(wheel)], check=True)
    return place / "site"


def test_the_wheel_works_from_any_folder(installed: Path, tiny: Path, tmp_path: Path) -> None:
    assert (installed / "audioml" / "conf" / "config.yaml").is_file()
    assert (installed / "audioml" / "dashboard" / "assets" / "page.html.j2").is_file()
    code = "import audioml, sys; sys.argv[0] = 'audioml-train'; from audioml.cli import train; print(audioml.__file__); train()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *tiny_args(tiny, tmp_path, "task=classification", "model=fcn")], capture_output=True, text=True,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    assert not list(tmp_path.glob("*.log")), "something was left where the command was given"
    assert list((tmp_path / "outputs" / "runs").glob("*/record.json"))


def test_a_model_is_one_python_and_one_yaml_file(installed: Path, tiny: Path, tmp_path: Path) -> None:
    (installed / "audioml" / "models" / "toy.py").write_text(
        "from torch import nn\n"
        "from audioml.nn.network import Network\n"
        "class Toy(Network):\n"
        "    '''A gain for each channel.'''\n"
        "    takes = ('Frames', 'Grid')\n"
        "    traffic = ('aligned',)\n"
        "    def __init__(self, inp, out, *, width: int) -> None:\n"
        "        super().__init__(inp, out)\n"
        "        from audioml.kinds import Frames, Grid\n"
        "        self.width = width\n"
        "        self.out = Grid(width, inp.bins, inp.rate) if isinstance(inp, Grid) else Frames(width, inp.rate)\n"
        "    def forward(self, h, n=None):\n"
        "        return h\n"
        "    def cannot_step(self):\n"
        "        return ''\n"
        "    def step(self, h, state):\n"
        "        return h, None\n"
    )
    (installed / "audioml" / "conf" / "model" / "toy.yaml").write_text(
        "# a toy\n_target_: audioml.models.toy.Toy\nrepresentations: [stft]\nwidth: 3\n"
    )
    code = "import sys; sys.argv[0] = 'audioml-train'; from audioml.cli import train; train()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *tiny_args(tiny, tmp_path, "model=toy")], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)}, check=False,
    )
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "outputs" / "runs").glob("*/record.json")
    assert Record.read(record).values["streaming/class"].value.startswith("online")
