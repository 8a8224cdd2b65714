"""Residual vector quantisation between encoder and decoder: a codec (VQ-VAE: van den Oord et al. 2017; SoundStream 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Seq, rate_of
from audioml.lazy import LazyModule
from audioml.methods.inner import Inner, sound
from audioml.parts import Flow, Side

if TYPE_CHECKING:
    from audioml.system import System

quantize = LazyModule("audioml.nn.quantize")


class Vq(Inner):
    """`books` levels of `size` codes each; the bit rate is books · log2(size) · latent frames per second, sent as plain indices.

    `kbps`: choose the number of books that comes nearest below that rate instead.  `dropout`: share of items in training that
    use only the first few books, so that one system serves every rate; `decay`, `restart`, `dims`, `gather`: see
    audioml/nn/quantize.py.
    """

    sends = "codes"

    def __init__(
        self,
        *,
        losses: dict[str, float],
        books: int,
        size: int,
        kbps: float | None,
        commitment: float,
        decay: float,
        restart: float,
        dropout: float,
        dims: int | None,
        gather: int,
    ) -> None:
        super().__init__(losses=losses)
        if gather < 0 or (dims is not None and dims < 1):
            raise RequestError(f"method.gather={gather} should not be below 0, and method.dims={dims} at least 1, or null")
        if books < 1 or size < 2:
            raise RequestError(f"method.books={books} should be at least 1 and method.size={size} at least 2")
        self.books, self.size, self.kbps = books, size, kbps
        self.decay, self.restart, self.dropout = decay, restart, dropout
        self.losses = {**losses, "commitment": commitment}
        self.dims, self.gather = dims, gather
        self.levels: int | None = None  # in use: only so many books, for a lower rate

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses tasks without an audio input: codes have no prior here."""
        flow = super().flow(inputs, output)
        if flow.source is None:
            raise Misfit(f"method '{self.name}' codes an audio input, and the task has none")
        return flow

    def parts(self, system: System) -> Any:
        """The code books.  A network that can begins as the identity (`pass_on`), so that books start from vectors that mean
        something.  Raises RequestError when not even one book fits into `kbps`."""
        books = self.books
        system.network.pass_on(system.embed, system.head)
        if self.kbps is not None:
            one = math.log2(self.size) * float(self.pace(system)) / 1000
            books = int(self.kbps / one + 1e-9)
            if books < 1:
                raise RequestError(
                    f"method.kbps={self.kbps:g} is less than one book of {self.size} codes at {float(self.pace(system)):g} latent "
                    f"frames/s takes ({one:g} kbit/s); a smaller method.size or a larger stride fits"
                )
        return quantize.ResidualVQ(
            system.network.latent, self.size, books,
            decay=self.decay, restart=self.restart, dropout=self.dropout, dims=self.dims, gather=self.gather,
        )  # fmt: skip

    @staticmethod
    def pace(system: System) -> Any:
        """Latent frames per second, exact."""
        rate = rate_of(system.plan.flow.x)
        assert rate is not None
        return rate / system.network.ratio

    def through(self, system: System, z: Seq) -> tuple[Seq, dict[str, Any]]:
        """The nearest codes' vectors, and the commitment to them."""
        found = system.extra(z.x, z.n, None if system.training else self.levels)
        return Seq(found.x, z.n), {"commitment": found.commitment}

    def sound(self, system: System, latents: Any, samples: int) -> Any:
        """Numbers in the bottleneck [B, D, M], quantised -> the wave."""
        return sound(system, system.extra(latents, None, self.levels).x, samples)

    def codes(self, system: System, inputs: Batch) -> Seq:
        """World input -> codes [B, K, M]."""
        z = system.inward(inputs)
        return Seq(system.extra.encode(z.x, self.levels), z.n)

    def sound_of_codes(self, system: System, codes: Any, samples: int) -> Any:
        """Codes [B, k, M], k at most K -> the wave."""
        return sound(system, system.extra.lookup(codes), samples)

    def inside(self, system: System) -> dict[str, tuple[Any, str, str]]:
        """The bit rate, and how evenly the codes are used (averages over the last training batches)."""
        books, pace = system.extra, self.pace(system)
        levels = self.levels or books.levels
        perplexity, used = books.perplexity()[:levels], books.used()[:levels]
        found: dict[str, tuple[Any, str, str]] = {
            "codes/kbps": (levels * math.log2(books.size) * float(pace) / 1000, "kbit/s", "low"),
            "codes/entropy_kbps": (sum(math.log2(p) for p in perplexity) * float(pace) / 1000, "kbit/s", "low"),
            "codes/perplexity": (sum(perplexity) / levels, "", "high"),
            "codes/used": (min(used), "", "high"),
            "codes/books": (levels, "", ""),
            "codes/size": (books.size, "", ""),
            "codes/rate": (str(pace), "Hz", ""),
        }
        return found | {f"codes/perplexity_{k + 1}": (p, "", "high") for k, p in enumerate(perplexity)}
