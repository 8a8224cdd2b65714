"""What trivial predictors know of the training data: a few numbers per port, gathered once over all its values.  Numpy only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from audioml.kinds import Curve, Label, Notes, Tags, Text, World
from audioml.lazy import LazyModule

np = LazyModule("numpy")


def gather(world: World, values: Sequence[Any]) -> dict[str, Any]:
    """`values`: the port's training items as a Clip holds them, without the batch axis.

    Label  {"majority": index}          Text  {"common": the most frequent text; of several the one whose words
    are the most frequent, then the shortest}
    Tags   {"prior": [share per class]}  Curve {"median": of the first value where it is not 0, "voiced": share
    of values that are not 0, "near": share within 50 cents of the median}
    Notes  {"bigram": counts [voices, phases, before, now]} where they lie on a grid with voices
    Other kinds, and no values: {}.
    """
    found = _GATHER.get(type(world))
    return found(world, values) if found is not None and len(values) else {}


def _label(world: Label, values: Sequence[Any]) -> dict[str, Any]:
    return {"majority": int(np.bincount(np.asarray(values, np.int64)).argmax())}


def _tags(world: Tags, values: Sequence[Any]) -> dict[str, Any]:
    return {"prior": np.mean([np.asarray(v, np.float64) for v in values], 0).tolist()}


def _text(world: Text, values: Sequence[str]) -> dict[str, Any]:
    counts = Counter(values)
    seen = Counter(word for text in values for word in set(text.split()))

    def rank(text: str) -> tuple[Any, ...]:
        words = text.split()
        return -counts[text], -sum(seen[word] for word in words) / max(len(words), 1), len(text), text

    return {"common": min(counts, key=rank)}


def _curve(world: Curve, values: Sequence[Any]) -> dict[str, Any]:
    whole = np.concatenate([np.asarray(v)[0] for v in values])
    held = whole[whole > 0]
    if not len(held):
        return {"median": 0.0, "voiced": 0.0, "near": 0.0}
    median = float(np.median(held))
    near = np.abs(1200 * np.log2(held / median)) < 50
    return {"median": median, "voiced": len(held) / len(whole), "near": float(near.sum()) / len(whole)}


def _notes(world: Notes, values: Sequence[Any]) -> dict[str, Any]:
    from audioml.metrics._voices import bigram_counts, on_grid

    return {"bigram": bigram_counts(list(values), world)} if on_grid(world) else {}


_GATHER: dict[type, Callable[[Any, Sequence[Any]], dict[str, Any]]] = {
    Label: _label, Tags: _tags, Text: _text, Curve: _curve, Notes: _notes,
}  # fmt: skip
