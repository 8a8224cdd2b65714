"""The rate-distortion script: bits of Opus, the k-means coder, comparisons at equal rate; and the codec's floor and ceiling."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audioml import shelf
from audioml.corpus import Clip
from audioml.draft import Draft, generic_worlds
from audioml.errors import RequestError
from audioml.kinds import Seq, Wave
from audioml.methods.trivial import PREDICTORS
from audioml.metrics import Scores, evaluate
from audioml.records import Value

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
curve = importlib.import_module("codec_curve")
METRIC = "fidelity/mel_distance"


def waves(count: int = 3, samples: int = 16000) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(samples) / 16000
    return [(0.2 * np.sin(2 * np.pi * f * t) + 0.02 * rng.standard_normal(samples)).astype(np.float32)[None] for f in (200, 500, 900)[:count]]


def test_opus_costs_what_its_packets_hold() -> None:
    if "OPUS" not in soundfile.available_subtypes("OGG"):
        pytest.skip("this libsndfile has no Opus")
    points = list(curve.opus_points(waves(), 16000))
    rates = [kbps for _, kbps, _ in points]
    assert rates == sorted(rates)
    assert 5 < rates[0] < 8
    assert all(x.shape == (1, 16000) for _, _, out in points for x in out)
    errors = [np.mean([np.square(a - b).mean() for a, b in zip(out, waves(), strict=True)]) for _, _, out in points]
    assert errors[-1] < errors[0]
    file = io.BytesIO()
    soundfile.write(file, waves(1)[0].T, 16000, format="OGG", subtype="OPUS")
    assert 0 < curve.payload(file.getvalue()) < len(file.getvalue())
    assert curve.payload(b"no Ogg at all, but long enough to be asked") == 0


def test_kmeans_points_use_whole_levels_up_to_the_rate() -> None:
    class Prepared:
        def train_batch(self, step: int, items: int, seconds: float, seed: int) -> dict:
            x = np.stack(waves())
            return {"decoded": (x, np.full(len(x), x.shape[-1]))}

    settings = {"size": 16, "vectors": 300, "iterations": 2}
    found = list(curve.kmeans_points(Prepared(), waves(1), Wave(1, 16000), "decoded", 0.6, settings))
    assert [round(kbps, 3) for _, kbps, _ in found] == [0.25, 0.5]
    assert all(out[0].shape == (1, 16000) for _, _, out in found)


def test_codecs_are_compared_at_a_rate_not_below_their_own() -> None:
    def point(system: str, kbps: float, values: list[float]) -> curve.Point:
        return curve.Point(system, kbps, Scores({METRIC: Value(float(np.mean(values)), "dB", "low")}, {METRIC: values}))

    base = [5.0, 6.0, 7.0, 5.5]
    points = [point("codec a", 0.6, [v - 1 for v in base]), point("k-means", 0.5, [9.0] * 4), point("k-means", 1.0, base)]
    (line,) = curve.compared(points)
    assert "codec a at 0.60 kbit/s against k-means at 1.00: mel_distance -1.00" in line


def test_only_the_rates_asked_for_are_measured() -> None:
    assert curve.chosen(4, 0.5, None) == [1, 2, 3, 4]
    assert curve.chosen(12, 0.5, [0.25, 1.0, 5.9, 99.0]) == [2, 12]


def test_frames_are_a_window_and_a_hop() -> None:
    assert curve.frames_of("512/256") == (512, 256)
    with pytest.raises(RequestError, match="--frames 512 should be WINDOW/HOP"):
        curve.frames_of("512")


def test_the_chart_shows_metrics_that_exist() -> None:
    (wave,) = waves(1)
    worlds = {"audio": Wave(1, 16000), "decoded": Wave(1, 16000)}
    found = evaluate(shelf.make("task", "codec"), [Clip("a", {"audio": wave, "decoded": wave})], [{"decoded": wave}], worlds=worlds)
    assert set(curve.SHOWN) <= set(found.values)


def test_a_run_without_codes_is_no_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    from audioml import coder

    plain = type("Coder", (), {"method": type("M", (), {"name": "vae"})()})()
    monkeypatch.setattr(coder, "load_coder", lambda run: plain)
    with pytest.raises(RequestError, match="some is no codec: its method 'vae' makes no codes"):
        next(curve.codec_points(Path("some"), waves(1)))


def test_table_and_chart_are_written(tmp_path: Path) -> None:
    scores = Scores({"fidelity/mel_distance": Value(3.0, "dB", "low", 4, (2.5, 3.5))}, {})
    curve.write([curve.Point("codec a", 1.0, scores), curve.Point("Opus", 6.0, scores)], tmp_path)
    assert (tmp_path / "codec_curve.csv").read_text().splitlines()[1] == "codec a,1.0000,fidelity/mel_distance,dB,3.0,2.5,3.5,4"
    assert (tmp_path / "codec_curve.png").stat().st_size > 5000


def test_floor_and_ceiling_of_coding() -> None:
    task = shelf.make("task", "codec")
    draft = Draft(task, generic_worlds(task), {}, {}, "smoke")
    plan = draft.plan({"task": "codec", "representation": "stft", "model": "autoencoder", "method": "vq"})
    x = torch.from_numpy(np.stack(waves()))
    batch = {p: Seq(x, torch.full((3,), x.shape[-1])) for p in ("audio", "decoded")}
    ceiling = PREDICTORS[task.ceiling](plan, batch, batch, {})["decoded"].x
    assert torch.allclose(ceiling, x, atol=1e-5)
    floor = PREDICTORS[task.baseline](plan, batch, batch, {})["decoded"].x
    assert torch.equal(floor, PREDICTORS[task.baseline](plan, batch, batch, {})["decoded"].x)
    assert abs(float(torch.nn.functional.cosine_similarity(floor.flatten(), x.flatten(), 0))) < 0.2
    mean = [torch.stft(w[:, 0], 512, window=torch.hann_window(512), return_complex=True).abs().square().mean(-1) for w in (floor, x)]
    assert (10 * (mean[0] / mean[1]).log10()).abs().mean() < 1.5
