"""``scripts/gallery.py``: the talk's timeline with what our recipes reached, as a folder that opens from disk."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

FOLDERS, OUT = (Path("outputs/runs"), Path("docs/results/records")), Path("outputs/gallery")


def main(argv: Sequence[str]) -> None:
    """RequestError for a missing folder, RunError when the page cannot be written."""
    asked = _parser().parse_args(argv)
    from audioml.gallery.page import write_gallery

    folders = asked.folders or [folder for folder in FOLDERS if folder.is_dir()]
    made = write_gallery(folders, asked.out, command=shlex.join(["python", "scripts/gallery.py", *argv]))
    shown = f"{made.entries} result(s) in {made.stages} of {made.of} stages of recipes, {made.players} sound(s)"
    print(f"{made.index} (open it in a browser): {shown}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gallery.py", description="The talk's systems: our recipes, their numbers and samples.")
    holds = f"folders that hold runs or published records, at any depth (default {' and '.join(map(str, FOLDERS))})"
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help=holds)
    place = f"where the page goes (default {OUT}); it holds sounds of the runs' data: mind their licences"
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=place)
    return parser
