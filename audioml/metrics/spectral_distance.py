"""Log-spectral distance over several resolutions: how many dB off a time-frequency bin is on average.

Mean over windows of 512, 1024 and 2048 samples (Hann, hop a quarter) of mean |20 log10 |X| - 20 log10 |Y||, both floored
60 dB below the target's loudest bin of that resolution, so that what nobody hears does not count.  Not scale-invariant:
a gain of 6 dB costs up to 6 dB.  Blind to phase.  Clips are zero-padded at both ends; silent targets are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored
from audioml.remember import remembered

if TYPE_CHECKING:
    import numpy as np

JUDGES = "audio"
PACKAGES = ()
WINDOWS = (512, 1024, 2048)
DEPTH = 60.0  # dB below the loudest bin


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/spectral_distance in dB."""
    return {"fidelity/spectral_distance": Quantity("dB", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    from collections import Counter

    import numpy as np
    import torch

    from audioml.metrics._audio import SILENT, nanmean, silent, stacks

    def distance(target: np.ndarray, output: np.ndarray) -> torch.Tensor:
        total = torch.zeros(len(target))
        for pair in zip(of_target(target), magnitudes(output), strict=True):
            t, o = map(torch.from_numpy, pair)
            floor = t.amax((1, 2), keepdim=True) * 10 ** (-DEPTH / 20)
            total += 20 * (torch.maximum(t, floor) / torch.maximum(o, floor)).log10().abs().mean((1, 2))
        return total / len(WINDOWS)

    rows = np.full(len(items), np.nan)
    for index, target, output, _ in stacks(items):
        heard = ~silent(target)
        found = np.full(heard.shape, np.nan)
        if heard.any():
            found[heard] = distance(target[heard], output[heard]).numpy()
        rows[index] = nanmean(found.reshape(len(index), -1))
    return {"fidelity/spectral_distance": Scored(rows, rows, Counter({SILENT: int(np.isnan(rows).sum())}))}


def magnitudes(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Signals [M, T] -> [M, F, N] by each of the windows."""
    import torch

    wave, how = torch.from_numpy(x).float(), {"pad_mode": "constant", "return_complex": True}
    spectra = (torch.stft(wave, size, size // 4, window=torch.hann_window(size), **how) for size in WINDOWS)
    return tuple(spectrum.abs().numpy() for spectrum in spectra)


of_target = remembered(magnitudes)  # which many outputs are judged by
