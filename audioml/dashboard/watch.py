"""The page's files while runs go on: built anew when a record, a curve or a vote on disk has changed."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from audioml.dashboard.clips import Media
from audioml.dashboard.live import FRESH, stamp
from audioml.dashboard.site import Site
from audioml.table.build import build_table
from audioml.table.collect import RECORD, find_runs

RESTS = 1.0  # seconds between two looks at the disk, however many pages ask
WATCHED = (RECORD, "metrics.csv", "train.log")


class Watch:
    """`site()` is the present state, `version()` a text that changes with it.  Safe to call from several threads."""

    def __init__(self, folders: Sequence[Path], records: Sequence[Path], votes: Path, command: str) -> None:
        self.folders, self.records, self.votes, self.command = list(folders), list(records), votes, command
        self._lock = threading.Lock()
        self._looked, self._version, self._built = 0.0, "", ""
        self._site: Site | None = None
        self._media: dict[str, Media] = {}  # a page that is a state behind may still ask for its sounds

    def version(self) -> str:
        """A digest of what lies on disk: times and sizes, no contents."""
        with self._lock:
            return self._look()

    def site(self) -> Site:
        """The files of the present state.  RequestError for a folder that is gone."""
        with self._lock:
            version = self._look()
            if self._site is None or version != self._built:
                if self._site is not None:
                    self._media |= self._site.media
                found = find_runs(self.folders, self.records, some=False)
                made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
                table = build_table(found)
                self._site = Site(table, found.unfinished, self.votes, command=self.command, made=made, version=version)
                self._site.media |= self._media
                self._built = version
            return self._site

    def _look(self) -> str:
        now = time.monotonic()
        if not self._version or now - self._looked > RESTS:
            self._version, self._looked = self._digest(), now
        return self._version

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{stamp(self.votes)}".encode())
        for top in self.folders:
            for place, below, files in os.walk(top, followlinks=False):
                below.sort()
                found = [name for name in WATCHED if name in files]
                if found:
                    below.clear()
                if RECORD in found:
                    found = [RECORD]
                for name in found:
                    digest.update(self._state(Path(place) / name).encode())
        for folder in self.records:
            for path in sorted(folder.glob("*.json")):
                digest.update(self._state(path).encode())
        return digest.hexdigest()[:16]

    @staticmethod
    def _state(path: Path) -> str:
        """Time and size, and, for what still grows, whether it has fallen silent."""
        try:
            state = path.stat()
        except OSError:
            return f"{path} gone"
        silent = path.name != RECORD and time.time() - state.st_mtime > FRESH
        return f"{path} {state.st_mtime_ns} {state.st_size} {silent}\n"
