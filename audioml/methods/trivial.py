"""Predictors that learn nothing: each task names one as its baseline (the floor) and one as its ceiling.

Each takes (plan, inputs, targets, statistics) as world batches and returns a world batch.  Only a ceiling may look at targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from audioml.kinds import Batch, Seq, Stems
from audioml.methods.trivial_audio import PREDICTORS_AUDIO
from audioml.methods.trivial_symbols import SYMBOLS

if TYPE_CHECKING:
    from audioml.plan import Plan

Predictor = Callable[["Plan", Batch, Batch, Mapping[str, Any]], Batch]


def unprocessed(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The input audio as it is; for stems, the mixture as each of them; of stems, their plain sum."""
    assert plan.reference is not None
    x, n = inputs[plan.reference.port]
    world = plan.output.world
    if isinstance(plan.reference.world, Stems):
        x = x.sum(1)
    if isinstance(world, Stems):
        x = x[:, None].expand(-1, len(world.names or ()), -1, -1)
    return {plan.output.port: Seq(x, n)}


def majority(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The most frequent class of the training split."""
    import torch

    port = plan.output.port
    count = len(next(iter(inputs.values())).x)
    return {port: Seq(torch.full((count,), int(statistics[port]["majority"])), torch.ones(count, dtype=torch.long))}


def silence(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The empty string."""
    import torch

    count = len(next(iter(inputs.values())).x)
    return {plan.output.port: Seq([""] * count, torch.zeros(count, dtype=torch.long))}


def truth(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The target itself."""
    return {plan.output.port: targets[plan.output.port]}


def ideal_mask(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The best bounded mask that the output's representation allows; where it allows none, the magnitude ratio, truncated
    to 1, in 32 ms frames at 16 kHz with the input's phase."""
    assert plan.reference is not None
    output, reference = plan.output, plan.reference
    rep: Any = output.representation
    wave, truth = inputs[reference.port], targets[output.port]
    if not rep.masks:
        return {output.port: Seq(_ratio_mask(wave.x, truth.x), truth.n)}
    mixture, side = rep.encode(wave, reference.world)
    target, _ = rep.encode(truth, output.world)
    frames = Seq(rep.ideal_mask(mixture.x, target.x), mixture.n)
    return {output.port: rep.decode(frames, side, output.world)}


def round_trip(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The target as its own representation gives it back: no system that emits this representation does better."""
    output = plan.output
    rep = output.representation
    coded, side = rep.encode(targets[output.port], output.world)
    if rep.borrows and plan.reference is not None:
        side = rep.encode(inputs[plan.reference.port], plan.reference.world)[1]
    return {output.port: rep.decode(coded, side, output.world)}


def mean_spectrum(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """Noise with the long-term spectrum of each clip's input: all that a handful of numbers a clip can say."""
    import torch

    from audioml import dsp

    assert plan.reference is not None
    x, n = inputs[plan.reference.port]
    size, hop = 512, 128
    power = torch.fft.rfft(dsp.frames_of(x, size, hop)).abs().square().mean(-2, keepdim=True)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
    white = torch.fft.rfft(dsp.frames_of(noise, size, hop))
    scale = (power / white.abs().square().mean((-1, -2), keepdim=True).clamp(min=1e-12)).sqrt()
    return {plan.output.port: Seq(dsp.overlap_add(torch.fft.irfft(white * scale, n=size), size, hop, x.shape[-1]), n)}


def mean_speech(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """Noise with the long-term spectrum of speech (flat to 500 Hz, then 9 dB less per octave, after Byrne et al. 1994), 75 ms per
    character: what speech sounds like when nobody listens to the words."""
    import torch

    world: Any = plan.output.world
    texts = next(s.x for p, s in inputs.items() if p in plan.inputs and isinstance(s.x, list))
    n = torch.tensor([max(1, int(0.075 * len(text) * world.rate)) for text in texts])
    noise = torch.randn(world.channels, int(n.max()), generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(noise)
    hz = torch.fft.rfftfreq(noise.shape[-1], 1 / world.rate)
    wave = torch.fft.irfft(spectrum * (hz / 500).clamp(min=1) ** -1.5 * (hz > 80), n=noise.shape[-1])
    wave = 0.05 * wave / wave.square().mean().sqrt().clamp(min=1e-9)
    return {plan.output.port: Seq(wave.expand(len(texts), -1, -1), n)}


def _ratio_mask(mixture: Any, target: Any, window: int = 512, hop: int = 128) -> Any:
    """mixture [B, C, T], target [B, C, T] or [B, S, C, T] -> the masked mixture, shaped as target."""
    import torch

    from audioml import dsp

    if target.dim() == mixture.dim() + 1:
        mixture = mixture[:, None].expand_as(target)
    x, y = (torch.fft.rfft(dsp.frames_of(w, window, hop)) for w in (mixture, target))
    ratio = (y.abs() / x.abs().clamp(min=1e-12)).clamp(max=1)
    return dsp.overlap_add(torch.fft.irfft(x * ratio, n=window), window, hop, mixture.shape[-1])


PREDICTORS: dict[str, Predictor] = PREDICTORS_AUDIO | {
    f.__name__: f for f in (unprocessed, majority, silence, truth, ideal_mask, round_trip, mean_spectrum, mean_speech, *SYMBOLS)
}
