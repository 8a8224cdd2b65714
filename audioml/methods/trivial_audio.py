"""Predictors that learn nothing and make audio out of nothing: floors for generators (see trivial.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError
from audioml.kinds import Batch, Seq
from audioml.lazy import LazyModule

if TYPE_CHECKING:
    from audioml.plan import Plan

torch = LazyModule("torch")
dsp = LazyModule("audioml.dsp")
WINDOW, HOP = 512, 128


def mean_power(x: Any, n: Any) -> Any:
    """Mean power of the frames of x [B, …, T] over items, signals and valid samples n [B]: [WINDOW / 2 + 1]."""
    frames = dsp.frames_of(x.flatten(1, -2), WINDOW, HOP)
    counts = dsp.frame_counts(n.to(x.device), WINDOW, HOP)
    valid = torch.arange(frames.shape[-2], device=x.device) < counts[:, None]
    power = torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)
    return (power * valid[:, None, :, None]).sum((0, 1, 2)) / (valid.sum() * frames.shape[1])


def coloured_noise(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """Gaussian noise of the mean spectrum: the training split's, `statistics[port]["spectrum"]` (as `mean_power` gives it), else
    that of the batch's targets, which is a stronger floor.  As long as the targets; it repeats for the same targets.

    Raises RequestError where there is no target to say how long.
    """
    port = plan.output.port
    if port not in targets:
        raise RequestError(f"the floor of task '{plan.task.name}' makes '{port}' as long as its targets, and there are none")
    x, n = targets[port]
    known = statistics.get(port, {}).get("spectrum")
    power = mean_power(x, n) if known is None else torch.as_tensor(known, dtype=x.dtype, device=x.device)
    seed = int(x.abs().sum(dtype=torch.float64) * 1e6) % (2**31)  # other targets, other noise
    white = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x)
    spectrum = torch.fft.rfft(dsp.frames_of(white, WINDOW, HOP))
    flat = float(torch.view_as_real(spectrum).square().sum(-1).mean())
    frames = torch.fft.irfft(spectrum * (power / flat).sqrt(), n=WINDOW)
    wave = dsp.overlap_add(frames, WINDOW, HOP, x.shape[-1])
    # frames of filtered noise add up to more or less than the power wanted, as their filter is long or short
    gain = (power.sum() / mean_power(wave, n).sum().clamp(min=1e-20)).sqrt()
    valid = torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None]
    return {port: Seq(wave * gain * valid.reshape(len(x), *(1,) * (x.dim() - 2), -1), n)}


PREDICTORS_AUDIO: dict[str, Callable[[Plan, Batch, Batch, Mapping[str, Any]], Batch]] = {"coloured_noise": coloured_noise}
