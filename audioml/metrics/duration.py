"""How far the length of what was said is off: |seconds out - seconds of the target| in per cent of the target's.

For makers of audio that choose the length themselves; silence before and after counts as it stands.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/duration_error in per cent."""
    return {"fidelity/duration_error": Quantity("%", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item."""
    import numpy as np

    want, have = (np.array([np.shape(x)[-1] for x in xs], np.float64) for xs in (items.targets, items.outputs))
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = np.where(want > 0, 100 * np.abs(have - want) / want, np.nan)
    return {"fidelity/duration_error": Scored(rows, rows)}
