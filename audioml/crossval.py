"""Cross-validation: one run per fold, done ones skipped, and what they found pooled over all items.

A fold is a plain run with ``data.fold_column`` and ``data.test_fold``, so each can be repeated by itself.  Every item is judged
once, by the system that did not see its group; the interval is over items, not over folds or seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audioml.errors import RequestError
from audioml.provenance import signature
from audioml.records import Items, Record, Value, Values
from audioml.sweep import Job, compose, run

OWN = ("by", "folds", "out")


@dataclass(frozen=True)
class Pooled:
    """All folds together: values with intervals, the same of the baseline, numbers per item and the items' names."""

    values: Values
    baselines: Values
    items: Items
    baseline_items: Items
    names: list[str]
    folds: list[dict[str, Any]]


def main(arguments: Sequence[str]) -> None:
    """``by=COLUMN [folds=K] [out=FILE] [axis=NAME …]``: without `folds` every value of the column is a fold."""
    given = dict(a.partition("=")[::2] for a in arguments if a.partition("=")[0] in OWN)
    rest = [a for a in arguments if a.partition("=")[0] not in OWN]
    if not given.get("by"):
        raise RequestError("crossval needs by=COLUMN, the column of the data whose values stay together (song, speaker, fold)")
    if any(a.startswith(("data.fold_column=", "data.test_fold=")) for a in rest):
        raise RequestError("crossval sets data.fold_column and data.test_fold itself: by=COLUMN, folds=K")
    count = _number(given.get("folds"))
    folds = dealt(column_of(rest, given["by"]), count, given["by"])
    records, begin = [], time.time()
    for k, fold in enumerate(folds, 1):
        job = [*rest, f"data.fold_column={given['by']}", f"data.test_fold={_listed(fold)}"]
        left = f", about {(time.time() - begin) / (k - 1) * (len(folds) - k + 1) / 60:.0f} min left" if k > 1 else ""
        print(f"[{k}/{len(folds)}{left}] test: {', '.join(fold)}", flush=True)
        ended = run(Job(tuple(job)))
        print(f"    {ended.said}", flush=True)
        if ended.record is None:
            raise RequestError(f"fold {k} is not done ({ended.said}); the same command goes on from there")
        records.append(ended.record)
    pooled = pool(records)
    print("\n".join(report(records[0].primary, pooled)))
    if given.get("out"):
        as_record(records[0], pooled).write(Path(given["out"]))
        print(f"written: {given['out']}")


def _number(said: str | None) -> int | None:
    if said is None:
        return None
    if not said.isdigit() or int(said) < 2:
        raise RequestError(f"folds={said} should be a whole number, two or more")
    return int(said)


def _listed(fold: Sequence[str]) -> str:
    """Values as Hydra reads a list of texts."""
    return "[" + ",".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in fold) + "]"


def column_of(job: Sequence[str], column: str) -> list[str]:
    """The column's value of every row of the data, in the table's order.  RequestError where there is none."""
    request = compose(list(job))
    table = getattr(request.corpus, "table", None)
    if table is None:
        raise RequestError(f"data={request.names['data']} has no table to divide; data=folder and data=hub have")
    found = table(request.plan.task)
    if column not in found.columns:
        raise RequestError(f"by={column} is not a column of {found.where}; the columns are {', '.join(found.columns)}")
    return [row.get(column, "") for row in found.rows]


def dealt(values: Sequence[str], folds: int | None, column: str) -> list[list[str]]:
    """The values of a column in `folds` hands, dealt in their order of appearance (None: each alone, sorted).

    Rows without a value are never tested.  Dealing in order spreads the sets of a folder evenly over the folds.
    """
    apart = list(dict.fromkeys(v for v in values if v))
    if len(apart) < (folds or 2):
        raise RequestError(f"column '{column}' has {len(apart)} value(s), too few for {folds or 2} folds")
    return [[v] for v in sorted(apart)] if folds is None else [apart[k::folds] for k in range(folds)]


def pool(records: Sequence[Record]) -> Pooled:
    """Items of all folds, one after the other; a value is their mean, or, where it is no mean of items (WER), that of the folds."""
    names = [name for r in records for name in r.provenance.get("test_items", [])]
    items, floor = ({k: _joined(records, which, k) for k in _keys(records, which)} for which in ("items", "baseline_items"))
    folds = [
        {
            "folder": r.provenance.get("folder", ""),
            "signature": r.signature,
            "splits": r.provenance.get("data_report", {}).get("splits", ""),
            "train_s": r.provenance.get("train_s"),
            "value": r.values[r.primary].value if r.primary in r.values else None,
        }
        for r in records
    ]
    values = {k: value_of(k, x, [(r.values, r.items) for r in records]) for k, x in items.items()}
    baselines = {k: value_of(k, x, [(r.baselines, r.baseline_items) for r in records]) for k, x in floor.items()}
    return Pooled(values, baselines, items, floor, names, folds)


