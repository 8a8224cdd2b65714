"""Learning curves as numbers, thinned to what a screen can show."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from audioml.history import read_history
from audioml.table.cells import clean

POINTS, MOST = 120, 12  # points of a curve, metrics of a section
DULL = ("learning_rate",)  # the same schedule in every run
FIRST = ("valid/", "val/", "val_", "test/", "train/loss", "loss")  # what is worth a chart, first things first
METRICS = "metrics.csv"


def curves(folders: dict[str, Path], primary: str) -> dict[str, Any]:
    """``{"names": metrics, the primary's first, "runs": {run id: {metric: [[steps], [values]]}}}``; no file, no curve."""
    histories = {key: read_history(folder / METRICS) for key, folder in folders.items()}
    names = Counter(name for history in histories.values() for name, points in history.items() if len(points) > 1)
    tail = primary.rpartition("/")[2]
    wanted = sorted((n for n in names if not n.endswith(DULL)), key=lambda n: (*_importance(n, tail), -names[n], n))[:MOST]
    runs = {}
    for key, history in histories.items():
        own = {clean(name, 60): thin(history[name]) for name in wanted if history.get(name)}
        if own:
            runs[key] = own
    return {"names": [clean(name, 60) for name in wanted], "runs": runs}


def _importance(name: str, tail: str) -> tuple[bool, int]:
    place = next((index for index, prefix in enumerate(FIRST) if name.startswith(prefix)), len(FIRST))
    return not (tail and name.endswith(tail)), place


def thin(curve: list[tuple[int, float]]) -> list[list[float]]:
    """[steps, values], at most `POINTS` of each: means of equal groups of points, so that noise is smoothed, not sampled."""
    size = math.ceil(len(curve) / POINTS)
    groups = [curve[start : start + size] for start in range(0, len(curve), size)]
    steps = [round(sum(step for step, _ in group) / len(group), 1) for group in groups]
    return [steps, [float(f"{sum(value for _, value in group) / len(group):.5g}") for group in groups]]
