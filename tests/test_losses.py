"""Losses equal torchmetrics where both are defined, and stay finite where the reference is silent or padded."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio

from audioml.losses import LOSSES, SIGNALS, best_order, reordered


def waves(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    reference = 0.2 * torch.randn(3, 2, 4000)
    return reference + 0.1 * torch.randn_like(reference), reference, torch.full((3,), 4000)


@pytest.mark.parametrize(("name", "peer"), [("snr", signal_noise_ratio), ("si_sdr", scale_invariant_signal_distortion_ratio)])
def test_equals_torchmetrics_up_to_the_soft_limit(name: str, peer: object) -> None:
    estimate, reference, n = waves()
    ours, theirs = -LOSSES[name](estimate, reference, n), peer(estimate, reference).mean()
    assert ours == pytest.approx(float(theirs), abs=0.1)


def test_si_sdr_ignores_the_gain_and_snr_does_not() -> None:
    estimate, reference, n = waves()
    assert LOSSES["si_sdr"](3 * estimate, reference, n) == pytest.approx(float(LOSSES["si_sdr"](estimate, reference, n)), abs=0.05)
    assert LOSSES["snr"](3 * estimate, reference, n) > LOSSES["snr"](estimate, reference, n) + 3


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_estimate_is_best_and_padding_is_left_out(name: str) -> None:
    estimate, reference, n = waves()
    assert LOSSES[name](reference, reference, n) < LOSSES[name](estimate, reference, n)
    short = torch.tensor([1000, 4000, 4000])
    other = estimate.clone()
    other[0, :, 1000:] = 100.0
    assert torch.allclose(LOSSES[name](estimate, reference, short), LOSSES[name](other, reference, short))


@pytest.mark.parametrize("name", LOSSES)
def test_silence_has_finite_values_and_gradients(name: str) -> None:
    estimate, reference, n = waves()
    reference[0, 1], reference[1] = 0, 0
    estimate.requires_grad_(True)
    loss = LOSSES[name](estimate, reference, n)
    loss.backward()
    assert loss.isfinite()
    assert estimate.grad.isfinite().all()


def test_multispectral_is_blind_to_phase_and_sees_every_scale() -> None:
    t = torch.arange(16000) / 16000
    fade = torch.hann_window(16000)
    a, b, c = (fade * torch.sin(2 * torch.pi * f * t + phase) for f, phase in ((2000, 0), (2000, 1.3), (2100, 0)))
    n = torch.tensor([16000])
    same, other = (float(LOSSES["multispectral"](x[None, None], a[None, None], n)) for x in (b, c))
    assert same < 0.2 * other
    assert float(LOSSES["snr"](b[None, None], a[None, None], n)) > 0, "while samples differ"


def naive_order(estimate: torch.Tensor, reference: torch.Tensor, n: torch.Tensor, name: str) -> list[list[int]]:
    found = []
    for b in range(len(reference)):
        costs = {
            p: sum(
                float(SIGNALS[name](estimate[b : b + 1, k], reference[b : b + 1, j], n[b : b + 1]).mean()) for j, k in enumerate(p)
            )
            for p in permutations(range(reference.shape[1]))
        }
        found.append(list(min(costs, key=costs.get)))
    return found


@pytest.mark.parametrize("name", ["si_sdr", "l1", "spectral"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_best_order_is_that_of_all_permutations(name: str, count: int) -> None:
    torch.manual_seed(count)
    reference = torch.randn(3, count, 2, 2000)
    order = torch.stack([torch.randperm(count) for _ in range(3)])
    estimate = torch.empty_like(reference).scatter_(1, order[:, :, None, None].expand_as(reference), reference)
    estimate = estimate + 0.7 * torch.randn_like(estimate)
    n = torch.full((3,), 2000)
    found = best_order(estimate, reference, n, name)
    assert found.tolist() == order.tolist() == naive_order(estimate, reference, n, name)
    assert (reordered(estimate, found) - reference).square().mean() < 0.6


def test_the_loss_of_ordered_stems_does_not_depend_on_their_order() -> None:
    torch.manual_seed(0)
    reference = torch.randn(2, 3, 1, 3000)
    estimate, n = reference + torch.randn_like(reference), torch.tensor([3000, 2000])

    def loss(x: torch.Tensor) -> float:
        best = reordered(x, best_order(x, reference, n, "snr"))
        return float(LOSSES["snr"](best.flatten(1, 2), reference.flatten(1, 2), n))

    assert loss(estimate) == pytest.approx(loss(estimate[:, [2, 0, 1]]))
