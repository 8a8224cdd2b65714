"""SDR of BSS Eval v3 (a distortion filter of 512 taps is forgiven), and its improvement.  By fast_bss_eval, 10 CG steps.

The conjugate-gradient solution is within 1e-3 dB of the exact one (../shared/PERFORMANCE.md §6) at five times its speed.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ("fast_bss_eval",)
TAPS, STEPS = 512, 10


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/sdr[_improvement[_STEM]] in dB."""
    from audioml.metrics._audio import ratio_quantities

    return ratio_quantities(items, "sdr")


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    import torch
    from fast_bss_eval import sdr

    from audioml.metrics._audio import ratio_scores

    def measure(target, estimate):  # the numpy back end is five times slower here
        t, e = (torch.from_numpy(x)[:, None] for x in (target, estimate))
        return sdr(t, e, filter_length=TAPS, use_cg_iter=STEPS, load_diag=1e-10)[:, 0].numpy()

    return ratio_scores(items, "sdr", measure)
