"""Mel distance: how many dB off an 80-band mel spectrum is on average.

Mean over windows of 32 and 128 ms (the nearest power of two of samples, Hann, hop a quarter) of the mean
|10 log10 X - 10 log10 Y| over bands and frames, energies floored 60 dB below the target's loudest band, so that what nobody
hears does not count.  Not scale-invariant; blind to phase.  Clips are zero-padded at both ends; silent targets are left out.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()
WINDOWS = (0.032, 0.128)  # seconds
BANDS = 80
DEPTH = 60.0  # dB below the loudest band


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/mel_distance in dB."""
    return {"fidelity/mel_distance": Quantity("dB", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    from collections import Counter

    import numpy as np
    import torch

    from audioml.dsp_mel import mel_bank
    from audioml.metrics._audio import SILENT, nanmean, silent, stacks

    rate = items.rate or 16000

    def mel(x: torch.Tensor, seconds: float) -> torch.Tensor:
        size = 2 ** round(np.log2(seconds * rate))
        window = torch.hann_window(size)
        power = torch.stft(x, size, size // 4, window=window, pad_mode="constant", return_complex=True).abs().square()
        bank = mel_bank(rate, size, BANDS, 0.0, rate / 2, torch.device("cpu"), torch.float32)
        heard = bank.sum(0) > 0  # at a short window the narrowest bands fall between two bins
        return (power.transpose(1, 2) @ bank)[..., heard]

    def distance(target: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(target))
        for seconds in WINDOWS:
            t, o = mel(target, seconds), mel(output, seconds)
            floor = t.amax((1, 2), keepdim=True) * 10 ** (-DEPTH / 10)
            total += 10 * (torch.maximum(t, floor) / torch.maximum(o, floor)).log10().abs().mean((1, 2))
        return total / len(WINDOWS)

    rows = np.full(len(items), np.nan)
    for index, target, output, _ in stacks(items):
        loud = ~silent(target)
        found = np.full(loud.shape, np.nan)
        if loud.any():
            found[loud] = distance(*(torch.from_numpy(x[loud]).float() for x in (target, output))).numpy()
        rows[index] = nanmean(found.reshape(len(index), -1))
    return {"fidelity/mel_distance": Scored(rows, rows, Counter({SILENT: int(np.isnan(rows).sum())}))}
