"""One thread ahead: in order, bounded, honest about errors, gone when it should be."""

from __future__ import annotations

import threading
import time

import pytest

from audioml.data.prefetch import prefetch


def threads() -> int:
    return sum(thread.name == "audioml-prefetch" for thread in threading.enumerate())


def test_order_and_end() -> None:
    assert list(prefetch(lambda k: k * k, range(3, 40))) == [k * k for k in range(3, 40)]
    assert list(prefetch(lambda k: k, range(0))) == []
    assert threads() == 0


def test_it_is_ahead_but_not_far() -> None:
    made: list[int] = []
    steps = prefetch(lambda k: made.append(k) or k, range(100), depth=2)
    assert next(steps) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]
    steps.close()
    assert threads() == 0


def test_an_error_arrives_at_its_step() -> None:
    steps = prefetch(lambda k: 1 / (3 - k), range(10))
    assert [next(steps) for _ in range(3)] == pytest.approx([1 / 3, 1 / 2, 1.0])
    with pytest.raises(ZeroDivisionError):
        next(steps)
    assert threads() == 0


def test_a_dropped_iterator_takes_its_thread_along() -> None:
    steps = prefetch(lambda k: k, range(1000))
    next(steps)
    assert threads() == 1
    del steps
    assert threads() == 0
