"""What tests share: one thread, an offline environment, and a tiny audiofolder that serves every task."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import soundfile as sf

ROOT = Path(__file__).resolve().parent.parent
RATE = 16000


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real sets; a test that needs them is skipped, visibly, where they are absent."""
    place = Path(os.environ.get("AUDIOML_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip(f"real data is not here ({place}); set AUDIOML_DATA")
    return place


def tone(rng: np.random.Generator, frequency: float, seconds: float) -> np.ndarray:
    """A harmonic tone with an envelope."""
    t = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * frequency * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    return (0.15 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def make_tiny(place: Path, clips: int = 20, seconds: float = 0.6) -> Path:
    """noisy/clean pairs, two stems, a category and a transcript for each clip; split by number."""
    rng = np.random.default_rng(7)
    rows = []
    for i in range(clips):
        high = i % 2
        clean = tone(rng, 600 if high else 200, seconds)
        noise = 0.05 * rng.standard_normal(len(clean)).astype(np.float32)
        for kind, wave in (("noisy", clean + noise), ("clean", clean), ("noise", noise)):
            (place / kind).mkdir(parents=True, exist_ok=True)
            sf.write(place / kind / f"{i:02}.wav", wave, RATE)
        split = "test" if i % 5 == 0 else "valid" if i % 5 == 1 else "train"
        rows.append(
            {
                "file_name": f"noisy/{i:02}.wav", "clean_file_name": f"clean/{i:02}.wav", "noise_file_name": f"noise/{i:02}.wav",
                "split": split, "category": "high" if high else "low", "transcript": "hi" if high else "lo",
                "speaker": f"s{i}",
            }
        )
    with (place / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return place


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny folder, made once."""
    return make_tiny(tmp_path_factory.mktemp("tiny set"))


@pytest.fixture(scope="session")
def embedded_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder."""
    return tmp_path_factory.mktemp("embedded")


def tiny_args(folder: Path, tmp: Path, *more: str) -> list[str]:
    """Arguments of a smoke run on the tiny folder."""
    return [
        "data=folder", f"data.path='{folder}'", f"data.cache='{tmp / 'cache'}'", f"outputs='{tmp / 'outputs'}'", "preset=smoke",
        "preset.seconds=0.5", "preset.steps=2", "preset.validate_every=1", "trainer=cpu", "trainer.threads=1", "trainer.progress=false",
        *more,
    ]


def train_py(*arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT, timeout: float = 240) -> subprocess.CompletedProcess:
    """``python train.py …`` as a user runs it."""
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments], capture_output=True, text=True, cwd=cwd, timeout=timeout,
        env={**os.environ, **(env or {})},
    )
