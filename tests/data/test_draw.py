"""Random windows, orders, speeds and levels."""

from __future__ import annotations

import numpy as np

from audioml.data.draw import decibels, equalize, mix_at, random_window, rows_for, stretch


def test_every_clip_once_per_epoch_in_a_new_order() -> None:
    seen = np.concatenate([rows_for(3, step, 4, 10) for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert rows_for(3, 7, 4, 10).tolist() == rows_for(3, 7, 4, 10).tolist()
    assert any(rows_for(3, s, 4, 10).tolist() != rows_for(4, s, 4, 10).tolist() for s in range(3))
    assert rows_for(0, 2, 8, 3).tolist().count(0) >= 2


def test_windows_stay_inside() -> None:
    rng = np.random.default_rng(0)
    length = rng.integers(1, 200, 5000)
    window = random_window(rng, length, 100)
    assert (window.start + window.valid <= length).all()
    assert (window.n <= 100).all()
    assert (window.valid == np.minimum(length, 100)).all()
    longer = length > 100
    assert (window.offset[longer] == 0).all()
    assert (window.start[~longer] == 0).all()
    spread = window.start[length == 150]
    assert spread.min() < 5
    assert spread.max() > 45


def test_speed_moves_pitch_and_length() -> None:
    t = np.arange(20000)
    x = np.sin(2 * np.pi * 0.02 * t).astype(np.float32)[None, None].repeat(3, 0)
    y = stretch(x, np.asarray([0.9, 1.0, 1.1]), 16000)
    for row, factor in zip(y[:, 0], (0.9, 1.0, 1.1)):
        np.testing.assert_allclose(row[500:15500], np.sin(2 * np.pi * 0.02 * factor * t[500:15500]), atol=0.02)


def test_levels() -> None:
    rng = np.random.default_rng(0)
    factors = 20 * np.log10(decibels(rng, -6, 3, 1000))
    assert factors.min() > -6.001
    assert factors.max() < 3.001
    clean, other = rng.standard_normal((2, 50, 1, 4000)).astype(np.float32)
    snr = rng.uniform(-5, 20, 50)
    added = mix_at(clean, other, snr) - clean
    np.testing.assert_allclose(10 * np.log10((clean**2).sum((1, 2)) / (added**2).sum((1, 2))), snr, atol=0.01)
    np.testing.assert_array_equal(mix_at(np.zeros_like(clean), other, snr), other)


def test_an_equaliser_is_smooth_bounded_and_keeps_the_energy() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 1, 4000)).astype(np.float32)
    y = equalize(rng, x, 16000, 6.0)
    np.testing.assert_allclose((y**2).sum((1, 2)), (x**2).sum((1, 2)), rtol=1e-4)
    gain = 20 * np.log10(np.abs(np.fft.rfft(y)[:, 0]) / np.abs(np.fft.rfft(x)[:, 0]))
    assert (gain.max(1) - gain.min(1)).max() < 12.1
    assert (gain.max(1) - gain.min(1)).min() > 1
    assert np.abs(np.diff(gain, axis=1)).max() < 0.3  # dB from one bin (4 Hz) to the next
    assert np.abs(gain[0] - gain[1]).max() > 1
    for steps in (1, 3989):
        y = equalize(rng, x[..., :steps], 16000, 6.0)
        assert (y.shape, y.dtype) == ((40, 1, steps), np.float32)
        np.testing.assert_allclose((y**2).sum((1, 2)), (x[..., :steps] ** 2).sum((1, 2)), rtol=1e-4)
