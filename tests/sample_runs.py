"""Run folders as a sweep would leave them, for the tests of the table and its page: two tasks, failures, a hostile name."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from audioml.corpus import Clip
from audioml.examples import write_examples
from audioml.history import History
from audioml.kinds import Text, Wave
from audioml.provenance import signature
from audioml.records import Record, Value, not_measured

RATE, SECONDS, ITEMS = 16000, 1.5, 40
PRIMARY = "fidelity/si_sdr_improvement"
HOSTILE = "<script>alert(1)</script>"


def enhancement(root: Path, row: str, gain: float | None, seed: int = 0, **changes: Any) -> Path:
    """A run of `row` that improves SI-SDR by about `gain` dB; None: it never got so far.  Returns its folder."""
    rng = np.random.default_rng(sum(map(ord, row)) + seed)
    axes = {
        "task": "enhancement", "row": row, "model": row, "data": "embedded", "recipe": None, "preset": "quick", "seed": seed,
        "method": {"identity": "baseline", "oracle": "oracle"}.get(row, "mask"),
        "representation": {"noisy": "stft", "clean": "stft"},
    }  # fmt: skip
    record = Record(signature(axes, {"width": 48}), axes, primary=PRIMARY, provenance=_provenance(gain or 0))
    if gain is not None:
        items = (gain + rng.normal(0, 1.5, ITEMS)) if gain else np.zeros(ITEMS)
        record.items, record.baseline_items = {PRIMARY: items.tolist()}, {PRIMARY: [0.0] * ITEMS}
        record.values = _measured(float(items.mean()), row)
        record.baselines = {PRIMARY: Value(0.0, "dB", "high", ITEMS, (0.0, 0.0))}
        record.ceilings = {PRIMARY: Value(14.2, "dB", "high", ITEMS, (13.8, 14.7))}
    for name, value in changes.items():
        setattr(record, name, value)
    folder = root / f"2026-01-01_10-00-{len(list(root.glob('*'))):02d}_enhancement_{record.signature}"
    record.write(folder / "record.json")
    _history(folder, gain or 1, rng)
    if gain is not None:
        _sounds(folder, gain)
    return folder


def asr(root: Path, row: str, heard: str, rate: float) -> Path:
    """A run of `row` on speech recognition with word error rate `rate`."""
    axes = {"task": "asr", "row": row, "model": row, "method": "ctc", "representation": {"audio": "mel", "text": "chars"},
            "data": "embedded", "recipe": None, "preset": "quick", "seed": 0}  # fmt: skip
    rng = np.random.default_rng(len(row))
    items = np.clip(rng.normal(rate, 0.1, ITEMS), 0, None)
    name = "quality/wer"
    record = Record(
        signature(axes, {}), axes, primary=name, provenance=_provenance(1),
        values={name: Value(float(items.mean()), "", "low", ITEMS, (rate - 0.05, rate + 0.05)),
                "quality/cer": Value(rate / 2, "", "low", ITEMS)},
        baselines={name: Value(1.0, "", "low", ITEMS)}, ceilings={name: Value(0.0, "", "low", ITEMS)},
        items={name: items.tolist()}, baseline_items={name: [1.0] * ITEMS},
    )  # fmt: skip
    folder = root / f"2026-01-01_11-00-00_asr_{row}"
    record.write(folder / "record.json")
    side = SimpleNamespace(world=Wave(1, RATE))
    plan = SimpleNamespace(inputs={"audio": side}, output=SimpleNamespace(port="text", world=Text("abc")))
    write_examples(folder, plan, [Clip("word 1", {"audio": _tone(300), "text": "the quick brown fox"})], [{"text": heard}])
    return folder


def bare(root: Path, name: str, **changes: Any) -> Path:
    """A small record without sounds, quick to write."""
    record = Record(
        changes.pop("signature", name),
        {"task": "enhancement", "model": name, "data": "embedded", "seed": 0} | changes.pop("axes", {}),
        values={PRIMARY: Value(5.0, "dB", "high", ITEMS)}, primary=PRIMARY, provenance={"data_fingerprint": "aa"},
        items={PRIMARY: [5.0] * ITEMS}, baseline_items={PRIMARY: [0.0] * ITEMS},
    )  # fmt: skip
    for key, value in changes.items():
        setattr(record, key, value)
    record.write(root / name / "record.json")
    return root / name


def three_seeds(root: Path, model: str, levels: list[float], **more: Any) -> None:
    """A run of `model` per level, which is about its mean, of seeds 0, 1, …; the items are as hard for all."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, ITEMS)
    for seed, level in enumerate(levels):
        items = (level + shared + rng.normal(0, 0.2, ITEMS)).tolist()
        values = {PRIMARY: Value(sum(items) / ITEMS, "dB", "high", ITEMS), "latency/block_p95_ms": Value(1.0 + seed, "ms", "low"),
                  "streaming/class": Value("online")}  # fmt: skip
        bare(root, f"{model}{seed}", axes={"model": model, "seed": seed}, values=values, items={PRIMARY: items}, **more)


