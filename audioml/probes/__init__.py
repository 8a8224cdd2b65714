"""What a system is like, measured: one file per group of values, each with definition, unit, protocol and pitfalls.

The folder is the list.  A probe NAME.py holds

    AFTER    probes whose values it reads from `found`
    SHARE    of the budget of one run
    VALUES   {"group/name": (unit, better)}
    measure(system, data=None, *, found=None, seconds=…) -> {"group/name": Value}

`data` is a Trial (_base.py): test clips and what the training left; without it, what needs them is not measured.
"""

from __future__ import annotations

import importlib
import pkgutil
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

VERSION = 2  # of the definitions: tables refuse to mix; a test reminds of it when the list of values changes
QUICK = 20.0  # seconds on one core, of which the probes of a small model need about half


def available() -> tuple[str, ...]:
    """The probes there are, each after those whose values it reads."""
    names = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_")]
    return tuple(TopologicalSorter({n: probe(n).AFTER for n in sorted(names)}).static_order())


def probe(name: str) -> ModuleType:
    """The module of a probe."""
    return importlib.import_module(f"audioml.probes.{name}")


def measures() -> str:
    """By which definitions a record's numbers were made, for its provenance."""
    from audioml import metrics

    return f"metrics {metrics.VERSION}, probes {VERSION}"


def measure_all(system: System, data: Trial | None = None, seconds_budget: float = QUICK) -> dict[str, Value]:
    """Every value of every probe, on a copy of the system on the CPU: the system, its mode and the random state stay untouched.

    Never raises: a probe that fails leaves values without numbers that say why.  `seconds_budget` bounds what is adaptive
    (how long timings run, how many clips are heard, how far the context is followed); each probe has its share of it, counted in
    multiply-accumulates where a clock would make the value differ from one time to the next.
    """
    import copy

    from audioml.probes._base import UnmeasurableError, nothing

    found: dict[str, Value] = {}
    try:
        still = copy.deepcopy(system).to("cpu").eval()
    except Exception as error:  # a probe must never cost a finished training
        reason = f"the system cannot be copied: {type(error).__name__}: {error}"
        return {k: v for name in available() for k, v in nothing(probe(name).VALUES, reason).items()}
    for name in available():
        module = probe(name)
        try:
            found |= module.measure(still, data, found=found, seconds=module.SHARE * seconds_budget)
        except UnmeasurableError as why:
            found |= nothing(module.VALUES, str(why))
        except Exception as error:
            found |= nothing(module.VALUES, f"{type(error).__name__}: {error}")
    return found
