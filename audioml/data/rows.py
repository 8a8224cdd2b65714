"""From a table and a tape to the rows of each split, in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from audioml.data.ports import Binding, spell
from audioml.data.splits import SPLITS
from audioml.data.table import Table
from audioml.data.tape import Tape
from audioml.kinds import Label, Stems, World


@dataclass(frozen=True)
class Rows:
    """One split: port -> file ids [rows, signals] (-1: none), port -> values, samples per row, names."""

    files: Mapping[str, np.ndarray]
    values: Mapping[str, Any]
    length: np.ndarray
    names: Sequence[str]


def lay_out(
    table: Table,
    binding: Binding,
    worlds: Mapping[str, World],
    splits: Sequence[str | None],
    number: Mapping[str, int],
    tape: Tape,
    text: str,
) -> tuple[dict[str, Rows], list[dict[str, str]], list[bool]]:
    """The rows of each split, what was left out and why, and for every row whether it can be used."""
    dropped, usable = [], [True] * len(table.rows)
    kept: dict[str, list[tuple[dict[str, list[int]], dict[str, Any], int, str]]] = {split: [] for split in SPLITS}
    shown = [c for cs in binding.audio.values() for c in cs]  # inputs first: a clip is called after its input
    bad = {skip["file"] for skip in tape.skipped}
    for i, (row, place, split) in enumerate(zip(table.rows, table.names(), splits, strict=True)):
        if split is None:
            continue
        name = next((row[c] for c in shown if row.get(c)), place)
        ids = {port: [number.get(row.get(c, ""), -1) for c in cs] for port, cs in binding.audio.items()}
        cells = {port: row.get(column, "") for port, column in binding.values.items()}
        blank = next((f"no {binding.values[port]}" for port, cell in cells.items() if not cell), "")
        reason, samples = _usable(ids, tape, worlds)
        if reason or blank:
            usable[i] = False
            dropped += [{"file": name, "reason": reason or blank}] if name not in bad else []
            continue
        values = {port: _cell(worlds[port], cell, text) for port, cell in cells.items()}
        kept[split].append((ids, values, samples, str(PurePosixPath(name).with_suffix(""))))
    return {split: _stacked(rows, binding) for split, rows in kept.items()}, dropped, usable


def _cell(world: World, cell: str, text: str) -> Any:
    return world.classes.index(cell) if isinstance(world, Label) else spell(cell, text)  # type: ignore[union-attr]


def _stacked(rows: Sequence[tuple[dict[str, list[int]], dict[str, Any], int, str]], binding: Binding) -> Rows:
    files = {
        port: np.asarray([ids[port] for ids, *_ in rows], np.int64).reshape(len(rows), len(columns))
        for port, columns in binding.audio.items()
    }
    values = {port: [found[port] for _, found, *_ in rows] for port in binding.values}
    return Rows(files, values, np.asarray([length for *_, length, _ in rows], np.int64), [name for *_, name in rows])


def _usable(ids: Mapping[str, list[int]], tape: Tape, worlds: Mapping[str, World]) -> tuple[str, int]:
    """Why a row cannot be used ("" if it can), and its samples: the shortest of its waves, else its longest stem."""
    flat = [i for numbers in ids.values() for i in numbers]
    if any(i >= 0 and tape.length[i] == 0 for i in flat):
        return "needs a recording that cannot be used", 0
    waves = [numbers[0] for port, numbers in ids.items() if numbers and not isinstance(worlds[port], Stems)]
    if any(i < 0 for i in waves) or all(i < 0 for i in flat):
        return "names no recording", 0
    return "", int(min((tape.length[i] for i in waves), default=0) or max(tape.length[i] for i in flat if i >= 0))