def gallery(root: Path) -> Path:
    """All that a table has to cope with, below `root`.  Made once per process, then copied."""
    shutil.copytree(_gallery(), root, dirs_exist_ok=True)
    return root


@lru_cache
def _gallery() -> Path:
    root = Path(tempfile.mkdtemp(prefix="audioml-gallery-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    enhancement(root, "identity", 0.0)
    enhancement(root, "oracle", 14.2)
    for row, gain in {"cnn1d": 6.1, "unet": 7.4, "rnn": 6.8, "transformer": 4.9, "fcn": 0.1, HOSTILE: -1.5}.items():
        enhancement(root, row, gain)
    enhancement(root, "cnn2d", None, status="failed", error="the loss became NaN at step 120 (batch 7)")
    enhancement(root, "vae", None, status="interrupted", error="Ctrl-C")
    asr(root, "rnn", "the quick brawn fox", 0.4)
    asr(root, "cnn1d", "a quick fox", 0.62)
    return root


def _measured(gain: float, row: str) -> dict[str, Value]:
    untrained = row in ("identity", "oracle")
    none = "the floor has no network" if untrained else ""
    size = 1000 * (3 + sum(map(ord, row)))
    return {
        PRIMARY: Value(gain, "dB", "high", ITEMS, (gain - 0.5, gain + 0.5)),
        "fidelity/si_sdr": Value(gain + 3, "dB", "high", ITEMS, (gain + 2.5, gain + 3.5)),
        "fidelity/pesq_wb": not_measured("package 'pesq' is not installed (pip install pesq)", "MOS", "high"),
        "fidelity/stoi": Value(min(0.7 + gain / 60, 0.99), "", "high", ITEMS),
        "latency/algorithmic_ms": Value(32.0, "ms", "low"),
        "latency/block_p50_ms": not_measured(none) if untrained else Value(1.2, "ms", "low", 100),
        "latency/rtf": not_measured(none) if untrained else Value(0.08, "", "low", 100),
        "compute/parameters": not_measured(none) if untrained else Value(float(size), "", "low"),
        "compute/macs_per_second": not_measured(none) if untrained else Value(size * 250.0, "", "low"),
        "compute/peak_memory_mb": Value(120.0, "MB", "low"),
        "compute/train_seconds": Value(20 + gain, "s", "low"),
        "context/receptive_field_ms": Value(1020.0, "ms", reason="at least: it has no end within the probe's window"),
        "streaming/reason": Value("it attends to both sides" if row in ("transformer", "unet") else "the law holds"),
        "streaming/class": Value("offline" if row in ("transformer", "unet") else "online"),
    }


def _provenance(gain: float) -> dict[str, Any]:
    return {
        "created": "2026-01-01T10:00:00+00:00", "git": {"commit": "a" * 40, "dirty": False}, "host": "box", "device": "cpu",
        "versions": {"torch": "2.13.0"}, "wall_s": 20 + gain, "steps": 400, "examples_seen": 6400,
        "data_fingerprint": "3f2a9c11d0",
    }  # fmt: skip


def _history(folder: Path, gain: float, rng: np.random.Generator) -> None:
    with History(folder / "metrics.csv") as history:
        for step in range(0, 400, 10):
            history.append(step, "train/loss", 0.3 + 2 / (1 + step / 40) + float(rng.normal(0, 0.05)))
            if step % 50 == 0:
                history.append(step, "valid/si_sdr_improvement", gain * (1 - np.exp(-step / 120)))


def _sounds(folder: Path, gain: float) -> None:
    noise = np.random.default_rng(5).normal(0, 0.08, (1, int(RATE * SECONDS))).astype(np.float32)
    left = noise * 10 ** (-gain / 20)
    plan = SimpleNamespace(
        inputs={"noisy": SimpleNamespace(world=Wave(1, RATE))}, output=SimpleNamespace(port="clean", world=Wave(1, RATE))
    )
    clips = [Clip(f"talker {pitch}", {"noisy": _tone(pitch) + noise, "clean": _tone(pitch)}) for pitch in (220, 330)]
    write_examples(folder, plan, clips, [{"clean": clip.ports["clean"] + left} for clip in clips], limit=2)


def _tone(pitch: float) -> np.ndarray:
    """A tone with overtones that swells and fades [1, T]."""
    t = np.arange(int(RATE * SECONDS)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * k * t * (1 + 0.05 * t)) / k for k in range(1, 9))
    return (0.15 * tone * np.sin(np.pi * t / SECONDS) ** 2)[None].astype(np.float32)
