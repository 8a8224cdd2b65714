"""Melody accuracy: in how many frames the strongest pitch class is the one that the target has.

Frames of 256 ms (the nearest power of two of samples, Hann, hop a quarter; clips zero-padded at both ends), pitch classes as
`audioml.dsp_cqt.chroma_bank` weighs them.  Octave and level do not count; one class in twelve agrees by chance.  Frames more than
40 dB below the target's loudest are left out, and so are silent targets; a silent output agrees with nothing.  The strongest class
is that of the strongest partial, so timbre counts where that is the third (a fifth): two instruments that play the same notes may
disagree.  With one-hot chroma it is the mean cosine of frames, by which MusicGen is judged (Copet et al. 2023).
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()
WINDOW = 0.256  # seconds
DEPTH = 40.0  # dB below the loudest frame
NOTHING = 1e-9  # energy of a frame that has no pitch


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/melody_accuracy between 0 and 1."""
    return {"fidelity/melody_accuracy": Quantity("", "high")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    from collections import Counter

    import numpy as np
    import torch

    from audioml.dsp_cqt import chroma_bank
    from audioml.metrics._audio import SILENT, nanmean, silent, stacks

    rate = items.rate or 16000
    size = 2 ** round(np.log2(WINDOW * rate))
    bank = chroma_bank(rate, size, 12, 0.0, torch.device("cpu"), torch.float32)

    def heard(x: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        wave = torch.from_numpy(np.ascontiguousarray(x)).float()
        spectrum = torch.stft(wave, size, size // 4, window=torch.hann_window(size), pad_mode="constant", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        level = power.sum(1)
        return (power.transpose(1, 2) @ bank).argmax(-1).masked_fill(level < NOTHING, -1), level

    rows = np.full(len(items), np.nan)
    for index, target, output, _ in stacks(items):
        loud = ~silent(target)
        found = np.full(loud.shape, np.nan)
        if loud.any():
            (wanted, level), (got, _) = heard(target[loud]), heard(output[loud])
            counts = level > level.amax(1, keepdim=True) * 10 ** (-DEPTH / 10)
            found[loud] = (((wanted == got) & counts).sum(1) / counts.sum(1)).numpy()
        rows[index] = nanmean(found.reshape(len(index), -1))
    return {"fidelity/melody_accuracy": Scored(rows, rows, Counter({SILENT: int(np.isnan(rows).sum())}))}
