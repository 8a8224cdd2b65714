"""Mixing: several stems -> one mix."""

from __future__ import annotations

from typing import Any

from audioml.kinds import Stems, Wave, World
from audioml.parts import Task


class Mixing(Task):
    """Stems -> the mix an engineer makes of them; judged by the error-to-signal ratio, SI-SDR and spectral distance.

    Where the data hold no recorded `mix`, hidden rules make it (audioml/dsp_effects.py, `mix_down`): gains that follow each
    stem's level, a low cut, ducking under the first stem, places in the stereo field.  The plain sum is the baseline.
    """

    def __init__(self) -> None:
        super().__init__(
            name="mixing",
            inputs={"stems": Stems()},
            outputs={"mix": Wave()},
            metrics=("esr", "si_sdr", "spectral_distance"),
            primary="fidelity/esr",
            prefers=("mask", "regress"),
            baseline="unprocessed",
            ceiling="truth",
            models=("cnn1d", "rnn"),
            derived={"mix": "stems"},
        )

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        """The engineer's mix of x [S, C, T]."""
        from audioml.dsp_effects import mix_down

        return mix_down(x, world.rate)  # type: ignore[union-attr]
