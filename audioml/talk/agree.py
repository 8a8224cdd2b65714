"""The talk's grades against the measured amounts: agree, disagree, not comparable, and a rank correlation per column.

The rule (its numbers stand in grades.yaml): on one task, the rows that have a grade of the talk and a measured amount are put in
order twice, each row at a place from 0 (least) to 1 (most), equal ones sharing theirs.  A cell agrees when its two places are
no further apart than `within`.  That is asked of every resample over seeds × items: a cell agrees when the share `sure` of them
say so, disagrees when the same share says the opposite, and is otherwise not settled.  A row of one seed is never compared.

The correlation is Spearman's, over the same rows, with the interval of the same resamples: what it leaves open is the
measurement, the rows being the ten of the talk and no sample of more.  Beside it stands what chance gives: 95 of 100 random
orders of the talk's grades correlate less than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audioml import stats
from audioml.lazy import LazyModule
from audioml.talk.columns import MEASURES, Cell
from audioml.talk.evidence import Arena
from audioml.talk.opinion import SUITABLE, Aspect, Opinion

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

AGREE, DISAGREE, NOT = "agree", "disagree", "not comparable"
ORDERS = 4000  # random orders for what chance gives


@dataclass
class Judged:
    """One cell on one task: what was measured, the places of talk and measurement, and how they compare."""

    task: str
    row: str
    column: str
    cell: Cell
    said: str = ""
    grade: float | None = None
    talk_place: float | None = None
    place: float | None = None
    place_ci: tuple[float, float] | None = None
    verdict: str = NOT
    reason: str = ""
    seeds: int = 0


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a column on one task, or the mean over `tasks`; `rho` None: `reason` says why.

    `chance`: 95 of 100 random orders of the talk's grades correlate less; `luck`: the share of cells in which they would agree.
    """

    column: str
    tasks: tuple[str, ...]
    rows: int = 0
    rho: float | None = None
    ci: tuple[float, float] | None = None
    chance: float | None = None
    luck: float | None = None
    reason: str = ""


@dataclass
class Ranked:
    """The rows of one column on one task that can be compared: the talk's grades [n], best amounts [n], resamples [R, n]."""

    rows: list[str]
    grades: np.ndarray
    best: np.ndarray
    drawn: np.ndarray


@dataclass
class Verdicts:
    """All cells by (task, row, column), correlations by (task, column), and their means over tasks by column."""

    cells: dict[tuple[str, str, str], Judged] = field(default_factory=dict)
    by_task: dict[tuple[str, str], Correlation] = field(default_factory=dict)
    overall: dict[str, Correlation] = field(default_factory=dict)
    ranked: dict[tuple[str, str], Ranked] = field(default_factory=dict)

    def counts(self, *, row: str | None = None, column: str | None = None, task: str | None = None) -> Counter[str]:
        """How many cells agree, disagree, or are not comparable."""
        wanted = {"row": row, "column": column, "task": task}
        return Counter(j.verdict for j in self.cells.values() if all(v is None or getattr(j, k) == v for k, v in wanted.items()))


def judge(arenas: Sequence[Arena], talk: Opinion) -> Verdicts:
    """Measure every cell and compare it with the talk."""
    out = Verdicts()
    for arena in arenas:
        for aspect in talk.aspects.values():
            for row in talk.rows:
                out.cells[arena.task, row, aspect.key] = _measured(arena, row, aspect, talk)
            if aspect.key == SUITABLE:
                _suits(out, arena, talk)
            else:
                _compare(out, arena, aspect, talk)
    for aspect in talk.aspects.values():
        if aspect.key != SUITABLE:
            out.overall[aspect.key] = _overall(out, arenas, aspect)
    return out


def _measured(arena: Arena, row: str, aspect: Aspect, talk: Opinion) -> Judged:
    said = talk.cells[row, aspect.key].of(arena.task)
    judged = Judged(arena.task, row, aspect.key, Cell(), said.text, said.grade, reason=said.reason)
    if row in arena.missing:
        judged.cell = Cell(reason=arena.missing[row])
        judged.reason = arena.missing[row]
        return judged
    found = arena.rows[row]
    judged.cell = MEASURES[aspect.measure](arena, found, talk.rule)
    judged.seeds = found.seeds if judged.cell.seeds is None else min(judged.cell.seeds, found.seeds)
    if aspect.key == SUITABLE or judged.reason:
        return judged
    if judged.cell.reason:
        judged.reason = f"not measured: {judged.cell.reason}"
    elif judged.seeds < 2:
        judged.reason = "one seed is one draw"
    elif judged.cell.amount is None:
        judged.reason = "the value that ranks is not measured, or only a bound of it is known, or the row learnt nothing"
    return judged


def _ranked(out: Verdicts, arena: Arena, aspect: Aspect, talk: Opinion) -> Ranked | None:
    cells = [out.cells[arena.task, row, aspect.key] for row in talk.rows]
    kept = [j for j in cells if not j.reason and j.grade is not None and j.cell.amount is not None and np.isfinite(j.grade)]
    if not kept:
        return None
    best, drawn = np.array([j.cell.best for j in kept]), np.stack([j.cell.amount for j in kept], -1)
    if aspect.log:
        with np.errstate(divide="ignore"):
            best, drawn = np.log(best), np.log(drawn)
    return Ranked([j.row for j in kept], np.array([j.grade for j in kept]), best, drawn)


