"""Method ar: that it learns, and what it refuses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch

from audioml.errors import Misfit, RequestError
from audioml.kinds import Wave
from audioml.methods import ar_stream
from audioml.parts import Representation
from tests.methods.test_ar import AUDIO, LABEL, Levels, build, of_captions, of_codes, of_notes, of_text, speech, texts, wave


def test_random_windows_cover_the_whole_and_score_the_same() -> None:
    """Far from the edges a window of the training sees what scoring sees, so a fixed-context network agrees on average."""
    net = of_codes(1, 4, window=4)
    torch.manual_seed(0)
    method, batch = net.plan.method, {"audio": wave([i % 4 for i in range(40)], [1] * 9)}
    laid, seen = ar_stream.lay_out(method, net, batch), []
    emit = net.emit
    net.emit = lambda inputs, x, context: (seen.append(x), emit(inputs, x, context))[1]  # type: ignore[method-assign]
    for _ in range(200):
        assert ar_stream.training_loss(method, net, net.context({}), laid).isfinite()
    firsts = torch.stack([s.x[:, 0, 0] for s in seen])
    assert {s.x.shape[-1] for s in seen} == {4}
    assert set(firsts[:, 0].tolist()) == {0, 1, 2, 3, 4}, "windows begin at the start (4) and anywhere else"
    assert all(s.n.tolist()[0] == 4 and 1 <= s.n.tolist()[1] <= 4 for s in seen)


def test_word_dropout_and_smoothing_act_in_training_only() -> None:
    batch = {"audio": speech(), "text": texts("abca", "dd")}
    plain, wild = of_text(), of_text(word_dropout=0.9, smoothing=0.3)
    for net in (plain, wild):
        net.plan.method.loss(net, batch)
        assert int(net.extra.longest) == 5
    torch.manual_seed(0)
    assert wild.plan.method.loss(wild, batch)["cross_entropy"] != plain.plan.method.loss(plain, batch)["cross_entropy"]
    wild.load_state_dict(plain.state_dict())
    a, b = (net.eval().plan.method.loss(net, batch)["cross_entropy"] for net in (plain, wild))
    assert float(a.detach()) == pytest.approx(float(b.detach()), abs=1e-6)


def test_dropped_items_train_without_their_caption() -> None:
    batch = {"caption": texts("abca", "dd"), "audio": wave(list(range(8)), list(range(8)))}
    other = {**batch, "caption": texts("d", "cab")}
    always, never = of_captions(drop=0.999999), of_captions()

    def loss(net: Any, given: dict) -> float:
        return float(net.plan.method.loss(net, given)["cross_entropy"].detach())

    assert loss(always, batch) == loss(always, other)
    assert loss(never, batch) != loss(never, other)
    assert loss(always.eval(), batch) != loss(always, other), "in training only"


def test_ctc_stands_beside_attention_over_texts_only() -> None:
    losses = of_text().plan.method.loss
    net = of_text()
    assert set(losses(net, {"audio": speech(), "text": texts("ab", "d")})) == {"cross_entropy", "ctc"}
    assert set(net.plan.method.losses) == {"cross_entropy", "ctc"}
    for other in (of_text(ctc=0.0), of_text(inputs="cond"), of_text(model="cnn1d"), of_notes()):
        assert not hasattr(other.extra, "ctc")


@pytest.mark.parametrize("model", ["transformer", "rnn"])
def test_attention_overfits_a_batch_and_writes_it(model: str) -> None:
    net = of_text(model, {} if model == "transformer" else {"cells": 64})
    batch = {"audio": speech(3), "text": texts("abcadbca", "dcba", "bb")}
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    first = None
    for _ in range(150):
        losses = net.plan.method.loss(net, batch)
        total = losses["cross_entropy"] + 0.3 * losses["ctc"]
        first = first or losses["cross_entropy"].item()
        optimizer.zero_grad()
        total.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
        optimizer.step()
        if losses["cross_entropy"].item() < 0.03 * first:
            break
    assert losses["cross_entropy"].item() < 0.05 * first
    with torch.no_grad():
        assert net.eval()({"audio": batch["audio"]})["text"].x == batch["text"].x


# ---- refusals ---------------------------------------------------------------------------------------------------------
def test_refusals() -> None:
    with pytest.raises(Misfit, match="method 'ar' predicts symbols one after .* representation 'mel' of output 'audio' gives Grid"):
        build({}, {"audio": Wave(1, 16000)}, {"audio": Mel()})
    with pytest.raises(Misfit, match="of output 'label' gives one symbol"):
        build({}, {"label": LABEL}, {"label": "label"})
    with pytest.raises(Misfit, match="input 'audio' does not share the symbols of output 'text' alone; method.inputs=memory or cond"):
        of_text(inputs="prefix")
    with pytest.raises(Misfit, match="method 'ar' with inputs=memory needs a model that attends to one; method.inputs=cond does not"):
        of_text(model="cnn1d", inputs="memory")
    with pytest.raises(Misfit, match="method 'ar' would read input 'dry', the sound that output 'wet' follows, into one vector"):
        build({"dry": AUDIO}, {"wet": AUDIO}, {"dry": Levels(1, 4), "wet": Levels(1, 4)}, "cnn1d", fastest=1000.0)
    with pytest.raises(Misfit, match="method 'ar' attends to at most 5 frames/s, input 'audio' has 62.5"):
        of_text(fastest=5.0)
    with pytest.raises(Misfit, match="needs a model that never looks ahead: model.causal=True, not False"):
        of_text(user={"causal": False})
    with pytest.raises(RequestError, match=r"method\.drop=1\.0 should be at least 0 and below 1"):
        of_text(drop=1.0)
    with pytest.raises(RequestError, match=r"method\.guidance=-1\.0 should be zero or more, or null: none"):
        of_text(guidance=-1.0)
    with pytest.raises(RequestError, match=r"method\.window=1 should be at least 2"):
        of_text(window=1)
    with pytest.raises(RequestError, match=r"method\.temperature=0\.0 should be above 0, .*decode=greedy takes the likeliest"):
        of_text(temperature=0.0)


class Mel(Representation):
    """A grid that renders."""

    _name = "mel"

    def space(self, world: Wave) -> Any:
        from audioml.kinds import Grid

        return Grid(1, 8, Fraction(50))
