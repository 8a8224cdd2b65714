"""Finding records on disk: every sound one once, and what was passed over, in words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audioml.errors import RequestError, RunError
from audioml.records import Record
from audioml.table.cells import clean, few

RECORD = "record.json"
TRACES = ("metrics.csv", "train.log")  # a folder with one of these but no record is a run that was killed, or still runs


@dataclass(frozen=True)
class Run:
    """A record and where it lay; `folder` is None for a published record that has no run folder."""

    record: Record
    path: Path
    folder: Path | None

    @property
    def name(self) -> str:
        """The run's name: its folder's, or its file's."""
        return self.folder.name if self.folder else self.path.stem


@dataclass
class Found:
    """The runs, one sentence per thing that is not shown, and the `unfinished` folders: still running, or killed."""

    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def find_runs(folders: Iterable[Path], records: Iterable[Path] = (), some: bool = True) -> Found:
    """Read every ``record.json`` below `folders` and every ``*.json`` in `records`.

    Of several records with one signature and one data fingerprint the newest finished one is kept.
    Raises RequestError for a missing folder, or, where there should be `some`, when nothing is found.
    """
    found, seen = Found(), []
    folders, records = list(folders), list(records)
    for folder in [*folders, *records]:
        if not folder.is_dir():
            raise RequestError(f"there is no folder {folder}; name one that holds runs, or first train: python train.py")
    places: list[tuple[Path, Path | None]] = []
    for folder, names in run_folders(folders):
        if RECORD in names:
            places.append((folder / RECORD, folder))
        else:
            found.unfinished.append(folder)
    for path, folder in [*places, *((path, None) for path in published(records))]:
        try:
            seen.append(Run(Record.read(path), path, folder))
        except RunError as error:
            found.notes.append(f"Skipped: {clean(error)}.")
    if found.unfinished:
        names = few([clean(folder.name, 80) for folder in sorted(found.unfinished)], 5)
        found.notes.append(f"{len(found.unfinished)} run folder(s) without a record (still running, or killed): {names}.")
    found.runs = _newest(seen)
    if len(found.runs) < len(seen):
        found.notes.append(f"{len(seen) - len(found.runs)} older run(s) of the same settings and data are not shown.")
    if some and not found.runs:
        where = ", ".join(str(folder) for folder in [*folders, *records])
        because = f"; {len(found.notes)} remark(s), the first: {found.notes[0]}" if found.notes else ""
        raise RequestError(f"there is no record of a run in {where}; first train: python train.py{because}")
    return found


def run_folders(tops: Iterable[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Every run's folder below `tops`, with the names of the files that show it to be one: its RECORD, or TRACES without one."""
    for top in tops:
        for place, below, files in os.walk(top, followlinks=False):
            below.sort()
            if names := [RECORD] if RECORD in files else [trace for trace in TRACES if trace in files]:
                below.clear()  # a run's folder holds no further runs
                yield Path(place), names


def published(folders: Iterable[Path]) -> list[Path]:
    """The files of published records in `folders`."""
    return [path for folder in folders for path in sorted(folder.glob("*.json"))]


def _newest(runs: list[Run]) -> list[Run]:
    best: dict[tuple, Run] = {}
    for run in runs:
        # without a signature there is no telling whether two records are one run
        key = (run.record.signature, fingerprint(run.record)) if run.record.signature else (str(run.path),)
        if key not in best or _age(run) > _age(best[key]):
            best[key] = run
    return list(best.values())


def _age(run: Run) -> tuple[bool, str, bool, str]:
    created = run.record.provenance.get("created")
    return run.record.status == "done", created if isinstance(created, str) else "", run.folder is not None, run.name


def fingerprint(record: Record) -> str:
    """The exact data of a record, or an empty string where it does not say."""
    for key in ("data_fingerprint", "fingerprint"):
        if isinstance(found := record.provenance.get(key), str):
            return clean(found, 64)
    return ""
