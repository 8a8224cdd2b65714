"""Learning curves as inline SVG: drawn here, because a page without network has no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audioml.history import read_history
from audioml.table.cells import clean, number
from audioml.table.rows import Row

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 24
POINTS, CHARTS = 160, 4
DULL = ("learning_rate",)  # the same schedule in every run
FIRST = ("valid/", "val/", "val_", "test/", "train/loss", "loss")  # what is worth a chart, first things first


@dataclass(frozen=True)
class Line:
    """A polyline in pixels of one run; `key` is (place of the run in the table, its name), and chooses the colour."""

    key: tuple[int, str]
    points: str
    last: str


@dataclass(frozen=True)
class Chart:
    """One metric over the steps of all runs; `ticks_*` are (pixel, label)."""

    title: str
    lines: list[Line]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM


def charts(rows: Sequence[Row], primary: str) -> list[Chart]:
    """At most four charts, the primary metric's first; runs without a metrics.csv are simply not drawn."""
    histories = [read_history(row.run.folder / "metrics.csv") if row.run.folder else {} for row in rows]
    names = {name for history in histories for name, points in history.items() if len(points) > 1 and not name.endswith(DULL)}
    tail = primary.rpartition("/")[2]
    wanted = sorted(names, key=lambda name: (*_importance(name, tail), name))[:CHARTS]
    return [_chart(name, rows, [history.get(name, []) for history in histories]) for name in wanted]


def _importance(name: str, tail: str) -> tuple[bool, int]:
    place = next((index for index, prefix in enumerate(FIRST) if name.startswith(prefix)), len(FIRST))
    return not (tail and name.endswith(tail)), place


def _chart(name: str, rows: Sequence[Row], curves: list[list[tuple[int, float]]]) -> Chart:
    steps = [step for curve in curves for step, _ in curve]
    values = [value for curve in curves for _, value in curve]
    x_ticks, (x0, x1) = _nice(min(steps), max(steps), 5)
    y_ticks, (y0, y1) = _nice(*_inner(values), 4)

    def px(step: float) -> float:
        return round(LEFT + (step - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT), 1)

    def py(value: float) -> float:
        inside = min(max(value, y0), y1)
        return round(TOP + (y1 - inside) / (y1 - y0) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for index, (row, curve) in enumerate(zip(rows, curves, strict=True)):
        if curve:
            points = " ".join(f"{px(step)},{py(value)}" for step, value in _thin(curve))
            lines.append(Line((index, row.name), points, number(curve[-1][1])))
    ticks_x = [(px(tick), f"{tick:g}") for tick in x_ticks]
    ticks_y = [(py(tick), f"{tick:g}") for tick in y_ticks]
    return Chart(clean(name, 60), lines, ticks_x, ticks_y)


def _inner(values: list[float]) -> tuple[float, float]:
    """The range worth showing: a first loss of 1e6 must not flatten all that follows (it is drawn at the edge)."""
    ordered = sorted(values)
    cut = len(ordered) // 50
    return ordered[cut], ordered[-1 - cut]


def _nice(low: float, high: float, about: int) -> tuple[list[float], tuple[float, float]]:
    """Round ticks and the range they span, with some room around a range of nothing."""
    if high - low < 1e-12 * max(1.0, abs(low), abs(high)):
        low, high = low - max(abs(low) / 10, 0.5), high + max(abs(high) / 10, 0.5)
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [float(f"{index * step:.10g}") for index in range(first, last + 1)]
    return ticks, (ticks[0], ticks[-1])


def _thin(curve: list[tuple[int, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` points: means of equal runs of points, so that noise is smoothed, not sampled."""
    size = math.ceil(len(curve) / POINTS)
    groups = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [(sum(s for s, _ in group) / len(group), sum(v for _, v in group) / len(group)) for group in groups]
