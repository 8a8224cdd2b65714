"""The page's files while runs go on: built anew when a record, a curve or a vote on disk has changed."""

from __future__ import annotations

import datetime
import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audioml.dashboard.live import FRESH, stamp
from audioml.dashboard.site import Site
from audioml.table.build import build_table
from audioml.table.collect import RECORD, find_runs, published, run_folders

RESTS = 1.0  # seconds between two looks at the disk, however many pages ask


@dataclass
class Seen:
    """What lies on disk: digests of times and sizes, no contents; and the folders `unfinished` runs are in."""

    records: str
    live: str
    votes: str
    unfinished: list[Path]

    @property
    def version(self) -> str:
        """Changes where anything does; a page reloads the parts that differ."""
        return f"{self.records}-{self.live}-{self.votes}"


class Watch:
    """`site()` is the present state, `version()` a text that changes with it.  Safe to call from several threads.

    The table is built anew only when a record has changed: curves grow every second, and a sweep needs the machine.
    """

    def __init__(self, folders: Sequence[Path], records: Sequence[Path], votes: Path, command: str) -> None:
        self.folders, self.records, self.votes, self.command = list(folders), list(records), votes, command
        self._lock = threading.Lock()
        self._looked, self._built = 0.0, ""
        self._seen: Seen | None = None
        self._site: Site | None = None

    def version(self) -> str:
        """Of the present state."""
        with self._lock:
            return self._look().version

    def site(self) -> Site:
        """The files of the present state.  RequestError for a folder that is gone."""
        with self._lock:
            seen = self._look()
            if self._site is None or seen.records != self._built:
                old = self._site.media if self._site is not None else {}
                self._site = self._build(seen)
                self._site.media |= old  # a page that is a state behind may still ask for its sounds
                self._built = seen.records
            elif seen.version != self._site.version:
                self._site = self._site.later(seen.unfinished, seen.version)
            return self._site

    def _build(self, seen: Seen) -> Site:
        found = find_runs(self.folders, self.records, some=False)
        made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return Site(build_table(found), seen.unfinished, self.votes, command=self.command, made=made, version=seen.version)

    def _look(self) -> Seen:
        now = time.monotonic()
        if self._seen is None or now - self._looked > RESTS:
            self._seen, self._looked = self._see(), now
        return self._seen

    def _see(self) -> Seen:
        records, live = hashlib.sha256(), hashlib.sha256()
        unfinished = []
        for folder, names in run_folders(self.folders):
            (records if RECORD in names else live).update("".join(_state(folder / name) for name in names).encode())
            if RECORD not in names:
                unfinished.append(folder)
        for path in published(self.records):
            records.update(_state(path).encode())
        return Seen(records.hexdigest()[:12], live.hexdigest()[:12], f"{stamp(self.votes)}", unfinished)


def _state(path: Path) -> str:
    """Time and size, and, for what still grows, whether it has fallen silent."""
    try:
        state = path.stat()
    except OSError:
        return f"{path} gone\n"
    silent = path.name != RECORD and time.time() - state.st_mtime > FRESH
    return f"{path} {state.st_mtime_ns} {state.st_size} {silent}\n"
