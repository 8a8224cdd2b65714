"""Intervals cover, comparisons err as often as they say, Holm is Holm, and one seed decides nothing."""

from __future__ import annotations

import numpy as np
import pytest

from audioml import stats
from audioml.metrics import interval, paired
from audioml.stats.pairs import prior_degrees


def crossed(rng: np.random.Generator, seeds: int, items: int, of: tuple[float, float, float], skewed: bool = False) -> np.ndarray:
    """[S, I] with mean 0: standard deviations `of` (seeds, items, both)."""
    by_item = rng.exponential(of[1], items) - of[1] if skewed else rng.normal(0, of[1], items)
    return rng.normal(0, of[0], (seeds, 1)) + by_item + rng.normal(0, of[2], (seeds, items))


@pytest.mark.parametrize(
    ("seeds", "of", "skewed"),
    [(3, (0.3, 1.0, 0.5), False), (3, (1.0, 0.1, 0.1), False), (3, (0.0, 1.0, 0.0), True), (5, (0.5, 1.0, 1.0), False)],
)
def test_the_interval_covers_the_truth_whichever_part_the_doubt_comes_from(seeds: int, of: tuple, skewed: bool) -> None:
    rng, trials = np.random.default_rng(1), 300
    hits = 0
    for _ in range(trials):
        low, high = stats.estimate(crossed(rng, seeds, 40, of, skewed).tolist()).ci
        hits += low <= 0 <= high
    assert 0.90 <= hits / trials <= 0.99  # binomial doubt of 300 trials at 0.95: ± 0.025; skew costs a little


def test_unstretched_resampling_of_three_seeds_would_not_cover() -> None:
    """Why the stretch is there: the plain pigeonhole bootstrap, on seeds that differ, is far too sure."""
    from audioml.metrics._bootstrap import weights

    rng, hits = np.random.default_rng(2), 0
    for _ in range(300):
        x = crossed(rng, 3, 40, (1.0, 0.1, 0.1))
        plain = ((weights(3, 2000, 1) / 3 @ x) * (weights(40, 2000, 0) / 40)).sum(1)
        low, high = np.quantile(plain, (0.025, 0.975))
        hits += low <= 0 <= high
    assert hits / 300 < 0.85


def test_equal_rows_are_told_apart_no_more_often_than_said() -> None:
    """Ten equal rows, three seeds: in at most about 5 % of the tasks does any of the 45 pairs look different after Holm."""
    rng, wrong, trials = np.random.default_rng(3), 0, 60
    for _ in range(trials):
        shared = rng.normal(0, 1, 30)
        rows = {f"r{k}": dict(enumerate((shared + crossed(rng, 3, 30, (0.2, 0.3, 0.3))).tolist())) for k in range(10)}
        wrong += any(pair.verdict in (stats.BETTER, stats.WORSE) for pair in stats.compare(rows, "high").values())
    assert wrong / trials <= 0.1  # without the moderated variance of audioml/stats/pairs.py: 0.2


def test_the_moderated_variance_finds_what_three_seeds_alone_would_not() -> None:
    rng, found = np.random.default_rng(9), []
    for _ in range(20):
        shared = rng.normal(0, 1, 30)
        rows = {f"r{k}": dict(enumerate((k % 2 + shared + crossed(rng, 3, 30, (0.1, 0.2, 0.3))).tolist())) for k in range(10)}
        pairs = {key: pair for key, pair in stats.compare(rows, "high").items() if int(key[0][1]) % 2 != int(key[1][1]) % 2}
        found += [pair.verdict in (stats.BETTER, stats.WORSE) for pair in pairs.values()]
        assert all((pair.verdict == stats.BETTER) == (pair.difference > 0) for pair in pairs.values() if pair.verdict != stats.TIE)
    assert np.mean(found) > 0.9


def test_prior_degrees_are_smyths() -> None:
    from scipy.special import polygamma

    rng = np.random.default_rng(10)
    prior, df = 6.0, 4
    true = prior / rng.chisquare(prior, 20000)  # scaled inverse chi-square
    assert prior_degrees(true * rng.chisquare(df, 20000) / df, df) == pytest.approx(prior, rel=0.1)
    assert prior_degrees(np.full(10, 2.0), 2) == float("inf")
    spread = np.exp(rng.normal(0, 3, 40))
    excess = np.log(spread).var(ddof=1) - polygamma(1, 1.0)
    assert polygamma(1, prior_degrees(spread, 2) / 2) == pytest.approx(excess)


