"""Expectation maximisation of hidden Markov models: statistics batch by batch, re-estimation, words by token passing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Batch, Frames, Grid, Phones, Seq, Tokens, World, rate_of
from audioml.lazy import LazyModule
from audioml.methods.fits import only_input, reads_audio
from audioml.parts import Flow, Method, Side

if TYPE_CHECKING:
    from torch import Tensor

    from audioml.plan import Plan
    from audioml.system import System

torch = LazyModule("torch")
gmm = LazyModule("audioml.nn.gmm")
hmm = LazyModule("audioml.nn.hmm")
expectation = LazyModule("audioml.nn.expectation")
graphs = LazyModule("audioml.nn.word_graphs")
token_passing = LazyModule("audioml.nn.token_passing")

STAYS = (1e-3, 1 - 1e-3)  # bounds of the probability of staying in a state
FEWEST, SIMILAR = 16, 1.2  # clips that are worked on together, and how much longer than the shortest the longest of more may be
MEMORY = 20_000  # texts whose places are remembered
BELIEF = 1.0  # pairs of words that the single words' probabilities count for


class Em(Method):
    """No gradients: `collect` adds what a batch says of every state to `system.extra`, and every `every` steps the states are
    re-estimated from it.

    Flat start: the first statistics cut every clip into equal stretches; then each path counts by its probability (`align`
    "all": Baum-Welch, after which the likelihood of the same data never falls) or the best one alone ("viterbi").  After each
    `rounds` re-estimations the mixtures double by splitting.  `floor`: of the variance of all frames, below which none falls;
    `least`: frames that a Gaussian needs to be re-estimated, half of those to be split.  The language model counts the training
    texts' words (`order` 1) or pairs of words (2); `scale` weighs it, `penalty` is added for each word, `beam` bounds the search.
    """

    losses = {"nll": 1.0}
    gradient = False
    turns = ("collect",)
    streams = True

    def __init__(
        self, *, every: int, rounds: int, align: Literal["all", "viterbi"], floor: float, least: float, order: Literal[1, 2],
        scale: float, penalty: float, beam: float,
    ) -> None:  # fmt: skip
        for name, value in (("every", every), ("rounds", rounds)):
            if value < 1:
                raise RequestError(f"method.{name}={value} should be at least 1")
        for name, part in (("floor", floor), ("least", least), ("scale", scale), ("beam", beam)):
            if part < 0:
                raise RequestError(f"method.{name}={part} should be zero or more")
        self.every, self.rounds, self.align, self.floor, self.least = every, rounds, align, floor, least
        self.order, self.scale, self.penalty, self.beam = order, scale, penalty, beam
        self._layouts: dict[tuple[Any, ...], Any] = {}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses texts without pronunciations, and inputs that are not frames of numbers."""
        one = only_input(self.name, inputs)
        reads_audio(self.name, one)
        assert isinstance(one.space, Frames | Grid)
        if one.space.rate is None or (isinstance(one.space, Frames) and one.space.binary):
            raise Misfit(f"method '{self.name}' models frames of real numbers, and input '{one.port}' gives no such")
        if not output.representation.pronounces:
            raise Misfit(
                f"method '{self.name}' needs words with pronunciations (representation pronounced), and representation "
                f"'{output.representation.name}' of the output '{output.port}' has none"
            )
        rep: Any = output.representation
        return Flow(one.space, Tokens(rep.units), source=one.port, needs=frozenset({"states"}))

    def parts(self, system: System) -> Any:
        """The statistics since the last re-estimation, and the counts of the training texts."""
        network: Any = system.network
        mixtures = network.mixtures
        extra = torch.nn.Module()
        extra.sums = gmm.Sums(network.out.dim, mixtures.most, mixtures.dim)
        words = system.plan.output.space.size + 1  # type: ignore[union-attr]
        extra.register_buffer("pairs", torch.zeros(words, words, dtype=torch.float64))  # from, to; the last: outside a text
        extra.register_buffer("estimated", torch.zeros((), dtype=torch.long))
        extra.register_buffer("floor", torch.zeros(mixtures.dim, dtype=torch.float64))
        return extra

    # ---- training ------------------------------------------------------------------------------------------------------
    def collect(self, system: System, batch: Batch) -> dict[str, Any]:
        """Adds the batch's statistics; the negative log-likelihood per frame, under the parameters that they were gathered with."""
        extra: Any = system.extra
        with torch.no_grad():
            x, n, chains = self._heard(system, batch)
            align = self.align if int(extra.estimated) else "evenly"
            likelihood = expectation.gather(system.network.mixtures, extra.sums, x, chains, n, align)  # type: ignore[union-attr]
            self._count(system, batch)
            return {"nll": _per_frame(likelihood, n)}

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Negative log-likelihood of the frames given the text, per frame; clips too short for their text take no part."""
        with torch.no_grad():
            x, n, chains = self._heard(system, batch)
            return {"nll": _per_frame(expectation.log_likelihood(system.network.mixtures, x, chains, n), n)}  # type: ignore[union-attr]

    def after_step(self, system: System, step: int) -> None:
        """Re-estimates after every `every` steps."""
        if step % self.every == 0:
            self.reestimate(system)

    def reestimate(self, system: System) -> None:
        """New parameters from the statistics, which begin anew; now and then more Gaussians."""
        extra: Any = system.extra
        network: Any = system.network
        with torch.no_grad():
            counts = extra.sums.counts.clone()
            if not counts.sum():
                return
            if not extra.estimated:
                extra.floor.copy_(gmm.floor_of(extra.sums, self.floor))
            extra.estimated += 1
            gmm.reestimate(network.mixtures, extra.sums, extra.floor, self.least)
            total = counts.sum(1)
            stay = (extra.sums.loops / total.clamp(min=gmm.LEAST)).clamp(*STAYS).log().to(network.stay)
            network.stay.copy_(torch.where(total > 0, stay, network.stay))
            if int(extra.estimated) % self.rounds == 0:
                network.mixtures.split(counts, 2 * self.least)
            extra.sums.clear()

    def adapt(self, system: System, batches: list[Batch], how: str, strength: float, rounds: int) -> list[float]:
        """Moves the means to the speaker of `batches`: "map" with prior weight `strength`, or one "mllr" transform.

        Returns the negative log-likelihood per frame before each of the `rounds`.
        """
        if how not in _ADAPT:
            raise RequestError(f"method '{self.name}' cannot adapt by '{how}'; choices: {', '.join(_ADAPT)}")
        extra: Any = system.extra
        kept, said = extra.pairs.clone(), []
        for _ in range(rounds):
            extra.sums.clear()
            losses = [float(self.collect(system, batch)["nll"]) for batch in batches]
            frames = [float(system.encode(system.plan.flow.source, b)[0].n.sum()) for b in batches]  # type: ignore[arg-type]
            said.append(sum(a * b for a, b in zip(losses, frames, strict=True)) / sum(frames))
            if not extra.sums.counts.sum():
                raise RequestError("no clip is long enough for its text: there is nothing to adapt to")
            with torch.no_grad():
                getattr(gmm, _ADAPT[how])(system.network.mixtures, extra.sums, strength)  # type: ignore[union-attr]
        extra.sums.clear()
        extra.pairs.copy_(kept)
        return said

    # ---- use -------------------------------------------------------------------------------------------------------------
    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The best words, and beside them their phones with times."""
        output, network = system.plan.output, system.network
        rep: Any = output.representation
        words = [rep.say(word) for word in rep.learnt()]
        x, n = self._stream(system, inputs)
        loop = graphs.word_loop(words, network.stay, network.states, self._silence(system), self._prices(system, len(words)))
        states, places = loop.ids.unique(return_inverse=True)
        scores = network.mixtures.scores(gmm.powers_of(x), states).unflatten(1, (len(x), -1)).transpose(0, 1)  # type: ignore[union-attr]
        found = token_passing.search(scores, replace(loop, ids=places), n, self.beam)
        said = [row[new & (row < len(words))] for row, new in zip(found.word, found.begins, strict=True)]
        length = torch.tensor([len(row) for row in said])
        ids = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
        text = rep.decode(Seq(ids, length), None, output.world)
        return {output.port: text, "phones": self._phones(system, found, loop.ids, x)}

    def beside(self, plan: Plan) -> dict[str, World]:
        """The phones with their times, as `draw` gives them beside the text."""
        rep: Any = plan.output.representation
        return {"phones": Phones(rep.phones)}

    def _phones(self, system: System, found: Any, ids: Tensor, like: Tensor) -> Seq:
        """Phones [B, 3, M] (start, end in seconds, symbol) of a path.  A frame stands for the middle of the samples it sees."""
        network, rep = system.network, system.plan.output.representation
        one = system.plan.inputs[system.plan.flow.source]  # type: ignore[index]
        rate, late = float(rate_of(one.space) or 1), one.representation.overlap / 2 / (getattr(one.world, "rate", None) or 1)
        rows = []
        for word, place, begins in zip(*(part.cpu() for part in found), strict=True):
            there = place >= 0
            number, part = begins.cumsum(0)[there], place[there] // network.states
            new = torch.ones_like(number, dtype=torch.bool)
            new[1:] = (number[1:] != number[:-1]) | (part[1:] != part[:-1])
            starts = new.nonzero()[:, 0]
            units = ids.cpu()[word[there], place[there]][starts] // network.states
            phone = torch.tensor([rep.phone(unit) for unit in units.tolist()], dtype=torch.long)
            edges = (torch.cat([starts, torch.tensor([int(there.sum())])]) / rate - late).clamp(min=0)
            rows.append(torch.stack([edges[:-1], edges[1:], phone.to(edges)]))
        length = torch.tensor([row.shape[1] for row in rows])
        out = like.new_zeros(len(rows), 3, int(length.max()))
        for to, row in zip(out, rows, strict=True):
            to[:, : row.shape[1]] = row
        return Seq(out, length)

    def _prices(self, system: System, words: int) -> Tensor:
        """What going from a word (the last row: from the beginning) into another (the last column: to the end) costs."""
        pairs = system.extra.pairs  # type: ignore[union-attr]
        ids = torch.cat([torch.arange(words), torch.tensor([len(pairs) - 1])]).to(pairs.device)
        pairs = pairs[ids][:, ids]
        single = pairs.sum(0) + 1
        single = single / single.sum()
        chance = (pairs + BELIEF * single) / (pairs.sum(1, keepdim=True) + BELIEF) if self.order == 2 else single.expand_as(pairs)
        prices = self.scale * chance.log()
        prices[:, :-1] += self.penalty
        return prices

    # ---- what both need --------------------------------------------------------------------------------------------------
    def _stream(self, system: System, inputs: Batch) -> tuple[Tensor, Tensor]:
        """The input's frames [B, D, N], and how many are valid."""
        seq, _ = system.encode(system.plan.flow.source, inputs)  # type: ignore[arg-type]
        x = system.embed(seq.x).to(system.network.stay)  # type: ignore[arg-type]
        return x, seq.n.to(x.device)

    def _heard(self, system: System, batch: Batch) -> tuple[Tensor, Tensor, Any]:
        """Frames of all clips [D, T], clip after clip, those of the same text together; counts [B], and the chains of the texts."""
        network, rep = system.network, system.plan.output.representation
        silence = self._silence(system)
        clips: list[tuple[str, Tensor]] = []
        for part in alike(batch, system.plan.flow.source):  # type: ignore[arg-type]
            x, n = self._stream(system, part)
            clips += [(text, row[:, :k]) for text, row, k in zip(part[system.plan.output.port].x, x, n.tolist(), strict=True)]
        clips.sort(key=lambda clip: (clip[0], clip[1].shape[1]))
        made = []
        for text, _ in clips:
            words = tuple(rep.say(word) for word in text.split())  # type: ignore[attr-defined]
            if words not in self._layouts:
                self._layouts[words] = graphs.layout(words, network.states, silence)
            made.append(self._layouts[words])
        if len(self._layouts) > MEMORY:
            self._layouts.clear()
        n = torch.tensor([x.shape[1] for _, x in clips], device=network.stay.device)
        return torch.cat([x for _, x in clips], 1), n, graphs.chains(made, network.stay, network.states, silence)

    def _silence(self, system: System) -> int | None:
        return system.plan.output.representation.silence if system.network.silence else None  # type: ignore[attr-defined]

    def _count(self, system: System, batch: Batch) -> None:
        """The batch's pairs of words."""
        output, pairs = system.plan.output, system.extra.pairs  # type: ignore[union-attr]
        ids, n = output.representation.encode(batch[output.port], output.world)[0]
        outside = len(pairs) - 1
        place = torch.arange(ids.shape[1] + 1)
        to = torch.nn.functional.pad(ids, (0, 1)).masked_fill(place >= n[:, None], outside)
        since = torch.nn.functional.pad(ids, (1, 0), value=outside)
        there = place <= n[:, None]
        codes = (since * len(pairs) + to)[there].to(pairs.device)
        pairs += torch.bincount(codes, minlength=pairs.numel()).view_as(pairs)


def alike(batch: Batch, port: str) -> Iterator[Batch]:
    """The batch in parts of similar length on `port`, so that little is computed for padding."""
    order = batch[port].n.argsort(stable=True)
    lengths, begin = batch[port].n[order].tolist(), 0
    for k in range(1, len(order) + 1):
        if k == len(order) or (k - begin >= FEWEST and lengths[k] > SIMILAR * lengths[begin]):
            yield _part(batch, order[begin:k])
            begin = k


def _part(batch: Batch, rows: Tensor) -> Batch:
    def taken(seq: Seq) -> Seq:
        n = seq.n[rows]
        if isinstance(seq.x, list):
            return Seq([seq.x[i] for i in rows.tolist()], n)
        return Seq(seq.x[rows][..., : int(n.max())], n)

    return {port: taken(seq) for port, seq in batch.items()}


def _per_frame(likelihood: Tensor, n: Tensor) -> Tensor:
    """Negative log-likelihood per frame of the clips that have one."""
    there = likelihood > hmm.NEVER / 2
    return (-(likelihood * there).sum() / (n * there).sum().clamp(min=1)).float()


_ADAPT = {"map": "map_means", "mllr": "mllr_means"}
