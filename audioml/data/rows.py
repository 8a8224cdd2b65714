"""From a table and a tape to the rows of each split, in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from audioml.data.draw import Window
from audioml.data.ports import Binding, spell, tags_of
from audioml.data.splits import SPLITS, group_column
from audioml.data.table import Table
from audioml.data.tape import Tape
from audioml.kinds import Label, Notes, Phones, Stems, Tags, Times, World


@dataclass(frozen=True)
class Rows:
    """One split: port -> file ids [rows, signals] (-1: none), port -> values, port -> side information (see marks.py),
    samples per row, names, and the speaker (song …) of each row."""

    files: Mapping[str, np.ndarray]
    values: Mapping[str, Any]
    sides: Mapping[str, list[np.ndarray]]
    length: np.ndarray
    names: Sequence[str]
    groups: Sequence[str]
    begin: np.ndarray | None = None  # the first sample of each row, where silence is left out

    def taken(self, index: np.ndarray) -> Rows:
        """The rows `index` alone."""

        def some(values: Any) -> Any:
            return values[index] if isinstance(values, np.ndarray) else [values[i] for i in index.tolist()]

        return Rows(
            {port: some(files) for port, files in self.files.items()},
            {port: some(values) for port, values in self.values.items()},
            {port: some(sides) for port, sides in self.sides.items()},
            self.length[index],
            some(self.names),
            some(self.groups),
            None if self.begin is None else self.begin[index],
        )

    def shifted(self, window: Window, index: np.ndarray) -> Window:
        """A window of the rows `index` as one of their recordings."""
        return window if self.begin is None else replace(window, start=window.start + self.begin[index])


_Kept = tuple[dict[str, list[int]], dict[str, Any], dict[str, np.ndarray], int, str, str]


def lay_out(
    table: Table,
    binding: Binding,
    worlds: Mapping[str, World],
    splits: Sequence[str | None],
    number: Mapping[str, int],
    tape: Tape,
    text: str,
    marked: Mapping[str, tuple[Sequence[np.ndarray | None], Sequence[str]]],
) -> tuple[dict[str, Rows], list[dict[str, str]], list[bool]]:
    """The rows of each split, what was left out and why, and for every row whether it can be used.

    `marked`: port -> (array per row, or None; why there is none).
    """
    dropped, usable = [], [True] * len(table.rows)
    kept: dict[str, list[_Kept]] = {split: [] for split in SPLITS}
    shown = [c for cs in binding.audio.values() for c in cs]  # inputs first: a clip is called after its input
    bad = {skip["file"] for skip in tape.skipped}
    group = group_column(table.columns)
    for i, (row, place, split) in enumerate(zip(table.rows, table.names(), splits, strict=True)):
        if split is None:
            continue
        name = next((row[c] for c in shown if row.get(c)), place)
        ids = {port: [number.get(row.get(c, ""), -1) for c in cs] for port, cs in binding.audio.items()}
        cells = {port: row.get(column, "") for port, column in binding.values.items()}
        sides = {port: arrays[i] for port, (arrays, _) in marked.items()}
        needed = [port for port in sides if port not in binding.optional]
        blank = [f"no {binding.values[port]}" for port, cell in cells.items() if not cell and port not in binding.optional]
        blank += [marked[port][1][i] or "nothing in it" for port in needed if sides[port] is None]
        reason, samples = _usable(ids, tape, worlds, sides)
        if reason or blank:
            usable[i] = False
            dropped += [{"file": name, "reason": reason or blank[0]}] if name not in bad else []
            continue
        values = {port: cell_value(worlds[port], cell, text) for port, cell in cells.items()}
        filled = {port: np.zeros((height_of(worlds[port]), 0)) if x is None else x for port, x in sides.items()}
        stem = str(PurePosixPath(name).with_suffix(""))
        kept[split].append((ids, values, filled, samples, stem, (row.get(group) if group else "") or place))
    return {split: _stacked(rows, binding) for split, rows in kept.items()}, dropped, usable


def height_of(world: World) -> int:
    """Rows of a kind's array, the time row of a Curve counted."""
    return {Times: 2, Notes: 5, Phones: 3}.get(type(world)) or 1 + len(world.values or ())  # type: ignore[union-attr]


def cell_value(world: World, cell: str, text: str) -> Any:
    """A cell as its world has it: the class's number, zeros and ones [classes], or a string."""
    if isinstance(world, Tags):
        own = tags_of(cell)
        return np.asarray([name in own for name in world.classes or ()], np.float32)
    return world.classes.index(cell) if isinstance(world, Label) else spell(cell, text)  # type: ignore[union-attr]


def _stacked(rows: Sequence[_Kept], binding: Binding) -> Rows:
    files = {
        port: np.asarray([ids[port] for ids, *_ in rows], np.int64).reshape(len(rows), len(columns))
        for port, columns in binding.audio.items()
    }
    values = {port: [found[port] for _, found, *_ in rows] for port in binding.values}
    sides = {port: [found[port] for _, _, found, *_ in rows] for port in binding.sides}
    length = np.asarray([row[3] for row in rows], np.int64)
    return Rows(files, values, sides, length, [row[4] for row in rows], [row[5] for row in rows])


def _usable(
    ids: Mapping[str, list[int]], tape: Tape, worlds: Mapping[str, World], sides: Mapping[str, np.ndarray | None]
) -> tuple[str, int]:
    """Why a row cannot be used ("" if it can), and its samples: the shortest of its waves, else its longest stem, else
    (scores) till the end of its last note."""
    flat = [i for numbers in ids.values() for i in numbers]
    if any(i >= 0 and tape.length[i] == 0 for i in flat):
        return "needs a recording that cannot be used", 0
    if not ids:
        last = max((float(x[:2].max(initial=0.0)) for x in sides.values() if x is not None), default=0.0)
        return ("" if last > 0 else "nothing in it"), round(last * tape.rate)
    waves = [numbers[0] for port, numbers in ids.items() if numbers and not isinstance(worlds[port], Stems)]
    if any(i < 0 for i in waves) or all(i < 0 for i in flat):
        return "names no recording", 0
    return "", int(min((tape.length[i] for i in waves), default=0) or max(tape.length[i] for i in flat if i >= 0))
