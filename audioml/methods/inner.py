"""What the methods share that act between an encoder and a decoder: into the bottleneck, through it, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Seq, Stems, Wave
from audioml.methods import compare
from audioml.methods.fits import makes_audio, reads_audio, same_rate
from audioml.parts import Flow, Method, Representation, Side

if TYPE_CHECKING:
    import torch

    from audioml.system import Context, System


class Inner(Method):
    """An audio output through a bottleneck.  Its source is the first audio input, or, where the task has none, in training the
    output itself; all other inputs condition both sides.

    `losses`: between waves (audioml/losses.py), and `space`, the mean absolute difference in the output's space.  Where rendering
    passes no useful gradient on (`teaches`), `space` alone is taken; where the representation only speaks (`listens`), the waves
    alone.  What the representation borrows (a phase) comes from the input, as in every method, unless the method `sends`
    what it makes to where no input is; only then waves can be alike sample by sample, and the losses `lent` are taken too.
    """

    sends: str = ""

    def __init__(self, *, losses: dict[str, float], lent: dict[str, float] | None = None) -> None:
        compare.check_losses(losses, "losses", ("space",))
        compare.check_losses(lent or {}, "lent")
        self.compared, self.lent = tuple(losses), tuple(lent or {})
        self.losses = {**(lent or {}), **losses}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no audio or no numbers, unequal rates, and levels that a bottleneck would lose."""
        makes_audio(self.name, output)
        if output.representation.borrows and self.sends:
            raise Misfit(
                f"method '{self.name}' sends nothing beside its {self.sends}, and representation '{output.representation.name}' "
                f"borrows the {output.representation.borrows} of the input"
            )
        audio = [s for s in inputs if isinstance(s.world, Wave | Stems)]
        cond = tuple(s.port for s in inputs if s not in audio[:1])
        if not audio:
            return Flow(output.space, output.space, cond=cond, needs=frozenset({"bottleneck"}))
        one = audio[0]
        reads_audio(self.name, one)
        same_rate(one, output)
        if one.representation.level != "none":
            raise Misfit(f"method '{self.name}' passes no level beside the bottleneck; representation level=none fits")
        return Flow(one.space, output.space, source=one.port, cond=cond, needs=frozenset({"bottleneck"}))

    # ---- what the two kinds of bottleneck fill in --------------------------------------------------------------------------
    def through(self, system: System, z: Seq) -> tuple[Seq, dict[str, Any]]:
        """Latents [B, D, M] -> what the decoder gets, and the bottleneck's own losses."""
        raise NotImplementedError

    def prior(self, system: System, batch: int, steps: int) -> torch.Tensor:
        """Latents [batch, D, steps] drawn without an input."""
        raise NotImplementedError

    # ---- training and use ---------------------------------------------------------------------------------------------------
    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Reconstruction and the bottleneck's losses."""
        output, source = system.plan.output, system.plan.flow.source
        true = batch[output.port]
        space, waves = self.compares(output.representation, system.plan.task.unordered)
        context = system.context(batch)
        target = system.encode(output.port, batch)[0] if space or source is None else None
        frames, side = self.sides(system, batch, true.n, true.x.shape[-1])
        z = system.inward(batch, target if source is None else None, context)
        inner, found = self.through(system, z)
        emission = system.outward(inner, frames, context)
        if space and target is not None:
            found["space"] = compare.space(system, emission.x, target)
        if waves:
            wave = output.representation.decode(Seq(compare.fitted(emission.x, frames), emission.n), side, output.world)
            found |= compare.waves(system, wave.x, batch, waves)
        return found

    def compares(self, rep: Representation, free: bool) -> tuple[bool, tuple[str, ...]]:
        """Whether spaces are compared, and which losses between waves are taken; `free`: stems come in any order."""
        waves = tuple(n for n in self.compared if n != "space") + (self.lent if rep.borrows else ())
        if "space" not in self.compared or not waves:
            return not waves, waves
        return (not rep.listens and not free, waves) if rep.teaches else (True, ())

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The output wave; without an audio input, as long as `ask` says, from the prior."""
        output, source = system.plan.output, system.plan.flow.source
        context = system.context(inputs)
        if source is not None:
            frames, side = self.sides(system, inputs, inputs[source].n, inputs[source].x.shape[-1])
            inner, _ = self.through(system, system.inward(inputs, None, context))
            return render(system, inner, frames, side, context)
        if ask is None:
            raise RequestError(f"method '{self.name}' makes '{output.port}' from nothing and must be told how long it should be")
        frames, _, side = system.blank(ask.n)
        steps = -(-frames // system.network.ratio)
        z = self.prior(system, len(ask.n), steps)
        return render(system, Seq(z, ask.n.new_full((len(ask.n),), steps)), frames, side, context)

    @staticmethod
    def sides(system: System, inputs: Batch, n: Any, samples: int) -> tuple[int, Any]:
        """Frames of the output, and what decoding wants beside them: lent by the input, or nothing."""
        frames, _, side = system.blank(n, samples)
        rep = system.plan.output.representation
        return frames, rep.lend(*system.beside(inputs)) if rep.borrows else side

    # ---- for Coder (audioml/parts.py) --------------------------------------------------------------------------------------
    def latents(self, system: System, inputs: Batch) -> Seq:
        """World input -> the numbers in the bottleneck [B, D, M]."""
        return system.inward(inputs)

    def sound(self, system: System, latents: Any, samples: int) -> Any:
        """Numbers in the bottleneck [B, D, M] -> the wave [B, C, samples]."""
        return sound(system, latents, samples)


def render(system: System, latents: Seq, frames: int, side: Any, context: Context | None) -> Batch:
    """What the decoder makes of `latents`, as a wave."""
    output = system.plan.output
    emission = system.outward(latents, frames, context)
    seq = Seq(compare.fitted(emission.x, frames), emission.n)
    return {output.port: output.representation.decode(seq, side, output.world)}


def sound(system: System, latents: torch.Tensor, samples: int) -> Any:
    """Numbers in the bottleneck [B, D, M] -> the wave [B, C, samples], where the output needs nothing of an input."""
    n = latents.new_full((len(latents),), samples).long()
    frames, _, side = system.blank(n)
    steps = n.new_full((len(latents),), latents.shape[-1])
    return render(system, Seq(latents, steps), frames, side, None)[system.plan.output.port].x
