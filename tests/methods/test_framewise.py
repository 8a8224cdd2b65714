"""Frame by frame and clip by clip: what does not fit, learning by heart, drawing, padding, and the trivial predictors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch

from audioml import shelf
from audioml.corpus import Clip
from audioml.draft import Draft, generic_worlds
from audioml.errors import Misfit, RequestError
from audioml.evaluate import outputs_of
from audioml.kinds import Codes, Curve, Frames, Notes, Seq, Tags, Text, Times, Tokens
from audioml.methods.framewise import fitted
from audioml.methods.trivial import PREDICTORS
from audioml.metrics import evaluate
from audioml.statistics import gather
from audioml.system import System

RATE, SECONDS = 16000, 1.6
WORLDS: dict[str, Any] = {
    "beat_tracking": Times(("beat", "downbeat", "onset")), "transcription": Notes(60, 71, 1, None), "pitch": Curve(("f0",), 100),
    "tagging": Tags(("low", "middle", "high")), "captioning": Text(" abc"), "symbolic": Notes(60, 71, 2, 0.25),
}  # fmt: skip
REPRESENTATION = {"beat_tracking": "mel", "transcription": "cqt", "pitch": "cqt", "tagging": "mel"}
REPS = {"beat_tracking": "activations", "transcription": "roll", "pitch": "pitch_bins", "tagging": "tags"}


def plan_of(
    task: str, representation: str = "mel", model: str = "rnn", method: str = "framewise", user: dict | None = None, of: Any = None, **ports: str
) -> Any:
    made = shelf.make("task", task)
    if task not in WORLDS:
        return Draft(made, generic_worlds(made), {}, ports, "smoke").plan(
            {"task": task, "representation": representation, "model": model, "method": method}
        )
    worlds = {**generic_worlds(made), **dict.fromkeys((*made.outputs, *(made.inputs if task == "symbolic" else ())), of or WORLDS[task])}
    draft = Draft(made, worlds, user or {}, {**{p: REPS[task] for p in made.outputs if task in REPS}, **ports}, "smoke")
    return draft.plan({"task": task, "representation": representation, "model": model, "method": method})


def padded(rows: list[list[list[float]]]) -> Seq:
    items = [torch.tensor(row).T for row in rows]
    n = torch.tensor([item.shape[1] for item in items])
    return Seq(torch.nn.utils.rnn.pad_sequence([item.T for item in items], batch_first=True).transpose(1, 2), n)


def music() -> dict[str, Seq]:
    """Three clips of short tones, with all that can be said of them."""
    generator = torch.Generator().manual_seed(3)
    waves, notes, beats, curves, tags = [], [], [], [], []
    time = torch.arange(int(SECONDS * RATE)) / RATE
    for bpm in (90, 120, 150):
        wave = 0.003 * torch.randn(len(time), generator=generator)
        curve, own, said = torch.zeros(160), [], []
        for k, at in enumerate(torch.arange(0.13, SECONDS - 0.2, 60 / bpm).tolist()):
            pitch = int(torch.randint(60, 72, (), generator=generator))
            hz, length = 440 * 2 ** ((pitch - 69) / 12), 0.3
            here = (time >= at) & (time < at + length)
            wave += here * 0.2 * (torch.sin(2 * torch.pi * hz * time) + 0.5 * torch.sin(4 * torch.pi * hz * time))
            curve[int(at * 100) : int((at + length) * 100)] = hz
            own.append([at, at + length, float(pitch), 0.8, 0.0])
            said += [[at, 0.0], [at, 2.0], *([[at, 1.0]] if k % 4 == 0 else [])]
        waves.append(wave)
        notes.append(own)
        beats.append(said)
        curves.append(curve)
        tags.append([float(bpm == b) for b in (90, 120, 150)])
    n = torch.full((3,), len(time))
    return {
        "audio": Seq(torch.stack(waves)[:, None], n), "notes": padded(notes), "beats": padded(beats),
        "f0": Seq(torch.stack(curves)[:, None], torch.full((3,), 160)), "tags": Seq(torch.tensor(tags), torch.ones(3)),
    }  # fmt: skip


BATCH = music()
CLIPS = [
    Clip(f"c{i}", {p: (s.x[i] if p == "tags" else s.x[i, ..., : int(s.n[i])]).numpy() for p, s in BATCH.items()}) for i in range(3)
]


def train(net: System, steps: int, rate: float = 1e-2) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), rate)
    seen = []
    for _ in range(steps):
        loss = net.plan.method.loss(net, BATCH)["cross_entropy"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    net.eval()
    return seen


LEARNS = [
    ("beat_tracking", "framewise", "quality/onset_f", 0.9),
    ("transcription", "framewise", "quality/note_f", 0.9),
    ("pitch", "framewise", "quality/overall_accuracy", 0.9),
    ("tagging", "classify", "quality/map_samples", 0.99),
]


@pytest.mark.parametrize(("task", "method", "value", "least"), LEARNS)
def test_it_learns_one_batch_by_heart_and_draws_it(task: str, method: str, value: str, least: float) -> None:
    torch.manual_seed(0)
    user = {"model": {"width": 48, "layers": 3}, "method": {"bin_masks": 0, "time_masks": 0, "smoothing": 0.0}}
    plan = plan_of(task, REPRESENTATION[task], "fcn", method, user)
    net = System(plan)
    seen = train(net, 100)
    assert seen[-1] < 0.2 * seen[0]
    with torch.no_grad():
        found = outputs_of(lambda batch: net({"audio": batch["audio"]}), plan, CLIPS)
    scores = evaluate(plan.task, CLIPS, found, worlds=plan.worlds())
    assert scores.values[value].value >= least, scores.values
    floor = PREDICTORS[plan.task.baseline]
    port = plan.output.port
    known = {port: gather(plan.output.world, [clip.ports[port] for clip in CLIPS])}
    trivial = outputs_of(lambda batch: floor(plan, batch, batch, known), plan, CLIPS)
    assert evaluate(plan.task, CLIPS, trivial, worlds=plan.worlds()).values[value].value < least - 0.2


def test_the_output_takes_the_networks_rate() -> None:
    plan = plan_of("transcription")
    assert plan.flow.emit == Frames(24, Fraction(125, 2), binary=True)
    assert plan.output.representation.clock == Fraction(125, 2)
    assert plan_of("pitch").flow.emit == Codes(1, 361, Fraction(125, 2))
    assert plan_of("tagging", method="classify").flow.emit == Tokens(3, length=1, many=True)


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    net = System(plan_of("transcription", user={"method": {"bin_masks": 0}})).eval()
    audio, notes = BATCH["audio"], BATCH["notes"]
    longer = {"audio": Seq(torch.nn.functional.pad(audio.x, (0, 8000)), audio.n), "notes": Seq(notes.x, notes.n)}
    assert net.plan.method.loss(net, longer)["cross_entropy"].item() == pytest.approx(
        net.plan.method.loss(net, BATCH)["cross_entropy"].item(), rel=1e-4
    )


def test_targets_are_cut_or_filled_to_the_emission() -> None:
    emission = Seq(torch.zeros(2, 1, 5), torch.tensor([5, 5]))
    codes = fitted(Seq(torch.tensor([[[1, 2, 3]], [[4, 9, 9]]]), torch.tensor([3, 1])), emission, Codes(1, 8, None))
    assert codes.tolist() == [[[1, 2, 3, 7, 7]], [[4, 7, 7, 7, 7]]]
    ones = fitted(Seq(torch.ones(2, 1, 9), torch.tensor([9, 2])), emission, Frames(1, None, binary=True))
    assert ones.tolist() == [[[1, 1, 1, 1, 1]], [[1, 1, 0, 0, 0]]]


def test_what_framewise_refuses() -> None:
    with pytest.raises(Misfit, match="decides between symbols in every frame, and representation 'chars' of output 'text' gives Tokens"):
        plan_of("asr", text="chars")
    with pytest.raises(Misfit, match="in every frame, and representation 'stft' of output 'clean' gives Grid"):
        plan_of("enhancement", "stft")
    with pytest.raises(Misfit, match="'framewise' works frame by frame, and input 'prompt' has no frame rate"):
        plan_of("symbolic", "midi_grid", prompt="midi_raster")
    with pytest.raises(Misfit, match="input 'audio' runs at 62.5 frames/s and output 'notes' at 8; they must be equal"):
        plan_of("transcription", notes="midi_grid", of=Notes(60, 71, 2, 0.125))
    with pytest.raises(Misfit, match="input 'prompt' comes before output 'score', not beside it"):
        plan_of("symbolic", "midi_grid")
    with pytest.raises(RequestError, match=r"method\.positive=0 should be above 0"):
        shelf.make("method", "framewise", {"positive": 0.0})


# ---- predictors ------------------------------------------------------------------------------------------------------
def test_the_metronome_beats_twice_a_second_for_as_long_as_the_clip() -> None:
    plan = plan_of("beat_tracking")
    audio = Seq(torch.zeros(2, 1, 3 * RATE), torch.tensor([3 * RATE, RATE]))
    x, n = PREDICTORS["metronome"](plan, {"audio": audio}, {}, {})["beats"]
    first = x[0, :, : n[0]]
    assert first[0, first[1] == 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert first[0, first[1] == 1].tolist() == [0, 2]
    assert x[1, 0, : n[1]][x[1, 1, : n[1]] == 2].tolist() == [0, 0.5]


def test_constants_come_from_the_statistics() -> None:
    audio = Seq(torch.zeros(2, 1, RATE), torch.tensor([RATE, RATE // 2]))
    pitch = PREDICTORS["constant_pitch"](plan_of("pitch"), {"audio": audio}, {}, {"f0": {"median": 220.0}})["f0"]
    assert pitch.x.shape == (2, 1, 100)
    assert pitch.n.tolist() == [100, 50]
    assert (pitch.x == 220).all()
    rare = {"f0": {"median": 220.0, "voiced": 0.5, "near": 0.1}}
    assert (PREDICTORS["constant_pitch"](plan_of("pitch"), {"audio": audio}, {}, rare)["f0"].x == 0).all()
    tags = PREDICTORS["tag_prior"](plan_of("tagging", method="classify"), {"audio": audio}, {}, {"tags": {"prior": [0.5, 0.2, 0]}})
    assert torch.allclose(tags["tags"].x, torch.tensor([[0.5, 0.2, 0.0]] * 2))
    text = PREDICTORS["common_text"](plan_of("captioning", method="ctc", caption="chars"), {"audio": audio}, {}, {"caption": {"common": "ab"}})
    assert text["caption"].x == ["ab", "ab"]


def test_the_bigram_scores_prompt_and_score_and_holds_the_last_chord() -> None:
    plan = plan_of("symbolic", "midi_raster", "transformer", "ar")
    world = WORLDS["symbolic"]
    piece = [[0, 0.5, 60, 0.8, 0], [0, 1, 64, 0.8, 1], [0.5, 1, 62, 0.8, 0]]
    rest = [[0, 0.5, 64, 0.8, 0], [0, 0.5, 60, 0.8, 1]]
    batch = {"prompt": padded([piece]), "score": padded([rest])}
    whole = torch.cat([batch["prompt"].x, batch["score"].x + torch.tensor([1.0, 1, 0, 0, 0])[:, None]], 2)[0].numpy()
    known = {"score": gather(world, [whole])}
    made = PREDICTORS["voice_bigram"](plan, batch, batch, known)
    from audioml.metrics._voices import bigram_nats, to_grid

    nats, count = bigram_nats(known["score"]["bigram"], to_grid(whole, world, False), world)
    assert made["_nll"].x.tolist() == pytest.approx([nats])
    assert made["_nll"].n.tolist() == [count] == [12]
    assert made["score"].x[0].T.tolist() == [[0, 0.5, 62, pytest.approx(0.8), 0], [0, 0.5, 64, pytest.approx(0.8), 1]]
    silent = PREDICTORS["voice_bigram"](plan, batch, batch, {})
    assert silent["score"].x.shape == (1, 5, 0)
    assert "_nll" not in silent
