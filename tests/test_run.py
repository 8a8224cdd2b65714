"""A run from request to record, in one process; and what it leaves behind when it does not end well."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from audioml import predict, sweep
from audioml.errors import RequestError, RunError
from audioml.records import Record
from audioml.run import execute
from audioml.runfolder import finished, read_config, request_of, run_family, run_signature
from audioml.sweep import compose
from tests.conftest import tiny_args


def run(tiny: Path, tmp: Path, *more: str) -> tuple[Record, Path]:
    record = execute(sweep.compose(tiny_args(tiny, tmp, *more)))
    return record, tmp / "outputs" / "runs" / record.provenance["folder"]


def only_folder(tmp: Path) -> Path:
    (folder,) = (tmp / "outputs" / "runs").iterdir()
    return folder


TASKS = [
    ("enhancement", ("model=unet",), "fidelity/si_sdr_improvement", "audio"),
    ("separation", ("model=cnn1d",), "fidelity/si_sdr_improvement", "audio"),
    ("classification", ("model=cnn2d",), "quality/accuracy", "text"),
    ("asr", ("model=rnn",), "quality/wer", "text"),
]


@pytest.mark.parametrize(("task", "more", "primary", "examples"), TASKS)
def test_every_task_leaves_the_contract_behind(
    task: str, more: tuple[str, ...], primary: str, examples: str, tiny: Path, tmp_path: Path
) -> None:
    record, folder = run(tiny, tmp_path, f"task={task}", *more)
    raw = json.loads((folder / "record.json").read_text())
    assert raw["schema"] == 1
    assert raw["status"] == "done"
    assert raw["axes"]["task"] == task
    assert set(raw["axes"]) == {"task", "row", "representation", "model", "method", "data", "recipe", "preset", "seed"}
    for table in ("values", "baselines", "ceilings"):
        assert raw[table][primary]["value"] is not None, table
    assert raw["values"][primary]["n"] == 4
    for probe in ("compute/parameters", "compute/macs_per_second", "context/lookahead_ms", "streaming/class"):
        assert raw["values"][probe]["value"] is not None or raw["values"][probe]["reason"], probe
    for fact in ("git", "versions", "host", "device", "seed", "wall_s", "steps", "examples_seen", "data_fingerprint"):
        assert fact in raw["provenance"], fact
    assert raw["provenance"]["steps"] == 2
    assert raw["provenance"]["config"]["names"]["model"] == raw["axes"]["model"]
    for place in ("config.yaml", "metrics.csv", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "train.log", examples):
        assert (folder / place).exists(), place
    assert run_signature(request_of(folder)) == raw["signature"] == read_config(folder)["signature"]
    assert finished(folder).plan.task.name == task


@pytest.mark.parametrize(("model", "value"), [("identity", 0.0), ("oracle", None)])
def test_floor_and_ceiling_are_rows(model: str, value: float | None, tiny: Path, tmp_path: Path) -> None:
    record, folder = run(tiny, tmp_path, f"model={model}")
    got = record.values["fidelity/si_sdr_improvement"].value
    assert got == pytest.approx(value if value is not None else record.ceilings["fidelity/si_sdr_improvement"].value, abs=1e-6)
    assert not (folder / "checkpoints").exists()
    if model == "oracle":
        assert got > 3


def test_a_seed_decides_everything(tiny: Path, tmp_path: Path) -> None:
    def weights(name: str, *more: str) -> dict[str, torch.Tensor]:
        _, folder = run(tiny, tmp_path / name, "model=rnn", *more)
        return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]

    a, b, c = weights("a"), weights("b"), weights("c", "seed=1")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


def test_nan_stops_with_step_and_batch(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the loss is not finite at step \d+ \(batch \d+ of this seed's order; loss="):
        run(tiny, tmp_path, "model=rnn", "model.learning_rate=1e30", "trainer.gradient_clip=0", "preset.steps=6", "preset.validate_every=3")
    record = Record.read(only_folder(tmp_path) / "record.json")
    assert record.status == "failed"
    assert "not finite at step" in record.error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_one_sentence_and_a_record(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full takes what is written and then has no space; the second checkpoint meets it, and the first one stays."""
    write, seen = torch.save, []

    def full(what: object, file: object) -> None:
        seen.append(file)
        if len(seen) <= 2:  # best and last of the first stretch
            return write(what, file)
        with open("/dev/full", "wb") as device:
            return write(what, device)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match="the disk is full; free some space, then repeat the command"):
        run(tiny, tmp_path, "model=rnn", "preset.steps=4", "preset.validate_every=2")
    folder = only_folder(tmp_path)
    assert Record.read(folder / "record.json").status == "failed"
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2


