"""Where a number comes from: the run's signature, and the machine, versions and commit that made it.  No torch."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
import socket
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from audioml.records import plain

GENERATION = 2  # counted up when equal choices no longer make the same network: 2, embeddings of unit deviation
UNSIGNED_AXES = ("row", "recipe")  # names for a set of choices: equal choices are one run whatever they were called
UNSIGNED_SETTINGS = (
    "trainer.accelerator", "trainer.devices", "trainer.strategy", "trainer.threads", "trainer.progress",
    "logger", "hydra", "outputs", "resume", "data.cache", "preset.probe_seconds", "sweep", "row", "recipe",
)  # fmt: skip
PACKAGES = (
    "audioml", "torch", "torchaudio", "pytorch-lightning", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy",
    "scipy", "soundfile", "fast-bss-eval", "pesq", "pystoi", "jiwer", "datasets",
)  # fmt: skip


def signature(axes: Mapping[str, Any], settings: Mapping[str, Any], exclude: Iterable[str] = UNSIGNED_SETTINGS) -> str:
    """Ten hex digits that name a run: equal for equal choices, whatever the order of the keys.

    `exclude` lists settings ("trainer", or dotted: "data.cache") that do not change what is learnt.
    """
    signed = _without(plain(settings), set(exclude))
    signed["generation"] = GENERATION
    chosen = {name: value for name, value in plain(axes).items() if name not in UNSIGNED_AXES}
    text = json.dumps(_canonical({"axes": chosen, "settings": signed}), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def provenance(**more: Any) -> dict[str, Any]:
    """Commit, versions, host and time, joined with what the caller knows (device, seed, wall_s, data_fingerprint …)."""
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": dict(checkout()),
        "versions": versions(),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        **more,
    }


def versions() -> dict[str, str]:
    """Python's version and that of each package that can move a number, where it is installed."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    # what is imported stays what it is as long as the process lives
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu_name() -> str:
    """The processor's name as the system tells it, or an empty string."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def checkout() -> dict[str, Any]:
    """The `git_state` in which this process first asked: a commit made since says nothing about the code that it runs."""
    return git_state()


def git_state(package: Path | None = None) -> dict[str, Any]:
    """``{"commit", "dirty"}`` of the checkout this package runs from; commit None with a reason where there is none."""
    package = package or Path(__file__).resolve().parent
    top = _git(package, "rev-parse", "--show-toplevel")
    # an installed package may lie in a .venv inside somebody's repository: that commit says nothing about our code
    if not top or Path(top).resolve() != package.parent:
        return {"commit": None, "dirty": None, "reason": "not run from a git checkout"}
    commit = _git(package, "rev-parse", "HEAD")
    if not commit:
        return {"commit": None, "dirty": None, "reason": "the checkout has no commit"}
    changes = _git(package, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _without(settings: Any, exclude: set[str], prefix: str = "") -> Any:
    if not isinstance(settings, Mapping):
        return settings
    kept = {name: value for name, value in settings.items() if f"{prefix}{name}" not in exclude}
    return {name: _without(value, exclude, f"{prefix}{name}.") for name, value in kept.items()}


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    # YAML's 1 and 1.0 are one setting
    return int(value) if isinstance(value, float) and value.is_integer() else value
