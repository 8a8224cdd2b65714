"""Metrics of generators on clips whose answer is known: sets against sets, obedience, the missing band; and their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from audioml import draft, shelf
from audioml.errors import RequestError
from audioml.kinds import Seq, Wave
from audioml.methods.trivial_audio import coloured_noise, mean_power
from audioml.metrics import _sets, conditioning, interval, kernel_distance, neighbours, paired, spectral_realism
from audioml.metrics._base import Items, UnscoredError
from audioml.metrics._evaluate import _value
from audioml.nn.embedding import BANDS, SIZE, describe, levels
from tests.conftest import RATE


def harmonic(rng: np.random.Generator, samples: int = 16000, low: float = 100, high: float = 400) -> np.ndarray:
    """A harmonic sound with vibrating loudness and a little noise [1, T]."""
    t = np.arange(samples) / RATE
    f, speed = rng.uniform(low, high), rng.uniform(2, 6)
    x = sum(np.sin(2 * np.pi * f * k * t + rng.uniform(0, 6)) / k for k in range(1, 15)) * (1 + np.sin(2 * np.pi * speed * t))
    return (0.05 * x + 0.001 * rng.standard_normal(samples))[None].astype(np.float32)


def coloured(waves: list[np.ndarray]) -> list[np.ndarray]:
    """The floor's noise for these clips."""
    net = plan_of("generation")
    x = torch.from_numpy(np.stack(waves))
    made = coloured_noise(net, {}, {"audio": Seq(x, torch.full((len(x),), x.shape[-1]))}, {})
    return list(made["audio"].x.numpy())


def plan_of(task: str) -> Any:
    made = shelf.make("task", task)
    sketch = draft.Draft(made, draft.generic_worlds(made), {}, {}, "smoke")
    return sketch.plan({"task": task, "representation": "stft", "model": "fcn", "method": "diffusion"})


@pytest.fixture(scope="module")
def sets() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    real = [harmonic(rng) for _ in range(24)]
    other = [harmonic(rng) for _ in range(24)]
    return {
        "real": real, "truth": real, "other": other, "shorter": [x[:, :9000] for x in other], "one": [other[0]] * 24,
        "noise": coloured(real), "white": [0.1 * rng.standard_normal((1, 16000)).astype(np.float32) for _ in range(24)],
    }  # fmt: skip


def measured(sets: Mapping[str, list], name: str) -> dict[str, Any]:
    items = Items(sets["real"], sets[name], None, Wave(1, RATE))
    found = {}
    for module in (kernel_distance, neighbours, spectral_realism):
        assert module.JUDGES == "audio"
        assert module.ALIGNED is False
        scored = module.score(items)
        for key, quantity in module.quantities(items).items():
            found[key] = _value(quantity, scored[key], 0, 500)
    return found


def test_clips_of_the_same_kind_are_at_no_distance(sets: dict[str, list]) -> None:
    for name in ("other", "shorter"):
        value = measured(sets, name)["realism/kernel_distance"][0]
        assert value.ci[0] < 0 < value.ci[1], name
        assert abs(value.value) < 0.5
    truth = {k: v[0].value for k, v in measured(sets, "truth").items()}
    assert truth == pytest.approx(
        {
            "realism/kernel_distance": 0, "realism/precision": 1, "realism/coverage": 1, "realism/spectrum": 0, "realism/movement": 0,
        }
    )  # fmt: skip


def test_noise_of_the_mean_spectrum_is_far_and_white_noise_farther(sets: dict[str, list]) -> None:
    found = {name: {k: v[0].value for k, v in measured(sets, name).items()} for name in ("other", "noise", "white")}
    for key in ("realism/kernel_distance", "realism/spectrum"):
        assert found["white"][key] > found["noise"][key] > 4 * abs(found["other"][key])
    assert found["noise"]["realism/precision"] == found["noise"]["realism/coverage"] == 0
    assert found["other"]["realism/precision"] > 0.8
    assert found["other"]["realism/coverage"] > 0.8


def test_repeating_one_good_clip_is_precise_and_covers_little(sets: dict[str, list]) -> None:
    found = {k: v[0].value for k, v in measured(sets, "one").items()}
    assert found["realism/precision"] == 1
    assert found["realism/coverage"] < 0.6
    assert found["realism/kernel_distance"] > 1


