"""Less training data: a part of what there is, nested, and nothing else changes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from audioml.corpus import Prepared
from audioml.data.draw import some
from audioml.sweep import compose


@pytest.mark.parametrize("count", [1, 7, 100])
def test_less_is_a_part_of_more(count: int) -> None:
    shares = (1 / 16, 0.25, 0.5, 1.0)
    kept = [set(some(3, count, share).tolist()) for share in shares]
    assert [len(k) for k in kept] == [max(1, int(np.ceil(share * count))) for share in shares]
    assert all(a <= b for a, b in itertools.pairwise(kept))
    assert kept[-1] == set(range(count))
    if count == 100:
        assert kept[0] != set(some(4, count, shares[0]).tolist()), "another seed, another part"


def prepared(tmp: Path, cache: Path, task: str, *more: str) -> Prepared:
    request = compose([f"task={task}", "preset=smoke", f"data.cache='{cache}'", f"outputs='{tmp}'", *more])
    return request.corpus.prepare(request.plan.task)


@pytest.mark.parametrize(("task", "port"), [("classification", "label"), ("asr", "text"), ("symbolic", "score"), ("effects", "dry")])
def test_training_draws_from_the_part_alone(task: str, port: str, tmp_path: Path, embedded_cache: Path, embedded_sets: Path) -> None:
    whole, part = (prepared(tmp_path, embedded_cache, task) for _ in range(2))
    part.narrow(0.5, 0)
    size = part.size("train")
    assert size == int(np.ceil(whole.size("train") / 2))
    assert (part.fingerprint, repr(part.statistics), part.size("test")) == (whole.fingerprint, repr(whole.statistics), whole.size("test"))

    def said(data: Prepared, items: int) -> set[str]:
        values = data.train_batch(0, items, None, 0)[port][0]
        return {np.asarray(v).tobytes().hex() if not isinstance(v, str) else v for v in values}

    if port not in ("dry", "score"):  # whose crops vary
        assert said(part, size) <= said(whole, whole.size("train"))
    clip, same = part.clip("test", 0), whole.clip("test", 0)
    assert all(np.array_equal(clip.ports[p], same.ports[p]) for p in clip.ports)


def test_mixtures_draw_from_fewer_recordings(tmp_path: Path, embedded_cache: Path, embedded_sets: Path) -> None:
    data = prepared(tmp_path, embedded_cache, "enhancement")
    rows = [set(r.tolist()) for r in data.rows["train"]]  # type: ignore[attr-defined]
    data.narrow(0.25, 1)
    fewer = [set(r.tolist()) for r in data.rows["train"]]  # type: ignore[attr-defined]
    assert all(a < b and len(a) == int(np.ceil(len(b) / 4)) for a, b in zip(fewer, rows, strict=True))
    assert data.train_batch(0, 3, 0.5, 0)["noisy"][0].shape == (3, 1, 8000)
