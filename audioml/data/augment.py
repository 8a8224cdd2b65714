"""What training crops undergo, and what data it cannot be asked of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audioml.errors import RequestError
from audioml.kinds import Curve, Notes, World


@dataclass(frozen=True)
class Augment:
    """`gain_db` ± range of a random gain; `speed` ± range of a random resampling (pitch moves too); `remix` share of
    items put together anew from parts of different rows; `snr` [low, high] dB at which remixed noise is added;
    `equalize` ± range in dB of a random smooth equaliser, another for every part of a mixture.
    `trim` dB below its loudest moment at which a recording begins and ends (null: as it is).
    `window` s of every training item, where the run's own length is not to be taken; `prompt` the share of a score that is
    given as its beginning, or [low, high] drawn for each training item (evaluation takes low).
    `transpose` ± semitones by which the notes of a training item are moved, all its ports alike, as far as they stay in range.
    """

    gain_db: float
    speed: float
    remix: float
    snr: Sequence[float]
    trim: float | None = None
    window: float | None = None
    prompt: float | Sequence[float] = 0.0
    transpose: int = 0
    equalize: float = 0.0

    def check(self, worlds: Mapping[str, World], *, sound: bool) -> None:
        """RequestError for what would make the data say something false; `sound`: whether there are recordings."""
        notes, curves = (any(isinstance(world, kind) for world in worlds.values()) for kind in (Notes, Curve))
        if self.speed and (notes or curves):
            raise RequestError("data.speed changes the pitch, which these data state (notes or curves): set data.speed=0")
        if self.transpose and (not notes or sound or curves):
            raise RequestError("data.transpose moves the notes of scores, and no sound or curve beside them: set data.transpose=0")
