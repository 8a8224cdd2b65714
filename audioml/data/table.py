"""What lies in a folder, as rows of strings: a Hugging Face audiofolder, plain files, or stems in folders.

Light: csv, json and pathlib only.  A file name read from metadata is untrusted and must stay inside its folder.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from audioml.data.splits import split_at, split_level
from audioml.errors import RequestError

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf")
MIXES = ("mix", "mixture")
SUFFIX = "_file_name"
METADATA = ("metadata.csv", "metadata.jsonl")
SIDES = (".csv", ".tsv", ".json", ".mid", ".midi", ".txt", ".lab")  # files that say something about a recording


@dataclass(frozen=True)
class Source:
    """One recording: `name` as reports show it, `stamp` changes when it does, `open` gives a path or its bytes."""

    name: str
    stamp: str
    open: Callable[[], Path | BytesIO]


@dataclass(frozen=True)
class Table:
    """Rows of strings.  ``file_name`` and every ``*_file_name`` are keys of recordings, "" where a row has none."""

    where: str
    rows: tuple[dict[str, str], ...]
    columns: tuple[str, ...]
    root: Path

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """The columns whose cells name files such as notes and beats, or hold JSON; ``file_name`` may be one (scores)."""
        return tuple(column for column in self.columns if is_side(row.get(column, "") for row in self.rows))

    @cached_property
    def audio(self) -> tuple[str, ...]:
        """``file_name``, the columns ``*_file_name`` and others whose cells all name audio files."""
        own = [c for c in self.columns if names_files(c, (row.get(c, "") for row in self.rows))]
        return tuple(c for c in own if c not in self.sides)

    def source(self, key: str) -> Source:
        """The recording a cell names; a missing file is found out when it is read, so that it can be counted."""
        path = self.root / key
        try:
            stat = path.stat()
            stamp = f"{stat.st_size}:{stat.st_mtime_ns}"
        except OSError:
            stamp = "missing"
        return Source(key, stamp, lambda: path)

    def names(self) -> list[str]:
        """Each row's main recording: ``file_name``, else the first recording it has, else its song or place in the table."""
        audio = ["file_name", *audio_columns(self.columns), "song", "name"]
        return [next((row[c] for c in audio if row.get(c)), f"row {i}") for i, row in enumerate(self.rows)]


def is_side(cells: Iterable[str]) -> bool:
    """Whether all cells that hold anything name side files or hold JSON."""
    some = False
    for cell in cells:
        if cell:
            if not (cell.lower().endswith(SIDES) or cell.startswith(("[", "{"))):
                return False
            some = True
    return some


def names_files(column: str, cells: Iterable[str]) -> bool:
    """Whether a column names recordings: by its own name, or since every cell ends as audio files do."""
    if column == "file_name" or column.endswith(SUFFIX):
        return True
    some = [cell for cell in cells if cell]
    return bool(some) and all(cell.lower().endswith(EXTENSIONS) for cell in some)


def audio_columns(columns: Iterable[str]) -> list[str]:
    """The columns ``*_file_name``, in the table's order."""
    return [name for name in columns if name.endswith(SUFFIX)]


def inside(name: str, where: str) -> str:
    """`name` with forward slashes, or RequestError when it is absolute or leaves the folder."""
    posix = PurePosixPath(os.path.normpath(name.replace("\\", "/")))
    if posix.is_absolute() or PureWindowsPath(name).drive or ".." in posix.parts or "\0" in name:
        raise RequestError(f"{where} names the file '{name}', which lies outside its folder; only files inside it are read")
    return str(posix)


