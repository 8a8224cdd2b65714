"""What the methods share that act between an encoder and a decoder: into the bottleneck, through it, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError, did_you_mean
from audioml.kinds import Batch, Frames, Grid, Seq, Stems, Wave, rate_of
from audioml.methods.aligned import LOSS_NAMES, unordered
from audioml.parts import Flow, Method, Representation, Side

if TYPE_CHECKING:
    import torch

    from audioml.system import Context, System

NAMES = (*LOSS_NAMES, "space")


class Inner(Method):
    """An audio output through a bottleneck.  Its source is the first audio input, or, where the task has none, in training the
    output itself; all other inputs condition both sides.

    `losses`: between waves (audioml/losses.py), and `space`, the mean absolute difference in the output's space.  Where rendering
    searches for a phase (a representation with `iterations`), `space` alone is taken: a search has no useful gradient; where the
    representation only speaks (`listens`), the waves alone.
    """

    def __init__(self, *, losses: dict[str, float]) -> None:
        for name in losses:
            if name not in NAMES:
                near = did_you_mean(name, NAMES)
                raise RequestError(f"method.losses.{name} is not a loss{near or ';'} losses: {', '.join(NAMES)}")
        self.compared = tuple(losses)
        self.losses = losses

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no audio or no numbers, unequal rates, and levels that a bottleneck would lose."""
        if not isinstance(output.world, Wave | Stems):
            raise Misfit(f"method '{self.name}' makes audio, the output '{output.port}' is {type(output.world).__name__}")
        if not isinstance(output.space, Frames | Grid):
            kind = type(output.space).__name__
            raise Misfit(
                f"method '{self.name}' emits numbers, and representation '{output.representation.name}' of the output "
                f"'{output.port}' gives {kind}"
            )
        if output.representation.borrows:
            raise Misfit(
                f"method '{self.name}' passes nothing beside the bottleneck, and representation '{output.representation.name}' "
                f"borrows the {output.representation.borrows} of the input"
            )
        audio = [s for s in inputs if isinstance(s.world, Wave | Stems)]
        cond = tuple(s.port for s in inputs if s not in audio[:1])
        if not audio:
            return Flow(output.space, output.space, cond=cond, needs=frozenset({"bottleneck"}))
        one = audio[0]
        if not isinstance(one.space, Frames | Grid):
            raise Misfit(
                f"method '{self.name}' takes numbers in, and representation '{one.representation.name}' of the input "
                f"'{one.port}' gives {type(one.space).__name__}"
            )
        x, y = rate_of(one.space), rate_of(output.space)
        if x != y:
            raise Misfit(
                f"input '{one.port}' runs at {float(x or 0):g} frames/s and output '{output.port}' at {float(y or 0):g}; "
                "they must be equal"
            )
        if getattr(one.representation, "level", "none") != "none":
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
        from audioml import losses

        output, source = system.plan.output, system.plan.flow.source
        true = batch[output.port]
        space, waves = self.compares(output.representation, unordered(system))
        context = system.context(batch)
        target = system.encode(output.port, batch)[0] if space or source is None else None
        frames, side = blank(system, true.x.shape[-1], true.n)
        z = system.inward(batch, target if source is None else None, context)
        inner, found = self.through(system, z)
        emission = system.outward(inner, frames, context)
        if space and target is not None:
            planes = fitted(emission.x, target.x.shape[-1])
            found["space"] = distance(in_order(system, planes, target.x) if unordered(system) else planes, target)
        if waves:
            estimate = output.representation.decode(Seq(fitted(emission.x, frames), emission.n), side, output.world).x
            if unordered(system):
                estimate = losses.reordered(estimate, losses.best_order(estimate, true.x, true.n, waves[0]))
            pair = (estimate.flatten(1, -2), true.x.flatten(1, -2), true.n)
            found |= {name: losses.LOSSES[name](*pair) for name in waves}
        return found

    def compares(self, rep: Representation, free: bool) -> tuple[bool, tuple[str, ...]]:
        """Whether spaces are compared, and which losses between waves are taken; `free`: stems come in any order."""
        waves = tuple(n for n in self.compared if n != "space")
        if len(waves) in (0, len(self.compared)):
            return not waves, waves
        return (True, ()) if getattr(rep, "iterations", 0) else (not rep.listens and not free, waves)

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The output wave; without an audio input, as long as `ask` says, from the prior."""
        output, source = system.plan.output, system.plan.flow.source
        context = system.context(inputs)
        if source is not None:
            frames, side = blank(system, inputs[source].x.shape[-1], inputs[source].n)
            inner, _ = self.through(system, system.inward(inputs, None, context))
            return render(system, inner, frames, side, context)
        if ask is None:
            raise RequestError(f"method '{self.name}' makes '{output.port}' from nothing and must be told how long it should be")
        frames, side = blank(system, int(ask.n.max()), ask.n)
        steps = -(-frames // system.network.ratio)
        z = self.prior(system, len(ask.n), steps)
        return render(system, Seq(z, ask.n.new_full((len(ask.n),), steps)), frames, side, context)

    # ---- for Coder (audioml/parts.py) --------------------------------------------------------------------------------------
    def latents(self, system: System, inputs: Batch) -> Seq:
        """World input -> the numbers in the bottleneck [B, D, M]."""
        return system.inward(inputs)

    def sound(self, system: System, latents: Any, samples: int) -> Any:
        """Numbers in the bottleneck [B, D, M] -> the wave [B, C, samples]."""
        return sound(system, latents, samples)

    def inside(self, system: System) -> dict[str, tuple[Any, str, str]]:
        """What the bottleneck holds, for the record: {"group/name": (value, unit, better)}."""
        return {}


def render(system: System, latents: Seq, frames: int, side: Any, context: Context | None) -> Batch:
    """What the decoder makes of `latents`, as a wave."""
    output = system.plan.output
    emission = system.outward(latents, frames, context)
    seq = Seq(fitted(emission.x, frames), emission.n)
    return {output.port: output.representation.decode(seq, side, output.world)}


def sound(system: System, latents: torch.Tensor, samples: int) -> Any:
    """Numbers in the bottleneck [B, D, M] -> the wave [B, C, samples], where the output needs nothing of an input."""
    n = latents.new_full((len(latents),), samples).long()
    frames, side = blank(system, samples, n)
    steps = n.new_full((len(latents),), latents.shape[-1])
    return render(system, Seq(latents, steps), frames, side, None)[system.plan.output.port].x


def fitted(x: Any, frames: int) -> Any:
    """[..., N] cut or zero-padded to `frames`."""
    from torch.nn.functional import pad

    return pad(x, (0, frames - x.shape[-1])) if x.shape[-1] != frames else x


def in_order(system: System, planes: Any, target: Any) -> Any:
    """The planes of unnamed stems [B, S·…, …, N] in the order that comes nearest to the target's."""
    from audioml import losses

    stems = (len(system.plan.output.world.names or ()), -1)  # type: ignore[union-attr]
    a, b = (x.flatten(2).unflatten(1, stems) for x in (planes, target))
    n = target.new_full((len(target),), a.shape[-1]).long()
    return losses.reordered(a, losses.best_order(a, b, n, "l1")).reshape(target.shape)


def distance(emission: Any, target: Seq) -> Any:
    """Mean absolute difference over the valid frames; [B, …, N] twice."""
    import torch

    valid = torch.arange(emission.shape[-1], device=emission.device) < target.n.to(emission.device)[:, None]
    valid = valid.reshape(len(valid), *(1,) * (emission.dim() - 2), -1)
    per = emission[0, ..., 0].numel()
    return ((emission - target.x).abs() * valid).sum() / (valid.sum().clamp(min=1) * per)


def blank(system: System, samples: int, n: Any) -> tuple[int, Any]:
    """How many frames the output's representation makes of `samples`, and the side that its decoding wants."""
    import torch

    world: Any = system.plan.output.world
    names = (len(world.names or ()),) if isinstance(world, Stems) else ()
    like = next(system.parameters())
    silence = torch.zeros(1, *names, world.channels or 1, samples, device=like.device)
    coded, _ = system.plan.output.representation.encode(Seq(silence, torch.tensor([samples], device=like.device)), world)
    return coded.x.shape[-1], (samples, n.to(like.device))
