"""A run's config.yaml as (name, text) pairs, for the difference of two runs.  Read with the safe loader, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from audioml.dashboard.clips import inside
from audioml.table.cells import clean
from audioml.table.collect import Run

CONFIG = "config.yaml"
LARGEST, MOST = 2**18, 600  # bytes, settings
DULL = ("audioml", "outputs", "signature")  # differ without meaning, or are shown elsewhere


def read_yaml(folder: Path | None) -> dict[str, Any]:
    """The config of a run's folder; {} where there is none that can be read."""
    import yaml

    path = inside(folder, CONFIG) if folder else None
    if path is None or path.stat().st_size > LARGEST:
        return {}
    try:
        raw = yaml.load(path.read_text("utf-8"), _no_aliases(yaml))
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _no_aliases(yaml: Any) -> Any:
    """The safe loader without anchors: our files have none, and nested ones would unfold without end."""

    class Plain(yaml.SafeLoader):
        """Refuses an alias."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("an alias")
            return super().compose_node(parent, index)

    return Plain


def config_of(run: Run) -> dict[str, Any]:
    """The config of a run's folder, or, where there is none, what its record keeps of it; {} where neither is there."""
    kept = run.record.provenance.get("config")
    return read_yaml(run.folder) or (dict(kept) if isinstance(kept, Mapping) else {})


def flat_config(run: Run) -> list[tuple[str, str]]:
    """Every setting that was resolved, as "model.width" -> "48", in the file's order."""
    raw = {name: value for name, value in config_of(run).items() if name not in DULL}
    return list(islice(_walk(raw, "", 0), MOST)) if raw else []


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value and depth < 8:
        for key, inner in value.items():
            yield from _walk(inner, f"{name}.{key}" if name else str(key), depth + 1)
    else:
        short = name.removeprefix("settings.")
        yield clean(short, 80), clean("null" if value is None else value, 300)
