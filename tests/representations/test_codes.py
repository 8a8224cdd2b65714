"""Codes and latents: k-means mel frames, and representations made by a trained run."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml

from audioml import shelf, sweep
from audioml.coder import load_coder
from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Codes, Frames, Seq, Stems, Wave
from audioml.parts import Method
from audioml.predict import load
from audioml.representations.mel import LogMel
from audioml.run import execute
from audioml.runfolder import finished
from tests.conftest import tiny_args

WORLD = Wave(1, 16000)


def sounds(samples: int = 8000, channels: tuple[int, ...] = (1,)) -> Seq:
    """Gliding tones over noise, at several levels."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(samples) / 16000
    shape = (3, *channels, 1)
    start = 200 + 2000 * torch.rand(shape, generator=generator)
    glide = 1000 * torch.randn(shape, generator=generator)
    level = 0.3 * torch.rand(shape, generator=generator)
    x = level * torch.sin(2 * torch.pi * (start * t + glide * t * t)) + 0.01 * torch.randn(*shape[:-1], samples, generator=generator)
    return Seq(x, torch.tensor([samples, samples - 500, samples // 2]))


class FakePrepared:
    """The same batch at every step."""

    def __init__(self, seq: Seq) -> None:
        self.seq, self.asked = seq, 0

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict:
        self.asked += 1
        return {"audio": (self.seq.x.numpy(), self.seq.n.numpy())}


def fitted(name: str = "rvq", world: Wave | Stems = WORLD, seq: Seq | None = None, **more: object):
    rep = shelf.make("representation", name, {"size": 8, "vectors": 300, **more}, "smoke")
    rep.fit(FakePrepared(seq or sounds()), "audio", world, 0)
    return rep


# ---- k-means mel frames ---------------------------------------------------------------------------------------------
def test_space_and_codes_of_mel_frames() -> None:
    rep = fitted("rvq", books=3)
    assert rep.space(WORLD) == Codes(3, 8, Fraction(125, 2))
    codes, side = rep.encode(sounds(), WORLD)
    assert codes.x.shape[:2] == (3, 3)
    assert codes.x.dtype == torch.int64
    assert 0 <= int(codes.x.min()) <= int(codes.x.max()) < 8
    assert rep.decode(codes, side, WORLD).x.shape == sounds().x.shape
    assert shelf.make("representation", "vq").books == 1


def test_every_level_comes_nearer_to_the_mel_spectrum() -> None:
    rep = fitted("rvq", books=4)
    want, _ = LogMel.encode(rep, sounds(), WORLD)
    codes, _ = rep.encode(sounds(), WORLD)
    from audioml.nn import kmeans

    found = [kmeans.decode(codes.x[:1, :k], rep.table).unflatten(1, (1, -1)) for k in (1, 2, 3, 4)]
    errors = [float((x - want.x[:1]).square().mean()) for x in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


def test_stems_and_channels_are_coded_together() -> None:
    world = Stems(("a", "b"), 1, 16000)
    seq = sounds(4000, (2, 1))
    rep = fitted("vq", world, seq)
    codes, side = rep.encode(seq, world)
    assert codes.x.shape[1] == 1
    assert rep.decode(codes, side, world).x.shape == seq.x.shape


def test_books_are_learnt_once_repeatably_and_travel() -> None:
    rep, again = fitted(), fitted()
    assert torch.equal(rep.table, again.table)
    prepared = FakePrepared(sounds())
    rep.fit(prepared, "audio", WORLD, 0)
    assert prepared.asked == 0
    fresh = shelf.make("representation", "rvq", {"size": 8, "vectors": 300}, "smoke")
    with pytest.raises(RunError, match="representation 'rvq' has no code books yet"):
        fresh.encode(sounds(), WORLD)
    assert fresh.state() == {}
    fresh.load_state(rep.state())
    assert torch.equal(fresh.encode(sounds(), WORLD)[0].x, rep.encode(sounds(), WORLD)[0].x)


@pytest.mark.parametrize("table", [None, "books", torch.zeros(2, 8, 80), torch.zeros(4, 8, 79), torch.full((4, 8, 80), float("nan"))], ids=str)
def test_foreign_books_are_refused(table: object) -> None:
    rep = shelf.make("representation", "rvq", {"size": 8}, "smoke")
    with pytest.raises(ValueError, match=r"the code books should be finite numbers of shape \[4, 8, D\]"):
        rep.load_state({"table": table})


def test_mel_codes_stream() -> None:
    rep = fitted()
    seq = sounds(256 * 20)
    whole, _ = rep.encode(seq, WORLD)
    state, parts = None, []
    for block in seq.x.split(256 * 5, -1):
        codes, _, state = rep.encode_step(block, state, WORLD)
        parts.append(codes)
    assert torch.equal(torch.cat(parts, -1)[0], whole.x[0, :, :20])


def test_wrong_settings_say_so() -> None:
    with pytest.raises(RequestError, match=r"representation\.books=0 and vectors=1000 should be at least 1"):
        shelf.make("representation", "rvq", {"books": 0}, "smoke")
    with pytest.raises(RequestError, match=r"representation\.batches=0 should be at least 1"):
        shelf.make("representation", "latents", {"batches": 0})
    with pytest.raises(RequestError, match=r"representation\.size=1 should be at least 2"):
        shelf.make("representation", "semantic", {"size": 1})


# ---- made by a run --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def codec_run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A codec, two steps old."""
    tmp = tmp_path_factory.mktemp("codec run")
    more = ("task=codec", "model=autoencoder", "representation=stft", "method.size=16", "method.books=3")
    record = execute(sweep.compose(tiny_args(tiny, tmp, *more)))
    assert record.values["codes/kbps"].value == pytest.approx(3 * 4 * 31.25 / 1000)
    return str(tmp / "outputs" / "runs" / record.provenance["folder"])


def bound(name: str, run: str, **more: object):
    rep = shelf.make("representation", name, {"run": run, **more}, "smoke")
    rep.space(WORLD)
    rep.bind(load_coder(run))
    return rep


def test_tokens_of_a_run_render_as_the_run_does(codec_run: str) -> None:
    rep = bound("codec", codec_run)
    assert rep.space(WORLD) == Codes(3, 16, Fraction(125, 4))
    seq = sounds()
    codes, side = rep.encode(seq, WORLD)
    assert codes.x.shape[:2] == (3, 3)
    assert codes.x.dtype == torch.int64
    system = load(finished(Path(codec_run)))
    with torch.no_grad():
        want = system({"audio": Seq(seq.x, torch.full((3,), seq.x.shape[-1]))})["decoded"].x
    assert torch.allclose(rep.decode(codes, side, WORLD).x, want, atol=1e-5)
    fewer = bound("codec", codec_run, books=2)
    assert fewer.space(WORLD).books == 2
    few, side = fewer.encode(seq, WORLD)
    assert torch.equal(few.x, codes.x[:, :2])
    assert fewer.decode(few, side, WORLD).x.shape == seq.x.shape


def test_valid_steps_are_those_of_the_clip_alone(codec_run: str) -> None:
    rep = bound("codec", codec_run)
    seq = sounds()
    together = rep.encode(seq, WORLD)[0].n.tolist()
    for row, n in enumerate(seq.n.tolist()):
        alone = rep.encode(Seq(seq.x[row : row + 1, :, :n], seq.n[row : row + 1]), WORLD)[0]
        assert together[row] == alone.x.shape[-1]


def test_latents_have_unit_variance_and_lead_back(codec_run: str) -> None:
    rep = bound("latents", codec_run, batches=1)
    assert rep.space(WORLD) == Frames(8, Fraction(125, 4))
    seq = sounds()
    raw, _ = rep.encode(seq, WORLD)
    rep.fit(FakePrepared(seq), "audio", WORLD, 0)
    z, side = rep.encode(seq, WORLD)
    valid = torch.arange(z.x.shape[-1]) < z.n[:, None]
    flat = z.x.transpose(1, 2)[valid]
    assert flat.mean(0).abs().max() < 1e-4
    assert torch.allclose(flat.std(0), torch.ones(8), atol=1e-3)
    x = z.x.clone().requires_grad_(True)
    wave = rep.decode(Seq(x, z.n), side, WORLD).x
    coder = rep.coder
    assert torch.allclose(wave, coder.sound(raw.x, seq.x.shape[-1]), atol=1e-4)
    wave.sum().backward()
    assert float(x.grad.abs().sum()) > 0
    assert all(p.grad is None for p in coder.system.parameters())
    fresh = bound("latents", codec_run)
    fresh.load_state(rep.state())
    assert torch.equal(fresh.encode(seq, WORLD)[0].x, z.x)
    with pytest.raises(ValueError, match="the latents' moments should be 3 finite numbers each"):
        fresh.load_state({"mean": torch.zeros(3), "deviation": torch.zeros(4)})


def test_semantic_tokens_are_centres_of_the_runs_features(codec_run: str) -> None:
    rep = bound("semantic", codec_run, size=6, vectors=40)
    assert rep.space(WORLD) == Codes(1, 6, Fraction(125, 4))
    assert not rep.renders
    with pytest.raises(RunError, match="representation 'semantic' has no centres yet"):
        rep.encode(sounds(), WORLD)
    rep.fit(FakePrepared(sounds()), "audio", WORLD, 0)
    codes, _ = rep.encode(sounds(), WORLD)
    assert codes.x.shape[1] == 1
    h = rep.coder.latents(sounds().x) / rep.deviation[:, None]
    want = torch.cdist(h.transpose(1, 2), rep.table[0]).argmin(-1)
    assert torch.equal(codes.x[:, 0], want)
    fresh = bound("semantic", codec_run, size=6)
    fresh.load_state(rep.state())
    assert torch.equal(fresh.encode(sounds(), WORLD)[0].x, codes.x)
    with pytest.raises(ValueError, match="the deviations should be 8 numbers"):
        fresh.load_state({"table": rep.table, "deviation": torch.zeros(3)})


@pytest.mark.parametrize("name", ["codec", "latents", "semantic"])
def test_what_a_run_must_be(name: str, codec_run: str, tmp_path: Path) -> None:
    with pytest.raises(Misfit, match=f"representation '{name}' is made by a trained run: representation.run=FOLDER names it"):
        shelf.make("representation", name).space(WORLD)
    with pytest.raises(RequestError, match="is not a finished run: cannot read the record"):
        shelf.make("representation", name, {"run": str(tmp_path)}).space(WORLD)
    rep = shelf.make("representation", name, {"run": codec_run})
    with pytest.raises(Misfit, match=r"codes 1 channel at 16000 Hz \(the run's\), and the data gives 2 channels at 8000 Hz"):
        rep.space(Wave(2, 8000))
    with pytest.raises(Misfit, match=f"representation '{name}' cannot carry Stems; it carries Wave"):
        rep.space(Stems(("a",), 1, 16000))
    with pytest.raises(RunError, match=f"representation '{name}' has not been given the system of"):
        rep._coder()


def altered(run: str, place: Path, drop: tuple[str, ...]) -> str:
    """A copy of a run's record and configuration without some values."""
    record = json.loads((Path(run) / "record.json").read_text())
    record["values"] = {k: v for k, v in record["values"].items() if not k.startswith(drop)}
    (place / "record.json").write_text(json.dumps(record))
    (place / "config.yaml").write_text((Path(run) / "config.yaml").read_text())
    return str(place)


def test_runs_without_what_is_asked_say_so(codec_run: str, tmp_path: Path) -> None:
    run = altered(codec_run, tmp_path, ("codes/",))
    with pytest.raises(RequestError, match="has no code books: a run of method=vq has"):
        shelf.make("representation", "codec", {"run": run}).space(WORLD)
    with pytest.raises(RequestError, match=r"representation\.books=9: the run in .* has 3 books"):
        shelf.make("representation", "codec", {"run": codec_run, "books": 9}).space(WORLD)
    run = altered(codec_run, tmp_path, ("latents/dimensions",))
    with pytest.raises(RequestError, match="its record states no latents/dimensions"):
        shelf.make("representation", "latents", {"run": run}).space(WORLD)
    run = altered(codec_run, tmp_path, ("latents/",))
    with pytest.raises(RequestError, match="has no bottleneck: its record states no latents/rate"):
        shelf.make("representation", "latents", {"run": run}).space(WORLD)
    (tmp_path / "config.yaml").write_text("worlds: 3")
    with pytest.raises(RequestError, match=r"is not a finished run with audio: its config\.yaml cannot be read"):
        shelf.make("representation", "latents", {"run": run}).space(WORLD)


def test_coders_of_other_runs_say_so(codec_run: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"is not a run's folder: it has no config\.yaml"):
        load_coder(str(tmp_path))
    record = execute(sweep.compose(tiny_args(tiny, tmp_path, "task=codec", "model=identity", "method=baseline")))
    folder = tmp_path / "outputs" / "runs" / record.provenance["folder"]
    with pytest.raises(RequestError, match="holds no trained system: method 'baseline' learns nothing"):
        load_coder(str(folder))
    coder = load_coder(codec_run)
    coder.method = type("Plain", (Method,), {"_name": "plain"})()
    coder.system.network = torch.nn.Identity()
    with pytest.raises(RequestError, match="has no code books: method 'plain' makes none, a run of method=vq does"):
        coder.encode(sounds().x)
    with pytest.raises(RequestError, match="has no bottleneck: its model and method need none"):
        coder.latents(sounds().x)
    with pytest.raises(RequestError, match="does not lead from numbers back to sound; runs of method=vae, vq and regress do"):
        coder.sound(torch.zeros(1, 8, 3), 100)


def test_a_run_upon_a_run(codec_run: str, tiny: Path, tmp_path: Path) -> None:
    """A system over latents of the codec is trained, finished and loaded again."""
    more = ("task=enhancement", "model=cnn1d", "representation=latents", f"representation.run='{codec_run}'", "representation.batches=1")
    record = execute(sweep.compose(tiny_args(tiny, tmp_path, *more)))
    folder = tmp_path / "outputs" / "runs" / record.provenance["folder"]
    system = load(finished(folder))
    assert system.plan.output.representation.mean is not None
    with torch.no_grad():
        out = system({"noisy": sounds()})["clean"].x
    assert out.shape == sounds().x.shape
    assert yaml.safe_load((folder / "config.yaml").read_text())["settings"]["representation"]["run"] == codec_run
