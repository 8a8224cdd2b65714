"""Scores of several voices on a time grid: notes <-> one symbol per voice and step, and the voice bigram that judges them.

Symbols of a grid: 0 … P-1 the pitches of the world from `low` on, P a rest, P + 1 "go on" (only where repeats are told apart).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.kinds import Notes

if TYPE_CHECKING:
    import numpy as np

PHASES = 4  # steps of a beat; the bigram knows where in the beat it is
PRIOR = 0.05  # count that every symbol is given beforehand
VELOCITY = 0.8  # of a note whose loudness nobody wrote down


def pitches(world: Notes) -> int:
    """How many pitches the world has.  Raises Misfit where it does not say."""
    if world.low is None or world.high is None:
        raise Misfit("notes need their lowest and highest pitch, and the data leaves them open")
    return world.high - world.low + 1


def on_grid(world: Notes) -> bool:
    """Whether all times lie on a grid and every note has a voice."""
    return bool(world.step and world.voices and world.low is not None and world.high is not None)


def to_grid(notes: np.ndarray, world: Notes, hold: bool) -> np.ndarray:
    """Notes [5, M] -> symbols [voices, N], N the step at which the last note ends.

    Where two notes of a voice overlap the later one sounds.  With `hold` a step on which a note merely goes on is P + 1, so
    that repeated notes stay apart; without, it is the pitch, and equal neighbours are one note.
    """
    import numpy as np

    count = pitches(world)
    start = np.rint(notes[0] / world.step).astype(np.int64)
    stop = np.maximum(np.rint(notes[1] / world.step).astype(np.int64), start + 1)
    pitch, voice = (np.rint(notes[i]).astype(np.int64) for i in (2, 4))
    pitch = pitch - world.low
    fine = np.flatnonzero((pitch >= 0) & (pitch < count) & (voice >= 0) & (voice < world.voices) & (start >= 0))
    fine = fine[np.argsort(start[fine], kind="stable")]
    grid = np.full((world.voices, int(stop[fine].max(initial=0))), count, np.int64)
    length = (stop - start)[fine]
    step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    symbol = np.repeat(pitch[fine], length)
    if hold:
        symbol = np.where(step > 0, count + 1, symbol)
    grid[np.repeat(voice[fine], length), np.repeat(start[fine], length) + step] = symbol
    return grid


def from_grid(grid: np.ndarray, world: Notes, hold: bool) -> np.ndarray:
    """The reverse of `to_grid`: symbols [voices, N] -> notes [5, M] float32 in order of onset, then voice."""
    import numpy as np

    count = pitches(world)
    before = np.concatenate([np.full((len(grid), 1), count), grid[:, :-1]], 1)
    change = grid != count + 1 if hold else grid != before
    if hold:  # a rest that "goes on" is a rest
        change = change | ((before == count) & (grid == count + 1))
    ends = np.where(change, np.arange(grid.shape[1]), grid.shape[1])
    nearest = np.minimum.accumulate(ends[:, ::-1], 1)[:, ::-1]  # the first change at or after each step
    after = np.concatenate([nearest[:, 1:], np.full((len(grid), 1), grid.shape[1])], 1)
    step, voice = np.nonzero((change & (grid >= 0) & (grid < count)).T)
    symbol = grid[voice, step]
    times = [step * world.step, after[voice, step] * world.step]
    return np.stack([*times, symbol + world.low, np.full(len(step), VELOCITY), voice]).astype(np.float32)


def bigram_counts(pieces: list[np.ndarray], world: Notes) -> np.ndarray:
    """How often each symbol followed each in a voice at a phase of the beat: [voices, PHASES, P + 2, P + 1].

    `pieces` are notes [5, M]; the symbol before the first one is P + 1.
    """
    import numpy as np

    count = pitches(world)
    counts = np.zeros((world.voices, PHASES, count + 2, count + 1))
    for notes in pieces:
        np.add.at(counts, _places(to_grid(notes, world, hold=False), count), 1)
    return counts


def bigram_nats(counts: np.ndarray, grid: np.ndarray, world: Notes) -> tuple[float, int]:
    """(-log P, symbols) of a piece [voices, N] under the smoothed bigram; ../shared/SYSTEMS.md §0 is the reference."""
    import numpy as np

    voice, phase, before, now = _places(grid, pitches(world))
    seen = counts[voice, phase, before, now]
    share = (seen + PRIOR) / (counts.sum(-1)[voice, phase, before] + PRIOR * counts.shape[-1])
    return float(-np.log(share).sum()), int(grid.size)


def _places(grid: np.ndarray, count: int) -> tuple[Any, ...]:
    """Symbols [voices, N] -> indices (voice, phase, symbol before, symbol), each [voices, N]."""
    import numpy as np

    before = np.concatenate([np.full((len(grid), 1), count + 1), grid[:, :-1]], 1)
    return np.arange(len(grid))[:, None], np.arange(grid.shape[1])[None] % PHASES, before, grid
