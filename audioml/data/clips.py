"""Clips: prepared rows of a table (recordings on the tape, labels, texts), cropped and augmented by the batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audioml.corpus import Clip, Prepared
from audioml.data.augment import Augment
from audioml.data.crop import View, cut, padded, parted, transposed, whole
from audioml.data.draw import (
    Window,
    decibels,
    equalize,
    mix_at,
    random_window,
    rows_for,
    some,
    stretch,
    whole_window,
)
from audioml.data.noises import Noises
from audioml.data.ports import Binding
from audioml.data.rows import Rows
from audioml.data.tape import Tape
from audioml.errors import RequestError
from audioml.kinds import Label, Notes, Stems, Tags, Text, World
from audioml.statistics import gather

SCORE = 19.2  # s of a training window of a score, where data.window says nothing: eight bars of four at 100 beats a minute
BAR = 16  # steps of a score's grid by which its windows move, so that a place in the bar is the same in all of them


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
        noises: Noises | None = None,
    ) -> None:
        self.tape, self.worlds, self.splits, self.binding = tape, dict(worlds), splits, binding
        self.augment, self.report, self.noises = augment, report, noises
        self.whole = any(isinstance(world, Text) for world in worlds.values())
        self.stems = next((port for port, world in worlds.items() if isinstance(world, Stems)), None)
        self._only_audio = not binding.values and not binding.sides
        audio = list(binding.audio)
        pairs = self.stems is None and len(audio) == 2
        remix = self._remix_stems if self.stems and len(audio) == 2 else self._remix_pair if pairs else None
        self._remix = remix if self._only_audio else None
        if noises and self._remix != self._remix_pair:
            raise RequestError("data.noises serves tasks between two recordings, one with noise and one without (enhancement)")
        augment.check(worlds, sound=bool(binding.audio))
        self.statistics = self._statistics()
        self.fingerprint = self._fingerprint()

    def narrow(self, share: float, seed: int) -> None:
        """Fewer training rows; noise and stems for remixed items come from these too."""
        train = self.splits["train"]
        self.splits = {**self.splits, "train": train.taken(some(seed, len(train.names), share))}

    def size(self, split: str) -> int:
        """Rows of `split`."""
        return len(self.splits[split].names)

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> ([B, C, T] | [B, S, C, T] float32, or as kinds.py has it, or list of str; valid steps [B]).  Pure in
        (seed, step)."""
        index = rows_for(seed, step, items, self.size("train"))
        return self.draw(np.random.default_rng([seed, step]), index, seconds)

    def draw(self, rng: np.random.Generator, index: np.ndarray, seconds: float | None) -> dict[str, tuple[Any, Any]]:
        """A training batch of the rows `index`."""
        rows, items, rate = self.splits["train"], len(index), self.tape.rate
        length = rows.length[index]
        fast = self._speed(rng, items)
        seconds = self.augment.window or (seconds if rows.files or seconds is None else SCORE)
        crops = seconds is not None and not self.whole
        if not crops:
            window = whole_window(length)
            steps = int(np.floor(length / fast).max())
        else:
            steps = max(1, round(seconds * rate))
            window = random_window(rng, length, np.ceil(steps * fast).astype(np.int64))
            window = window if rows.files else self._on_grid(window, length, steps)
        window = rows.shifted(window, index)
        audio = {port: self._read(files[index], window, steps, fast) for port, files in rows.files.items()}
        n = np.minimum(np.floor(window.n / fast).astype(np.int64), steps)
        if self._remix and self.augment.remix:
            audio = self._remix(rng, audio, index, steps, n)
        self._equalize(rng, audio)
        self._gain(rng, audio, items)
        batch: dict[str, tuple[Any, Any]] = {port: (x, n) for port, x in self._shaped(audio).items()}
        for port, values in rows.values.items():
            batch[port] = self._value(port, [values[i] for i in index])
        if rows.sides:
            stop = (window.start + window.valid) / rate if crops else np.full(items, np.inf)
            spans = np.stack([window.start / rate, stop, window.offset / fast / rate, fast, n / rate], 1).tolist()
            batch |= self._sided(rng, index, [View(*span) for span in spans])
        return batch

    def clip(self, split: str, index: int) -> Clip:
        """Row `index` of `split`, whole."""
        rows = self.splits[split]
        window = rows.shifted(whole_window(rows.length[[index]]), np.asarray([index]))
        one = np.ones(1)
        audio = {port: self._read(files[[index]], window, int(rows.length[index]), one) for port, files in rows.files.items()}
        ports: dict[str, Any] = {port: x[0] for port, x in self._shaped(audio).items()}
        ports |= {port: values[index] for port, values in rows.values.items()}
        view = whole(float(rows.length[index] / self.tape.rate))
        sides = {port: cut(x[index], view, self.worlds[port]) for port, x in rows.sides.items()}
        return Clip(rows.names[index], ports | self._with_prompt(sides, low_of(self.augment.prompt), view.length))

    def _sided(self, rng: np.random.Generator, index: np.ndarray, views: list[View]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Side information of the rows `index`, as far as their windows show it."""
        rows, low, high = self.splits["train"], low_of(self.augment.prompt), high_of(self.augment.prompt)
        shares = rng.uniform(low, high, len(views)) if self.binding.cut else np.zeros(len(views))
        spots = rng.random(len(views)) if self.augment.transpose else np.zeros(len(views))
        items = []
        for i, view, share, spot in zip(index, views, shares, spots.tolist(), strict=True):
            sides = {port: cut(x[i], view, self.worlds[port]) for port, x in rows.sides.items()}
            sides = transposed(sides, self.worlds, self.augment.transpose, spot)
            items.append(self._with_prompt(sides, float(share), view.length))
        return {port: padded([item[port] for item in items]) for port in items[0]}

    def _with_prompt(self, sides: dict[str, np.ndarray], share: float, seconds: float) -> dict[str, np.ndarray]:
        if self.binding.cut is None:
            return sides
        prompt, score = self.binding.cut
        first, rest = parted(sides[score], share, seconds, self.worlds[score].step)  # type: ignore[union-attr]
        return {**sides, prompt: first, score: rest}

    def _on_grid(self, window: Window, length: np.ndarray, steps: int) -> Window:
        """Windows of scores begin with a bar (those shorter than one anywhere on the grid), and end on the grid or with the score;
        a short score lies at the window's beginning."""
        grid = next((w.step for w in self.worlds.values() if isinstance(w, Notes) and w.step), 1 / self.tape.rate)
        unit = grid * self.tape.rate
        move = unit * (BAR if steps >= BAR * unit else 1)
        start = np.round(np.round(window.start / move) * move).astype(np.int64)
        most = max(1, round(np.floor(steps / unit + 1e-6) * unit))
        return Window(start, np.zeros_like(start), np.minimum(length - start, most))

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

    def _equalize(self, rng: np.random.Generator, audio: dict[str, np.ndarray]) -> None:
        """Each part of a mixture (stems; what is clean and what lies over it) by a curve of its own; else one for an item."""
        if not self.augment.equalize or not audio:
            return

        def shaped(x: np.ndarray, rows: int) -> np.ndarray:
            flat = x.reshape(rows, -1, x.shape[-1])
            return equalize(rng, flat, self.tape.rate, self.augment.equalize).reshape(x.shape)

        if self._remix is None:
            ports, signals = list(audio), np.cumsum([x.shape[1] for x in audio.values()])[:-1]
            together = np.concatenate(list(audio.values()), 1)
            audio.update(zip(ports, np.split(shaped(together, len(together)), signals, axis=1), strict=True))
            return
        part = self.stems or list(audio)[-1]
        mix = next(port for port in audio if port != part)
        rest = audio[mix] - audio[part].sum(1, keepdims=True)
        audio[part] = shaped(audio[part], len(rest) * audio[part].shape[1])
        if mix != self.binding.summed:  # which is added up last of all
            audio[mix] = audio[part].sum(1, keepdims=True) + shaped(rest, len(rest))

    def _remix_pair(
        self, rng: np.random.Generator, audio: dict[str, np.ndarray], index: np.ndarray, steps: int, n: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The noise (noisy - clean) of one row under the clean signal of another, or a recording of `noises` (each drawn as
        often as a row), at a drawn SNR; half of it backwards, at a speed of its own, since few recordings of noise must stand for
        all."""
        rows, (noisy, clean) = self.splits["train"], self.binding.audio
        take = np.flatnonzero(rng.random(len(index)) < self.augment.remix)
        if not len(take):
            return audio
        other = rng.integers(0, len(rows.names), len(take))
        fast = self._speed(rng, len(take))
        window = random_window(rng, rows.length[other], np.ceil(steps * fast).astype(np.int64))
        both, speech = (self._read(rows.files[port][other], window, steps, fast) for port in (noisy, clean))
        noise = both - speech
        if self.noises:
            foreign = np.flatnonzero(rng.random(len(take)) < len(self.noises) / (len(self.noises) + len(rows.names)))
            noise[foreign, 0] = self.noises.draw(rng, fast[foreign], steps) if len(foreign) else 0
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
        if isinstance(self.worlds[port], Tags):
            return np.stack(values), np.ones(len(values), np.int64)
        return values, np.asarray([len(value) for value in values], np.int64)

    def _statistics(self) -> dict[str, Any]:
        rows = self.splits["train"]
        views = [whole(n) for n in (rows.length / self.tape.rate).tolist()]
        sides = {p: [cut(x, view, self.worlds[p]) for x, view in zip(xs, views, strict=True)] for p, xs in rows.sides.items()}
        return {port: gather(self.worlds[port], values) for port, values in {**rows.values, **sides}.items()}

    def _fingerprint(self) -> str:
        """Hash of the decoded samples, the rows of each split and their values: equal data, equal fingerprint."""
        rows = {
            split: [{p: f.tolist() for p, f in r.files.items()}, {p: plain(v) for p, v in {**r.values, **r.sides}.items()}]
            for split, r in self.splits.items()
        }
        facts = [self.tape.fingerprint(), rows, {p: repr(w) for p, w in self.worlds.items()}]
        facts += [self.noises.facts] if self.noises else []
        facts += [{"trim": self.augment.trim}] if self.augment.trim is not None else []
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain(values: Sequence[Any]) -> list[Any]:
    """Values that JSON can hold; arrays by their hash."""
    return [hashlib.blake2b(v.tobytes(), digest_size=16).hexdigest() if isinstance(v, np.ndarray) else v for v in values]


def low_of(setting: float | Sequence[float]) -> float:
    """The number, or the lower of two."""
    return float(setting) if isinstance(setting, int | float) else float(setting[0])


def high_of(setting: float | Sequence[float]) -> float:
    """The number, or the higher of two."""
    return float(setting) if isinstance(setting, int | float) else float(setting[-1])
