"""What was computed of an array before, by its content: the runs of a sweep judge and draw the same test items again and again.

A result is kept for equal arguments only, array by array and byte by byte, so that a run in a process that did others before it
gives what it would give alone.  Old results go when there are too many.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
BYTES = 16 * 2**20  # that each function keeps: some hundred clips; test sets beyond that are computed anew


def remembered(function: F) -> F:
    """`function` of numpy arrays and hashable values, pure, that gives one array or several; nobody may write to them."""
    kept: OrderedDict[Any, Any] = OrderedDict()
    lock, size = threading.Lock(), 0

    @functools.wraps(function)
    def once(*given: Any) -> Any:
        nonlocal size
        key = tuple(_key(x) for x in given)
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = function(*given)
        with lock:
            size += 0 if key in kept else _size(made)
            kept[key] = made
            while size > BYTES:
                size -= _size(kept.popitem(last=False)[1])
        return made

    once.kept = kept  # type: ignore[attr-defined]
    return once  # type: ignore[return-value]


def _key(x: Any) -> Any:
    """An array's type, shape and digest; anything else is itself."""
    if not hasattr(x, "tobytes"):
        return type(x), x
    return x.dtype.str, x.shape, hashlib.blake2b(x.tobytes(), digest_size=16).digest()


def _size(made: Any) -> int:
    return sum(map(_size, made)) if isinstance(made, tuple) else made.nbytes
