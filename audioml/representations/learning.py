"""What the representations of text share that learn from the training data: reading its texts once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audioml.corpus import Prepared

ITEMS = 32  # per batch
MOST = 4096  # items that are looked at


def batches(prepared: Prepared, seed: int) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Whole training items, about as many as there are (each once, as an epoch goes), at most MOST."""
    wanted = min(prepared.size("train"), MOST)
    for step in range(-(-wanted // ITEMS)):
        yield prepared.train_batch(step, ITEMS, None, seed)


def texts(prepared: Prepared, port: str, seed: int) -> list[str]:
    """The distinct texts of `port`, sorted, so that what is learnt does not depend on the order of the data."""
    return sorted({text for batch in batches(prepared, seed) for text in batch[port][0]})
