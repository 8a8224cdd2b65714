"""Losses equal torchmetrics where both are defined, and stay finite where the reference is silent or padded."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio

from audioml.losses import LOSSES


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
