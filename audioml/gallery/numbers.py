"""The numbers of one entry as the page shows them: the primary metric on a scale between baseline and ceiling, and the facts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audioml.dashboard.configs import config_of
from audioml.dashboard.sections import VERDICTS
from audioml.gallery.belongs import NAMED, PERHAPS, SAME, VARIED, Change
from audioml.gallery.collect import Shown
from audioml.records import Record, Value
from audioml.table.build import test_items
from audioml.table.cells import ABSENT, clean, number, value_cell
from audioml.table.collect import Run, fingerprint
from audioml.table.columns import COLUMNS, Column
from audioml.table.rows import Row, make_row
from audioml.table.seeds import seed_of

STANDS = {
    SAME: "the recipe’s settings",
    NAMED: "made by the recipe; whether other settings were changed is not in the record",
    VARIED: "made by the recipe, and changed in what makes the system",
    PERHAPS: "the same task, representation, model and method; its other settings are not in the record",
}
OTHERWISE = {SAME: "; trained otherwise", NAMED: "; known to be changed", VARIED: ""}
SPEEDS = {"latency/offline_rtf": "a whole clip at once", "latency/rtf": "streamed in blocks"}
CHANGES = 8


def entry_view(shown: Shown) -> dict[str, Any]:
    """All that the template needs of an entry, as plain texts and numbers."""
    record = shown.entry.record
    value = record.values.get(record.primary, Value(None, reason="the record has no primary metric"))
    row = make_row(shown.entry, record.primary, value.better)
    title, unit = metric(record.primary, value.unit)
    verdict = VERDICTS.get(row.delta.verdict) if not row.role else None
    return {
        "metric": title[:1].upper() + title[1:],
        "unit": unit,
        "better": {"high": "higher is better", "low": "lower is better"}.get(value.better, ""),
        "value": _text(value),
        "reason": clean(value.reason) if value.value is None else "",
        "verdict": verdict,
        "scale": scale(value, record.baselines.get(record.primary), record.ceilings.get(record.primary)),
        "facts": _facts(shown, row),
        "name": clean(record.provenance.get("name") or "", 60),
        "stands": STANDS[shown.kind] + (OTHERWISE.get(shown.kind, "") if shown.changed else ""),
        "changed": [f"{change.key} {change.own} (recipe: {change.recipe})" for change in _first(shown.changed)],
        "more_changed": max(0, len(shown.changed) - CHANGES),
        "all": [(clean(name, 80), _measured(got)) for name, got in sorted(record.values.items()) if got.value is not None],
    }


def metric(primary: str, unit: str) -> tuple[str, str]:
    """Title and unit of a value: the table's words for it where it has some."""
    own = next((column for column in COLUMNS if primary in column.names), None)
    title = own.title if own else primary.rpartition("/")[2].replace("_", " ") or "primary metric"
    return clean(title.removesuffix(unit).strip(), 60), clean(unit, 20)


def scale(value: Value, baseline: Value | None, ceiling: Value | None) -> dict[str, Any] | None:
    """Places in % from the worst (left) to the best (right); None where one end is not known: how near is near to nothing?"""
    marks = {"value": _number(value), "baseline": _number(baseline), "ceiling": _number(ceiling)}
    if None in marks.values() or value.better not in ("high", "low"):
        return None
    known = [float(mark) for mark in (*marks.values(), *(value.ci or ())) if mark is not None]
    low, high = min(known), max(known)
    if not low < high:
        return None

    def place(x: float) -> float:
        share = (x - low) / (high - low) if value.better == "high" else (high - x) / (high - low)
        return round(4 + 92 * share, 2)

    placed = {name: place(mark) for name, mark in marks.items() if mark is not None}
    said = ", ".join(f"{name} {number(mark)}" for name, mark in marks.items() if mark is not None)
    return {"ci": sorted(map(place, value.ci)) if value.ci else None, "said": f"From worst to best: {said}", **placed}


