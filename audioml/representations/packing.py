"""What the representations of symbols share: ragged rows to a padded batch and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audioml.kinds import Seq
from audioml.lazy import LazyModule

torch = LazyModule("torch")
np = LazyModule("numpy")


def pack(rows: list[Any], like: Any = None, fill: int = 0) -> Seq:
    """Arrays [..., M_i] of equal leading shape -> Seq([B, ..., M], n), padded with `fill`, on the device of `like`."""
    n = [row.shape[-1] for row in rows]
    out = np.full((len(rows), *rows[0].shape[:-1], max(n, default=0)), fill, rows[0].dtype)
    for place, row in zip(out, rows, strict=True):
        place[..., : row.shape[-1]] = row
    device = like.device if like is not None else None
    return Seq(torch.from_numpy(out).to(device), torch.tensor(n, dtype=torch.long, device=device))


def unpack(seq: Seq) -> Iterator[Any]:
    """The valid part of every item, as numpy arrays [..., M_i]."""
    x = seq.x.detach().cpu()
    x = (x.float() if x.is_floating_point() else x).numpy()
    return (row[..., :n] for row, n in zip(x, seq.n.tolist(), strict=True))
