"""Mixtures: densities against torch's, growth, and the two ways to move means."""

from __future__ import annotations

import torch

from audioml.nn import gmm
from tests.nn.test_hmm import toy


def frames(items: int = 3, length: int = 11, seed: int = 0) -> torch.Tensor:
    return torch.randn(items, 4, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def everything(mixtures: gmm.Mixtures, x: torch.Tensor) -> gmm.Sums:
    """Statistics in which every frame belongs to every state alike."""
    return heard(mixtures, x, torch.arange(5), 1 / 5)


def heard(mixtures: gmm.Mixtures, x: torch.Tensor, ids: torch.Tensor, part: float) -> gmm.Sums:
    """Statistics in which each of some states has `part` of every frame."""
    sums, powers = gmm.Sums(5, mixtures.most, 4), gmm.powers_of(x)
    share = part * shares(mixtures, powers, ids)[1]
    sums.add(ids[None], (share @ powers.T)[None])
    return sums


def shares(mixtures: gmm.Mixtures, powers: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log densities of some states, and each component's part in them."""
    parts = gmm.BITS * gmm.densities(mixtures.rows()[ids], powers)
    scores, total = parts.new_empty(2, len(ids), powers.shape[1])
    gmm.shares(parts, scores, total)
    return scores, parts / total[:, None]


def test_densities_equal_torch_s() -> None:
    _, mixtures, _ = toy()
    x = frames()
    ids = torch.tensor([3, 1, 0, 0, 4])
    powers = gmm.powers_of(x)
    scores, share = shares(mixtures, powers, ids)
    scores_, share_ = scores.unflatten(1, (3, 11)), share.unflatten(2, (3, 11))
    for item, state in ((0, 0), (1, 1), (2, 4)):
        s = ids[state]
        normal = torch.distributions.Independent(torch.distributions.Normal(mixtures.mean[s], mixtures.variance[s].sqrt()), 1)
        each = normal.log_prob(x[item].T[:, None]) + mixtures.weight[s]
        assert torch.allclose(scores_[state, item], each.logsumexp(-1))
        assert torch.allclose(share_[state, :, item], each.softmax(-1).T)
    assert torch.allclose(mixtures.scores(powers, ids), scores)


def test_splitting_doubles_what_is_heard_enough() -> None:
    mixtures = gmm.Mixtures(5, 4, 4).double()
    x = frames(20)
    gmm.reestimate(mixtures, everything(mixtures, x), torch.full((4,), 1e-3), 0.0)
    before = mixtures.scores(gmm.powers_of(x), torch.arange(5)).mean()
    counts = torch.full((5, 4), 100.0)
    counts[2] = 1.0
    mixtures.split(counts, 10.0)
    assert int(mixtures.used) == 2
    assert torch.allclose(mixtures.weight.exp().sum(1), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(mixtures.weight[:2, :2].exp(), torch.tensor(0.5, dtype=torch.float64))
    assert float(mixtures.weight[2, 1]) < -60
    assert abs(float(mixtures.scores(gmm.powers_of(x), torch.arange(5)).mean() - before)) < 0.2
    for _ in range(3):
        gmm.reestimate(mixtures, everything(mixtures, x), torch.full((4,), 1e-3), 0.0)
    assert float(mixtures.scores(gmm.powers_of(x), torch.arange(5)).mean()) > float(before)
    mixtures.split(counts, 10.0)
    mixtures.split(counts, 10.0)
    assert int(mixtures.used) == 4  # no further than there is room


def test_variances_stay_above_the_floor_and_what_is_not_heard_stays() -> None:
    _, mixtures, _ = toy()
    kept = mixtures.mean.clone()
    x = frames(1, 30)
    x[:, 2] = 0.7  # a feature that never changes
    sums = heard(mixtures, x, torch.zeros(1, dtype=torch.long), 1.0)
    gmm.reestimate(mixtures, sums, torch.full((4,), 0.05), 1.0)
    rich = sums.counts[0] >= 1
    assert rich.any()
    assert float(mixtures.variance[0].min()) >= 0.05 - 1e-12
    assert torch.allclose(mixtures.variance[0, rich, 2], torch.tensor(0.05, dtype=torch.float64))
    assert torch.equal(mixtures.mean[1:], kept[1:])


def test_map_weighs_what_was_known_against_what_is_heard() -> None:
    _, mixtures, _ = toy(1)
    before, x = mixtures.mean.clone(), frames(2, 50)
    sums = everything(mixtures, x)
    gmm.map_means(mixtures, sums, 10.0)
    centre = x.transpose(1, 2).reshape(-1, 4).mean(0)
    assert torch.allclose(mixtures.mean[:, 0], (10 * before[:, 0] + 20 * centre) / 30)
    gmm.map_means(mixtures, gmm.Sums(5, 1, 4), 10.0)
    assert torch.allclose(mixtures.mean[:, 0], (10 * before[:, 0] + 20 * centre) / 30)  # nothing heard, nothing moved
    gmm.map_means(mixtures, gmm.Sums(5, 1, 4), 0.0)
    assert torch.isfinite(mixtures.mean).all()  # nothing heard and nothing believed: 0/0


def test_mllr_finds_the_transform_of_a_speaker() -> None:
    """The data are the states' means, all moved by one affine map, which is found again."""
    torch.manual_seed(0)
    mixtures = gmm.Mixtures(5, 2, 4).double()
    mixtures.used.fill_(2)
    mixtures.mean.copy_(torch.randn(5, 2, 4) * 2)
    before = mixtures.mean.clone()
    a, shift = torch.eye(4).double() + 0.2 * torch.randn(4, 4).double(), torch.randn(4).double()
    moved = before @ a.T + shift
    sums = gmm.Sums(5, 2, 4)
    sums.table[..., 0] = 40.0
    sums.table[..., 1:5] = 40.0 * moved
    gmm.mllr_means(mixtures, sums, 0.0)
    assert torch.allclose(mixtures.mean, moved, atol=1e-8)
    mixtures.mean.copy_(before)
    gmm.mllr_means(mixtures, sums, 1e9)
    assert torch.allclose(mixtures.mean, before, atol=1e-4)  # a strong belief in what was known


def test_a_feature_that_never_changes_says_nothing_instead_of_everything() -> None:
    """Its variance would be zero, and every density infinite."""
    mixtures = gmm.Mixtures(5, 1, 4).double()
    for constant in (0.0, -12.3):
        x = frames(2, 30)
        x[:, 2] = constant
        sums = everything(mixtures, x)
        floor = gmm.floor_of(sums, 0.01)
        assert torch.allclose(floor[[0, 1, 3]], 0.01 * x[:, [0, 1, 3]].transpose(0, 1).flatten(1).var(1, correction=0))
        assert float(floor[2]) == 1.0
        gmm.reestimate(mixtures, sums, floor, 0.0)
        assert mixtures.scores(gmm.powers_of(x), torch.arange(5)).isfinite().all()
