"""From noise to a stream by solving dz/da = v(z, a) from an angle near π/2 down to 0 (see audioml/nn/noise.py).

A sampler is a function (velocity, z, angles) -> x: `velocity(z [B, …], angle [B])` is the trained field, `angles` descend and end
in 0, where the answer is the clean stream.  What diffusers calls DDIMScheduler, DDPMScheduler (fixed_small) and
DPMSolverMultistepScheduler (dpmsolver++, order 2, final sigma zero) gives the same numbers at the same angles.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from audioml.nn.noise import angle_of, split

Field = Callable[[Tensor, Tensor], Tensor]
Sampler = Callable[[Field, Tensor, Tensor], Tensor]


def _at(field: Field, z: Tensor, angle: Tensor) -> Tensor:
    return field(z, angle.expand(len(z)))


def ddim(field: Field, z: Tensor, angles: Tensor) -> Tensor:
    """Deterministic (Song et al. 2021, eq. 12 with eta 0): a rotation by the angle's step (Salimans & Ho 2022, app. D)."""
    for a, b in itertools.pairwise(angles):
        x, e = split(z, _at(field, z, a), a)
        z = b.cos() * x + b.sin() * e
    return z


def ddpm(field: Field, z: Tensor, angles: Tensor) -> Tensor:
    """Ancestral (Ho et al. 2020, eq. 6-7): a draw from q(z_b | z_a, x), the smaller of the two usual variances."""
    for a, b in itertools.pairwise(angles):
        x, _ = split(z, _at(field, z, a), a)
        # keep = σ_b² α_a² / (σ_a² α_b²), the share of z that survives
        keep = (b.tan() / a.tan()).square()
        z = keep * (b.cos() / a.cos()) * z + (1 - keep) * b.cos() * x
        if float(b) > 0:
            z = z + (1 - keep).sqrt() * b.sin() * torch.randn_like(z)
    return z


def heun(field: Field, z: Tensor, angles: Tensor) -> Tensor:
    """Heun's second-order method in the angle (Karras et al. 2022, alg. 1, with the angle as time); the last step is ddim's."""
    for a, b in itertools.pairwise(angles):
        v = _at(field, z, a)
        x, e = split(z, v, a)
        guess = b.cos() * x + b.sin() * e
        z = z + (b - a) * (v + _at(field, guess, b)) / 2 if float(b) > 0 else guess
    return z


def dpmpp2m(field: Field, z: Tensor, angles: Tensor) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022b, alg. 2), first order at the first and the last step."""
    before: tuple[Tensor, Tensor] | None = None
    for a, b in itertools.pairwise(angles):
        x, _ = split(z, _at(field, z, a), a)
        step = a.tan().log() - b.tan().log()  # of log(cos/sin)
        lead = x
        if before is not None and float(b) > 0:
            lead = x + (x - before[0]) * step / (2 * before[1])
        z = b.sin() / a.sin() * z + (b.cos() - a.cos() * b.sin() / a.sin()) * lead
        before = (x, step)
    return z


SAMPLERS: dict[str, Sampler] = {"ddim": ddim, "ddpm": ddpm, "heun": heun, "dpmpp2m": dpmpp2m}
TWICE = ("heun",)  # two evaluations a step, but for the last


def angles_for(sampler: str, nfe: int, span: float, device: torch.device) -> Tensor:
    """The angles that use up `nfe` evaluations of the network (an even number counts as one less for heun): [steps + 1]."""
    steps = (nfe + 1) // 2 if sampler in TWICE else nfe
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64, device=device)[:-1]
    return torch.cat([angle_of(times, span), times.new_zeros(1)])
