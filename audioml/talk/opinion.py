"""What the talk says: its table word for word, and the grades that grades.yaml reads in the words."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from audioml.errors import RunError

SUITABLE = "suitable_for"


@dataclass(frozen=True)
class Said:
    """One cell of the talk: its words, and their `grade` (None: `reason` says why there is none)."""

    text: str
    grade: float | None = None
    reason: str = ""
    tasks: tuple[str, ...] = ()  # the grade holds for these only; empty: for all
    otherwise: str = ""

    def of(self, task: str) -> Said:
        """The cell as it applies to a task."""
        return Said(self.text, None, self.otherwise) if self.tasks and task not in self.tasks else self


@dataclass(frozen=True)
class Aspect:
    """A column of the talk: its key in the CSV, title, the measure's name, how its values are ranked, and what that means."""

    key: str
    title: str
    measure: str
    means: str
    log: bool
    equal: float


@dataclass(frozen=True)
class Rule:
    """What counts as agreement (see grades.yaml)."""

    fewest: int
    within: float
    sure: float
    live_ms: float
    target: float


@dataclass(frozen=True)
class Opinion:
    """The talk: `rows` (our name -> its name), `aspects`, `cells` by (row, column), `suits` (row -> [(words, tasks)])."""

    rows: dict[str, str]
    aspects: dict[str, Aspect]
    cells: dict[tuple[str, str], Said]
    suits: dict[str, list[tuple[str, list[str]]]]
    rule: Rule


@lru_cache(maxsize=1)
def opinion() -> Opinion:
    """The talk as it lies in the package.  Raises RunError where the words and the grades do not match."""
    here = resources.files("audioml.talk")
    grades = yaml.safe_load((here / "grades.yaml").read_text(encoding="utf-8"))
    lines = list(csv.DictReader(io.StringIO((here / "architectures.csv").read_text(encoding="utf-8"))))
    return read(grades, lines)


def read(grades: Mapping[str, Any], lines: list[dict[str, str]]) -> Opinion:
    """`grades`: grades.yaml, `lines`: the talk's table.  Raises RunError for a row or a cell without its counterpart."""
    table = {line["architecture"]: line for line in lines}
    if set(table) != set(grades["rows"].values()):
        raise RunError("grades.yaml does not name the talk's rows: " + ", ".join(set(table) ^ set(grades["rows"].values())))
    aspects = {key: _aspect(key, raw) for key, raw in grades["columns"].items()}
    cells = {}
    for row, name in grades["rows"].items():
        for key in aspects:
            if key not in table[name]:
                raise RunError(f"the talk has no column '{key}'")
            cells[row, key] = _said(table[name][key], grades["columns"][key].get("cells"), f"{name}, {key}")
    suits = {row: _suits(cells[row, SUITABLE].text, grades["suitable"]) for row in grades["rows"]}
    return Opinion(dict(grades["rows"]), aspects, cells, suits, Rule(**grades["rule"]))


def _aspect(key: str, raw: Mapping[str, Any]) -> Aspect:
    return Aspect(key, raw["title"], raw["measure"], raw["means"], raw.get("scale") == "log", float(raw.get("equal", 0)))


def _said(text: str, known: Mapping[str, Any] | None, where: str) -> Said:
    if known is None:
        return Said(text)
    if text not in known:
        raise RunError(f"grades.yaml does not grade '{text}' ({where})")
    raw = known[text]
    if isinstance(raw, str):
        return Said(text, None, raw)
    if isinstance(raw, Mapping):
        return Said(text, float(raw["grade"]), "", tuple(raw["tasks"]), raw["else"])
    return Said(text, float(raw))


def _suits(text: str, known: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    """The words between commas that stand outside brackets, each with the tasks that it names."""
    words, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        words = [*words, ""] if char == "," and depth == 0 else [*words[:-1], words[-1] + char]
    named = [word.strip() for word in words]
    unknown = [word for word in named if word not in known]
    if unknown:
        raise RunError(f"grades.yaml does not say which task is meant by: {', '.join(unknown)}")
    return [(word, list(known[word])) for word in named]
