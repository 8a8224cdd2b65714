"""docs/grid.md: every task with every row of the talk, from records; what does not fit or did not learn says why."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from audioml.build import Request
from audioml.errors import Misfit
from audioml.records import Record, write_text
from audioml.runfolder import run_signature
from audioml.sweep import compose, define, done
from audioml.table.paired import BEATS, EVEN, UNTESTED, WORSE, Delta, paired_delta

MARKS = {BEATS: "✓", EVEN: "≈", WORSE: "✗", UNTESTED: "?"}
NOTES = Path("docs/grid_notes.yaml")


@dataclass(frozen=True)
class Cell:
    """A task with a row: its record and how it compares with the trivial baseline, or why there is none."""

    task: str
    row: str
    record: Record | None = None
    delta: Delta = field(default_factory=Delta)
    why: str = ""
    legal: bool = True

    @property
    def text(self) -> str:
        """One cell of the table."""
        if not self.legal:
            return "–"
        if self.record is None:
            return "not run"
        if self.record.status != "done":
            return self.record.status
        value, floor = (number(v.get(self.record.primary)) for v in (self.record.values, self.record.baselines))
        return f"{MARKS[self.delta.verdict]} {value} ({floor})"


def number(value: Any) -> str:
    """Three digits, or a dash."""
    return "–" if value is None or value.value is None else f"{value.value:.3g}"


def main(arguments: Sequence[str]) -> None:
    """``[--outputs DIR] [OVERRIDE …]``: write docs/grid.md."""
    parser = argparse.ArgumentParser(prog="grid.py", description="The table of every task with every row, from records.")
    parser.add_argument("overrides", nargs="*", help="as given to scripts/sweep.py sweep=grid")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where the runs are (outputs)")
    parser.add_argument("--out", type=Path, default=Path("docs/grid.md"))
    asked = parser.parse_args(arguments)
    definition = define("grid")
    axes, published = definition.axes, definition.published
    assert published is not None
    fixed = [f"preset={axes['preset'][0]}", f"seed={axes['seed'][0]}", *asked.overrides]
    cells = [cell(task, row, fixed, asked.outputs, published) for task in axes["task"] for row in axes["model"]]
    notes = yaml.safe_load(NOTES.read_text("utf-8")) if NOTES.is_file() else {}
    write_text(asked.out, page(cells, notes, shlex.join(["python", "scripts/grid.py", *arguments])))
    print(summary(cells))


def cell(task: str, row: str, fixed: Sequence[str], outputs: Path, published: Path) -> Cell:
    """The record of one cell, if there is one."""
    request, reason = fits(task, row, fixed)
    if request is None:
        return Cell(task, row, legal=False, why=reason)
    record = done(run_signature(request), outputs, published)
    if record is None:
        return Cell(task, row)
    primary = record.values.get(record.primary)
    items, floor = (i.get(record.primary, []) for i in (record.items, record.baseline_items))
    better = primary.better if primary else ""
    return Cell(task, row, record, paired_delta(items, floor, better) if items and floor else by_interval(record, better))


def fits(task: str, row: str, fixed: Sequence[str] = ()) -> tuple[Request | None, str]:
    """The request of a cell, or None and the reason why there is none."""
    try:
        return compose([f"task={task}", f"model={row}", *fixed]), ""
    except Misfit as misfit:
        return None, str(misfit).splitlines()[0].partition("do not fit: ")[2]


def by_interval(record: Record, better: str) -> Delta:
    """Where there are no paired numbers: the run's own interval against the baseline's value."""
    value, floor = record.values.get(record.primary), record.baselines.get(record.primary)
    if value is None or floor is None or value.ci is None or floor.value is None or better not in ("high", "low"):
        return Delta(reason="no interval")
    low, high = value.ci
    above, below = low > floor.value, high < floor.value
    wins, loses = (above, below) if better == "high" else (below, above)
    return Delta(float(value.value) - float(floor.value), n=value.n or 0, verdict=BEATS if wins else WORSE if loses else EVEN)


def page(cells: Sequence[Cell], notes: Mapping[str, Any], command: str) -> str:
    """Markdown: the table, the counts, and a sentence for every cell that does not beat its baseline."""
    tasks, rows = (list(dict.fromkeys(getattr(c, axis) for c in cells)) for axis in ("task", "row"))
    table = {(c.task, c.row): c for c in cells}
    lines = [
        "# The grid: every task with every row",
        "",
        "Each cell is one run at the quick preset (200 steps) on the embedded data, with the task's and the row's default",
        "representation and method: its primary metric (the trivial baseline's). ✓ better than the baseline, paired over test",
        "items, the 95 % interval excludes zero; ≈ not distinguishable; ✗ worse; – does not fit. One seed. Generated by",
        "```",
        "python scripts/sweep.py sweep=grid publish=true   # resumable, any number of processes side by side",
        command,
        "```",
        provenance(cells),
        "",
        "| task (primary) | " + " | ".join(rows) + " |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for task in tasks:
        primary = next((c.record.primary for c in cells if c.task == task and c.record), "")
        direction = next((arrow(c.record) for c in cells if c.task == task and c.record), "")
        lines.append(
            f"| {task} ({primary.rpartition('/')[2]} {direction}) | " + " | ".join(table[task, r].text for r in rows) + " |"
        )
    lines += ["", summary(cells), ""]
    lines += counts("task", tasks, cells) + counts("row", rows, cells)
    lines += ["", "## What does not beat its baseline, and why", ""]
    for each in cells:
        if each.record is not None and each.delta.verdict != BEATS:
            said = (
                (notes.get(each.task) or {}).get(each.row)
                or (notes.get("rows") or {}).get(each.row)
                or each.delta.reason
                or "not yet explained"
            )
            lines.append(f"- {each.task} · {each.row}: {each.text}. {said}")
    lines += ["", "## What does not fit", ""]
    reasons: dict[str, list[str]] = {}
    for each in cells:
        if not each.legal:
            reasons.setdefault(each.why, []).append(f"{each.task} · {each.row}")
    lines += [f"- {', '.join(where)}: {why}" for why, where in reasons.items()]
    return "\n".join(lines) + "\n"


def arrow(record: Record) -> str:
    """Which direction is better."""
    value = record.values.get(record.primary)
    return {"high": "↑", "low": "↓"}.get(value.better if value else "", "")


def counts(axis: str, names: Sequence[str], cells: Sequence[Cell]) -> list[str]:
    """How many cells of each task, or row, beat their baseline."""
    parts = []
    for name in names:
        mine = [c for c in cells if getattr(c, axis) == name and c.record is not None]
        parts.append(f"{name} {sum(c.delta.verdict == BEATS for c in mine)}/{len(mine)}")
    return [f"Beat the baseline, by {axis}: {', '.join(parts)}.", ""]


def summary(cells: Sequence[Cell]) -> str:
    """The totals in one sentence."""
    legal = [c for c in cells if c.legal]
    ran = [c for c in legal if c.record is not None]
    beat = sum(c.delta.verdict == BEATS for c in ran)
    return f"{len(cells)} cells, {len(legal)} fit, {len(ran)} were trained, {beat} beat their baseline."


def provenance(cells: Sequence[Cell]) -> str:
    """Machine, dates and total time of the records."""
    seen = [c.record.provenance for c in cells if c.record is not None]
    if not seen:
        return "No record yet."
    days = sorted({str(p.get("created", ""))[:10] for p in seen})
    hosts = sorted(
        {str((p.get("host") or {}).get("cpu", "?")) if isinstance(p.get("host"), dict) else str(p.get("host", "?")) for p in seen}
    )
    hours = sum(float(p.get("wall_s") or 0) for p in seen) / 3600
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Machine: {', '.join(hosts)}; {when}; one thread per process; {hours:.1f} h of processes in all."
