"""Making the next batches while the present one is used: one thread, a bounded queue, no worker processes.

Over a memory-mapped tape worker processes are 2-5 times slower than this: handing a batch over costs more than making it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def prefetch(make: Callable[[int], T], steps: range, depth: int = 2) -> Iterator[T]:
    """Yield ``make(step)`` for each of `steps`, made ahead in a thread by at most `depth` (and one in the making).

    An exception in `make` is raised here, at the step it belongs to.  The thread ends when the iterator is exhausted,
    closed or collected.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def work() -> None:
        for step in steps:
            try:
                ready.put((make(step), None))
            except BaseException as error:  # it is raised again where the batch is asked for
                ready.put((None, error))
                return
            if stop.is_set():
                return

    thread = threading.Thread(target=work, name="audioml-prefetch", daemon=True)
    thread.start()
    try:
        for _ in steps:
            value, error = ready.get()
            if error is not None:
                raise error
            yield value  # type: ignore[misc]
    finally:
        stop.set()
        while thread.is_alive():
            while not ready.empty():  # a full queue would hold the thread
                ready.get_nowait()
            thread.join(0.01)
