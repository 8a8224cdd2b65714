"""What a run leaves behind: Value, Record, and how they are read and written.  No torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """A measured number, or the reason why there is none.

    `better` is "high", "low" or "" (a description, not a merit); `ci` a 95 % interval; `n` the number of items.
    """

    value: float | str | None
    unit: str = ""
    better: str = ""
    n: int | None = None
    ci: tuple[float, float] | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The shape of DESIGN's record.json: ``reason`` only where nothing was measured."""
        out: dict[str, Any] = {"value": self.value, "unit": self.unit, "better": self.better, "n": self.n}
        out["ci"] = list(self.ci) if self.ci else None
        if self.reason:
            out["reason"] = self.reason
        return out


def not_measured(reason: str, unit: str = "", better: str = "") -> Value:
    """A value that says why it is absent."""
    return Value(None, unit, better, reason=reason)
