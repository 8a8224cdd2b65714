"""To which stage of which recipe a record belongs, and how surely.

A record names task, row, model, method and representations, and the recipe that it was made by, where it was.  All else that was
set lies in the config.yaml of its run's folder, or in the record itself (not in old ones).  Where the recipe's own run on the
same data can be composed, equal signatures say that nothing was changed.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import yaml

from audioml import shelf
from audioml.dashboard.configs import config_of
from audioml.errors import AudiomlError
from audioml.recipe import recipe
from audioml.table.cells import clean
from audioml.table.collect import Run

# how a record stands to a stage: its settings are the stage's; it names the recipe, and what else was changed is not known; it
# names the recipe, and something that makes the system was changed; it names the same parts, and their settings are not known
SAME, NAMED, VARIED, PERHAPS = "same", "named", "varied", "perhaps"
CONDITIONS = ("data", "preset", "trainer", "logger", "seed", "share", "budget")  # on what and for how long: said, not decisive
_UNKNOWN, _UNSET = object(), object()


@dataclass(frozen=True)
class Change:
    """A setting of the stage that a run has otherwise; texts."""

    key: str
    own: str
    recipe: str

    @property
    def decisive(self) -> bool:
        """Whether it makes another system, not only another training of it."""
        return self.key.partition(".")[0] not in CONDITIONS


@dataclass(frozen=True)
class Match:
    """A record belongs to `stage` of `recipe`; `kind` is one of SAME, NAMED, VARIED, PERHAPS."""

    recipe: str
    stage: str
    kind: str
    changed: tuple[Change, ...] = ()


def matches(run: Run) -> list[Match]:
    """Where a run belongs: the recipe that its record names and no other, else every stage whose stated choices it has."""
    own = run.record.axes.get("recipe")
    if isinstance(own, str) and own:
        found = _of_recipe(run, own) if own in shelf.names("recipe") else []
        return sorted(found, key=lambda match: sum(change.decisive for change in match.changed))[:1]
    free = [match for name in shelf.names("recipe") for match in _of_recipe(run, name)]
    return [match for match in free if match.kind != VARIED]


def stated(name: str) -> dict[str, dict[str, Any]]:
    """Stage -> key -> value, as the recipe's file has them."""
    recipe(name)  # says what is wrong with the file
    return shelf.load("recipe", name)["stages"]


def _of_recipe(run: Run, name: str) -> list[Match]:
    found = []
    for stage, said in stated(name).items():
        if run.record.axes["task"] != said.get("task"):
            continue
        named = run.record.axes.get("recipe") == name
        if not named and any(change.decisive for change in _compared(run, said, None)[0]):
            continue  # before the config is read, which takes longer than all the rest
        changed, unknown = _compared(run, said, config_of(run))
        kind = _kind(run, name, stage, named, changed, unknown)
        if kind:
            found.append(Match(name, stage, kind, tuple(changed)))
    return found


def _kind(run: Run, name: str, stage: str, named: bool, changed: list[Change], unknown: bool) -> str:
    """"" where the record is known to be of another system."""
    if any(change.decisive for change in changed):
        return VARIED
    if not unknown:
        return SAME
    alike = _signed_alike(run, name, stage)
    if alike is None:
        return NAMED if named else PERHAPS
    return SAME if alike else NAMED if named else ""


def _compared(run: Run, said: Mapping[str, Any], config: Mapping[str, Any] | None) -> tuple[list[Change], bool]:
    """What differs, and whether a decisive setting is not known."""
    changed, unknown = [], False
    for key, wanted in said.items():
        own = _own(run, key, wanted, said, config or {})
        if own is _UNKNOWN:
            unknown |= key.partition(".")[0] not in CONDITIONS
        elif not _same(own, wanted):
            changed.append(Change(key, _shown(own), clean(shelf.spelt(wanted), 60)))
    return changed, unknown


def _own(run: Run, key: str, wanted: Any, said: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """A run's value of what a stage states, `_UNKNOWN` where neither record nor config says it."""
    axes, (head, _, rest) = run.record.axes, key.partition(".")
    kinds = axes.get("representation")
    kinds = {str(port): kind for port, kind in kinds.items()} if isinstance(kinds, dict) else {}
    if key == "representation":
        free = [kind for port, kind in kinds.items() if f"ports.{port}" not in said]
        return wanted if wanted in free else ", ".join(map(str, free))
    if key == "model":
        return wanted if wanted in (axes.get("model"), axes.get("row")) else axes.get("model")
    if head == "ports":
        return kinds.get(rest, _UNSET)
    if not rest and key in axes:
        return axes[key]
    if not config:
        return _UNKNOWN
    value: Any = config.get("settings") if rest else config
    for part in key.split("."):
        value = value.get(part, _UNSET) if isinstance(value, Mapping) else _UNSET
    return value


def _shown(own: Any) -> str:
    if own is _UNSET:
        return "not set"
    return clean(reprlib.repr(own) if isinstance(own, list | dict) else shelf.spelt(own), 60)  # a record may be nested without end


def _same(own: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and re.fullmatch(r"\{\w+\}", wanted):  # the folder of an earlier stage
        return isinstance(own, str) and bool(own)
    if isinstance(own, bool) or isinstance(wanted, bool):
        return own is wanted
    if isinstance(own, int | float) and isinstance(wanted, int | float):
        return math.isclose(own, wanted, rel_tol=1e-9)
    if isinstance(own, list) and isinstance(wanted, list):
        return len(own) == len(wanted) and all(map(_same, own, wanted))
    return type(own) is type(wanted) and own == wanted


# ---- the same by signature -------------------------------------------------------------------------------------------
def _signed_alike(run: Run, name: str, stage: str) -> bool | None:
    """Whether the record's signature is that of the stage as it stands; None where that cannot be told (other data, or sized
    to a budget)."""
    axes = run.record.axes
    fixed = tuple(f"{key}={axes[key]}" for key in ("preset", "seed", "share") if axes.get(key) is not None)
    plain = all(re.fullmatch(r"[a-z]+=[\w.:+-]+", word) for word in fixed)  # a record may hold anything, Hydra reads a language
    if not plain or axes.get("budget") or axes.get("data") != _usual_data(name, stage):
        return None
    signature = _signature(name, stage, fixed)
    return None if signature is None else signature == run.record.signature


@cache
def _usual_data(name: str, stage: str) -> str:
    """The data set of a stage for which the user names none."""
    config = yaml.safe_load((shelf.conf_dir() / "config.yaml").read_text("utf-8"))
    usual = next(entry["data"] for entry in config["defaults"] if "data" in entry)
    return str(stated(name)[stage].get("data", usual))


@lru_cache(maxsize=256)
def _signature(name: str, stage: str, fixed: tuple[str, ...]) -> str | None:
    """Of the stage as it stands; None where it begins with another run, or cannot be composed."""
    from audioml.runfolder import run_signature
    from audioml.sweep import compose

    arguments = recipe(name).stages[stage]
    if any("{" in argument for argument in arguments):
        return None
    try:
        return run_signature(compose([*arguments, *fixed]))
    except AudiomlError:
        return None
