"""``scripts/table.py --talk``: records in; table.csv, cells.csv, table.md, table.json and what_the_talk_got_right.md out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from audioml.errors import AudiomlError, RequestError
from audioml.records import Record, write_text
from audioml.table.cells import clean
from audioml.table.collect import RECORD, Run, find_runs
from audioml.talk.evidence import Planner

RUNS, PUBLISHED, OUT = Path("outputs/runs"), Path("docs/results/records/talk"), Path("outputs/talk")
FILES = ("table.md", "table.csv", "cells.csv", "table.json", "what_the_talk_got_right.md")


def main(argv: Sequence[str]) -> None:
    """RequestError for a missing or empty folder, RunError when the files cannot be written."""
    asked = _parser().parse_args(argv)
    folders = asked.folders or [folder for folder in (RUNS, PUBLISHED) if folder.is_dir()]
    if not folders:
        raise RequestError(f"there is neither {RUNS} nor {PUBLISHED}; name a folder of runs or of published records")
    write_talk(folders, asked.out, command=shlex.join(["python", "scripts/table.py", *argv]), show=not asked.quiet,
               budget=asked.budget)  # fmt: skip


def write_talk(
    folders: Sequence[Path],
    out: Path = OUT,
    command: str = "python scripts/table.py --talk",
    show: bool = True,
    budget: str = "",
    planner: Planner | None = None,
) -> None:
    """Make the talk's table of all records in `folders` (run folders below them, or *.json in them) and write it to `out`.

    `budget`: which records are compared, "" for those at their preset's size.  `planner`: asked for misfits and usual settings.
    """
    from audioml.talk import agree, evidence, pages, story
    from audioml.talk.opinion import opinion

    published = [folder for folder in folders if next(folder.glob("*.json"), None) and not (folder / RECORD).is_file()]
    found, talk = find_runs(folders, published), opinion()
    arenas = evidence.arenas(found.runs, list(talk.rows), planner or Asking(), budget)
    if not arenas:
        raise RequestError(_nothing(found.runs, folders, list(talk.rows), budget))
    result = pages.Result(talk, arenas, agree.judge(arenas, talk), found.notes, command)
    made = (pages.markdown(result), pages.wide_csv(result), pages.long_csv(result), pages.json_text(result), story.story(result))
    for name, text in zip(FILES, made, strict=True):
        write_text(out / name, text)
    if show:
        print(pages.brief(result))
        print(f"{out}/: {', '.join(FILES)}")


class Asking(Planner):
    """Asks the planner; what it cannot compose (a task of another project) fits, and has no usual settings."""

    def misfit(self, task: str, row: str) -> str:
        """Why the two do not fit, as the planner says it."""
        return _asked(task, row, ())[1]

    def usual(self, record: Record) -> bool | None:
        """Whether a composed request of the same names and seed has the record's signature."""
        axes = record.axes
        chosen = {key: axes.get(key) for key in ("data", "preset", "seed", "share", "budget")}
        fixed = tuple(f"{key}={value}" for key, value in chosen.items() if value is not None)
        signature = _asked(str(axes.get("task")), str(axes.get("row")), fixed)[0]
        return None if signature is None else signature == record.signature


@lru_cache(maxsize=1024)
def _asked(task: str, row: str, fixed: tuple[str, ...]) -> tuple[str | None, str]:
    """Signature of the request, or None and why the two do not fit."""
    from audioml.grid import fits
    from audioml.runfolder import run_signature

    try:
        request, why = fits(task, row, fixed)
    except AudiomlError:
        return None, ""
    return (run_signature(request) if request else None), why


def _nothing(runs: Sequence[Run], folders: Sequence[Path], rows: Sequence[str], budget: str) -> str:
    where = ", ".join(str(folder) for folder in folders)
    mine = [run.record.axes for run in runs if run.record.axes.get("row") in rows]
    if not mine:
        return f"no record in {where} is of one of the talk's rows: {', '.join(rows)}"
    known = sorted({clean(axes.get("budget") or "none (leave --budget away)", 60) for axes in mine})
    asked = clean(budget, 60) or "none"
    return f"no record in {where} was made on all the data with budget '{asked}'; there are: {', '.join(known)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="table.py --talk", description="The talk's table, measured, and where both agree.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER",
                        help=f"folders of runs or of published records (default {RUNS} and {PUBLISHED})")  # fmt: skip
    parser.add_argument("--talk", action="store_true", help="this table")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where the files go (default {OUT})")
    parser.add_argument("--budget", default="", help="compare the rows of this budget, as their records name it")
    parser.add_argument("--quiet", action="store_true", help="write the files, print nothing")
    return parser
