"""Which rows cannot be told apart, for every pair of a section: what a query needs, whose winner need not be the table's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audioml import stats

if TYPE_CHECKING:
    import numpy as np

LETTERS = {stats.TIE: "1", stats.BETTER: "0", stats.WORSE: "0", stats.UNTESTED: "?"}


def tied(rows: Sequence[stats.Seeds], pairs: Mapping[tuple[int, int], stats.Contrast]) -> list[str]:
    """For each row a text with one letter per row: "1" not distinguishable, "0" different, "?" not testable.

    That is the verdict of ``audioml.stats.compare``, given as `pairs` of places in `rows`, after Holm over all.  Where two rows
    share one seed alone there is no verdict on the rows: "t" and "d" then say whether these two trained networks tie or differ over
    the test items (the 95 % t interval of the mean paired difference holds zero, or does not).
    """
    letters = [["1" if i == j else "?" for j in range(len(rows))] for i in range(len(rows))]
    alone = _one_seed(rows)
    for (i, j), found in pairs.items():
        letters[i][j] = letters[j][i] = alone[i][j] if found.verdict == stats.ONE_SEED else LETTERS[found.verdict]
    return ["".join(row) for row in letters]


def _one_seed(rows: Sequence[stats.Seeds]) -> list[list[str]]:
    """"t" or "d" for every two rows that share one seed; all pairs of 200 rows at once."""
    import numpy as np
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    out = [["?"] * len(rows) for _ in rows]
    for seed in sorted({seed for row in rows for seed in row}):
        places = [place for place, row in enumerate(rows) if row.get(seed)]
        for size in {len(rows[place][seed]) for place in places}:
            alike = [place for place in places if len(rows[place][seed]) == size]
            x = np.array([rows[place][seed] for place in alike], dtype=np.float64)
            for place, own in zip(alike, x, strict=True):
                mean, error, n = _paired(own, x)
                same = np.abs(mean) <= stdtrit(np.maximum(n - 1, 1), 0.975) * error
                for other, known, tie in zip(alike, n >= stats.FEWEST, same, strict=True):
                    out[place][other] = "?" if not known else "t" if tie else "d"
    return out


def _paired(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean difference to each of `others` [R, I], its standard error, and the number of items that both have."""
    import numpy as np

    both = np.isfinite(own) & np.isfinite(others)
    gap = np.where(both, own - others, 0.0)
    n = both.sum(1)
    mean = gap.sum(1) / np.maximum(n, 1)
    squares = np.where(both, (gap - mean[:, None]) ** 2, 0).sum(1)
    return mean, np.sqrt(squares / np.maximum(n - 1, 1) / np.maximum(n, 1)), n
