"""Judges of waveforms: the published sizes, the folding by period against a loop, and what each loss is at its ends."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audioml.nn.discriminators import Judge, Jury, Period, Pooled, Resolution, frozen, matching, oppose, parted, please


def plain(module: nn.Module) -> int:
    """Weights and biases without the gains of weight normalisation, which HiFi-GAN's published sizes leave out."""
    gains = {id(p) for name, p in module.named_parameters() if name.endswith("weight.original0")}
    return sum(p.numel() for p in module.parameters() if id(p) not in gains)


def test_sizes_are_the_published_ones() -> None:
    """HiFi-GAN's judges have 41.1 and 29.6 million weights (Kong et al. 2020, and their config v1)."""
    assert 5 * plain(Period(2, 32, 1024, None)) / 1e6 == pytest.approx(41.1, abs=0.05)
    assert sum(plain(Pooled(k, 1024, None)) for k in range(3)) / 1e6 == pytest.approx(29.6, abs=0.05)


@pytest.mark.parametrize("period", [1, 2, 3, 5, 7, 11])
def test_folding_by_period_against_a_loop(period: int) -> None:
    x = torch.randn(2, 1, 101)
    folded = Period(period, 4, 8, None).enter(x)
    rows = -(-101 // period)
    assert folded.shape == (2, 1, rows, period)
    for row in range(rows):
        for column in range(period):
            place = row * period + column
            mirrored = place if place <= 100 else 200 - place
            assert torch.equal(folded[:, 0, row, column], x[:, 0, mirrored])


def test_a_period_judge_never_mixes_phases() -> None:
    """What lies at one phase of the period changes the score of that phase alone."""
    torch.manual_seed(0)
    judge, x = Period(3, 4, 8, None), torch.randn(1, 1, 300)
    other = x.clone()
    other[..., 1::3] += 1
    change = (judge(x)[0] - judge(other)[0]).detach().abs().sum((0, 1, 2))
    assert float(change[0]) == float(change[2]) == 0
    assert float(change[1]) > 0


@pytest.mark.parametrize("times", [0, 1, 2])
def test_pooling_halves_the_rate(times: int) -> None:
    x = torch.sin(torch.arange(4000) * 0.02)[None, None]
    entered = Pooled(times, 16, None).enter(x)
    assert abs(entered.shape[-1] - 4000 / 2**times) <= 2
    assert entered[..., 5:-5].abs().max() == pytest.approx(1, abs=0.02)
    score, maps = Pooled(times, 16, None)(x)
    assert score.shape[1] == 1
    assert len(maps) == 7
    # strides 2, 2, 4, 4
    assert maps[4].shape[-1] == pytest.approx(4000 / 2**times / 64, abs=1)


def test_resolution_is_about_unit_scale_and_floored() -> None:
    judge = Resolution(256, 4, None)
    t = torch.arange(4096) / 16000
    tone = torch.sin(2 * torch.pi * 1000 * t)[None, None]
    assert float(judge.enter(tone).max()) == pytest.approx(1, abs=0.01)
    assert float(judge.enter(0 * tone).max()) == pytest.approx(1 - 7 / 3, abs=0.01)
    assert judge.enter(tone[..., :100]).shape[1:3] == (1, 129)


SMALL = {"periods": [2, 3], "scales": [0, 1], "windows": [256], "width": 4, "widest": 16}


@pytest.mark.parametrize("samples", [300, 4001])
def test_every_judge_is_trained_and_passes_gradient_on(samples: int) -> None:
    torch.manual_seed(0)
    jury = Jury(**SMALL, cond=6)
    real, fake, cond = torch.randn(2, 1, samples), torch.randn(2, 1, samples, requires_grad=True), torch.randn(2, 6)
    verdicts = jury(torch.cat([real, fake]), torch.cat([cond, cond]))
    assert len(verdicts) == 5
    oppose(*parted(verdicts), "hinge").backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in jury.parameters())
    jury.zero_grad()
    fake.grad = None
    with frozen(jury):
        made = jury(fake, cond)
        (please(made, "lsgan") + matching(jury(real, cond), made, paired=True)).backward()
    assert all(p.grad is None and p.requires_grad for p in jury.parameters())
    assert float(fake.grad.abs().sum()) > 0


def test_judged_together_is_judged_apart() -> None:
    torch.manual_seed(0)
    jury = Jury(**SMALL).eval()
    a, b = torch.randn(2, 2, 1, 800)
    together = parted(jury(torch.cat([a, b])))
    for both, alone in zip(together, (jury(a), jury(b)), strict=True):
        for (score, maps), (score1, maps1) in zip(both, alone, strict=True):
            assert torch.allclose(score, score1, atol=1e-5)
            assert all(torch.allclose(m, m1, atol=1e-5) for m, m1 in zip(maps, maps1, strict=True))


def test_a_condition_is_heard() -> None:
    torch.manual_seed(0)
    judge, x = Period(2, 4, 8, 3), torch.randn(1, 1, 200)
    assert not torch.equal(judge(x, torch.ones(1, 3))[0], judge(x, torch.zeros(1, 3))[0])
    assert torch.equal(judge(x, torch.zeros(1, 3))[0], judge(x)[0])


def verdict(score: float, level: float = 1.0) -> list:
    return [(torch.full((2, 1, 5), score), [torch.full((2, 3, 5), level)])]


@pytest.mark.parametrize(
    ("criterion", "sure", "fooled", "pleased"),
    [("lsgan", 0.0, 1.0, 0.0), ("hinge", 0.0, 2.0, -1.0)],
)
def test_losses_at_their_ends(criterion: str, sure: float, fooled: float, pleased: float) -> None:
    low = 0.0 if criterion == "lsgan" else -1.0
    assert float(oppose(verdict(1.0), verdict(low), criterion)) == sure
    assert float(oppose(verdict(1.0), verdict(1.0), criterion)) == fooled
    assert float(please(verdict(1.0), criterion)) == pleased


def test_feature_matching_is_relative_and_may_be_of_means() -> None:
    assert float(matching(verdict(0, 2.0), verdict(0, 3.0), paired=True)) == 0.5
    assert float(matching(verdict(0, 2.0), verdict(0, 2.0), paired=True)) == 0
    a = [(torch.zeros(1), [torch.randn(2, 3, 50)])]
    shuffled = [(torch.zeros(1), [a[0][1][0][:, :, torch.randperm(50)].flip(0)])]
    assert float(matching(a, shuffled, paired=False)) < 1e-6
    assert float(matching(a, shuffled, paired=True)) > 0.5


def test_judges_share_one_shape_of_answer() -> None:
    assert all(isinstance(j, Judge) for j in Jury(**SMALL).judges)
