"""What the metrics of points in time share: the times of one kind, and how much of a clip counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audioml.metrics._base import Items, Scored

if TYPE_CHECKING:
    import numpy as np

START = 5.0  # s that do not count, since a listener has no pulse yet (Davies et al. 2009, as mir_eval trims) …
LEAST = 4  # … unless fewer beats of the reference than this would be left


def times_of(events: np.ndarray, kinds: set[int]) -> np.ndarray:
    """Events [2, M] -> times [K] in s of any of `kinds`, in order, those within a millisecond taken as one."""
    import numpy as np

    times = np.sort(events[0][np.isin(np.rint(events[1]), list(kinds))].astype(np.float64))
    times = times[times >= 0]
    return times[np.diff(times, prepend=-1.0) > 1e-3]


def trimmed(target: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without the first seconds, where enough of the target remains."""
    if int((target >= START).sum()) < LEAST:
        return target, output
    return target[target >= START], output[output >= START]


def per_item(items: Items, kinds: set[int], what: str, judge: Callable[[np.ndarray, np.ndarray], list[float]]) -> list[Scored]:
    """`judge(target, output) -> numbers` for every item; items whose target has no such event are left out and counted."""
    import numpy as np

    rows: list[Any] = []
    empty = 0
    for target, output in zip(items.targets, items.outputs, strict=True):
        t, o = times_of(np.asarray(target), kinds), times_of(np.asarray(output), kinds)
        rows.append(judge(t, o) if len(t) else None)
        empty += not len(t)
    width = max((len(r) for r in rows if r is not None), default=1)
    table = np.asarray([r if r is not None else [np.nan] * width for r in rows], np.float64)
    return [Scored(column, column, Counter({f"no {what} in the target": empty})) for column in table.T]
