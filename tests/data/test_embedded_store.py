"""The embedded sets are made once, whole or not at all, and every failure is one sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audioml.data.making import store
from audioml.data.making.writing import Shelf
from audioml.errors import RequestError, RunError

ROOT = Path(__file__).resolve().parents[2]
PREPARE = [sys.executable, str(ROOT / "scripts" / "prepare.py"), "--scale", "smoke", "--cache"]


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def started(cache: Path) -> subprocess.Popen[str]:
    """A process that has begun to write."""
    process = subprocess.Popen(
        [*PREPARE, str(cache)], start_new_session=True, stdout=-1, stderr=-1, text=True, env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background inherits it ignored
    )
    while not list(cache.glob(".embedded*.tmp/*/*")):
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        time.sleep(0.02)
    return process


def test_interrupted_killed_then_two_at_once_give_the_same_bytes(embedded_sets: Path, tmp_path: Path) -> None:
    stopped = started(tmp_path)
    os.killpg(stopped.pid, signal.SIGINT)
    said = stopped.communicate(timeout=30)[1]
    assert stopped.returncode == 1
    assert "audioml: interrupted; the embedded data was not made, and nothing was left behind" in said
    assert not list(tmp_path.glob("*embedded*/"))
    assert not list(tmp_path.glob(".embedded*"))

    killed = started(tmp_path)
    killed.kill()
    killed.communicate()
    assert not (tmp_path / embedded_sets.name).exists()

    both = [subprocess.Popen([*PREPARE, str(tmp_path)], stdout=-1, stderr=-1, text=True, env=environment()) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("making data" in err for _, err in said) == 1, "the second should wait and find it"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [embedded_sets.name], "a killed process's remains are cleared"
    assert digest(tmp_path / embedded_sets.name) == digest(embedded_sets)


def test_found_without_making_and_remade_when_damaged(
    embedded_sets: Path, embedded_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WORKER", (sys.executable, "-c", "raise SystemExit(3)"))
    assert store.ensure(str(embedded_cache), "smoke") == embedded_sets
    damaged = tmp_path / embedded_sets.name
    (damaged / "words").mkdir(parents=True)
    assert not store.made(damaged)
    with pytest.raises(RunError, match="ended with code 3"):
        store.ensure(str(tmp_path), "smoke")


def test_an_unknown_scale(tmp_path: Path) -> None:
    text = "data.scale=fill is not a scale of the embedded data; did you mean full. scales: full, smoke"
    with pytest.raises(RequestError, match=text):
        store.ensure(str(tmp_path), "fill")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"file/cache cannot be written .*name another one with data.cache=DIR"):
        store.ensure(str(tmp_path / "file" / "cache"), "smoke")


@pytest.mark.parametrize(
    ("news", "text"),
    [
        (json.dumps({"error": "OSError: full", "errno": errno.ENOSPC}), "the disk is full: no room in .* data.cache=DIR"),
        ('{"error": "KeyError: 3", "errno": null}', "making the embedded data failed .KeyError: 3.; nothing was left behind"),
    ],
)
def test_a_maker_that_fails(news: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WORKER", (sys.executable, "-c", f"print({news!r}); raise SystemExit(1)"))
    with pytest.raises(RunError, match=text):
        store.ensure(str(tmp_path), "smoke")
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.flac").symlink_to("/dev/full")
    shelf = Shelf(tmp_path, (), "", lambda k: None)
    with pytest.raises(OSError, match="No space left on device") as caught:
        shelf.audio("a.flac", np.zeros(16000, np.int16))
    assert caught.value.errno == errno.ENOSPC


def test_a_forgotten_worker_makes_nothing_again(tmp_path: Path) -> None:
    with Shelf(tmp_path / "gone", (), "", lambda k: None) as shelf:
        pass
    shutil.rmtree(shelf.folder)
    with pytest.raises(FileNotFoundError, match="gone was removed"):
        shelf.audio("a.flac", np.zeros(160, np.int16))
    assert not (tmp_path / "gone").exists()


def test_the_worker_tells_its_error(tmp_path: Path) -> None:
    (tmp_path / "noise").write_text("in the way")
    command = [sys.executable, "-m", "audioml.data.making", str(tmp_path), "smoke", "noise"]
    out = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert out.returncode == 1
    assert '"error": "FileExistsError' in out.stdout
    assert f'"errno": {errno.EEXIST}' in out.stdout


def test_the_front_door_speaks_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "prepare.py"), "--cache", str(tmp_path), "--scale", "fill"]
    out = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert out.returncode == 2
    assert out.stderr.startswith("audioml: data.scale=fill is not a scale")
    assert "Traceback" not in out.stderr
