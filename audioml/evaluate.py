"""Fixed clips through a system or a trivial predictor, to outputs per clip and to scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch

from audioml.corpus import Clip, Prepared
from audioml.datamodule import collate
from audioml.kinds import Batch, Label, Seq, Tags, Text
from audioml.methods.trivial import PREDICTORS
from audioml.metrics import Scores, evaluate
from audioml.plan import Plan
from audioml.system import System

Outputs = list[dict[str, Any]]


class Sample(Prepared):
    """A Prepared of which at most so many validation and test clips are used, evenly spread; training is untouched."""

    def __init__(self, whole: Prepared, limits: Mapping[str, int | None]) -> None:
        self.whole, self.limits = whole, limits
        self.fingerprint, self.report, self.statistics = whole.fingerprint, whole.report, whole.statistics

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """As the whole."""
        return self.whole.train_batch(step, items, seconds, seed)

    def narrow(self, share: float, seed: int) -> None:
        """As the whole."""
        self.whole.narrow(share, seed)

    def size(self, split: str) -> int:
        """At most the limit."""
        limit = self.limits.get(split)
        return self.whole.size(split) if limit is None else min(limit, self.whole.size(split))

    def clip(self, split: str, index: int) -> Clip:
        """The index-th of the evenly spread clips."""
        return self.whole.clip(split, index * self.whole.size(split) // max(1, self.size(split)))


def groups(clips: Sequence[Clip], ports: Collection[str], largest: int) -> Iterator[list[Clip]]:
    """Neighbours whose arrays of `ports` have equal shapes, so that batching changes nothing."""

    def shapes(clip: Clip) -> tuple[Any, ...]:
        return tuple(getattr(clip.ports[p], "shape", None) for p in ports)

    for _, same in groupby(clips, shapes):
        run = list(same)
        for start in range(0, len(run), largest):
            yield run[start : start + largest]


def outputs_of(predict: Callable[[Batch], Batch], plan: Plan, clips: Sequence[Clip], device: str = "cpu") -> Outputs:
    """`predict` (world batch with targets in -> world batch out) on every clip, as numpy arrays, texts and whole numbers.

    Beside the output's port a prediction may hold LIKELIHOOD: Seq(nats [B], symbols [B]), kept as a pair per clip.
    """
    port, found = plan.output.port, []
    worlds = {p: w for p, w in plan.worlds().items() if p not in plan.hints}
    single = _ITEM.get(type(plan.output.world), _cut)
    # waves judged sample by sample depend on the target's shape; symbols in a row are masked past their end, whatever their number
    judged = [port] if plan.reference is not None and plan.output.world.family == "audio" else []
    alike = [*(p for p in plan.inputs if p != plan.flow.prefix), *judged]
    with torch.no_grad():
        for some in groups(clips, alike, 8):
            batch = {p: to_device(s, device) for p, s in collate(some, worlds).items()}
            made = predict(batch)
            items: list[dict[str, Any]] = [{port: single(x, k)} for x, k in zip(made[port].x, made[port].n.tolist(), strict=True)]
            if LIKELIHOOD in made:
                for item, nats, count in zip(items, *(v.tolist() for v in made[LIKELIHOOD]), strict=True):
                    item[LIKELIHOOD] = (nats, count)
            found += items
    return found


LIKELIHOOD = "_nll"


def _cut(x: torch.Tensor, k: int) -> Any:
    return x[..., :k].float().cpu().numpy()


_ITEM: dict[type, Callable[[Any, int], Any]] = {
    Text: lambda x, k: x,
    Label: lambda x, k: int(x),
    Tags: lambda x, k: x.float().cpu().numpy(),
}


def to_device(seq: Seq, device: str) -> Seq:
    """Tensors moved, lists as they are."""
    return Seq(*(v.to(device) if isinstance(v, torch.Tensor) else v for v in seq))


def system_outputs(system: System, clips: Sequence[Clip], device: str = "cpu") -> Outputs:
    """The system in eval mode.  Only a method without training (the oracle) finds targets among its inputs."""
    plan = system.plan

    def predict(batch: Batch) -> Batch:
        if not plan.method.trains:
            return system(batch)
        target = batch[plan.output.port]
        made = dict(system({p: batch[p] for p in plan.inputs}, Seq(None, target.n)))
        nats = plan.method.likelihood(system, batch)
        return made if nats is None else {**made, LIKELIHOOD: Seq(*nats)}

    was = system.training
    system.eval()
    try:
        return outputs_of(predict, plan, clips, device)
    finally:
        system.train(was)


def trivial_outputs(name: str, plan: Plan, clips: Sequence[Clip], statistics: Mapping[str, Any]) -> Outputs:
    """A trivial predictor of audioml/methods/trivial.py."""
    return outputs_of(lambda batch: PREDICTORS[name](plan, batch, batch, statistics), plan, clips)


_FLOORS: dict[tuple[Any, ...], Scores] = {}
MOST_FLOORS = 64


def trivial_scores(name: str, plan: Plan, clips: Sequence[Clip], prepared: Prepared) -> Scores:
    """Scores of a trivial predictor; remembered within a process, since every run of a sweep asks for the same ones.  Not
    those of a ceiling whose representation learnt something: it learnt it in this run."""
    representation = plan.output.representation
    if name == plan.task.ceiling and representation.fits:
        return evaluate(plan.task, clips, trivial_outputs(name, plan, clips, prepared.statistics), worlds=plan.worlds())
    ideal = (representation.name, tuple(sorted((k, str(v)) for k, v in vars(representation).items() if not k.startswith("_"))))
    key = (name, plan.task.name, prepared.fingerprint, tuple(c.name for c in clips), ideal if name == plan.task.ceiling else None)
    known = _FLOORS.get(key)
    if known is None:
        found = trivial_outputs(name, plan, clips, prepared.statistics)
        known = _FLOORS[key] = evaluate(plan.task, clips, found, worlds=plan.worlds())
        if len(_FLOORS) > MOST_FLOORS:
            del _FLOORS[next(iter(_FLOORS))]
    return known
