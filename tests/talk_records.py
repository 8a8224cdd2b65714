"""Records as the talk's sweep would leave them: any rows, several seeds, shares of the training data, known orders."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audioml.provenance import signature
from audioml.records import Record, Value, not_measured
from audioml.table.collect import Run
from audioml.talk.agree import Verdicts, judge
from audioml.talk.columns import MEASURES
from audioml.talk.evidence import Arena, Planner, arenas
from audioml.talk.opinion import opinion

ROWS = ("cnn1d", "cnn2d", "autoencoder", "vae", "unet", "rnn", "transformer", "ddsp", "gan", "diffusion")
ITEMS = 24
TALK = opinion()
RISING = {row: 0.05 + 0.09 * place for place, row in enumerate(ROWS)}
METRIC = {"enhancement": ("fidelity/si_sdr_improvement", "dB", "high", 0.0, 12.0), "codec": ("fidelity/mel_distance", "dB", "low", 16.0, 1.5),
          "beat_tracking": ("quality/beat_f", "", "high", 0.2, 1.0), "effects": ("fidelity/esr", "dB", "low", -4.0, -40.0)}  # fmt: skip


def items_of(task: str, skill: float, seed: int, row: str, noise: float = 0.02) -> tuple[list[float], list[float]]:
    """(per item, baseline per item) of a row with about `skill`; easy and hard items are the same for all rows."""
    _, _, _, floor, top = METRIC[task]
    own = np.random.default_rng([zlib.crc32(row.encode()), seed])
    floors = floor + 0.1 * (top - floor) * np.random.default_rng(1).normal(size=ITEMS)
    gain = skill + noise * own.normal() + noise * own.normal(size=ITEMS)
    return (floors + gain * (top - floor)).tolist(), floors.tolist()


def record(task: str, row: str, skill: float, seed: int = 0, *, values: dict[str, Value] | None = None, noise: float = 0.02, **axes: Any) -> Record:
    """One finished run; `values` beside the primary metric."""
    name, unit, better, floor, top = METRIC[task]
    items, floors = items_of(task, skill, seed, row, noise)
    named = {"task": task, "row": row, "model": row, "data": "embedded", "preset": "quick", "seed": seed} | axes
    measured = {name: Value(float(np.mean(items)), unit, better, ITEMS)} | cheap(row) | (values or {})
    return Record(
        signature(named, {}) if row in ROWS else "x", named, measured, {name: Value(floor, unit, better, ITEMS)},
        {name: Value(top, unit, better, ITEMS)}, {name: items}, {name: floors}, name,
        {"data_fingerprint": "abc", "measures": "metrics 1, probes 2", "seed": seed, "steps": 200},
    )  # fmt: skip


def cheap(row: str) -> dict[str, Value]:
    """Costs that differ by row: the later in ROWS, the dearer, the longer its context; the last three are offline."""
    place = ROWS.index(row) if row in ROWS else 0
    offline = place >= 7
    return {
        "compute/macs_per_second": Value(1e6 * 2**place, "MAC/s", "low"), "compute/parameters": Value(1e4 * (place + 1), "", "low"),
        "context/receptive_field_ms": Value(50.0 * 2**place, "ms"),
        "latency/algorithmic_ms": not_measured("it waits") if offline else Value(10.0 + 5 * place, "ms", "low"),
        "latency/block_p95_ms": not_measured("it does not stream") if offline else Value(1.0, "ms", "low"),
        "streaming/class": Value("offline" if offline else "online with look-ahead"),
        "streaming/reason": Value("it looks at the whole clip" if offline else "the law holds"),
    }  # fmt: skip


def write(folder: Path, records: Sequence[Record]) -> Path:
    """As published records; returns the folder."""
    for index, each in enumerate(records):
        each.write(folder / f"{index:03d}.json")
    return folder


def sweep(task: str, skills: dict[str, float], seeds: int = 3, **more: Any) -> list[Record]:
    """Every row with its skill, over seeds."""
    return [record(task, row, skill, seed, **more) for row, skill in skills.items() for seed in range(seeds)]


class Told(Planner):
    """A planner that says what the test told it."""

    def __init__(self, misfits: dict[str, str] | None = None, usual: set[str] | None = None) -> None:
        self.misfits, self.own = misfits or {}, usual or set()

    def misfit(self, task: str, row: str) -> str:
        return self.misfits.get(task, self.misfits.get(row, ""))

    def usual(self, record: Record) -> bool | None:
        return record.provenance.get("family") in self.own


def built(records: list[Record], planner: Planner | None = None, budget: str = "") -> list[Arena]:
    return arenas([Run(each, Path(f"{index}.json"), None) for index, each in enumerate(records)], list(TALK.rows), planner or Told(), budget)


def judged(records: list[Record]) -> tuple[list[Arena], Verdicts]:
    found = built(records)
    return found, judge(found, TALK)


def measured(arena: Arena, row: str, column: str) -> Any:
    return MEASURES[TALK.aspects[column].measure](arena, arena.rows[row], TALK.rule)


def in_order_of(column: str) -> dict[str, float]:
    """Skills that put the rows exactly where the talk puts them."""
    grades = {row: TALK.cells[row, column].grade for row in TALK.rows}
    return {row: 0.1 + 0.15 * grade for row, grade in grades.items() if grade is not None}
