"""Clips: prepared rows of a table (recordings on the tape, labels, texts), cropped and augmented by the batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audioml.data.cache import open_tape
from audioml.data.draw import (
    Window,
    decibels,
    mix_at,
    random_window,
    rows_for,
    stretch,
    whole_window,
)
from audioml.data.ports import Binding
from audioml.data.rows import Rows, lay_out
from audioml.data.table import Table
from audioml.data.tape import Tape
from audioml.errors import RunError
from audioml.kinds import Label, Stems, Text, World
from audioml.parts import Clip, Prepared


@dataclass(frozen=True)
class Augment:
    """What training crops undergo.

    `gain_db` ± range of a random gain; `speed` ± range of a random resampling (pitch moves too); `remix` share of
    items put together anew from parts of different rows; `snr` [low, high] dB at which remixed noise is added.
    """

    gain_db: float
    speed: float
    remix: float
    snr: Sequence[float]


class Clips(Prepared):
    """The Prepared of a table.  Train batches hold each clip once per epoch, at a random place.

    A task with a text output always gets whole clips: a crop would no longer say what its text says.
    """

    def __init__(
        self,
        tape: Tape,
        worlds: Mapping[str, World],
        splits: Mapping[str, Rows],
        binding: Binding,
        augment: Augment,
        report: Mapping[str, Any],
    ) -> None:
        self.tape, self.worlds, self.splits, self.binding = tape, dict(worlds), splits, binding
        self.augment, self.report = augment, report
        self.whole = any(isinstance(world, Text) for world in worlds.values())
        self.stems = next((port for port, world in worlds.items() if isinstance(world, Stems)), None)
        audio = list(binding.audio)
        pairs = self.stems is None and len(audio) == 2
        self._remix = self._remix_stems if self.stems else self._remix_pair if pairs else None
        self.statistics = self._statistics()
        self.fingerprint = self._fingerprint()

    def size(self, split: str) -> int:
        """Rows of `split`."""
        return len(self.splits[split].names)

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> ([B, C, T] | [B, S, C, T] float32, or list of str, or [B] int64; valid steps [B]).  Pure in (seed, step)."""
        rows, rng = self.splits["train"], np.random.default_rng([seed, step])
        index = rows_for(seed, step, items, len(rows.names))
        length = rows.length[index]
        fast = self._speed(rng, items)
        if seconds is None or self.whole:
            window = whole_window(length)
            steps = int(np.floor(length / fast).max())
        else:
            steps = max(1, round(seconds * self.tape.rate))
            window = random_window(rng, length, np.ceil(steps * fast).astype(np.int64))
        audio = {port: self._read(files[index], window, steps, fast) for port, files in rows.files.items()}
        n = np.minimum(np.floor(window.n / fast).astype(np.int64), steps)
        if self._remix and self.augment.remix:
            audio = self._remix(rng, audio, index, steps, n)
        self._gain(rng, audio, items)
        batch = {port: (x, n) for port, x in self._shaped(audio).items()}
        return batch | {port: self._value(port, [values[i] for i in index]) for port, values in rows.values.items()}

    def clip(self, split: str, index: int) -> Clip:
        """Row `index` of `split`, whole."""
        rows = self.splits[split]
        window = whole_window(rows.length[[index]])
        one = np.ones(1)
        audio = {port: self._read(files[[index]], window, int(rows.length[index]), one) for port, files in rows.files.items()}
        ports = {port: x[0] for port, x in self._shaped(audio).items()}
        return Clip(rows.names[index], ports | {port: values[index] for port, values in rows.values.items()})

    def _read(self, files: np.ndarray, window: Window, steps: int, fast: np.ndarray) -> np.ndarray:
        """File ids [B, S] -> [B, S, C, steps]."""
        b, s = files.shape
        start, offset, valid, speed = (np.repeat(v, s) for v in (window.start, window.offset, window.valid, fast))
        file = files.reshape(-1)
        own = np.clip(self.tape.length[np.maximum(file, 0)] - start, 0, valid)  # a stem may end before its song
        if (fast == 1).all():
            x = self.tape.gather(file, start, steps, offset=offset, valid=own)
        else:
            wide = int(np.ceil(steps * fast.max())) + 1
            x = stretch(self.tape.gather(file, start, wide, offset=offset, valid=own), speed, steps)
        return x.reshape(b, s, self.tape.channels, steps)

    def _speed(self, rng: np.random.Generator, items: int) -> np.ndarray:
        return 1 + rng.uniform(-1, 1, items) * self.augment.speed if self.augment.speed else np.ones(items)

    def _gain(self, rng: np.random.Generator, audio: dict[str, np.ndarray], items: int) -> None:
        if self.augment.gain_db:
            gain = decibels(rng, -self.augment.gain_db, self.augment.gain_db, items).astype(np.float32)
            for x in audio.values():
                x *= gain[:, None, None, None]

    def _remix_pair(
        self, rng: np.random.Generator, audio: dict[str, np.ndarray], index: np.ndarray, steps: int, n: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The noise (noisy - clean) of one row under the clean signal of another, at a drawn SNR; half of it backwards, at a
        speed of its own, since few recordings of noise must stand for all."""
        rows, (noisy, clean) = self.splits["train"], self.binding.audio
        take = np.flatnonzero(rng.random(len(index)) < self.augment.remix)
        if not len(take):
            return audio
        other = rng.integers(0, len(rows.names), len(take))
        fast = self._speed(rng, len(take))
        window = random_window(rng, rows.length[other], np.ceil(steps * fast).astype(np.int64))
        both, speech = (self._read(rows.files[port][other], window, steps, fast) for port in (noisy, clean))
        noise = both - speech
        backwards = rng.random(len(take)) < 0.5
        noise[backwards] = noise[backwards, ..., ::-1]
        noise *= (np.arange(steps) < n[take, None])[:, None, None]
        snr = rng.uniform(*self.augment.snr, len(take))
        audio[noisy][take, 0] = mix_at(audio[clean][take, 0], noise[:, 0], snr)
        return audio

    def _remix_stems(
        self, rng: np.random.Generator, audio: dict[str, np.ndarray], index: np.ndarray, steps: int, n: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Stems of different songs, each from its own place and with its own gain; the mix is their sum."""
        rows, stems = self.splits["train"], audio[self.stems]
        take = np.flatnonzero(rng.random(len(index)) < self.augment.remix)
        mix = next(port for port in audio if port != self.stems)
        for s in range(stems.shape[1]) if len(take) else ():
            other = rng.integers(0, len(rows.names), len(take))
            window = random_window(rng, rows.length[other], steps)
            drawn = self._read(rows.files[self.stems][other, s : s + 1], window, steps, np.ones(len(take)))
            gain = decibels(rng, -self.augment.gain_db, self.augment.gain_db, len(take)).astype(np.float32)
            stems[take, s] = drawn[:, 0] * gain[:, None, None]
        if mix != self.binding.summed:  # which is added up last of all
            audio[mix][take, 0] = stems[take].sum(1)
        n[take] = steps
        return audio

    def _shaped(self, audio: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[B, S, C, T] -> [B, C, T] for waves; a mix without a recording becomes the sum of the stems."""
        out = {}
        for port, x in audio.items():
            out[port] = x if port == self.stems else audio[self.stems].sum(1) if port == self.binding.summed else x[:, 0]
        return out

    def _value(self, port: str, values: list[Any]) -> tuple[Any, np.ndarray]:
        if isinstance(self.worlds[port], Label):
            return np.asarray(values, np.int64), np.ones(len(values), np.int64)
        return values, np.asarray([len(value) for value in values], np.int64)

    def _statistics(self) -> dict[str, Any]:
        labels = [port for port, world in self.worlds.items() if isinstance(world, Label)]
        return {port: {"majority": int(np.bincount(self.splits["train"].values[port]).argmax())} for port in labels}

    def _fingerprint(self) -> str:
        """Hash of the decoded samples, the rows of each split and their values: equal data, equal fingerprint."""
        rows = {
            split: [{p: f.tolist() for p, f in r.files.items()}, {p: list(v) for p, v in r.values.items()}]
            for split, r in self.splits.items()
        }
        text = json.dumps([self.tape.fingerprint(), rows, {p: repr(w) for p, w in self.worlds.items()}], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prepare_clips(
    table: Table,
    binding: Binding,
    worlds: Mapping[str, World],
    deal: Callable[[Sequence[bool]], tuple[list[str | None], str]],
    *,
    rate: int,
    channels: int,
    cache: str | None,
    max_bad: float,
    text: str,
    augment: Augment,
) -> Clips:
    """Decode (once) what `binding` needs of `table` and lay the usable rows out by split.

    `deal` gives the splits of the rows it is told to use, and how they were made; it is asked again, without the unusable
    rows, when these were all that a split had.  Raises RunError when more than `max_bad` of the recordings are unusable,
    or none is left in a split.
    """
    splits, note = deal([True] * len(table.rows))
    columns = list(dict.fromkeys(c for cs in binding.audio.values() for c in cs))
    keys = sorted({row[c] for row, split in zip(table.rows, splits, strict=True) if split for c in columns if row.get(c)})
    sources = [table.source(key) for key in keys]
    tape = open_tape(sources, where=table.where, root=str(table.root), rate=rate, channels=channels, cache=cache)
    too_many_bad(tape, len(keys), max_bad, table.where)
    number = {key: i for i, key in enumerate(keys)}
    made, dropped, usable = lay_out(table, binding, worlds, splits, number, tape, text)
    if not all(rows.names for rows in made.values()):
        again, same = deal(usable)
        if same == note:  # what the data itself calls valid or test is never replaced
            made, more, _ = lay_out(table, binding, worlds, again, number, tape, text)
            dropped += more
    empty = [split for split, rows in made.items() if not rows.names]
    if empty:
        raise RunError(f"{table.where} has no usable clip left for {' and '.join(empty)} after leaving out the bad ones")
    report = {
        "skipped": [*tape.skipped, *dropped],
        "splits": note,
        "rows": {split: len(rows.names) for split, rows in made.items()},
    }
    return Clips(tape, worlds, made, binding, augment, report)


def too_many_bad(tape: Tape, count: int, max_bad: float, where: str) -> None:
    """RunError when more than `max_bad` of `count` recordings could not be used, or all of them."""
    bad = tape.skipped
    if len(bad) > max_bad * count or len(bad) == count:
        some = "; ".join(f"{b['file']}: {b['reason']}" for b in bad[:3]) + (" …" if len(bad) > 3 else "")
        raise RunError(
            f"{len(bad)} of {count} recordings of {where} cannot be used ({some}); data.max_bad={max_bad:g} allows {max_bad:.0%}"
        )
