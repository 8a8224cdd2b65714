"""The talk's table as Markdown, CSV (ten rows; or one line per cell and task) and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audioml.records import plain
from audioml.table.cells import clean, number, with_interval
from audioml.table.text import escape
from audioml.talk.agree import AGREE, DISAGREE, NOT, Correlation, Judged, Verdicts
from audioml.talk.evidence import Arena
from audioml.talk.opinion import Opinion

MARKS = {AGREE: "✓", DISAGREE: "✗", NOT: "·"}


@dataclass
class Result:
    """All that the pages are made from; `notes` are about records that were passed over."""

    talk: Opinion
    arenas: list[Arena]
    verdicts: Verdicts
    notes: list[str]
    command: str

    def cell(self, task: str, row: str, column: str) -> Judged:
        """One cell on one task."""
        return self.verdicts.cells[task, row, column]


def shown(judged: Judged) -> str:
    """What was measured, or "not measured: reason", or why task and row do not fit."""
    if judged.cell.text:
        return judged.cell.text
    reason = judged.cell.reason or "not in the record"
    return reason if reason.startswith("does not fit") else f"not measured: {reason}"


def correlation(found: Correlation) -> str:
    """``0.62 [0.55, 0.70]``, or a dash."""
    if found.rho is None:
        return "–"
    return with_interval(found.rho, found.ci) if found.ci and found.ci[0] < found.ci[1] else number(found.rho)


def seeds_of(arena: Arena) -> str:
    """``3 seeds``, ``1 to 3 seeds``."""
    counts = sorted({row.seeds for row in arena.rows.values()})
    if not counts:
        return "no run"
    return f"{counts[0]} seed{'s' if counts[0] != 1 else ''}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def about(arena: Arena) -> str:
    """What makes the rows of a task comparable, in one line."""
    known = arena.conditions
    arrow = {"high": "↑", "low": "↓"}.get(arena.better, "")
    metric = " ".join(filter(None, (clean(arena.primary.partition("/")[2], 60), clean(arena.unit, 20), arrow)))
    words = [metric, seeds_of(arena), f"{known.items} test items", f"preset {arena.preset}"]
    words += [f"data {known.data} {known.fingerprint[:10]}", *([f"measured by {known.measures}"] if known.measures else [])]
    budget = f"budget {known.budget}" if known.budget else "no common budget: each row at its preset's size"
    return ", ".join([*words, budget])


# ---- Markdown ------------------------------------------------------------------------------------------------------------
def markdown(result: Result) -> str:
    """The overview (the talk's words and how each compares, task by task), then one table of measurements per task."""
    talk, tasks = result.talk, [arena.task for arena in result.arenas]
    lines = [
        "# The talk's table, measured", "",
        f"Made by `{result.command.replace('`', chr(39))}` from the runs' records; no number is typed in. The words are the",
        "talk's; behind them one mark per task, in this order: " + ", ".join(map(escape, tasks)) + ".",
        f"{MARKS[AGREE]} agree, {MARKS[DISAGREE]} disagree, {MARKS[NOT]} not comparable (no grade, not measured, one seed, or not",
        "settled by seeds and items: cells.csv says which). What follows from it: what_the_talk_got_right.md.", "",
        _line(["", *(aspect.title for aspect in talk.aspects.values())]),
        "|---" * (len(talk.aspects) + 1) + "|",
    ]  # fmt: skip
    for row, name in talk.rows.items():
        cells = [f"{escape(talk.cells[row, key].text)} {_marks(result, row, key)}" for key in talk.aspects]
        lines.append(f"| {escape(name)} ({row}) | " + " | ".join(cells) + " |")
    lines += ["", "## Rank correlation of talk and measurement", "", *_correlations(result), ""]
    for arena in result.arenas:
        lines += _task(result, arena)
    lines += [f"- {escape(note)}" for note in result.notes]
    return "\n".join(lines).rstrip() + "\n"


def _marks(result: Result, row: str, key: str) -> str:
    return " ".join(MARKS[result.cell(arena.task, row, key).verdict] for arena in result.arenas)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def _correlations(result: Result) -> list[str]:
    """A table: column, mean over tasks, what chance gives, then each task."""
    tasks = [arena.task for arena in result.arenas]
    lines = [_line(["column", "mean over tasks", "chance stays below", *tasks]), "|---" * (len(tasks) + 3) + "|"]
    for key, found in result.verdicts.overall.items():
        chance = number(found.chance) if found.chance is not None else "–"
        each = [correlation(result.verdicts.by_task[task, key]) for task in tasks]
        lines.append(_line([result.talk.aspects[key].title, correlation(found), chance, *each]))
    return lines


def _task(result: Result, arena: Arena) -> list[str]:
    talk = result.talk
    lines = [f"## {escape(arena.task)}", "", f"{escape(about(arena))}.", ""]
    lines += [_line(["row", "seeds", *(aspect.title for aspect in talk.aspects.values())]), "|---" * (len(talk.aspects) + 2) + "|"]
    for row in (row for row in talk.rows if row in arena.rows):
        judged = [result.cell(arena.task, row, key) for key in talk.aspects]
        lines.append(_line([row, str(arena.rows[row].seeds), *(f"{shown(each)} {MARKS[each.verdict]}" for each in judged)]))
    lines.append("")
    lines += [f"- {escape(row)}: {escape(reason)}" for row, reason in arena.missing.items()]
    lines += [f"- {escape(note)}" for note in arena.notes]
    return [*lines, ""]


# ---- CSV and JSON ----------------------------------------------------------------------------------------------------------
def wide_csv(result: Result) -> str:
    """Ten rows; per column what was measured, task by task, the talk's words, and how often they agree."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = list(result.talk.aspects)
    writer.writerow(["row", "architecture", *keys, *(f"{key}_talk" for key in keys), *(f"{key}_verdict" for key in keys)])
    for row, name in result.talk.rows.items():
        said = [result.talk.cells[row, key].text for key in keys]
        verdicts = [_tally(result, row, key) for key in keys]
        writer.writerow([row, name, *(_over_tasks(result, row, key) for key in keys), *said, *verdicts])
    return out.getvalue()


def _over_tasks(result: Result, row: str, key: str) -> str:
    judged = [result.cell(arena.task, row, key) for arena in result.arenas]
    if not any(each.cell.text for each in judged) and len({shown(each) for each in judged}) == 1:
        return shown(judged[0])
    return " · ".join(f"{each.task}: {shown(each)}" for each in judged)


def _tally(result: Result, row: str, key: str) -> str:
    counts = result.verdicts.counts(row=row, column=key)
    return ", ".join(f"{verdict} {counts[verdict]}" for verdict in (AGREE, DISAGREE, NOT) if counts[verdict])


LONG = (
    "task", "row", "column", "talk", "talk_grade", "talk_place", "place", "place_low", "place_high", "verdict", "reason", "seeds",
    "measured", "measure", "value", "low", "high", "unit",
)  # fmt: skip


def long_csv(result: Result) -> str:
    """One line per task, row, column and measured value; one line with the reason where nothing was measured."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(LONG)
    for judged in result.verdicts.cells.values():
        low, high = judged.place_ci or (None, None)
        head = [judged.task, judged.row, judged.column, judged.said, judged.grade, judged.talk_place, judged.place, low, high]
        head += [judged.verdict, judged.reason, judged.seeds, shown(judged)]
        for one in judged.cell.numbers or [None]:
            tail = [one.name, _finite(one.value), *(map(_finite, one.ci or (None, None))), one.unit] if one else [None] * 5
            writer.writerow(head + tail)
    return out.getvalue()


def _finite(value: Any) -> Any:
    return "inf" if isinstance(value, float) and math.isinf(value) else value


def json_text(result: Result) -> str:
    """Everything: conditions, cells with numbers, verdicts, correlations, pairs of rows after Holm."""
    talk = result.talk
    arenas = [_json_arena(result, arena) for arena in result.arenas]
    columns = [{"key": a.key, "title": a.title, "ranked_by": a.means} for a in talk.aspects.values()]
    overall = {key: _json_correlation(found) for key, found in result.verdicts.overall.items()}
    whole = {"schema": 1, "command": result.command, "rows": talk.rows, "columns": columns, "rule": vars(talk.rule),
             "correlations": overall, "tasks": arenas, "notes": result.notes}  # fmt: skip
    return json.dumps(plain(whole), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_correlation(found: Correlation) -> dict[str, Any]:
    return {name: value for name, value in vars(found).items() if name != "column"}


def _json_arena(result: Result, arena: Arena) -> dict[str, Any]:
    pairs = [{"a": a, "b": b, **vars(found)} for (a, b), found in arena.pairs.items()]
    runs = {name: [run.record.signature for run in row.entry.runs] for name, row in arena.rows.items()}
    cells = [_json_cell(judged) for (task, _, _), judged in result.verdicts.cells.items() if task == arena.task]
    correlations = {key: _json_correlation(f) for (task, key), f in result.verdicts.by_task.items() if task == arena.task}
    return {
        "task": arena.task, "about": about(arena), "conditions": arena.conditions._asdict(), "preset": arena.preset,
        "primary": arena.primary, "unit": arena.unit, "better": arena.better, "signatures": runs,
        "standings": {name: row.standing for name, row in arena.rows.items()}, "missing": arena.missing, "notes": arena.notes,
        "pairs": pairs, "correlations": correlations, "cells": cells,
    }  # fmt: skip


def _json_cell(judged: Judged) -> dict[str, Any]:
    ends = {one.name: one.ci and [_finite(end) for end in one.ci] for one in judged.cell.numbers}
    numbers = [{**vars(one), "value": _finite(one.value), "ci": ends[one.name]} for one in judged.cell.numbers]
    return {
        "row": judged.row, "column": judged.column, "measured": shown(judged), "numbers": numbers,
        "ranked": _finite(judged.cell.best), "talk": judged.said, "talk_grade": judged.grade,
        "talk_place": judged.talk_place, "place": judged.place,
        "place_ci": judged.place_ci, "verdict": judged.verdict, "reason": judged.reason, "seeds": judged.seeds,
    }  # fmt: skip


def brief(result: Result) -> str:
    """A few lines for the terminal: per column the correlation and the counts."""
    lines = []
    for key, aspect in result.talk.aspects.items():
        counts = result.verdicts.counts(column=key)
        found = result.verdicts.overall.get(key)
        rho = f", rank correlation {correlation(found)}" if found and found.rho is not None else ""
        lines.append(f"{aspect.title}: {', '.join(f'{counts[v]} {v}' for v in (AGREE, DISAGREE, NOT))}{rho}")
    return "\n".join(lines)
