"""What the training took.

compute/train_seconds    wall-clock time of the training, validation and checkpoints included; of an ensemble its runs' together
compute/to_90_percent_s  CPU seconds of training until 90 % of the improvement of the validation loss, from its first value to
                         its best, were reached: linear between validations; the process's CPU time is spread evenly over the
                         steps
compute/training_macs    estimate: 3 times the multiply-accumulates of the losses of one training item, forward, times the items
                         seen (a backward pass costs about two forwards)

Protocol: the losses of all turns of the method (a GAN has two) on the first item of the training's first batch, in eval mode,
counted as compute/macs_per_second is.  Pitfalls: what came before the first validation is not seen, so that quick learners look
slow if it comes late; the loss is the method's own, and methods differ in theirs; on a GPU the CPU's seconds are not the work;
the first item stands for all, also where their lengths differ; validation and the optimiser are not in the estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from audioml.kinds import Batch, Seq
from audioml.probes._base import UnmeasurableError, hushed
from audioml.records import Value, not_measured

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

AFTER: tuple[str, ...] = ()
SHARE = 0.0
VALUES = {
    "compute/train_seconds": ("s", "low"),
    "compute/to_90_percent_s": ("s", "low"),
    "compute/training_macs": ("MAC", "low"),
}
CURVE = "valid/loss"
REACHED = 0.9
BACKWARD = 3  # forward and backward, in forwards


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 0.0
) -> dict[str, Value]:
    """Reads `data.spent` and `data.history`.  Raises UnmeasurableError for what is not trained."""
    if not getattr(getattr(system.plan, "method", None), "learnt", True):
        raise UnmeasurableError("there is nothing to train")
    if data is None or not (data.spent.get("steps") or data.spent.get("members")):
        raise UnmeasurableError("nothing is known of its training")
    out = {}
    for name, ask in {"compute/train_seconds": _wall, "compute/to_90_percent_s": _reached, "compute/training_macs": _macs}.items():
        try:
            number, note = ask(system, data)
            out[name] = Value(number, *VALUES[name], reason=note)
        except UnmeasurableError as why:
            out[name] = not_measured(str(why), *VALUES[name])
    return out


def _wall(system: Any, data: Trial) -> tuple[float, str]:
    return _number(data.spent, "train_s"), ""


def _reached(system: Any, data: Trial) -> tuple[float, str]:
    step = step_reached(data.history.get(CURVE, ()))
    cpu, steps, device = _number(data.spent, "train_cpu_s"), _number(data.spent, "steps"), str(data.spent.get("device", "cpu"))
    note = "" if device.startswith("cpu") else f"trained on {device}: the CPU's seconds are not the work"
    return cpu * min(1.0, step / steps), note


def step_reached(curve: Sequence[tuple[int, float]]) -> float:
    """The step at which `curve` first has 90 % of its improvement, between two of its points.  UnmeasurableError without one."""
    if len(curve) < 2:
        raise UnmeasurableError("the validation loss was measured less than twice")
    first, best = curve[0][1], min(value for _, value in curve)
    goal = first - REACHED * (first - best)
    if not best < first:
        raise UnmeasurableError("the validation loss was never better than at its first measurement")
    for (before, high), (after, low) in pairwise(curve):
        if low <= goal:
            return before + (after - before) * (high - goal) / (high - low)
    raise AssertionError("the best value reaches the goal")


def _macs(system: Any, data: Trial) -> tuple[float, str]:
    from audioml.probes._counting import count_macs

    if data.batch is None:
        raise UnmeasurableError("there is no training batch to count")
    item, method = first_of(data.batch), system.plan.method
    with hushed(system):
        once = sum(count_macs(lambda turn=turn: getattr(method, turn)(system, item)) for turn in method.turns)
    seen = _number(data.spent, "examples_seen")
    return float(BACKWARD * once * seen), "estimate: three forwards for each item seen"


def first_of(batch: Batch) -> Batch:
    """A batch of its first item alone."""
    return {port: Seq(seq.x[:1], seq.n[:1]) for port, seq in batch.items()}


def _number(spent: Mapping[str, Any], name: str) -> float:
    got = spent.get(name)
    if got is None and spent.get("resumed_at"):
        raise UnmeasurableError(f"it was interrupted and went on at step {spent['resumed_at']}: the whole cost was not measured")
    if not isinstance(got, int | float) or isinstance(got, bool):
        raise UnmeasurableError(f"the run does not say its {name}")
    return float(got)
