"""μ-law PCM: each sample as one of 256 codes, telephony's 8 bits and WaveNet's vocabulary."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Codes, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.framed import Framed, unflatten

torch = LazyModule("torch")


class MuLaw(Representation):
    """Codes [B, S·C·hop, N] below 2^bits at rate/hop: frame n holds samples n·hop to (n + 1)·hop - 1, one book each.

    y = sign(x)·ln(1 + μ|x|) / ln(1 + μ), μ = 2^bits - 1, rounded to 2^bits levels (ITU-T G.711's continuous law, van den Oord et
    al. 2016, §2.2).  Decoding is exact to the quantiser: coding the result again gives the same codes.
    """

    carries = (Wave, Stems)

    def __init__(self, *, bits: int, hop: int) -> None:
        if not 2 <= bits <= 16:
            raise RequestError(f"representation.bits={bits} should lie between 2 and 16")
        if hop < 1:
            raise RequestError(f"representation.hop={hop} should be at least 1")
        self.size, self.hop, self.block = 2**bits, hop, hop

    def space(self, world: Wave | Stems) -> Codes:
        """One book per sample of a frame and signal."""
        self._check(world)
        if world.rate is None:
            raise Misfit(f"representation '{self.name}' needs the sampling rate, and the data left it open")
        return Codes(Framed.signals(world) * self.hop, self.size, Fraction(world.rate, self.hop))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C·hop, N] int64, (samples, lengths))."""
        x = seq.x.flatten(1, -2)
        x = torch.nn.functional.pad(x, (0, -x.shape[-1] % self.hop))
        return Seq(self._codes(x), (seq.n + self.hop - 1) // self.hop), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C·hop, N] int64 -> the wave."""
        samples, lengths = side
        x = self._samples(seq.x)
        x = torch.nn.functional.pad(x, (0, max(0, samples - x.shape[-1])))[..., :samples]
        return Seq(unflatten(x, world), lengths)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C·hop, k]."""
        return self._codes(x), None, state

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C·hop, k] -> k·hop samples."""
        return unflatten(self._samples(y), world), state

    def _codes(self, x: Any) -> Any:
        """[B, S, k·hop] -> [B, S·hop, k]."""
        top = self.size - 1
        x = x.clamp(-1, 1)
        y = x.sign() * torch.log1p(top * x.abs()) / torch.log1p(torch.tensor(float(top), device=x.device))
        codes = ((y + 1) / 2 * top + 0.5).long()
        return codes.unflatten(-1, (-1, self.hop)).transpose(-1, -2).flatten(1, 2)

    def _samples(self, codes: Any) -> Any:
        """[B, S·hop, k] -> [B, S, k·hop]."""
        top = self.size - 1
        y = codes.to(torch.get_default_dtype()) / top * 2 - 1
        x = y.sign() * torch.expm1(y.abs() * torch.log1p(torch.tensor(float(top), device=y.device))) / top
        return x.unflatten(1, (-1, self.hop)).transpose(-1, -2).flatten(-2)
