"""Times as activations: round trips, the tracker, refusals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from audioml import shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Times
from audioml.representations import pulse
from tests.representations.test_symbols import RATE, batch, rows

WORLD = Times(("beat", "downbeat", "onset"))


def song(bpm: float, seconds: float, meter: int, offset: float) -> np.ndarray:
    beats = np.arange(offset, seconds, 60 / bpm)
    bars = beats[1::meter]
    onsets = np.sort(np.random.default_rng(5).choice(np.arange(0.2, seconds, 0.1), 20, replace=False))
    times, kinds = np.concatenate([beats, bars, onsets]), np.repeat([0, 1, 2], [len(beats), len(bars), len(onsets)])
    order = np.lexsort((kinds, times))
    return np.stack([times, kinds])[:, order].astype(np.float32)


@pytest.mark.parametrize(("bpm", "meter"), [(62, 4), (97, 3), (120, 4), (181, 3)])
def test_beats_come_back_from_their_activations(bpm: float, meter: int) -> None:
    rep = shelf.make("representation", "activations").at(RATE)
    events = song(bpm, 20, meter, 0.31)
    coded, _ = rep.encode(batch(events), WORLD)
    assert rep.space(WORLD) == Frames(3, RATE, binary=True)
    assert set(coded.x.unique().tolist()) == {0, 0.5, 1}
    noisy = (0.85 * coded.x + 0.1 * torch.rand(coded.x.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    found = rows(rep.decode(Seq(noisy, coded.n), None, WORLD))
    for kind in range(3):
        true, own = events[0, events[1] == kind], found[0, found[1] == kind]
        assert len(own) == pytest.approx(len(true), abs=1 if kind < 2 else 0)
        near = np.abs(true[:, None] - own[None]).min(1)
        assert (near < 0.03).mean() >= 0.95
    assert (np.diff(found[0]) >= 0).all()


def test_the_tracker_follows_a_tempo_that_drifts_and_bridges_gaps() -> None:
    beats = np.cumsum(60 / np.linspace(90, 125, 40))
    activation = np.zeros(int((beats[-1] + 0.3) * 100))
    activation[np.rint(beats * 100).astype(int)] = 0.9
    activation[np.rint(beats[[10, 11, 25]] * 100).astype(int)] = 0.02
    activation[np.rint((beats[:-1] + np.diff(beats) / 2) * 100).astype(int)] = 0.15
    found = pulse.beats(activation, 100.0, fps=100.0, slowest=55, fastest=215, tightness=50, threshold=0.2)
    assert (np.abs(beats[:, None] - found[None]).min(1) < 0.05).all()
    assert len(found) == len(beats)


def test_the_tracker_is_the_best_of_all_paths() -> None:
    """Against every path there is, on a short activation."""
    rng = np.random.default_rng(6)
    activation = rng.uniform(0, 1, 14)
    setting = {"fps": 10.0, "slowest": 120.0, "fastest": 300.0, "tightness": 3.0, "threshold": 0.4}
    odds = pulse.log_odds(activation, 0.4)
    steps, best = range(2, 6), (-np.inf, [])

    def walk(path: list[int], last: int | None, value: float) -> None:
        nonlocal best
        if last is not None and path[-1] + last >= 14 and value > best[0]:
            best = (value, path)
        for s in steps:
            if path[-1] + s < 14:
                cost = 0 if last is None else 3.0 * abs(s / last - 1)
                walk([*path, path[-1] + s], s, value + odds[path[-1] + s] - cost)

    for start in range(5):
        walk([start], None, odds[start])
    found = pulse.beats(activation, 10.0, **setting)
    assert np.rint(found * 10).astype(int).tolist() == best[1]


def test_short_and_silent_activations_are_no_trouble() -> None:
    rep = shelf.make("representation", "activations").at(RATE)
    assert rep.decode(Seq(torch.zeros(2, 3, 5), torch.tensor([5, 0])), None, WORLD).n.tolist() == [0, 0]
    silent = rep.decode(Seq(torch.zeros(1, 3, 300), torch.tensor([300])), None, WORLD)
    assert torch.isfinite(silent.x).all()
    coded, _ = rep.encode(Seq(torch.zeros(1, 2, 1), torch.tensor([0])), WORLD)
    assert coded.x.sum() == 0


def test_downbeats_count_as_beats() -> None:
    rep = shelf.make("representation", "activations").at(Fraction(100))
    coded, _ = rep.encode(batch(np.asarray([[1.0], [1.0]], np.float32)), WORLD)
    assert coded.x[0, :, 100].tolist() == [1, 1, 0]


def test_activations_refuse_what_makes_no_sense() -> None:
    with pytest.raises(RequestError, match="slowest=300 should be positive and below fastest=215"):
        shelf.make("representation", "activations", {"slowest": 300})
    with pytest.raises(RequestError, match=r"meters=\[\] should name at least one number of beats"):
        shelf.make("representation", "activations", {"meters": []})
    with pytest.raises(Misfit, match="needs the kinds of the events, and the data names none"):
        shelf.make("representation", "activations").space(Times())
