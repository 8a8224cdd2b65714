"""Examples of a run: sound in the right files, pictures on one scale, names that are safe."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from audioml.corpus import Clip
from audioml.errors import RunError
from audioml.examples import LONGEST, safe_name, write_examples
from audioml.kinds import Label, Stems, Text, Wave
from audioml.pictures import spectrogram

RATE = 16000


def plan(inp: dict, port: str, world: object) -> SimpleNamespace:
    inputs = {name: SimpleNamespace(world=given) for name, given in inp.items()}
    return SimpleNamespace(inputs=inputs, output=SimpleNamespace(port=port, world=world))


def tone(amplitude: float = 0.5, seconds: float = 0.5, channels: int = 1) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * 1000 * np.arange(int(RATE * seconds)) / RATE)
    return np.tile(wave.astype(np.float32), (channels, 1))


def test_audio_is_written_as_it_is_with_one_picture_per_clip(tmp_path: Path) -> None:
    clips = [Clip(f"clip {index}", {"noisy": tone(0.4), "clean": tone(0.3)}) for index in range(5)]
    shape = plan({"noisy": Wave(1, RATE)}, "clean", Wave(1, RATE))
    manifest = write_examples(tmp_path, shape, clips, [{"clean": tone(0.2)} for _ in clips], limit=3)
    assert json.loads((tmp_path / "examples.json").read_text()) == manifest
    assert [clip["name"] for clip in manifest["clips"]] == ["clip 0", "clip 1", "clip 2"]
    for role, port, amplitude in (("input", "noisy", 0.4), ("output", "clean", 0.2), ("target", "clean", 0.3)):
        got, rate = soundfile.read(tmp_path / f"audio/clip_1.{role}.{port}.wav", dtype="float32")
        assert rate == RATE
        np.testing.assert_allclose(got, tone(amplitude)[0], atol=1 / 32000)
    assert sorted(path.name for path in (tmp_path / "audio").glob("*.png")) == ["clip_0.png", "clip_1.png", "clip_2.png"]


def test_the_picture_shows_a_tone_where_its_scale_says(tmp_path: Path) -> None:
    from PIL import Image

    sound = plan({"noisy": Wave(rate=RATE)}, "clean", Wave(rate=RATE))
    clip = Clip("tone", {"noisy": tone(), "clean": tone()})
    write_examples(tmp_path, sound, [clip], [{"clean": tone(seconds=0.25)}])
    picture = np.asarray(Image.open(tmp_path / "audio" / "tone.png").convert("RGBA"), dtype=int)
    height, width = picture.shape[:2]
    painted = picture[..., 3] == 255
    inside = np.flatnonzero(painted.sum(1) > width / 2)  # rows of the panels
    bright = picture[..., :3].sum(-1) * painted
    for column in (0.2, 0.4, 0.9):  # input, the first half of the output, target
        loudest = inside[bright[inside, int(column * width)].argmax()]
        assert (inside[-1] - loudest) / len(inside) == pytest.approx(1000 / (RATE / 2), abs=0.02)
    assert not painted[inside[len(inside) // 2], int(0.6 * width)]  # the output is half as long, on the same scale


def test_stems_are_one_file_each(tmp_path: Path) -> None:
    names = ("voice", "music & more", "../effects")
    stems = np.stack([tone(0.1 * (index + 1), channels=2) for index in range(3)])
    shape = plan({"mix": Wave(2, RATE)}, "stems", Stems(names, 2, RATE))
    manifest = write_examples(tmp_path, shape, [Clip("a", {"mix": stems.sum(0), "stems": stems})], [{"stems": stems}])
    entries = {(entry["role"], entry["stem"]): entry["file"] for entry in manifest["clips"][0]["files"]}
    assert entries["output", "music & more"] == "audio/a.output.stems.music_more.wav"
    assert entries["target", "../effects"] == "audio/a.target.stems.effects.wav"
    got, _ = soundfile.read(tmp_path / entries["output", "voice"])
    assert got.shape == (RATE // 2, 2)
    assert len(entries) == 1 + 3 + 3


def test_too_loud_is_scaled_not_clipped_and_nan_is_said(tmp_path: Path) -> None:
    shape = plan({"noisy": Wave(1, RATE)}, "clean", Wave(1, RATE))
    bad = tone(0.5)
    bad[0, 5] = np.nan
    clips = [Clip("x", {"noisy": tone(), "clean": tone()}) for _ in range(2)]
    manifest = write_examples(tmp_path, shape, clips, [{"clean": tone(2.0)}, {"clean": bad}])
    loud, broken = ([entry for entry in clip["files"] if entry["role"] == "output"][0] for clip in manifest["clips"])  # noqa: RUF015
    assert loud["gain_db"] == pytest.approx(-6.02, abs=0.01)
    got, _ = soundfile.read(tmp_path / loud["file"])
    np.testing.assert_allclose(got, tone(1.0)[0], atol=1e-3)  # the same wave, only softer
    assert broken["note"] == "NaN or Inf samples were set to 0"
    assert loud["file"] != broken["file"]  # two clips of one name


def test_long_clips_are_cut_and_tiny_ones_kept(tmp_path: Path) -> None:
    shape = plan({"noisy": Wave(1, RATE)}, "clean", Wave(1, RATE))
    clips = [Clip(name, {"noisy": x, "clean": x}) for name, x in (("long", tone(seconds=LONGEST + 3)), ("tiny", tone()[:, :3]))]
    write_examples(tmp_path, shape, clips, [{"clean": clip.ports["clean"]} for clip in clips])
    assert soundfile.info(tmp_path / "audio/long.output.clean.wav").duration == LONGEST
    assert soundfile.info(tmp_path / "audio/tiny.output.clean.wav").frames == 3


def test_text_and_labels_are_a_table(tmp_path: Path) -> None:
    shape = plan({"audio": Wave(1, RATE)}, "text", Text("ab"))
    clips = [Clip("ä/1", {"audio": tone(), "text": 'he said, "no"'}), Clip("2", {"audio": tone(), "text": "b"})]
    write_examples(tmp_path, shape, clips, [{"text": "he sat"}, {"text": ""}])
    with (tmp_path / "text/examples.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["clip", "port", "reference", "hypothesis"], ["ä/1", "text", 'he said, "no"', "he sat"], ["2", "text", "b", ""],
        ]  # fmt: skip
    assert (tmp_path / "audio/a_1.input.audio.wav").exists()

    shape = plan({"audio": Wave(1, RATE)}, "label", Label(("dog", "cat")))
    write_examples(tmp_path / "b", shape, [Clip("1", {"audio": tone(), "label": 0})], [{"label": np.int64(1)}])
    with (tmp_path / "b/text/examples.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["1", "label", "dog", "cat"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "etc_passwd"), ("", "clip"), ("..", "clip"), ("naïve süß", "naive_su"), ("a\0b\n", "a_b"),
     ("x" * 99, "x" * 60)],
)  # fmt: skip
def test_names_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_names_that_differ_only_in_what_a_file_cannot_hold_stay_apart(tmp_path: Path) -> None:
    shape = plan({"audio": Wave(1, RATE)}, "text", Text("ab"))
    clips = [Clip(name, {"audio": tone(), "text": name}) for name in ("a/b", "a b", "A:B")]
    manifest = write_examples(tmp_path, shape, clips, [{"text": ""}] * 3)
    assert len({clip["files"][0]["file"].lower() for clip in manifest["clips"]}) == 3


def test_the_spectrogram_is_calibrated() -> None:
    full = spectrogram(tone(1.0)[0])
    peak = np.unravel_index(full.argmax(), full.shape)[0]
    assert full.max() == pytest.approx(0, abs=0.1)  # a sine at full scale is 0 dB
    assert peak * RATE / 512 == pytest.approx(1000, abs=RATE / 512)
    assert spectrogram(tone(0.1)[0]).max() == pytest.approx(-20, abs=0.1)
    assert spectrogram(np.zeros(1000, np.float32)).max() == -80


def test_audio_without_a_rate_is_refused(tmp_path: Path) -> None:
    shape = plan({"noisy": Wave(1, None)}, "clean", Wave(1, RATE))
    with pytest.raises(RunError, match="cannot write example audio of port 'noisy': its rate is not known"):
        write_examples(tmp_path, shape, [Clip("a", {"noisy": tone(), "clean": tone()})], [{"clean": tone()}])
