"""A checkpoint's folder: config.json, and the files of its weights, told by what is in them.  No torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audioml.errors import RequestError

SINGLE = ("model.safetensors", "pytorch_model.bin")
LARGEST = 1 << 22  # bytes of a JSON file


@dataclass(frozen=True)
class Published:
    """`kind`: its model_type; `files`: where the weights lie; `fingerprint`: 16 hex digits of config and weights."""

    folder: Path
    kind: str
    config: dict[str, Any]
    files: tuple[Path, ...]
    fingerprint: str


def opened(folder: Path) -> Published:
    """Raises RequestError for a folder that holds no published checkpoint."""
    if not (folder / "config.json").is_file():
        raise RequestError(
            f"init={folder} is no published checkpoint: it has no config.json; save_pretrained of transformers writes such "
            "folders, config.json and model.safetensors"
        )
    config = _json(folder / "config.json", folder)
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise RequestError(f"init={folder} is no published checkpoint: its config.json states no model_type")
    files = _files(folder)
    paths = (folder / "config.json", *files)
    return Published(folder, kind, config, files, _digest(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths)))


def _files(folder: Path) -> tuple[Path, ...]:
    """One file, or the parts that an index lists."""
    for name in SINGLE:
        if (folder / name).is_file():
            return (folder / name,)
    for name in SINGLE:
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = _json(index, folder).get("weight_map")
            if not isinstance(parts, dict) or not all(isinstance(p, str) and Path(p).name == p for p in parts.values()):
                raise RequestError(f"init={folder} cannot be read: {index.name} should map tensors to files beside it")
            found = tuple(folder / p for p in sorted(set(parts.values())))
            lost = [p.name for p in found if not p.is_file()]
            if lost or not found:
                raise RequestError(f"init={folder} is not whole: {', '.join(lost[:3]) or 'all of its weights'} missing")
            return found
    raise RequestError(f"init={folder} is no published checkpoint: it has neither {' nor '.join(SINGLE)}")


def _json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"init={folder} cannot be read: {path.name} is no JSON ({str(error)[:80]})") from None
    if not isinstance(found, dict):
        raise RequestError(f"init={folder} cannot be read: {path.name} holds no mapping")
    return found


@cache
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    """Of the files' contents, read again when size or time have changed."""
    total = hashlib.sha256()
    for path, _, _ in files:
        with open(path, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
