"""The judge script: what one run says and another hears, beside real recordings, shuffled texts and noise."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from audioml import runfolder, shelf
from audioml.corpus import Clip
from audioml.draft import Draft
from audioml.errors import RequestError
from audioml.kinds import Batch, Label, Seq, Text, Wave
from audioml.plan import Plan

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
judge = importlib.import_module("judge")
WORDS = ("one", "two", "three", "four")
LETTERS = "".join(sorted({*"".join(WORDS), " "}))
STEP = 2000  # samples of a word, at the maker's rate


def planned(task: str, method: str, rate: int, out: Any = None) -> Plan:
    made = shelf.make("task", task)
    worlds = {p: Wave(1, rate) if isinstance(w, Wave) else out or Text(LETTERS) for p, w in {**made.inputs, **made.outputs}.items()}
    pick = {"task": task, "representation": "logmel", "model": "rnn", "method": method}
    return Draft(made, worlds, {}, {}, "smoke").plan(pick)


class Speaks:
    """Word w is a constant of height 0.1 (w + 1); the word "four" is always said as "three"."""

    def __init__(self) -> None:
        self.plan = planned("tts", "stretch", 8000)

    def __call__(self, batch: Batch, ask: Seq) -> Batch:
        assert int(ask.n[0]) == STEP * len(batch["text"].x[0].split()), "as long as the real recording, at the maker's rate"
        said = [min(WORDS.index(w), 2) for w in batch["text"].x[0].split()]
        wave = np.repeat([0.1 * (k + 1) for k in said], STEP)
        return {"speech": Seq(torch.tensor(wave, dtype=torch.float32)[None, None], torch.tensor([len(wave)]))}


class Listens:
    """Reads the heights off, at twice the maker's rate."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(self, batch: Batch) -> Batch:
        x, n = batch["audio"]
        assert int(n[0]) == x.shape[-1] >= self.plan.inputs["audio"].representation.window
        heard = [round(10 * float(x[0, 0, at])) - 1 for at in range(STEP, x.shape[-1], 2 * STEP)]
        heard = [k for k in heard if 0 <= k < len(WORDS)]
        if isinstance(self.plan.output.world, Label):
            return {"label": Seq(torch.tensor([(heard or [0])[0]]), torch.ones(1))}
        return {"text": Seq([" ".join(WORDS[k] for k in heard)], torch.ones(1))}


def recorded(texts: list[str], port: str) -> list[Clip]:
    said = [[WORDS.index(w) for w in text.split()] for text in texts]
    waves = [np.repeat([0.1 * (k + 1) for k in words], 2 * STEP)[None].astype(np.float32) for words in said]
    return [
        Clip(f"c{i}", {"audio": w, port: t if port == "text" else WORDS.index(t)})
        for i, (w, t) in enumerate(zip(waves, texts, strict=True))
    ]


def test_words_that_are_misheard_are_counted() -> None:
    texts = ["one two", "two three one", "four four", "three one two four"]
    ears = Listens(planned("asr", "ctc", 16000))
    ports = judge.check_pair(Speaks().plan, ears.plan, [Path("a"), Path("b")])
    assert ports == ("text", "speech", "audio", "text")
    found = judge.judged(Speaks(), ears, recorded(texts, "text"), ports)
    wer = {row: scores.values["quality/wer"].value for row, (scores, _) in found.items()}
    assert found["made"][1] == ["one two", "two three one", "three three", "three one two three"]
    assert (wer["real"], wer["made"]) == (0.0, pytest.approx(3 / 11))
    assert wer["shuffled"] > 0.5
    assert wer["noise"] > 0.5
    assert set(judge.SHOWN) == set(found)


def test_a_classifier_may_judge_words() -> None:
    ears = Listens(planned("classification", "classify", 16000, Label(WORDS)))
    maker = Speaks()
    maker.plan = planned("tts", "stretch", 8000, Text(LETTERS))
    ports = judge.check_pair(maker.plan, ears.plan, [Path("a"), Path("b")])
    found = judge.judged(maker, ears, recorded(["one", "two", "three", "four"], "label"), ports)
    assert found["made"][0].values["quality/accuracy"].value == 0.75
    assert found["real"][1] == list(WORDS)


def test_runs_that_do_not_fit() -> None:
    speaks, listens = planned("tts", "stretch", 8000), planned("asr", "ctc", 8000)
    with pytest.raises(RequestError, match="a does not speak: task 'asr' makes no wave from one text"):
        judge.check_pair(listens, listens, [Path("a"), Path("b")])
    with pytest.raises(RequestError, match="b does not listen: task 'tts' makes no text and no class from one wave"):
        judge.check_pair(speaks, speaks, [Path("a"), Path("b")])
    maker = SimpleNamespace(plan=planned("tts", "stretch", 8000, Text("abc")))
    clip = Clip("c", {"audio": np.zeros((1, 9), np.float32), "text": "aco"})
    with pytest.raises(RequestError, match="the judge's texts hold 'o', which the maker has never seen; it knows abc"):
        judge.judged(maker, Listens(listens), [clip], ("text", "speech", "audio", "text"))


def test_texts_of_other_clips() -> None:
    for count in (2, 5, 30):
        other = judge.dealt(count)
        assert sorted(other) == list(range(count))
        assert all(k != i for i, k in enumerate(other))


def test_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from audioml import predict

    ears, clips = Listens(planned("asr", "ctc", 16000)), recorded(["one", "two", "two three", "four"], "text")
    systems = {"maker": Speaks(), "judge": ears}
    known = {"fingerprint": "", "report": {}, "statistics": {}}
    prepared = SimpleNamespace(size=lambda split: len(clips), clip=lambda split, i: clips[i], **known)
    corpus = SimpleNamespace(prepare=lambda task: prepared)
    monkeypatch.setattr(runfolder, "finished", lambda folder: systems[folder.name])
    monkeypatch.setattr(runfolder, "request_of", lambda folder: SimpleNamespace(corpus=corpus))
    monkeypatch.setattr(predict, "load", lambda run: run)
    judge.main([str(tmp_path / "maker"), str(tmp_path / "judge"), "--items", "2", "--out", str(tmp_path / "out")])
    report = json.loads((tmp_path / "out" / "judge.json").read_text("utf-8"))
    assert report["texts"] == ["one", "two three"]
    assert report["rows"]["made"]["quality/wer"]["value"] == 0
    assert report["heard"]["real"] == ["one", "two three"]
    assert "what the maker says: wer 0.000" in capsys.readouterr().out
