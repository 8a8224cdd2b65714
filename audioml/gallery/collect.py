"""Runs and published records below any folders, and those of each stage joined over their seeds, newest first."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audioml.gallery.belongs import Change, Match, matches
from audioml.table.build import comparable
from audioml.table.collect import RECORD, TRACES, Found, Run, find_runs
from audioml.table.seeds import Entry, entries


@dataclass(frozen=True)
class Shown:
    """Runs of one stage that differ in the seed alone, and how they stand to the stage."""

    entry: Entry
    kind: str
    changed: tuple[Change, ...]

    @property
    def created(self) -> str:
        """When the newest of its runs was made, as its record says, or an empty string."""
        said = [run.record.provenance.get("created") for run in self.entry.runs]
        return max((text for text in said if isinstance(text, str)), default="")


def find(folders: Sequence[Path]) -> Found:
    """Every run's folder and every folder of published records (``*.json``) below `folders`.  RequestError for a missing one."""
    return find_runs(folders, sorted({place for top in folders for place in _published(top)}), some=False)


def _published(top: Path) -> Iterable[Path]:
    for place, below, files in os.walk(top, followlinks=False):
        if RECORD in files or any(trace in files for trace in TRACES):
            below.clear()  # a run's folder: find_runs reads it
        elif any(name.endswith(".json") for name in files):
            yield Path(place)


def by_stage(runs: Iterable[Run]) -> dict[tuple[str, str], list[Shown]]:
    """(recipe, stage) -> its finished runs, newest first."""
    alike: dict[tuple[str, str], dict[tuple[str, tuple[Change, ...]], list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if run.record.status == "done":
            for match in matches(run):
                alike[match.recipe, match.stage][_standing(match)].append(run)
    return {stage: sorted(_joined(groups), key=lambda shown: shown.created, reverse=True) for stage, groups in alike.items()}


def _standing(match: Match) -> tuple[str, tuple[Change, ...]]:
    return match.kind, match.changed


def _joined(groups: dict[tuple[str, tuple[Change, ...]], list[Run]]) -> Iterable[Shown]:
    for (kind, changed), runs in groups.items():
        for group in comparable(runs).values():  # never over different data
            yield from (Shown(entry, kind, changed) for entry in entries(group))
