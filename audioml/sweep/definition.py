"""What conf/sweep/NAME.yaml says: which settings vary, which are fixed, what is tuned, where its records are published.

Every key is an axis (a config group, ``seed``, ``share``, ``budget``, ``init``, or a dotted setting such as ``model.width``) with
one value or a list of them, or one of four words:

``with``       settings that are the same for all runs;
``blocks``     a list of {axis: values}, each laid over the rest: one definition may hold cells of different kinds;
``tune``       {setting: {times: [0.5, 1, 2]}}: per cell, the best factor of its default by validation loss (tuning.py);
``published``  the folder below docs/results/records/ whose records count as done.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audioml import shelf
from audioml.cli import prepare
from audioml.errors import RequestError, did_you_mean

PUBLISHED = Path("docs/results/records")
RESERVED = ("with", "blocks", "tune", "published")
BESIDE_GROUPS = ("seed", "share", "budget", "init")  # what a sweep may vary that is not a group's setting


@dataclass(frozen=True)
class Block:
    """Axes whose product is run; `tune` setting -> factors of its default."""

    axes: Mapping[str, Sequence[str]]
    tune: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def cells(self, without: str = "") -> list[tuple[str, ...]]:
        """Every combination as arguments, last axis fastest; one axis may be left out."""
        axes = {k: v for k, v in self.axes.items() if k != without}
        return [tuple(f"{k}={v}" for k, v in zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


@dataclass(frozen=True)
class Definition:
    """A sweep: its blocks, the folder of published records that count for it, and whether its own are to lie there too."""

    blocks: tuple[Block, ...]
    published: Path | None = None
    publish: bool = False

    @property
    def axes(self) -> dict[str, list[str]]:
        """Every axis with all its values, in the order of the blocks."""
        found: dict[str, dict[str, None]] = {}
        for block in self.blocks:
            for key, values in block.axes.items():
                found.setdefault(key, {}).update(dict.fromkeys(values))
        return {key: list(values) for key, values in found.items()}

    def overridden(self, given: Mapping[str, str]) -> Definition:
        """Arguments of the command line (key -> text) replace the axis in every block, or add one."""
        over: dict[str, list[str]] = {}
        for key, value in given.items():
            prepare(f"{key}={value}", multirun=True)
            varies = key in (*shelf.GROUPS, *BESIDE_GROUPS) or "." in key
            over[key] = value.split(",") if varies and not re.search(r"[][{}()'\"]", value) else [value]
        blocks = tuple(
            replace(b, axes={**b.axes, **over}, tune={k: v for k, v in b.tune.items() if k not in over}) for b in self.blocks
        )
        return replace(self, blocks=blocks)


def define(name: str) -> Definition:
    """The definition in conf/sweep/NAME.yaml.  Raises RequestError for a name or a key that does not exist."""
    return read(shelf.load("sweep", name), f"conf/sweep/{name}.yaml")


def read(raw: Mapping[str, Any], where: str) -> Definition:
    """A definition from a mapping; `where` names it in messages."""
    top = _joined(_axes({k: v for k, v in raw.items() if k not in RESERVED}, where), _with(raw, where), where)
    blocks, published = raw.get("blocks"), raw.get("published")
    if blocks is not None and not (isinstance(blocks, list) and blocks and all(isinstance(b, Mapping) for b in blocks)):
        raise RequestError(f"{where}: blocks should be a list of mappings such as {{task: enhancement, model: [unet, rnn]}}")
    if published is not None and not (isinstance(published, str) and re.fullmatch(r"[\w-]+", published)):
        raise RequestError(f"{where}: published={published!r:.60} should be the name of a folder below {PUBLISHED}")
    tune = _tune(raw.get("tune"), where)
    made = []
    for block in blocks or [{}]:
        if wrong := [k for k in block if k in ("blocks", "published")]:
            raise RequestError(f"{where}: {wrong[0]} stands at the top of a definition, not in a block")
        own = _joined(_axes({k: v for k, v in block.items() if k not in RESERVED}, where), _with(block, where), where)
        made.append(Block({**top, **own}, _tune(block["tune"], where) if "tune" in block else tune))
    if not any(block.axes for block in made):
        raise RequestError(f"{where} names no axis, such as task: [enhancement]")
    return Definition(tuple(made), PUBLISHED / published if published else None)


def _axes(raw: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    """Axis -> its values as arguments say them; every key and every group's names are checked."""
    out = {}
    for key, values in raw.items():
        _check_key(str(key), where)
        values = values if isinstance(values, list) else [values]
        if not values or any(isinstance(v, Mapping) for v in values):
            raise RequestError(f"{where}: {key} should be a value or a list of values")
        out[str(key)] = [shelf.spelt(v) for v in values]
        if key in shelf.GROUPS:
            for value in out[key]:
                shelf.require(key, value)
    return out


def _check_key(key: str, where: str) -> None:
    head, dot, _ = key.partition(".")
    if (head in (*shelf.GROUPS, "ports") and (dot or head != "ports")) or key in BESIDE_GROUPS:
        return
    known = (*shelf.GROUPS, *BESIDE_GROUPS, *RESERVED)
    raise RequestError(
        f"{where}: '{key}' is neither an axis nor a word of a sweep's definition{did_you_mean(key, known) or ';'} "
        f"axes: {', '.join((*shelf.GROUPS, *BESIDE_GROUPS))}, and settings such as model.width; words: {', '.join(RESERVED)}"
    )


def _with(raw: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    fixed = raw.get("with") or {}
    if not isinstance(fixed, Mapping):
        raise RequestError(f"{where}: with should be a mapping such as {{trainer: cpu, trainer.threads: 1}}")
    for key, value in fixed.items():
        if isinstance(value, list) and "." not in str(key):
            raise RequestError(f"{where}: with.{key} has several values; what varies stands outside of `with`")
    return _axes({key: [value] for key, value in fixed.items()}, where)


def _joined(axes: dict[str, list[str]], fixed: dict[str, list[str]], where: str) -> dict[str, list[str]]:
    if both := [k for k in fixed if k in axes]:
        raise RequestError(f"{where}: {both[0]} stands both in `with` and outside of it")
    return {**axes, **fixed}


def _tune(raw: Any, where: str) -> dict[str, list[float]]:
    """{setting: {times: [factors]}} -> {setting: factors}."""
    said = f"{where}: tune should be a mapping such as {{model.learning_rate: {{times: [0.5, 1, 2]}}}}"
    if raw is not None and not isinstance(raw, Mapping):
        raise RequestError(said)
    out = {}
    for key, how in (raw or {}).items():
        times = how.get("times") if isinstance(how, Mapping) and set(how) == {"times"} else None
        good = isinstance(times, list) and times and all(isinstance(t, int | float) and not isinstance(t, bool) for t in times)
        if not good or not all(math.isfinite(t) and t > 0 for t in times):  # type: ignore[union-attr]
            raise RequestError(f"{said}; the factors are numbers above zero")
        if "." not in str(key):
            raise RequestError(f"{where}: tune.{key} is no setting such as model.learning_rate")
        _check_key(str(key), where)
        out[str(key)] = [float(t) for t in times]  # type: ignore[union-attr]
    return out