def read_table(path: str | os.PathLike[str], *, parallel: bool, mixes: tuple[str, ...] = MIXES) -> Table:
    """The table of a folder.

    With metadata (at the root or in its sub-folders) that is the table.  Without, `parallel` (a task whose output is
    audio) looks for equal names in several folders; else every audio file is a row with its folder's name as `label`.
    Raises RequestError for a missing folder, an empty one, and for files that leave the folder.
    """
    root = Path(path).expanduser()
    if root.is_file() and root.suffix in (".json", ".csv", ".jsonl"):
        rows = _scores(root) if root.suffix == ".json" else read_metadata(root, root.parent)
        if not rows:
            raise RequestError(f"data.path={path} has no rows")
        return Table(str(path), tuple(rows), tuple(dict.fromkeys(name for row in rows for name in row)), root.parent)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise RequestError(f"data.path={path} {what}; give a folder with audio files or with a metadata.csv")
    found = _metadata(root)
    rows = [row for file in found for row in read_metadata(file, root)] if found else _plain(root, parallel, mixes)
    if not rows:
        raise RequestError(f"data.path={path} holds no audio: no metadata.csv and no file of {', '.join(EXTENSIONS)}")
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(str(path), tuple(rows), columns, root)


def _scores(file: Path) -> list[dict[str, str]]:
    """Rows of a file {split: [score, …]}, each score as JSON in the column ``notes`` (the JSB chorales come so)."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RequestError(f"data.path={file} cannot be read as JSON: {error}") from error
    pieces = [(s, i, piece) for s, all_of in found.items() for i, piece in enumerate(all_of)] if _of_scores(found) else []
    if not pieces:
        raise RequestError(f"data.path={file} should hold {{split: [score, …]}}, each score a list of rows of MIDI pitches")
    return [{"name": f"{split}/{i}", "split": split, "notes": json.dumps(piece)} for split, i, piece in pieces]


def _of_scores(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(p, list) and all(isinstance(x, list) for x in p) for p in found.values())


def _metadata(root: Path) -> list[Path]:
    at_root = [root / name for name in METADATA if (root / name).is_file()]
    if at_root:
        return at_root[:1]
    folders = sorted(p for p in root.iterdir() if p.is_dir())
    return [folder / name for folder in folders for name in METADATA if (folder / name).is_file()]


def read_metadata(file: Path, root: Path) -> list[dict[str, str]]:
    """Rows of a metadata.csv or .jsonl; recordings become relative to `root`.  RequestError for unreadable text."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        raw = _jsonl(text) if file.suffix == ".jsonl" else _piped(text) or list(csv.DictReader(text.splitlines(keepends=True)))
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise RequestError(f"{file} cannot be read as {file.suffix[1:]} in UTF-8: {error}") from error
    below = PurePosixPath(file.parent.relative_to(root).as_posix())
    rows = [{str(k): cell_text(v) for k, v in record.items() if k is not None} for record in raw]
    columns = dict.fromkeys(name for row in rows for name in row)
    files = [c for c in columns if names_files(c, (row.get(c, "") for row in rows))]
    sides = [c for c in columns if c not in files and is_side(row.get(c, "") for row in rows)]
    if raw and not files and not sides:
        raise RequestError(f"{file} has no column 'file_name'; its columns are {', '.join(columns)}")
    for row in rows:
        for column in (*files, *sides):
            if row.get(column) and not (column in sides and row[column].startswith(("[", "{"))):
                row[column] = str(below / inside(row[column], str(file)))
    return rows


def _piped(text: str) -> list[dict]:
    """LJSpeech's form, which many voices share: lines of ``ID|text|normalised text``, the recording being wavs/ID.wav."""
    lines = [line.split("|") for line in text.splitlines() if line.strip()]
    if not lines or len(lines[0]) < 2 or "file_name" in lines[0]:
        return []
    return [{"file_name": f"wavs/{cells[0]}.wav", "transcript": cells[-1]} for cells in lines]


