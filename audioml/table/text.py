"""The table as Markdown, CSV, JSON and terminal output."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from audioml.records import SCHEMA, plain
from audioml.table.build import Section, Table
from audioml.table.columns import COLUMNS
from audioml.table.rows import Row
from audioml.table.seeds import seed_of

NARROWEST = 280  # columns of text when nobody looks at a terminal: a wrapped table in a log is unreadable


def markdown(table: Table, command: str) -> str:
    """GitHub Markdown: a heading, a table and footnotes per section."""
    lines = ["# Comparison", "", f"Made by `{_code(command)}` from the runs' records; no number is typed in.", ""]
    for section in table.sections:
        lines += [f"## {escape(section.title)}", "", f"{escape(section.about)}. {escape(section.summary)}", ""]
        lines.append("| " + " | ".join(escape(column.title) for column in section.columns) + " |")
        lines.append("|" + "---|" * len(section.columns))
        lines += ["| " + " | ".join(escape(row.cells[c.key].text) for c in section.columns) + " |" for row in section.rows]
        lines.append("")
        lines += [f"- {escape(note)}" for note in section.notes]
        if section.absent:
            lines.append(f"- In no run: {escape(', '.join(column.title for column in section.absent))}.")
        lines.append("")
    lines += [f"- {escape(note)}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def csv_text(table: Table) -> str:
    """One line per run, all tasks together: numbers unrounded, in the columns' units; empty where not measured."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    facts = ["task", "data", "data_fingerprint", "measures", "budget", "share", "test_items", "primary_metric", "primary_unit"]
    judged = ["primary_low", "primary_high", "delta_low", "delta_high", "delta_items", "verdict", "role", "error", "run"]
    writer.writerow(facts + [column.key for column in COLUMNS] + judged)
    for section in table.sections:
        about = [section.task, section.data, section.fingerprint, section.measures, section.budget, section.share]
        about += [section.items, section.primary, section.unit]
        for row in section.rows:
            low, high = row.cells["primary"].ci or (None, None)
            below, above = row.delta.ci or (None, None)
            ends = [low, high, below, above, row.delta.n or None, row.delta.verdict, row.role]
            cells = [row.cells[column.key].value for column in COLUMNS]
            writer.writerow(about + cells + ends + [row.record.error, row.run.name])
    return out.getvalue()


def json_text(table: Table, command: str) -> str:
    """Everything the table knows: cells with text, value, interval and reason, and each record's values whole."""
    sections = [_json_section(section) for section in table.sections]
    whole = {"schema": SCHEMA, "command": command, "sections": sections, "notes": table.notes}
    return json.dumps(plain(whole), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_section(section: Section) -> dict[str, Any]:
    facts = ("task", "data", "fingerprint", "measures", "budget", "share", "items", "primary", "unit", "better", "summary", "notes")
    columns = [{"key": c.key, "title": c.title, "unit": c.unit, "better": c.better, "help": c.help} for c in COLUMNS]
    rows = [_json_row(row) for row in section.rows]
    return {name: getattr(section, name) for name in facts} | {"columns": columns, "rows": rows}


def _json_row(row: Row) -> dict[str, Any]:
    record, delta = row.record, row.delta
    seeds = {seed_of(run.record): {"run": run.name, "signature": run.record.signature} for run in row.runs}
    cells = {
        key: {"text": cell.text, "value": cell.value, "ci": cell.ci} | ({"reason": cell.reason} if cell.reason else {})
        for key, cell in row.cells.items()
    }
    return {
        "run": row.run.name,
        "signature": record.signature,
        "seeds": seeds,
        "standing": row.standing,
        "role": row.role,
        "status": record.status,
        "error": record.error or None,
        "axes": record.axes,
        "delta": {"mean": delta.mean, "ci": delta.ci, "n": delta.n, "verdict": delta.verdict, "reason": delta.reason},
        "cells": cells,
        "values": {name: value.as_dict() for name, value in record.values.items()},
    }


def print_table(table: Table, console: Any = None) -> None:
    """The brief columns in the terminal; the floor and the ceiling dim, failures red."""
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, NARROWEST)
    styles = {"floor": "dim", "ceiling": "dim italic"}
    for section in table.sections:
        columns = [column for column in section.columns if column.brief]
        whole = not console.is_terminal  # a log may be as wide as it likes
        grid = Grid(title=Text(f"{section.title} · {section.about}"), title_justify="left", header_style="bold")
        for column in columns:
            side = "left" if column.form == "text" else "right"
            grid.add_column(Text(column.title), justify=side, overflow="fold", no_wrap=whole and column.key != "status")
        for row in section.rows:
            cells = [row.cells[column.key] for column in columns]
            words = [Text(cell.text, style={"good": "green", "bad": "red"}.get(cell.mark, "")) for cell in cells]
            grid.add_row(*words, style=styles.get(row.role, ""))
        console.print(grid)
        console.print(Text(section.summary))
        for note in section.notes:
            console.print(Text(f"  – {note}", style="dim"))
        console.print()
    for note in table.notes:
        console.print(Text(note, style="yellow"))


def escape(text: str) -> str:
    """Text as Markdown shows it, whatever it holds: no tags, no links, no broken cells."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