def _facts(shown: Shown, row: Row) -> list[tuple[str, str, str]]:
    """(title, text, quiet remark) in the page's order."""
    record = shown.entry.record
    axes, provenance = record.axes, record.provenance
    items = test_items(record)
    share = axes.get("share")
    part = f"{share:.3g} of the training data" if isinstance(share, int | float) and share != 1 else ""
    delta = row.cells["delta"]
    facts = [
        ("Baseline", *_cell(record.baselines.get(record.primary))),
        ("Ceiling", *_cell(record.ceilings.get(record.primary))),
        ("Over the baseline", delta.text, delta.reason),
        ("Test items", str(items) if items is not None else ABSENT, _splits(shown.entry.runs[0].record)),
        ("Seeds", f"{len(shown.entry.runs)} ({_seeds(shown)})", row.cells["spread"].text.replace(ABSENT, "")),
        ("Speed", *speed(record)),
        ("Data", clean(axes.get("data") or ABSENT, 60), _listed(_place(shown.entry.runs), fingerprint(record)[:10], part)),
        ("Preset", clean(axes.get("preset") or ABSENT, 40), clean(axes.get("budget") or "", 60)),
        ("Representation", row.cells["representation"].text, ""),
        ("Parameters", row.cells["parameters"].text, row.cells["parameters"].reason),
        ("Trained", row.cells["train"].text, _listed(_steps(provenance), clean(provenance.get("device") or "", 20))),
        ("Date", clean(shown.created[:10]) or ABSENT, ""),
    ]
    return [(title, text, "" if remark == "not in the record" else remark) for title, text, remark in facts]


def speed(record: Record) -> tuple[str, str]:
    """Computing time over audio time, as the probes measured it, and how; or why it was not."""
    why = []
    for name, how in SPEEDS.items():
        value = record.values.get(name)
        got = _number(value)
        if got:
            return f"RTF {number(got)}", f"{number(1 / got)} × real time, {how}, one CPU thread"
        why.append(clean(value.reason) if value and value.reason else "")
    return ABSENT, f"not measured: {reason}" if (reason := next(filter(None, why), "")) else "not measured"


def files(shown: Shown) -> list[str]:
    """Where the records lie, as one may type it."""
    return [clean(_near(run), 200) for run in shown.entry.runs]


def _near(run: Run) -> Path:
    try:
        return run.path.resolve().relative_to(Path.cwd())
    except ValueError:
        return run.path


def _seeds(shown: Shown) -> str:
    return ", ".join(str(seed_of(run.record)) for run in shown.entry.runs)


def _listed(*words: str) -> str:
    return ", ".join(filter(None, words))


def _splits(record: Record) -> str:
    """How test was set apart from training, in the record's words."""
    folds, report = record.provenance.get("folds"), record.provenance.get("data_report")
    if isinstance(folds, list) and folds:
        return f"of {len(folds)} folds, pooled"
    return clean(report.get("splits") or "", 120) if isinstance(report, dict) else ""


def _place(runs: Sequence[Run]) -> str:
    """The last word of the path of the data, where the settings are still there."""
    for run in runs:
        data = (config_of(run).get("settings") or {}).get("data")
        path = data.get("path") if isinstance(data, dict) else None
        if isinstance(path, str) and path:
            return clean(Path(path).name, 60)
    return ""


def _steps(provenance: dict[str, Any]) -> str:
    steps = provenance.get("steps")
    return f"{steps} steps" if isinstance(steps, int) and not isinstance(steps, bool) else ""


def _text(value: Value) -> str:
    return value_cell(value, Column("", "", (), "")).text


def _cell(value: Value | None) -> tuple[str, str]:
    if value is None:
        return ABSENT, "not in the record"
    return _text(value), clean(value.reason) if value.value is None else ""


def _measured(value: Value) -> str:
    items = f" (n = {value.n})" if value.n is not None else ""
    return f"{_text(value)} {clean(value.unit, 20)}{items}".strip()


def _number(value: Value | None) -> float | None:
    got = value.value if value else None
    return float(got) if isinstance(got, int | float) and math.isfinite(got) else None


def _first(changed: Sequence[Change]) -> Sequence[Change]:
    return sorted(changed, key=lambda change: not change.decisive)[:CHANGES]