def test_one_seed_is_the_interval_over_items_that_there_was() -> None:
    x = np.random.default_rng(4).exponential(2, 48)
    got = stats.estimate([x.tolist()])
    assert got.ci == interval(np.stack([x, np.ones(48)], 1))
    assert (got.value, got.seeds, got.items, got.between) == (pytest.approx(x.mean()), 1, 48, None)
    y = x + np.random.default_rng(5).normal(0.3, 1, 48)
    gap, known = stats.contrast({0: y.tolist()}, {0: x.tolist()}), paired(y, x)
    assert (gap.difference, gap.ci, gap.items) == (pytest.approx(known.difference), known.ci, known.n)


def test_no_winner_from_one_seed_however_large_the_difference() -> None:
    rows = {"a": {0: [9.0, 9.1, 9.2, 9.0, 9.3, 9.1]}, "b": {0: [1.0, 1.1, 1.2, 1.0, 1.3, 1.2]}}
    assert {pair.verdict for pair in stats.compare(rows, "high").values()} == {stats.ONE_SEED}
    assert stats.standings(rows, "high") == {"a": stats.ONE_SEED, "b": stats.ONE_SEED}


def test_verdicts_and_standings() -> None:
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 3, 40)

    def row(level: float, seeds: int = 3) -> dict[int, list[float]]:
        return {s: (level + shared + rng.normal(0, 0.1) + rng.normal(0, 0.3, 40)).tolist() for s in range(seeds)}

    rows = {"good": row(5.0), "as good": row(5.02), "bad": row(2.0), "lone": row(9.0, 1)}
    high = stats.compare(rows, "high")
    assert high["good", "as good"].verdict == stats.TIE
    assert (high["good", "bad"].verdict, high["good", "lone"].verdict) == (stats.BETTER, stats.ONE_SEED)
    assert stats.compare(rows, "low")["good", "bad"].verdict == stats.WORSE
    assert stats.standings(rows, "high") == {
        "good": stats.TIED, "as good": stats.TIED, "bad": stats.BEHIND, "lone": stats.ONE_SEED,
    }  # fmt: skip
    del rows["as good"]
    assert stats.standings(rows, "high")["good"] == stats.BEST
    assert stats.standings(rows, "low")["bad"] == stats.BEST
    assert set(stats.standings(rows, "").values()) == {stats.UNTESTED, stats.ONE_SEED}


def test_only_shared_seeds_and_items_are_compared() -> None:
    a = {0: [1.0, 2.0, 3.0, 4.0, 5.0, None], 1: [1.0, 2.0, 3.0, 4.0, 6.0, 1.0], 7: [0.0] * 6}
    b = {0: [0.0] * 6, 1: [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]}
    found = stats.contrast(a, b)
    assert (found.seeds, found.items, found.difference) == (2, 5, pytest.approx(3.1))
    assert stats.contrast(a, {3: [0.0] * 6}).reason == "no seed in common"
    assert stats.contrast(a, {0: [0.0] * 5, 1: [0.0] * 5}).reason == "not the same test items"
    assert "4 comparable items" in stats.contrast({0: [1.0] * 4, 1: [1.0] * 4}, {0: [0.0] * 4, 1: [0.0] * 4}).reason


def test_holm_by_hand() -> None:
    # Holm (1979): 0.01·4, 0.02·3 -> 0.06, 0.03·2 -> 0.06 (never below the one before), 0.04·1 -> 0.06
    assert stats.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # the example of R's p.adjust(c(0.005, 0.011, 0.02, 0.04, 0.13), "holm")
    assert stats.holm([0.005, 0.011, 0.02, 0.04, 0.13]) == pytest.approx([0.025, 0.044, 0.06, 0.08, 0.13])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


def test_shares_that_all_agree_still_have_width() -> None:
    low, high = stats.estimate([[1.0] * 20] * 3).ci
    assert low == pytest.approx(0.839, abs=0.001)  # Wilson
    assert high == pytest.approx(1.0)
    assert stats.estimate([[7.0] * 20] * 3).ci == (7.0, 7.0)


def test_a_number_per_seed_has_an_interval_by_student() -> None:
    values = [4.0, 5.0, 6.0, 5.5, 4.5]
    low, high = stats.estimate([[v] for v in values]).ci
    half = 2.776 * np.std(values, ddof=1) / np.sqrt(5)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_positions_are_mid_ranks_and_their_correlation_is_spearmans() -> None:
    from scipy.stats import rankdata, spearmanr

    rng = np.random.default_rng(8)
    for _ in range(20):
        a, b = rng.integers(0, 5, 10).astype(float), rng.normal(size=10)
        assert stats.positions(a) * 9 + 1 == pytest.approx(rankdata(a))
        assert float(stats.spearman(stats.positions(a), stats.positions(b))) == pytest.approx(spearmanr(a, b).statistic)
    assert stats.positions(np.array([0.0, 0.04, 1.0, np.inf, np.inf]), 0.05).tolist() == [0.125, 0.125, 0.5, 0.875, 0.875]
    assert np.isnan(stats.spearman(np.zeros(4), np.arange(4.0)))
