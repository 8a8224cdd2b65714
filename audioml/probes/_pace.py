"""How fast a stream takes its blocks, and what it remembers meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, median, quantiles
from typing import Any

from torch import Tensor, nn

from audioml.probes._base import Ear

WARM_UP, LONG_MS = 3, 100  # blocks; one of them where blocks are long
FEWEST, MOST_SECONDS = 20, 0.3  # blocks that are timed, if they take no longer; a small budget is shorter still


@dataclass(frozen=True)
class Pace:
    """Computing time per block of `samples`, in ms."""

    samples: int
    p50: float
    p95: float
    mean: float
    n: int


def pace_of(system: Any, ear: Ear, samples: int, fewest: int = FEWEST, seconds: float = MOST_SECONDS) -> Pace:
    """A fresh stream's computing time per block of `samples`: at least `fewest` of them and a third of `seconds`, but not more than
    `seconds`, if that gives five.  CPU time of this thread: another process on the machine does not count."""
    stream = system.stream(1)
    blocks = ear.noise(8 * samples).split(samples, -1)
    warm_up = WARM_UP if 1000 * samples < LONG_MS * ear.rate else 1
    times: list[float] = []
    spent = 0.0
    for k in range(100_000):
        block = ear.split(blocks[k % len(blocks)])
        start = time.thread_time()
        stream.push(block)
        took = time.thread_time() - start
        if k >= warm_up:
            times.append(1000 * took)
            spent += took
        if (len(times) >= fewest and spent >= seconds / 3) or (len(times) >= 5 and spent >= seconds):
            break
    return Pace(samples, median(times), quantiles(times, n=20, method="inclusive")[-1], mean(times), len(times))


def smallest_block(system: Any, ear: Ear, block: int, largest: int, seconds: float) -> tuple[Pace | None, Pace]:
    """The smallest multiple of `block`, up to `largest` samples, whose p95 stays below its own duration (None: there is none, or
    none was found in about so many seconds), and the last one tried.  Doubling, then bisection: a larger block is taken to be
    relatively cheaper."""

    def keeps_up(pace: Pace) -> bool:
        return pace.p95 < 1000 * pace.samples / ear.rate

    begun, most = time.thread_time(), min(MOST_SECONDS, seconds)
    count, tried = 1, pace_of(system, ear, block, seconds=most)
    while not keeps_up(tried):
        if 2 * count * block > largest or time.thread_time() - begun > seconds:
            return None, tried
        count, tried = 2 * count, pace_of(system, ear, 2 * count * block, seconds=most)
    best, low = tried, count // 2
    while count - low > 1:
        middle = (low + count) // 2
        tried = pace_of(system, ear, middle * block, seconds=most)
        if keeps_up(tried):
            best, count = tried, middle
        else:
            low = middle
    return best, tried


def remembered(stream: Any) -> int:
    """Bytes of all tensors and arrays that a stream holds, beside the weights: whole storages, views share theirs."""
    sizes: dict[int, int] = {}
    seen: set[int] = set()

    def walk(thing: Any) -> None:
        if isinstance(thing, nn.Module | type | str | bytes | int | float | None) or id(thing) in seen:
            return
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            storage = thing.untyped_storage()
            sizes[storage._cdata] = storage.nbytes()
        elif isinstance(getattr(thing, "nbytes", None), int):
            sizes[id(thing)] = thing.nbytes
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            for inner in thing:
                walk(inner)
        else:
            for inner in (thing if isinstance(thing, Mapping) else getattr(thing, "__dict__", {})).values():
                walk(inner)

    walk(stream)
    return sum(sizes.values())


def memory_over(system: Any, ear: Ear, seconds: int, most: float) -> tuple[int, int, int, int]:
    """Bytes remembered after 1 s, after half of `seconds`, and after all of them, of noise pushed in whole blocks of about a second
    each: what remains of them is then always as long.  Fewer seconds where `most` of computing is over before; how many it were."""
    stream = system.stream(1)
    size = max(1, round(ear.rate / stream.block)) * stream.block
    pieces = ear.noise(4 * size).split(size, -1)
    sizes: list[int] = []
    begun = time.thread_time()
    while len(sizes) < max(2, seconds * ear.rate // size) and (len(sizes) < 4 or time.thread_time() - begun < most):
        stream.push(ear.split(pieces[len(sizes) % 4]))
        sizes.append(remembered(stream))
    return sizes[0], sizes[len(sizes) // 2 - 1], sizes[-1], round(len(sizes) * size / ear.rate)
