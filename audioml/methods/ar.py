"""Next-symbol prediction over symbols or code books, teacher-forced (Williams & Zipser 1989); decoding is always cached."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Codes, Label, Seq, Tags, Text, Tokens, rate_of
from audioml.lazy import LazyModule
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")


class Ar(Method):
    """Every symbol from those before it and from the inputs.

    `inputs`: where the inputs stand: memory (attended to), cond (pooled to one vector), prefix (symbols before the output's
    own), or auto: symbols of the output's own kind are a prefix, labels a condition, all else a memory.
    `fastest`: frames per second of a memory, at most.
    `pattern`: order of several code books, see audioml/nn/patterns.py; the loss is the joint likelihood's, per code.
    `window`: longest stretch of columns that the network ever sees, in training (drawn at random), scoring and drawing
    (windows of that length with at least half of it as context): no position or distance occurs that was not trained.
    With a memory, which belongs to the whole output, nothing is cut.
    `period`: the network is told each column's number modulo this (the place in the bar); 0: nothing; null: the `period`
    that the output's representation states in its own steps.
    `time_masks`, `time_width`, `bin_masks`, `bin_width`: SpecAugment on what is attended to (audioml/nn/augment.py).
    `word_dropout`: share of input symbols hidden while training (Bowman et al. 2016, §3.1).
    `drop`: share of items that train without condition and memory; `guidance` w then draws from logits l0 + w·(l - l0) of the
    network without and with them, two runs a column (Ho & Salimans 2022; MusicGen, Copet et al. 2023, §3; null: plain).
    `ctc`: weight of a CTC loss on the memory, which finds the alignment (Watanabe et al. 2017); texts only.
    `decode`: greedy, sample, or auto: greedy for texts.  `longest`: outputs end at this many times the longest seen in training.
    """

    def __init__(
        self,
        *,
        inputs: Literal["auto", "memory", "cond", "prefix"],
        pattern: Literal["parallel", "delay", "flatten"],
        fastest: float,
        window: int,
        period: int | None,
        smoothing: float,
        word_dropout: float,
        drop: float,
        guidance: float | None,
        time_masks: int,
        time_width: float,
        bin_masks: int,
        bin_width: float,
        ctc: float,
        decode: Literal["auto", "greedy", "sample"],
        temperature: float,
        top_k: int,
        top_p: float,
        longest: float,
    ) -> None:
        if window < 2:
            raise RequestError(f"method.window={window} should be at least 2")
        if temperature <= 0 or not 0 < top_p <= 1 or top_k < 0:
            raise RequestError(
                f"method.temperature={temperature} should be above 0, method.top_p={top_p} in (0, 1] and method.top_k={top_k} 0 "
                "(all) or more; method.decode=greedy takes the likeliest"
            )
        if not 0 <= drop < 1:
            raise RequestError(f"method.drop={drop} should be at least 0 and below 1")
        if guidance is not None and guidance < 0:
            raise RequestError(f"method.guidance={guidance} should be zero or more, or null: none")
        self.drop, self.guidance = drop, guidance
        self.inputs, self.pattern, self.window, self.period = inputs, pattern, window, period
        self.fastest = fastest
        self.attends = "memory"  # where inputs="auto" puts what is neither label nor prefix
        self.smoothing, self.word_dropout, self.ctc = smoothing, word_dropout, ctc
        self.augment = {"time_masks": time_masks, "time_width": time_width, "bin_masks": bin_masks, "bin_width": bin_width}
        self.decode, self.longest = decode, longest
        self.draws = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        self.losses = {"cross_entropy": 1.0, "ctc": ctc}

    # ---- algebra -----------------------------------------------------------------------------------------------------
    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs that are no symbols in a row, and prefixes of another vocabulary than the output's."""
        space = output.space
        if not isinstance(space, Tokens | Codes) or (isinstance(space, Tokens) and (space.length is not None or space.many)):
            raise Misfit(
                f"method '{self.name}' predicts symbols one after the other, and representation '{output.representation.name}' "
                f"of output '{output.port}' gives {'one symbol' if isinstance(space, Tokens) else type(space).__name__}"
            )
        roles = {side.port: self._role(side, output) for side in inputs}
        prefixes = [p for p, role in roles.items() if role == "prefix"]
        for side in inputs:
            if side.port in prefixes and (side.space != space or len(prefixes) > 1):
                raise Misfit(
                    f"method '{self.name}' puts one input before the output in one stream of symbols, and input '{side.port}' does "
                    f"not share the symbols of output '{output.port}' alone; method.inputs=memory or cond does not need that"
                )
            if roles[side.port] == "cond" and side.world.family == output.world.family == "audio":
                raise Misfit(
                    f"method '{self.name}' would read input '{side.port}', the sound that output '{output.port}' follows, into one "
                    "vector; a model that attends to a memory can follow it"
                )
            rate = rate_of(side.space)
            if roles[side.port] == "memory" and rate is not None and rate > self.fastest:
                raise Misfit(
                    f"method '{self.name}' attends to at most {self.fastest:g} frames/s, input '{side.port}' has {float(rate):g}"
                )
        memory, cond = (tuple(p for p, role in roles.items() if role == kind) for kind in ("memory", "cond"))
        needs = {"aligned", "causal"} | ({"memory"} if memory else set())
        x, emit = self.spaces(output)
        return Flow(x, emit, memory=memory, cond=cond, prefix=prefixes[0] if prefixes else None, needs=frozenset(needs))

    def _role(self, side: Side, output: Side) -> str:
        if self.inputs != "auto":
            return self.inputs
        if isinstance(side.world, Label | Tags):
            return "cond"
        same = side.world.family == output.world.family and side.world.family != "audio" and side.space == output.space
        return "prefix" if same else self.attends

    def fallback(self) -> Ar:
        """For models that cannot attend to a memory: what auto would put there becomes a condition.

        Raises Misfit where the memory was asked for.
        """
        if self.inputs == "memory":
            raise Misfit(f"method '{self.name}' with inputs=memory needs a model that attends to one; method.inputs=cond does not")
        other = copy.copy(self)
        other.attends = "cond"
        return other

    @staticmethod
    def ends(output: Side) -> bool:
        """Whether an end symbol says where the output stops; the length of audio is asked for instead."""
        return isinstance(output.space, Tokens) or output.world.family != "audio"

    def spaces(self, output: Side) -> tuple[Tokens | Codes, Tokens | Codes]:
        """What enters (the symbols, the end, the start or "nothing", and the place in the period) and what is emitted."""
        space: Any = output.space
        period, size = self.cycle(output), space.size + self.ends(output)
        if isinstance(space, Tokens):
            return (Codes(2, max(size + 1, period), None) if period else Tokens(size + 1)), Tokens(size)
        rate = None if space.rate is None else space.rate * (space.books if self.pattern == "flatten" else 1)
        return Codes(space.books + bool(period), max(size + 1, period), rate), Codes(space.books, size, rate)

    def cycle(self, output: Side) -> int:
        """Columns after which the place in the period returns; 0 where none is told."""
        if self.period is not None:
            return self.period
        own = output.representation.period
        serial = isinstance(output.space, Codes) and self.pattern == "flatten"
        return own * output.space.books if serial else own  # type: ignore[union-attr]

    # ---- training ----------------------------------------------------------------------------------------------------
    def parts(self, system: System) -> Any:
        """The longest output seen, and the head of the CTC loss where there is one."""
        extra = torch.nn.Module()
        extra.register_buffer("longest", torch.zeros((), dtype=torch.long))
        output = system.plan.output
        if self.ctc and system.plan.flow.memory and isinstance(output.world, Text):
            extra.ctc = torch.nn.Linear(system.network.memory_dim, output.space.size + 1)  # type: ignore[union-attr]
        return extra

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Cross-entropy per symbol (while training on random windows, with smoothing), and CTC on the memory."""
        from audioml.methods import ar_stream

        context = system.context(batch, self.augment)
        laid = ar_stream.lay_out(self, system, batch)
        if system.training:
            if self.drop:
                context = context.muted(torch.rand(len(laid.frames), device=laid.frames.device) >= self.drop)
            with torch.no_grad():
                system.extra.longest.clamp_(min=int(laid.frames.max()))  # type: ignore[union-attr, operator]
            entropy = ar_stream.training_loss(self, system, context, laid)
        else:
            nll = ar_stream.scores(self, system, context, laid)
            entropy = nll.sum() / laid.real[..., 1:].sum().clamp(min=1)
        losses = {"cross_entropy": entropy}
        if hasattr(system.extra, "ctc"):
            losses["ctc"] = ar_stream.ctc_loss(system, context.memory, batch)
        return losses

    def likelihood(self, system: System, batch: Batch) -> tuple[Any, Any]:
        """Nats of all symbols (all books of codes; the prefix too; the end not) and their number, per item."""
        from audioml.methods import ar_stream

        laid = ar_stream.lay_out(self, system, batch)
        nll = ar_stream.scores(self, system, system.context(batch), laid)
        count = laid.counted[..., 1:]
        return (nll * count).flatten(1).sum(1), count.flatten(1).sum(1)

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """Symbols until the end symbol, or as many frames of codes as `ask` wants samples; the prefix is left out."""
        from audioml.methods import ar_stream

        output = system.plan.output
        greedy = self.decode == "greedy" or (self.decode == "auto" and isinstance(output.world, Text))
        how = {**self.draws, "temperature": 0.0} if greedy else self.draws
        context = system.context(inputs)
        prefix, total = ar_stream.lengths(self, system, inputs, context, ask)
        symbols = ar_stream.generate(self, system, context, prefix, total, how)
        side = None if ask is None else (int(ask.n.max()), ask.n)
        return {output.port: output.representation.decode(symbols, side, output.world)}
