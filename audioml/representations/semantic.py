"""Semantic tokens: k-means over what a self-supervised encoder, trained here (method=ssl), makes of sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import RequestError, RunError
from audioml.kinds import Codes, Seq, Wave
from audioml.lazy import LazyModule
from audioml.representations.trained import Trained
from audioml.representations.vq import checked_table

torch = LazyModule("torch")
kmeans = LazyModule("audioml.nn.kmeans")
ITEMS, SECONDS = 8, 2.0  # of a batch that fitting reads
MOST = 400  # batches that fitting reads at most


class Semantic(Trained):
    """Codes [B, 1, N]: the nearest of `size` centres of the encoder's features, each feature divided by its deviation.

    The centres come from `vectors` frames of the training data in `rounds` of k-means.  What is said survives, how it sounds
    does not: there is no way back to audio.
    """

    renders = False
    fits = True

    def __init__(self, *, run: str | None, size: int, vectors: int, rounds: int) -> None:
        super().__init__(run=run)
        if size < 2 or vectors < 1:
            raise RequestError(f"representation.size={size} should be at least 2 and vectors={vectors} at least 1")
        self.size, self.vectors, self.rounds = size, vectors, rounds
        self.table: Any = None  # [1, size, D]
        self.deviation: Any = None  # [D]

    def space(self, world: Wave) -> Codes:
        """One code per frame of the encoder."""
        return Codes(1, self.size, self.facts(world).rate)

    def fit(self, prepared: Prepared, port: str, world: Wave, seed: int) -> None:
        """k-means over the features; the first port that asks settles the centres."""
        if self.table is not None:
            return
        found, count = [], 0
        for step in range(MOST):
            x, n = (torch.as_tensor(v) for v in prepared.train_batch(step, ITEMS, SECONDS, seed)[port])
            h = self._coder().latents(x.float())
            valid = torch.arange(h.shape[-1]) < self.steps(Seq(x, n), h.shape[-1], world)[:, None]
            found.append(h.transpose(1, 2)[valid])
            count += len(found[-1])
            if count >= self.vectors:
                break
        every = torch.cat(found)[: self.vectors]
        self.deviation = every.std(0).clamp(min=1e-4)
        generator = torch.Generator().manual_seed(seed)
        self.table = kmeans.kmeans(every / self.deviation, self.size, iterations=self.rounds, generator=generator)[None]

    def state(self) -> dict[str, Any]:
        """Centres and deviations."""
        return {} if self.table is None else {"table": self.table, "deviation": self.deviation}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for centres of another shape."""
        table, deviation = checked_table(state.get("table"), (1, self.size), 1), state.get("deviation")
        if not isinstance(deviation, torch.Tensor) or tuple(deviation.shape) != (table.shape[2],):
            raise ValueError(f"the deviations should be {table.shape[2]} numbers")
        self.table, self.deviation = table, deviation.float()

    def encode(self, seq: Seq, world: Wave) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, 1, N] int64, None)."""
        if self.table is None:
            raise RunError(f"representation '{self.name}' has no centres yet: they are learnt from the training data first")
        h = self._coder().latents(seq.x)
        codes = kmeans.encode(h / self.deviation.to(h)[:, None], self.table.to(h))
        return Seq(codes, self.steps(seq, codes.shape[-1], world)), None
