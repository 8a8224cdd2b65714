"""More noise for remixed items: the training recordings of further folders."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from audioml.data.cache import open_tape, too_many_bad
from audioml.data.draw import loud_window, stretch
from audioml.data.mixing import loop
from audioml.data.pool import Pool, read_pool
from audioml.data.table import Table
from audioml.data.tape import Tape


class Noises:
    """Recordings of several folders, each drawn equally often; only those that their folder gives for training."""

    def __init__(self, pools: list[Pool], tapes: list[Tape]) -> None:
        self.tapes = tapes
        rows = [[i for i in pool.of("train") if tape.power[i] > 0] for pool, tape in zip(pools, tapes, strict=True)]
        self.tape = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        self.file = np.asarray([i for r in rows for i in r], np.int64)
        self.facts = [[tape.fingerprint(), r] for tape, r in zip(tapes, rows, strict=True)]

    def __len__(self) -> int:
        return len(self.file)

    def draw(self, rng: np.random.Generator, fast: np.ndarray, steps: int) -> np.ndarray:
        """[items, C, steps] where it sounds, at `fast` [items] times its speed; a recording that is too short is repeated."""
        chosen = rng.integers(0, len(self), len(fast))
        wide = int(np.ceil(steps * fast.max())) + 1
        out = np.empty((len(fast), self.tapes[0].channels, steps), np.float32)
        for k, tape in enumerate(self.tapes):
            own = np.flatnonzero(self.tape[chosen] == k)
            if not len(own):
                continue
            file = self.file[chosen[own]]
            window, _ = loud_window(rng, tape, file, wide)
            x = tape.gather(file, window.start, wide, valid=window.valid)
            for row in np.flatnonzero(window.valid < wide):
                loop(x[row], int(window.valid[row]), int(window.offset[row]))
            out[own] = stretch(x, fast[own], steps)
        return out


def read_noises(folders: Mapping[str, str], *, rate: int, channels: int, cache: str | None, max_bad: float) -> Noises | None:
    """The recordings of {name: folder}, decoded (once); None without folders.  RequestError as for a source of data=mix."""
    if not folders:
        return None
    pools = [read_pool(name, path, None) for name, path in folders.items()]
    return Noises(pools, [tape_of(pool, rate=rate, channels=channels, cache=cache, max_bad=max_bad) for pool in pools])


def tape_of(pool: Pool, *, rate: int, channels: int, cache: str | None, max_bad: float) -> Tape:
    """The recordings of a pool, decoded (once).  RunError when more than `max_bad` of them are unusable."""
    where = f"source '{pool.name}' ({pool.root})"
    table = Table(where, (), (), pool.root)
    sources = [table.source(file) for file in pool.files]
    tape = open_tape(sources, where=where, root=str(pool.root.resolve()), rate=rate, channels=channels, cache=cache)
    too_many_bad(tape, len(sources), max_bad, where)
    return tape
