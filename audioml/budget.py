"""Equal budgets: the same parameters, the same arithmetic, the same steps or the same time for every row.

``budget=params:300000`` and ``budget=macs:5e8`` (multiply-accumulates per second of audio) solve a network's size: all settings
that its file lists under ``scales`` grow by one factor, each to a multiple of its divisor, until what is counted lies within
`NEAR` of the amount.  ``budget=steps:400`` sets the optimiser steps, ``budget=seconds:60`` ends the training after so long (and
lowers the learning rate along with the clock; such a run cannot be repeated exactly).  What a row cannot meet is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audioml.errors import AudiomlError, Misfit, RequestError
from audioml.plan import Plan

if TYPE_CHECKING:
    from audioml.draft import Draft

NEAR = 0.1  # relative distance at which a budget counts as met
TRIES = 16  # sizes that are built at most
VALIDATIONS = 4  # per training, where the steps are the budget
COUNTS = {"params": "compute/parameters", "macs": "compute/macs_per_second"}
_MET: dict[str, tuple[float, dict[str, int]]] = {}  # a sweep asks the same for every seed
ENDLESS = 10_000  # validations: more than any budget of seconds lets happen
KINDS = ("params", "macs", "steps", "seconds")


def parse(text: Any) -> tuple[str, float]:
    """``macs:5e8`` -> ("macs", 5e8).  RequestError for another word or no amount."""
    kind, _, amount = str(text).partition(":")
    try:
        number = float(amount)
    except ValueError:
        number = math.nan
    if kind not in KINDS or not (number > 0 and math.isfinite(number)):
        raise RequestError(f"budget={text} should be one of {', '.join(f'{k}:AMOUNT' for k in KINDS)}, such as params:300000")
    return kind, number


def said(text: Any) -> str:
    """One spelling for one budget."""
    kind, amount = parse(text)
    return f"{kind}:{amount:g}"


def preset_for(text: Any, preset: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's numbers under the budget."""
    kind, amount = parse(text)
    if kind == "seconds":
        return {**preset, "steps": preset["validate_every"] * ENDLESS}
    if kind != "steps":
        return dict(preset)
    each = max(1, round(amount / VALIDATIONS))
    return {**preset, "steps": each * VALIDATIONS if amount >= VALIDATIONS else round(amount), "validate_every": each}


def trainer_for(text: Any, trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The trainer's settings under the budget."""
    kind, amount = parse(text)
    return {**trainer, "minutes": amount / 60} if kind == "seconds" else dict(trainer)


def sized(text: Any, draft: Draft, pick: Mapping[str, str], made: Plan) -> tuple[Draft, Plan]:
    """Draft and plan with the model's sizes such that the budget is met.  RequestError where no size does."""
    kind, amount = parse(text)
    if kind not in COUNTS:
        return draft, made
    choice, reserved = draft.model(pick["model"])
    scales: Mapping[str, int] = reserved.get("scales", {})
    if not scales:
        raise RequestError(f"budget={text} does not fit model={pick['model']}: it has no size to change")

    def at(factor: float) -> tuple[float, dict[str, int]]:
        sizes = {k: max(unit, unit * round(choice.settings[k] * factor / unit)) for k, unit in scales.items()}
        return count(COUNTS[kind], grown(draft, sizes).plan(pick), str(text)), sizes

    asked = repr((text, sorted(pick.items()), draft.user, draft.ports, draft.preset, draft.worlds))
    if asked not in _MET:
        _MET[asked] = nearest(at, amount)
    cost, sizes = _MET[asked]
    if abs(cost / amount - 1) > NEAR:
        raise Misfit(
            f"budget={text} does not fit model={pick['model']}: the nearest that its sizes "
            f"({', '.join(scales)}) come to is {kind}:{cost:.3g}"
        )
    here = grown(draft, sizes)
    return here, here.plan(pick)


def grown(draft: Draft, sizes: Mapping[str, int]) -> Draft:
    """The draft with these sizes of its model."""
    return replace(draft, user={**draft.user, "model": {**draft.user["model"], **sizes}})


def nearest(at: Callable[[float], tuple[float, Any]], amount: float) -> tuple[float, Any]:
    """`at(factor)` -> (cost, sizes), whose cost grows with the factor: the one nearest to `amount`, by doubling or halving until
    it is enclosed and then by bisection, on a logarithmic scale."""
    low = high = None
    factor, best = 1.0, None
    for _ in range(TRIES):
        found = at(factor)
        if best is None or abs(math.log(found[0] / amount)) < abs(math.log(best[0] / amount)):
            best = found
        if abs(found[0] / amount - 1) <= NEAR / 5:
            break
        low, high = (factor, high) if found[0] < amount else (low, factor)
        factor = factor * 2 if high is None else factor / 2 if low is None else math.sqrt(low * high)
    assert best is not None
    return best


def count(name: str, plan: Plan, text: str) -> float:
    """What the compute probe counts on an untrained system of the plan."""
    from audioml.probes import compute
    from audioml.system import System

    value = compute.measure(System(plan)).get(name)
    if value is None or value.value is None:
        raise AudiomlError(f"budget={text} cannot be counted here: {value.reason if value else name}")
    return float(value.value)


