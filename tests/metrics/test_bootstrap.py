"""Intervals: known cases, coverage, pairing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from audioml.metrics import interval, paired
from audioml.metrics._bootstrap import wilson


def rows(x):
    return np.stack([x, np.ones(len(x))], 1)


def test_agrees_with_scipys_bca():
    x = np.random.default_rng(1).exponential(size=60)
    ours = interval(rows(x), resamples=20000)
    scipys = bootstrap((x,), np.mean, method="BCa", n_resamples=20000, rng=np.random.default_rng(0)).confidence_interval
    assert ours == pytest.approx(tuple(scipys), abs=0.02)


def test_ratio_agrees_with_scipys_bca():
    rng = np.random.default_rng(2)
    words = rng.integers(1, 30, 50).astype(float)
    errors = rng.binomial(words.astype(int), 0.2).astype(float)
    ours = interval(np.stack([errors, words], 1), resamples=20000)
    scipys = bootstrap(
        (errors, words),
        lambda e, w, axis=-1: e.sum(axis) / w.sum(axis),
        paired=True,
        method="BCa",
        n_resamples=20000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert ours == pytest.approx(tuple(scipys), abs=0.005)


def test_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        low, high = interval(rows(rng.normal(1.0, 2.0, 40)), resamples=500)
        hits += low <= 1.0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_same_seed_same_interval_and_one_item_has_none():
    x = rows(np.arange(9.0))
    assert interval(x, seed=4) == interval(x, seed=4)
    assert interval(x[:1]) is None


def test_no_spread_no_width_but_a_proportion_stays_honest():
    ones = rows(np.ones(20))
    assert interval(ones) == (1.0, 1.0)
    low, high = interval(ones, share=True)
    assert high == 1.0
    assert 0.8 < low < 0.9
    z = norm.ppf(0.975)
    assert wilson(1.0, 20)[0] == pytest.approx(1 / (1 + z * z / 20))


def test_paired_sees_a_small_constant_gain_that_unpaired_intervals_hide():
    rng = np.random.default_rng(5)
    base = rng.normal(0, 10, 50)
    better = base + 0.5 + rng.normal(0, 0.2, 50)
    result = paired(better.tolist(), base.tolist())
    assert result.n == 50
    assert result.difference == pytest.approx(0.5, abs=0.1)
    assert result.favours("high")
    assert not result.favours("low")
    assert not result.favours("")
    assert paired(base.tolist(), better.tolist()).favours("low")
    assert not paired(base.tolist(), rng.permutation(base).tolist()).favours("high")


def test_paired_skips_what_either_lacks_and_refuses_other_items():
    assert paired([1.0, None, 3.0], [0.0, 1.0, None]).n == 1
    nothing = paired([None], [1.0])
    assert nothing.n == 0
    assert nothing.difference is None
    assert not nothing.favours("high")
    with pytest.raises(ValueError, match="paired comparison needs the same items, got 1 and 2"):
        paired([1.0], [1.0, 2.0])
