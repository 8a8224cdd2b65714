"""What the audio metrics share: stacking clips of equal shape, silence, stem order, one score per signal.

Everything here sees items as stems [S, C, T]; a Wave [C, T] is one stem.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from audioml.kinds import Stems
from audioml.metrics._base import Items, Quantity, Scored, UnscoredError

SILENCE = 1e-4  # root mean square (-80 dBFS) below which a signal counts as silent
FLOOR, ROOF = -60.0, 100.0  # dB; a silent output scores the floor, a perfect copy the roof
SILENT = "silent target"


def stems_of(x: np.ndarray) -> np.ndarray:
    """[C, T] or [S, C, T] -> [S, C, T]."""
    return x[None] if x.ndim == 2 else x


def silent(x: np.ndarray) -> np.ndarray:
    """[..., T] -> bool [...]: root mean square below -80 dBFS (an empty signal is silent too)."""
    if not x.shape[-1]:
        return np.ones(x.shape[:-1], bool)
    return np.sqrt(np.mean(np.square(x, dtype=np.float64), -1)) < SILENCE


def stacks(items: Items) -> Iterator[tuple[list[int], np.ndarray, np.ndarray, np.ndarray | None]]:
    """(indices, target, output, input), each [G, S, C, T], for every group of items of one shape.

    The input is repeated for all stems; it is None where the task has none or its channels do not match.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, target in enumerate(items.targets):
        groups[target.shape].append(i)
    for index in groups.values():
        target, output = (np.stack([stems_of(x[i]) for i in index]) for x in (items.targets, items.outputs))
        unprocessed = None
        if items.inputs is not None and all(items.inputs[i].shape == target.shape[2:] for i in index):
            unprocessed = np.broadcast_to(np.stack([items.inputs[i] for i in index])[:, None], target.shape)
        yield index, target, output, unprocessed


def reorder(items: Items) -> Items:
    """Where stems have no names, put each item's outputs into the order that maximises the mean SI-SDR."""
    if not isinstance(items.world, Stems) or items.world.names is not None:
        return items
    from scipy.optimize import linear_sum_assignment

    outputs = list(items.outputs)
    for index, target, output, _ in stacks(items):
        both = (x.astype(np.float64) for x in (target, output))  # single precision has no number just below one
        unit = [x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in both]
        likeness = np.square(np.einsum("gict,gjct->gijc", *unit)).clip(0, 1 - 1e-10)
        gain = np.log10(likeness.clip(1e-10) / (1 - likeness)).mean(-1)  # SI-SDR / 10 dB, by the cosine
        for row, i in enumerate(index):
            outputs[i] = items.outputs[i][linear_sum_assignment(-gain[row])[1]]
    return replace(items, outputs=outputs)


def decibels(items: Items, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """`measure(target [M, T], estimate [M, T]) -> dB [M]` per stem, meaned over channels: outputs [n, S], inputs [n, S].

    Clipped to [-60, 100] dB; NaN for silent targets, and for inputs that the task has not.
    """
    stems = max((stems_of(t).shape[0] for t in items.targets), default=1)
    scores = np.full((2, len(items), stems), np.nan)
    for index, target, output, unprocessed in stacks(items):
        for k, estimate in enumerate((output, unprocessed)):
            if estimate is None:
                continue
            score = np.full(target.shape[:-1], FLOOR)
            heard = ~silent(target)
            score[~heard] = np.nan
            heard &= np.abs(estimate).max(-1, initial=0.0) > 1e-12
            if heard.any():
                with np.errstate(divide="ignore"):
                    found = measure(target[heard].astype(np.float64), estimate[heard].astype(np.float64))
                score[heard] = np.clip(found, FLOOR, ROOF)
            scores[k, index, : target.shape[1]] = nanmean(score)
    return scores[0], scores[1]


def nanmean(x: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where all is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(x, -1)


def ratio_quantities(items: Items, name: str) -> dict[str, Quantity]:
    """Names of a dB ratio: itself, its improvement over the input, and the improvement of each named stem."""
    found = {f"fidelity/{name}": Quantity("dB", "high")}
    if items.inputs is not None:
        found[f"fidelity/{name}_improvement"] = Quantity("dB", "high")
        for stem in items.stems:
            found[f"fidelity/{name}_improvement_{stem.lower().replace(' ', '_')}"] = Quantity("dB", "high")
    return found


def ratio_scores(items: Items, name: str, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> dict[str, Scored]:
    """Scores for `ratio_quantities`; an item's number is the mean over its stems that are not silent."""
    output, unprocessed = decibels(items, measure)
    gain = output - unprocessed
    columns = [nanmean(output), nanmean(gain), *(gain[:, s] for s in range(gain.shape[1]))]
    scored = {}
    for key, column in zip(ratio_quantities(items, name), columns, strict=False):
        scored[key] = Scored(column, column, Counter({SILENT: int(np.isnan(column).sum())}))
    return scored


def signal_by_signal(items: Items, score: Callable[[np.ndarray, np.ndarray], float]) -> Scored:
    """`score(target [T], output [T])` for metrics of one signal at a time, meaned over stems and channels.

    An item is left out when any of its signals raises UnscoredError, or when all its targets are silent.
    """
    rows = np.full(len(items), np.nan)
    left_out: Counter[str] = Counter()
    for i, (target, output) in enumerate(zip(items.targets, items.outputs, strict=True)):
        t, o = (x.reshape(-1, x.shape[-1]).astype(np.float32) for x in (target, output))
        heard = ~silent(t)
        try:
            if not heard.any():
                raise UnscoredError(SILENT)
            rows[i] = np.mean([score(a, b) for a, b in zip(t[heard], o[heard], strict=True)])
        except UnscoredError as why:
            left_out[str(why)] += 1
    return Scored(rows, rows, left_out)
