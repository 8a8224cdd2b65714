"""Outputs against targets: every metric of a task, with n, interval and per-item numbers.  A metric never fails a run."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from audioml.corpus import Clip
from audioml.errors import RequestError, RunError
from audioml.kinds import World
from audioml.metrics._base import ANY, LIKELIHOOD, Items, Quantity, Scored, UnscoredError
from audioml.metrics._bootstrap import RESAMPLES, interval
from audioml.metrics._registry import metric
from audioml.parts import Task
from audioml.records import Value, not_measured


@dataclass(frozen=True)
class Scores:
    """`values` for the record; `items` {name: one number or None per clip}, in the order of the clips, for `paired`."""

    values: dict[str, Value] = field(default_factory=dict)
    items: dict[str, list[float | None]] = field(default_factory=dict)


def evaluate(
    task: Task,
    clips: Sequence[Clip],
    outputs: Sequence[Mapping[str, Any]],
    *,
    worlds: Mapping[str, World] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Scores:
    """Judge `outputs` (one dict port -> array without batch axis, str or int per clip) by the task's metrics.

    `worlds` fills what the task leaves open (rate, stem names), as ``corpus.provides(task)`` does.  An output's key
    LIKELIHOOD holds (nats, symbols) of the true output.  Raises RequestError for an unknown metric or one that judges what
    the task does not put out, RunError for audio of another shape than its target.  What a metric cannot score is a Value
    without a number that says why.
    """
    if len(clips) != len(outputs):
        raise RunError(f"{len(clips)} clips but {len(outputs)} outputs: every clip needs one output")
    scores = Scores()
    prepared: dict[str, Items] = {}
    for name in task.metrics:
        module = metric(name)
        port = _port(task, name, module.JUDGES)
        if port not in prepared:
            prepared[port] = _items(task, port, clips, outputs, worlds or {})
        _measure(module, prepared[port], scores, seed, resamples)
    return scores


def _port(task: Task, name: str, family: str) -> str:
    for port, world in task.outputs.items():
        if family in (world.family, ANY):
            return port
    kinds = ", ".join(f"'{port}' is {type(world).__name__}" for port, world in task.outputs.items())
    raise RequestError(f"metric '{name}' judges {family}, which task '{task.name}' does not put out ({kinds})")


def _items(
    task: Task, port: str, clips: Sequence[Clip], outputs: Sequence[Mapping[str, Any]], worlds: Mapping[str, World]
) -> Items:
    world = worlds.get(port, task.outputs[port])
    if task.unordered:
        world = replace(world, names=None)  # type: ignore[call-arg]  # whatever the data call them, any order is right
    targets, found = [c.ports[port] for c in clips], [o[port] for o in outputs]
    nats = [o.get(LIKELIHOOD) for o in outputs]
    given = {p: [c.ports[p] for c in clips] for p in task.inputs if all(p in c.ports for c in clips)}
    heard = next((p for p, w in task.inputs.items() if w.family == world.family), None)
    inputs = None if heard is None else [c.ports[heard] for c in clips]
    if world.family != "audio":
        return Items(targets, found, inputs, world, nats, given)
    from audioml.metrics._audio import reorder

    targets, found = [np.asarray(x) for x in targets], [np.asarray(x) for x in found]
    for clip, target, output in zip(clips, targets, found, strict=True):
        # without audio to go by the length is the system's own choice
        same = target.shape == output.shape if heard else target.shape[:-1] == output.shape[:-1]
        if not same:
            raise RunError(f"clip '{clip.name}': the output has shape {output.shape}, its target {target.shape}")
    inputs = None if inputs is None else [np.asarray(x) for x in inputs]
    return reorder(Items(targets, found, inputs, world, nats, given))


def _measure(module: ModuleType, items: Items, scores: Scores, seed: int, resamples: int) -> None:
    quantities = module.quantities(items)
    try:
        _ready(module, items)
        scored = module.score(items)
    except UnscoredError as why:
        scores.values.update({k: not_measured(str(why), q.unit, q.better) for k, q in quantities.items()})
        return
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        scores.values.update({k: not_measured(reason, q.unit, q.better) for k, q in quantities.items()})
        return
    for key, quantity in quantities.items():
        value, numbers = _value(quantity, scored[key], seed, resamples)
        scores.values[key] = value
        if numbers is not None:
            scores.items[key] = numbers


def _ready(module: ModuleType, items: Items) -> None:
    if not len(items):
        raise UnscoredError("there are no items to score")
    for package in module.PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            raise UnscoredError(f"package '{package}' is not installed (pip install {package})") from None
    if module.JUDGES == "audio":
        broken = sum(not np.isfinite(x).all() for x in items.outputs)
        if broken:
            raise UnscoredError(f"{broken} of {len(items)} outputs hold NaN or Inf")


def _value(quantity: Quantity, scored: Scored, seed: int, resamples: int) -> tuple[Value, list[float | None] | None]:
    rows = scored.rows if scored.rows.ndim == 2 else np.stack([scored.rows, np.ones(len(scored.rows))], 1)
    kept = np.isfinite(rows).all(1)
    numbers = None
    if scored.pairs is not None:
        numbers = [float(x) if np.isfinite(x) else None for x in scored.pairs]
    note = _note(len(rows), int((~kept).sum()), scored.left_out)
    value = float(quantity.combine(rows[kept].sum(0))) if kept.any() else float("nan")
    if not np.isfinite(value):
        return not_measured(note or "undefined on these items", quantity.unit, quantity.better), numbers
    ci = interval(rows[kept], quantity.combine, share=quantity.share, seed=seed, resamples=resamples)
    return Value(value, quantity.unit, quantity.better, n=int(kept.sum()), ci=ci, reason=note), numbers


def _note(n: int, missing: int, left_out: Counter[str]) -> str:
    if not missing:
        return ""
    why = ", ".join(f"{reason} ({count})" for reason, count in left_out.most_common() if count) or "undefined"
    return f"{missing} of {n} items left out: {why}"
