"""What a family of published checkpoints says of itself.  No torch."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True)
class AtLeast:
    """A setting that fits from a number on."""

    value: float

    def fits(self, have: Any) -> bool:
        """Whether a setting is such."""
        return isinstance(have, int | float) and have >= self.value


@dataclass(frozen=True)
class AtMost:
    """A setting that fits up to a number."""

    value: float

    def fits(self, have: Any) -> bool:
        """Whether a setting is such."""
        return isinstance(have, int | float) and have <= self.value


@dataclass(frozen=True)
class Rule:
    """Our tensors whose name `ours` (a regular expression) matches wholly are made of `theirs`.

    `{0}`, `{1}` … stand for what its groups matched, `*` for every number there is, in order.  Several tensors make one, their
    rows one after the other.  Where theirs have no such tensor ours is filled with `fill`.
    """

    ours: str
    theirs: tuple[str, ...] = ()
    fill: float | None = None


def rule(ours: str, *theirs: str, fill: float | None = None) -> Rule:
    """A Rule on one line."""
    return Rule(ours, theirs, fill)


def _nothing(_: Config) -> Any:
    return {}


@dataclass(frozen=True)
class Family:
    """`asks`: config -> our settings with which the weights fit ("model.width" -> value; not asked of a part that has no such
    setting); `only`: config key -> values that a run of ours can do; `rules`: config -> which tensors make ours; `spare`: a
    regular expression for those that may be left.  `holds`: where it is made of others, their family -> (the key of their
    config, how their tensors begin)."""

    asks: Callable[[Config], Mapping[str, Any]] = _nothing
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    rules: Callable[[Config], tuple[Rule, ...]] = _nothing
    spare: str = ""
    holds: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@cache
def available() -> tuple[str, ...]:
    """The families there are, in alphabetical order."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted(m.name for m in found if not m.name.startswith("_")))


def family(name: str) -> Family:
    """The family of that name, one of `available()`."""
    assert name in available(), name
    return importlib.import_module(f"audioml.published.{name}").FAMILY