def value_of(key: str, numbers: Sequence[float | None], folds: Sequence[tuple[Values, Items]]) -> Value:
    """One quantity over all folds, each given as its values and items."""
    found = [(values[key], [x for x in items[key] if x is not None]) for values, items in folds if key in values]
    kind = found[0][0] if found else Value(None)
    known = [(float(v.value), v.n or 0, own) for v, own in found if isinstance(v.value, int | float) and own]
    if all(math.isclose(value, sum(own) / len(own), rel_tol=1e-4, abs_tol=1e-6) for value, _, own in known):
        return mean_of(numbers, kind)
    n = sum(count for _, count, _ in known)
    total = sum(value * count for value, count, _ in known)
    return Value(total / n if n else None, kind.unit, kind.better, n=n, reason="mean over the folds: it is no mean of items")


def _keys(records: Sequence[Record], which: str) -> list[str]:
    """The quantities that every fold has."""
    tables = [getattr(r, which) for r in records]
    return [k for k in tables[0] if all(k in t for t in tables)]


def _joined(records: Sequence[Record], which: str, key: str) -> list[float | None]:
    return [x for r in records for x in getattr(r, which)[key]]


def mean_of(numbers: Sequence[float | None], kind: Value) -> Value:
    """Mean over the items that have a number, with its interval."""
    import numpy as np

    from audioml.metrics import interval

    kept = np.asarray([x for x in numbers if x is not None], np.float64)
    if not len(kept):
        return Value(None, kind.unit, kind.better, reason="no item has it")
    share = not kind.unit and bool(np.isin(kept, (0.0, 1.0)).all())  # an accuracy
    ci = interval(np.stack([kept, np.ones_like(kept)], 1), share=share)
    return Value(float(kept.mean()), kind.unit, kind.better, n=len(kept), ci=ci)


def report(primary: str, pooled: Pooled) -> list[str]:
    """Every pooled number beside its baseline, then the primary one per group of items and per item."""
    from audioml.metrics import paired

    lines = [f"\npooled over {len(pooled.folds)} folds, {len(pooled.names)} items (95 % intervals over items):"]
    for key, value in pooled.values.items():
        line = f"  {key} {_said(value)}"
        if key in pooled.baseline_items:
            gap = paired(pooled.items[key], pooled.baseline_items[key])
            span = f" [{gap.ci[0]:.3g}, {gap.ci[1]:.3g}]" if gap.ci else ""
            line += f"   baseline {_said(pooled.baselines[key])}   difference {gap.difference:.3g}{span}" if gap.n else ""
        lines.append(line)
    if len(pooled.names) == len(pooled.items.get(primary, [])):
        for folder, places in _sets(pooled.names).items():
            of_set = mean_of([pooled.items[primary][i] for i in places], pooled.values[primary])
            lines.append(f"  {folder or 'all'}: {primary} {_said(of_set)}")
        lines += [f"    {name:40} " + _row(pooled, i) for i, name in enumerate(pooled.names)] if len(pooled.names) <= 60 else []
    known = [f["train_s"] for f in pooled.folds if f["train_s"] is not None]
    lines.append(f"  trained {min(known):.0f} to {max(known):.0f} s a fold" if known else "  nothing was trained")
    return lines


def _sets(names: Sequence[str]) -> dict[str, list[int]]:
    """Items by the first folder of their name."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        found.setdefault(name.partition("/")[0] if "/" in name else "", []).append(i)
    return found


def _said(value: Value) -> str:
    if value.value is None:
        return "–"
    span = f" [{value.ci[0]:.3g}, {value.ci[1]:.3g}]" if value.ci else ""
    return f"{value.value:.3g}{' ' + value.unit if value.unit else ''}{span} (n={value.n})"


def _row(pooled: Pooled, i: int) -> str:
    """One item's numbers, by the last word of their names."""
    known = {k.partition("/")[2]: x[i] for k, x in pooled.items.items()}
    return "  ".join(f"{k} {v:.2f}" if v is not None else f"{k} –" for k, v in known.items())


def as_record(first: Record, pooled: Pooled) -> Record:
    """The pooled numbers as one record (`out=`); its provenance names each fold's run, split and training time."""
    signed = signature(first.axes, {"folds": [fold["signature"] for fold in pooled.folds]})
    kept = {k: v for k, v in first.provenance.items() if k in ("created", "git", "versions", "host", "cpu", "threads", "device")}
    return Record(
        signed, first.axes, pooled.values, pooled.baselines, items=pooled.items, baseline_items=pooled.baseline_items,
        primary=first.primary, provenance={**kept, "folds": pooled.folds, "test_items": pooled.names},
    )  # fmt: skip
