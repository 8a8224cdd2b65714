"""The recordings of one source of a mixture: which belong to which split, and which must not meet.  Metadata only."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from audioml.data.splits import by_column, carve, group_column, split_at, split_level
from audioml.data.table import EXTENSIONS, SUFFIX, audio_files
from audioml.errors import RequestError

_LEVELS = 2  # folders above a source in which a metadata.csv is looked for


@dataclass(frozen=True)
class Pool:
    """Files of one folder (relative to `root`), with a split and a group (speaker, song …) each.

    `note` says how the splits were made, `unlisted` counts files that the metadata beside them does not name.
    """

    name: str
    root: Path
    files: tuple[str, ...]
    stated: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    groups: tuple[str, ...]
    note: str
    unlisted: int

    def without(self, bad: set[int]) -> Pool:
        """The same files, dealt again as if those at `bad` were not there (their split is None).

        Only what was carved is carved again: what the data itself calls valid or test is never replaced.
        """
        keep = [i for i in range(len(self.files)) if i not in bad]
        stated = [self.stated[i] for i in keep]
        where = f"data.sources.{self.name}={self.root}"
        dealt, carved = carve(stated, [self.groups[i] for i in keep], [self.files[i] for i in keep], where)
        if not carved or not self.note.endswith(carved):
            return self
        splits: list[str | None] = [None] * len(self.files)
        for i, split in zip(keep, dealt, strict=True):
            splits[i] = split
        return replace(self, splits=tuple(splits))

    def of(self, split: str) -> list[int]:
        """Places of the files of `split`."""
        return [i for i, own in enumerate(self.splits) if own == split]


def read_pool(name: str, path: str | os.PathLike[str], pattern: str | None) -> Pool:
    """The pool of a folder.

    A metadata.csv (or another csv with ``file_name``) in the folder or up to two above it, whichever column points into
    the folder, says split and group, and files it does not name are left out.  Otherwise folder names say the split, or
    it is carved by `pattern`'s first group in the file name, or by the file.  RequestError for a missing or empty folder.
    """
    root, where = Path(path).expanduser(), f"data.sources.{name}={path}"
    if not root.is_dir():
        raise RequestError(f"{where} is not a folder; give one with audio files")
    files = audio_files(root)
    if not files:
        raise RequestError(f"{where} holds no audio: no file of {', '.join(EXTENSIONS)}")
    listed = next((found for base in (root, *list(root.resolve().parents)[:_LEVELS]) if (found := _listed(root, base))), {})
    known = [file for file in files if file in listed] if listed else files
    groups = [listed[f][1] if listed else f for f in known]
    if pattern:
        groups = _groups(known, pattern, name)
    level = split_level(known)
    stated: list[str | None] = [listed[f][0] if listed else split_at(f, level) for f in known]
    note = "splits by metadata" if listed else "splits by folder name"
    if not any(stated):
        stated, note = ["train"] * len(known), "no split stated"
    splits, carved = carve(list(stated), groups, known, where)
    if "train" not in splits:
        raise RequestError(f"{where} has no file to train on")
    note = f"{note}; {carved}" if carved else note
    return Pool(name, root, tuple(known), tuple(stated), tuple(splits), tuple(groups), note, len(files) - len(known))


def _listed(root: Path, base: Path) -> dict[str, tuple[str | None, str]]:
    """File (relative to root) -> (split, group), from every csv in `base` that names files below `root`."""
    found: dict[str, tuple[str | None, str]] = {}
    for file in sorted(base.glob("*.csv"), key=lambda p: (p.name != "metadata.csv", p.name)):
        rows = _rows(file)
        if not rows:
            continue
        columns = list(rows[0])
        audio = [c for c in columns if c == "file_name" or (c.endswith(SUFFIX) and base != root)]
        group = group_column(columns)
        splits = by_column([row.get("split") or "" for row in rows]) if "split" in columns else [None] * len(rows)
        below = os.path.relpath(root.resolve(), base.resolve())
        for row, split in zip(rows, splits, strict=True):
            for cell in (row.get(c) for c in audio):
                place = PurePosixPath(os.path.relpath(cell, below)) if cell else PurePosixPath("..")
                if ".." in place.parts or place.is_absolute():
                    continue
                own = (split, (row.get(group) if group else None) or str(place))
                found[str(place)] = _stricter(found.get(str(place)), own)
    return found


def _stricter(before: tuple[str | None, str] | None, now: tuple[str | None, str]) -> tuple[str | None, str]:
    """Named for two splits, a file goes to the one that is judged by: it must not be trained on."""
    order = (None, "train", "valid", "test")
    return now if before is None or order.index(now[0]) > order.index(before[0]) else before


def _rows(file: Path) -> list[dict[str, str]]:
    """Rows of a csv that has a column file_name, else none: other tables may lie beside the audio."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            return list(reader) if "file_name" in (reader.fieldnames or ()) else []
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _groups(files: list[str], pattern: str, name: str) -> list[str]:
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise RequestError(f"data.groups.{name}={pattern} is not a regular expression: {error}") from error
    found = [regex.search(PurePosixPath(file).name) for file in files]
    if not regex.groups or not any(found):
        raise RequestError(
            f"data.groups.{name}={pattern} should have one (group) and match file names such as '{PurePosixPath(files[0]).name}'"
        )
    return [match.group(1) if match else file for match, file in zip(found, files, strict=True)]
