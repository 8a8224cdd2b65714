"""Notes by mir_eval: F-measure of notes whose onset (50 ms) and pitch (50 cents) are right, and whose offset is right too
(within 50 ms or a fifth of the note's length).

Voices and velocities are not judged.  Clips without a note in the target are left out and counted.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "notes"
PACKAGES = ("mir_eval",)


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/note_f and quality/note_offset_f, 0 … 1."""
    return {"quality/note_f": Quantity("", "high"), "quality/note_offset_f": Quantity("", "high")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item and number."""
    import warnings
    from collections import Counter

    import numpy as np
    from mir_eval.transcription import precision_recall_f1_overlap as judge

    def taken(notes):
        notes = np.asarray(notes, np.float64)
        start = np.maximum(notes[0], 0)
        intervals = np.stack([start, np.maximum(notes[1], start + 1e-3)], 1)
        return intervals, 440 * 2 ** ((notes[2] - 69) / 12)

    rows = np.full((len(items), 2), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row, target, output in zip(rows, items.targets, items.outputs, strict=True):
            if target.shape[-1]:
                both = (*taken(target), *taken(output))
                row[:] = [judge(*both, offset_ratio=ratio)[2] for ratio in (None, 0.2)]
    empty = Counter({"no note in the target": int(np.isnan(rows[:, 0]).sum())})
    return {key: Scored(rows[:, k], rows[:, k], empty) for k, key in enumerate(quantities(items))}
