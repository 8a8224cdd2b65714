"""Recall: after how long a gap a system still makes use of a sound that it was shown.

context/recall_ms     the longest gap at which having heard the answer before helps; 0 where it never does
context/recall_gains  the mean gain in SI-SDR at each gap that was asked, as text

Protocol: of every test clip (up to 16) the loudest 0.3 s of the target are its motif.  The system hears the motif as the target
has it, then a gap filled with another clip's input, then the motif as the input has it (noisy, dry, narrow …), with 0.25 s
behind it; once after its own motif, once after that of the next clip.  The gain is the difference in SI-SDR of the answer to
the second occurrence.  Gaps double from 125 ms to 4 s, until one does not help: helping means a mean gain of at least 0.1 dB
whose 95 % bootstrap interval over motifs lies above zero.  Pitfalls: hearing the answer is the easiest thing to recall, so no
gain says more than a gain; a system that hears both sides could use it as well if it came later; nothing was trained for
repetitions, so this is what it does by itself; 0 ms says that no gain was found, not that there is no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioml.probes._base import PACE, UnmeasurableError, clips_of, ear_of, hushed, work_of
from audioml.records import Value

if TYPE_CHECKING:
    import torch

    from audioml.corpus import Clip
    from audioml.probes._base import Ear, Trial
    from audioml.system import System

AFTER = ("compute",)
SHARE = 0.1
VALUES = {"context/recall_ms": ("ms", "high"), "context/recall_gains": ("", "")}
MOTIF, BEHIND = 0.3, 0.25  # seconds
GAPS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
MOTIFS, FEWEST = 16, 6
LEAST = 0.1  # dB
FLOOR = 1e-4  # root mean square below which a motif is silence


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 2.0
) -> dict[str, Value]:
    """Raises UnmeasurableError for anything but one wave in and one out, for too few clips, and where it is too much work."""
    ear = one_to_one(system)
    clips = clips_of(data)
    import numpy as np
    import torch

    from audioml.metrics import interval

    work = work_of(system, ear, found) / PACE  # seconds per second of audio
    motifs = motifs_of(ear, system.plan.output.port, clips)
    count = min(MOTIFS, len(motifs), int(seconds / (work * 2 * (2 * MOTIF + BEHIND + GAPS[1]))))
    if count < FEWEST:
        raise UnmeasurableError(f"only {count} motifs of {len(motifs)} can be asked, which is too few")
    motifs = motifs[:count]
    best, spent, gains, cut = 0.0, 0.0, [], ""
    with hushed(system), torch.no_grad():
        for gap in GAPS:
            spent += work * 2 * count * (2 * MOTIF + BEHIND + gap)
            if spent > 2 * seconds and gains:
                cut = "longer gaps would be too much work"
                break
            gain = gains_at(system, ear, motifs, gap).numpy()
            low = (interval(np.stack([gain, np.ones_like(gain)], 1)) or (0.0, 0.0))[0]
            gains.append(f"{gain.mean():+.2g} dB after {1000 * gap:g} ms")
            if not (low > 0 and gain.mean() >= LEAST):
                break
            best = gap
        else:
            cut = "no longer gap was asked"
    return {
        "context/recall_ms": Value(1000 * best, *VALUES["context/recall_ms"], n=count, reason=f"at least: {cut}" if cut else ""),
        "context/recall_gains": Value(", ".join(gains), *VALUES["context/recall_gains"], n=count),
    }


def one_to_one(system: Any) -> Ear:
    """The ear of a system with one wave in and one out, of equal rate and channels."""
    ear, world = ear_of(system), system.plan.output.world
    if world.family != "audio" or hasattr(world, "names"):
        raise UnmeasurableError("only what turns sound into one sound can be shown the answer beforehand")
    if getattr(getattr(system.plan.output, "representation", None), "phaseless", False):
        raise UnmeasurableError("its sound has no phase by which it could be compared")
    if len(ear.ports) != 1 or (world.channels or 1) != ear.channels or world.rate != ear.rate:
        raise UnmeasurableError("its input and its output differ in number, channels or rate: the answer cannot be played to it")
    return ear


@dataclass(frozen=True)
class Motif:
    """`target` and `given` [C, M] of one stretch of a clip; `filler` [C, T]: the clip's whole input."""

    target: torch.Tensor
    given: torch.Tensor
    filler: torch.Tensor


def motifs_of(ear: Ear, port: str, clips: Sequence[Clip]) -> list[Motif]:
    """The loudest stretch of every clip's target that is not silent; clips too short for one are passed over."""
    import torch

    size, found = int(MOTIF * ear.rate), []
    for clip in clips:
        target, given = torch.from_numpy(clip.ports[port]).float(), ear.wave(clip)
        if target.shape != given.shape or target.shape[-1] <= size:
            continue
        energy = torch.nn.functional.pad(target.double().square().sum(0).cumsum(0), (1, 0))
        begin = int((energy[size:] - energy[:-size]).argmax())
        place = slice(begin, begin + size)
        if target[:, place].square().mean().sqrt() > FLOOR:
            found.append(Motif(target[:, place], given[:, place], given))
    return found


def gains_at(system: Any, ear: Ear, motifs: Sequence[Motif], gap: float) -> torch.Tensor:
    """SI-SDR gained [motifs], in dB, by having heard the own motif and not another one."""
    import torch

    size, behind, between = motifs[0].target.shape[-1], int(BEHIND * ear.rate), int(gap * ear.rate)
    heard = []
    for shift in (0, 1):
        for k, motif in enumerate(motifs):
            filler = motifs[(k + 2) % len(motifs)].filler
            fill = filler.repeat(1, -(-(between + behind) // filler.shape[-1]))[:, : between + behind]
            first = motifs[(k + shift) % len(motifs)].target
            heard.append(torch.cat([first, fill[:, :between], motif.given, fill[:, between:]], -1))
    x = torch.stack(heard)
    y = torch.cat([system(ear.batch(some))[system.plan.output.port].x for some in x.split(8)])
    answer = y[..., size + between : 2 * size + between]
    scores = si_sdr(answer, torch.stack([m.target for m in motifs] * 2))
    own, other = scores.split(len(motifs))
    return own - other


def si_sdr(estimate: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """[B, C, T] twice -> dB [B], of all channels together, between -60 and 100."""
    a, b = estimate.double().flatten(1), target.double().flatten(1)
    image = (a * b).sum(1, keepdim=True) / b.square().sum(1, keepdim=True).clamp(min=1e-20) * b
    ratio = image.square().sum(1).clamp(min=1e-20) / (a - image).square().sum(1).clamp(min=1e-20)
    return (10 * ratio.log10()).clamp(-60, 100)
