"""Mel-cepstral distortion (Kubichek 1993) along the best time warping: whether the right sounds come in the right order.

(10 / ln 10) sqrt(2 sum of (c_k - c'_k)² for k = 1 … 13) in dB, meaned over the path that dynamic time warping finds; c are cosine
coefficients of log mel amplitudes (64 bands, 32 ms Hann windows every 8 ms, floored 60 dB below the clip's loudest band), without
the zeroth, so that the level does not count.  Values with other analyses (pysptk, pyworld) differ.  Outputs may have another
length than their target; channels are summed.  Silent targets are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()
BANDS, ORDER, DEPTH = 64, 13, 60.0
NAME = "fidelity/mel_cepstral_distortion"


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/mel_cepstral_distortion in dB."""
    return {NAME: Quantity("dB", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item."""
    from collections import Counter

    import numpy as np

    from audioml.metrics._audio import SILENT, silent

    rate = items.rate or 16000
    mono = [[np.asarray(x, np.float32).reshape(-1, np.shape(x)[-1]).sum(0) for x in xs] for xs in (items.targets, items.outputs)]
    heard = [i for i, x in enumerate(mono[0]) if not silent(x)]
    rows = np.full(len(items), np.nan)
    if heard:
        target, output = ([cepstra(xs[i], rate) for i in heard] for xs in mono)
        rows[heard] = warped(target, output)
    return {NAME: Scored(rows, rows, Counter({SILENT: len(items) - len(heard)}))}


def cepstra(x: Any, rate: int) -> Any:
    """x [T] -> coefficients 1 to ORDER of the log mel amplitude [N, ORDER], whose Euclidean distances are distortions in dB."""
    import numpy as np
    import torch
    from scipy.fft import dct

    from audioml.dsp_mel import mel_bank

    size = 2 ** round(np.log2(0.032 * rate))
    x = torch.from_numpy(x) if len(x) else torch.zeros(1)
    power = torch.stft(x, size, size // 4, window=torch.hann_window(size), pad_mode="constant", return_complex=True).abs().square()
    bank = mel_bank(rate, size, BANDS, 0.0, rate / 2, torch.device("cpu"), torch.float32)
    mel = (power.T @ bank).double().numpy()
    amplitude = 0.5 * np.log(np.maximum(mel, max(mel.max(), 1e-12) * 10 ** (-DEPTH / 10)))
    c = dct(amplitude, type=2, axis=1) / (2 * BANDS)  # ln|X| = c0 + 2 sum of c_k cos
    return 10 / np.log(10) * np.sqrt(2) * c[:, 1 : ORDER + 1]


def warped(targets: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """Mean distance along the cheapest monotonic path of each pair [N, D], [M, D] -> [items]; all pairs at once.

    Steps are one frame in either or both; the sweep runs over anti-diagonals, and the path's length is carried along.
    """
    import numpy as np

    rows, columns = max(len(t) for t in targets), max(len(o) for o in outputs)
    cost = np.full((len(targets), rows, columns), np.inf)
    for b, (t, o) in enumerate(zip(targets, outputs, strict=True)):
        square = np.square(t).sum(1)[:, None] + np.square(o).sum(1) - 2 * t @ o.T
        cost[b, : len(t), : len(o)] = np.sqrt(np.maximum(square, 0))
    total = np.full((len(targets), rows + 1, columns + 1), np.inf)
    length = np.zeros_like(total)
    total[:, 0, 0] = 0
    for d in range(2, rows + columns + 1):
        i = np.arange(max(1, d - columns), min(rows, d - 1) + 1)
        j = d - i
        before = np.stack([total[:, i - 1, j - 1], total[:, i - 1, j], total[:, i, j - 1]])
        steps = np.stack([length[:, i - 1, j - 1], length[:, i - 1, j], length[:, i, j - 1]])
        best = before.argmin(0)[None]
        total[:, i, j] = np.take_along_axis(before, best, 0)[0] + cost[:, i - 1, j - 1]
        length[:, i, j] = np.take_along_axis(steps, best, 0)[0] + 1
    b = np.arange(len(targets))
    n, m = (np.array([len(x) for x in xs]) for xs in (targets, outputs))
    return total[b, n, m] / length[b, n, m]
