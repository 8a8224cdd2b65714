"""Runs that have no record yet: still running, or stopped without a word.  Their curves are shown, never a number as a result."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from audioml.dashboard.configs import read_yaml
from audioml.dashboard.curves import METRICS, curves
from audioml.table.cells import clean

FRESH = 180.0  # seconds since a run last wrote: it writes at every validation, and a slow one takes a minute
TRACES = (METRICS, "train.log", "config.yaml")


def live_data(folders: Iterable[Path], now: float | None = None) -> dict[str, Any]:
    """``{"runs": [{id, name, task, data, state, step, steps, seen}], "curves": …}``, the latest first."""
    now = time.time() if now is None else now
    entries, places = [], {}
    for folder in folders:
        touched = max((stamp(folder / name) for name in TRACES), default=0.0)
        key = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        entries.append((touched, key, folder))
        places[key] = folder
    entries.sort(key=lambda entry: -entry[0])
    found = curves({key: places[key] for _, key, _ in entries}, "")
    runs = [_entry(key, folder, now - touched, found["runs"].get(key, {})) for touched, key, folder in entries]
    return {"runs": runs, "curves": found}


def stamp(path: Path) -> float:
    """When a file was last written; 0 where it is not."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _entry(key: str, folder: Path, silent: float, own: dict[str, list[list[float]]]) -> dict[str, Any]:
    config = read_yaml(folder)
    names = config.get("names") if isinstance(config.get("names"), dict) else {}
    settings = config.get("settings") if isinstance(config.get("settings"), dict) else {}
    preset = settings.get("preset") if isinstance(settings.get("preset"), dict) else {}
    steps = preset.get("steps")
    row = config.get("row") or names.get("model") or folder.name
    return {
        "id": key,
        "name": clean(f"{row} seed {config['seed']}" if "seed" in config else row, 80),
        "folder": clean(folder.name, 120),
        "task": clean(names.get("task", ""), 60),
        "data": clean(names.get("data", ""), 60),
        "state": "running" if silent < FRESH else "stopped",
        "silent": round(silent),
        "step": max((curve[0][-1] for curve in own.values()), default=0),
        "steps": steps if isinstance(steps, int) and not isinstance(steps, bool) else None,
    }
