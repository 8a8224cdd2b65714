"""Metrics against references, definitions and bad input."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from audioml.corpus import Clip
from audioml.errors import RequestError, RunError
from audioml.kinds import Label, Stems, Text, Wave, World
from audioml.metrics import available, evaluate, metric, paired
from audioml.parts import Task

RATE = 16000
rng = np.random.default_rng(0)


def task(metrics, inputs=None, outputs=None):
    return Task(
        "test",
        inputs or {"noisy": Wave()},
        outputs or {"clean": Wave()},
        tuple(metrics),
        primary="",
        prefers=(),
        baseline="",
        ceiling="",
    )


def audio(items=6, seconds=(0.5, 0.7), noise=0.3):
    """Clips of two lengths, amplitude-modulated noise as target, with noise added as input."""
    clips = []
    for i in range(items):
        n = int(RATE * seconds[i % len(seconds)])
        clean = rng.standard_normal((1, n)).astype(np.float32) * np.sin(np.arange(n) / 2000) ** 2 * 0.1
        noisy = clean + noise * 0.1 * rng.standard_normal((1, n)).astype(np.float32)
        clips.append(Clip(f"c{i}", {"noisy": noisy.astype(np.float32), "clean": clean.astype(np.float32)}))
    return clips


WORLDS = {"clean": Wave(1, RATE)}


def test_the_folder_is_the_list_and_every_metric_has_the_shape():
    assert {"si_sdr", "sdr", "pesq", "stoi", "spectral_distance", "accuracy", "f1", "wer"} <= set(available())
    for name in available():
        module = metric(name)
        assert module.JUDGES in {"any", *(kind.family for kind in get_args(World))}
        assert isinstance(module.PACKAGES, tuple)
        assert module.__doc__


def test_unknown_metric_is_one_sentence_with_choices():
    with pytest.raises(RequestError, match=r"unknown metric 'si_sdrr'; did you mean si_sdr\? the metrics are accuracy, .*f1, "):
        evaluate(task(["si_sdrr"]), [], [])


def test_metric_of_another_family_is_refused():
    with pytest.raises(RequestError, match=r"metric 'wer' judges text, which task 'test' does not put out \('clean' is Wave\)"):
        evaluate(task(["wer"]), [], [])


def test_si_sdr_agrees_with_torchmetrics_and_improvement_of_identity_is_zero():
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as reference

    clips = audio()
    outputs = [{"clean": c.ports["noisy"]} for c in clips]
    scores = evaluate(task(["si_sdr"]), clips, outputs, worlds=WORLDS)
    expected = [
        float(reference(torch.from_numpy(c.ports["noisy"]).double(), torch.from_numpy(c.ports["clean"]).double())[0]) for c in clips
    ]
    assert scores.items["fidelity/si_sdr"] == pytest.approx(expected, abs=1e-6)
    value = scores.values["fidelity/si_sdr"]
    assert value.value == pytest.approx(np.mean(expected))
    assert value.n == 6
    assert value.unit == "dB"
    assert value.better == "high"
    assert value.ci[0] <= value.value <= value.ci[1]
    assert scores.values["fidelity/si_sdr_improvement"].value == 0


def test_sdr_agrees_with_the_exact_solution():
    import fast_bss_eval

    clips = audio(4)
    mixed = [{"clean": np.apply_along_axis(np.convolve, 1, c.ports["noisy"], [1, 0.4], "same")} for c in clips]
    scores = evaluate(task(["sdr"]), clips, mixed, worlds=WORLDS)
    expected = [
        fast_bss_eval.sdr(c.ports["clean"].astype(float), o["clean"].astype(float), load_diag=1e-10)[0]
        for c, o in zip(clips, mixed, strict=True)
    ]
    assert scores.items["fidelity/sdr"] == pytest.approx(expected, abs=1e-2)


def test_silent_target_is_left_out_and_silent_output_is_not():
    clips = audio(4)
    clips[1].ports["clean"][:] = 0
    outputs = [{"clean": c.ports["noisy"].copy()} for c in clips]
    outputs[2]["clean"][:] = 0
    outputs[3]["clean"] = clips[3].ports["clean"]
    scores = evaluate(task(["si_sdr", "spectral_distance", "sdr"]), clips, outputs, worlds=WORLDS)
    assert scores.items["fidelity/si_sdr"][1] is None
    assert scores.items["fidelity/si_sdr"][2] == -60
    assert scores.items["fidelity/si_sdr"][3] == 100
    value = scores.values["fidelity/si_sdr"]
    assert value.n == 3
    assert value.reason == "1 of 4 items left out: silent target (1)"
    assert scores.values["fidelity/spectral_distance"].n == 3
    assert scores.values["fidelity/sdr"].n == 3
    assert scores.items["fidelity/spectral_distance"][3] == 0


def test_all_targets_silent_is_a_value_with_a_reason():
    clips = audio(2)
    for clip in clips:
        clip.ports["clean"][:] = 0
    value = evaluate(task(["si_sdr"]), clips, [{"clean": c.ports["noisy"]} for c in clips], worlds=WORLDS).values
    assert value["fidelity/si_sdr"].value is None
    assert value["fidelity/si_sdr"].reason == "2 of 2 items left out: silent target (2)"


def stems(names, items=5):
    clips = []
    for i in range(items):
        x = rng.standard_normal((3, 1, 4000 + 500 * (i % 2))).astype(np.float32)
        clips.append(Clip(f"c{i}", {"mix": x.sum(0), "stems": x}))
    world = Stems(names, 1, RATE)
    return clips, task(["si_sdr"], {"mix": Wave()}, {"stems": Stems()}), {"stems": world}


def test_every_stem_has_its_improvement():
    clips, separation, worlds = stems(("voice", "music", "Sound Effects"))
    clips[0].ports["stems"][1] = 0
    outputs = [{"stems": c.ports["stems"] + 0.1 * rng.standard_normal(c.ports["stems"].shape)} for c in clips]
    scores = evaluate(separation, clips, outputs, worlds=worlds)
    assert set(scores.values) == {
        "fidelity/si_sdr",
        "fidelity/si_sdr_improvement",
        "fidelity/si_sdr_improvement_voice",
        "fidelity/si_sdr_improvement_music",
        "fidelity/si_sdr_improvement_sound_effects",
    }
    assert scores.values["fidelity/si_sdr_improvement_voice"].n == 5
    assert scores.values["fidelity/si_sdr_improvement_music"].n == 4
    per_stem = [scores.items[f"fidelity/si_sdr_improvement_{s}"][0] for s in ("voice", "music", "sound_effects")]
    assert per_stem[1] is None
    assert scores.items["fidelity/si_sdr_improvement"][0] == pytest.approx((per_stem[0] + per_stem[2]) / 2)


def test_stems_without_names_are_matched_in_any_order():
    clips, separation, worlds = stems(None)
    outputs = [{"stems": c.ports["stems"] + 0.1 * rng.standard_normal(c.ports["stems"].shape)} for c in clips]
    shuffled = [{"stems": o["stems"][[2, 0, 1]]} for o in outputs]
    straight = evaluate(separation, clips, outputs, worlds=worlds)
    assert evaluate(separation, clips, shuffled, worlds=worlds).items == straight.items
    named = {"stems": replace(worlds["stems"], names=("a", "b", "c"))}
    assert evaluate(separation, clips, shuffled, worlds=named).values["fidelity/si_sdr"].value < -10


def test_spectral_distance_of_a_gain_is_the_gain_and_floors_what_is_not_heard():
    n = RATE // 2
    x = rng.standard_normal((1, n)).astype(np.float32)
    clips = [Clip("c", {"noisy": x, "clean": x})]
    half = (
        evaluate(task(["spectral_distance"]), clips, [{"clean": x / 2}], worlds=WORLDS).values["fidelity/spectral_distance"].value
    )
    assert half == pytest.approx(20 * np.log10(2), rel=0.02)
    near = (
        evaluate(task(["spectral_distance"]), clips, [{"clean": x + 1e-7}], worlds=WORLDS)
        .values["fidelity/spectral_distance"]
        .value
    )
    assert near < 1e-3


def test_wrong_shape_is_a_run_error():
    clips = audio(1)
    with pytest.raises(RunError, match=r"clip 'c0': the output has shape \(1, 10\), its target \(1, 8000\)"):
        evaluate(task(["si_sdr"]), clips, [{"clean": np.zeros((1, 10))}], worlds=WORLDS)
    with pytest.raises(RunError, match="1 clips but 0 outputs: every clip needs one output"):
        evaluate(task(["si_sdr"]), clips, [], worlds=WORLDS)


def test_nan_output_is_not_hidden_in_a_mean():
    clips = audio(3)
    outputs = [{"clean": c.ports["noisy"].copy()} for c in clips]
    outputs[0]["clean"][0, 5] = np.nan
    value = evaluate(task(["si_sdr"]), clips, outputs, worlds=WORLDS).values["fidelity/si_sdr_improvement"]
    assert value.value is None
    assert value.reason == "1 of 3 outputs hold NaN or Inf"


def test_no_items_and_missing_packages_are_reasons(monkeypatch):
    value = evaluate(task(["si_sdr"]), [], [], worlds=WORLDS).values["fidelity/si_sdr"]
    assert value.value is None
    assert value.reason == "there are no items to score"
    monkeypatch.setitem(sys.modules, "pesq", None)
    clips = audio(1)
    scores = evaluate(task(["pesq", "si_sdr"]), clips, [{"clean": c.ports["noisy"]} for c in clips], worlds=WORLDS)
    assert scores.values["fidelity/pesq_wb"].reason == "package 'pesq' is not installed (pip install pesq)"
    assert scores.values["fidelity/si_sdr"].value is not None


def test_a_failing_metric_never_fails_the_run(monkeypatch):
    monkeypatch.setattr(metric("accuracy"), "score", lambda items: 1 / 0)
    labels = task(["accuracy"], outputs={"label": Label()})
    value = evaluate(labels, [Clip("a", {"label": 0})], [{"label": 0}]).values["quality/accuracy"]
    assert value.value is None
    assert value.reason == "ZeroDivisionError: division by zero"


def test_accuracy_and_f1_agree_with_torchmetrics():
    from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

    targets, answers = rng.integers(0, 4, 50), rng.integers(0, 4, 50)
    answers[:30] = targets[:30]
    labels = task(["accuracy", "f1"], outputs={"label": Label(tuple("abcde"))})
    clips = [Clip(str(i), {"label": int(t)}) for i, t in enumerate(targets)]
    scores = evaluate(labels, clips, [{"label": int(a)} for a in answers])
    pair = torch.from_numpy(answers), torch.from_numpy(targets)
    assert scores.values["quality/accuracy"].value == pytest.approx(
        float(multiclass_accuracy(*pair, num_classes=5, average="micro"))
    )
    f1 = scores.values["quality/f1_macro"]
    assert f1.value == pytest.approx(float(multiclass_f1_score(*pair, num_classes=5, average="macro")))
    assert f1.ci[0] < f1.value < f1.ci[1]
    assert f1.n == 50
    assert set(scores.items) == {"quality/accuracy"}


def test_wer_and_cer_agree_with_jiwer_and_items_mean_to_the_corpus_rate():
    import jiwer

    truth = ["the cat sat on the mat", "hello", "a  b c d", "one two three"]
    heard = ["the cat sat mat", "yellow hello", "", "one two three"]
    texts = task(["wer"], {"audio": Wave()}, {"text": Text()})
    clips = [Clip(str(i), {"text": t}) for i, t in enumerate(truth)]
    scores = evaluate(texts, clips, [{"text": h} for h in heard])
    assert scores.values["quality/wer"].value == pytest.approx(jiwer.wer(truth, heard))
    squeezed = [" ".join(t.split()) for t in truth]
    assert scores.values["quality/cer"].value == pytest.approx(jiwer.cer(squeezed, heard))
    assert np.mean(scores.items["quality/wer"]) == pytest.approx(scores.values["quality/wer"].value)
    assert scores.values["quality/wer"].better == "low"
    assert scores.values["quality/wer"].ci is not None
    perfect = evaluate(texts, clips, [{"text": t} for t in truth])
    assert perfect.values["quality/wer"].value == 0
    empty = evaluate(texts, clips, [{"text": ""} for _ in truth])
    assert empty.values["quality/wer"].value == 1
    assert paired(perfect.items["quality/cer"], empty.items["quality/cer"]).favours("low")


def test_wer_without_reference_words():
    texts = task(["wer"], {"audio": Wave()}, {"text": Text()})
    value = evaluate(texts, [Clip("a", {"text": " "})], [{"text": "x"}]).values["quality/wer"]
    assert value.value is None
    assert value.reason == "all reference texts are empty"
