"""Metrics of events, notes, pitch, tags, captions and likelihoods against references, definitions and empty answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audioml.corpus import Clip
from audioml.errors import RequestError
from audioml.kinds import Curve, Label, Notes, Tags, Text, Times, Wave
from audioml.metrics import evaluate, paired
from audioml.metrics._voices import bigram_counts, bigram_nats, from_grid, to_grid
from audioml.parts import Task
from audioml.statistics import gather

rng = np.random.default_rng(0)


def scored(metrics, world, targets, outputs, inputs=None, nats=None):
    ports = {"prompt": world} if inputs else {"audio": Wave()}
    task = Task("test", ports, {"y": world}, tuple(metrics), primary="", prefers=(), baseline="", ceiling="")
    clips = [Clip(f"c{i}", {"y": t, **({"prompt": inputs[i]} if inputs else {})}) for i, t in enumerate(targets)]
    outs = [{"y": o, **({"_nll": nats[i]} if nats and nats[i] else {})} for i, o in enumerate(outputs)]
    return evaluate(task, clips, outs, worlds={"y": world})


def events(**kinds) -> np.ndarray:
    names = list(EVENTS.names)
    pairs = sorted((t, names.index(k)) for k, times in kinds.items() for t in times)
    return np.asarray(pairs, np.float32).reshape(-1, 2).T


EVENTS = Times(("beat", "downbeat", "onset"))


# ---- events ----------------------------------------------------------------------------------------------------------
def test_beats_agree_with_mir_eval_after_its_five_seconds() -> None:
    import mir_eval

    target = np.arange(0.5, 30, 0.5)
    output = np.sort(np.concatenate([target[::2] + rng.uniform(-0.1, 0.1, 30)[: len(target[::2])], target[1:20:2]]))
    found = scored(["beats"], EVENTS, [events(beat=target, downbeat=target[::4])], [events(beat=output, downbeat=output[::4])])
    reference = mir_eval.beat.evaluate(events(beat=target)[0].astype(float), events(beat=output)[0].astype(float))
    assert found.values["quality/beat_f"].value == pytest.approx(reference["F-measure"])
    assert found.values["quality/beat_cmlt"].value == pytest.approx(reference["Correct Metric Level Total"])
    assert found.values["quality/beat_amlt"].value == pytest.approx(reference["Any Metric Level Total"])
    assert 0 < found.values["quality/beat_f"].value < 1


def test_double_tempo_is_right_at_another_level() -> None:
    target = np.arange(0.5, 30, 0.5)
    found = scored(["beats"], EVENTS, [events(beat=target)], [events(beat=np.arange(0.5, 30, 0.25))]).values
    assert found["quality/beat_amlt"].value > 0.95
    assert found["quality/beat_cmlt"].value < 0.1


def test_short_clips_count_from_their_start_and_downbeats_are_beats() -> None:
    beats = np.arange(0.2, 4, 0.6)
    once = events(beat=np.delete(beats, [0, 4]), downbeat=beats[[0, 4]])
    twice = events(beat=beats, downbeat=beats[::4])
    found = scored(["beats"], EVENTS, [once], [twice]).values
    assert found["quality/beat_f"].value == 1
    assert found["quality/downbeat_f"].value == 1


def test_no_answer_scores_zero_and_no_target_is_left_out() -> None:
    beats = np.arange(0.5, 20, 0.5)
    targets = [events(beat=beats, downbeat=beats[::4], onset=beats), events(beat=beats)]
    found = scored(["beats", "onsets"], EVENTS, targets, [np.zeros((2, 0)), events(beat=beats)])
    assert found.items["quality/beat_f"] == [0, 1]
    assert found.items["quality/beat_amlt"][0] == 0
    assert found.items["quality/onset_f"] == [0, None]
    assert found.values["quality/onset_f"].reason == "1 of 2 items left out: no onset in the target (1)"
    assert found.values["quality/downbeat_f"].n == 1


def test_onsets_match_once_within_fifty_milliseconds() -> None:
    found = scored(["onsets"], EVENTS, [events(onset=[1, 2, 3, 4])], [events(onset=[1.04, 1.045, 2.06, 3.0])])
    assert found.values["quality/onset_f"].value == pytest.approx(2 * (2 / 4) * (2 / 4) / 1)
    other = Times(("snare", "kick drum"))
    values = scored(["onsets"], other, [np.asarray([[1.0], [1.0]])], [np.asarray([[1.0], [1.0]])]).values
    assert values["quality/kick_drum_f"].value == 1
    assert values["quality/snare_f"].value is None


# ---- notes -----------------------------------------------------------------------------------------------------------
def test_notes_by_onset_and_by_offset() -> None:
    world = Notes(21, 108, 1, None)
    target = np.asarray([[0.0, 1, 60, 0.5, 0], [1, 2, 64, 0.5, 0], [2, 3, 67, 0.5, 0]]).T
    output = np.asarray([[0.03, 1.02, 60, 0.9, 0], [1.0, 1.5, 64, 0.5, 0], [2.2, 3, 67, 0.5, 0]]).T
    found = scored(["notes"], world, [target, target, np.zeros((5, 0))], [output, np.zeros((5, 0)), output])
    assert found.items["quality/note_f"] == pytest.approx([2 / 3, 0, None])
    assert found.items["quality/note_offset_f"] == pytest.approx([1 / 3, 0, None])
    assert "no note in the target (1)" in found.values["quality/note_f"].reason


# ---- pitch -----------------------------------------------------------------------------------------------------------
def test_pitch_agrees_with_mir_eval() -> None:
    import mir_eval

    world = Curve(("f0",), 100)
    target = np.where(rng.random(500) < 0.7, 220 * 2 ** rng.uniform(0, 2, 500), 0)[None]
    output = np.where(rng.random(500) < 0.8, target * 2 ** (rng.normal(0, 60, 500) / 1200), 150.0 * (rng.random(500) < 0.5))
    found = scored(["pitch"], world, [target], [output]).values
    time = np.arange(500) / 100
    reference = mir_eval.melody.evaluate(time, target[0], time, output[0])
    assert found["quality/raw_pitch_accuracy"].value == pytest.approx(reference["Raw Pitch Accuracy"])
    assert found["quality/overall_accuracy"].value == pytest.approx(reference["Overall Accuracy"])
    assert found["quality/voicing_recall"].value == pytest.approx(reference["Voicing Recall"])
    assert found["quality/voicing_false_alarm"].value == pytest.approx(reference["Voicing False Alarm"])
    assert found["quality/voicing_false_alarm"].better == "low"


def test_a_short_curve_is_unvoiced_in_the_rest_and_silence_has_no_pitch() -> None:
    world = Curve(("f0",), 100)
    target = np.full((1, 100), 200.0)
    found = scored(["pitch"], world, [target, 0 * target], [target[:, :50], target[:, :0]])
    assert found.items["quality/raw_pitch_accuracy"] == [0.5, None]
    assert found.items["quality/overall_accuracy"] == [0.5, 1]
    assert found.values["quality/voicing_false_alarm"].n == 1


# ---- tags ------------------------------------------------------------------------------------------------------------
def test_tags_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = (rng.random((40, 6)) < 0.3).astype(np.float32)
    truth[:, 5] = 0  # never occurs
    truth[0, 0] = 1
    scores = np.round(np.clip(0.4 * truth + 0.6 * rng.random((40, 6)), 0, 1), 1)  # ties
    found = scored(["tags"], Tags(tuple("abcdef")), list(truth), list(scores)).values
    each = [metrics.average_precision_score(truth[:, c], scores[:, c]) for c in range(5)]
    assert found["quality/map"].value == pytest.approx(np.mean(each))
    assert found["quality/map_micro"].value == pytest.approx(metrics.average_precision_score(truth, scores, average="micro"))
    own = [metrics.average_precision_score(t, s) for t, s in zip(truth, scores, strict=True) if t.any()]
    assert found["quality/map_samples"].value == pytest.approx(np.mean(own))
    answers = scores >= 0.5
    assert found["quality/f1_micro"].value == pytest.approx(metrics.f1_score(truth, answers, average="micro"))
    assert found["quality/map"].ci[0] < found["quality/map"].value < found["quality/map"].ci[1]


def test_the_tag_prior_ranks_at_the_base_rate() -> None:
    truth = np.zeros((50, 2), np.float32)
    truth[:20, 0] = 1
    truth[:5, 1] = 1
    prior = np.tile([0.4, 0.1], (50, 1))
    found = scored(["tags"], Tags(("a", "b")), list(truth), list(prior))
    assert found.values["quality/map"].value == pytest.approx((0.4 + 0.1) / 2)
    better = scored(["tags"], Tags(("a", "b")), list(truth), list(truth))
    assert better.values["quality/map"].value == 1
    key = "quality/map_samples"
    kept = [i for i, x in enumerate(found.items[key]) if x is not None]
    gap = paired([better.items[key][i] for i in kept], [found.items[key][i] for i in kept])
    assert gap.n == 20


# ---- captions --------------------------------------------------------------------------------------------------------
def test_bleu_agrees_with_torchmetrics() -> None:
    from torchmetrics.functional.text import bleu_score

    targets = ["a dog barks in the rain", "rain falls on a tin roof at night", "a man is speaking"]
    outputs = ["a dog barks in the wind", "rain falls on a tin roof", "a woman is speaking"]
    found = scored(["captions"], Text(), targets, outputs)
    assert found.values["quality/bleu4"].value == pytest.approx(float(bleu_score(outputs, [[t] for t in targets])), abs=1e-6)
    assert found.items["quality/token_f1"] == pytest.approx([5 / 6, 12 / 14, 3 / 4])


def test_exact_captions_forgive_case_and_full_stops_only() -> None:
    found = scored(["captions"], Text(), ["A dog barks.", "rain", ""], ["a dog barks", "", ""])
    assert found.items["quality/exact_match"] == [1, 0, 1]
    assert found.items["quality/token_f1"] == [1, 0, 1]
    assert found.values["quality/bleu4"].value == 0


# ---- likelihood and continuation -------------------------------------------------------------------------------------
def test_likelihood_is_a_ratio_of_sums_for_any_output() -> None:
    found = scored(["likelihood"], Label(("a", "b")), [0, 1, 0], [0, 0, 0], nats=[(10.0, 20), (90.0, 60), None])
    value = found.values["likelihood/nats_per_symbol"]
    assert value.value == pytest.approx(100 / 80)
    assert value.better == "low"
    assert value.reason == "1 of 3 items left out: no likelihood (1)"
    assert np.mean(found.items["likelihood/nats_per_symbol"][:2]) == pytest.approx(100 / 80)
    none = scored(["likelihood"], Label(("a", "b")), [0], [0]).values["likelihood/nats_per_symbol"]
    assert none.value is None
    assert none.reason == "this method states no likelihood"


def test_continuation_compares_what_sounds() -> None:
    world = Notes(0, 127, 4, 0.25)
    target = np.asarray([[0, 1, 60, 0.8, 0], [1, 2, 64, 0.8, 0]], np.float32).T
    octave = target + np.asarray([[0], [0], [12], [0], [0]], np.float32)
    half = np.asarray([[0, 2, 60, 0.8, 0], [5, 6, 61, 0.8, 0]], np.float32).T  # the second lies past the target's end
    found = scored(["continuation"], world, [target] * 3, [octave, half, target[:, :0]], inputs=[target] * 3)
    assert found.items["quality/pitch_class_overlap"] == pytest.approx([1, 0.5, 0])
    assert found.items["quality/density_error"] == pytest.approx([0, 0.5, 1])


def test_a_metric_of_another_family_is_refused() -> None:
    with pytest.raises(RequestError, match=r"metric 'beats' judges times, which task 'test' does not put out \('y' is Text\)"):
        scored(["beats"], Text(), ["a"], ["a"])


# ---- what trivial predictors know ------------------------------------------------------------------------------------
SCORE = Notes(36, 81, 4, 0.15)


def test_statistics_of_every_kind() -> None:
    assert gather(Label(("a", "b")), [1, 0, 1]) == {"majority": 1}
    assert gather(Tags(("a", "b")), [np.asarray([1.0, 0]), np.asarray([1.0, 1])]) == {"prior": [1.0, 0.5]}
    assert gather(Text(), ["b", "a", "ccc", "ccc"]) == {"common": "ccc"}
    assert gather(Text(), ["bb", "a"]) == {"common": "a"}
    assert gather(Text(), ["a dog", "rain", "a big cat"]) == {"common": "a dog"}, "words that others use too"
    known = gather(Curve(("f0",), 100), [np.asarray([[0, 100.0, 300]]), np.asarray([[200.0, 0]])])
    assert known == {"median": 200.0, "voiced": 0.6, "near": 0.2}
    assert gather(Curve(("f0",), 100), [np.zeros((1, 3))])["median"] == 0
    assert gather(Notes(21, 108, 1, None), [np.zeros((5, 0))]) == {}
    assert gather(SCORE, []) == {}
    assert gather(Wave(), [np.zeros(3)]) == {}
    assert gather(SCORE, [np.zeros((5, 0))])["bigram"].shape == (4, 4, 48, 47)


def test_the_bigram_is_a_distribution() -> None:
    piece = from_grid(np.asarray([[1, 1, 2, 2], [46, 46, 3, 3], [4, 4, 4, 4], [5, 6, 7, 8]]), SCORE, hold=False)
    counts = bigram_counts([piece], SCORE)
    assert counts.sum() == 16
    total = 0.0
    for symbol in range(47):
        nats, count = bigram_nats(counts, np.asarray([[1, symbol], [46, 46], [4, 4], [5, 6]]), SCORE)
        rest, _ = bigram_nats(counts, np.asarray([[1], [46], [4], [5]]), SCORE)
        others, _ = bigram_nats(counts, np.asarray([[1, 1], [46, 46], [4, 4], [5, 6]]), SCORE)
        assert count == 8
        total += np.exp(-(nats - others)) if symbol != 1 else 1
    share = (1 + 0.05) / (1 + 0.05 * 47)  # what symbol 1 got
    assert total * share == pytest.approx(1)


def test_the_voice_bigram_reaches_the_published_bar(shared) -> None:
    """0.707 nats per note on the validation split (../shared/SYSTEMS.md §0, its test value is of the whole test part)."""
    found = json.loads((shared / "jsb_chorales" / "chorales.json").read_text())
    grids = {split: [np.where(np.asarray(p).T < 0, 46, np.asarray(p).T - 36) for p in pieces] for split, pieces in found.items()}
    counts = gather(SCORE, [from_grid(g, SCORE, hold=False) for g in grids["train"]])["bigram"]
    for split, bar in (("valid", 0.707), ("test", 0.731)):
        pairs = np.asarray([bigram_nats(counts, to_grid(from_grid(g, SCORE, False), SCORE, False), SCORE) for g in grids[split]])
        assert pairs[:, 0].sum() / pairs[:, 1].sum() == pytest.approx(bar, abs=0.002)
