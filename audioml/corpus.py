"""The interface of a source of data, which conf/data/ lists; light until `prepare()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from audioml.kinds import World
from audioml.parts import Task


@dataclass(frozen=True)
class Clip:
    """One fixed item for evaluation: `ports` maps a port to a numpy array [C, T] / [S, C, T], a str or an int."""

    name: str
    ports: Mapping[str, Any] = field(repr=False)


class Corpus:
    """A source of data.  Light until `prepare()`.

    `provides(task)` is metadata only and raises RequestError for a missing folder, an empty one, a missing column …
    """

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> fully stated world kind (rate, channels, classes, stem names, alphabet)."""
        raise NotImplementedError

    def prepare(self, task: Task) -> Prepared:
        """Decode, cache, split.  Slow the first time, then instant; safe when two processes start together."""
        raise NotImplementedError


class Prepared:
    """Data ready to be read.  Train batches are a pure function of (seed, step): a resumed run sees the same ones.

    `fingerprint` names the exact data (hex); `report` says what was skipped: {"skipped": [{"file", "reason"}], …}.
    `statistics` holds what trivial predictors need, e.g. {"label": {"majority": 3}}.
    """

    fingerprint: str
    report: Mapping[str, Any]
    statistics: Mapping[str, Any]

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> (numpy array or list of str, valid lengths [B] int64).  `seconds` None: whole clips, zero-padded."""
        raise NotImplementedError

    def narrow(self, share: float, seed: int) -> None:
        """Keep `share` of the training clips, drawn by `seed`: of one seed, less is always a part of more.  Everything else stays:
        validation, test, what trivial predictors know, and the fingerprint."""
        raise NotImplementedError

    def size(self, split: str) -> int:
        """Number of fixed items of split "valid" or "test" (for "train": distinct clips)."""
        raise NotImplementedError

    def clip(self, split: str, index: int) -> Clip:
        """Fixed evaluation item, the same in every run (mixtures are drawn from the item's index, not from the run's seed)."""
        raise NotImplementedError

    def clips(self, split: str) -> Iterator[Clip]:
        """All fixed items of `split`, in order, each read when it is asked for."""
        return (self.clip(split, index) for index in range(self.size(split)))
