"""Method em: it learns without gradients, its likelihood never falls, it resumes, it says words and where their phones lie."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from audioml import enrol, laws, predict, shelf, sweep
from audioml.build import Draft
from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq, Text, Wave
from audioml.methods.em import alike
from audioml.predict import load
from audioml.records import Record
from audioml.representations.pronounced import around
from audioml.run import execute
from audioml.runfolder import finished
from audioml.system import System

RATE = 8000
TONES = {"low": (400, 900), "high": (2200, 1500), "mid": (1200, 1200)}
PICK = {"task": "asr", "representation": "mfcc", "model": "gmm_hmm", "method": "em"}


def spoken(text: str, rng: np.random.Generator, pitch: float = 1.0) -> np.ndarray:
    """Each word two tones of 90 to 140 ms, pauses of noise between."""
    parts = [0.002 * rng.standard_normal(500)]
    for word in text.split():
        for tone in TONES[word]:
            t = np.arange(int(rng.uniform(0.09, 0.14) * RATE)) / RATE
            parts.append(0.3 * np.sin(2 * np.pi * tone * pitch * t) + 0.02 * rng.standard_normal(len(t)))
        parts.append(0.002 * rng.standard_normal(int(rng.uniform(0.02, 0.06) * RATE)))
    return np.concatenate(parts).astype(np.float32)


def batch_of(texts: list[str], seed: int, pitch: float = 1.0) -> dict[str, Seq]:
    rng = np.random.default_rng(seed)
    waves = [spoken(text, rng, pitch) for text in texts]
    n = torch.tensor([len(w) for w in waves])
    x = torch.zeros(len(waves), 1, int(n.max()))
    for row, wave in zip(x, waves, strict=True):
        row[0, : len(wave)] = torch.from_numpy(wave)
    return {"audio": Seq(x, n), "text": Seq(texts, torch.tensor([len(t) for t in texts]))}


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(list(TONES), rng.integers(1, 4))) for _ in range(count)]


def system(**user: dict) -> System:
    task = shelf.make("task", "asr")
    mfcc = {"window": 160, "hop": 80, "bins": 20, "normalize": "clip", **user.pop("representation", {})}
    model = {"mixtures": 2, **user.pop("model", {})}
    worlds, ports = {"audio": Wave(1, RATE), "text": Text(" dghilmow")}, user.pop("ports", {})
    plan = Draft(task, worlds, {"representation": mfcc, "model": model, **user}, ports, "smoke").plan(PICK)
    rep = plan.output.representation
    said = {w: list(rep.pronounce(w)) for w in TONES}
    rep.load_state({"lexicon": said, "triphones": [list(one) for w in said.values() for one in around(tuple(w))][: rep.contexts]})
    torch.manual_seed(0)
    return System(plan)


def learnt(net: System, passes: int, data: list[dict[str, Seq]]) -> list[float]:
    """The loss of each pass over the data."""
    method, said = net.plan.method, []
    for _ in range(passes):
        said.append(float(np.mean([float(method.collect(net, batch)["nll"]) for batch in data])))
        method.reestimate(net)
    return said


@pytest.mark.parametrize("align", ["all", "viterbi"])
def test_words_are_learnt_from_a_flat_start(align: str) -> None:
    net = system(method={"align": align, "least": 1.0, "every": 2})
    method = net.plan.method
    data = [batch_of(texts(40, s), s) for s in (1, 2)]
    before = float(method.loss(net, data[0])["nll"])
    for step in range(1, 17):
        method.collect(net, data[step % 2])
        method.after_step(net, step)
    assert int(net.extra.estimated) == 8
    assert int(net.network.mixtures.used) == 2
    test = batch_of(texts(20, 9), 9)
    assert float(method.loss(net, test)["nll"]) < before - 5
    said = net.eval()({"audio": test["audio"]})["text"].x
    assert np.mean([a == b for a, b in zip(said, test["text"].x, strict=True)]) >= 0.9


def test_the_likelihood_never_falls() -> None:
    """Baum-Welch on one set of data, without splitting and without a floor."""
    net = system(method={"align": "all", "least": 0.0, "floor": 0.0, "rounds": 100}, model={"mixtures": 1}).double()
    losses = learnt(net, 9, [batch_of(texts(30, 1), 1)])[1:]
    assert all(b <= a + 1e-9 for a, b in pairwise(losses))
    assert losses[-1] < losses[0] - 0.5


def test_statistics_are_sums_whatever_the_batches() -> None:
    whole, parts = system(), system()
    data = batch_of(texts(40, 3), 3)
    method = whole.plan.method
    learnt(whole, 1, [data])
    learnt(parts, 1, [data])
    method.collect(whole, data)
    for rows in (slice(0, 13), slice(13, 40)):
        method.collect(parts, {p: Seq(s.x[rows], s.n[rows]) for p, s in data.items()})
    assert torch.allclose(whole.extra.sums.table, parts.extra.sums.table, rtol=1e-4, atol=1e-3)
    assert torch.equal(whole.extra.pairs, parts.extra.pairs)
    total = float(whole.extra.sums.counts.sum())
    n = whole.encode("audio", data)[0].n
    assert total == pytest.approx(float(n.sum()), rel=1e-5), "every frame belongs to somebody, once"


def test_parts_of_a_batch_are_all_of_it() -> None:
    data = batch_of(texts(70, 4), 4)
    parts = list(alike(data, "audio"))
    assert len(parts) > 1
    assert sorted(t for p in parts for t in p["text"].x) == sorted(data["text"].x)
    assert all(int(p["audio"].n.max()) == p["audio"].x.shape[-1] for p in parts)


def test_the_language_model_counts_pairs() -> None:
    net = system(method={"order": 2, "scale": 1.0, "penalty": -3.0})
    for _ in range(50):
        net.plan.method._count(net, batch_of(["low high", "low high low"], 0))
    words = net.plan.output.representation.learnt()
    prices = net.plan.method._prices(net, len(words))
    low, high, outside = words.index("low"), words.index("high"), len(words)
    chances = (prices + torch.tensor([3.0] * outside + [0.0])).exp()
    assert torch.allclose(chances.sum(1), torch.ones(outside + 1, dtype=chances.dtype))
    assert float(chances[outside, low]) > 0.95  # every text begins with it
    assert float(chances[low, high]) == pytest.approx(2 / 3, abs=0.02)
    assert float(chances[high, outside]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("lexicon", ["pronounced", "triphones"])
def test_phones_lie_where_the_tones_are(lexicon: str) -> None:
    net = system(ports={"text": lexicon})
    learnt(net, 8, [batch_of(texts(60, 1), 1)])
    data = batch_of(["low high"], 5)
    out = net.eval()({"audio": data["audio"]})
    assert out["text"].x == ["low high"]
    rows = out["phones"].x[0, :, : int(out["phones"].n[0])]
    rep = net.plan.output.representation
    named = [rep.phones[int(s)] for s in rows[2]]
    spoken_ = [p for p in named if p != "SIL"]
    assert spoken_ == [rep.phones[p] for w in ("low", "high") for p in rep.pronounce(w)]
    assert (rows[1] >= rows[0]).all()
    assert torch.allclose(rows[0, 1:], rows[1, :-1])
    assert float(rows[1, -1]) <= data["audio"].x.shape[-1] / RATE + 0.03
    first = named.index("L")
    assert float(rows[0, first]) == pytest.approx(500 / RATE, abs=0.04)  # where the first tone begins


def test_what_does_not_fit_says_why() -> None:
    with pytest.raises(Misfit, match=r"needs words with pronunciations \(representation pronounced\)"):
        sweep.compose(["task=asr", "model=gmm_hmm", "method=em", "ports.text=chars"])
    with pytest.raises(Misfit, match="needs a model that allows states; model 'rnn' allows"):
        sweep.compose(["task=asr", "model=rnn", "method=em"])
    with pytest.raises(Misfit, match="needs a model that allows aligned; model 'gmm_hmm' allows states"):
        sweep.compose(["task=asr", "model=gmm_hmm", "method=ctc"])
    for setting, text in (("method.rounds=0", "should be at least 1"), ("method.beam=-1", "zero or more")):
        with pytest.raises(RequestError, match=text):
            sweep.compose(["task=asr", "model=gmm_hmm", setting])
    with pytest.raises(RequestError, match=r"model\.mixtures=3 should be 1, 2, 4, 8"):
        system(model={"mixtures": 3})


def test_the_embedded_default_and_the_recipe_keep_the_laws() -> None:
    request = sweep.compose(["task=asr", "model=gmm_hmm", "preset=smoke"])
    assert request.plan.representations() == {"audio": "mfcc", "text": "pronounced"}
    assert request.names["method"] == "em"
    laws.check(request.plan)


def made(folder: Path, speakers: dict[str, float], count: int) -> Path:
    """A folder of spoken tones with a metadata.csv."""
    rows = []
    folder.mkdir()
    for k, (speaker, pitch) in enumerate(speakers.items()):
        rng = np.random.default_rng(k)
        for i, text in enumerate(texts(count, k)):
            sf.write(folder / f"{speaker}{i}.wav", spoken(text, rng, pitch), RATE)
            split = "test" if i < 6 else "valid" if i < 12 else "train"
            rows.append({"file_name": f"{speaker}{i}.wav", "split": split, "transcript": text, "speaker": speaker})
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.mark.slow
def test_a_run_from_training_to_enrolment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through Lightning: the same end after a break as without one; an alignment beside the text; a speaker enrolled."""
    data = made(tmp_path / "set", {"a": 1.0, "b": 1.04}, 40)
    job = [
        "task=asr", "model=gmm_hmm", "data=folder", f"data.path='{data}'", f"data.cache='{tmp_path / 'cache'}'", f"data.rate={RATE}",
        "representation.window=160", "representation.hop=80", "representation.bins=20", "representation.normalize=clip", "preset=smoke",
        "preset.batch=28", "preset.steps=18", "preset.validate_every=3", "preset.valid_items=null", "preset.test_items=null",
        "method.every=2", "method.rounds=2", "method.least=1.0", "model.mixtures=2", "trainer=cpu", "trainer.threads=1", "trainer.progress=false",
    ]  # fmt: skip
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    execute(sweep.compose([*job, f"outputs='{whole}'"]))
    (folder,) = (whole / "runs").glob("*_asr_*")
    record = Record.read(folder / "record.json")
    assert record.status == "done"
    assert record.values["quality/wer"].value <= 0.2
    assert record.values["compute/parameters"].value > 1000
    assert record.values["compute/parameters_trainable"].value == 0
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert weights["global_step"] == 18

    request = sweep.compose([*job, f"outputs='{broken}'", "preset.steps=9"])  # between two re-estimations
    execute(request)
    (half,) = (broken / "runs").glob("*_asr_*")
    config = (half / "config.yaml").read_text().replace("steps: 9", "steps: 18")
    (half / "config.yaml").write_text(config)
    saved = torch.load(half / "checkpoints" / "last.ckpt", weights_only=True)
    assert float(saved["state_dict"]["system.extra.sums.table"].abs().sum()) > 0
    longer = sweep.compose([*job, f"outputs='{broken}'"])
    saved["audioml"]["signature"] = weights["audioml"]["signature"]
    torch.save(saved, half / "checkpoints" / "last.ckpt")
    execute(longer, resume=half)
    resumed = torch.load(half / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(v, resumed[k]) for k, v in weights["state_dict"].items())

    predict.main([str(folder), str(data / "a0.wav"), "--out", str(tmp_path / "said")])
    text = (tmp_path / "said" / "a0.text.txt").read_text().strip()
    with (tmp_path / "said" / "a0.phones.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert set(text.split()) <= set(TONES)
    assert float(rows[0]["start"]) == 0.0
    assert all(float(a["end"]) == float(b["start"]) for a, b in pairwise(rows))

    speaker = made(tmp_path / "speaker", {"c": 1.25}, 24)
    for how in ("map", "mllr"):
        enrol.main([str(folder), "--clips", str(speaker), "--method", how])
        place = Path(capsys.readouterr().out.rsplit(": ", 1)[1].strip())
        facts = json.loads((place / "enrolment.json").read_text())
        assert facts["method"] == how
        assert facts["loss_after"] < facts["loss_before"]
        moved, old = load(finished(place)), load(finished(folder))
        assert not torch.equal(moved.network.mixtures.mean, old.network.mixtures.mean)
        assert torch.equal(moved.network.mixtures.variance, old.network.mixtures.variance)
        assert not (place / "record.json").exists()
    changed = made(tmp_path / "changed", {"c": 1.25}, 24)  # the texts say nothing: what is heard takes their place
    lines = (changed / "metadata.csv").read_text().replace("low", "mid").replace("high", "mid")
    (changed / "metadata.csv").write_text(lines)
    enrol.main([str(folder), "--clips", str(speaker), "--passes", "2"])
    place = Path(capsys.readouterr().out.rsplit(": ", 1)[1].strip())
    enrol.main([str(folder), "--clips", str(changed), "--passes", "2"])
    other = Path(capsys.readouterr().out.rsplit(": ", 1)[1].strip())
    assert torch.equal(load(finished(place)).network.mixtures.mean, load(finished(other)).network.mixtures.mean)
    assert json.loads((place / "enrolment.json").read_text())["passes"] == 2
    enrol.main([str(folder), "--split", "test", "--passes", "1"])
    place = Path(capsys.readouterr().out.rsplit(": ", 1)[1].strip())
    assert not torch.equal(load(finished(place)).network.mixtures.mean, old.network.mixtures.mean)
    with pytest.raises(RequestError, match="would look at the texts that the run is judged by"):
        enrol.main([str(folder), "--split", "test"])
    for wrong, text in ((["--method", "magic"], "cannot adapt by 'magic'"), (["--only", "speaker"], "should be COLUMN=VALUE"), (["--only", "speaker=z"], "is in no row")):
        with pytest.raises(RequestError, match=text):
            enrol.main([str(folder), "--clips", str(speaker), *wrong])
