"""Strings of clips: recordings of single words by one speaker joined into utterances (connected digits from single ones)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audioml.corpus import Clip, Prepared
from audioml.data.clips import Clips
from audioml.data.draw import decibels, rows_for
from audioml.data.splits import SPLITS
from audioml.kinds import Text, Wave
from audioml.statistics import gather

GAP = (0.1, 0.3)  # s between two clips
HISS = (-70.0, -55.0)  # dB re full scale, RMS of the noise in the gaps of one string
_FIXED = 30_011


class Spliced(Prepared):
    """Strings of `count` [low, high] clips of one speaker with noise between them.

    Training strings are drawn from (seed, step): each clip begins one per epoch; the random gain of data.gain_db is one per
    string, as a speaker stands near or far, and the noise keeps its own level.  In valid and test the clips of a speaker
    are dealt once, in a fixed order: every clip is in one string.
    """

    def __init__(self, clips: Clips, count: Sequence[int]) -> None:
        self.gain_db = clips.augment.gain_db
        clips.augment = replace(clips.augment, gain_db=0.0)
        self.single, self.low, self.high = clips, int(count[0]), int(count[1])
        self.wave = next(port for port, world in clips.worlds.items() if isinstance(world, Wave))
        self.texts = [port for port, world in clips.worlds.items() if isinstance(world, Text)]
        self.rate = clips.tape.rate
        self._mates = {split: _mates(clips.splits[split].groups) for split in SPLITS}
        self._strings = {split: self._dealt(split) for split in SPLITS}
        self.report = {**clips.report, "strings": {split: len(found) for split, found in self._strings.items()}}
        facts = f"{clips.fingerprint} {self.low} {self.high} {GAP} {HISS}"
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()
        said = clips.splits["train"].values
        self.statistics = {
            port: gather(clips.worlds[port], [" ".join(said[port][i] for i in string) for string in self._strings["train"]])
            for port in self.texts
        }

    def narrow(self, share: float, seed: int) -> None:
        """Fewer training clips to join."""
        self.single.narrow(share, seed)
        self._mates["train"] = _mates(self.single.splits["train"].groups)

    def size(self, split: str) -> int:
        """Fixed strings; for train the clips that may begin one."""
        return self.single.size(split) if split == "train" else len(self._strings[split])

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> ([B, C, T] float32 or strings, valid steps [B]); always whole strings.  Pure in (seed, step)."""
        rng = np.random.default_rng([seed, step, 5])
        first = rows_for(seed, step, items, self.single.size("train"))
        counts = rng.integers(self.low, self.high + 1, items)
        strings = [
            np.concatenate([[row], rng.choice(self._mates["train"][row], k - 1)]) for row, k in zip(first, counts, strict=True)
        ]
        drawn = self.single.draw(rng, np.concatenate(strings).astype(np.int64), None)
        x, n = drawn[self.wave]
        if self.gain_db:
            x = x * decibels(rng, -self.gain_db, self.gain_db, items).astype(np.float32).repeat(counts)[:, None, None]
        ends = np.cumsum(counts)
        joined = [self._joined(rng, list(x[e - k : e]), n[e - k : e]) for e, k in zip(ends, counts, strict=True)]
        valid = np.asarray([wave.shape[-1] for wave in joined], np.int64)
        out = np.zeros((items, x.shape[1], int(valid.max())), np.float32)
        for row, wave in zip(out, joined, strict=True):
            row[:, : wave.shape[-1]] = wave
        batch: dict[str, tuple[Any, Any]] = {self.wave: (out, valid)}
        for port in self.texts:
            words = drawn[port][0]
            said = [" ".join(words[e - k : e]) for e, k in zip(ends, counts, strict=True)]
            batch[port] = (said, np.asarray([len(text) for text in said], np.int64))
        return batch

    def clip(self, split: str, index: int) -> Clip:
        """String `index` of `split`, the same in every run."""
        parts = [self.single.clip(split, int(row)) for row in self._strings[split][index]]
        rng = np.random.default_rng([_FIXED, SPLITS.index(split), index])
        waves = [part.ports[self.wave] for part in parts]
        ports: dict[str, Any] = {self.wave: self._joined(rng, waves, np.asarray([w.shape[-1] for w in waves]))}
        ports |= {port: " ".join(part.ports[port] for part in parts) for port in self.texts}
        return Clip(f"{parts[0].name}+{len(parts) - 1}", ports)

    def _joined(self, rng: np.random.Generator, waves: Sequence[np.ndarray], n: np.ndarray) -> np.ndarray:
        """Waves [C, T], their valid samples -> one [C, T]; noise of one level in the gaps."""
        gaps = (rng.uniform(*GAP, len(waves) - 1) * self.rate).astype(np.int64)
        level = 10 ** (rng.uniform(*HISS) / 20)
        out = np.empty((waves[0].shape[0], int(n.sum() + gaps.sum())), np.float32)
        at = 0
        for wave, length, gap in zip(waves, n.tolist(), [*gaps.tolist(), 0], strict=True):
            out[:, at : at + length] = wave[:, :length]
            at += length
            out[:, at : at + gap] = level * rng.standard_normal((out.shape[0], gap))
            at += gap
        return out

    def _dealt(self, split: str) -> list[np.ndarray]:
        """Every clip of `split` once, in strings of one speaker; a speaker's last string may be longer or shorter."""
        rng, out = np.random.default_rng([_FIXED, SPLITS.index(split)]), []
        groups = {id(mates): mates for mates in self._mates[split]}
        for mates in groups.values():
            rest = rng.permutation(mates)
            while len(rest):
                k = int(rng.integers(self.low, self.high + 1))
                k = len(rest) if len(rest) <= self.high or len(rest) - k < self.low else k
                out.append(rest[:k])
                rest = rest[k:]
        return out


def _mates(groups: Sequence[str]) -> list[np.ndarray]:
    """For every row the rows of the same speaker."""
    rows: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        rows.setdefault(group, []).append(i)
    found = {group: np.asarray(of) for group, of in rows.items()}
    return [found[group] for group in groups]
