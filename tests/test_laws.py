"""A seeded sample of the legal matrix, in which every part occurs at least twice, keeps the laws (audioml/laws.py)."""

from __future__ import annotations

import random

import pytest
import torch

from audioml import laws
from audioml.build import matrix
from audioml.draft import AXES
from audioml.errors import Misfit
from audioml.plan import Plan

LEGAL = [(pick, plan) for pick, plan in matrix() if not isinstance(plan, Misfit)]


def sample() -> list[tuple[str, Plan]]:
    shuffled = list(LEGAL)
    random.Random(5).shuffle(shuffled)
    counts: dict[tuple[str, str], int] = {}
    chosen = []
    for pick, plan in shuffled:
        if any(counts.get((axis, pick[axis]), 0) < 2 for axis in AXES):
            chosen.append((" ".join(pick.values()), plan))
            for axis in AXES:
                counts[axis, pick[axis]] = counts.get((axis, pick[axis]), 0) + 1
    return sorted(chosen, key=lambda c: c[0])


@pytest.mark.parametrize("plan", [pytest.param(plan, id=name) for name, plan in sample()])
def test_the_sample_keeps_the_laws(plan: Plan) -> None:
    assert laws.check(plan) is None  # it raises LawError where one is broken, see below


def test_every_axis_is_covered() -> None:
    legal = {axis: {pick[axis] for pick, _ in LEGAL} for axis in AXES}
    seen = [name.split() for name, _ in sample()]
    for place, axis in enumerate(AXES):
        for part in legal[axis]:
            assert sum(s[place] == part for s in seen) >= min(2, sum(p[axis] == part for p, _ in LEGAL)), (axis, part)


def a_plan(task: str, representation: str, model: str, method: str) -> Plan:
    wanted = (task, representation, model, method)
    return next(plan for pick, plan in LEGAL if tuple(pick[a] for a in AXES) == wanted)


def test_a_parameter_without_a_gradient_is_found() -> None:
    system, examples = laws.built(a_plan("enhancement", "stft_mag", "fcn", "mask"))
    system.network.idle = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(laws.LawError, match="no gradient ever reached network.idle"):
        laws.trains(system, examples.batch(2, 1))


def test_a_loss_that_is_not_finite_is_found() -> None:
    system, examples = laws.built(a_plan("enhancement", "stft_mag", "fcn", "mask"))
    with torch.no_grad():
        next(system.head.parameters()).fill_(float("nan"))
    with pytest.raises(laws.LawError, match="is not finite"):
        laws.trains(system, examples.batch(2, 1))


def test_a_stream_that_lies_is_found() -> None:
    system, _ = laws.built(a_plan("enhancement", "stft_mag", "cnn1d", "mask"))
    honest = system.network.step
    system.network.step = lambda h, state, **k: honest(h, None)  # forgets
    with pytest.raises(laws.LawError, match="the stream differs from the whole"):
        laws.streams(system)


@pytest.mark.parametrize("task", ["separation", "enhancement"])
def test_codes_decided_frame_by_frame_are_no_stream_of_audio(task: str) -> None:
    """Their rendering wants nothing of the input, and a stream would encode it with the output's code books."""
    plan = a_plan(task, "vq", "cnn1d", "framewise")
    system, _ = laws.built(plan)
    with pytest.raises(Misfit, match="method 'framewise' does not work frame by frame"):
        system.stream()
    assert laws.check(plan) is None


def test_a_synthesiser_judged_by_a_gan_keeps_the_laws() -> None:
    """It is heard through another representation, so that there are no settings of the input to change."""
    plan = a_plan("enhancement", "harmonic", "cnn1d", "gan")
    system, examples = laws.built(plan)
    emission = torch.zeros(1)
    assert plan.method.shape(system, emission, None) is emission
    assert laws.check(plan) is None
