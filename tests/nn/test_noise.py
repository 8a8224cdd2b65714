"""Diffusion's algebra and samplers: against diffusers' schedulers, an exact Gaussian solution, and convergence orders."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from audioml.nn.ema import Average
from audioml.nn.noise import CEILING, Scale, angle_of, noisy, split, spread_times, velocity
from audioml.nn.samplers import SAMPLERS, angles_for

STEPS = 1000


def table() -> torch.Tensor:
    """Angles of a discrete schedule of STEPS levels."""
    return angle_of((torch.arange(STEPS, dtype=torch.float64) + 1) / STEPS, 9.0)


def betas() -> list[float]:
    kept = table().cos().square()
    before = torch.cat([torch.ones(1, dtype=torch.float64), kept[:-1]])
    return (1 - kept / before).tolist()


class Toy(nn.Module):
    """A smooth field that no sampler can guess."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 4)).double()

    def forward(self, z: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        return self.map(torch.cat([z, angle[:, None]], 1))


def by_diffusers(name: str, nfe: int, z: torch.Tensor, model: Toy) -> tuple[torch.Tensor, torch.Tensor]:
    """(sample, angles that it used) of diffusers' scheduler on the same schedule."""
    import diffusers

    common = {"trained_betas": betas(), "prediction_type": "v_prediction", "num_train_timesteps": STEPS}
    made = {
        "ddim": lambda: diffusers.DDIMScheduler(**common, clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing"),
        "ddpm": lambda: diffusers.DDPMScheduler(**common, clip_sample=False, variance_type="fixed_small", timestep_spacing="trailing"),
        "dpmpp2m": lambda: diffusers.DPMSolverMultistepScheduler(
            **common, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero", timestep_spacing="trailing"
        ),
    }[name]()
    made.alphas_cumprod = made.alphas_cumprod.double()
    made.set_timesteps(nfe)
    used = []
    for t in made.timesteps:
        angle = table()[int(t)]
        used.append(angle)
        z = made.step(model(z, angle.expand(len(z))), t, z).prev_sample
    return z, torch.stack([*used, angle.new_zeros(())])


@pytest.mark.parametrize("nfe", [1, 2, 5, 20, 50])
@pytest.mark.parametrize("name", ["ddim", "dpmpp2m"])
def test_deterministic_samplers_equal_diffusers(name: str, nfe: int) -> None:
    model, z = Toy(), torch.randn(8, 4, dtype=torch.float64)
    with torch.no_grad():
        want, angles = by_diffusers(name, nfe, z, model)
        got = SAMPLERS[name](model, z, angles)
    assert (got - want).abs().max() < 1e-4 * want.abs().max()


def test_ancestral_sampling_equals_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one and the same noise at every step."""
    import diffusers.schedulers.scheduling_ddpm as theirs

    model, z, dice = Toy(), torch.randn(8, 4, dtype=torch.float64), torch.randn(8, 4, dtype=torch.float64)
    monkeypatch.setattr(theirs, "randn_tensor", lambda shape, **_: dice)
    monkeypatch.setattr(torch, "randn_like", lambda x: dice)
    with torch.no_grad():
        want, angles = by_diffusers("ddpm", 20, z, model)
        got = SAMPLERS["ddpm"](model, z, angles)
    assert (got - want).abs().max() < 1e-4 * want.abs().max()


class Gaussian:
    """The exact velocity where x ~ N(m, s²): E[x | z] is linear in z, and the flow has a closed form."""

    def __init__(self, m: float, s: float) -> None:
        self.m, self.s = m, s

    def __call__(self, z: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        c, d = angle[:, None].cos(), angle[:, None].sin()
        x = self.m + self.s**2 * c / (self.s**2 * c**2 + d**2) * (z - c * self.m)
        return (c * z - x) / d.clamp(min=1e-12)

    def exact(self, z: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """z - cos·m grows with the deviation of z along the flow."""
        c, d = start.cos(), start.sin()
        return self.m + (z - c * self.m) * self.s / (self.s**2 * c**2 + d**2).sqrt()


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpmpp2m", 2)])
def test_orders_of_convergence(name: str, order: int) -> None:
    """Twice the steps, even in log-SNR, make a solver of order p 2^p times as exact."""
    field, z = Gaussian(0.7, 0.5), torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]

    def error(steps: int) -> float:
        half = torch.linspace(-8, 8, steps + 1, dtype=torch.float64)[:-1]
        angles = torch.cat([(-half).exp().atan(), half.new_zeros(1)])
        return float((SAMPLERS[name](field, z, angles) - field.exact(z, angles[0])).abs().max())

    ratio = error(64) / error(128)
    assert ratio == pytest.approx(2**order, rel=0.1)
    assert error(128) < {1: 0.04, 2: 0.002}[order]


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_reach_the_distribution_and_keep_their_budget(name: str) -> None:
    field, calls = Gaussian(0.7, 0.5), []

    def counted(z: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        calls.append(float(angle[0]))
        return field(z, angle)

    torch.manual_seed(0)
    angles = angles_for(name, 39, 20.0, torch.device("cpu"))
    x = SAMPLERS[name](counted, torch.randn(20_000, 1, dtype=torch.float64), angles)
    assert len(calls) == 39
    assert abs(float(x.mean()) - 0.7) < 0.03
    assert abs(float(x.std()) - 0.5) < 0.04
    assert angles[-1] == 0
    assert (angles.diff() < 0).all()


def test_angles_and_velocity() -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    angle = angle_of(t, 20.0)
    snr = 2 * (angle.cos() / angle.sin()).log()
    assert snr[0] == pytest.approx(20, abs=1e-6)
    assert snr[-1] == pytest.approx(-20, abs=1e-6)
    assert angle.diff().std() < 1e-12
    x, e = torch.randn(2, 11, 3, dtype=torch.float64)
    z, v = noisy(x, e, angle), velocity(x, e, angle)
    back, noise = split(z, v, angle)
    assert torch.allclose(back, x)
    assert torch.allclose(noise, e)
    later = angle + 1e-6
    assert torch.allclose((noisy(x, e, later) - z) / 1e-6, v, atol=1e-5)


def test_times_cover_every_level() -> None:
    times = spread_times(8, torch.device("cpu"), torch.Generator().manual_seed(3)).sort().values
    assert (times.diff() - 1 / 8).abs().max() < 1e-6
    assert times.min() >= 0
    assert times.max() < 1


@pytest.mark.parametrize("single", [True, False])
def test_scale_gives_unit_deviation_over_valid_frames(single: bool) -> None:
    torch.manual_seed(0)
    scale = Scale((2, 3), single=single)
    size = torch.tensor([1.0, 5.0, 0.001])[None, None, :, None]
    x = 3 + size * torch.randn(4, 2, 3, 500)
    x[1, ..., 200:] = 1e6  # padding, which must not count
    n = torch.tensor([500, 200, 500, 500])
    for part in range(4):
        scale.update(x[part : part + 1], n[part : part + 1])
    z = torch.cat([scale(x[:1]), scale(x[2:])])
    if single:
        assert float(z.std()) == pytest.approx(1, abs=0.15)
        assert float(scale.deviation.std()) < 1e-5
    else:
        assert torch.allclose(z.std((0, 3))[:, :2], torch.ones(2, 2), atol=0.1)
        assert float(z[:, :, 2].std()) < 0.01  # a silent bin is not blown up
    assert torch.allclose(scale.back(scale(x[0])), x[0], atol=1e-4)


def test_scale_stands_still_after_a_while() -> None:
    scale = Scale((1,), single=False)
    for _ in range(CEILING):
        scale.update(torch.randn(2, 1, 9), torch.tensor([9, 9]))
    kept = scale.mean.clone()
    scale.update(torch.full((2, 1, 9), 100.0), torch.tensor([9, 9]))
    assert torch.equal(scale.mean, kept)
    other = Scale((1,), single=False)
    other.load_state_dict(scale.state_dict())
    assert torch.equal(other.deviation, scale.deviation)


def test_average_follows_and_steps_in() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.LSTM(3, 4, batch_first=True))
    average, x = Average(net, 0.9), torch.randn(2, 5, 3)
    first = {k: v.clone() for k, v in net.state_dict().items()}
    for _ in range(200):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.01)
        average.update(net)
    now = net(x)[0]
    with average.instead(net):
        assert not torch.allclose(net(x)[0], now)
        lag = net.state_dict()["0.weight_hh_l0"]
    # an average that follows a ramp of 0.01 a step with decay 0.9 lies 0.01·0.9/0.1 behind
    assert torch.allclose(lag, first["0.weight_hh_l0"] + 2.0 - 0.09, atol=1e-3)
    assert torch.equal(net(x)[0], now)
    with pytest.raises(ZeroDivisionError), average.instead(net):
        1 / 0  # noqa: B018
    assert torch.equal(net(x)[0], now)


def test_average_starts_quickly() -> None:
    net = nn.Linear(1, 1)
    average = Average(net, 0.999)
    with torch.no_grad():
        net.weight.add_(1)
    average.update(net)
    assert float((net.weight - average.averages()[0]).abs().detach()) == pytest.approx(0.1, abs=1e-6)
    assert math.isclose(average.decay, 0.999)


def test_average_follows_the_statistics_of_batch_norms() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = Average(net, 0.5)
    assert list(Average.followed(net)) == ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    with torch.no_grad():
        net[1].running_mean.fill_(8.0)
    average.update(net)  # the first step: 1/10 stays
    net.eval()
    with average.instead(net):
        assert float(net[1].running_mean[0]) == pytest.approx(7.2)
    assert float(net[1].running_mean[0]) == 8.0
