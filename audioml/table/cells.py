"""How one number is written.  A cell holds the text that people read and the number that sorts."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from audioml.records import Value
from audioml.table.columns import CONVERT, Column

ABSENT = "–"
UNASKED = "not in the record"  # the reason of a cell whose value no probe speaks of


@dataclass(frozen=True)
class Cell:
    """`text` as shown, `value` as sorted and exported, `reason` why there is none (or a remark)."""

    text: str
    value: float | str | None = None
    ci: tuple[float, float] | None = None
    reason: str = ""
    mark: str = ""  # a style: "good", "bad", "" …


def clean(text: Any, longest: int = 400) -> str:
    """One line of printable text: a record may hold terminal codes, line breaks or right-to-left overrides."""
    flat = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in str(text)[: 4 * longest])
    flat = " ".join(flat.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def few(names: Iterable[str], most: int = 6) -> str:
    """The first `most` of `names`, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def number(value: float, size: float | None = None) -> str:
    """Three significant digits, or two decimals from 1 on: 0.00123, 0.120, 5.31, 31.25, 1234; `size` sets the decimals."""
    size = abs(value) if size is None else size
    if size == 0:
        return "0"
    if size >= 1e6 or size < 1e-4:
        return f"{value:.2e}"
    decimals = next((digits for least, digits in ((1000, 0), (100, 1), (1, 2)) if size >= least), None)
    return f"{value:.{2 - math.floor(math.log10(size)) if decimals is None else decimals}f}"


def with_interval(value: float, ci: tuple[float, float], plus: bool = False) -> str:
    """``5.31 [4.90, 5.72]``, all three to the same decimals."""
    size = max(abs(value), abs(ci[0]), abs(ci[1]))
    sign = "+" if plus and value > 0 else ""
    return f"{sign}{number(value, size)} [{number(ci[0], size)}, {number(ci[1], size)}]"


def count(value: float) -> str:
    """1234 -> 1.23 k; up to P."""
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.0f}"


def _bytes(value: float) -> str:
    for power, prefix in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if abs(value) >= 2**power:
            return f"{value / 2**power:.3g} {prefix}"
    return f"{value:.0f} B"


def _duration(value: float) -> str:
    if value < 100:
        return f"{value:.1f} s"
    if value < 6000:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


FORMS: dict[str, Callable[[float], str]] = {
    "number": number,
    "text": number,
    "delta": number,
    "count": count,
    "integer": lambda value: f"{value:.0f}",
    "bytes": _bytes,
    "duration": _duration,
}


def value_cell(value: Value, column: Column) -> Cell:
    """The cell of a measured value, in the column's unit; the interval follows where there is one."""
    if value.value is None:
        return Cell(ABSENT, reason=clean(value.reason or "not measured"))
    if isinstance(value.value, str):
        return Cell(clean(value.value, 80), clean(value.value, 80), reason=clean(value.reason))
    form, factor = FORMS[column.form], CONVERT.get((value.unit, column.unit), 1.0)
    got = float(value.value) * factor
    if not math.isfinite(got):
        return Cell(ABSENT, reason="not finite")
    ci = (value.ci[0] * factor, value.ci[1] * factor) if value.ci else None
    text = with_interval(got, ci) if ci and form is number else form(got)
    if value.reason.startswith("at least"):  # so a probe says that the number is only a bound
        text = f"≥ {text}"
    return Cell(text, got, ci, clean(value.reason))


def plain_cell(raw: Any, column: Column) -> Cell:
    """The cell of an axis or a provenance entry: whatever JSON may hold."""
    if raw is None or raw == "":
        return Cell(ABSENT, reason=UNASKED)
    if isinstance(raw, bool | str) or not isinstance(raw, int | float):
        return Cell(clean(raw, 80), clean(raw, 80))
    return value_cell(Value(raw), column)
