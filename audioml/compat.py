"""The one place where torchaudio is made importable on a torch that its wheel was not linked for.

torchaudio's registry wheel for Linux is linked to CUDA; on a CPU build of torch ``import torchaudio`` raises OSError, also when
torchmetrics imports it.  torchaudio treats absent extension files as "no extension", supported by its own code, so a stand-in
for its loader module, registered before the first import, leaves transforms, functional, models and datasets working.
Site-packages are never edited.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
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
