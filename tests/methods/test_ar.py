"""Method ar: what it lays out, that it is a probability, that drawing is scoring, what it refuses, and that it learns."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import pytest
import torch

from audioml import shelf
from audioml.kinds import Codes, Label, Notes, Seq, Text, Wave
from audioml.methods import ar_stream
from audioml.parts import Representation, Task
from audioml.plan import ModelChoice, plan
from audioml.system import System

AUDIO, TEXT, LABEL = Wave(1, 800), Text("abcd"), Label(("x", "y"))
NOTES = Notes(60, 64, 2, 0.25)


class Levels(Representation):
    """Codes of a wave of small whole numbers: `books` samples per frame."""

    carries = (Wave,)

    def __init__(self, books: int, size: int) -> None:
        self.books, self.size = books, size

    def space(self, world: Wave) -> Codes:
        return Codes(self.books, self.size, Fraction(world.rate, self.books))

    def encode(self, seq: Seq, world: Wave) -> tuple[Seq, Any]:
        x = torch.nn.functional.pad(seq.x[:, 0], (0, -seq.x.shape[-1] % self.books))
        return Seq(x.round().long().unflatten(-1, (-1, self.books)).transpose(1, 2), -(-seq.n // self.books)), None

    def decode(self, seq: Seq, side: Any, world: Wave) -> Seq:
        samples, n = side
        return Seq(seq.x.transpose(1, 2).flatten(1)[:, None, :samples].float(), n)


def build(
    inputs: dict, outputs: dict, reps: dict, model: str = "transformer", user: dict | None = None, /, **settings: Any
) -> System:
    """A system of method ar at smoke size over hand-made tasks."""
    task = Task("toy", inputs, outputs, (), "quality/x", ("ar",), "silence", "truth")
    keys, reserved = shelf.settings("model", model, user or {}, "smoke")
    facts = shelf.declaration(reserved["_target_"]).facts
    choice = ModelChoice(model, reserved["_target_"], facts["takes"], facts["traffic"], keys, facts["causal_if"], frozenset(user or {}))
    made = {p: shelf.make("representation", r, {}, "smoke") if isinstance(r, str) else r for p, r in reps.items()}
    torch.manual_seed(0)
    return System(plan(task, {**inputs, **outputs}, made, choice, shelf.make("method", "ar", settings, "smoke")))


def of_codes(books: int, size: int, model: str = "transformer", user: dict | None = None, **settings: Any) -> System:
    return build({}, {"audio": AUDIO}, {"audio": Levels(books, size)}, model, user, **settings)


def of_text(model: str = "transformer", user: dict | None = None, **settings: Any) -> System:
    return build({"audio": Wave(1, 16000)}, {"text": TEXT}, {"audio": "mel", "text": "chars"}, model, user, **settings)


def of_notes(rep: str = "midi_raster", model: str = "transformer", user: dict | None = None, **settings: Any) -> System:
    return build({"prompt": NOTES}, {"score": NOTES}, {"prompt": rep, "score": rep}, model, user, **settings)


def wave(*rows: list[int]) -> Seq:
    size = max(map(len, rows))
    return Seq(torch.tensor([[r + [0] * (size - len(r))] for r in rows]).float(), torch.tensor([len(r) for r in rows]))


def texts(*rows: str) -> Seq:
    return Seq(list(rows), torch.tensor([len(r) for r in rows]))


def speech(batch: int = 2, seconds: float = 0.3) -> Seq:
    torch.manual_seed(4)
    return Seq(0.1 * torch.randn(batch, 1, int(16000 * seconds)), torch.tensor([int(16000 * seconds)] * (batch - 1) + [3000]))


def notes(steps: int, seed: int, short: int | None = None) -> Seq:
    """Two items of two voices; the second may be shorter."""
    draw = torch.Generator().manual_seed(seed)
    rows = []
    for length in (steps, short or steps):
        pitch = torch.randint(60, 65, (2 * length,), generator=draw).float()
        start = torch.arange(length).repeat_interleave(2) * 0.25
        rows.append(torch.stack([start, start + 0.25, pitch, 0 * pitch + 0.7, torch.arange(2.0).repeat(length)]))
    x = torch.zeros(2, 5, 2 * steps)
    for b, row in enumerate(rows):
        x[b, :, : row.shape[1]] = row
    return Seq(x, torch.tensor([r.shape[1] for r in rows]))


# ---- what is laid out -------------------------------------------------------------------------------------------------
def test_text_gets_a_start_and_an_end() -> None:
    net = of_text()
    laid = ar_stream.lay_out(net.plan.method, net, {"text": texts("abca", "d")})
    end, start = 4, 5
    assert laid.columns.tolist() == [[[start, 0, 1, 2, 0, end]], [[start, 3, end, start, start, start]]]
    assert laid.counted[:, 0].int().tolist() == [[0, 1, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0]]
    assert laid.frames.tolist() == [5, 2]
    assert (net.plan.flow.x.size, net.plan.flow.emit.size) == (6, 5)


def test_a_prefix_stands_before_the_output_without_a_gap() -> None:
    net = of_notes()
    batch = {"prompt": notes(2, 0, 1), "score": notes(3, 1, 2)}
    (a, p), (b, n) = (net.encode(port, batch)[0] for port in ("prompt", "score"))
    laid = ar_stream.lay_out(net.plan.method, net, batch)
    for i in range(2):
        whole = a[i, : p[i]].tolist() + b[i, : n[i]].tolist()
        assert laid.columns[i, 0, 1 : 2 + len(whole)].tolist() == [*whole, net.plan.flow.emit.size - 1]
    assert laid.frames.tolist() == (p + n + 1).tolist()
    nats, count = net.plan.method.likelihood(net, batch)
    assert count.tolist() == (p + n).tolist()
    assert nats.isfinite().all()


def test_auto_chooses_where_inputs_stand() -> None:
    assert of_text().plan.flow.memory == ("audio",)
    assert of_notes().plan.flow.prefix == "prompt"
    pooled = build({"label": LABEL}, {"text": TEXT}, {"label": "label", "text": "chars"})
    assert pooled.plan.flow.cond == ("label",)
    other = build({"text": TEXT}, {"audio": AUDIO}, {"text": "chars", "audio": Levels(2, 4)})
    assert other.plan.flow.memory == ("text",)
    assert of_text(model="cnn1d").plan.flow.cond == ("audio",), "a model without memory falls back on a condition"
    assert of_text(inputs="cond").plan.flow.cond == ("audio",)


# ---- it is a probability ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pattern", ["parallel", "delay", "flatten"])
@pytest.mark.parametrize("window", [2, 99])
def test_the_likelihoods_of_all_codes_sum_to_one(pattern: str, window: int) -> None:
    """Two books, three frames, two symbols: 64 sequences, so a joint probability and comparable between patterns."""
    net = of_codes(2, 2, pattern=pattern, window=window, period=3).eval()
    torch.nn.init.normal_(net.embed.table.weight, std=3.0)
    every = [list(row) for row in itertools.product([0, 1], repeat=6)]
    with torch.no_grad():
        nats, count = net.plan.method.likelihood(net, {"audio": wave(*every)})
    assert count.tolist() == [6] * 64
    assert nats.std() > 0.05, "not all alike"
    assert float((-nats).exp().sum()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("pattern", ["parallel", "delay", "flatten"])
def test_a_blind_network_pays_log_v_per_code_in_every_pattern(pattern: str) -> None:
    net = of_codes(3, 5, pattern=pattern).eval()
    for p in net.head.parameters():
        torch.nn.init.zeros_(p)
    with torch.no_grad():
        nats, count = net.plan.method.likelihood(net, {"audio": wave([1, 2, 3, 4, 0, 1], [4, 4, 4])})
    assert count.tolist() == [6, 3]
    assert torch.allclose(nats, count * math.log(5), atol=1e-4)


def test_the_place_in_the_period_is_told_and_counts_columns() -> None:
    class Barred(Levels):
        period = 4

    net = build({}, {"audio": AUDIO}, {"audio": Barred(2, 3)}, pattern="delay")
    x = torch.zeros(2, 2, 6, dtype=torch.long)
    assert ar_stream.entered(net.plan.method, net, x, 3)[:, -1].tolist() == [[3, 0, 1, 2, 3, 0]] * 2
    assert ar_stream.entered(net.plan.method, net, x, torch.tensor([0, 1]))[:, -1].tolist() == [[0, 1, 2, 3, 0, 1], [1, 2, 3, 0, 1, 2]]
    flat = build({}, {"audio": AUDIO}, {"audio": Barred(2, 3)}, pattern="flatten").plan
    assert (flat.flow.x.books, flat.flow.x.size, flat.method.cycle(flat.output)) == (3, 8, 8)
    assert of_codes(2, 3, period=0).plan.flow.x.books == 2


def scores() -> dict[str, Seq]:
    return {"prompt": notes(3, 0, 1), "score": notes(5, 1, 4)}


def codes() -> dict[str, Seq]:
    return {"audio": wave([i % 5 for i in range(30)], [4] * 12)}


# ---- drawing is scoring -----------------------------------------------------------------------------------------------
CASES = {
    "text, memory": (lambda m: of_text(m), lambda: {"audio": speech(), "text": texts("abcadbca", "dcba")}),
    "text, condition": (lambda m: of_text(m, inputs="cond", window=4), lambda: {"audio": speech(), "text": texts("abcadbca", "dcba")}),
    "notes, prefix": (lambda m: of_notes("midi_raster", m, period=8, window=6), scores),
    "voices, prefix": (lambda m: of_notes("midi_grid", m, window=4), scores),
    "codes, delay": (lambda m: of_codes(3, 5, m, window=6), codes),
    "codes, flatten": (lambda m: of_codes(3, 5, m, window=8, pattern="flatten"), codes),
    "codes, parallel": (lambda m: of_codes(3, 5, m, pattern="parallel"), codes),
}


@pytest.mark.parametrize(
    ("case", "model"), [*itertools.product(CASES, ["transformer", "rnn", "cnn1d"]), ("codes, delay", "fcn"), ("codes, delay", "unet")]
)
def test_cached_drawing_equals_uncached_scoring(case: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw with the true symbols in place of drawn ones: their log-probabilities are those of `likelihood`, to 1e-5."""
    make, batch_of = CASES[case]
    net, batch = make(model).eval(), batch_of()
    method, output = net.plan.method, net.plan.output
    torch.nn.init.normal_(net.head.map.map.weight if hasattr(net.head.map, "map") else net.head.weight, std=0.5)
    truth = ar_stream.lay_out(method, net, batch)
    context = net.context(batch)
    want = ar_stream.scores(method, net, context, truth)
    ask = None if method.ends(output) else Seq(None, batch["audio"].n)
    inputs = {p: batch[p] for p in net.plan.inputs}
    prefix, _ = ar_stream.lengths(method, net, inputs, context, ask)
    got, calls = torch.zeros_like(want), []
    first = truth.columns.shape[-1] - 1

    def forced(logits: torch.Tensor, **how: Any) -> torch.Tensor:
        column = begin + len(calls)
        calls.append(column)
        symbols = truth.columns[..., column]
        fine = truth.real[..., column]
        nats = -logits.log_softmax(-1).gather(-1, symbols.where(fine, 0)[..., None])[..., 0]
        got[..., column - 1] = torch.where(fine, nats, 0.0)
        return symbols.where(fine, 0)

    from audioml.nn import patterns, sampling

    begin = int(patterns.columns(method.pattern, prefix.x.shape[1], int(truth.frames.max()))[0, int(prefix.n.min())])
    monkeypatch.setattr(sampling, "pick", forced)
    with torch.no_grad():
        drawn = ar_stream.generate(method, net, context, prefix, truth.frames, {})
    assert calls[-1] == first
    assert (got - want)[..., begin - 1 :].abs().max() < 1e-5
    target, n = net.encode(output.port, batch)[0]
    assert torch.equal(drawn.n, n)
    for b in range(len(n)):
        assert torch.equal(drawn.x[b, ..., : n[b]], target[b, ..., : n[b]])