def _equal(aspect: Aspect) -> float:
    return float(np.log(aspect.equal)) if aspect.log else aspect.equal


def _compare(out: Verdicts, arena: Arena, aspect: Aspect, talk: Opinion) -> None:
    """Fill the verdicts of one column on one task, and its correlation."""
    ranked, rule, key = _ranked(out, arena, aspect, talk), talk.rule, (arena.task, aspect.key)
    if ranked is None or len(ranked.rows) < rule.fewest:
        have = 0 if ranked is None else len(ranked.rows)
        reason = f"{have} rows have both a grade and a measurement over several seeds, at least {rule.fewest} are needed"
        out.by_task[key] = Correlation(aspect.key, (arena.task,), have, reason=reason)
        for row in ranked.rows if ranked else []:
            out.cells[arena.task, row, aspect.key].reason = reason
        return
    talks = stats.positions(ranked.grades)
    places, drawn = stats.positions(ranked.best, _equal(aspect)), stats.positions(ranked.drawn, _equal(aspect))
    near = np.abs(drawn - talks) <= rule.within
    for index, row in enumerate(ranked.rows):
        judged = out.cells[arena.task, row, aspect.key]
        judged.talk_place, judged.place = float(talks[index]), float(places[index])
        judged.place_ci = _ends(drawn[:, index])
        share = float(near[:, index].mean())
        judged.verdict = AGREE if share >= rule.sure else DISAGREE if share <= 1 - rule.sure else NOT
        if judged.verdict == NOT:
            judged.reason = f"seeds and items do not settle it ({100 * share:.0f} % of resamples agree)"
    out.ranked[key] = ranked
    out.by_task[key] = _correlation(aspect.key, arena, ranked, talks, places, drawn, rule.within)


def _correlation(
    column: str, arena: Arena, ranked: Ranked, talks: np.ndarray, places: np.ndarray, drawn: np.ndarray, within: float
) -> Correlation:
    task = arena.task
    rho, rhos = float(stats.spearman(talks, places)), stats.spearman(talks, drawn)
    n = len(ranked.rows)
    if not np.isfinite(rho):
        which = "the talk grades all of these rows alike" if np.ptp(talks) == 0 else "all of these rows were measured alike"
        return Correlation(column, (task,), n, reason=which)
    orders = np.random.default_rng(arena.place).permuted(np.tile(talks, (ORDERS, 1)), axis=1)
    chance = float(np.quantile(np.abs(stats.spearman(orders, places)), 0.95))
    luck = float((np.abs(orders - places) <= within).mean())
    return Correlation(column, (task,), n, rho, _ends(rhos[np.isfinite(rhos)]), chance, luck)


def _overall(out: Verdicts, arenas: Sequence[Arena], aspect: Aspect) -> Correlation:
    """The mean over the tasks that have one; for chance the rows' grades are shuffled once for all tasks."""
    known = [(arena, found) for arena in arenas if (found := out.by_task[arena.task, aspect.key]).rho is not None]
    if not known:
        reasons = Counter(out.by_task[arena.task, aspect.key].reason for arena in arenas)
        return Correlation(aspect.key, (), reason=reasons.most_common(1)[0][0] if reasons else "no task was measured")
    most = min(arena.resamples for arena, _ in known)
    ranked = [out.ranked[arena.task, aspect.key] for arena, _ in known]
    grades = {row: grade for each in ranked for row, grade in zip(each.rows, each.grades, strict=True)}
    names, pool = list(grades), np.array(list(grades.values()))
    orders = np.random.default_rng(7).permuted(np.tile(pool, (ORDERS, 1)), axis=1)
    rhos, chances = [], []
    for each in ranked:
        places = stats.positions(each.best, _equal(aspect))
        rhos.append(stats.spearman(stats.positions(each.grades), stats.positions(each.drawn[:most], _equal(aspect))))
        chances.append(stats.spearman(stats.positions(orders[:, [names.index(row) for row in each.rows]]), places))
    mean = float(np.mean([found.rho for _, found in known]))
    tasks = tuple(arena.task for arena, _ in known)
    chance = float(np.quantile(np.abs(np.nanmean(chances, 0)), 0.95))
    luck = sum(found.luck * found.rows for _, found in known) / sum(found.rows for _, found in known)
    return Correlation(aspect.key, tasks, len(names), mean, _ends(np.nanmean(rhos, 0)), chance, luck)


def _suits(out: Verdicts, arena: Arena, talk: Opinion) -> None:
    """The talk names tasks, it does not grade: a named task agrees where the row is fit for it, else it disagrees."""
    anyone = any(out.cells[arena.task, row, SUITABLE].cell.fits for row in talk.rows)
    for row in talk.rows:
        judged = out.cells[arena.task, row, SUITABLE]
        words = [word for word, tasks in talk.suits[row] if arena.task in tasks]
        judged.said = ", ".join(words)
        if not words:
            judged.reason = "the talk does not name this task for the row"
        elif judged.cell.fits is None:
            judged.reason = judged.reason or judged.cell.reason
        elif not anyone:
            judged.reason = "no row of the ten is shown fit for this task"
        else:
            judged.verdict = AGREE if judged.cell.fits else DISAGREE


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
