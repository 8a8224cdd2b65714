"""Which rows cannot be told apart, for every pair of a section at once."""

from __future__ import annotations

from collections.abc import Sequence

FEWEST = 5  # as in table/paired.py: below this no interval is evidence


def tied(items: Sequence[Sequence[float | None]]) -> list[str]:
    """For each row a text with one letter per row: "1" not distinguishable, "0" different, "?" not testable.

    `items` are the primary metric's numbers per test item of each row, in the same order of items.  Two rows are tied when
    the 95 % t interval of their mean paired difference holds zero.  A t interval, because all pairs of 200 rows are wanted
    whenever a file changes; where a row is set against its baseline the table uses the BCa bootstrap.
    """
    import numpy as np
    from scipy.special import stdtrit  # the t quantile; scipy.stats takes a second to import

    longest = max(map(len, items), default=0)
    whole = np.full((len(items), longest), np.nan)
    for place, numbers in enumerate(items):
        whole[place, : len(numbers)] = [np.nan if n is None else n for n in numbers]
    sizes = np.array([len(numbers) for numbers in items])
    out = []
    for place, own in enumerate(whole):
        both = np.isfinite(own) & np.isfinite(whole)
        gap = np.where(both, own - whole, 0.0)
        n = both.sum(1)
        mean = gap.sum(1) / np.maximum(n, 1)
        spread = np.sqrt(np.where(both, (gap - mean[:, None]) ** 2, 0).sum(1) / np.maximum(n - 1, 1) / np.maximum(n, 1))
        same = np.abs(mean) <= stdtrit(np.maximum(n - 1, 1), 0.975) * spread
        known = (n >= FEWEST) & (sizes == sizes[place])
        known[place] = True
        same[place] = True
        out.append("".join(np.where(known, np.where(same, "1", "0"), "?")))
    return out
