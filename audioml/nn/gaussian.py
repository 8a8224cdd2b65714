"""A diagonal Gaussian in a bottleneck, sampled by reparameterisation (Kingma & Welling 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

ACTIVE = 0.05  # nats per latent frame above which a dimension counts as used
DECAY = 0.98


@dataclass
class Sampled:
    """`x` [B, D, M]: a sample, in evaluation the mean; `kl` [D] nats, mean over the valid latent frames."""

    x: Tensor
    kl: Tensor


class Gaussian(nn.Module):
    """Latents [B, D, M] -> mean and log variance by a linear layer, a sample, and each dimension's KL to a standard normal.

    The KL of training batches is remembered as a moving average, for reports.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.map = nn.Conv1d(dim, 2 * dim, 1)
        nn.init.constant_(self.map.bias[dim:], -2.0)  # type: ignore[index]  start with a signal above the noise
        self.register_buffer("total", torch.zeros(dim))
        self.register_buffer("weight", torch.zeros(()))

    def moments(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [B, D, M]."""
        mean, log_variance = self.map(z).chunk(2, 1)
        return mean, log_variance.clamp(-12, 6)

    def forward(self, z: Tensor, n: Tensor) -> Sampled:
        """z [B, D, M] with `n` [B] valid steps."""
        mean, log_variance = self.moments(z)
        kl = kl_to_standard(mean, log_variance)
        valid = (torch.arange(z.shape[-1], device=z.device) < n.to(z.device)[:, None])[:, None]
        kl = (kl * valid).sum((0, 2)) / valid.sum().clamp(min=1)
        if not self.training:
            return Sampled(mean, kl)
        with torch.no_grad():
            self.total.lerp_(kl, 1 - DECAY)
            self.weight.lerp_(torch.ones_like(self.weight), 1 - DECAY)
        return Sampled(mean + torch.randn_like(mean) * (0.5 * log_variance).exp(), kl)

    def per_dimension(self) -> Tensor:
        """KL of each dimension [D] in nats per latent frame, over the last training batches."""
        return self.total / self.weight.clamp(min=1e-6)


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) of each entry, in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