def _jsonl(text: str) -> list[dict]:
    records = [json.loads(line) for line in text.splitlines() if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        raise json.JSONDecodeError("each line must be an object", text[:80], 0)
    return records


def cell_text(value: object) -> str:
    """A cell as a string: nothing for None, JSON for lists and mappings."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else value.strip() if isinstance(value, str) else str(value)


def audio_files(root: Path) -> list[str]:
    """Audio files below `root`, sorted, as relative posix paths; folders that begin with '.' or '_' are passed over."""
    return found_files(root, EXTENSIONS)


def found_files(root: Path, endings: tuple[str, ...]) -> list[str]:
    """As `audio_files`, for any endings."""
    found: list[str] = []
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(f for f in folders if f[0] not in "._")
        at = Path(folder).relative_to(root)
        found += [(at / f).as_posix() for f in files if f.lower().endswith(endings) and f[0] != "."]
    return sorted(found)


def _plain(root: Path, parallel: bool, mixes: tuple[str, ...]) -> list[dict[str, str]]:
    files = audio_files(root)
    if not files:  # scores
        midi = found_files(root, (".mid", ".midi"))
        return [{"file_name": file, "song": PurePosixPath(file).parts[0]} for file in midi]
    level = split_level(files)
    if parallel:
        return _parallel(files, level, mixes)
    beside = _beside(found_files(root, SIDES))
    return [beside.get(PurePosixPath(file).stem, {}) | _single(root, file, level) for file in files]


def _beside(sides: list[str]) -> dict[str, dict[str, str]]:
    """Stem -> side files called like a recording, by the folder they are in (annotations/x.csv), else by their form (x.mid)."""
    found: dict[str, dict[str, str]] = {}
    for file in sides:
        path = PurePosixPath(file)
        form = {"mid": "midi"}.get(path.suffix[1:].lower(), path.suffix[1:].lower())
        own = found.setdefault(path.stem, {})
        own[form] = file
        if len(path.parts) > 1:
            own.setdefault(path.parts[0], file)
    return found


def _single(root: Path, file: str, level: int | None) -> dict[str, str]:
    row, folders = {"file_name": file}, PurePosixPath(file).parts[:-1]
    if folders and len(folders) - 1 != level:
        row["label"] = folders[-1]
    text = _transcripts(str((root / file).parent)).get(PurePosixPath(file).stem)
    return row | ({"transcript": text} if text else {})


_seen: dict[str, dict[str, str]] = {}


def _transcripts(folder: str) -> dict[str, str]:
    """LibriSpeech's ``*.trans.txt`` beside the files: lines of ``ID WORDS``."""
    if folder not in _seen:
        lines = [line for file in sorted(Path(folder).glob("*.trans.txt")) for line in file.read_text("utf-8").splitlines()]
        _seen.clear()  # folders come in order: only the last one is asked for again
        _seen[folder] = dict(line.split(" ", 1) for line in lines if " " in line)
    return _seen[folder]


def _parallel(files: list[str], level: int | None, mixes: tuple[str, ...]) -> list[dict[str, str]]:
    """FOLDER/name (one folder per signal) or, where files are called mix, drums …, song/SIGNAL (as MUSDB18 has it)."""
    by_song = any(PurePosixPath(file).stem in mixes for file in files)
    songs: dict[tuple[str, str], dict[str, str]] = {}
    for file in files:
        path = PurePosixPath(file)
        parts = [part for k, part in enumerate(path.parts[:-1]) if k != level]
        signal = path.stem if by_song else parts[0] if parts else ""
        key = "/".join(parts) if by_song else "/".join([*parts[1:], path.stem])
        songs.setdefault((split_at(file, level) or "", key), {})[f"{signal}{SUFFIX}" if signal else "file_name"] = file
    return [{**row, "song": key} for (_, key), row in sorted(songs.items())]


def with_pattern(table: Table, pattern: str | None) -> Table:
    """`table` with the named groups of `pattern`, searched in each row's file name, as further columns.

    ``(?P<speaker>.+)_nohash_`` gives every row a speaker.  Raises RequestError for a pattern that is not one, has no
    named group, or matches no file name.
    """
    if pattern is None:
        return table
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise RequestError(f"data.name_pattern={pattern} is not a regular expression: {error}") from error
    if not regex.groupindex:
        raise RequestError(f"data.name_pattern={pattern} needs named groups such as (?P<speaker>[^_]+)")
    names = [PurePosixPath(name).name for name in table.names()]
    found = [regex.search(name) for name in names]
    if not any(found):
        raise RequestError(f"data.name_pattern={pattern} matches no file name of {table.where}, e.g. '{names[0]}'")
    rows = tuple(
        row | {k: v or "" for k, v in match.groupdict().items()} if match else row
        for row, match in zip(table.rows, found, strict=True)
    )
    return replace(table, rows=rows, columns=tuple(dict.fromkeys([*table.columns, *regex.groupindex])))
