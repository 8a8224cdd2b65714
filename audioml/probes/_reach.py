"""How far one column of the output reaches into the input: by gradient, then by perturbation; in samples, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

SCALES = (1e-2, 10.0)  # of the perturbation, against the noise: inside and across the kinks of clamps and gates
BOTH_SIGNS = (*SCALES, -10.0)


@dataclass(frozen=True)
class Reach:
    """`samples` reached; `open`: the window ended first, so it is a lower bound; `note` says what was unusual."""

    samples: int
    open: bool
    note: str = ""


class Window:
    """One input x [1, C, T] and the system's output y [1, D, M]; column i stands for samples [i·step, (i+1)·step)."""

    def __init__(self, run: Callable[[Tensor], Tensor], x: Tensor, step: Fraction, block: int) -> None:
        self.run, self.step, self.block = run, step, block
        self.x = x.clone().requires_grad_(True)
        self.samples = x.shape[-1]
        self.y = run(self.x)
        with torch.no_grad():  # the kernels that the perturbed runs will use: equal to the bit where nothing changed
            self.still = run(self.x.detach())
        self.columns = self.y.shape[-1]
        self.blocks = self.columns // block
        self.weights = torch.randn(self.y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(self.y)
        self.smooth = self.y.requires_grad
        coin = torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(2)).to(x) * 2 - 1
        self.other = coin * x.detach().std()

    def end(self, column: int) -> int:
        """Samples that have passed when `column` is complete."""
        return math.ceil((column + 1) * self.step)

    def touched(self, first: int, last: int) -> tuple[int, int] | None:
        """First and last sample with a non-zero gradient of columns [first, last); None where the gradient says nothing."""
        if not self.smooth:
            return None
        target = (self.y * self.weights)[..., first:last].sum()
        (gradient,) = torch.autograd.grad(target, self.x, retain_graph=True)
        if not torch.isfinite(gradient).all():
            return None
        index = gradient.abs().amax((0, 1)).nonzero()
        return (int(index[0]), int(index[-1])) if len(index) else None

    @torch.no_grad()
    def changes(self, start: int, stop: int, first: int, last: int, scales: tuple[float, ...] = SCALES) -> bool:
        """Does a change of samples [start, stop) change columns [first, last), even by one bit?"""
        if stop <= start:
            return False
        before = self.still[..., first:last]
        for scale in scales:
            x = self.x.detach().clone()
            x[..., start:stop] += scale * self.other[..., start:stop]
            if not torch.equal(self.run(x)[..., first:last], before):
                return True
        return False

    @torch.no_grad()
    def first_changed(self, start: int) -> int:
        """The first column that changes when everything from sample `start` on does; the number of columns for none."""
        found = self.columns
        for scale in SCALES:
            x = self.x.detach().clone()
            x[..., start:] += scale * self.other[..., start:]
            index = (self.run(x) != self.still).any(1)[0].nonzero()
            found = min(found, int(index[0])) if len(index) else found
        return found

    def latest(self, first: int, last: int, low: int) -> int:
        """By bisection: the last sample, not before `low`, whose change changes columns [first, last); low - 1 for none."""
        high = self.samples
        while low < high:  # invariant: a change from `high` on changes nothing; the answer is in [low - 1, high)
            middle = (low + high) // 2
            if self.changes(middle, self.samples, first, last, BOTH_SIGNS):
                low = middle + 1
            else:
                high = middle
        return low - 1

    def earliest(self, first: int, last: int, high: int) -> int:
        """By bisection: the first sample, not after `high`, whose change changes columns [first, last); high + 1 for none."""
        low = 0
        high += 1
        while low < high:  # invariant: a change before `low` changes nothing
            middle = (low + high) // 2
            if self.changes(0, middle + 1, first, last, BOTH_SIGNS):
                high = middle
            else:
                low = middle + 1
        return low


BLIND = "the gradient missed what perturbation found"
FAINT = "the effect at the edge of the look-ahead is below float64 resolution"


def future_of(window: Window) -> Reach:
    """Most samples past the end of a block that its columns, or earlier ones, depend on.

    The gradient asks two blocks; perturbation confirms the one that reaches further, and finds the first block that
    reaches as far: where a network strides, the blocks of one stride wait differently long.
    """
    best = None
    for place in {window.blocks // 3 // 64 * 64, window.blocks // 3}:
        last = (place + 1) * window.block
        end = window.end(last - 1)
        if last > window.columns or end >= window.samples:
            continue
        found = window.touched(0, last)
        latest = max(found[1], end - 1) if found else end - 1
        if latest == window.samples - 1:
            return Reach(latest - end + 1, True)
        if best is None or latest - end > best[0] - best[1]:
            best = latest, end, last, found is None
    if best is None:
        return Reach(0, True)
    latest, end, last, blind = best
    note = ""
    if window.changes(latest + 1, window.samples, 0, last):
        latest, note = window.latest(0, last, latest + 1), "" if blind else BLIND
    first = window.first_changed(latest)
    if first < last:
        end = window.end((first // window.block + 1) * window.block - 1)
    elif latest > end - 1:
        note = FAINT
    return Reach(latest - end + 1, latest >= window.samples - 1, note)


def span_of(window: Window, future: int | None) -> Reach:
    """Most samples from the first to the last that one column depends on; three columns are asked, as in `future_of`.

    The columns lie as late as a known `future` allows, so that the window reaches back as far as it can.
    """
    block = window.block
    late = window.columns * 3 // 4 if future is None else window.columns - 1 - block - math.ceil((future + 1) / window.step)
    best = None
    for column in (late, late - 1 - block // 2, late - 1 - block):
        if column < 0:
            continue
        found = window.touched(column, column + 1)
        if found and (found[0] <= 0 or found[1] >= window.samples - 1):
            return Reach(found[1] - found[0] + 1, True)
        if found is None:  # the gradient says nothing at all
            first = window.earliest(column, column + 1, window.samples - 1)
            last = window.latest(column, column + 1, 0)
            return Reach(max(0, last - first + 1), first <= 0 or last >= window.samples - 1)
        if best is None or found[1] - found[0] > best[1] - best[0]:
            best = (*found, column)
    if best is None:
        return Reach(0, True)
    first, last, column = best
    note = ""
    if window.changes(0, first, column, column + 1):
        first, note = window.earliest(column, column + 1, first - 1), BLIND
    if window.changes(last + 1, window.samples, column, column + 1):
        last, note = window.latest(column, column + 1, last + 1), BLIND
    return Reach(last - first + 1, first <= 0 or last >= window.samples - 1, note)
