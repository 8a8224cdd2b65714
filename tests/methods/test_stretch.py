"""Text to speech by stretched symbols: it learns, its alignment finds the truth, it speaks as long as it thinks right."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from audioml import shelf
from audioml.draft import Draft, generic_worlds
from audioml.errors import Misfit, RequestError
from audioml.kinds import Phones, Seq, Text, Wave
from audioml.system import System

LETTERS = " abc"
TONES = {"a": 300.0, "b": 900.0, "c": 2500.0, " ": 0.0}


def system(user: dict | None = None, representation: str = "logmel", model: str = "fcn", ports: dict | None = None) -> System:
    made = shelf.make("task", "tts")
    worlds = {**generic_worlds(made), "text": Text(LETTERS), "phones": Phones(tuple(LETTERS))}
    draft = Draft(made, worlds, user or {}, ports or {"text": "chars"}, "smoke")
    torch.manual_seed(0)
    return System(draft.plan({"task": "tts", "representation": representation, "model": model, "method": "stretch"}))


def spoken(texts: list[str], lengths: dict[str, float]) -> tuple[dict[str, Seq], list[list[float]]]:
    """Each letter is a tone of its own length in seconds."""
    waves, times = [], []
    for text in texts:
        parts, edges, at = [], [], 0.0
        for letter in text:
            t = torch.arange(int(lengths[letter] * 16000)) / 16000
            parts.append(0.2 * torch.sin(2 * torch.pi * TONES[letter] * t))
            edges.append(at)
            at += lengths[letter]
        waves.append(torch.cat(parts))
        times.append([*edges, at])
    n = torch.tensor([len(w) for w in waves])
    x = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)[:, None]
    return {"text": Seq(texts, torch.tensor([len(t) for t in texts])), "speech": Seq(x, n)}, times


BATCH, TIMES = spoken(["abac", "cab", "bca"], {"a": 0.2, "b": 0.3, "c": 0.15, " ": 0.1})


def train(net: System, batch: dict[str, Seq], steps: int, rate: float = 3e-3) -> list[dict[str, float]]:
    optimizer = torch.optim.Adam(net.parameters(), rate)
    seen = []
    for _ in range(steps):
        losses = net.plan.method.loss(net, batch)
        total = sum(net.plan.method.losses[k] * v for k, v in losses.items())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append({k: v.item() for k, v in losses.items()} | {"total": total.item()})
    return seen


@pytest.fixture(scope="module")
def trained() -> tuple[System, list[dict[str, float]]]:
    net = system()
    return net, train(net, BATCH, 220, 5e-3)


def test_every_parameter_learns() -> None:
    net = system()
    losses = net.plan.method.loss(net, BATCH)
    assert set(losses) == {"frames", "means", "durations"}
    sum(losses.values()).backward()
    assert not [k for k, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]


def test_it_overfits_one_batch(trained: tuple[System, list[dict[str, float]]]) -> None:
    seen = trained[1]
    assert seen[-1]["frames"] < 0.2 * seen[0]["frames"]
    assert seen[-1]["durations"] < 0.05 * seen[0]["durations"]


def test_the_alignment_finds_the_tones(trained: tuple[System, list[dict[str, float]]]) -> None:
    net, method = trained[0], trained[0].plan.method
    _, alone, symbols = method._read(net, BATCH)
    target, _ = net.encode("speech", BATCH)
    with torch.no_grad():
        found = method._durations(net, BATCH, net.extra["means"](alone), symbols, target.x.flatten(1, -2), target.n)
    starts = found.cumsum(1)[:, :-1] / 62.5
    for row, edges in zip(starts, TIMES, strict=True):
        for k in range(1, len(edges) - 1):
            assert abs(float(row[k]) - edges[k]) < 0.08, "seconds"


def test_it_speaks_for_as_long_as_it_should(trained: tuple[System, list[dict[str, float]]]) -> None:
    net = trained[0].eval()
    with torch.no_grad():
        made = net({"text": BATCH["text"]})["speech"]
    want = BATCH["speech"].n
    assert ((made.n - want).abs() < 0.1 * want).all()
    assert made.x.shape[:2] == (3, 1)
    assert made.x.shape[-1] == int(made.n.max())
    spectrum = torch.fft.rfft(made.x[1, 0, 800:2400]).abs()  # "c" of "cab" first
    assert abs(int(spectrum.argmax()) * 10 - TONES["c"]) < 300


def test_times_of_phonemes_are_taken_where_the_symbols_are_those() -> None:
    net = system()
    net.plan.inputs["text"].representation.hint = "phones"  # as representation phonemes says
    marks = torch.zeros(3, 3, 4)
    for b, edges in enumerate(TIMES):
        marks[b, 0, : len(edges) - 1], marks[b, 1, : len(edges) - 1] = torch.tensor(edges[:-1]), torch.tensor(edges[1:])
    batch = {**BATCH, "phones": Seq(marks, BATCH["text"].n)}
    _, alone, symbols = net.plan.method._read(net, batch)
    target, _ = net.encode("speech", batch)
    found = net.plan.method._durations(net, batch, net.extra["means"](alone).detach(), symbols, target.x.flatten(1, -2), target.n)
    for row, edges, total in zip(found, TIMES, target.n, strict=True):
        want = [round(e * 62.5) for e in edges]
        assert row.cumsum(0)[: len(want)].tolist() == want
        assert int(row.sum()) == int(total)
    other = {**batch, "phones": Seq(marks, BATCH["text"].n - 1)}
    assert net.plan.method.loss(net, other)["frames"].isfinite(), "other symbols: searched"


def test_other_inputs_condition_and_other_outputs_train() -> None:
    net = system(representation="harmonic", user={"method": {"losses": {"frames": 1.0, "means": 0.5, "durations": 0.1, "multispectral": 1.0}}})
    seen = train(net, BATCH, 3)
    assert all(torch.isfinite(torch.tensor(list(s.values()))).all() for s in seen)
    assert "multispectral" in seen[0]
    with torch.no_grad():
        assert net.eval()({"text": BATCH["text"]})["speech"].x.isfinite().all()


@pytest.mark.parametrize(
    ("task", "representation", "text"),
    [
        ("enhancement", "logmel", "method 'stretch' stretches a sequence of symbols, and the task has none ('noisy' is Wave)"),
        ("asr", "mel", "method 'stretch' makes audio, the output 'text' is Text"),
        ("tts", "mulaw", "method 'stretch' emits real numbers, and representation 'mulaw' of the output 'speech' gives Codes"),
        ("enhancement", "stft_mag", "method 'stretch' has no audio to go by, and representation 'stft_mag' borrows its phase"),
    ],
)
def test_misfits(task: str, representation: str, text: str) -> None:
    made = shelf.make("task", task)
    draft: Any = Draft(made, generic_worlds(made), {}, {}, "smoke")
    with pytest.raises(Misfit) as caught:
        draft.plan({"task": task, "representation": representation, "model": "fcn", "method": "stretch"})
    assert text in str(caught.value)


def test_wrong_losses_are_told() -> None:
    with pytest.raises(RequestError, match=r"method\.losses\.frame is not a loss; did you mean frames\?"):
        shelf.make("method", "stretch", {"losses": {"frame": 1.0}})
    from audioml.methods.stretch import Stretch

    with pytest.raises(RequestError, match=r"method\.losses\.means is missing"):
        Stretch(losses={"frames": 1.0}, width=8, layers=1, dropout=0.0, diagonal=1.0)


def test_it_runs_at_the_outputs_rate() -> None:
    plan = system().plan
    assert plan.flow.x.rate == plan.output.space.rate
    assert isinstance(plan.output.world, Wave)
