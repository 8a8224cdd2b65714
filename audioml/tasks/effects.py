"""Effect modelling: dry audio -> the same through an effect."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import RequestError
from audioml.kinds import Wave, World
from audioml.parts import Task


class Effects(Task):
    """Dry -> wet, judged by the error-to-signal ratio (Wright et al. 2019) and spectral distance.

    Where the data hold no recorded `wet`, it is computed: `effect` overdrive (`drive` dB, `tone` Hz), compressor (`threshold` dB,
    `ratio`, `attack` and `release` s), reverb (`decay` s, `mix`), or their chain in this order.
    """

    def __init__(
        self,
        *,
        effect: Literal["overdrive", "compressor", "reverb", "chain"],
        drive: float,
        tone: float,
        threshold: float,
        ratio: float,
        attack: float,
        release: float,
        decay: float,
        mix: float,
    ) -> None:
        for name, value in (("tone", tone), ("attack", attack), ("release", release), ("decay", decay)):
            if value <= 0:
                raise RequestError(f"task.{name}={value:g} should be above zero")
        if ratio < 1 or not 0 <= mix <= 1:
            raise RequestError(f"task.ratio={ratio:g} should be at least 1, and task.mix={mix:g} between 0 and 1")
        super().__init__(
            name="effects",
            inputs={"dry": Wave()},
            outputs={"wet": Wave()},
            metrics=("esr", "si_sdr", "spectral_distance", "mel_distance"),
            primary="fidelity/esr",
            prefers=("regress", "mask"),
            baseline="unprocessed",
            ceiling="truth",
            models=("cnn1d",),
            derived={"wet": "dry"},
        )
        settings = {
            "overdrive": {"drive": drive, "tone": tone},
            "compressor": {"threshold": threshold, "ratio": ratio, "attack": attack, "release": release},
            "reverb": {"decay": decay, "mix": mix},
        }
        chosen = {k: v for k, v in settings.items() if effect in (k, "chain")}
        object.__setattr__(self, "chain", chosen)  # tasks are frozen values

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        """The effect on x [C, T]."""
        from audioml import dsp_effects

        for name, settings in self.chain.items():  # type: ignore[attr-defined]
            x = getattr(dsp_effects, name)(x, world.rate, **settings)  # type: ignore[union-attr]
        return x
