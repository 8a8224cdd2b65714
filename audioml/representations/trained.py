"""What representations share that a trained run makes: facts about the run from its folder, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Seq, Wave
from audioml.lazy import LazyModule
from audioml.parts import Coder, Representation
from audioml.records import Record

torch = LazyModule("torch")


@dataclass(frozen=True)
class Facts:
    """What a run's folder says of its bottleneck; what it has not is None."""

    audio: tuple[int | None, int | None]  # channels, Hz
    rate: Fraction
    dimensions: int | None
    books: int | None
    size: int | None


class Trained(Representation):
    """Audio through the bottleneck of the finished run whose folder `run` names."""

    carries = (Wave,)

    def __init__(self, *, run: str | None) -> None:
        self.run = run
        self.coder: Any = None
        self._facts: Facts | None = None

    def bind(self, coder: Coder) -> None:
        """Take the run's system."""
        self.coder = coder

    def facts(self, world: Wave) -> Facts:
        """Raises Misfit without a run or for other audio than the run's, RequestError for a folder that is no finished run."""
        self._check(world)
        if self.run is None:
            raise Misfit(f"representation '{self.name}' is made by a trained run: representation.run=FOLDER names it")
        if self._facts is None:
            self._facts = read_facts(Path(self.run))
        have = (world.channels, world.rate)
        if have != self._facts.audio:
            raise Misfit(
                f"representation '{self.name}' codes {_said(self._facts.audio)} (the run's), and the data gives {_said(have)}"
            )
        return self._facts

    def _coder(self) -> Any:
        if self.coder is None:
            raise RunError(f"representation '{self.name}' has not been given the system of {self.run} yet")
        return self.coder

    def steps(self, seq: Seq, frames: int, world: Wave) -> Any:
        """Valid latent frames [B] of waves, when the longest has `frames`."""
        pace = self.facts(world).rate / (world.rate or 1)
        count = -(-seq.n * pace.numerator // pace.denominator)
        longest = -(-seq.x.shape[-1] * pace.numerator // pace.denominator)
        return (count + (frames - longest)).clamp(min=1, max=frames)


def _said(audio: tuple[int | None, int | None]) -> str:
    return f"{audio[0] or '?'} channel{'' if audio[0] == 1 else 's'} at {audio[1] or '?'} Hz"


def read_facts(folder: Path) -> Facts:
    """From record.json and config.yaml of a run's folder.  Raises RequestError, one sentence."""
    import yaml

    try:
        values = Record.read(folder / "record.json").values
        worlds = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))["worlds"]
        (wave, *_) = [w for w in worlds.values() if w["kind"] == "Wave"]
    except RunError as error:
        raise RequestError(f"{folder} is not a finished run: {error}") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise RequestError(f"{folder} is not a finished run with audio: its config.yaml cannot be read") from None

    def number(name: str) -> int | None:
        value = values[name].value if name in values else None
        return int(value) if isinstance(value, int | float) else None

    rate = values["latents/rate"].value if "latents/rate" in values else None
    try:
        return Facts(
            (wave.get("channels"), wave.get("rate")),
            Fraction(str(rate)),
            number("latents/dimensions"),
            number("codes/books"),
            number("codes/size"),
        )
    except ValueError:
        raise RequestError(f"the run in {folder} has no bottleneck: its record states no latents/rate") from None


def moments(state: Mapping[str, Any], dimensions: int) -> tuple[Any, Any]:
    """Mean and deviation [D] out of a file; raises ValueError for anything else."""
    mean, deviation = state.get("mean"), state.get("deviation")
    for x in (mean, deviation):
        if not isinstance(x, torch.Tensor) or tuple(x.shape) != (dimensions,) or not bool(x.isfinite().all()):
            raise ValueError(f"the latents' moments should be {dimensions} finite numbers each")
    return mean.float(), deviation.float().clamp(min=1e-6)  # type: ignore[union-attr]
