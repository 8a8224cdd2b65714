"""Variational autoencoder (Kingma & Welling 2014): the bottleneck is a distribution near a standard normal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError
from audioml.kinds import Batch, Seq
from audioml.lazy import LazyModule
from audioml.methods.inner import Inner

if TYPE_CHECKING:
    from audioml.system import System

gaussian = LazyModule("audioml.nn.gaussian")


class Vae(Inner):
    """Reconstruction + beta · KL to a standard normal, summed over latent dimensions, in nats per latent frame.

    `free`: nats of each dimension that cost nothing (free bits, Kingma et al. 2016, app. C.8), so that it is not given up.
    The reconstruction losses are no likelihood, so beta trades the two and is not the beta of a bound.  In evaluation an
    input passes by the mean; without an input the latents are drawn from the prior.
    """

    def __init__(self, *, losses: dict[str, float], lent: dict[str, float], beta: float, free: float) -> None:
        super().__init__(losses=losses, lent=lent)
        if beta < 0 or free < 0:
            raise RequestError(f"method.beta={beta} and method.free={free} should be zero or more")
        self.beta, self.free = beta, free
        self.losses = {**self.losses, "kl": beta}

    def parts(self, system: System) -> Any:
        """The layer that gives mean and variance."""
        return gaussian.Gaussian(system.network.latent)

    def through(self, system: System, z: Seq) -> tuple[Seq, dict[str, Any]]:
        """A sample (in evaluation the mean) and the KL."""
        found = system.extra(z.x, z.n)
        return Seq(found.x, z.n), {"kl": found.kl.clamp(min=self.free).sum()}

    def prior(self, system: System, batch: int, steps: int) -> Any:
        """A standard normal."""
        import torch

        like = next(system.parameters())
        return torch.randn(batch, system.network.latent, steps, device=like.device, dtype=like.dtype)

    def latents(self, system: System, inputs: Batch) -> Seq:
        """The mean of the latents [B, D, M]."""
        z = system.inward(inputs)
        return Seq(system.extra.moments(z.x)[0], z.n)

    def inside(self, system: System) -> dict[str, tuple[Any, str, str]]:
        """KL over the last training batches: in all, per dimension on average, and how many dimensions carry something."""
        kl = system.extra.per_dimension()
        return {
            "latents/kl": (float(kl.sum()), "nats", ""),
            "latents/kl_per_dimension": (float(kl.mean()), "nats", ""),
            "latents/active_dimensions": (int((kl > gaussian.ACTIVE).sum()), "", ""),
        }
