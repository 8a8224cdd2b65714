"""Reading and mixing: the tape against soundfile seeking in FLAC, as PERFORMANCE.md §2 describes it.

500 files of 4-12 s at 16 kHz, FLAC PCM16; random 1 s crops; mixtures of speech and noise at a drawn SNR, in batches of 16.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

from audioml.data.mix import Mix
from audioml.data.tape import Tape
from audioml.kinds import Wave
from audioml.parts import Task
from benches._timing import Row, alternate

RATE, FILES, ITEMS, BATCHES = 16000, 500, 16, 12
TASK = Task("enhancement", {"noisy": Wave()}, {"clean": Wave()}, (), "", (), "", "")


def run() -> list[Row]:
    """The rows of both benchmarks; the targets are issue 2's."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        speech, noise = _files(root / "speech", FILES * 4 // 5, 0), _files(root / "noise", FILES // 5, 1)
        settings = {"groups": {}, "rate": RATE, "channels": 1, "cache": str(root / "cache"), "level_db": [-30, -20]}
        settings |= {"snr": [0, 15], "speed": 0.0, "equalize": 0.0, "seconds": 1.0}
        settings |= {"valid_items": 1, "test_items": 1, "max_bad": 0.0}
        sources = {"speech": str(root / "speech"), "noise": str(root / "noise")}
        prepared = Mix(sources=sources, target="speech", **settings).prepare(TASK)
        for tape in prepared.tapes:  # both sides warm: soundfile reads from the page cache, the tape from mapped pages
            tape.gather(np.arange(len(tape.length)), 0, int(tape.length.max()), valid=tape.length)
        return [*_crops(speech, prepared.tapes[0]), *_mixtures(speech, noise, prepared)]


def _files(folder: Path, count: int, seed: int) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for k in range(count):
        length = int(rng.uniform(4, 12) * RATE)
        swell = 0.1 + 0.9 * np.sin(np.arange(length) / RATE * 2 * np.pi * rng.uniform(0.5, 4)) ** 2
        coloured = np.convolve(rng.standard_normal(length), np.hanning(16) / 4, "same")  # speech-like work for FLAC
        sf.write(folder / f"{k:03d}.flac", (coloured * swell**2 * 0.1).astype(np.float32), RATE, subtype="PCM_16")
    return sorted(folder.iterdir())


def _seek(path: Path, rng: np.random.Generator) -> np.ndarray:
    with sf.SoundFile(path) as file:
        file.seek(int(rng.integers(0, file.frames - RATE + 1)))
        return file.read(RATE, dtype="float32")


def _crops(files: list[Path], tape: Tape) -> list[Row]:
    rng = np.random.default_rng(2)

    def soundfile() -> None:
        for _ in range(ITEMS):
            _seek(files[rng.integers(len(files))], rng)

    def gather() -> None:
        for _ in range(BATCHES):
            file = rng.integers(0, len(files), ITEMS)
            tape.gather(file, rng.integers(0, tape.length[file] - RATE + 1), RATE)

    def slices() -> None:
        for _ in range(BATCHES):
            out = np.empty((ITEMS, 1, RATE), np.float32)
            for row in out:
                file = rng.integers(len(files))
                row[:] = tape.gather(np.asarray([file]), rng.integers(0, tape.length[file] - RATE + 1), RATE)[0]

    candidates = {
        "soundfile, seek in FLAC": (soundfile, ITEMS),
        "tape, one clip at a time": (slices, ITEMS * BATCHES),
        "tape, a batch in one gather": (gather, ITEMS * BATCHES),
    }
    targets = {"tape, a batch in one gather": 30.0}
    return alternate("crops", candidates, unit="µs CPU/crop", rounds=15, targets=targets)


def _mixtures(speech: list[Path], noise: list[Path], prepared: object) -> list[Row]:
    rng = np.random.default_rng(3)

    def soundfile() -> None:
        out = np.empty((2, ITEMS, RATE), np.float32)
        for k in range(ITEMS):
            clean, other = _seek(speech[rng.integers(len(speech))], rng), _seek(noise[rng.integers(len(noise))], rng)
            clean *= 10 ** (rng.uniform(-30, -20) / 20) / np.sqrt((clean**2).mean() + 1e-12)
            ratio = (clean**2).mean() / ((other**2).mean() + 1e-12)
            out[0, k], out[1, k] = clean + other * np.sqrt(ratio * 10 ** (-rng.uniform(0, 15) / 10)), clean

    steps = iter(range(1 << 30))

    def tape() -> None:
        for _ in range(BATCHES):
            prepared.train_batch(next(steps), ITEMS, 1.0, 0)

    candidates = {"soundfile FLAC, item by item": (soundfile, ITEMS), "data=mix, by the batch": (tape, ITEMS * BATCHES)}
    targets = {"data=mix, by the batch": 15.0}
    return alternate("mixing", candidates, unit="µs CPU/mixture", rounds=15, targets=targets)
