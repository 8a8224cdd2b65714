"""The tape is built once, whole or not at all, and says what the data is."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from audioml.data import cache
from audioml.data.table import Source, Table
from audioml.data.tape import Tape
from audioml.errors import RequestError, RunError
from tests.data.sound_folders import RATE, noise, write


def sources(folder: Path, count: int = 5, seconds: float = 0.1) -> list[Source]:
    for i in range(count):
        if not (folder / f"{i}.wav").exists():
            write(folder / f"{i}.wav", noise(i, seconds))
    table = Table(str(folder), (), (), folder)
    return [table.source(f"{i}.wav") for i in range(count)]


def tape(folder: Path, at: Path, **changed: object) -> Tape:
    facts = {"where": "here", "root": str(folder), "rate": RATE, "channels": 1, "cache": str(at)} | changed
    return cache.open_tape(sources(folder), **facts)


def test_built_once_and_again_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = cache.decode
    monkeypatch.setattr(cache, "decode", lambda path, *rest: read.append(path.name) or real(path, *rest))
    first = tape(tmp_path / "a", tmp_path / "c")
    assert sorted(read) == [f"{i}.wav" for i in range(5)]
    assert tape(tmp_path / "a", tmp_path / "c").folder == first.folder
    assert len(read) == 5
    write(tmp_path / "a/3.wav", noise(99, 0.2))
    again = tape(tmp_path / "a", tmp_path / "c")
    assert len(read) == 10
    assert again.length.tolist() == [1600, 1600, 1600, 3200, 1600]
    assert tape(tmp_path / "a", tmp_path / "c", rate=8000).length[0] == 800


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one = tape(tmp_path / "a", tmp_path / "c")
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    two = tape(tmp_path / "moved", tmp_path / "c")
    assert one.folder != two.folder
    assert one.fingerprint() == two.fingerprint()
    x = noise(3, 0.1)
    x[5] += 0.01
    write(tmp_path / "a/3.wav", x)
    assert tape(tmp_path / "a", tmp_path / "c").fingerprint() != one.fingerprint()
    assert tape(tmp_path / "a", tmp_path / "c", rate=8000).fingerprint() != one.fingerprint()


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(RunError, match=r"the disk is full: no room in .*tapes for the decoded audio of here; .*data\.cache=DIR"):
        tape(tmp_path / "a", tmp_path / "c")
    assert [p.name for p in (tmp_path / "c/tapes").iterdir() if p.suffix != ".lock"] == []
    monkeypatch.undo()
    assert len(tape(tmp_path / "a", tmp_path / "c").length) == 5


def test_a_really_full_disk(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(RunError, match="the disk is full"):
        cache.made_once("tapes", "x", lambda _: False, lambda at: _fill(at), "here", str(tmp_path))
    assert not list(tmp_path.glob("tapes/*.tmp"))


def _fill(folder: Path) -> None:
    (folder / "part").write_text("half")
    with open("/dev/full", "w") as full:
        full.write("x" * 10)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"the cache folder .* cannot be written .*; name another one with data\.cache=DIR"):
        tape(tmp_path / "a", tmp_path / "file")


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    folder = tape(tmp_path / "a", tmp_path / "c").folder
    os.rename(folder, folder.with_name(folder.name + ".tmp"))
    assert (tape(tmp_path / "a", tmp_path / "c").folder / "tape.json").is_file()
    assert not list(folder.parent.glob("*.tmp"))


def test_a_damaged_tape_is_built_again(tmp_path: Path) -> None:
    folder = tape(tmp_path / "a", tmp_path / "c").folder
    data = (folder / "samples.i16").read_bytes()
    (folder / "samples.i16").write_bytes(data[:100])
    assert (tape(tmp_path / "a", tmp_path / "c").folder / "samples.i16").read_bytes() == data


def _build(folder: Path, at: Path, start: object, done: object) -> None:
    real = cache.decode
    cache.decode = lambda path, *rest: done.put(path.name) or real(path, *rest)
    start.wait()
    assert tape(folder, at).length.tolist() == [1600] * 5


def test_two_processes_starting_together_build_once(tmp_path: Path) -> None:
    sources(tmp_path / "a")
    context = multiprocessing.get_context("fork")
    start, done = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_build, args=(tmp_path / "a", tmp_path / "c", start, done)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(done.get(timeout=1) for _ in range(5)) == [f"{i}.wav" for i in range(5)]
    assert done.empty()


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUDIOML_CACHE", raising=False)
    assert cache.cache_folder(None) == Path.home() / ".cache" / "audioml"
    monkeypatch.setenv("AUDIOML_CACHE", str(tmp_path / "env"))
    assert cache.cache_folder(None) == tmp_path / "env"
    assert cache.cache_folder(str(tmp_path / "own")) == tmp_path / "own"


def test_energy_up_to_every_segment() -> None:
    x = np.random.default_rng(0).integers(-9000, 9000, (1000, 2)).astype(np.int16)
    sums = cache.cumulative(x, 1 / 32768)
    assert sums.shape == (5,)
    np.testing.assert_allclose(sums[-1], ((x / 32768) ** 2).mean(1).sum())
    np.testing.assert_allclose(sums[1], ((x[:256] / 32768) ** 2).mean(1).sum())
