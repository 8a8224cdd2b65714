"""SI-SDR (Le Roux et al. 2019), without mean subtraction, and its improvement over the unprocessed input.  By fast_bss_eval.

Scale-invariant: a wrong gain costs nothing.  A silent target has no SI-SDR: the item (or stem) is left out and counted.
A silent output scores -60 dB, a perfect copy 100 dB.  Unnamed stems are matched to the best order first.
"""

from __future__ import annotations

from typing import Any

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ("fast_bss_eval",)


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/si_sdr[_improvement[_STEM]] in dB."""
    from audioml.metrics._audio import ratio_quantities

    return ratio_quantities(items, "si_sdr")


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    from fast_bss_eval import si_sdr

    from audioml.metrics._audio import ROOF, ratio_scores

    def measure(target: Any, estimate: Any) -> Any:  # the library fails on an infinite ratio; ratio_scores cuts at the roof
        return si_sdr(target[:, None], estimate[:, None], clamp_db=ROOF + 10)[:, 0]

    return ratio_scores(items, "si_sdr", measure)
