"""Mel-frequency cepstra: the cosine transform of a log-mel frame, few numbers for the spectral envelope."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.mel import LogMel, check_rendering, dsp_mel, unrendered

torch = LazyModule("torch")


class Mfcc(LogMel):
    """Grid [B, C, cepstra·(1 + deltas), N]: orthonormal DCT-II of natural-log mel energies, liftered, over `scale`.

    `lifter` L weighs cepstrum k by 1 + L/2·sin(π·k/L), HTK's convention (Young et al., The HTK Book, §5.4), k from 0; 0 leaves it
    out.  `deltas` (0, 1, 2) appends slopes over the last `width` frames, a regression that looks back only, hence is width // 2
    frames late.  `emphasis` (0: none) first takes so much of the sample before off each sample, which lifts high frequencies.
    `range` lays a floor under all energies, so many dB below the clip's loudest band, so that recordings with different noises
    are alike in their pauses.  Rendered from the cepstra alone (without these two): what the truncated transform lost is lost, the
    rest is as for logmel.
    """

    shows = ({"normalize": "none"},)

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        bins: int,
        low: float,
        high: float | None,
        floor: float,
        normalize: Literal["none", "running", "running_variance", "clip", "clip_variance"],
        cepstra: int,
        lifter: float,
        deltas: Literal[0, 1, 2],
        width: int,
        scale: float,
        iterations: int,
        momentum: float,
        emphasis: float,
        range: float | None,
    ) -> None:
        if range is not None and not 0 < range <= 200:
            raise RequestError(f"representation.range={range} should be null, or more than 0 and at most 200 dB")
        if not 0 <= emphasis < 1:
            raise RequestError(f"representation.emphasis={emphasis} should be zero (none) or more, and below 1")
        if not 1 <= cepstra <= bins:
            raise RequestError(f"representation.cepstra={cepstra} should lie between 1 and bins={bins}")
        if width < 3 or width % 2 == 0:
            raise RequestError(f"representation.width={width} should be odd and at least 3")
        if lifter < 0:
            raise RequestError(f"representation.lifter={lifter} should be zero or more")
        check_rendering(scale, iterations, momentum)
        super().__init__(
            window=window, hop=hop, bins=bins, low=low, high=high, floor=floor, normalize=normalize,
            offset=0.0, scale=scale, iterations=iterations, momentum=momentum,
        )  # fmt: skip
        self.cepstra, self.lifter, self.deltas, self.width, self.emphasis = cepstra, lifter, deltas, width, emphasis
        self.range = range
        self.renders = self.renders and not emphasis and not range  # type: ignore[misc]

    @property
    def features(self) -> int:
        """Bins of the Grid."""
        return self.cepstra * (1 + self.deltas)

    def frames(self, seq: Seq) -> Seq:
        """The frames of the wave, or of what pre-emphasis makes of it."""
        return super().frames(Seq(self._emphasised(seq.x, None), seq.n) if self.emphasis else seq)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """As Mel; the state also holds the sample before."""
        if self.range:
            raise Misfit(f"representation '{self.name}' with a range looks at the whole clip; range=null streams")
        before, inner = state or (None, None)
        y, side, inner = super().encode_step(self._emphasised(x, before) if self.emphasis else x, inner, world)
        return y, side, (x[..., -1:], inner)

    def _emphasised(self, x: Any, before: Any) -> Any:
        """x [..., T] less `emphasis` times the sample before, the first one's being `before` [..., 1] (None: silence)."""
        first = torch.zeros_like(x[..., :1]) if before is None else before
        return x - self.emphasis * torch.cat([first, x[..., :-1]], -1)

    def _floor(self, energy: Any) -> Any:
        if not self.range:
            return self.floor
        return self.floor + energy.amax((-2, -1), keepdim=True) * 10 ** (-self.range / 10)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C, features, N] -> the wave, from the cepstra; raises Misfit where normalisation took off what rendering needs."""
        if not self.renders:
            raise Misfit(unrendered(self))
        basis, weights = self._basis(seq.x)
        cepstra = seq.x[:, :, : self.cepstra] * self.scale / weights[:, None]
        log_mel = (cepstra.transpose(-1, -2) @ basis).transpose(-1, -2)
        return self.render(log_mel.clamp(max=20).exp() - self.floor, side, world)

    def _features(self, frames: Any, world: Wave | Stems) -> Any:
        return self._features_step(frames, None, world)[0]

    def _features_step(self, frames: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """`state` holds, per order of delta, the last width - 1 frames it was taken from."""
        log_mel = self._log_mel(frames, world)
        basis, weights = self._basis(log_mel)
        x = (log_mel.transpose(-1, -2) @ basis.T).transpose(-1, -2) * (weights[:, None] / self.scale)
        parts, tails, before = [x], [], state or [None] * self.deltas
        for past in before:
            first = parts[-1][..., :1].expand(*x.shape[:-1], self.width - 1) if past is None else past
            joined = torch.cat([first, parts[-1]], -1)
            parts.append(dsp_mel.regression_slope(joined, self.width))
            tails.append(joined[..., -(self.width - 1) :])
        return torch.cat(parts, -2), tails

    def _basis(self, like: Any) -> tuple[Any, Any]:
        """DCT rows [cepstra, bins] and the lifter's weights [cepstra]."""
        basis = dsp_mel.dct(self.bins, self.cepstra, like.device, like.dtype)
        k = torch.arange(self.cepstra, device=like.device, dtype=like.dtype)
        weights = 1 + self.lifter / 2 * torch.sin(torch.pi * k / self.lifter) if self.lifter else torch.ones_like(k)
        return basis, weights
