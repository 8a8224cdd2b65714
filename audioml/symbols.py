"""Symbols for people: any item that is no audio in one line, as rows of a table, or (notes) as a MIDI file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audioml.kinds import Curve, Label, Notes, Phones, Tags, Text, Times, World

if TYPE_CHECKING:
    import numpy as np

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SHOWN = 16  # entries of a list that one line shows
TICKS = 480  # per quarter note, at 120 quarters a minute


def in_words(world: World, item: Any) -> str:
    """One line: a text as it is, the name of a class, names of tags, the first notes, times or values."""
    return _WORDS[type(world)](world, item)


def in_rows(world: World, item: Any) -> tuple[list[str], list[list[Any]]] | None:
    """Header and rows of a table, for kinds that are lists; None for the others."""
    table = _ROWS.get(type(world))
    return table(world, item) if table else None


def csv_of(world: World, item: Any) -> str | None:
    """`in_rows` as the text of a csv file."""
    found = in_rows(world, item)
    if found is None:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found[0])
    writer.writerows(found[1])
    return text.getvalue()


def midi_of(notes: np.ndarray) -> bytes:
    """Notes [5, M] as a Standard MIDI File of one track at 120 quarters a minute, a channel per voice."""
    events: list[tuple[int, int, bytes]] = []
    for onset, offset, pitch, velocity, voice in notes.T.tolist():
        channel, key = int(voice) % 16, min(127, max(0, round(pitch)))
        start = round(onset * 2 * TICKS)
        stop = max(start + 1, round(offset * 2 * TICKS))
        events.append((start, 1, bytes([0x90 | channel, key, min(127, max(1, round(127 * velocity)))])))
        events.append((stop, 0, bytes([0x80 | channel, key, 0])))
    track, now = bytearray(), 0
    for tick, _, message in sorted(events):  # an end before a start at the same tick
        track += _variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + (0).to_bytes(2, "big") + (1).to_bytes(2, "big") + TICKS.to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def _variable(value: int) -> bytes:
    """A number in groups of seven bits, the highest first (SMF 1.0)."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | (value & 0x7F))
    return bytes(reversed(groups))


def name_of(pitch: float) -> str:
    """MIDI pitch -> scientific name, 60 -> C4."""
    return f"{PITCHES[round(pitch) % 12]}{round(pitch) // 12 - 1}"


def _name(names: tuple[str, ...] | None, index: Any) -> str:
    return names[int(index)] if names and 0 <= int(index) < len(names) else str(int(index))


def _some(parts: list[str]) -> str:
    return " ".join(parts[:SHOWN]) + (f" … ({len(parts)})" if len(parts) > SHOWN else "") if parts else "(none)"


def _tags(world: Tags, item: Any) -> str:
    return ", ".join(_name(world.classes, i) for i, share in enumerate(item) if share >= 0.5) or "(none)"


def _curve(world: Curve, item: Any) -> str:
    held = item[0][item[0] > 0]
    return (
        f"{len(item[0])} values, {len(held)} of them above 0, median {sorted(held)[len(held) // 2]:.1f}" if len(held) else "silent"
    )


_WORDS: dict[type, Callable[[Any, Any], str]] = {
    Text: lambda world, item: str(item),
    Label: lambda world, item: _name(world.classes, item),
    Tags: _tags,
    Curve: _curve,
    Times: lambda world, item: _some([f"{t:.2f}:{_name(world.names, k)}" for t, k in item.T.tolist()]),
    Notes: lambda world, item: _some([f"{name_of(row[2])}@{row[0]:.2f}" for row in item.T.tolist()]),
    Phones: lambda world, item: _some([_name(world.symbols, row[2]) for row in item.T.tolist()]),
}
_ROWS: dict[type, Callable[[Any, Any], tuple[list[str], list[list[Any]]]]] = {
    Curve: lambda world, item: (
        ["time", *(world.values or ("value",))],
        [[round(i / (world.rate or 1), 4), *(round(v, 4) for v in row)] for i, row in enumerate(item.T.tolist())],
    ),
    Times: lambda world, item: (["time", "kind"], [[round(t, 4), _name(world.names, k)] for t, k in item.T.tolist()]),
    Notes: lambda world, item: (
        ["onset", "offset", "pitch", "velocity", "voice"],
        [[round(a, 4), round(b, 4), round(p), round(v, 3), int(w)] for a, b, p, v, w in item.T.tolist()],
    ),
    Phones: lambda world, item: (
        ["start", "end", "symbol"],
        [[round(a, 4), round(b, 4), _name(world.symbols, s)] for a, b, s in item.T.tolist()],
    ),
}
