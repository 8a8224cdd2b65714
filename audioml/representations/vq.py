"""Vector-quantised mel frames: k-means code books over log-mel, in one level or in several residual ones.

The classical discrete representation of sound, and the baseline that a learnt codec must beat.  It renders like `logmel`: the
mel filters are undone by non-negative least squares, and fast Griffin-Lim finds a phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import RequestError, RunError
from audioml.kinds import Codes, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.mel import LogMel

torch = LazyModule("torch")
kmeans = LazyModule("audioml.nn.kmeans")

ITEMS, SECONDS = 8, 2.0  # of a batch that fitting reads
MOST = 400  # batches that fitting reads at most


class MelCodes(LogMel):
    """Codes [B, books, N] of log-mel frames (all signals of a frame together), each book `size` codes.

    `fit` learns the books from `vectors` frames of the training data in `rounds` of k-means; level k codes what the levels
    before left over.  Decoding takes any number of levels.
    """

    fits = True
    listens = "logmel"

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        bins: int,
        low: float,
        high: float | None,
        floor: float,
        offset: float,
        scale: float,
        iterations: int,
        momentum: float,
        books: int,
        size: int,
        vectors: int,
        rounds: int,
    ) -> None:
        super().__init__(
            window=window, hop=hop, bins=bins, low=low, high=high, floor=floor, normalize="none",
            offset=offset, scale=scale, iterations=iterations, momentum=momentum,
        )  # fmt: skip
        if books < 1 or size < 2 or vectors < 1:
            raise RequestError(f"representation.books={books} and vectors={vectors} should be at least 1, size={size} at least 2")
        self.books, self.size, self.vectors, self.rounds = books, size, vectors, rounds
        self.table: Any = None  # [books, size, signals · bins]

    def space(self, world: Wave | Stems) -> Codes:  # type: ignore[override]
        """One code per frame and level."""
        grid = super().space(world)
        return Codes(self.books, self.size, grid.rate)

    def fit(self, prepared: Prepared, port: str, world: Wave | Stems, seed: int) -> None:
        """Residual k-means over mel frames of the training split; the first port that asks settles the books."""
        if self.table is not None:
            return
        found, count = [], 0
        for step in range(MOST):
            x, n = (torch.as_tensor(v) for v in prepared.train_batch(step, ITEMS, SECONDS, seed)[port])
            frames, _ = super().encode(Seq(x.float(), n), world)
            valid = torch.arange(frames.x.shape[-1]) < frames.n[:, None]
            found.append(frames.x.flatten(1, 2).transpose(1, 2)[valid])
            count += len(found[-1])
            if count >= self.vectors:
                break
        generator = torch.Generator().manual_seed(seed)
        vectors = torch.cat(found)[: self.vectors]
        self.table = kmeans.residual_kmeans(vectors, self.size, self.books, iterations=self.rounds, generator=generator)

    def state(self) -> dict[str, Any]:
        """The code books."""
        return {} if self.table is None else {"table": self.table}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for books of another shape."""
        self.table = checked_table(state.get("table"), (self.books, self.size), self.bins)

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, books, N] int64, (samples, lengths))."""
        frames, side = super().encode(seq, world)
        return Seq(self._codes(frames.x), frames.n), side

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, k, N], k at most `books` -> the wave."""
        found = kmeans.decode(seq.x, self._table(seq.x.device))
        return super().decode(Seq(found.unflatten(1, (-1, self.bins)), seq.n), side, world)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, books, k]."""
        frames, side, state = super().encode_step(x, state, world)
        return self._codes(frames), side, state

    def _codes(self, grid: Any) -> Any:
        return kmeans.encode(grid.flatten(1, 2), self._table(grid.device))

    def _table(self, device: Any) -> Any:
        if self.table is None:
            raise RunError(f"representation '{self.name}' has no code books yet: they are learnt from the training data first")
        self.table = self.table.to(device)
        return self.table


def checked_table(table: Any, shape: tuple[int, int], multiple: int) -> Any:
    """The code books [books, size, D] out of a file; raises ValueError for anything else."""
    good = isinstance(table, torch.Tensor) and table.dim() == 3 and tuple(table.shape[:2]) == shape and table.is_floating_point()
    if not good or table.shape[2] % multiple or not bool(table.isfinite().all()):
        raise ValueError(f"the code books should be finite numbers of shape [{shape[0]}, {shape[1]}, D]")
    return table.float()
