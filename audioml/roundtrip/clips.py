"""Real clips to measure representations on: files, folders, the sets in $AUDIOML_DATA, or the embedded ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioml.corpus import Prepared
from audioml.data.audio import BadAudioError, decode
from audioml.data.making.store import ensure
from audioml.data.table import EXTENSIONS
from audioml.errors import RequestError

RATE, SECONDS, PER_SET = 16000, 5.0, 4


@dataclass(frozen=True)
class Clip:
    """A mono excerpt [T] at 16 kHz; `group` is the set it comes from."""

    name: str
    group: str
    wave: Any = field(repr=False)


class Training(Prepared):
    """The clips that are not measured, for representations that must learn code books first."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """{"audio": ([B, 1, T], [B])}, a function of (seed, step)."""
        import numpy as np

        rng, length = np.random.default_rng([seed, step]), int((seconds or SECONDS) * RATE)
        out = np.zeros((items, 1, length), np.float32)
        for row in out:
            wave = self.clips[rng.integers(len(self.clips))].wave
            start = rng.integers(max(1, len(wave) - length + 1))
            part = wave[start : start + length]
            row[0, : len(part)] = part
        return {"audio": (out, np.full(items, length))}


def find_clips(given: Sequence[str], wanted: int = PER_SET) -> tuple[list[Clip], list[Clip], str]:
    """(clips to measure, clips to learn code books from, where they come from).

    `given` folders or files; else the sets in $AUDIOML_DATA, else the embedded ones.  Of a folder with metadata the test rows,
    through all its audio columns in turn, spread evenly; the training clips are of its training rows.  Raises RequestError.
    """
    named = given or [p for p in [os.environ.get("AUDIOML_DATA")] if p]
    roots = [Path(p) for p in named] or [ensure(None, "full")]
    measured, learnt = [], []
    for root in roots:
        if not root.exists():
            raise RequestError(f"--clips: there is no {root}")
        for group, test, train in sets(root):
            measured += load(group, spaced(test, wanted))
            learnt += load(group, spaced(train, 3 * wanted))
    if not measured:
        raise RequestError(f"no audio to measure in {', '.join(map(str, roots))}; name files or folders with --clips")
    return measured, learnt or measured, ", ".join(map(str, roots))


def sets(root: Path) -> list[tuple[str, list[Path], list[Path]]]:
    """(name, test files, training files) of every set below `root`."""
    if root.is_file():
        return [(root.parent.name, [root], [])]
    tables = sorted(root.glob("metadata.csv")) or sorted(root.glob("*/metadata.csv"))
    out = []
    for table in tables:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found: dict[bool, list[Path]] = {True: [], False: []}
        for i, row in enumerate(rows):
            cells = [v for k, v in row.items() if k and k.endswith("file_name") and str(v).lower().endswith(EXTENSIONS)]
            if cells:
                found[row.get("split", "test") == "test"].append(table.parent / cells[i % len(cells)])
        out.append((table.parent.name, found[True], found[False]))
    plain = [] if tables else sorted(p for p in root.rglob("*") if p.suffix.lower() in EXTENSIONS)
    return out + ([(root.name, plain[::2], plain[1::2])] if plain else [])


def spaced(files: list[Path], count: int) -> list[Path]:
    """`count` of the files, evenly spread."""
    return files if len(files) <= count else [files[i * len(files) // count] for i in range(count)]


def load(group: str, files: Sequence[Path]) -> list[Clip]:
    """The middle five seconds of each readable, audible file."""
    import numpy as np

    out = []
    for path in files:
        try:
            samples, scale = decode(path, RATE, 1)
        except BadAudioError:
            continue
        wave = samples[:, 0].astype(np.float32) * scale
        start = max(0, (len(wave) - int(SECONDS * RATE)) // 2)
        wave = wave[start : start + int(SECONDS * RATE)]
        if np.sqrt(np.mean(wave**2)) > 1e-3:
            out.append(Clip(f"{group}/{path.stem}", group, wave))
    return out
