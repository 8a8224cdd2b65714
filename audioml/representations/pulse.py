"""From activations to a pulse: dynamic programming over tempo and phase, and the bar line that fits the beats best.

The model is the bar pointer (Whiteley et al. 2006) in the state space of Krebs et al. 2015, written as one step per beat:
a path visits a beat at frame t having come t' = t - interval; each beat is worth the log-odds of its activation, each change
of the interval costs `tightness` times its relative size.
"""

from __future__ import annotations

from typing import Any

from audioml.lazy import LazyModule

np = LazyModule("numpy")

FLOOR = 1e-3  # no activation is more certain than this


def log_odds(activation: Any, threshold: float) -> Any:
    """How much a frame speaks for an event, 0 at `threshold`."""
    a = np.clip(np.asarray(activation, np.float64), FLOOR, 1 - FLOOR)
    return np.log(a / (1 - a)) - np.log(threshold / (1 - threshold))


def beats(activation: Any, rate: float, *, fps: float, slowest: float, fastest: float, tightness: float, threshold: float) -> Any:
    """Times [K] in seconds of the best sequence of beats in an activation [N] at `rate` frames per second.

    Tempi lie between `slowest` and `fastest` per minute; the search runs at `fps` frames per second.  Empty where the
    activation is shorter than the fastest beat.
    """
    frames = int(np.ceil(len(activation) * fps / rate))
    interval = np.arange(int(np.ceil(60 * fps / fastest)), int(60 * fps / slowest) + 1)
    if frames < interval[0] or not len(interval):
        return np.zeros(0)
    odds = log_odds(np.interp(np.arange(frames) * (rate / fps), np.arange(len(activation)), activation), threshold)
    change = tightness * np.abs(interval[None] / interval[:, None] - 1)  # [now, before]
    longest, width = int(interval[-1]), len(interval)
    # score[t + longest, k]: the best path that ends with a beat at t after interval k; what lies before the start is impossible
    score = np.full((longest + frames, width), -np.inf)
    came = np.full((frames, width), -1, np.int32)
    first = np.where(np.arange(frames) < longest, odds, -np.inf)  # the first beat comes within the longest interval
    columns = np.arange(width)
    for t in range(frames):
        paths = score[t + longest - interval] - change
        best = paths.argmax(1)
        value = paths[columns, best]
        since = t - interval
        fresh = np.where(since >= 0, first[np.maximum(since, 0)], -np.inf)
        new = fresh > value
        score[t + longest] = odds[t] + np.where(new, fresh, value)
        came[t] = np.where(new, -1, best)
    return _trace(score[longest:], came, interval, first) / fps


def _trace(score: Any, came: Any, interval: Any, first: Any) -> Any:
    """Frames of the best path whose next beat would lie past the end."""
    frames = len(score)
    last = np.arange(frames)[:, None] + interval >= frames
    ends = np.where(last, score, -np.inf)
    t, k = np.unravel_index(int(ends.argmax()), ends.shape)
    if not np.isfinite(ends[t, k]):
        return np.asarray([int(first.argmax())], np.float64)
    path = [int(t)]
    while True:
        before = came[t, k]
        t = t - interval[k]
        path.append(int(t))
        if before < 0:
            return np.asarray(path[::-1], np.float64)
        k = before


def bar_lines(activation: Any, meters: list[int], threshold: float) -> Any:
    """Which of the beats begin a bar, bool [K]: the metre and phase whose bar lines gather the most log-odds per beat."""
    odds = log_odds(activation, threshold)
    number = np.arange(len(odds))
    choices = [number % meter == phase for meter in meters for phase in range(min(meter, max(len(odds), 1)))]
    return max(choices, key=lambda on: float(odds[on].sum() - odds[~on].sum()))
