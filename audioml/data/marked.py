"""The side information of all rows of a table, read once into the cache, and as the worlds of ports want it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audioml.data.cache import made_once
from audioml.data.marks import BadMarksError, grid_of, read
from audioml.data.ports import CURVE_RATE
from audioml.data.table import SUFFIX, Table
from audioml.kinds import Curve, Notes, Phones, Times, World

VERSION = 2
_BASES = ("downbeat", "beat", "onset")


@dataclass(frozen=True)
class Marked:
    """One port's side information: an array per row (None: the row has none), why rows have none, and what indices mean.

    `names` are (column, name) pairs; the arrays hold places in it (Times, Phones: row 1 or 2; Notes: row 4).
    """

    arrays: Sequence[np.ndarray | None]
    why: Sequence[str]
    names: tuple[tuple[str, str], ...]
    places: int  # the most voices of one row


def mark(table: Table, kind: type, columns: Sequence[str], cache: str | None) -> Marked:
    """The side information in `columns` (of several, the first must be there) of every row; parsed once per state of the files."""
    cells = [[row.get(column, "") for column in columns] for row in table.rows]
    stamps = [[[_digest(cell), _stamp(table.root, cell)] if cell else "" for cell in row] for row in cells]
    facts = [VERSION, kind.__name__, list(columns), str(table.root), stamps]

    def write(at: Path) -> None:
        _write(at, table, kind, columns, cells)

    where = made_once("marks", facts, lambda at: (at / "names.json").is_file(), write, table.where, cache)
    said = json.loads((where / "names.json").read_text("utf-8"))
    with np.load(where / "arrays.npz") as kept:
        flat, counts = kept["flat"], kept["counts"]
    length = np.maximum(counts, 0)
    ends = np.cumsum(length)
    parts = [None if c < 0 else flat[:, end - k : end] for c, k, end in zip(counts, length, ends, strict=True)]
    return Marked(parts, said["why"], tuple((c, n) for c, n in said["names"]), said["places"])


def _digest(cell: str) -> str:
    return cell if len(cell) < 200 else hashlib.sha256(cell.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(root: Path, cell: str) -> str:
    if cell.startswith(("[", "{")):
        return ""
    try:
        stat = (root / cell).stat()
    except OSError:
        return "missing"
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def _write(at: Path, table: Table, kind: type, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    names: dict[tuple[str, str], int] = {}
    arrays: list[np.ndarray | None] = []
    why, places = [], 1
    for row in cells:
        array, reason = None, "" if row[0] else f"no {columns[0]}"
        for column, cell in zip(columns, row, strict=True):
            if not cell or reason:
                continue
            try:
                found, own = read(kind, cell, table.root, column.removesuffix(SUFFIX))
            except BadMarksError as error:
                reason = str(error)
                break
            places = max(places, len(own))
            at_row = _INDEXED.get(kind)
            if at_row is not None and found.shape[1]:
                here = np.asarray([names.setdefault((column, name), len(names)) for name in own])
                found[at_row] = here[found[at_row].astype(np.int64)]
            elif at_row is None:
                for name in own:
                    names.setdefault((column, name), len(names))
            array = found if array is None else np.concatenate([array, found], 1)
        arrays.append(None if reason else array)
        why.append(reason)
    height = max((a.shape[0] for a in arrays if a is not None), default=1)
    arrays = [_tall(a, height) for a in arrays]
    flat = np.concatenate([a for a in arrays if a is not None] or [np.zeros((height, 0))], 1)
    np.savez(at / "arrays.npz", flat=flat, counts=np.asarray([-1 if a is None else a.shape[1] for a in arrays], np.int64))
    (at / "names.json").write_text(json.dumps({"names": list(names), "why": why, "places": places}), "utf-8")


_INDEXED = {Times: 1, Phones: 2, Notes: 4}


def _tall(array: np.ndarray | None, height: int) -> np.ndarray | None:
    return array if array is None else np.pad(array, ((0, height - len(array)), (0, 0)))


def facts_of(world: World, marked: Marked) -> World:
    """`world` with what it leaves open filled from the data."""
    filled = _FACTS[type(world)](world, marked)
    return replace(world, **{k: v for k, v in filled.items() if getattr(world, k) is None})


def _some(marked: Marked) -> list[np.ndarray]:
    return [a for a in marked.arrays if a is not None]


def _times_facts(world: Times, marked: Marked) -> dict[str, Any]:
    names = dict.fromkeys(name if name in _BASES else base_of(column) or name for column, name in marked.names)
    return {"names": tuple(sorted(names, key=lambda n: (n != "beat", n != "downbeat", n)))}


def _notes_facts(world: Notes, marked: Marked) -> dict[str, Any]:
    some = [a for a in _some(marked) if a.shape[1]]
    low, high = min((a[2].min() for a in some), default=21), max((a[2].max() for a in some), default=108)
    return {
        "low": int(low), "high": int(high), "voices": len(_voices(marked)) or marked.places,
        "step": grid_of([a[row] for a in some for row in (0, 1)]),
    }  # fmt: skip


def _voices(marked: Marked) -> tuple[str, ...]:
    """Voices by name where all rows share them (stems, parts); none where names differ and their order must do."""
    names = tuple(sorted({name for _, name in marked.names}))
    ordered = tuple(dict.fromkeys(name for _, name in marked.names))
    return ordered if len(names) <= marked.places else ()


_FACTS = {
    Times: _times_facts,
    Notes: _notes_facts,
    Phones: lambda world, marked: {"symbols": tuple(sorted({name for _, name in marked.names}))},
    Curve: lambda world, marked: {"values": tuple(dict.fromkeys(n for _, n in marked.names)), "rate": CURVE_RATE},
}


def fitted(world: World, marked: Marked) -> list[np.ndarray | None]:
    """Each row's array with the indices of `world`; what it has no place for is left out."""
    if isinstance(world, Curve):
        return _curves(world, marked)
    if isinstance(world, Notes):
        return [None if a is None else _notes(world, a, _voices(marked), marked) for a in marked.arrays]
    wanted = (world.names if isinstance(world, Times) else world.symbols) or ()
    place = np.asarray([_place(wanted, column, name) for column, name in marked.names] or [-1])
    at = _INDEXED[type(world)]
    return [None if a is None else _indexed(a, at, place) for a in marked.arrays]


