"""The comparison as one self-contained HTML file: opens from disk, asks no network, runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from audioml.records import plain
from audioml.table.build import Section, Table
from audioml.table.cells import ABSENT, Cell, clean
from audioml.table.curves import Chart, charts
from audioml.table.media import LOSSLESS, Embedder, Heard, audio_bytes, listen
from audioml.table.rows import Row, by_run

PRELOADED = 64  # players that load with the page; of more, each loads when it comes into view


@dataclass
class Part:
    """A section with what only the page shows."""

    section: Section
    charts: list[Chart]
    heard: list[Heard]


def page(table: Table, command: str, made: str) -> str:
    """The HTML text.  `command` made it, `made` says when."""
    from jinja2 import Environment, StrictUndefined

    rows = by_run([row for section in table.sections for row in section.rows])
    embedder = Embedder(lossless=audio_bytes(rows) <= LOSSLESS)
    parts = [_part(section, embedder) for section in table.sections]
    notes = [*table.notes, *_media_notes(embedder)]
    script, style = _asset("page.js"), _asset("page.css")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(absent=ABSENT, facts=_facts, sort_key=_sort_key)
    # asset files are ours: the only text that may reach the page unescaped; everything else passes through autoescape
    return environment.from_string(_asset("page.html.j2")).render(
        parts=parts,
        notes=notes,
        command=command,
        made=made,
        script=script,
        style=style,
        digest=_digest(script),
        few=_players(parts) <= PRELOADED,
    )


def _players(parts: list[Part]) -> int:
    takes = [take for part in parts for clip in part.heard for take in (*clip.given, *clip.takes)]
    return sum(len(take.sounds) for take in takes)


def _part(section: Section, embedder: Embedder) -> Part:
    runs = by_run(section.rows)
    return Part(section, charts(runs, section.primary), listen(runs, embedder))


def _media_notes(embedder: Embedder) -> list[str]:
    notes = []
    if not embedder.lossless:
        notes.append("Many sounds: they are Ogg Vorbis here; the run folders hold them uncompressed.")
    if embedder.left_out:
        notes.append(f"{embedder.left_out} sounds or pictures were left out to keep the page small; the run folders hold them.")
    if embedder.broken:
        notes.append(f"{embedder.broken} example file(s) were missing, unreadable or outside their run's folder.")
    return notes


def _sort_key(cell: Cell) -> str:
    """What the page sorts a cell by; empty = not measured, always last."""
    return "" if cell.value is None else str(cell.value)


def _facts(row: Row) -> dict[str, list[tuple[str, str]]]:
    """All that a record says, as (name, text) lists for the unfolding details of a run."""
    record = row.record
    return {
        "Choices": [(clean(name, 60), _flat(value)) for name, value in record.axes.items()],
        "Values": [(clean(name, 80), _value(value.as_dict())) for name, value in sorted(record.values.items())],
        "Provenance": [(clean(name, 60), _flat(value)) for name, value in record.provenance.items()],
    }


def _value(raw: dict[str, Any]) -> str:
    if raw["value"] is None:
        return f"{ABSENT} {clean(raw.get('reason', ''))}"
    number = f"{raw['value']:.6g}" if isinstance(raw["value"], int | float) else clean(raw["value"], 120)
    interval = f" [{raw['ci'][0]:.4g}, {raw['ci'][1]:.4g}]" if raw["ci"] else ""
    items = f" (n = {raw['n']})" if raw["n"] is not None else ""
    return f"{number} {clean(raw['unit'], 20)}{interval}{items}".strip()


def _flat(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False), 400)


def _asset(name: str) -> str:
    return (resources.files("audioml.table") / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The content security policy lets only the script of this hash run, should an escape ever be missed."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
