"""``scripts/table.py --talk``: records in; table.csv, cells.csv, table.md, table.json and what_the_talk_got_right.md out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from audioml.errors import AudiomlError, RequestError
from audioml.records import write_text
from audioml.table.collect import find_runs

RUNS, PUBLISHED, OUT = Path("outputs/runs"), Path("docs/results/records/talk"), Path("outputs/talk")
FILES = ("table.md", "table.csv", "cells.csv", "table.json", "what_the_talk_got_right.md")


def main(argv: Sequence[str]) -> None:
    """RequestError for a missing or empty folder, RunError when the files cannot be written."""
    asked = _parser().parse_args(argv)
    folders = asked.folders or [folder for folder in (RUNS, PUBLISHED) if folder.is_dir()]
    if not folders:
        raise RequestError(f"there is neither {RUNS} nor {PUBLISHED}; name a folder of runs or of published records")
    write_talk(folders, asked.out, command=shlex.join(["python", "scripts/table.py", *argv]), show=not asked.quiet)


def write_talk(
    folders: Sequence[Path], out: Path = OUT, command: str = "python scripts/table.py --talk", show: bool = True, why=None
) -> None:
    """Make the talk's table of all records in `folders` (run folders below them, or *.json in them) and write it to `out`.

    `why`: (task, row) -> why the two do not fit, "" where they do; by default the planner is asked.
    """
    from audioml.talk import agree, evidence, pages, story
    from audioml.talk.opinion import opinion

    published = [folder for folder in folders if folder.is_dir() and next(folder.glob("*.json"), None)]
    found = find_runs([folder for folder in folders if folder not in published], published)
    inside = find_runs(published).runs if any(_has_runs(folder) for folder in published) else []
    talk = opinion()
    arenas = evidence.arenas([*found.runs, *inside], list(talk.rows), why or misfit)
    if not arenas:
        where = ", ".join(str(folder) for folder in folders)
        raise RequestError(f"no record in {where} is of one of the talk's rows: {', '.join(talk.rows)}")
    result = pages.Result(talk, arenas, agree.judge(arenas, talk), found.notes, command)
    made = (pages.markdown(result), pages.wide_csv(result), pages.long_csv(result), pages.json_text(result), story.story(result))
    for name, text in zip(FILES, made, strict=True):
        write_text(out / name, text)
    if show:
        print(pages.brief(result))
        print(f"{out}/: {', '.join(FILES)}")


@lru_cache(maxsize=1024)
def misfit(task: str, row: str) -> str:
    """Why a task and a row do not fit, as the planner says it; "" where they do, or where the task is not of this project."""
    from audioml.grid import fits

    try:
        return fits(task, row)[1]
    except AudiomlError:
        return ""


def _has_runs(folder: Path) -> bool:
    return next(folder.glob("*/record.json"), None) is not None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="table.py --talk", description="The talk's table, measured, and where both agree.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER",
                        help=f"folders of runs or of published records (default {RUNS} and {PUBLISHED})")  # fmt: skip
    parser.add_argument("--talk", action="store_true", help="this table")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where the files go (default {OUT})")
    parser.add_argument("--quiet", action="store_true", help="write the files, print nothing")
    return parser
