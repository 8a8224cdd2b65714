"""Mixed: the Prepared of data=mix.  A batch is one gather per source, levels come from the energy index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from audioml.corpus import Clip, Prepared
from audioml.data.draw import decibels, equalize, loud_window, rows_for, some, stretch
from audioml.data.pool import Pool
from audioml.data.splits import SPLITS
from audioml.data.tape import Tape
from audioml.errors import RunError
from audioml.kinds import Stems, World

_FIXED = 20_011  # the seed of the fixed mixtures: theirs alone, so that every run is judged on the same ones


@dataclass(frozen=True)
class Recipe:
    """How sources meet: levels and SNRs in dB, length and number of the fixed mixtures, which source is the target
    (None: all of them are stems); in training, `speed` ± share and `equalize` ± dB vary each source by itself."""

    level_db: tuple[float, float]
    snr: tuple[float, float]
    seconds: float
    items: Mapping[str, int]
    target: int | None
    speed: float = field(default=0.0, repr=False)  # not in the fingerprint: what is judged stays the same
    equalize: float = field(default=0.0, repr=False)


class Mixed(Prepared):
    """Mixtures of `tapes`, drawn by (seed, step) for training and by the item's index for valid and test."""

    def __init__(self, pools: Sequence[Pool], tapes: Sequence[Tape], worlds: Mapping[str, World], recipe: Recipe) -> None:
        self.tapes, self.recipe = list(tapes), recipe
        self.pools = pools = [_dealt(pool, tape) for pool, tape in zip(pools, tapes, strict=True)]
        self.out = next((port for port, world in worlds.items() if isinstance(world, Stems)), list(worlds)[-1])
        self.mix = next((port for port in worlds if port != self.out), None)  # None: nobody asks for the sum of the stems
        self.rate, self.channels = tapes[0].rate, tapes[0].channels
        self.rows = {split: [_usable(p, t, split) for p, t in zip(pools, tapes, strict=True)] for split in SPLITS}
        self._group = [np.asarray([_number(p, g) for g in p.groups], np.uint64) for p in pools]
        self._told_apart()
        self._fixed = {split: self._pick(split, _FIXED + k, 0, count) for k, (split, count) in enumerate(recipe.items.items())}
        self.statistics: dict[str, Any] = {}
        self.report = {
            "skipped": [skip for tape in tapes for skip in tape.skipped],
            "splits": {pool.name: pool.note for pool in pools},
            "rows": {s: {p.name: len(r) for p, r in zip(pools, rows, strict=True)} for s, rows in self.rows.items()},
            "unlisted": {pool.name: pool.unlisted for pool in pools if pool.unlisted},
        }
        facts = [[t.fingerprint() for t in tapes], [[p.name, p.splits, p.groups] for p in pools], repr(recipe), sorted(worlds)]
        self.fingerprint = hashlib.sha256(json.dumps(facts).encode("utf-8", "surrogatepass")).hexdigest()

    def _told_apart(self) -> None:
        """RunError where two sources that share a folder have too few speakers (songs, files) never to show the same one."""
        for split, rows in self.rows.items():
            groups = [set(own[r].tolist()) for own, r in zip(self._group, rows, strict=True)]
            for s, mine in enumerate(groups):
                rivals = [self.pools[k].name for k in range(s) if groups[k] & mine]
                if len(mine) <= len(rivals):
                    name, others = self.pools[s].name, ", ".join(rivals)
                    raise RunError(
                        f"source '{name}' has {len(mine)} speaker(s) or file(s) for {split}, and {others} draws from the same: "
                        f"a mixture needs different ones"
                    )

    def narrow(self, share: float, seed: int) -> None:
        """Fewer training recordings of each source; RunError where too few remain to mix."""
        kept = [rows[some(seed, len(rows), share, stream=s)] for s, rows in enumerate(self.rows["train"])]
        self.rows = {**self.rows, "train": kept}
        self._told_apart()

    def size(self, split: str) -> int:
        """Fixed mixtures; for train the recordings of the largest source."""
        return self.recipe.items.get(split) or max(map(len, self.rows[split]))

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> ([B, C, T] or [B, S, C, T] float32, valid steps [B] = T).  Pure in (seed, step)."""
        steps = max(1, round((seconds or self.recipe.seconds) * self.rate))
        index = self._pick("train", seed, step, items)
        n = np.full(items, steps, np.int64)
        return {port: (x, n) for port, x in self._mixture(np.random.default_rng([seed, step]), index, steps, True).items()}

    def clip(self, split: str, index: int) -> Clip:
        """Mixture `index` of `split`, the same in every run."""
        rng = np.random.default_rng([_FIXED, SPLITS.index(split), index])
        rows = [each[[index]] for each in self._fixed[split]]
        made = self._mixture(rng, rows, max(1, round(self.recipe.seconds * self.rate)), False)
        return Clip(f"{split}/{index:04d}", {port: x[0] for port, x in made.items()})

    def _pick(self, split: str, seed: int, step: int, items: int) -> list[np.ndarray]:
        """File ids [B] of every source; two sources never show the same group (a speaker is not mixed with himself)."""
        chosen: list[np.ndarray] = []
        for s, rows in enumerate(self.rows[split]):
            place = rows_for(seed, step, items, len(rows), stream=s)
            for _ in range(len(rows) if chosen else 0):
                own = self._group[s][rows[place]]
                clash = np.logical_or.reduce([np.zeros(items, bool), *(own == self._group[k][f] for k, f in enumerate(chosen))])
                if not clash.any():
                    break
                place = np.where(clash, (place + 1) % len(rows), place)
            chosen.append(rows[place])
        return chosen

    def _mixture(self, rng: np.random.Generator, files: list[np.ndarray], steps: int, vary: bool) -> dict[str, np.ndarray]:
        return (self._stems if self.recipe.target is None else self._in_noise)(rng, files, steps, vary)

    def _pace(self, rng: np.random.Generator, items: int, steps: int, vary: bool) -> tuple[np.ndarray | None, int]:
        """Speeds [B] (None: as it is), and how many samples they take."""
        if not (vary and self.recipe.speed):
            return None, steps
        fast = 1 + rng.uniform(-1, 1, items) * self.recipe.speed
        return fast, int(np.ceil(steps * fast.max())) + 1

    def _varied(self, rng: np.random.Generator, x: np.ndarray, fast: np.ndarray | None, steps: int, vary: bool) -> np.ndarray:
        x = x if fast is None else stretch(x, fast, steps)
        return equalize(rng, x, self.rate, self.recipe.equalize) if vary and self.recipe.equalize else x

    def _crop(
        self, rng: np.random.Generator, source: int, file: np.ndarray, steps: int, vary: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Crops [B, C, steps] of a source where it sounds, their levels (amplitudes [B]), the share of each that is not padding."""
        tape = self.tapes[source]
        fast, wide = self._pace(rng, len(file), steps, vary)
        window, rms = loud_window(rng, tape, file, wide)
        level = decibels(rng, *self.recipe.level_db, len(file))
        x = tape.gather(file, window.start, wide, offset=window.offset, valid=window.valid, gain=level / rms)
        return self._varied(rng, x, fast, steps, vary), level, window.valid / wide

    def _stems(self, rng: np.random.Generator, files: list[np.ndarray], steps: int, vary: bool) -> dict[str, np.ndarray]:
        stems = np.empty((len(files[0]), len(files), self.channels, steps), np.float32)
        for s, file in enumerate(files):
            stems[:, s] = self._crop(rng, s, file, steps, vary)[0]
        return {self.out: stems} if self.mix is None else {self.mix: _sum(stems), self.out: stems}

    def _in_noise(self, rng: np.random.Generator, files: list[np.ndarray], steps: int, vary: bool) -> dict[str, np.ndarray]:
        target = self.recipe.target
        assert target is not None
        file = files[target]
        clean, level, share = self._crop(rng, target, file, steps, vary)
        noise_level = level * np.sqrt(share) / decibels(rng, *self.recipe.snr, len(file))
        others = [k for k in range(len(files)) if k != target]
        turn = rng.integers(0, len(others), len(file))
        if len(others) == 1:
            noise = self._noise(rng, self.tapes[others[0]], files[others[0]], steps, noise_level, vary)
            return {self.mix: np.add(clean, noise, out=noise), self.out: clean}
        noisy = clean.copy()
        for k, source in enumerate(others):
            own = np.flatnonzero(turn == k)
            if len(own):
                noisy[own] += self._noise(rng, self.tapes[source], files[source][own], steps, noise_level[own], vary)
        return {self.mix: noisy, self.out: clean}

    def _noise(
        self, rng: np.random.Generator, tape: Tape, file: np.ndarray, steps: int, level: np.ndarray, vary: bool
    ) -> np.ndarray:
        fast, wide = self._pace(rng, len(file), steps, vary)
        window, rms = loud_window(rng, tape, file, wide)
        x = tape.gather(file, window.start, wide, valid=window.valid, gain=level / rms)
        for r in np.flatnonzero(window.valid < wide):  # looped, from a random place on
            loop(x[r], int(window.valid[r]), int(window.offset[r]))
        return self._varied(rng, x, fast, steps, vary)


