"""What is remembered is of equal content, and bounded."""

from __future__ import annotations

import numpy as np
import pytest

from audioml import remember


def test_equal_content_is_computed_once_and_nothing_else_is_taken_for_it() -> None:
    calls: list[object] = []

    @remember.remembered
    def doubled(x: np.ndarray, times: float) -> np.ndarray:
        calls.append((x.dtype, x.shape, times))
        return x * times

    x = np.arange(6, dtype=np.float32)
    assert doubled(x, 2) is doubled(x.copy(), 2)
    assert doubled(np.repeat(x, 2)[::2], 2) is doubled(x, 2), "however it lies in memory"
    assert len(calls) == 1
    for other in (x.reshape(2, 3), x.astype(np.float64), x.view(np.int32), x + 1):
        np.testing.assert_array_equal(doubled(other, 2), other * 2)
    assert doubled(x, 3)[1] == 3
    assert doubled(x, 2.0) is not doubled(x, 2), "1 and 1.0 are one key of a dict, and another dtype"
    x[0] = 7
    assert doubled(x, 2)[0] == 14, "an array that was changed is another one"


def test_the_oldest_goes_when_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember, "BYTES", 3 * 80)
    calls: list[int] = []

    @remember.remembered
    def filled(k: int) -> np.ndarray:
        calls.append(k)
        return np.full(100 if k == 9 else 10, float(k))

    for k in (0, 1, 2, 0, 3, 0, 1):
        assert filled(k)[0] == k
    assert calls == [0, 1, 2, 3, 1], "0 was asked for again, so 1 was the oldest"
    assert filled(9)[0] == 9, "larger than all that may be kept"
    assert not filled.kept  # type: ignore[attr-defined]
