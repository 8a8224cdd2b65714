"""Gathering equals slicing, and the energy index equals the samples' own energy."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from audioml.data.audio import decode
from audioml.data.cache import open_tape
from audioml.data.table import Table
from audioml.data.tape import SEGMENT, Tape
from tests.data.sound_folders import RATE, noise, write

LENGTHS = (0.5, 0.01, 1.3, 0.0002, 0.7)


@pytest.fixture(params=[1, 2], ids=["mono", "stereo"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Tape, list[np.ndarray]]:
    paths = [write(tmp_path / f"{i}.wav", noise(i, s, channels=request.param)) for i, s in enumerate(LENGTHS)]
    table = Table("here", (), (), tmp_path)
    sources = [table.source(path.name) for path in paths]
    tape = open_tape(sources, where="here", root="", rate=RATE, channels=request.param, cache=str(tmp_path / "c"))
    return tape, [decode(path, RATE, request.param)[0].T / np.float32(32768) for path in paths]


def test_gather_equals_slicing(made: tuple[Tape, list[np.ndarray]]) -> None:
    tape, waves = made
    rng = np.random.default_rng(0)
    for steps in (1, 100, 5000, 30000):
        file = rng.integers(-1, len(waves), 40)
        length = np.where(file < 0, steps, tape.length[np.maximum(file, 0)])
        valid = np.minimum(length, steps)
        start = rng.integers(0, length - valid + 1)
        offset = rng.integers(0, steps - valid + 1)
        gain = rng.uniform(0.1, 2, 40)
        got = tape.gather(file, start, steps, offset=offset, valid=valid, gain=gain)
        for r, f in enumerate(file):
            want = np.zeros((tape.channels, steps))
            if f >= 0:
                want[:, offset[r] : offset[r] + valid[r]] = waves[f][:, start[r] : start[r] + valid[r]] * gain[r]
            np.testing.assert_allclose(got[r], want, atol=1e-6)
        assert got.dtype == np.float32


def test_energy_without_touching_a_sample(made: tuple[Tape, list[np.ndarray]]) -> None:
    tape, waves = made
    rng = np.random.default_rng(1)
    for f, wave in enumerate(waves):
        power = (wave.astype(np.float64) ** 2).mean(0)
        edges = np.append(np.arange(0, wave.shape[1], SEGMENT), wave.shape[1])
        start, stop = np.sort(rng.choice(edges, (2, 20)), axis=0)
        want = [power[a:b].sum() for a, b in zip(start, stop)]
        np.testing.assert_allclose(tape.energy(np.full(20, f), start, stop), want, rtol=1e-5, atol=1e-9)
        start, stop = np.sort(rng.integers(0, wave.shape[1] + 1, (2, 20)), axis=0)
        want = np.asarray([power[a:b].sum() for a, b in zip(start, stop)])
        assert (np.abs(tape.energy(np.full(20, f), start, stop) - want) <= 2 * SEGMENT * 0.09).all()
        np.testing.assert_allclose(tape.power[f], power.mean(), rtol=1e-5)


def test_locate_follows_the_energy(tmp_path: Path) -> None:
    x = np.zeros((RATE, 1), np.float32)
    x[9000:9500] = 0.3
    table = Table("here", (), (), write(tmp_path / "x.wav", x).parent)
    tape = open_tape([table.source("x.wav")], where="here", root="", rate=RATE, channels=1, cache=str(tmp_path / "c"))
    assert all(9000 - SEGMENT <= tape.locate(0, u) < 9500 for u in (0.0001, 0.5, 0.9999))


def test_another_process_maps_the_file_instead_of_copying_it(made: tuple[Tape, list[np.ndarray]]) -> None:
    packed = pickle.dumps(made[0])
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).length, made[0].length)
