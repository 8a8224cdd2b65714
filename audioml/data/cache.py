"""The tape: every recording of a corpus, decoded once into one memory-mapped int16 file with an index.

It lies in `data.cache` (else ``$AUDIOML_CACHE``, else ``~/.cache/audioml``) under ``tapes/KEY``, where KEY hashes the
recordings' paths, sizes and times, the rate and the channels.  A tape is written to a temporary folder and renamed, under
a lock, so that two processes may start together and a killed one leaves nothing that is taken for a tape.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from audioml.data.audio import BadAudioError, decode
from audioml.data.table import Source
from audioml.data.tape import SEGMENT, Tape
from audioml.errors import RequestError, RunError

VERSION = 1


def cache_folder(cache: str | os.PathLike[str] | None) -> Path:
    """Where decoded audio lies: `cache`, else ``$AUDIOML_CACHE``, else ``~/.cache/audioml``."""
    return Path(cache or os.environ.get("AUDIOML_CACHE") or Path.home() / ".cache" / "audioml").expanduser()


def open_tape(sources: Sequence[Source], *, where: str, root: str, rate: int, channels: int, cache: str | None) -> Tape:
    """The tape of `sources`, built if it is not there yet (with a progress bar when that takes more than a second).

    Raises RequestError when the cache folder cannot be written, RunError when the disk is full.
    """
    facts = [VERSION, rate, channels, root, [[s.name, s.stamp] for s in sources]]
    return Tape(made_once("tapes", facts, _whole, lambda temp: _write(temp, sources, where, rate, channels), where, cache))


def made_once(
    shelf: str, facts: object, whole: Callable[[Path], bool], write: Callable[[Path], None], where: str, cache: str | None
) -> Path:
    """The folder SHELF/KEY in the cache, KEY hashing `facts`; made by `write` unless it is there and `whole`.

    Atomic and locked: other processes wait, and see all of it or nothing.  Raises RequestError when the cache cannot be
    written and RunError when the disk is full; nothing half-written stays.
    """
    key = hashlib.sha256(json.dumps(facts).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    folder = cache_folder(cache) / shelf
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            if not whole(folder / key):
                _make(folder, key, write)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"the disk is full: no room in {folder} for the decoded audio of {where}; "
                f"free some space or name another folder with data.cache=DIR"
            ) from error
        raise RequestError(
            f"the cache folder {folder} cannot be written ({error.strerror or error}); name another one with data.cache=DIR"
        ) from error
    return folder / key


def _whole(tape: Path) -> bool:
    """True when the samples are all there; a damaged tape is built again."""
    try:
        stated = json.loads((tape / "tape.json").read_text())["bytes"]
        return (tape / "index.npz").is_file() and (tape / "samples.i16").stat().st_size == stated
    except (OSError, ValueError, KeyError):
        return False


def _make(folder: Path, key: str, write: Callable[[Path], None]) -> None:
    for left in folder.glob(f"{key}*"):  # what a killed process left, or a damaged one; we hold the lock
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
    temp = folder / f"{key}.tmp"
    temp.mkdir()
    try:
        write(temp)
        os.replace(temp, folder / key)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise


def _write(temp: Path, sources: Sequence[Source], where: str, rate: int, channels: int) -> None:
    lengths, scales, energies, hashes, skipped = [], [], [], [], []
    bar = tqdm(total=len(sources), desc=f"decoding {where}", unit="file", delay=1.0, mininterval=0.5, leave=False)
    with open(temp / "samples.i16", "wb") as out, bar:
        for source, (x, scale, reason) in zip(sources, _decoded(sources, rate, channels), strict=True):
            if reason:
                skipped.append({"file": source.name, "reason": reason})
            data = x.tobytes()
            out.write(data)
            lengths.append(len(x))
            scales.append(scale)
            energies.append(cumulative(x, scale))
            hashes.append(hashlib.blake2b(data, digest_size=16).hexdigest())
            bar.update()
        out.flush()
        os.fsync(out.fileno())
    starts = np.cumsum([0, *lengths])
    first = np.cumsum([0, *map(len, energies)])
    np.savez(
        temp / "index.npz",
        start=starts[:-1],
        length=np.asarray(lengths, np.int64),
        scale=np.asarray(scales, np.float32),
        first=first[:-1],
        energy=np.concatenate(energies) if energies else np.zeros(0),
    )
    facts = {"rate": rate, "channels": channels, "bytes": int(starts[-1]) * 2 * channels, "hashes": hashes, "skipped": skipped}
    (temp / "tape.json").write_text(json.dumps(facts))


def _decoded(sources: Sequence[Source], rate: int, channels: int) -> Iterator[tuple[np.ndarray, float, str]]:
    """`_try` of each, in order, by a thread per core that stays at most two recordings ahead: bounds memory."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[np.ndarray, float, str]]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(_try, source, rate, channels))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _try(source: Source, rate: int, channels: int) -> tuple[np.ndarray, float, str]:
    try:
        return *decode(source.open(), rate, channels), ""
    except BadAudioError as error:
        return np.zeros((0, channels), np.int16), 1.0, str(error)


def cumulative(x: np.ndarray, scale: float) -> np.ndarray:
    """Energy [segments + 1] (sum of squares, mean over channels) up to each boundary of SEGMENT samples of x [T, C]."""
    power = (x.astype(np.float64) ** 2).mean(axis=1) * scale**2
    edges = np.arange(0, len(power), SEGMENT)
    sums = np.add.reduceat(power, edges) if len(power) else np.zeros(0)
    return np.concatenate([[0.0], np.cumsum(sums)])


def too_many_bad(tape: Tape, count: int, max_bad: float, where: str) -> None:
    """RunError when more than `max_bad` of `count` recordings could not be used, or all of them."""
    bad = tape.skipped
    if len(bad) > max_bad * count or len(bad) == count > 0:
        some = "; ".join(f"{b['file']}: {b['reason']}" for b in bad[:3]) + (" …" if len(bad) > 3 else "")
        raise RunError(
            f"{len(bad)} of {count} recordings of {where} cannot be used ({some}); data.max_bad={max_bad:g} allows {max_bad:.0%}"
        )
