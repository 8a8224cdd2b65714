"""The sentences around a section: how many runs beat the baseline, and why a number is missing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from audioml.table.cells import UNASKED, few
from audioml.table.columns import COLUMNS
from audioml.table.paired import BEATS, UNTESTED
from audioml.table.rows import Row


def summary(rows: Sequence[Row]) -> str:
    """One sentence; rows that need no training (floor and ceiling) do not count."""
    done = [row for row in rows if row.done and not row.role]
    tested = [row for row in done if row.delta.verdict != UNTESTED]
    beating = sum(row.delta.verdict == BEATS for row in tested)
    how = "beat the baseline (paired over test items, 95 % interval excludes zero)"
    words = [f"{beating} of {len(tested)} trained rows {how}" if tested else "No trained row could be tested against the baseline"]
    if len(tested) < len(done):
        words.append(f"{len(done) - len(tested)} not tested")
    ended = Counter(row.record.status for row in rows if not row.done)
    words += [f"{count} {status}" for status, count in sorted(ended.items())]
    return "; ".join(words) + "."


def footnotes(rows: Sequence[Row], primary: str) -> list[str]:
    """Reasons of what was not measured, each once, with its columns and rows."""
    where: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for column in COLUMNS:
            cell = row.cells[column.key]
            if row.done and cell.reason not in ("", UNASKED):
                titles, names = where.setdefault(cell.reason, ({}, {}))
                titles[column.title], names[row.name] = None, None
    everyone = {row.name for row in rows if row.done}
    notes = []
    for reason, (titles, names) in where.items():
        who = "all runs" if set(names) == everyone and len(everyone) > 1 else few(names)
        notes.append(f"{few(titles, 12)}: {reason} ({who}).")
    others = {row.record.primary for row in rows if row.record.primary} - {primary}
    if others:
        notes.append(f"Some runs are ranked by another metric ({few(sorted(others))}); here it is {primary}.")
    return notes


def word_marks(reference: str, hypothesis: str) -> list[tuple[str, bool]]:
    """The hypothesis' words with True where the reference has them too, for reading errors at a glance."""
    a, b = reference.split(), hypothesis.split()
    same = difflib.SequenceMatcher(None, a, b, False).get_matching_blocks()
    right = {block.b + step for block in same for step in range(block.size)}
    return [(word, index in right) for index, word in enumerate(b)]
