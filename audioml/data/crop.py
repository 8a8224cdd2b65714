"""Side information of the window that a training item shows: cut, shifted and padded, all kinds alike in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audioml.kinds import Curve, Notes, Phones, Times, World


@dataclass(frozen=True)
class View:
    """A window [start, stop) of the recording in s, which begins at `at` s in the item and passes `fast` times as quickly.

    `length` s of the item are valid.
    """

    start: float
    stop: float
    at: float
    fast: float
    length: float

    def times(self, t: np.ndarray) -> np.ndarray:
        """Times of the recording as times of the item."""
        return (t - self.start) / self.fast + self.at


def whole(seconds: float) -> View:
    """All of a recording of `seconds`; what is said to last longer stays."""
    return View(0.0, np.inf, 0.0, 1.0, seconds)


def _times(x: np.ndarray, view: View, world: World) -> np.ndarray:
    inside = (x[0] >= view.start) & (x[0] < view.stop)
    return np.stack([view.times(x[0, inside]), x[1, inside]])


def _spans(x: np.ndarray, view: View, world: World) -> np.ndarray:
    """Notes and phonemes: those sounding in the window, cut at its edges."""
    inside = (x[0] < view.stop - 1e-6) & (x[1] > view.start + 1e-6)
    out = x[:, inside]  # a copy
    out[0] = view.times(np.maximum(out[0], view.start))
    out[1] = view.times(np.minimum(out[1], view.stop))
    return out


def _curve(x: np.ndarray, view: View, world: Curve) -> np.ndarray:
    """Values [values, N] at the world's rate: linear between two that are not 0, else the nearer; 0 outside the window."""
    n = int(np.ceil(view.length * world.rate - 1e-6))
    t = view.start + (np.arange(n) / world.rate - view.at) * view.fast
    time, values = x[0], x[1:]
    if not len(time):
        return np.zeros((len(values), n))
    right = np.clip(np.searchsorted(time, t), 1, max(len(time) - 1, 1))
    right = np.minimum(right, len(time) - 1)
    left = np.maximum(right - 1, 0)
    share = np.clip((t - time[left]) / np.maximum(time[right] - time[left], 1e-9), 0, 1)
    a, b = values[:, left], values[:, right]
    near = np.where(share < 0.5, a, b)
    out = np.where((a != 0) & (b != 0), a + (b - a) * share, near)
    hop = time[1] - time[0] if len(time) > 1 else np.inf
    seen = (t >= view.start - 1e-9) & (t < view.stop) & (t <= time[-1] + hop)
    return np.where(seen, out, 0.0)


_CUT: dict[type, Callable[[np.ndarray, View, World], np.ndarray]] = {Times: _times, Notes: _spans, Phones: _spans, Curve: _curve}


def cut(x: np.ndarray, view: View, world: World) -> np.ndarray:
    """One item's array (float64, in full, as audioml/data/marks.py reads it) -> float32 as the world has it."""
    return _CUT[type(world)](x, view, world).astype(np.float32)


def padded(items: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of different length -> one, zero-padded on the last axis (never of width 0), and the valid steps [B]."""
    n = np.asarray([item.shape[-1] for item in items], np.int64)
    out = np.zeros((len(items), *items[0].shape[:-1], max(1, int(n.max()))), np.float32)
    for row, item in zip(out, items, strict=True):
        row[..., : item.shape[-1]] = item
    return out, n


def transposed(sides: Mapping[str, np.ndarray], worlds: Mapping[str, World], most: int, spot: float) -> dict[str, np.ndarray]:
    """`sides` with every Notes port moved by one number of semitones: of those within ± `most` that keep all its notes in the
    worlds' ranges, the one at share `spot` in [0, 1) of the way."""
    rooms = [(world.low, world.high, sides[p][2]) for p, world in worlds.items() if isinstance(world, Notes) and p in sides]
    down = min([most, *(int(x.min()) - low for low, _, x in rooms if low is not None and x.size)])
    up = min([most, *(high - int(x.max()) for _, high, x in rooms if high is not None and x.size)])
    move = int(np.floor(spot * (max(up, 0) + max(down, 0) + 1))) - max(down, 0)
    shift = np.asarray([0, 0, move, 0, 0], np.float32)[:, None]
    return {p: x + shift if isinstance(worlds[p], Notes) else x for p, x in sides.items()}


def parted(notes: np.ndarray, share: float, seconds: float, step: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Notes [5, M] of `seconds` -> (prompt, score): the first `share` of the time, and the rest with its times from 0 on."""
    at = share * seconds
    if step:
        at = round(at / step) * step
    if not at:
        return notes[:, :0], notes
    return _spans(notes, View(0.0, at, 0.0, 1.0, at), Notes()), _spans(notes, View(at, np.inf, 0.0, 1.0, seconds - at), Notes())
