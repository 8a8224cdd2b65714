"""What a system is like, measured: one file per group of values, each with definition, unit, protocol and pitfalls.

The folder is the list.  A probe NAME.py holds

    AFTER    probes whose values it reads from `found`
    VALUES   {"group/name": (unit, better)}
    measure(system, data=None, *, found=None, seconds=…) -> {"group/name": Value}
"""

from __future__ import annotations

import importlib
import pkgutil
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from audioml.records import Value

if TYPE_CHECKING:
    from audioml.system import System

QUICK = 5.0  # seconds on one core for a small model
LEAST = 0.3  # seconds that a probe gets even when the budget is spent: a column is worth more than a deadline


def available() -> tuple[str, ...]:
    """The probes there are, each after those whose values it reads."""
    names = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_")]
    return tuple(TopologicalSorter({n: probe(n).AFTER for n in sorted(names)}).static_order())


def probe(name: str) -> ModuleType:
    """The module of a probe."""
    return importlib.import_module(f"audioml.probes.{name}")


def measure_all(system: System, data: Any = None, seconds_budget: float = QUICK) -> dict[str, Value]:
    """Every value of every probe, on a copy of the system on the CPU: the system, its mode and the random state stay untouched.

    Never raises: a probe that fails leaves values without numbers that say why.  `seconds_budget` bounds what is adaptive
    (how long timings run, how far the context is followed).
    """
    import copy
    import time

    from audioml.probes._base import UnmeasurableError, nothing

    found: dict[str, Value] = {}
    end = time.monotonic() + seconds_budget
    try:
        still = copy.deepcopy(system).to("cpu").eval()
    except Exception as error:  # a probe must never cost a finished training
        reason = f"the system cannot be copied: {type(error).__name__}: {error}"
        return {k: v for name in available() for k, v in nothing(probe(name).VALUES, reason).items()}
    for name in available():
        module = probe(name)
        try:
            found |= module.measure(still, data, found=found, seconds=max(LEAST, end - time.monotonic()))
        except UnmeasurableError as why:
            found |= nothing(module.VALUES, str(why))
        except Exception as error:
            found |= nothing(module.VALUES, f"{type(error).__name__}: {error}")
    return found
