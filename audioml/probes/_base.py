"""What the probes share: noise in, one tensor out, and a hush around the measurement so that nothing outside changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from audioml.corpus import Clip
from audioml.kinds import Batch, Seq, rate_of
from audioml.records import Value, not_measured

if TYPE_CHECKING:
    import torch

    from audioml.system import System

AMPLITUDE = 0.1  # of the probe noise: about the level of speech
CALLS = 2e7  # multiply-accumulates that a second of audio counts for at least, where it is budgeted: small networks are all calls
PACE = 8e9  # multiply-accumulates a second that one thread is taken to do: budgets count work, for a clock is never twice alike


@dataclass(frozen=True)
class Trial:
    """What a run knows beside the trained system; every part may be missing.

    `clips` fixed test items; `statistics` what trivial predictors know of the data; `batch` of training; `history` curves of the
    training {name: [(step, value)]}; `spent` what the training took, as the record's provenance says it.
    """

    clips: Sequence[Clip] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    batch: Batch | None = None
    history: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    spent: Mapping[str, Any] = field(default_factory=dict)


def clips_of(data: Trial | None) -> Sequence[Clip]:
    """The test clips.  Raises UnmeasurableError where there are none."""
    if data is None or not data.clips:
        raise UnmeasurableError("there are no test clips")
    return data.clips


class UnmeasurableError(Exception):
    """The measure has no meaning for this system; the message is the reason that its values will name."""


def nothing(values: Mapping[str, tuple[str, str]], reason: str) -> dict[str, Value]:
    """Every value of a probe ({name: (unit, better)}), not measured for that reason."""
    return {name: not_measured(reason, *quantity) for name, quantity in values.items()}


@contextmanager
def hushed(system: System) -> Iterator[None]:
    """Eval mode, one thread, no change of the global random state; everything as before afterwards."""
    import torch

    from audioml.chance import reseed

    modes = [(m, m.training) for m in system.modules()]
    threads = torch.get_num_threads()
    devices = {p.device.index for p in system.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(d for d in devices if d is not None)):
        reseed(0)
        system.eval()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            for module, mode in modes:
                module.training = mode


@dataclass(frozen=True)
class Ear:
    """The input ports of a system as one tensor [B, C, T] of all their channels; `rate` in Hz."""

    ports: tuple[tuple[str, int], ...]  # (port, channels)
    rate: int

    @property
    def channels(self) -> int:
        """Channels of all ports together."""
        return sum(c for _, c in self.ports)

    def noise(self, samples: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
        """White noise [batch, channels, samples] of standard deviation 0.1, float32, its own generator."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        return AMPLITUDE * torch.randn(batch, self.channels, samples, generator=generator)

    def split(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """[B, C, T] -> {port: [B, c, T]}."""
        parts = x.split([c for _, c in self.ports], dim=1)
        return {port: part for (port, _), part in zip(self.ports, parts, strict=True)}

    def batch(self, x: torch.Tensor) -> dict[str, Seq]:
        """[B, C, T] -> the batch that a system takes, all of it valid."""
        import torch

        n = torch.full((x.shape[0],), x.shape[-1], dtype=torch.int64, device=x.device)
        return {port: Seq(part, n) for port, part in self.split(x).items()}

    def wave(self, clip: Clip) -> torch.Tensor:
        """The clip's inputs [C, T].  Raises UnmeasurableError where they differ in length."""
        import torch

        waves = [torch.from_numpy(clip.ports[port]).float() for port, _ in self.ports]
        if len({w.shape[-1] for w in waves}) != 1:
            raise UnmeasurableError("the inputs differ in length")
        return torch.cat(waves, 0)


def no_ceiling(system: System) -> None:
    """Raises UnmeasurableError for what looks at the target."""
    if getattr(getattr(system.plan, "method", None), "needs", "") == "truth":
        raise UnmeasurableError("it looks at the target, which no system in use can")


def asked(system: System, seconds: float) -> tuple[Batch, Seq]:
    """Noise, or texts and symbols, on the inputs of what puts out sound, and how much of it is wanted: `seconds`."""
    import torch

    no_ceiling(system)
    world: Any = system.plan.output.world
    if world.family != "audio":
        raise UnmeasurableError("it puts out no sound")
    inputs = system.example(seconds, 1, torch.Generator().manual_seed(0))
    return inputs, Seq(None, torch.tensor([round(seconds * world.rate)]))


def ear_of(system: System) -> Ear:
    """Raises UnmeasurableError for a ceiling, where there is no input, and when one is no wave, leaves its rate open, or differs in
    rate."""
    no_ceiling(system)
    if not system.plan.inputs:
        raise UnmeasurableError("it makes sound of nothing: there is no input to listen to")
    ports, rates = [], set()
    for port, side in system.plan.inputs.items():
        world: Any = side.world
        if getattr(world, "rate", None) is None or hasattr(world, "names"):
            raise UnmeasurableError(f"input '{port}' is {type(world).__name__}, probes play noise to waves of a known rate")
        ports.append((port, world.channels or 1))
        rates.add(world.rate)
    if len(rates) != 1:
        raise UnmeasurableError(f"the inputs run at different rates: {sorted(rates)} Hz")
    return Ear(tuple(ports), rates.pop())


def price_of(system: System, ear: Ear, found: Mapping[str, Value] | None) -> float:
    """What a second of audio is taken to cost, in multiply-accumulates: never less than its calls do."""
    return max(CALLS, work_of(system, ear, found))


def work_of(system: System, ear: Ear, found: Mapping[str, Value] | None) -> float:
    """Multiply-accumulates of one second of audio, at least 1: as `found` has it, else counted."""
    known = (found or {}).get("compute/macs_per_second")
    if known is None:
        from audioml.probes._counting import count_macs

        with hushed(system):
            return max(1.0, float(count_macs(lambda: system(ear.batch(ear.noise(ear.rate))))))
    if known.value is None:
        raise UnmeasurableError(f"what a second of audio costs is not known: {known.reason}")
    return max(1.0, float(known.value))


@dataclass(frozen=True)
class Voice:
    """What a system puts out, as one tensor [B, D, M] of M columns; one column is `step` samples of the input.

    `audio`: the rendered waves (step 1); otherwise the head's emission, frame by frame.
    """

    audio: bool
    step: Fraction

    def run(self, system: System, ear: Ear, x: torch.Tensor) -> torch.Tensor:
        """x [B, C, T] -> [B, D, M]."""
        if self.audio:
            return system(ear.batch(x))[system.plan.output.port].x.flatten(1, -2)
        return system.emit(ear.batch(x)).x.flatten(1, -2)


def voice_of(system: System, ear: Ear) -> Voice:
    """Raises UnmeasurableError when there is one answer for the whole clip, or an output at another rate than the input."""
    plan = system.plan
    world: Any = plan.output.world
    if world.family == "audio":
        if world.rate != ear.rate:
            raise UnmeasurableError(f"the output runs at {world.rate} Hz, the input at {ear.rate} Hz")
        return Voice(True, Fraction(1))
    if not getattr(getattr(plan, "method", None), "trains", True):
        raise UnmeasurableError("it answers without listening frame by frame")
    if getattr(plan.flow, "pool", False) or getattr(plan.flow.emit, "length", None) == 1:
        raise UnmeasurableError("there is one answer for the whole clip")
    rate = rate_of(plan.flow.emit) or rate_of(getattr(plan, "layout", None))
    if rate is None:
        raise UnmeasurableError("the output has no frame rate")
    return Voice(False, Fraction(ear.rate) / rate)


def block_of(system: System) -> int:
    """Samples that one step takes: the representations' least common block, as often as the network takes it at once (its grain);
    1 where they state none."""
    plan = system.plan
    sides = [*plan.inputs.values(), plan.output]
    blocks = [getattr(getattr(side, "representation", None), "block", 1) for side in sides if side.world.family == "audio"]
    return (math.lcm(*(int(b) for b in blocks)) if blocks else 1) * grain_of(system)


def grain_of(system: System) -> int:
    """Frames that the network takes at once."""
    return int(getattr(getattr(system, "network", None), "grain", 1))
