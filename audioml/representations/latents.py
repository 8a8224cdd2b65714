"""Continuous latents of a trained autoencoder, VAE or codec, scaled to unit variance: what latent diffusion runs over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audioml.corpus import Prepared
from audioml.errors import RequestError
from audioml.kinds import Frames, Seq, Wave
from audioml.lazy import LazyModule
from audioml.representations.trained import Trained, moments

torch = LazyModule("torch")
ITEMS, SECONDS = 8, 2.0  # of a batch that fitting reads


class Latents(Trained):
    """Frames [B, D, N] of the run `run`; `fit` measures each dimension's mean and deviation over `batches` of training data.

    Rendering is the run's decoder, differentiable.
    """

    fits = True

    def __init__(self, *, run: str | None, batches: int) -> None:
        super().__init__(run=run)
        if batches < 1:
            raise RequestError(f"representation.batches={batches} should be at least 1")
        self.batches = batches
        self.mean: Any = None
        self.deviation: Any = None

    def space(self, world: Wave) -> Frames:
        """One feature per latent dimension."""
        facts = self.facts(world)
        if facts.dimensions is None:
            raise RequestError(f"the run in {self.run} has no latent dimensions: its record states no latents/dimensions")
        return Frames(facts.dimensions, facts.rate)

    def fit(self, prepared: Prepared, port: str, world: Wave, seed: int) -> None:
        """Mean and deviation over the training split; the first port that asks settles them."""
        if self.mean is not None:
            return
        found = []
        for step in range(self.batches):
            x, n = (torch.as_tensor(v) for v in prepared.train_batch(step, ITEMS, SECONDS, seed)[port])
            z = self._coder().latents(x.float())
            valid = torch.arange(z.shape[-1]) < self.steps(Seq(x, n), z.shape[-1], world)[:, None]
            found.append(z.transpose(1, 2)[valid])
        every = torch.cat(found)
        self.mean, self.deviation = every.mean(0), every.std(0).clamp(min=1e-3)

    def state(self) -> dict[str, Any]:
        """Mean and deviation [D]."""
        return {} if self.mean is None else {"mean": self.mean, "deviation": self.deviation}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for what is no pair of D finite numbers."""
        mean = state.get("mean")
        self.mean, self.deviation = moments(state, len(mean) if isinstance(mean, torch.Tensor) and mean.dim() else 0)

    def encode(self, seq: Seq, world: Wave) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, D, N], (samples, lengths))."""
        z = self._coder().latents(seq.x)
        mean, deviation = self._moments(z)
        return Seq((z - mean) / deviation, self.steps(seq, z.shape[-1], world)), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave) -> Seq:
        """[B, D, N] -> the wave, by the run's decoder."""
        mean, deviation = self._moments(seq.x)
        samples, lengths = side
        return Seq(self._coder().sound(seq.x * deviation + mean, samples), lengths)

    def _moments(self, z: Any) -> tuple[Any, Any]:
        """Before they were measured: zero and one."""
        if self.mean is None:
            return torch.zeros((), device=z.device), torch.ones((), device=z.device)
        return self.mean.to(z)[:, None], self.deviation.to(z)[:, None]
