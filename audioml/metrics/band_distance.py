"""Log-spectral distance in the band that the input lacks: what bandwidth extension is for.

Per frame the root mean square over the band's bins of 20 log10 |X| - 20 log10 |Y|, meaned over frames (Gray & Markel 1976; windows
of 2048 samples at 16 kHz, Hann, hop a quarter), both floored 60 dB below the target's loudest bin.  The band begins where, over all
items together, the input lies DROP dB or more below the target and stays there; tasks whose inputs lack nothing have no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored, UnscoredError

if TYPE_CHECKING:
    import torch

JUDGES = "audio"
PACKAGES = ()
SECONDS = 0.128
DEPTH = 60.0  # dB below the loudest bin
DROP = 15.0  # dB


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/band_distance in dB."""
    return {"fidelity/band_distance": Quantity("dB", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its channels that are not silent."""
    from collections import Counter

    import numpy as np
    import torch

    from audioml.metrics._audio import SILENT, nanmean, silent, stacks

    size = 2 ** round(np.log2(SECONDS * (items.rate or 16000)))
    first = missing_from(items, size)
    rows = np.full(len(items), np.nan)
    for index, target, output, _ in stacks(items):
        heard = ~silent(target)
        found = np.full(heard.shape, np.nan)
        if heard.any():
            t, o = (_magnitude(torch.from_numpy(x[heard]).float(), size) for x in (target, output))
            floor = t.amax((1, 2), keepdim=True) * 10 ** (-DEPTH / 20)
            gap = 20 * (torch.maximum(t, floor) / torch.maximum(o, floor))[:, first:].log10()
            found[heard] = gap.square().mean(1).sqrt().mean(1).numpy()
        rows[index] = nanmean(found.reshape(len(index), -1))
    return {"fidelity/band_distance": Scored(rows, rows, Counter({SILENT: int(np.isnan(rows).sum())}))}


def missing_from(items: Items, size: int) -> int:
    """First bin of the missing band.  Raises UnscoredError where the input reaches as high as the target."""
    import numpy as np
    import torch

    from audioml.metrics._audio import stacks

    power = np.zeros((2, size // 2 + 1))
    for _, target, _, unprocessed in stacks(items):
        if unprocessed is None:
            raise UnscoredError("there is no input of the target's shape to tell which band is missing")
        for k, x in enumerate((target, unprocessed)):
            wave = torch.from_numpy(np.array(x, np.float32).reshape(-1, x.shape[-1]))
            power[k] += _magnitude(wave, size).double().square().sum((0, 2)).numpy()
    smooth = np.stack([np.convolve(p, np.ones(9) / 9, "same") for p in power + 1e-12])
    lacks = 10 * np.log10(smooth[0] / smooth[1]) >= DROP
    if not lacks[-9]:
        raise UnscoredError("the inputs lack no band that the targets have")
    there = np.flatnonzero(~lacks[:-9])
    return int(there[-1] + 1) if len(there) else 0


def _magnitude(wave: torch.Tensor, size: int) -> torch.Tensor:
    """[M, T] -> [M, F, N]."""
    import torch

    window = torch.hann_window(size)
    return torch.stft(wave, size, size // 4, window=window, pad_mode="constant", return_complex=True).abs().clamp(min=1e-9)
