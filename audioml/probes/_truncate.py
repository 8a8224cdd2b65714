"""A trained system that hears only the last C samples at every moment, and how good it then is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from audioml.corpus import Clip
from audioml.evaluate import Outputs, outputs_of, trivial_outputs
from audioml.kinds import Batch, Seq
from audioml.metrics import evaluate
from audioml.parts import Task
from audioml.probes._base import Ear, UnmeasurableError, block_of, voice_of
from audioml.records import Value

MOST = 30  # seconds of audio in one batch of chunks


class Judge:
    """The task's primary metric on some clips, as a share of what the whole system gains over its trivial baseline.

    Raises UnmeasurableError where there is no such gain.
    """

    def __init__(self, system: Any, clips: Sequence[Clip], statistics: Mapping[str, Any]) -> None:
        self.clips, self.plan = clips, system.plan
        self.task: Task = system.plan.task
        whole, floor = whole_outputs(system, clips), trivial_outputs(self.task.baseline, self.plan, clips, statistics)
        self.task, full = self._primary(whole)
        base = evaluate(self.task, clips, floor, worlds=self.plan.worlds()).values[self.task.primary]
        if base.value is None:
            raise UnmeasurableError(f"the baseline has no {self.task.primary} on these clips: {base.reason}")
        self.base, self.sign = float(base.value), 1 if full.better == "high" else -1
        self.gain = self.sign * (float(full.value or 0.0) - self.base)
        if not self.gain > 0:
            raise UnmeasurableError(f"on the {len(clips)} clips that were heard it does not beat the trivial baseline")

    def _primary(self, outputs: Outputs) -> tuple[Task, Value]:
        """The task with the one metric that gives its primary value, and that value."""
        for name in self.task.metrics:
            one = Task(**{**{f.name: getattr(self.task, f.name) for f in fields(Task)}, "metrics": (name,)})
            found = evaluate(one, self.clips, outputs, worlds=self.plan.worlds()).values
            if self.task.primary in found:
                value = found[self.task.primary]
                if value.value is None:
                    raise UnmeasurableError(f"{self.task.primary} is not known on these clips: {value.reason}")
                return one, value
        raise UnmeasurableError(f"no metric of the task gives {self.task.primary}")

    def kept(self, outputs: Outputs) -> float:
        """Share of the gain that these outputs keep; 0 where they cannot be judged."""
        found = evaluate(self.task, self.clips, outputs, worlds=self.plan.worlds()).values[self.task.primary]
        return 0.0 if found.value is None else self.sign * (float(found.value) - self.base) / self.gain


def whole_outputs(system: Any, clips: Sequence[Clip]) -> Outputs:
    """The system on whole clips, without its likelihoods."""
    plan = system.plan

    def predict(batch: Batch) -> Batch:
        return system({p: batch[p] for p in plan.inputs}, Seq(None, batch[plan.output.port].n))

    return outputs_of(predict, plan, clips)


@dataclass(frozen=True)
class Chunks:
    """Overlapping chunks, of which the last quarter of the past is kept; `unit` samples is what chunks are multiples of.

    `step` samples make one column of what the system puts out; `ahead` samples of its future are left to it (None: as many as of
    its past)."""

    system: Any
    ear: Ear
    unit: int
    step: int
    ahead: int | None
    audio: bool
    clips = 8  # at most

    def kept(self, c: int) -> int:
        """Samples that are kept of a chunk with a past of `c`."""
        return max(self.unit, c // 4 // self.unit * self.unit)

    def price(self, c: int) -> float:
        """Audio that is computed for each second that is kept."""
        return (c + (c if self.ahead is None else self.ahead)) / self.kept(c)

    def outputs(self, clips: Sequence[Clip], c: int) -> Outputs:
        """What comes out where no moment sees more than `c` samples of its past."""
        system, port = self.system, self.system.plan.output.port
        if self.audio:

            def chunk(x: Tensor) -> Tensor:
                return system(self.ear.batch(x), Seq(None, torch.full((len(x),), x.shape[-1])))[port].x

            def predict(batch: Batch) -> Batch:
                x = torch.cat([batch[p].x for p, _ in self.ear.ports], 1)
                return {port: Seq(self.stitched(chunk, x, c), batch[port].n)}

            return outputs_of(predict, system.plan, clips)
        whole = system.emit

        def emit(inputs: Batch, *rest: Any, **named: Any) -> Seq:
            x = torch.cat([inputs[p].x for p, _ in self.ear.ports], 1)
            y = self.stitched(lambda piece: whole(self.ear.batch(piece), *rest, **named).x, x, c)
            return Seq(y, torch.full((len(y),), y.shape[-1]))

        system.emit = emit
        try:
            return whole_outputs(system, clips)
        finally:
            del system.emit

    def stitched(self, run: Callable[[Tensor], Tensor], x: Tensor, c: int) -> Tensor:
        """x [B, C, T] -> the columns [B, …, M] of `run`, each from a chunk."""
        samples, kept = x.shape[-1], self.kept(c)
        ahead = c if self.ahead is None else self.ahead
        alike: dict[int, list[tuple[int, int]]] = defaultdict(list)  # length -> (where what is kept begins, where the chunk begins)
        for at in range(0, samples, kept):
            begin, end = max(0, at + kept - c), min(samples, at + kept + ahead)
            alike[end - begin].append((at, begin))
        pieces: dict[int, Tensor] = {}
        for length, places in alike.items():
            some = max(1, int(MOST * self.ear.rate / length / len(x)))
            for first in range(0, len(places), some):
                group = places[first : first + some]
                y = run(torch.cat([x[..., begin : begin + length] for _, begin in group]))
                for (at, begin), columns in zip(group, y.split(len(x)), strict=True):
                    start = (at - begin) // self.step
                    pieces[at] = columns[..., start:] if at + kept >= samples else columns[..., start : start + kept // self.step]
        return torch.cat([pieces[at] for at in sorted(pieces)], -1)


@dataclass(frozen=True)
class Loudest:
    """The clip is cut to its loudest stretch."""

    system: Any
    ear: Ear
    unit: int
    clips = 48  # at most: answers that are right or wrong need more of them, and cost less

    def price(self, c: int) -> float:
        """At most the clip itself."""
        return 1.0

    def outputs(self, clips: Sequence[Clip], c: int) -> Outputs:
        """The answers to the loudest `c` samples of each clip."""
        return whole_outputs(self.system, [self.cut(clip, c) for clip in clips])

    def cut(self, clip: Clip, c: int) -> Clip:
        """The clip with its inputs cut."""
        energy = torch.nn.functional.pad(self.ear.wave(clip).double().square().sum(0).cumsum(0), (1, 0))
        begin = int((energy[c:] - energy[:-c]).argmax()) if c < len(energy) - 1 else 0
        cut = {port: clip.ports[port][..., begin : begin + c] for port, _ in self.ear.ports}
        return replace(clip, ports={**clip.ports, **cut})


def truncation(system: Any, ear: Ear, found: Mapping[str, Value]) -> Chunks | Loudest:
    """How this system's input is cut.  Raises UnmeasurableError where a cut has no meaning."""
    plan, unit = system.plan, block_of(system)
    if plan.flow.pool and plan.output.world.family in ("label", "tags"):
        return Loudest(system, ear, unit)
    voice = voice_of(system, ear)
    if not voice.audio and plan.flow.source is None:
        raise UnmeasurableError("it answers symbol by symbol, not moment by moment")
    if voice.step.denominator != 1 or unit % int(voice.step):
        raise UnmeasurableError("its frames do not fall together with samples")
    ahead = found.get("context/lookahead_ms")
    known = ahead is not None and ahead.value is not None and not ahead.reason.startswith("at least")
    future = -(-round(float(ahead.value) * ear.rate / 1000) // unit) * unit if known else None  # type: ignore[union-attr, arg-type]
    return Chunks(system, ear, unit, int(voice.step), future, voice.audio)
