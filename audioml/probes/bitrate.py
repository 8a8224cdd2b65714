"""What passes a bottleneck: bits per second of codes, and how much of code books and latent dimensions is in use.

codes/kbps                   plain indices: books · log2(size) · latent frames per second
codes/entropy_kbps           what an ideal entropy coder of independent symbols would need
codes/perplexity             exp(entropy) of a level's use, mean over levels (per level as codes/perplexity_1 …)
codes/used                   least share, over levels, of codes used at least a tenth as often as at even use
latents/rate                 latent frames per second
latents/dimensions           dimensions of a latent frame
latents/kl                   nats per latent frame, to the prior
latents/kl_per_dimension     its mean over dimensions
latents/active_dimensions    dimensions that carry something

All averages over the last training batches, so a property of the trained system and not of a clip.  Bits that travel elsewhere
(a borrowed phase, a level) would not be counted: methods refuse them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from audioml.kinds import rate_of
from audioml.probes._base import UnmeasurableError, nothing
from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

AFTER = ()
SHARE = 0.0
VALUES = {
    "codes/kbps": ("kbit/s", "low"),
    "codes/entropy_kbps": ("kbit/s", "low"),
    "codes/perplexity": ("", "high"),
    "codes/used": ("", "high"),
    "latents/rate": ("Hz", ""),
    "latents/dimensions": ("", ""),
    "latents/kl": ("nats", ""),
    "latents/kl_per_dimension": ("nats", ""),
    "latents/active_dimensions": ("", ""),
}


def measure(system: System, data: Trial | None = None, *, found: Any = None, seconds: float = 0.0) -> dict[str, Value]:
    """What the method says of its bottleneck; `data`, `found` and `seconds` are not needed."""
    network, method = system.network, system.plan.method
    rate = rate_of(system.plan.flow.x) if hasattr(network, "ratio") else None
    said = {name: Value(*value) for name, value in method.inside(system).items()}
    if rate is None and not said:
        raise UnmeasurableError("nothing in it passes a bottleneck")
    out = nothing(VALUES, "another kind of bottleneck")
    if rate is not None:
        out["latents/rate"] = Value(str(Fraction(rate) / network.ratio), *VALUES["latents/rate"])
        out["latents/dimensions"] = Value(network.latent, *VALUES["latents/dimensions"])
    return out | said
