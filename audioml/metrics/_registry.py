"""Which metrics there are: the public files of this folder.  No numpy, so that a request is checked at once."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from audioml.errors import RequestError, did_you_mean


def available() -> tuple[str, ...]:
    """The metrics there are, in alphabetical order."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted(m.name for m in found if not m.name.startswith("_")))


def metric(name: str) -> ModuleType:
    """The module of a metric.  Raises RequestError for a name that is not a file of this folder."""
    if name not in available():
        near = did_you_mean(name, available())
        raise RequestError(f"unknown metric '{name}'{near or ';'} the metrics are {', '.join(available())}")
    return importlib.import_module(f"audioml.metrics.{name}")
