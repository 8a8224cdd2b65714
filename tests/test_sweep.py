"""Sweeps in this process: what is skipped, what counts as published, what is tuned; and what a definition may say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audioml import shelf, sweep
from audioml.errors import AudiomlError, RequestError
from audioml.records import Record
from audioml.run import execute
from audioml.runfolder import run_signature
from audioml.sweep import Job, compose, definition, drive, jobs
from audioml.sweep.launchers import Launcher
from audioml.sweep.launchers.inline import Inline
from tests.conftest import tiny_args, train_py


def records(outputs: Path) -> dict[str, Record]:
    """Signature -> record of everything below a folder."""
    found = [Record.read(path) for path in outputs.rglob("record.json")]
    return {record.signature: record for record in found}


def test_a_sweep_skips_what_is_done_and_goes_on_after_a_failure(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["sweep=smoke", "model=fcn,cnn2d", "representation=waveform,stft", *tiny_args(tiny, tmp_path)]
    drive.main(arguments)
    first = capsys.readouterr().out
    assert first.count("does not fit") == 1, "cnn2d has no waveform"
    assert "done before" not in first
    assert "[4/4] " in first
    assert " s left] model=fcn representation=stft: fidelity/" in first, "what is the same for all is not repeated"
    drive.main(arguments)
    assert capsys.readouterr().out.count("done before") == 3
    with pytest.raises(RequestError, match=r"sweep=quik does not exist; did you mean quick\? choices: "):
        drive.main(["sweep=quik"])


def test_what_fails_is_recorded_and_counted(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["sweep=smoke", "model=fcn", "model.learning_rate=1e30,1e-3", *tiny_args(tiny, tmp_path), "trainer.gradient_clip=0.0"]
    arguments = ["preset.steps=40" if a.startswith("preset.steps") else a for a in arguments]
    with pytest.raises(AudiomlError, match="1 of 2 runs failed; each said why above") as raised:
        drive.main(arguments)
    assert raised.value.exit_code == 1
    assert "model.learning_rate=1e30: failed: the loss is not finite" in capsys.readouterr().out
    assert sorted(r.status for r in records(tmp_path).values()) == ["done", "failed"]


def test_published_records_count_only_for_the_sweep_that_names_them(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(definition, "PUBLISHED", tmp_path / "published")
    assert sweep.define("quick").published is None, "`make run` in a fresh clone trains its rows itself"
    assert sweep.define("grid").published == tmp_path / "published" / "grid"
    record = execute(compose(tiny_args(tiny, tmp_path / "elsewhere", "model=fcn")))
    record.write(tmp_path / "published" / "grid" / f"{record.signature}.json")
    drive.main(["sweep=smoke", "model=fcn", *tiny_args(tiny, tmp_path / "fresh")])
    assert "done before" not in capsys.readouterr().out
    job = ("task=enhancement", "model=fcn", *tiny_args(tiny, tmp_path / "fresher"))
    assert sweep.run(Job(job, str(tmp_path / "published" / "grid"))).status == "known"


def test_records_land_among_the_published_as_they_are_made(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(definition, "PUBLISHED", tmp_path / "published")
    command = ["sweep=talk", "publish=true", "task=enhancement", "model=fcn", "seed=0,1", *tiny_args(tiny, tmp_path)]
    with pytest.raises(RequestError, match="conf/sweep/smoke.yaml names no folder for published records"):
        drive.main(["sweep=smoke", *command[1:]])
    with pytest.raises(RequestError, match=r"'publsh' is no argument of a sweep; did you mean publish\?"):
        drive.main(["sweep=talk", "publsh=true"])
    with pytest.raises(RequestError, match="publish=maybe should be true or false"):
        drive.main(["sweep=talk", "publish=maybe"])
    drive.main([a for a in command if a != "publish=true"])
    place = tmp_path / "published" / "talk"
    assert not place.exists()
    drive.main(command)
    assert capsys.readouterr().out.count("done before") == 2
    landed = [Record.read(p) for p in sorted(place.glob("enhancement_fcn_*.json"))]
    assert {r.provenance["seed"] for r in landed} == {0, 1}
    whole = records(tmp_path)[landed[0].signature]
    assert set(landed[0].items) == {whole.primary} < set(whole.items)
    assert landed[0].values == whole.values
    assert "data_report" in whole.provenance.keys() - landed[0].provenance.keys()
    before = {p: p.stat().st_mtime_ns for p in place.iterdir()}
    drive.main(["launcher=workers", *command])
    assert {p: p.stat().st_mtime_ns for p in place.iterdir()} == before


def test_every_definition_is_sound() -> None:
    assert {"quick", "grid", "smoke", "talk", "streaming", "data_needs", "fair"} <= set(shelf.names("sweep"))
    for name in shelf.names("sweep"):
        assert sweep.define(name).axes["task"], name
    talk = sweep.define("talk")
    assert len(talk.axes["model"]) == 11
    assert talk.axes["seed"] == ["0", "1", "2"]
    assert set(talk.axes["task"]) == {"enhancement", "effects", "beat_tracking", "codec", "generation"}
    assert talk.published == definition.PUBLISHED / "talk"
    assert sweep.define("data_needs").axes["share"] == ["0.0625", "0.25", "1"]
    assert all(block.tune for block in sweep.define("fair").blocks)


def test_every_launcher_can_be_made_from_its_file() -> None:
    assert {"inline", "workers", "joblib", "submitit", "ray"} <= set(shelf.names("launcher"))
    for name in shelf.names("launcher"):
        launcher = drive.launcher_of({"launcher": name})
        assert isinstance(launcher, Launcher)
        assert launcher.jobs >= 1


def test_blocks_are_laid_over_the_rest() -> None:
    made = definition.read(
        {
            "preset": "smoke", "seed": [0, 1], "with": {"trainer": "cpu", "trainer.threads": 1, "data.snr": [0, 5]},
            "blocks": [{"task": "enhancement", "model": ["unet", "rnn"]}, {"task": ["asr"], "model": "rnn", "seed": 3}],
        },
        "here",
    )  # fmt: skip
    cells = [cell for block in made.blocks for cell in block.cells()]
    assert len(cells) == 2 * 2 + 1
    fixed = ("trainer=cpu", "trainer.threads=1", "data.snr=[0,5]")
    assert cells[0] == ("preset=smoke", "seed=0", *fixed, "task=enhancement", "model=unet")
    assert cells[-1] == ("preset=smoke", "seed=3", *fixed, "task=asr", "model=rnn")
    assert made.axes["model"] == ["unet", "rnn"]
    over = made.overridden({"seed": "7,8", "data.snr": "[1,2]", "model.width": "8,16"})
    assert len([c for b in over.blocks for c in b.cells()]) == 2 * 2 * 2 + 2 * 2
    assert over.axes["data.snr"] == ["[1,2]"]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"modle": ["unet"]}, "here: 'modle' is neither an axis nor a word of a sweep's definition; did you mean model?"),
        ({"task": ["enhancement"], "publish": "talk"}, "'publish' is neither an axis .* did you mean published?"),
        ({"task": ["enhancment"]}, "task=enhancment does not exist; did you mean enhancement?"),
        ({"ports": ["x"]}, "'ports' is neither an axis"),
        ({"seed": []}, "seed should be a value or a list of values"),
        ({"seed": [0], "published": "../elsewhere"}, "should be the name of a folder below"),
        ({"seed": [0], "blocks": [3]}, "blocks should be a list of mappings"),
        ({"blocks": [{"seed": 1, "published": "x"}]}, "published stands at the top of a definition"),
        ({"seed": [0], "with": {"seed": 1}}, "seed stands both in `with` and outside of it"),
        ({"task": "asr", "with": {"seed": [0, 1]}}, "with.seed has several values"),
        ({"task": "asr", "tune": {"model.width": [1, 2]}}, "tune should be a mapping such as"),
        ({"task": "asr", "tune": {"model.width": {"times": [1, -2]}}}, "the factors are numbers above zero"),
        ({"task": "asr", "tune": {"seed": {"times": [1, 2]}}}, "tune.seed is no setting"),
        ({}, "here names no axis"),
    ],
)
def test_what_a_definition_may_not_say(raw: dict, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence.replace("?", r"\?")):
        definition.read(raw, "here")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["launcher=worker"], r"launcher=worker does not exist; did you mean workers\? choices: inline, "),
        (["launcher=workers", "launcher.job=2"], r"launcher.job is not a setting of Workers; did you mean jobs\?"),
        (["launcher=workers", "launcher.jobs=two"], "launcher.jobs='two' has the wrong type; it should be a whole number or null"),
        (["launcher=workers", "launcher.jobs=0"], "launcher.jobs=0 should be at least 1"),
        (["modle=unet"], r"'modle' is no axis or setting; did you mean model\?"),
    ],
)
def test_wrong_requests(arguments: list[str], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        drive.main(["sweep=smoke", *arguments])


def test_tuning_takes_the_best_factor_for_all_seeds(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = dict(a.partition("=")[::2] for a in tiny_args(tiny, tmp_path))
    raw = {"task": "enhancement", "model": ["fcn", "identity"], "seed": [0, 1], "tune": {"model.learning_rate": {"times": [1e-4, 1, 3]}}}
    made = definition.read(raw, "here").overridden(given)
    drive.sweep(made, Inline())
    said = capsys.readouterr().out
    trials = records(tmp_path / "outputs" / "tuning") | records(tmp_path / "outputs" / "runs")
    at_first = {r.provenance["learning_rate"]: r.provenance["valid_loss"] for r in trials.values() if r.axes["seed"] == 0 and r.axes["row"] == "fcn"}
    assert len(at_first) == 3
    assert all(math.isfinite(loss) for loss in at_first.values())
    best = min(at_first, key=at_first.__getitem__)
    runs = [r for r in records(tmp_path / "outputs" / "runs").values() if r.axes["row"] == "fcn"]
    assert sorted((r.axes["seed"], r.provenance["learning_rate"]) for r in runs) == [(0, best), (1, best)]
    assert len(records(tmp_path / "outputs" / "tuning")) == 2, "those that lost stay apart"
    assert "tuning task=enhancement model=fcn" in said
    before = sorted(tmp_path.rglob("record.json"))
    drive.sweep(made, Inline())
    assert sorted(tmp_path.rglob("record.json")) == before, "nothing runs twice"


def test_a_dead_process_is_recorded_as_failed(tiny: Path, tmp_path: Path) -> None:
    job = Job(("task=enhancement", "model=fcn", *tiny_args(tiny, tmp_path)))
    sign = run_signature(compose(job.arguments))
    begun = tmp_path / "outputs" / "runs" / f"2026-01-01_000000_enhancement_fcn_{sign}"
    begun.mkdir(parents=True)
    ended = jobs.died(job, "its worker process was ended by SIGKILL")
    assert ended.status == "failed"
    record = Record.read(begun / "record.json")
    assert (record.status, record.signature, record.axes["row"]) == ("failed", sign, "fcn")
    assert "SIGKILL" in record.error
    assert sweep.done(sign, tmp_path / "outputs") is None


LAID = (
    ["seed=3", "outputs='/tmp/a b'"], ["++seed=3"], ["seed=null"], ["seed='3'"], ["outputs="], ["share=1e-1"], ["name=007"], ["name=a\\=b"],
    ["model.width=8", "model=fcn"], ["model.x=nan"], ["model.sizes=3"], ["trainer=cpu", "trainer.threads=1", "trainer.progress=false"],
    ["representation=mel", "task=asr", "representation.bands=40"], ["ports.noisy=mel", "ports.clean=stft"], ["budget=params:3e5"],
    ["method=mask", "method.losses.snr=0.5"], ["data=folder", "data.path='/a,b'"], ["preset=smoke", "preset.steps=16"],
)  # fmt: skip
ASKED = (
    ["seed=1,2"], ["seed=[1,2]"], ["+seed=3"], ["~seed"], ["outputs=[a"], ["outputs=${name}"], ["name=a=b"], ["model=fcn", "model=rnn"],
    ["+model.foo=1"], ["model@foo=fcn"], ["model.a.b=3"], ["data.snr=[0,5]"], ["data.material={a: b}"], ["ports={noisy: mel}"],
    ["hydra.job.chdir=true"], ["method.losses.snr=2"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", [*LAID, *ASKED], ids=" ".join)
def test_what_is_laid_over_is_what_hydra_composes(arguments: list[str]) -> None:
    from audioml.cli import prepare
    from audioml.sweep import composer

    prepared = [prepare(a) for a in arguments]

    def said(ask: Callable[[], dict[str, Any]]) -> Any:
        try:
            plain = ask()
        except RequestError as error:
            return str(error)
        return repr({k: v for k, v in plain.items() if k != "hydra"}), plain["hydra"]["runtime"]["choices"]

    composer.composed(())
    once = composer._composed.cache_info().misses
    ours = said(lambda: composer.composed(prepared))
    assert (composer._composed.cache_info().misses > once) == (arguments in ASKED)
    assert ours == said(lambda: composer._composed.__wrapped__(str(shelf.conf_dir().resolve()), tuple(prepared)))
    assert said(lambda: composer.composed(())) == said(lambda: composer._composed.__wrapped__(str(shelf.conf_dir().resolve()), ()))


def test_every_part_is_laid_over_as_hydra_composes_it() -> None:
    from audioml.sweep import composer

    conf = str(shelf.conf_dir().resolve())
    for group in shelf.GROUPS:
        picked = [n for n in shelf.names(group) if "defaults" in (shelf.conf_dir() / group / f"{n}.yaml").read_text("utf-8")]
        for name in dict.fromkeys([*picked[:2], *shelf.names(group)[:2], *shelf.names(group)[-1:]]):
            hydras = composer._composed.__wrapped__(conf, (f"{group}={name}",))
            assert repr(composer.composed([f"{group}={name}"])[group]) == repr(hydras[group])


def timeless(record: Record) -> dict[str, Any]:
    """All that two equal runs have in common."""
    raw = record.as_dict()
    by_clock = ("latency/", "compute/train_seconds", "compute/to_90_percent_s", "streaming/smallest_block_ms")
    raw["values"] = {k: v for k, v in raw["values"].items() if not k.startswith(by_clock)}
    raw["provenance"] = {k: raw["provenance"][k] for k in ("data_fingerprint", "valid_loss", "steps", "family", "test_items")}
    return raw


def test_a_run_after_others_is_the_run_alone(tiny: Path, tmp_path: Path) -> None:
    cells = [["model=fcn", "seed=1"], ["model=cnn1d", "seed=0", "representation=stft"], ["model=fcn", "seed=2"], ["model=fcn", "seed=1"]]
    ran = []
    for k, cell in enumerate(cells):
        (job,) = jobs.jobs_of([tuple(tiny_args(tiny, tmp_path / str(k), *cell))], None)
        ran.append(jobs.work(job))
        assert ran[-1].status == "done", ran[-1].said
    ended = train_py(*tiny_args(tiny, tmp_path / "alone", *cells[0]))
    assert ended.returncode == 0, ended.stderr
    (alone,) = (tmp_path / "alone").rglob("record.json")
    first, last, fresh = ran[0].record, ran[-1].record, Record.read(alone)
    assert timeless(last) == timeless(first) == timeless(fresh)
    folder = next((tmp_path / "3").rglob("record.json")).parent
    files = [p.relative_to(folder) for p in sorted(folder.glob("audio/*"))]
    assert files
    assert all((folder / p).read_bytes() == (alone.parent / p).read_bytes() for p in files)
