"""Reading what is said about a recording beside it: beats, notes, phonemes, curves, from CSV, text, JSON or MIDI.

One cell of a table (a file below its folder, or JSON in the cell itself) becomes one float64 array, as audioml/kinds.py
lays the kinds out, but in full length:
    Times [2, M]   Notes [5, M]   Phones [3, M]   Curve [1 + values, N], row 0 the time in s.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audioml.data.ports import CURVE_RATE
from audioml.errors import RequestError
from audioml.kinds import Curve, Notes, Phones, Times

VELOCITY = 0.8  # of notes that state none
MERGED = 0.03  # s: note onsets closer than this are one onset (Böck et al., ISMIR 2012)
STEP = 0.15  # s: a row of a JSON grid of pitches, a sixteenth at 100 beats a minute
_ALIKE = {"onset": ("onset", "start", "time", "begin"), "offset": ("offset", "end", "stop"), "voice": ("voice", "stem", "track")}
_SYMBOL = ("phoneme", "phone", "symbol", "label", "kind", "class", "name")


class BadMarksError(Exception):
    """Side information that cannot be used; its text is the reason, as reports show it."""


Parsed = tuple[np.ndarray, tuple[str, ...]]  # the array, and what its indices (kinds, symbols, voices, values) mean


def read(kind: type, cell: str, root: Path, column: str) -> Parsed:
    """The array of a cell, and the names its indices stand for.

    Raises BadMarksError for a file that is missing or does not say what the world `kind` needs.
    """
    try:
        if cell.lower().endswith((".mid", ".midi")):
            return _MIDI[kind](_midi(root / cell))
        return READERS[kind](_table(cell, root), column)
    except KeyError as error:
        raise BadMarksError(f"{_short(cell)} cannot be read as {kind.__name__}: no {error}") from error
    except (OSError, UnicodeDecodeError, ValueError, TypeError, IndexError, csv.Error, RuntimeError) as error:
        raise BadMarksError(f"{_short(cell)} cannot be read as {kind.__name__} ({type(error).__name__}: {error})") from error


def _short(cell: str) -> str:
    return cell if len(cell) < 60 else cell[:40] + " …"


# ---- tables ----------------------------------------------------------------------------------------------------------
Columns = dict[str, list[Any]]  # column -> cells; columns without a header are called "0", "1" …


def _table(cell: str, root: Path) -> Columns | list[Any]:
    """Columns by name, or the list that a JSON cell or file holds where it is neither rows nor columns."""
    if cell.lstrip().startswith(("[", "{")):
        return _json(json.loads(cell))
    text = (root / cell).read_text("utf-8-sig")
    if cell.lower().endswith(".json"):
        return _json(json.loads(text))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    comma = "," in lines[0] if lines else True
    rows = list(csv.reader(lines)) if comma else [line.split("\t") if "\t" in line else line.split() for line in lines]
    if not rows:
        return {}
    names = [str(i) for i in range(max(map(len, rows)))]
    if not _number(rows[0][0]):
        names = [name.strip().lower() for name in rows.pop(0)]
    return {name: [row[i].strip() if i < len(row) else "" for row in rows] for i, name in enumerate(names)}


def _json(found: Any) -> Columns | list[Any]:
    if isinstance(found, dict):
        return {str(k).lower(): list(v) for k, v in found.items() if isinstance(v, list)}
    if found and isinstance(found[0], dict):
        return {str(k).lower(): [row.get(k, "") for row in found] for k in found[0]}
    if found and isinstance(found[0], list) and not all(type(v) is int for row in found for v in row):
        return {str(i): [row[i] for row in found] for i in range(len(found[0]))}
    if found and not isinstance(found[0], list):
        return {"0": found}
    return found


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _pick(table: Columns, names: Sequence[str], place: int | None = None) -> list[Any] | None:
    """The first column called one of `names`, else the one at `place` of a table without a header."""
    found = next((table[name] for name in names if name in table), None)
    return table.get(str(place)) if found is None and place is not None else found


def _floats(table: Columns, names: Sequence[str], place: int | None) -> np.ndarray:
    found = _pick(table, names, place)
    if found is None:
        raise KeyError(" or ".join(names))
    return np.asarray([float(v) for v in found], np.float64)


def _numbered(cells: Sequence[Any] | None, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Names -> their number in order of first appearance."""
    if cells is None:
        return np.zeros(count), ("",)
    names = {str(cell): None for cell in cells}
    place = {name: i for i, name in enumerate(names)}
    return np.asarray([place[str(cell)] for cell in cells], np.float64), tuple(names)


