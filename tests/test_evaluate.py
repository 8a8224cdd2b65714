"""Clips in groups give what they give one by one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from audioml import evaluate
from audioml.corpus import Clip
from audioml.evaluate import LIKELIHOOD, groups, system_outputs
from tests.methods.test_ar import notes, of_notes


def test_scores_of_any_length_go_together_and_are_judged_as_alone() -> None:
    net = of_notes().eval()
    whole = [notes(steps, seed).x[0].numpy() for steps, seed in ((4, 0), (7, 1), (5, 2))]
    clips = [Clip(str(i), {"prompt": np.zeros((5, 0), np.float32), "score": x}) for i, x in enumerate(whole)]
    calls: list[int] = []
    forward = net.forward
    net.forward = lambda inputs, ask: (calls.append(len(ask.n)), forward(inputs, ask))[1]  # type: ignore[method-assign]
    torch.manual_seed(0)
    together = system_outputs(net, clips)
    assert calls == [3]
    for clip, found in zip(clips, together, strict=True):
        (alone,) = system_outputs(net, [clip])
        assert alone[LIKELIHOOD] == pytest.approx(found[LIKELIHOOD], rel=1e-5)


def test_groups_are_neighbours_of_equal_shape() -> None:
    clips = [Clip(str(i), {"a": np.zeros((1, n))}) for i, n in enumerate((5, 5, 5, 7, 5))]
    assert [[c.name for c in some] for some in groups(clips, ["a"], 2)] == [["0", "1"], ["2"], ["3"], ["4"]]
    assert [[c.name for c in some] for some in groups(clips, [], 3)] == [["0", "1", "2"], ["3", "4"]]


@pytest.mark.parametrize(("learns", "asked"), [(False, ["floor", "top"]), (True, ["floor", "top", "top"])])
def test_a_ceiling_that_learnt_in_its_run_is_no_other_runs(learns: bool, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    task = SimpleNamespace(name="t", ceiling="top")
    rep = SimpleNamespace(name="r", fits=learns)
    plan = SimpleNamespace(task=task, output=SimpleNamespace(representation=rep), worlds=dict)
    prepared = SimpleNamespace(fingerprint="f", statistics={})
    calls: list[str] = []
    monkeypatch.setattr(evaluate, "_FLOORS", {})
    monkeypatch.setattr(evaluate, "MOST_FLOORS", 1)
    monkeypatch.setattr(evaluate, "trivial_outputs", lambda name, *_: calls.append(name))
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: object())
    evaluate.trivial_scores("floor", plan, [], prepared)  # type: ignore[arg-type]
    for _ in range(2):
        evaluate.trivial_scores("top", plan, [], prepared)  # type: ignore[arg-type]
    assert calls == asked
    assert len(evaluate._FLOORS) == 1
