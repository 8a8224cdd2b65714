"""Where the embedded sets lie, and how they come to be there: once, whole or not at all, safe when two processes start."""

from __future__ import annotations

import errno
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from audioml.data.making import LANES, SCALES, SETS, total
from audioml.errors import RequestError, RunError, did_you_mean

EMBEDDED_VERSION = 2  # part of the folder's name: raise it whenever any file of any set changes
PACKAGES = {
    "music21": "music21", "pretty_midi": "pretty_midi", "symusic": "symusic", "espeakng_loader": "espeakng-loader",
}  # fmt: skip
WORKER = (sys.executable, "-m", "audioml.data.making")
FULL = (errno.ENOSPC, errno.EDQUOT)


def folder_of(cache: str | None, scale: str) -> Path:
    """The folder of the sets at `scale` below the cache folder; it need not exist.  RequestError for an unknown scale."""
    from audioml.data.cache import cache_folder

    if scale not in SCALES:
        near = did_you_mean(scale, SCALES)
        raise RequestError(f"data.scale={scale} is not a scale of the embedded data{near or ';'} scales: {', '.join(SCALES)}")
    return cache_folder(cache) / (f"embedded-v{EMBEDDED_VERSION}" + ("" if scale == "full" else f"-{scale}"))


def made(folder: Path) -> bool:
    """True when every set is there (the folder appears whole; this also notices what somebody deleted)."""
    return all((folder / name / "metadata.csv").is_file() for name in SETS)


def check_packages() -> None:
    """RequestError with the one thing to install, when a package that makes the data is missing or of a wrong version."""
    wrong = [f"{package} is not installed" for module, package in PACKAGES.items() if find_spec(module) is None]
    try:
        if not wrong and tuple(int(v) for v in version("symusic").split(".")[:2]) >= (0, 6):
            wrong = [f"symusic is {version('symusic')} (its 0.6 cannot render; below 0.6 is needed)"]
    except (PackageNotFoundError, ValueError):
        pass  # a build from source without a plain version: let it try
    if wrong:
        raise RequestError(
            f'the embedded data cannot be made: {", ".join(wrong)}; pip install "audioml[embedded]", '
            f"or use your own recordings with data=folder data.path=DIR"
        )


def ensure(cache: str | None, scale: str) -> Path:
    """The folder with all sets, made now (a progress bar, about a minute) if it is not there.

    A second process waits and then finds it.  Raises RequestError for missing packages, an unknown scale or a cache folder
    that cannot be written; RunError when the disk is full or a maker failed.
    """
    folder = folder_of(cache, scale)
    if made(folder):
        return folder
    check_packages()
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{folder.name}.lock"):
            if not made(folder):
                _make(folder, scale)
    except OSError as error:
        raise _spoken(folder, error.errno, str(error.strerror or error)) from error
    return folder


def _spoken(folder: Path, number: int | None, what: str) -> RequestError | RunError:
    """The sentence for an error of the file system."""
    if number in FULL:
        return RunError(
            f"the disk is full: no room in {folder.parent} for the embedded data (about 250 MB); "
            f"free some space or name another folder with data.cache=DIR"
        )
    return RequestError(f"the cache folder {folder.parent} cannot be written ({what}); name another one with data.cache=DIR")


def _make(folder: Path, scale: str) -> None:
    """Make all sets in a temporary folder and rename it; the caller holds the lock."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):  # of a process that was killed
        # renamed first: a worker that outlived its parent must not write into it again
        os.replace(left, left.with_suffix(".old"))
    for left in folder.parent.glob(f".{folder.name}.*.old"):
        shutil.rmtree(left, ignore_errors=True)
    temp = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        _run(temp, folder, scale)
        temp.chmod(0o755)  # mkdtemp's folders are private, a cache may be shared
        if folder.exists():  # damaged: `made` said so
            shutil.rmtree(folder)
        os.replace(temp, folder)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise


def _run(temp: Path, folder: Path, scale: str) -> None:
    """Run the lanes side by side behind one bar; the first error ends them all."""
    from tqdm import tqdm

    pace = 0.3 if sys.stderr.isatty() else 5.0  # a log needs fewer lines
    shape = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    news: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    with (
        _workers(temp, scale, news) as workers,
        tqdm(total=total(scale), desc="making data", bar_format=shape, mininterval=pace) as bar,
    ):
        open_lanes = set(range(len(workers)))
        while open_lanes:
            lane, message = news.get()
            if message is None:
                open_lanes.discard(lane)
                _check_end(workers[lane], folder)
            elif "error" in message:
                raise _failure(folder, message)
            else:
                bar.update(message["done"])


@contextmanager
def _workers(temp: Path, scale: str, news: queue.Queue[Any]) -> Iterator[list[tuple[subprocess.Popen[str], IO[str]]]]:
    """One process per lane, its news on the queue; all ended when the block is left, however it is left."""
    package = str(Path(__file__).resolve().parents[3])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH")) if p)
    environment = {**os.environ, **threads, "PYTHONPATH": path}
    workers: list[tuple[subprocess.Popen[str], IO[str]]] = []
    try:
        for index, lane in enumerate(LANES):
            log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed below)
            command = [*WORKER, str(temp), scale, *lane]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=environment, text=True
            )
            workers.append((process, log))
            threading.Thread(target=_listen, args=(index, process, news), daemon=True).start()
        yield workers
    finally:
        for process, log in workers:
            process.kill()
            process.wait()
            log.close()


def _listen(lane: int, process: subprocess.Popen[str], news: queue.Queue[Any]) -> None:
    """Put every line of JSON a worker writes on the queue, and None when it has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):  # a library may chatter on stdout
            news.put((lane, json.loads(line)))
    news.put((lane, None))


def _check_end(worker: tuple[subprocess.Popen[str], IO[str]], folder: Path) -> None:
    """RunError when a worker ended badly without saying why (a crash in a library)."""
    process, log = worker
    code = process.wait()
    if code:
        log.seek(0)
        last = (log.read().strip().splitlines() or ["it said nothing"])[-1]
        raise _failure(folder, {"error": f"the process that makes them ended with code {code}: {last}", "errno": None})


def _failure(folder: Path, message: dict[str, Any]) -> RequestError | RunError:
    if message["errno"] in FULL:
        return _spoken(folder, message["errno"], "")
    return RunError(
        f"making the embedded data failed ({message['error']}); nothing was left behind in {folder.parent}, "
        f"your own recordings still work with data=folder data.path=DIR"
    )
