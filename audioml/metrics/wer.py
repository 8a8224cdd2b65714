"""Word and character error rate of the whole set: all edits over all reference words (characters).  Counts by rapidfuzz.

Text is compared as it stands, after runs of white space are made one blank; case and spelling are the task's alphabet.
May exceed 1.  The interval resamples items and takes the ratio anew.  The items for pairing are an item's edits over the
mean number of reference words, so that their mean is the corpus rate.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored, UnscoredError, mean

JUDGES = "text"
PACKAGES = ("rapidfuzz",)


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/wer and quality/cer as ratios."""
    return {"quality/wer": Quantity("", "low", combine=mean), "quality/cer": Quantity("", "low", combine=mean)}


def score(items: Items) -> dict[str, Scored]:
    """Rows [n, 2] of (edits, reference length).  Raises UnscoredError when every reference is empty."""
    import numpy as np
    from rapidfuzz.distance import Levenshtein

    def rows(cut) -> Scored:
        pairs = [(cut(t), cut(o)) for t, o in zip(items.targets, items.outputs, strict=True)]
        counts = np.array([(Levenshtein.distance(t, o), len(t)) for t, o in pairs], dtype=np.float64)
        if not counts[:, 1].sum():
            raise UnscoredError("all reference texts are empty")
        return Scored(counts, counts[:, 0] / counts[:, 1].mean())

    return {"quality/wer": rows(str.split), "quality/cer": rows(lambda text: " ".join(text.split()))}
