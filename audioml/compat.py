"""The one place where other libraries' imports are helped: torchaudio's works, torchmetrics' is paid only by who uses it.

torchaudio's registry wheel for Linux is linked to CUDA; on a CPU build of torch ``import torchaudio`` raises OSError, also when
torchmetrics imports it.  torchaudio treats absent extension files as "no extension", supported by its own code, so a stand-in
for its loader module, registered before the first import, leaves transforms, functional, models and datasets working.

Lightning imports torchmetrics for two base classes; the package's own start then imports every metric, and with them scipy.signal,
and transformers and librosa where they are installed: 1.5 CPU seconds of a worker's start.  Its start is put off until anything
else of it is asked for (PEP 562), and then runs as it is, in the same module.

Site-packages are never edited.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

STAND_IN = "torchaudio._extension"


def needs_stand_in() -> bool:
    """True where torch is a Linux CPU build and torchaudio's wheel is the CUDA-linked one.  Imports neither."""
    if not sys.platform.startswith("linux"):
        return False
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return False
    lib = Path(spec.submodule_search_locations[0]) / "lib"
    if (lib / "libtorch_cuda.so").exists():
        return False
    try:
        return not metadata.version("torchaudio").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def guard_torchaudio() -> None:
    """Register the stand-in where it is needed; idempotent, costs about a millisecond, imports nothing heavy."""
    if STAND_IN in sys.modules or "torchaudio" in sys.modules or not needs_stand_in():
        return

    def unavailable(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("this torchaudio function needs its compiled extension, which does not load on a CPU torch")

    stand_in = ModuleType(STAND_IN)
    stand_in._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    stand_in._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    stand_in._check_cuda_version = lambda: None  # type: ignore[attr-defined]
    stand_in.fail_if_no_align = lambda _function: unavailable  # type: ignore[attr-defined]
    stand_in.__file__ = __file__
    sys.modules[STAND_IN] = stand_in


LATE = "torchmetrics"
EARLY = {"Metric": "metric", "MetricCollection": "collections", "__version__": "__about__"}  # what Lightning asks, and its home


class _LateStart(Loader):
    """Loads LATE with what is asked of it early; its own start waits until any other attribute is asked for."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The usual one."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Where that fails, another release of it being built in another way, it starts at once."""

        def ask(name: str) -> Any:
            if name.startswith("__") and name != "__all__":  # the import system and debuggers look for such names
                raise AttributeError(f"module '{LATE}' has no attribute '{name}'")
            if vars(module).pop("__getattr__", None) is not None:
                self.real.exec_module(module)
            return getattr(module, name)

        try:
            module._logger = logging.getLogger(LATE)  # type: ignore[attr-defined]  # its modules take it from here
            import_module(f"{LATE}.utilities")  # first: it and metric.py import each other
            vars(module).update({name: getattr(import_module(f"{LATE}.{home}"), name) for name, home in EARLY.items()})
        except (ImportError, AttributeError):
            self.real.exec_module(module)
        else:
            module.__getattr__ = ask  # type: ignore[method-assign]


class _LateFinder(MetaPathFinder):
    """Finds LATE where it lies, with that loader."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None for all other modules."""
        spec = PathFinder.find_spec(name, path) if name == LATE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LateStart(spec.loader)
        return spec


def put_off_torchmetrics() -> None:
    """Idempotent; imports nothing."""
    if LATE not in sys.modules and not any(isinstance(finder, _LateFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LateFinder())