def _indexed(array: np.ndarray, at: int, place: np.ndarray) -> np.ndarray:
    out = array[: at + 1].copy()
    out[at] = place[array[at].astype(np.int64)]
    out = out[:, out[at] >= 0]
    return out[:, np.lexsort((out[at], out[0]))]


def _place(wanted: Sequence[str], column: str, name: str) -> int:
    """Where `wanted` has the name, or else the kind that the column speaks of (drum_onsets of a snare are onsets)."""
    if name in wanted:
        return wanted.index(name)
    base = base_of(column)
    return wanted.index(base) if base in wanted else -1


def base_of(column: str) -> str:
    """The kind of time that a column's name speaks of, or ""."""
    return next((b for b in _BASES if b in column), "")


def _notes(world: Notes, array: np.ndarray, voices: Sequence[str], marked: Marked) -> np.ndarray:
    out = array.copy()
    own = out[4].astype(np.int64)
    if voices:
        out[4] = np.asarray([voices.index(name) for _, name in marked.names] or [0])[own]
    else:  # in order of first place in the row's own list of voices
        out[4] = np.searchsorted(np.unique(own), own)
    keep = (out[2] >= (world.low or 0)) & (out[2] <= (127 if world.high is None else world.high)) & (out[4] < (world.voices or 1))
    out = out[:, keep]
    if world.step:  # exactly on the grid, whatever a file rounded
        out[:2] = np.round(out[:2] / world.step) * world.step
    return out


def _curves(world: Curve, marked: Marked) -> list[np.ndarray | None]:
    found = [name for _, name in marked.names]
    rows = [0, *(found.index(v) + 1 if v in found else i + 1 for i, v in enumerate(world.values or ()))]
    return [None if a is None else a[rows] for a in marked.arrays]
