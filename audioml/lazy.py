"""Modules that are imported when first used, so that light code may name torch at its top."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a module; the first attribute imports it, and what was asked for once is kept: a training step asks some hundred
    times.  Unlike importlib's LazyLoader it leaves sys.modules alone, where other libraries look to see whether torch is loaded."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = self.__dict__[attribute] = getattr(import_module(self._name), attribute)
        return value
