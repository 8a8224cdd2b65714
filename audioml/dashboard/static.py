"""The page as a folder: index.html and beside it assets/, data/ and media/.  Opens from disk."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from audioml.dashboard.site import Site
from audioml.records import cannot_write
from audioml.table.build import Table

OURS = re.compile(r"(run|curves|clips)-[0-9a-z]+\.js|[0-9a-f]{20}\.js")


def write_static(
    table: Table, out: Path, *, unfinished: list[Path], votes: Path, command: str
) -> Path:
    """Write every file of the page below `out` and return its index.html.  Sounds that are there already are kept.

    What an earlier page left in data/ and media/ is removed.  Raises RunError when it cannot be written.
    """
    made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    site = Site(table, unfinished, votes, command=command, made=made)
    names = list(site.names())
    for name in names:
        if name.startswith("media/") and (out / name).is_file():
            continue  # named after the sound file's place, size and time
        put(out / name, site.file(name) or b"")
    _tidy(out, {*names})
    return out / "index.html"


def put(path: Path, data: bytes) -> None:
    """Unlike a record, a page can be made again: hundreds of files are not worth waiting for the disk after each."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None


def _tidy(out: Path, wanted: set[str]) -> None:
    try:
        for folder in ("data", "media"):
            for path in (out / folder).glob("*.js"):
                if OURS.fullmatch(path.name) and f"{folder}/{path.name}" not in wanted:
                    path.unlink()
    except OSError as error:
        raise cannot_write(out, error) from None
