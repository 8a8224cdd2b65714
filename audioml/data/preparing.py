"""From a table to Clips: decode what is needed (once), read what is said beside it, lay the usable rows out by split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from audioml.data.augment import Augment
from audioml.data.cache import open_tape, too_many_bad
from audioml.data.clips import Clips
from audioml.data.marked import fitted, mark
from audioml.data.noises import read_noises
from audioml.data.ports import Binding
from audioml.data.rows import lay_out
from audioml.data.table import Table
from audioml.data.trim import trimmed
from audioml.errors import RequestError, RunError
from audioml.kinds import World


def prepare_clips(
    table: Table,
    binding: Binding,
    worlds: Mapping[str, World],
    deal: Callable[[Sequence[bool]], tuple[list[str | None], str]],
    *,
    rate: int,
    channels: int,
    cache: str | None,
    max_bad: float,
    text: str,
    augment: Augment,
    noises: Mapping[str, str],
) -> Clips:
    """Decode (once) what `binding` needs of `table` and lay the usable rows out by split.

    `deal` gives the splits of the rows it is told to use, and how they were made; it is asked again, without the unusable
    rows, when these were all that a split had.  Raises RunError when more than `max_bad` of the recordings are unusable,
    or none is left in a split.
    """
    splits, note = deal([True] * len(table.rows))
    columns = list(dict.fromkeys(c for cs in binding.audio.values() for c in cs))
    keys = sorted({row[c] for row, split in zip(table.rows, splits, strict=True) if split for c in columns if row.get(c)})
    sources = [table.source(key) for key in keys]
    tape = open_tape(sources, where=table.where, root=str(table.root), rate=rate, channels=channels, cache=cache)
    too_many_bad(tape, len(keys), max_bad, table.where)
    number = {key: i for i, key in enumerate(keys)}
    marked = {port: (mark(table, type(worlds[port]), columns, cache)) for port, columns in binding.sides.items()}
    sides = {port: (fitted(worlds[port], found), found.why) for port, found in marked.items()}
    made, dropped, usable = lay_out(table, binding, worlds, splits, number, tape, text, sides)
    unread = [d for d in dropped if "cannot be read" in d["reason"]]
    if len(unread) > max_bad * len(table.rows) or not any(usable):
        some = "; ".join(f"{d['file']}: {d['reason']}" for d in (unread or dropped)[:3])
        raise RunError(f"{len(unread or dropped)} of {len(table.rows)} rows of {table.where} cannot be used ({some})")
    if not all(rows.names for rows in made.values()):
        again, same = deal(usable)
        if same == note:  # what the data itself calls valid or test is never replaced
            made, more, _ = lay_out(table, binding, worlds, again, number, tape, text, sides)
            dropped += more
    empty = [split for split, rows in made.items() if not rows.names]
    if empty:
        raise RunError(f"{table.where} has no usable clip left for {' and '.join(empty)} after leaving out the bad ones")
    if augment.trim is not None:
        if len(columns) != 1 or binding.sides:
            raise RequestError("data.trim leaves out silence around single recordings, without stems or times beside them")
        made = {split: trimmed(tape, rows, augment.trim) for split, rows in made.items()}
    report = {
        "skipped": [*tape.skipped, *dropped],
        "splits": note,
        "rows": {split: len(rows.names) for split, rows in made.items()},
    }
    more = read_noises(noises, rate=rate, channels=channels, cache=cache, max_bad=max_bad)
    return Clips(tape, worlds, made, binding, augment, report, more)