def test_ctrl_c_leaves_an_interrupted_record(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audioml.lit import Lit

    step = Lit.training_step

    def pressed(self: Lit, batch: dict, index: int) -> dict:
        if self.global_step == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    monkeypatch.setattr(Lit, "training_step", pressed)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, tmp_path, "model=rnn")
    record = Record.read(only_folder(tmp_path) / "record.json")
    assert record.status == "interrupted"
    assert "resume=" in record.error
    monkeypatch.undo()
    folder = only_folder(tmp_path)
    assert execute(request_of(folder), resume=folder).status == "done"


def test_steps_and_stretches_must_agree(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"preset\.steps=5 should be a multiple of preset\.validate_every=2"):
        run(tiny, tmp_path, "model=rnn", "preset.steps=5", "preset.validate_every=2")


def test_weights_are_loaded_as_weights_only(tiny: Path, tmp_path: Path) -> None:
    _, folder = run(tiny, tmp_path, "model=rnn")
    other, elsewhere = run(tiny, tmp_path / "other", "model=fcn")
    wav = str(next((tiny / "noisy").iterdir()))
    predict.main([str(folder), wav, "--out", str(tmp_path / "out")])
    made = list((tmp_path / "out").iterdir())
    assert [m.suffixes for m in made] == [[".clean", ".wav"]]

    class Evil:
        def __reduce__(self) -> tuple:
            return (print, ("code ran",))

    for name in ("best", "last"):
        torch.save({"state_dict": Evil(), "audioml": {"signature": other.signature}}, folder / "checkpoints" / f"{name}.ckpt")
    with pytest.raises(RunError, match="is refused: it is not a plain checkpoint of weights"):
        predict.main([str(folder), wav])
    for name in ("best", "last"):
        (folder / "checkpoints" / f"{name}.ckpt").write_bytes((elsewhere / "checkpoints" / "best.ckpt").read_bytes())
    with pytest.raises(RunError, match="belongs to another plan"):
        predict.main([str(folder), wav])
    (folder / "checkpoints" / "best.ckpt").unlink()
    (folder / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(RunError, match="there is no checkpoint"):
        predict.main([str(folder), wav])


def test_predict_says_what_is_wrong(tiny: Path, tmp_path: Path) -> None:
    _, folder = run(tiny, tmp_path, "model=rnn")
    with pytest.raises(RequestError, match="there is no file nowhere.wav"):
        predict.main([str(folder), "nowhere.wav"])
    with pytest.raises(RequestError, match=r"is not a run's folder: it has no config\.yaml"):
        predict.main([str(tmp_path), str(tiny / "metadata.csv")])
    with pytest.raises(RequestError, match=r"metadata\.csv cannot be used: corrupt or truncated"):
        predict.main([str(folder), str(tiny / "metadata.csv"), "--out", str(tmp_path / "o")])
    _, floor = run(tiny, tmp_path / "floor", "model=identity")
    with pytest.raises(RequestError, match="holds no trained system"):
        predict.main([str(floor), str(tiny / "metadata.csv")])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.pop("names"), "'names' is missing or of the wrong kind"),
        (lambda c: c["names"].update(model="os.system"), r"model=os\.system does not exist"),
        (lambda c: c["worlds"].update(noisy={"kind": "Popen"}), "a port's world cannot be read"),
        (lambda c: c["settings"]["model"].update(evil=1), r"model\.evil is not a setting of Rnn"),
    ],
)
def test_a_config_from_outside_is_not_trusted(change: object, text: str, tiny: Path, tmp_path: Path) -> None:
    _, folder = run(tiny, tmp_path, "model=rnn")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RequestError, match=text):
        finished(folder)
    (folder / "config.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(RequestError, match="cannot be read as YAML"):
        finished(folder)


def test_wandb_offline_and_broken_never_fail_a_run(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, folder = run(tiny, tmp_path / "fine", "model=fcn", "logger=wandb", "logger.offline=true")
    assert record.status == "done"
    (place,) = folder.glob("wandb/offline-run-*")
    assert len(list(place.glob("files/media/audio/audio/*.wav"))) >= 3, "the same sounds lie in wandb's folder"
    tables = {path.name.partition("_")[0]: json.loads(path.read_text()) for path in place.glob("files/media/table/*.json")}
    values = {row[0]: dict(zip(tables["values"]["columns"], row, strict=True)) for row in tables["values"]["data"]}
    assert set(values) == set(record.values)
    assert values[record.primary]["value"] == pytest.approx(record.values[record.primary].value)
    assert values[record.primary]["baseline"] == pytest.approx(record.baselines[record.primary].value)
    assert {tuple(row[1:3]) for row in tables["examples"]["data"]} == {("input", "noisy"), ("output", "clean"), ("target", "clean")}
    assert "wandb is left out" not in (folder / "train.log").read_text(), "and the run there was closed"
    parts = (b'"width"', b'train/loss', record.signature.encode())  # the configuration, the curves, the name
    until = time.monotonic() + 30  # wandb's own process writes them, and was once seen to be late
    while not all(part in (log := next(place.glob("*.wandb")).read_bytes()) for part in parts) and time.monotonic() < until:
        time.sleep(0.2)
    for part in parts:
        assert part in log
    import wandb

    def broken(**_: object) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(wandb, "init", broken)
    record, folder = run(tiny, tmp_path / "broken", "model=fcn", "logger=wandb")
    assert record.status == "done"
    assert "wandb is left out from here: RuntimeError: no network" in (folder / "train.log").read_text()


def test_skipped_files_are_named_in_the_record(tiny: Path, tmp_path: Path) -> None:
    import shutil

    place = tmp_path / "with a hole"
    shutil.copytree(tiny, place)
    (place / "noisy" / "02.wav").write_bytes(b"RIFF")
    record, _ = run(place, tmp_path, "model=fcn", "data.max_bad=0.5")
    assert [Path(s["file"]).name for s in record.provenance["data_report"]["skipped"]] == ["02.wav"]


def test_a_run_is_named_by_what_shapes_its_weights() -> None:
    base = ["task=enhancement", "model=fcn", "preset=quick"]

    def sign(*more: str) -> str:
        return run_signature(compose([*base, *more]))

    machine = (["trainer=cpu", "trainer.threads=1"], ["trainer=ddp"], ["trainer.progress=false"], ["data.cache=/elsewhere"])
    for same in (*machine, ["preset.probe_seconds=3"]):
        assert sign(*same) == sign(), same
    for other in ("trainer.average=0.9", "trainer.weight_decay=0", "data.equalize=3", "model.width=32", "seed=1"):
        assert sign(other) != sign(), other


def test_a_family_is_a_run_whatever_its_seed() -> None:
    base = ["task=enhancement", "model=fcn", "preset=quick"]
    first, second, wider = (run_family(compose([*base, more])) for more in ("seed=0", "seed=1", "model.width=32"))
    assert first == second != wider


def test_a_setting_that_is_off_leaves_earlier_runs_what_they_were() -> None:
    """What a part learns to do later, off as its file has it, is as if it had never been; switched otherwise it is signed."""
    request = compose(["task=symbolic", "preset=quick"])
    before = run_signature(request)
    assert request.settings["method"]["period"] is None
    assert request.settings["method"]["smoothing"] == 0
    fewer = {k: v for k, v in request.settings["method"].items() if k not in ("period", "smoothing")}
    assert run_signature(replace(request, settings={**request.settings, "method": fewer})) == before
    assert run_signature(compose(["task=symbolic", "preset=quick", "method.period=0"])) != before