# ---- the kinds -------------------------------------------------------------------------------------------------------
def _times(table: Columns | list[Any], column: str) -> Parsed:
    """Kinds: what a column says, beat and downbeat from the place in the bar or a flag; a downbeat is a beat as well."""
    base = next((kind for kind in ("downbeat", "beat", "onset") if kind in column), column.removesuffix("s"))
    if isinstance(table, list):
        notes, _ = _notes(table, column)
        return onsets(notes)
    if "pitch" in table or ("2" in table and "note" in column):
        return onsets(_notes(table, column)[0])
    time = _floats(table, ("time", "onset", "start", "begin"), 0) if table else np.zeros(0)
    flags = sorted(name for name in table if name == "downbeat" or name.startswith("downbeat_"))
    place = _pick(table, ("beat_in_bar", "beat", "bar_position", "position"))
    second = table.get("1")
    if place is None and second and all(_number(str(v)) for v in second):
        place = second
    if flags or place is not None:
        first = np.asarray([float(v) for v in (table[flags[-1]] if flags else place)]) == 1  # type: ignore[index, union-attr]
        both = np.concatenate([time, time[first]])
        kinds = np.concatenate([np.zeros(len(time)), np.ones(int(first.sum()))])
        return _ordered(np.stack([both, kinds])), ("beat", "downbeat")
    said = _pick(table, _SYMBOL, 1)
    index, names = _numbered(said, len(time))
    return _ordered(np.stack([time, index])), names if said is not None else (base,)


def onsets(notes: np.ndarray) -> Parsed:
    """The onsets of notes [5, M], those together taken as one."""
    time = np.sort(notes[0])
    kept: list[float] = []
    for t in time.tolist():
        if not kept or t - kept[-1] >= MERGED:
            kept.append(t)
    return np.stack([np.asarray(kept, np.float64), np.zeros(len(kept))]), ("onset",)


def _notes(table: Columns | list[Any], column: str) -> Parsed:
    if isinstance(table, list):
        return _grid(np.asarray(table, np.int64)), tuple(map(str, range(len(table[0]) if table else 1)))
    if not table:
        return np.zeros((5, 0)), ("",)
    onset, offset = _floats(table, _ALIKE["onset"], 0), _floats(table, _ALIKE["offset"], 1)
    pitch = _floats(table, ("pitch", "note", "midi"), 2)
    loud = _pick(table, ("velocity",), 3)
    velocity = np.full(len(onset), VELOCITY) if loud is None else np.asarray([float(v) for v in loud])
    velocity = velocity / 127 if (velocity > 1).any() else velocity
    voice, names = _numbered(_pick(table, _ALIKE["voice"], 4), len(onset))
    return checked_notes(np.stack([onset, offset, pitch, velocity, voice])), names


def _grid(pitches: np.ndarray) -> np.ndarray:
    """Pitches [steps, voices] (-1: silence) -> notes; equal neighbours are one note, as the grid cannot tell them apart."""
    steps, voices = pitches.shape if pitches.size else (0, 1)
    found = []
    for v in range(voices):
        line = pitches[:, v] if steps else np.zeros(0, np.int64)
        edges = np.flatnonzero(np.diff(line, prepend=-2, append=-2))
        start, stop = edges[:-1], edges[1:]
        start, stop = start[line[start] >= 0], stop[line[start] >= 0]
        found.append(
            np.stack([start * STEP, stop * STEP, line[start], np.full(len(start), VELOCITY), np.full(len(start), v)]).astype(float)
        )
    return checked_notes(np.concatenate(found, 1))


def checked_notes(notes: np.ndarray) -> np.ndarray:
    """Notes in order of onset, then pitch; BadMarksError for one that ends before it begins or has no MIDI pitch."""
    if not np.isfinite(notes).all() or (notes[:2] < 0).any() or ((notes[2] < 0) | (notes[2] > 127)).any():
        raise BadMarksError("notes with negative times, or pitches outside 0 to 127")
    if (notes[1] < notes[0]).any():
        raise BadMarksError("a note that ends before it begins")
    return notes[:, np.lexsort((notes[4], notes[2], notes[0]))]


