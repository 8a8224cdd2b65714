"""Descriptions in words: exact match, F1 of the words, and BLEU-4 of the whole set (Papineni et al. 2002).

Words are what white space separates, in lower case, without punctuation at their ends.  Word F1 ignores order.  BLEU: clipped
precisions of one to four words in a row, geometric mean, brevity penalty; zero where no four words in a row are right.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "text"
PACKAGES = ()
LONGEST = 4


def words(text: str) -> list[str]:
    """Lower-case words without the punctuation at their ends."""
    cut = (word.strip(".,;:!?\"'()[]") for word in text.lower().split())
    return [word for word in cut if word]


def bleu(sums: np.ndarray) -> np.ndarray:
    """Sums [..., 10] of hits and answers of 1 … 4 words in a row, and lengths of answer and target -> BLEU-4 [...]."""
    import numpy as np

    hits, answers = sums[..., :LONGEST], sums[..., LONGEST : 2 * LONGEST]
    length, wanted = sums[..., -2], sums[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(hits / np.maximum(answers, 1)).mean(-1))
        brevity = np.where(length < wanted, np.exp(1 - wanted / length), 1.0)
    return np.where(hits.min(-1) > 0, precision * brevity, 0.0)


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/token_f1, quality/bleu4 and quality/exact_match, 0 … 1."""
    return {
        "quality/token_f1": Quantity("", "high"),
        "quality/bleu4": Quantity("", "high", combine=bleu),
        "quality/exact_match": Quantity("", "high", share=True),
    }


def _runs(tokens: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))


def score(items: Items) -> dict[str, Scored]:
    """One row per item; an empty answer to an empty target is right."""
    import numpy as np

    f1, exact, counts = (np.zeros((len(items), k)) for k in (1, 1, 2 * LONGEST + 2))
    for i, (target, output) in enumerate(zip(items.targets, items.outputs, strict=True)):
        t, o = words(target), words(output)
        for k in range(LONGEST):
            own, wanted = _runs(o, k + 1), _runs(t, k + 1)
            counts[i, k], counts[i, LONGEST + k] = (own & wanted).total(), own.total()
        counts[i, -2:] = len(o), len(t)
        f1[i] = 2 * counts[i, 0] / (len(o) + len(t)) if o or t else 1.0
        exact[i] = o == t
    return {
        "quality/token_f1": Scored(f1[:, 0], f1[:, 0]),
        "quality/bleu4": Scored(counts),
        "quality/exact_match": Scored(exact[:, 0], exact[:, 0]),
    }
