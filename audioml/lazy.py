"""Modules that are imported when first used, so that light objects (methods, representations) can be made without torch."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule:
    """Stands for a module; the first attribute imports it.  Unlike importlib's LazyLoader it leaves sys.modules alone, where
    other libraries look to see whether torch is loaded.  The module is kept, a training step asks some hundred times; what was
    asked of it is not, so that what replaces a function there is seen here."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, attribute)
