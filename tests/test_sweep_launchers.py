"""Launchers with real processes: jobs come back, a process that dies costs its own job only, a killed sweep ends as an unbroken one."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from audioml import sweep
from audioml.errors import RequestError
from audioml.records import Record
from audioml.sweep import Job, drive
from audioml.sweep.launchers import Launcher, cores, gpus, surroundings
from audioml.sweep.launchers.joblib import Joblib
from audioml.sweep.launchers.ray import Ray
from audioml.sweep.launchers.submitit import Submitit
from audioml.sweep.launchers.workers import Workers, ending
from tests.conftest import ROOT, tiny_args

LONG = ("preset.steps=4000", "preset.validate_every=4000")


def job(tiny: Path, tmp: Path, *more: str) -> Job:
    usual = [a for a in tiny_args(tiny, tmp) if a.split("=")[0] not in {m.split("=")[0] for m in more}]
    return Job(("task=enhancement", *usual, *more))


def primaries(outputs: Path) -> dict[str, float]:
    """Signature -> the primary value of every finished record."""
    found = [Record.read(path) for path in outputs.glob("runs/*/record.json")]
    return {r.signature: r.values[r.primary].value for r in found if r.status == "done"}  # type: ignore[misc]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(jobs=2, threads=1) as team:
        yield team


def test_workers_share_the_jobs_and_stay(workers: Workers, tiny: Path, tmp_path: Path) -> None:
    pids = {w.process.pid for w in workers.team}
    jobs = [job(tiny, tmp_path, "model=fcn", f"seed={s}") for s in range(3)] + [job(tiny, tmp_path, "model=fcn", "model.widht=3")]
    ended = list(workers.run(jobs))
    assert sorted(e.status for e in ended) == ["done", "done", "done", "failed"]
    assert {e.job for e in ended} == set(jobs), "each once, as it was given"
    assert "model.widht is not a setting of" in next(e.said for e in ended if e.status == "failed")
    assert all(e.seconds > 0 and e.cpu_s > 0 for e in ended if e.status == "done")
    assert {w.process.pid for w in workers.team} == pids == set(workers.imports_cpu_s), "a failing job does not cost the worker"
    assert [e.status for e in workers.run(jobs[:1])] == ["known"]
    here = sweep.work(job(tiny, tmp_path / "here", "model=fcn", "seed=1"))
    assert here.status == "done"
    assert primaries(tmp_path / "here" / "outputs").items() <= primaries(tmp_path / "outputs").items(), "where it runs changes no number"


def test_a_worker_that_is_killed_costs_its_job_only(workers: Workers, tiny: Path, tmp_path: Path) -> None:
    long = job(tiny, tmp_path, "model=rnn", *LONG)

    def kill() -> None:
        deadline = time.time() + 60
        while not list((tmp_path / "outputs" / "runs").glob("*/metrics.csv")) and time.time() < deadline:
            time.sleep(0.02)
        os.kill(next(w.process.pid for w in workers.team if w.job == long), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    others = [job(tiny, tmp_path / "others", "model=fcn", f"seed={s}") for s in range(2)]
    ended = {e.job: e for e in workers.run([long, *others])}
    killer.join()
    assert [ended[o].status for o in others] == ["done", "done"]
    assert ended[long].status == "failed"
    assert "ended by SIGKILL: often the machine had no memory left" in ended[long].said
    (path,) = (tmp_path / "outputs").glob("runs/*/record.json")
    assert Record.read(path).status == "failed"
    assert "SIGKILL" in Record.read(path).error


def test_how_a_process_ended() -> None:
    assert ending(-signal.SIGSEGV) == "its worker process was ended by SIGSEGV: a library crashed"
    assert ending(3) == "its worker process ended with exit code 3"
    assert ending(-200) == "its worker process was ended by signal 200"


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in found.split()]


def test_a_killed_sweep_ends_as_an_unbroken_one(tiny: Path, tmp_path: Path) -> None:
    """SIGKILL at a random moment after the first run ended; the workers leave with it, and the same command makes up the rest."""
    broken = ["sweep=smoke", "model=fcn,cnn1d", "seed=0,1", *tiny_args(tiny, tmp_path / "broken")]
    whole = ["sweep=smoke", "model=fcn,cnn1d", "seed=0,1", *tiny_args(tiny, tmp_path / "whole")]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "sweep.py"), *broken, "launcher=workers", "launcher.jobs=2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    deadline = time.time() + 120
    while not primaries(tmp_path / "broken" / "outputs"):
        assert time.time() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    time.sleep(random.uniform(0, 1))
    theirs = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    halfway = primaries(tmp_path / "broken" / "outputs")
    drive.main(broken)
    drive.main(whole)
    assert not any(alive(pid) for pid in theirs), "no worker outlives its sweep"
    reference = primaries(tmp_path / "whole" / "outputs")
    assert len(reference) == 4
    assert primaries(tmp_path / "broken" / "outputs") == reference
    assert halfway.items() <= reference.items()
    assert 0 < len(halfway) <= 4


@pytest.mark.slow
def test_ctrl_c_interrupts_the_runs_and_says_how_to_go_on(tiny: Path, tmp_path: Path) -> None:
    usual = [a for a in tiny_args(tiny, tmp_path) if not a.startswith(("preset.steps", "preset.validate_every"))]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "sweep.py"), "sweep=smoke", "model=rnn", *usual, *LONG, "launcher=workers", "launcher.jobs=1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    deadline = time.time() + 120
    while not list((tmp_path / "outputs").glob("runs/*/metrics.csv")):
        assert time.time() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "audioml: interrupted; nothing is lost, the same command goes on from there" in said
    assert "Traceback" not in said
    (path,) = (tmp_path / "outputs").glob("runs/*/record.json")
    assert Record.read(path).status == "interrupted"


def crash(number: int, job: Job, folder: str, places: int, threads: int | None) -> Any:
    """Stands for joblib.placed: one of the jobs takes its process down."""
    from audioml.sweep.launchers import joblib

    if job.names("name"):
        (Path(folder) / f"begun-{number}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return joblib.placed(number, job, folder, places, threads)


@pytest.mark.slow
def test_joblib_runs_and_survives_a_crash(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audioml.sweep.launchers import joblib

    true = [job(tiny, tmp_path, "model=fcn", f"seed={s}") for s in range(2)]
    guilty = job(tiny, tmp_path, "model=fcn", "seed=9", "name=guilty")
    monkeypatch.setattr(joblib, "placed", crash)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ended = {e.job: e for e in Joblib(jobs=2, threads=1).run([true[0], guilty, true[1]])}
    assert [ended[j].status for j in true] == ["done", "done"]
    assert ended[guilty].status == "failed"
    assert "its worker process died" in ended[guilty].said


@pytest.mark.slow
def test_submitit_runs_locally_and_tells_what_died(tiny: Path, tmp_path: Path) -> None:
    settings = {"gpus": 0, "minutes": 5, "memory_gb": None, "cluster": "local", "folder": str(tmp_path / "logs"), "extra": {}}
    good, bad = job(tiny, tmp_path, "model=fcn"), job(tiny, tmp_path, "model=cnn2d", "representation=waveform")
    with Submitit(jobs=2, threads=1, **settings) as launcher:  # type: ignore[arg-type]
        ended = {e.job: e.status for e in launcher.run([good, bad])}
        assert ended == {good: "done", bad: "misfit"}
        assert len(primaries(tmp_path / "outputs")) == 1
        gone = SimpleNamespace(exception=lambda: RuntimeError("Traceback\nthe node went away"), job_id="17")
        told = launcher._ended(gone, job(tiny, tmp_path, "model=fcn", "seed=4"))
    assert "its Slurm job 17 ended without a result (the node went away)" in told.said
    with pytest.raises(RequestError, match="launcher=submitit: "), Submitit(jobs=1, threads=1, **{**settings, "extra": {"slrum": 1}}):
        pass


class FakeRay(ModuleType):
    """What launcher=ray uses of Ray, run at once in this process; `crash` names the job whose worker dies."""

    class exceptions:  # noqa: N801  Ray's own name
        class RayError(Exception): ...

    def __init__(self, crash: Job) -> None:
        super().__init__("ray")
        self.crash, self.asked, self.up = crash, {}, False

    def is_initialized(self) -> bool:
        return self.up

    def init(self, **how: Any) -> None:
        self.up, self.how = True, how

    def shutdown(self) -> None:
        self.up = False

    def remote(self, **asked: Any) -> Any:
        self.asked = asked
        return lambda work: SimpleNamespace(remote=lambda job: (work, job))

    def wait(self, flying: list, num_returns: int) -> tuple[list, list]:
        return flying[-1:], flying[:-1]

    def get(self, ready: tuple) -> Any:
        work, asked = ready
        if asked.arguments[: len(self.crash.arguments)] == self.crash.arguments:
            raise self.exceptions.RayError("died")
        return work(asked)


def test_ray_as_far_as_a_stand_in_shows(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = job(tiny, tmp_path, "model=identity"), job(tiny, tmp_path, "model=fcn", "seed=5")
    fake = FakeRay(crash=bad)
    monkeypatch.setitem(sys.modules, "ray", fake)
    with Ray(jobs=2, threads=1, gpus=None, address=None) as launcher:
        ended = {e.job: e for e in launcher.run([good, bad])}
    assert ended[good].status == "done"
    assert "its Ray worker ended without a result (RayError)" in ended[bad].said
    assert fake.asked == {"num_cpus": 1, "num_gpus": float(bool(gpus())), "max_retries": 0}
    assert not fake.up
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"launcher=ray needs Ray; pip install 'audioml\[ray\]'"), Ray(jobs=1, threads=1, gpus=0.0, address=None):
        pass


@pytest.mark.slow
def test_a_local_ray(tiny: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (the extra `ray`): launcher=ray is tested against a stand-in only")
    jobs = [job(tiny, tmp_path, "model=fcn", f"seed={s}") for s in range(3)]
    with Ray(jobs=2, threads=1, gpus=0.0, address=None) as launcher:
        assert [e.status for e in launcher.run(jobs)] == ["done"] * 3
    assert len(primaries(tmp_path / "outputs")) == 3


def test_the_machine_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audioml.sweep.launchers.cores", lambda: 8)

    def shares(*asked: Any) -> tuple[int, int | None]:
        launcher = Launcher()
        launcher.share(*asked)
        return launcher.jobs, launcher.threads

    assert shares(None, None, 0) == (8, 1)
    assert shares(2, None, 0) == (2, 4)
    assert shares(None, 4, 0) == (2, 4)
    assert shares(None, None, 2) == (2, 4), "one job per GPU"
    assert shares(3, 1, 2) == (3, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-abc")
    assert gpus() == ["4", "GPU-abc"]
    assert [surroundings(place, 2)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["4", "GPU-abc", "4"]
    assert surroundings(0, 2)["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
    assert cores() >= 1
    fitted = Launcher()
    fitted.threads = 3
    assert fitted.fitted(Job(("model=fcn",))).arguments == ("model=fcn", "trainer.threads=3", "trainer.progress=false")
    said = Job(("trainer.threads=1", "trainer.progress=true"))
    assert fitted.fitted(said).arguments == said.arguments
