"""The floor and the ceiling as methods, so that they are rows of the table like any other run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.kinds import Batch, Seq
from audioml.methods.trivial import PREDICTORS
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System


class Untrained(Method):
    """Draws from a trivial predictor that the task names."""

    trains = False
    role = "baseline"
    needs = "nothing"

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Fits everything, over a model that computes nothing."""
        first = inputs[0] if inputs else output
        return Flow(first.space, output.space, needs=frozenset({self.needs}))

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """What the task's predictor says; a ceiling finds the targets among the inputs."""
        task = system.plan.task
        return PREDICTORS[getattr(task, self.role)](system.plan, inputs, inputs, system.statistics)

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Nothing to learn."""
        return {}


class Baseline(Untrained):
    """The task's trivial baseline: the input unprocessed, the majority class, the empty string."""


class Oracle(Untrained):
    """The task's ceiling, which looks at the target: the ideal mask, the truth."""

    role = "ceiling"
    needs = "truth"