def _usable(pool: Pool, tape: Tape, split: str) -> np.ndarray:
    """Files of `split` that were decoded and are not silent throughout."""
    rows = np.asarray(pool.of(split), np.int64)
    return rows[tape.power[rows] > 0]


def _dealt(pool: Pool, tape: Tape) -> Pool:
    """`pool`, dealt again where a split holds nothing but unusable files; RunError where that does not help."""
    if not all(len(_usable(pool, tape, split)) for split in SPLITS):
        bad = set(np.flatnonzero(tape.power <= 0).tolist())
        pool = pool.without(bad) if len(bad) < len(pool.files) else pool
    empty = [split for split in SPLITS if not len(_usable(pool, tape, split))]
    if empty:
        raise RunError(f"source '{pool.name}' ({pool.root}) has no usable recording for {' and '.join(empty)}")
    return pool


def loop(x: np.ndarray, period: int, phase: int) -> None:
    """Repeat the first `period` samples of x [C, T] over all of it, the first of them lying at `phase`."""
    once = x[:, :period].copy()
    for at in range(phase % period - period, x.shape[-1], period):
        lo, hi = max(at, 0), min(at + period, x.shape[-1])
        x[:, lo:hi] = once[:, lo - at : hi - at]


def _sum(stems: np.ndarray) -> np.ndarray:
    """[B, S, C, T] -> [B, C, T]; pairwise adds beat numpy's reduction over a middle axis."""
    mix = stems[:, 0] + stems[:, 1]
    for s in range(2, stems.shape[1]):
        mix += stems[:, s]
    return mix


def _number(pool: Pool, group: str) -> int:
    """A group's number, the same wherever its folder is used."""
    digest = hashlib.blake2b(f"{pool.root.resolve()}|{group}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