def _phones(table: Columns | list[Any], column: str) -> Parsed:
    if isinstance(table, list) or not table:
        raise BadMarksError("phonemes need start, end and symbol")
    start, end = _floats(table, ("start", "onset", "begin", "time"), 0), _floats(table, ("end", "offset", "stop"), 1)
    said = _pick(table, _SYMBOL, 2)
    if said is None:
        raise KeyError(" or ".join(_SYMBOL))
    index, names = _numbered(said, len(start))
    order = np.argsort(start, kind="stable")
    phones = np.stack([start, end, index])[:, order]
    if (phones[1] < phones[0]).any() or (phones[0, 1:] < phones[1, :-1] - 1e-3).any():
        raise BadMarksError("phonemes that overlap or end before they begin")
    return phones, names


def _curve(table: Columns | list[Any], column: str) -> Parsed:
    if isinstance(table, list) or not table:
        raise BadMarksError("a curve needs times and values")
    if "pitch" in table and "offset" in table:
        return pitch_of(_notes(table, column)[0])
    time = _floats(table, ("time", "seconds", "start"), 0)
    names = [name for name in table if name not in ("time", "seconds", "start", "0")]
    values = [np.asarray([float(v) for v in table[name]]) for name in names]
    order = np.argsort(time, kind="stable")
    short = tuple(column.split("_")[-1] if name.isdigit() else name.split("_")[0] for name in names)
    return np.stack([time, *values])[:, order], short


def pitch_of(notes: np.ndarray) -> Parsed:
    """The F0 in Hz, a hundred times a second, of notes that sound one at a time (of several, the last begun); 0 between them."""
    time = np.arange(int(np.ceil(notes[1].max(initial=0.0) * CURVE_RATE)) + 1) / CURVE_RATE
    if not notes.shape[1]:
        return np.stack([time, np.zeros(len(time))]), ("f0",)
    last = np.searchsorted(notes[0], time, side="right") - 1
    sounding = (last >= 0) & (time < notes[1, last])
    return np.stack([time, np.where(sounding, 440 * 2 ** ((notes[2, last] - 69) / 12), 0.0)]), ("f0",)


def _ordered(times: np.ndarray) -> np.ndarray:
    if not np.isfinite(times).all():
        raise BadMarksError("a time that is not a number")
    return times[:, np.lexsort((times[1], times[0]))]


def _midi(path: Path) -> Parsed:
    """Notes of every track with pitches (not drums); a voice is a track.  Seconds by the file's tempo map."""
    try:
        import symusic
    except ImportError as error:
        raise RequestError('reading MIDI needs symusic: pip install "audioml[embedded]"') from error
    score = symusic.Score(path)
    ticks = np.asarray([0, *(t.time for t in score.tempos)], np.float64)
    rate = np.asarray([500000, *(t.mspq for t in score.tempos)], np.float64) / score.ticks_per_quarter / 1e6
    passed = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * rate[:-1])])

    def seconds(at: np.ndarray) -> np.ndarray:
        k = np.searchsorted(ticks, at, side="right") - 1
        return passed[k] + (at - ticks[k]) * rate[k]

    tracks = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    found = []
    for voice, track in enumerate(tracks):
        own = track.notes.numpy()
        start = own["time"].astype(np.float64)
        stop = start + own["duration"]
        rows = [seconds(start), seconds(stop), own["pitch"], own["velocity"] / 127, np.full(len(start), voice)]
        found.append(np.stack(rows).astype(np.float64))
    notes = np.concatenate(found, 1) if found else np.zeros((5, 0))
    return checked_notes(notes), tuple(track.name or str(i) for i, track in enumerate(tracks)) or ("",)


READERS: dict[type, Callable[[Any, str], Parsed]] = {Times: _times, Notes: _notes, Phones: _phones, Curve: _curve}
_MIDI: dict[type, Callable[[Parsed], Parsed]] = {
    Times: lambda notes: onsets(notes[0]),
    Notes: lambda notes: notes,
    Curve: lambda notes: pitch_of(notes[0]),
}


def grid_of(times: Sequence[np.ndarray]) -> float | None:
    """The step in seconds on which all of these times lie (within 1 ms), at least 20 ms; None where there is none."""
    if not times:
        return None
    every = np.unique(np.round(np.concatenate(times), 6))
    gaps = np.diff(every)
    gaps = gaps[gaps > 1e-3]
    if not len(gaps) or gaps.min() < 0.02:
        return None
    step = float(gaps.min())
    for _ in range(3):  # a rounded step drifts over a long piece: fit it
        index = np.round(every / step)
        step = float((every @ index) / max(index @ index, 1))
    return round(step, 9) if np.abs(every - np.round(every / step) * step).max() < 1e-3 else None
