"""Pitch over time by mir_eval.melody (Salamon et al. 2014): 50 cents are right, 0 Hz is unvoiced.

Raw pitch accuracy is the share of the target's voiced values whose pitch is right, wherever the output says voiced; voicing
recall and false alarm are shares of the voiced and the unvoiced values called voiced; overall accuracy counts both.  An output
that is shorter than its target is unvoiced in the rest.  Only the first value of the curve is judged.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "curve"
PACKAGES = ("mir_eval",)
KEYS = {
    "quality/overall_accuracy": "high",
    "quality/raw_pitch_accuracy": "high",
    "quality/voicing_recall": "high",
    "quality/voicing_false_alarm": "low",
}


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/overall_accuracy, raw_pitch_accuracy, voicing_recall and voicing_false_alarm, 0 … 1."""
    return {key: Quantity("", better) for key, better in KEYS.items()}


def score(items: Items) -> dict[str, Scored]:
    """One row per item; accuracy of the pitch and recall are not defined without a voiced value, false alarms without an
    unvoiced one."""
    import warnings
    from collections import Counter

    import numpy as np
    from mir_eval import melody

    rows = np.full((len(items), 4), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, target, output in zip(rows, items.targets, items.outputs, strict=True):
            hz = np.zeros((2, target.shape[-1]))
            hz[0] = target[0]
            shared = min(target.shape[-1], output.shape[-1])
            hz[1, :shared] = output[0, :shared]
            voicing, cents = hz > 0, [melody.hz2cents(f) for f in hz]
            if voicing.shape[1]:
                row[0] = melody.overall_accuracy(voicing[0], cents[0], voicing[1], cents[1])
            recall, alarm = melody.voicing_measures(voicing[0], voicing[1]) if voicing.shape[1] else (np.nan, np.nan)
            if voicing[0].any():
                row[1] = melody.raw_pitch_accuracy(voicing[0], cents[0], voicing[1], cents[1])
                row[2] = recall
            if (~voicing[0]).any():
                row[3] = alarm
    why = ("no value", "nothing voiced in the target", "nothing voiced in the target", "nothing unvoiced in the target")
    return {key: Scored(c, c, Counter({w: int(np.isnan(c).sum())})) for key, c, w in zip(KEYS, rows.T, why, strict=True)}
