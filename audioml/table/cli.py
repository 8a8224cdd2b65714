"""``scripts/table.py``: records in, ``outputs/table/{table.md,table.csv,table.json,index.html}`` and the terminal out.

The page is audioml/dashboard's, as a folder: index.html with assets/, data/ and media/ beside it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from audioml.records import write_text
from audioml.table.build import Table, build_table
from audioml.table.collect import find_runs

RUNS, OUT = Path("outputs/runs"), Path("outputs/table")


def main(argv: Sequence[str]) -> None:
    """RequestError for a missing or empty folder or an unknown task, RunError when the table cannot be written."""
    asked = _parser().parse_args(argv)
    write_table(
        asked.runs or ([] if asked.records else [RUNS]), asked.out, asked.task, asked.records or [],
        command=shlex.join(["python", "scripts/table.py", *argv]), show=not asked.quiet,
    )  # fmt: skip


def write_table(
    runs: Sequence[Path],
    out: Path = OUT,
    task: str | None = None,
    records: Sequence[Path] = (),
    command: str = "python scripts/table.py",
    show: bool = True,
) -> Table:
    """Build the table of all runs below `runs` (and published `records`), write the three files and the page, print it when `show`.

    Raises RequestError (nothing there, unknown task) or RunError (cannot write).
    """
    from audioml.dashboard.static import write_static
    from audioml.dashboard.votes import FILE
    from audioml.table.text import csv_text, json_text, markdown, print_table

    found = find_runs(runs, records)
    table = build_table(found, task)
    write_text(out / "table.md", markdown(table, command))
    write_text(out / "table.csv", csv_text(table))
    write_text(out / "table.json", json_text(table, command))
    votes = [*runs, *records][0].resolve().parent / FILE
    write_static(table, out, unfinished=found.unfinished, votes=votes, command=command)
    if show:
        print_table(table)
        print(f"{out}/: table.md, table.csv, table.json, index.html (open it in a browser to compare and listen)")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="table.py", description="Compare runs: Markdown, CSV, JSON and a web page.")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUNS_DIR", help=f"folders of runs (default {RUNS})")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where the table goes (default {OUT})")
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--records", type=Path, action="append", metavar="DIR", help="also published records, DIR/*.json")
    parser.add_argument("--talk", action="store_true", help="the talk's table from measurements instead (--talk --help says more)")
    parser.add_argument("--quiet", action="store_true", help="write the files, print nothing")
    return parser
