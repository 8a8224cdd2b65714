"""The algebra: what fits, what does not, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from audioml import build, shelf
from audioml.draft import Draft, generic_worlds
from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Grid, Label, Stems, Tokens, Wave, unify


def draft(task: str, **user: dict) -> Draft:
    made = shelf.make("task", task)
    return Draft(made, generic_worlds(made), user, {}, "smoke")


def pick(task: str, representation: str, model: str, method: str) -> dict[str, str]:
    return {"task": task, "representation": representation, "model": model, "method": method}


def test_rates_are_exact() -> None:
    plan = draft("enhancement", representation={"window": 441, "hop": 147}).plan(pick("enhancement", "stft", "unet", "mask"))
    assert plan.inputs["noisy"].space == Grid(2, 221, Fraction(16000, 147))


def test_a_grid_flattens_for_a_model_of_frames() -> None:
    assert draft("enhancement").plan(pick("enhancement", "stft", "rnn", "mask")).layout == Frames(2 * 257, Fraction(125, 2))


def test_stems_share_the_head() -> None:
    plan = draft("separation").plan(pick("separation", "stft_mag", "unet", "mask"))
    assert plan.flow.emit == Grid(2, 257, Fraction(125, 2))
    assert plan.reference is not None
    assert plan.reference.port == "mix"


def test_ctc_adds_the_blank() -> None:
    assert draft("asr").plan(pick("asr", "mel", "rnn", "ctc")).flow.emit == Tokens(128 + 1)


MISFITS = [
    (("enhancement", "stft", "unet", "ctc"), "method 'ctc' emits a sequence of symbols, the output 'clean' is Wave"),
    (("enhancement", "mel", "unet", "mask"), "representation 'mel' cannot be rendered back to Wave, the output 'clean' of task 'enhancement'"),
    (("enhancement", "waveform", "unet", "mask"), "in representation 'waveform' a product is not a filter"),
    (("enhancement", "chars", "unet", "mask"), "representation 'chars' cannot carry Wave; it carries Text"),
    (("enhancement", "waveform", "cnn2d", "regress"), "model 'cnn2d' takes Grid, and representation 'waveform' gives Frames"),
    (("enhancement", "stft", "unet", "classify"), "method 'classify' emits one symbol per clip, the output 'clean' is Wave"),
    (("enhancement", "stft", "identity", "mask"), "method 'mask' needs a model that allows aligned; model 'identity' allows nothing"),
    (("enhancement", "stft", "unet", "oracle"), "method 'oracle' needs a model that allows truth; model 'unet' allows aligned"),
    (("asr", "mel", "rnn", "mask"), "method 'mask' makes audio, the output 'text' is Text"),
    (("asr", "waveform", "rnn", "ctc"), "method 'ctc' aligns symbols to at most 200 frames/s, input 'audio' has 500 frames/s"),
    (("classification", "mel", "rnn", "ctc"), "method 'ctc' emits a sequence of symbols, the output 'label' is Label"),
]


@pytest.mark.parametrize(("choice", "reason"), MISFITS)
def test_misfits_say_why(choice: tuple, reason: str) -> None:
    with pytest.raises(Misfit) as caught:
        draft(choice[0]).plan(pick(*choice))
    assert reason in str(caught.value)


def test_the_message_names_what_a_single_change_would_mend() -> None:
    names = {**pick("enhancement", "stft", "unet", "ctc"), "data": "folder", "preset": "smoke"}
    with pytest.raises(Misfit) as caught:
        build.choose(draft("enhancement"), names, build.row_of("unet", names))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("task=enhancement representation=stft model=unet method=ctc do not fit: method 'ctc' emits")
    assert any(line.startswith("  change method alone -> ") and {"mask", "regress"} <= set(line[25:].split(", ")) for line in lines)
    assert any(line.startswith("  change task alone -> asr") for line in lines)


def test_every_suggestion_really_fits() -> None:
    here = draft("asr")
    wrong = pick("asr", "stft", "cnn2d", "mask")
    for axis in ("representation", "model", "method"):
        for name in build.alternatives(here, wrong, axis):
            here.plan({**wrong, axis: name})
    assert list(build.alternatives(here, wrong, "method")) == ["ctc"]


def test_auto_follows_the_preferences_and_is_always_legal() -> None:
    for task in shelf.parts("task"):
        here, fitting = draft(task), 0
        for model in shelf.parts("model"):
            names = {"task": task, "representation": "auto", "model": model, "method": "auto"}
            try:
                _, chosen, plan = build.choose(here, names, build.row_of(model, names))
            except Misfit:
                continue
            fitting += plan.method.trains
            assert chosen["model"] == model
            assert plan.method.name in (shelf.load("model", model).get("methods") or plan.task.prefers)
        assert fitting >= 3, task
    _, chosen, _ = build.choose(draft("enhancement"), {"task": "enhancement", "representation": "auto", "model": "auto", "method": "auto"}, None)
    assert chosen == pick("enhancement", "stft_mag", "unet", "mask")


def test_ports_take_their_own_representation() -> None:
    here = replace(draft("enhancement"), ports={"noisy": "mel"})
    plan = here.plan(pick("enhancement", "stft", "rnn", "mask"))
    assert plan.representations() == {"noisy": "mel", "clean": "stft"}
    with pytest.raises(RequestError, match=r"ports\.noise is not a port of task 'enhancement'; did you mean noisy\? ports: noisy, clean"):
        build.check_ports({"noise": "mel"}, here.task)


def test_unequal_rates_do_not_fit() -> None:
    here = replace(draft("enhancement", representation={"hop": 128}), ports={"noisy": "mel"})
    with pytest.raises(Misfit, match=r"input 'noisy' runs at 62\.5 frames/s and output 'clean' at 125; they must be equal"):
        here.plan(pick("enhancement", "stft", "rnn", "mask"))


def test_unify_fills_and_contradicts() -> None:
    assert unify("x", Wave(), Wave(1, 8000)) == Wave(1, 8000)
    with pytest.raises(Misfit, match="port 'x' wants rate=16000, the data provides rate=8000"):
        unify("x", Wave(rate=16000), Wave(1, 8000))
    with pytest.raises(Misfit, match="port 'x' wants Wave, the data provides Label"):
        unify("x", Wave(), Label(("a",)))
    with pytest.raises(Misfit, match="the data provides nothing for port 'x'"):
        unify("x", Stems(), None)


def test_the_matrix_has_every_part() -> None:
    legal = [p for p, outcome in build.matrix() if not isinstance(outcome, Misfit)]
    assert len(legal) > 100
    wait = {"ensemble"}  # for runs, which a matrix has not
    for axis in ("task", "model", "method"):
        assert {p[axis] for p in legal} == set(shelf.parts(axis)) - wait


def test_a_task_may_ask_for_more_items_than_the_preset_unless_the_user_does_not() -> None:
    from audioml.sweep import compose

    assert compose(["task=symbolic", "preset=quick"]).settings["preset"]["batch"] == 16
    assert compose(["task=symbolic", "preset=quick", "preset.batch=2"]).settings["preset"]["batch"] == 2
    assert compose(["task=enhancement", "preset=quick"]).settings["preset"]["batch"] == 4


@pytest.mark.parametrize("row", ["gan", "diffusion", "ddsp"])
def test_a_row_that_speaks_says_so_where_no_sound_is_asked_for(row: str) -> None:
    from audioml.sweep import compose

    with pytest.raises(Misfit, match=rf"task=asr model={row} do not fit: this row speaks through .*, and the output 'text' .* is Text"):
        compose(["task=asr", f"model={row}"])