def test_paired_comparison_favours_the_better_set(sets: dict[str, list]) -> None:
    better, worse = (measured(sets, name)["realism/kernel_distance"][1] for name in ("other", "noise"))
    assert paired(better, worse).favours("low")
    assert not paired(worse, better).favours("low")
    assert not paired(better, measured(sets, "shorter")["realism/kernel_distance"][1]).favours("low")


def test_pseudo_values_against_the_definition() -> None:
    """Their mean is the unbiased squared MMD by its triple sum, each the jackknife's n·θ - (n - 1)·θ without the item."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 7, 5))

    def by_sums(x: np.ndarray, y: np.ndarray) -> float:
        def k(a: np.ndarray, b: np.ndarray) -> float:
            return (a @ b / 5 + 1) ** 3

        n = len(x)
        pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
        return sum(k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i, j in pairs) / (n * (n - 1))

    rows = kernel_distance.pseudo_values(x, y)
    assert rows.mean() == pytest.approx(by_sums(x, y))
    for i in range(7):
        assert rows[i] == pytest.approx(7 * by_sums(x, y) - 6 * by_sums(np.delete(x, i, 0), np.delete(y, i, 0)))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Two normal distributions whose distance is known: nine in ten 95 % intervals of 40 pairs or more contain it."""
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(100):
        shift = np.array([1.0, *np.zeros(4)])
        rows = kernel_distance.pseudo_values(rng.standard_normal((40, 5)), rng.standard_normal((40, 5)) + shift)
        far = interval(np.stack([rows, np.ones(40)], 1), resamples=300)
        inside += far[0] < 0.942 < far[1]  # by four million pairs
    assert inside >= 85


def test_too_few_items_are_not_scored() -> None:
    items = Items([np.zeros((1, 800))] * 3, [np.zeros((1, 800))] * 3, None, Wave(1, RATE))
    with pytest.raises(UnscoredError, match="a distance between sets needs 4 items or more, here are 3"):
        kernel_distance.score(items)


# ---- the description ------------------------------------------------------------------------------------------------
def test_the_description_says_what_it_claims() -> None:
    t = torch.arange(32000) / RATE
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * t)
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(32000)
    beating = tone * (1 + torch.sin(2 * torch.pi * 6 * t)) / 2
    found = describe(torch.stack([tone, noise, beating, 10**-1 * tone]), RATE)
    assert found.shape == (4, SIZE)
    assert found.isfinite().all()
    mean, deviation = found[:, :BANDS], found[:, BANDS : 2 * BANDS]
    assert torch.allclose(mean[0].max() - mean[3].max(), torch.tensor(20.0), atol=0.1)  # decibels
    assert deviation[0].max() < 0.5 < deviation[2].max()
    peaks = found[:, -2 - 8 : -2]
    assert torch.allclose(peaks[1], torch.full((8,), 2.5), atol=0.7)  # the mean of a log of noise
    assert peaks[0].max() > 10
    periodicity = found[:, -2]
    assert periodicity[0] > 9.5
    assert periodicity[1] < 5
    modulation = found[:, 3 * BANDS + 28 : 3 * BANDS + 28 + 40].unflatten(1, (8, 5))
    assert int(modulation[2].amax(0).argmax()) == 2  # 4 to 8 Hz


def test_the_description_is_the_same_for_silence_short_clips_and_other_rates() -> None:
    for rate, samples in ((16000, 16000), (16000, 200), (8000, 4000), (44100, 44100)):
        found = describe(torch.zeros(1, samples), rate)
        assert found.shape == (1, SIZE)
        assert found.isfinite().all()
    assert levels(torch.zeros(1, 16000), 16000).max() == pytest.approx(-80, abs=1e-3)


def test_descriptions_are_remembered_and_do_not_depend_on_company() -> None:
    rng = np.random.default_rng(3)
    waves = [harmonic(rng), harmonic(rng, 9000), harmonic(rng)]
    together = _sets.described(waves, RATE)
    assert _sets.described([w.copy() for w in waves], RATE) is together
    assert np.allclose(together[1], _sets.described([waves[1]], RATE)[0], atol=1e-4)