def test_drawing_follows_the_settings() -> None:
    net = of_codes(2, 4, window=99).eval()
    ask = Seq(None, torch.tensor([20, 7]))
    greedy = shelf.make("method", "ar", {"decode": "greedy", "window": 99}, "smoke")
    with torch.no_grad():
        a, b = (greedy.draw(net, {}, ask)["audio"] for _ in range(2))
        assert torch.equal(a.x, b.x)
        assert a.x.shape == (2, 1, 20)
        assert a.n.tolist() == [20, 7]
        draws = [net.plan.method.draw(net, {}, ask)["audio"].x for _ in range(2)]
        assert not torch.equal(*draws)
        narrow = shelf.make("method", "ar", {"top_k": 1, "window": 99}, "smoke")
        assert torch.equal(narrow.draw(net, {}, ask)["audio"].x, a.x)


def of_captions(**settings: Any) -> System:
    return build({"caption": TEXT}, {"audio": AUDIO}, {"caption": "chars", "audio": Levels(2, 8)}, window=99, **settings)


def test_guidance_goes_from_the_unconditional_through_the_conditional_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    net = of_captions().eval()
    ask = Seq(None, torch.tensor([12, 12]))
    seen: dict[float | None, list[torch.Tensor]] = {}

    def drawn(guidance: float | None, caption: Seq) -> torch.Tensor:
        seen[guidance] = []
        forced = iter(torch.arange(400).view(-1, 2, 2) % 8)

        def pick(logits: torch.Tensor, **how: Any) -> torch.Tensor:
            seen[guidance].append(logits)
            return next(forced)

        monkeypatch.setattr(ar_stream.sampling, "pick", pick)
        with torch.no_grad():
            shelf.make("method", "ar", {"window": 99, "guidance": guidance}, "smoke").draw(net, {"caption": caption}, ask)
        return torch.stack(seen[guidance])

    with_, without, plain, far = (drawn(g, texts("abca", "dd")) for g in (1.0, 0.0, None, 2.5))  # 1: nothing is guided, one run a column
    assert torch.allclose(with_, plain, atol=1e-6)
    assert torch.allclose(without, drawn(0.0, texts("d", "ab")), atol=1e-6), "the caption is not heard"
    assert not torch.allclose(without, plain, atol=1e-3)
    assert torch.allclose(far, without + 2.5 * (plain - without), atol=1e-4)


def test_texts_end_at_the_end_symbol_or_at_the_longest() -> None:
    net = of_text(longest=2.0).eval()
    inputs = {"audio": speech()}
    bias = net.head.map.map.bias
    with torch.no_grad():
        net.extra.longest.fill_(5)
        bias.copy_(torch.tensor([50.0, 0, 0, 0, 0]))
        out = net(inputs)["text"]
        assert out.x == ["a" * 10] * 2, "twice the longest seen"
        bias[4] = 100.0
        assert net(inputs)["text"].x == ["", ""]
