"""A finished run as a Coder: audio to what lies in its bottleneck, and back.  Representations with a `run` setting use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError
from audioml.kinds import Frames, Grid, Seq
from audioml.parts import Coder
from audioml.runfolder import trained

if TYPE_CHECKING:
    from audioml.system import System


class RunCoder(Coder):
    """The trained system, frozen and in eval mode; it moves to the device of what it is given."""

    def __init__(self, system: System, run: str) -> None:
        self.system, self.run = system.eval().requires_grad_(False), run
        self.method: Any = system.plan.method
        ((self.port, _),) = system.plan.inputs.items()

    def encode(self, wave: Any) -> Any:
        """[B, C, T] -> codes [B, K, M] int64.  Raises RequestError where the run has no code books."""
        if not hasattr(self.method, "codes"):
            raise RequestError(f"{self.run} has no code books: method '{self.method.name}' makes none, a run of method=vq does")
        return self._inward(self.method.codes, wave)

    def decode(self, inner: Any, samples: int) -> Any:
        """Codes [B, k, M] -> [B, C, samples]."""
        import torch

        with torch.no_grad():
            return self._at(inner).method.sound_of_codes(self.system, inner, samples)

    def latents(self, wave: Any) -> Any:
        """[B, C, T] -> numbers [B, D, M] in the bottleneck.  Raises RequestError where there is none."""
        if not hasattr(self.system.network, "encode"):
            raise RequestError(f"{self.run} has no bottleneck: its model and method need none")
        get = getattr(self.method, "latents", lambda system, inputs: system.inward(inputs))
        return self._inward(get, wave)

    def sound(self, latents: Any, samples: int) -> Any:
        """Numbers [B, D, M] -> [B, C, samples], differentiable.  Raises RequestError where nothing leads back."""
        from audioml.methods.inner import sound

        lent = self.system.plan.output.representation.borrows
        if lent:
            raise RequestError(f"{self.run} makes no sound of numbers alone: its representation borrows the {lent} of its input")
        emits = isinstance(self.system.plan.flow.emit, Frames | Grid) and not self.method.mixes
        if not emits or not hasattr(self.system.network, "decode"):
            raise RequestError(f"{self.run} does not lead from numbers back to sound; runs of method=vae, vq and regress do")
        return getattr(self._at(latents).method, "sound", sound)(self.system, latents, samples)

    def _inward(self, get: Any, wave: Any) -> Any:
        import torch

        n = torch.full((len(wave),), wave.shape[-1], device=wave.device)
        with torch.no_grad():
            return get(self._at(wave).system, {self.port: Seq(wave, n)}).x

    def _at(self, x: Any) -> RunCoder:
        self.system.to(x.device)
        return self


def load_coder(run: str) -> RunCoder:
    """The coder of a run's folder.  Raises RequestError for a folder that is none, or a run with other inputs than one of audio."""
    from audioml.predict import load

    found = trained(Path(run))
    families = [s.world.family for s in found.plan.inputs.values()]
    if families != ["audio"]:
        raise RequestError(f"{run} cannot code audio alone: its inputs are {', '.join(found.plan.inputs) or 'none'}")
    return RunCoder(load(found), run)