# ---- obedience --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Asked(Items):
    given: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def obedience(outputs: list[np.ndarray], targets: list[np.ndarray], captions: list[str]) -> dict[str, Any]:
    items = Asked(targets, outputs, None, Wave(1, RATE), given={"caption": captions})
    scored = conditioning.score(items)
    return {k.partition("/")[2]: _value(q, scored[k], 0, 200)[0] for k, q in conditioning.quantities(items).items()}


@pytest.fixture(scope="module")
def captioned() -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """(targets, other clips of the same captions, captions): two low, one high and one that occurs once."""
    rng = np.random.default_rng(4)
    ranges = {"A low hum.": (80, 90), "a bright tone": (500, 600), "in between": (200, 230)}
    captions = ["A low hum.", "a bright tone", "in between"] * 4 + ["a LOW  hum.", "only once"]

    def make(caption: str) -> np.ndarray:
        low, high = ranges.get(caption, (80, 90) if "hum" in caption.lower() else (1000, 1001))
        return harmonic(rng, 8000, low, high)

    return [make(c) for c in captions], [make(c) for c in captions], captions


def test_outputs_that_obey(captioned: tuple) -> None:
    targets, outputs, captions = captioned
    found = obedience(outputs, targets, captions)
    assert found["agreement"].value > 0.95
    assert found["accuracy"].value > 0.9
    assert found["accuracy"].n == 13
    assert "1 of 14 items left out: its request has one real clip (1)" in found["accuracy"].reason
    assert found["chance"].value == pytest.approx(1 / 3)


def test_outputs_that_ignore_their_caption_are_at_chance(captioned: tuple) -> None:
    targets, outputs, captions = captioned
    found = obedience([outputs[0]] * len(outputs), targets, captions)
    assert 0.2 < found["agreement"].value < 0.6
    assert found["accuracy"].value == pytest.approx(5 / 13)
    shuffled = obedience(outputs[1:] + outputs[:1], targets, captions)
    assert shuffled["accuracy"].value < 0.2


def test_real_clips_have_no_advantage_from_being_the_target(captioned: tuple) -> None:
    targets, outputs, captions = captioned
    real, other = obedience(targets, targets, captions), obedience(outputs, targets, captions)
    assert abs(real["accuracy"].value - other["accuracy"].value) < 0.2


def test_without_requests_there_is_no_obedience(captioned: tuple) -> None:
    targets, outputs, _ = captioned
    with pytest.raises(UnscoredError, match="the task has no text or label among its inputs"):
        conditioning.score(Items(targets, outputs, None, Wave(1, RATE)))
    with pytest.raises(UnscoredError, match="all items have the same request"):
        obedience(outputs, targets, ["one"] * len(outputs))


# ---- the floor ---------------------------------------------------------------------------------------------------------
def test_coloured_noise_has_the_mean_spectrum_and_repeats(sets: dict[str, list]) -> None:
    real = torch.from_numpy(np.stack(sets["real"][:8]))
    n = torch.tensor([16000] * 7 + [9000])
    plan = plan_of("generation")
    made = coloured_noise(plan, {}, {"audio": Seq(real, n)}, {})["audio"]
    assert torch.equal(made.x, coloured_noise(plan, {}, {"audio": Seq(real, n)}, {})["audio"].x)
    assert not made.x[7, :, 9000:].any()
    assert not torch.equal(made.x[0], made.x[1])
    want, have = mean_power(real, n), mean_power(made.x, n)
    assert float(want.sum()) == pytest.approx(float(have.sum()), rel=0.05)
    loud = want > 1e-3 * want.max()
    assert float((10 * (want / have).log10())[loud].abs().mean()) < 1.5
    flat = coloured_noise(plan, {}, {"audio": Seq(real, n)}, {"audio": {"spectrum": torch.ones(257).tolist()}})["audio"]
    assert float(mean_power(flat.x, n)[2:-2].std() / mean_power(flat.x, n).mean()) < 0.2


def test_coloured_noise_needs_a_length() -> None:
    with pytest.raises(RequestError, match="the floor of task 'generation' makes 'audio' as long as its targets"):
        coloured_noise(plan_of("generation"), {}, {}, {})
