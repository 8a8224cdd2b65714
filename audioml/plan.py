"""Joins a task, its worlds, representations, a model and a method by shape algebra alone, before any weight exists.

`plan()` returns a Plan or raises Misfit with the reason; it imports no torch.  Dims and rates are derived here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audioml.errors import Misfit
from audioml.kinds import Frames, Grid, Seq, World, unify
from audioml.parts import Flow, Method, Representation, Side, Task, waist_of


@dataclass(frozen=True)
class ModelChoice:
    """A model as the planner knows it: its import path, what it declares and its settings; not yet built."""

    name: str
    target: str
    takes: tuple[str, ...]
    traffic: tuple[str, ...]
    settings: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """What fits together: every port as a Side, the network's layout, and the input that audio outputs are aligned with."""

    task: Task
    inputs: Mapping[str, Side]
    output: Side
    method: Method
    model: ModelChoice
    flow: Flow
    layout: Frames | Grid
    reference: Side | None

    def worlds(self) -> dict[str, World]:
        """Port -> world kind, inputs and output."""
        return {p: s.world for p, s in self.inputs.items()} | {self.output.port: self.output.world}

    def representations(self) -> dict[str, str]:
        """Port -> name of its representation."""
        return {p: s.representation.name for p, s in self.inputs.items()} | {self.output.port: self.output.representation.name}


def plan(
    task: Task, worlds: Mapping[str, World], representations: Mapping[str, Representation], model: ModelChoice, method: Method
) -> Plan:
    """Raises Misfit with one reason when the parts do not fit."""
    sides = {}
    for port, asked in {**task.inputs, **task.outputs}.items():
        world = unify(port, asked, worlds.get(port))
        rep = representations[port]
        sides[port] = Side(port, world, rep, rep.space(world))
    inputs = {p: sides[p] for p in task.inputs}
    (output,) = (sides[p] for p in task.outputs)
    if not output.representation.renders:
        raise Misfit(
            f"representation '{output.representation.name}' cannot be rendered back to {type(output.world).__name__}, "
            f"the output '{output.port}' of task '{task.name}'"
        )
    same = [s for s in inputs.values() if s.world.family == output.world.family]
    reference = same[0] if same else None
    if output.representation.borrows and reference is None:
        raise Misfit(
            f"representation '{output.representation.name}' borrows the {output.representation.borrows} of an input of the same "
            f"kind, and task '{task.name}' has none"
        )
    flow = method.flow(list(inputs.values()), output)
    lack = flow.needs - set(model.traffic)
    if lack:
        raise Misfit(
            f"method '{method.name}' needs a model that allows {', '.join(sorted(lack))}; "
            f"model '{model.name}' allows {', '.join(model.traffic)}"
        )
    layout = waist_of(flow.x, model.takes)
    if layout is None:
        name = next(iter(inputs.values())).representation.name
        raise Misfit(
            f"model '{model.name}' takes {' or '.join(model.takes)}, and representation '{name}' gives {type(flow.x).__name__}"
        )
    return Plan(task, inputs, output, method, model, flow, layout, reference)


# ---- the four doors: shapes are asserted against the plan --------------------------------------------------------------
def check_shape(seq: Seq, space: Any, where: str) -> Seq:
    """The sequence itself when its tensor has the space's shape; AssertionError naming `where` otherwise."""
    have = tuple(seq.x.shape[1:-1])
    want = (space.dim,) if isinstance(space, Frames) else (space.channels, space.bins) if isinstance(space, Grid) else have
    assert have == want, f"{where}: expected [B, {', '.join(map(str, want))}, N], got {list(seq.x.shape)}"
    return seq
