"""Small folders of real recordings for the data tests, and corpora over them with the settings of conf/data/."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from audioml import shelf
from audioml.corpus import Corpus
from audioml.kinds import Label, Stems, Text, Wave, World
from audioml.parts import Task

RATE = 16000


def task(name: str, inputs: Mapping[str, World], outputs: Mapping[str, World]) -> Task:
    return Task(name, inputs, outputs, (), "", (), "", "")


ENHANCE = task("enhancement", {"noisy": Wave()}, {"clean": Wave()})
SEPARATE = task("separation", {"mix": Wave()}, {"stems": Stems()})
CLASSIFY = task("classification", {"audio": Wave()}, {"label": Label()})
RECOGNISE = task("asr", {"audio": Wave()}, {"text": Text()})


def corpus(which: str, /, **settings: Any) -> Corpus:
    """data=WHICH with some settings changed, as a run makes it."""
    return shelf.make("data", which, settings)


def noise(seed: int, seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """[T, C] floats, never silent."""
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * rate), channels)).astype(np.float32)


def write(path: Path, x: np.ndarray, rate: int = RATE, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, x, rate, **how)
    return path


def metadata(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "metadata.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def classes(folder: Path, count: int = 12, seconds: float = 0.2, **columns: Sequence[Any]) -> Path:
    """An audiofolder of `count` clips with a label, and whatever columns are given."""
    rows = []
    for i in range(count):
        write(folder / f"audio/{i:02d}.flac", noise(i, seconds))
        split = ("train", "train", "train", "valid", "test", "train")[i % 6]
        rows.append({"file_name": f"audio/{i:02d}.flac", "split": split, "label": i % 2} | {k: v[i] for k, v in columns.items()})
    return metadata(folder, rows)


def pairs(folder: Path, count: int = 12, seconds: float = 0.5) -> Path:
    """Noisy and clean: clean is a tone of its own, noisy adds noise."""
    rows = []
    for i in range(count):
        clean = 0.2 * np.sin(np.arange(round(seconds * RATE)) * (0.05 + 0.01 * i))[:, None]
        write(folder / f"clean/{i:02d}.flac", clean)
        write(folder / f"noisy/{i:02d}.flac", clean + noise(i, seconds) / 4)
        split = ("train", "train", "train", "valid", "test", "train")[i % 6]
        rows.append({"file_name": f"noisy/{i:02d}.flac", "clean_file_name": f"clean/{i:02d}.flac", "split": split})
    return metadata(folder, rows)


def song_folder(root: Path, songs: int = 8, mix: bool = True) -> Path:
    """One sub-folder per stem."""
    for i in range(songs):
        stems = {name: noise(10 * i + k, 0.4) / 4 for k, name in enumerate(("bass", "drums", "voice"))}
        for name, x in stems.items() if not mix else {**stems, "mix": sum(stems.values())}.items():
            write(root / name / f"{i}.wav", x, subtype="FLOAT")
    return root


def real_set(name: str) -> Path:
    """A folder of ../shared/data (or $AUDIOML_DATA); the test is skipped where it is not there."""
    root = Path(os.environ.get("AUDIOML_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"the real set {name} is not in {root}")
    return root / name
