"""Scores without any audio: windows, prompts, transposition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audioml.kinds import Notes
from tests.data.test_worlds import SYMBOLS, folder


def scores(folder: Path, songs: int = 10) -> Path:
    """MIDI-like JSON scores, one line rising by a semitone each step; no audio."""
    split = ["test", "valid", *["train"] * (songs - 2)]
    found: dict[str, list[Any]] = {}
    for k in range(songs):
        found.setdefault(split[k], []).append([[40 + i % 40, 30] for i in range(100 + k)])
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(found))
    return folder / "scores.json"


def test_scores_without_audio(tmp_path: Path) -> None:
    data = folder(scores(tmp_path / "set"), window=4.5)
    assert data.provides(SYMBOLS) == {"prompt": Notes(30, 79, 2, 0.15), "score": Notes(30, 79, 2, 0.15)}
    prepared = data.prepare(SYMBOLS)
    starts = set()
    for step in range(5):
        batch = prepared.train_batch(step, 4, 1.0, 0)
        assert not batch["prompt"][1].any()
        for notes, count in zip(*batch["score"], strict=True):
            own = notes[:, :count]
            np.testing.assert_allclose(own[:2] / 0.15, np.round(own[:2] / 0.15), atol=1e-3)
            assert own[0].min() == 0
            assert 3.3 - 1e-4 <= own[1].max() <= 4.5 + 1e-4  # 30 steps, or at most half a bar less at a score's end
            starts.add(float(own[2, own[4] == 0][0]))
    assert starts == {40, 56, 72, 48, 64}  # steps 0, 16, 32 … of a line that rises by a semitone a step, 40 times
    clip = prepared.clip("test", 0)
    assert clip.name == "test/0"
    assert (clip.ports["prompt"].shape, clip.ports["score"][1].max()) == ((5, 0), pytest.approx(15))
    assert "bigram" in prepared.statistics["score"]


@pytest.mark.parametrize("prompt", [0.25, [0.25, 0.25]])
def test_a_prompt_is_the_beginning_of_its_score(tmp_path: Path, prompt: Any) -> None:
    prepared = folder(scores(tmp_path / "set"), prompt=prompt).prepare(SYMBOLS)
    ports, whole = prepared.clip("test", 0).ports, folder(tmp_path / "set/scores.json").prepare(SYMBOLS).clip("test", 0).ports
    assert ports["prompt"][1].max() == pytest.approx(3.75)
    assert ports["score"][0].min() == 0
    line = [np.concatenate([p[2, p[4] == 0]]) for p in (ports["prompt"], ports["score"], whole["score"])]
    np.testing.assert_array_equal(np.concatenate(line[:2]), line[2])
    batch = prepared.train_batch(0, 4, None, 0)
    assert (batch["prompt"][1] > 0).all()


def test_prompts_are_drawn_in_training_and_empty_in_evaluation(tmp_path: Path) -> None:
    prepared = folder(scores(tmp_path / "set"), prompt=[0.0, 0.5]).prepare(SYMBOLS)
    assert len(np.unique(prepared.train_batch(0, 8, None, 0)["prompt"][1])) > 4
    assert prepared.clip("test", 0).ports["prompt"].shape == (5, 0)


def test_scores_are_transposed_alike_in_all_ports_and_stay_in_range(tmp_path: Path) -> None:
    wide = {"train": [[[60 + k % 3, 50]] * 8 for k in range(6)], "valid": [[[70, 50]]], "test": [[[60, 40]]]}  # room for ± 8
    (tmp_path / "wide.json").write_text(json.dumps(wide))
    plain, moved = (folder(tmp_path / "wide.json", window=9.0, prompt=0.25, transpose=t).prepare(SYMBOLS) for t in (0, 3))
    shifts = set()
    for step in range(8):
        one, two, again = plain.train_batch(step, 4, None, 7), moved.train_batch(step, 4, None, 7), moved.train_batch(step, 4, None, 7)
        for item in range(4):
            found = set()
            for port in ("prompt", "score"):
                (x, n), (y, m) = one[port], two[port]
                np.testing.assert_array_equal(y, again[port][0])
                assert n[item] == m[item]
                keep = [0, 1, 3, 4]
                np.testing.assert_array_equal(x[item][keep], y[item][keep])
                found |= set((y - x)[item, 2, : n[item]].tolist())
                assert not y[item, :, n[item] :].any()
            assert len(found) == 1
            shifts |= found
    assert shifts == set(range(-3, 4))
    low = {"train": [[[60, 50]] * 8] * 8, "valid": [[[60, 50]]], "test": [[[62, 40]]]}  # two semitones upwards, ten down
    (tmp_path / "low.json").write_text(json.dumps(low))
    batches = [folder(tmp_path / "low.json", transpose=3).prepare(SYMBOLS).train_batch(s, 8, None, 0)["score"][0] for s in range(4)]
    pitches = np.concatenate([x[:, 2] for x in batches])
    assert {tuple(sorted(set(row))) for row in pitches.tolist()} == {(50 + k, 60 + k) for k in (-3, -2, -1, 0, 1, 2)}
