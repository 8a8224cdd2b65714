"""What the dashboard lets one hear and read: from a run's folder alone, decoded anew, equally loud."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audioml.dashboard.clips import inside, listen
from audioml.table import build_table
from audioml.table.collect import find_runs
from tests.sample_runs import asr, bare, enhancement
from tests.test_dashboard import data, site


def test_only_files_inside_a_runs_folder_are_used(tmp_path: Path) -> None:
    run, secret = tmp_path / "run", tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    run.mkdir()
    (run / "link.wav").symlink_to(secret)
    (run / "own.wav").write_bytes(b"x")
    assert inside(run, "own.wav") == (run / "own.wav").resolve()
    for place in ("../secret.wav", str(secret), "link.wav", "none.wav", "", None, 3, "a\0b", ".", "x" * 5000):
        assert inside(run, place) is None


def test_garbled_examples_are_counted_and_the_page_goes_on(tmp_path: Path) -> None:
    folder = bare(tmp_path, "a")
    files = [{"role": "output", "port": "clean", "file": name} for name in ("../../x.wav", "noise.wav", 5)]
    (folder / "noise.wav").write_bytes(b"RIFF and then nothing of the kind")
    (folder / "examples.json").write_text(json.dumps({"clips": [{"name": "c", "files": [*files, 3], "texts": 7}, 7]}))
    page = site(tmp_path)
    found = data(page, "data/clips-s1")
    assert found["broken"] == 2
    (sound,) = found["clips"][0]["takes"][0]["sounds"]
    assert "cannot be played" in data(page, f"media/{sound['media']}")["problem"]
    (folder / "examples.json").write_text("[" * 99999)
    assert data(site(tmp_path), "data/clips-s1")["clips"] == []


def test_clips_of_one_name_with_other_inputs_are_other_clips(tmp_path: Path) -> None:
    a, b = enhancement(tmp_path, "unet", 5.0), enhancement(tmp_path, "rnn", 4.0)
    (section,) = build_table(find_runs([tmp_path])).sections
    assert [len(clip["takes"]) for clip in listen(section.rows).clips] == [4, 4]  # input, target, two runs
    sound = "audio/talker_220.input.noisy.wav"
    (b / sound).write_bytes((a / "audio/talker_330.input.noisy.wav").read_bytes())
    clips = listen(section.rows).clips
    assert sorted((clip["name"], len(clip["takes"])) for clip in clips) == [("talker 220", 3), ("talker 220", 3), ("talker 330", 4)]


def test_texts_show_which_words_are_wrong(tmp_path: Path) -> None:
    asr(tmp_path, "rnn", "the quick brawn fox", 0.4)
    (clip,) = data(site(tmp_path), "data/clips-s1")["clips"]
    takes = {take["title"]: take.get("words") for take in clip["takes"]}
    assert takes["rnn"] == [["the", True], ["quick", True], ["brawn", False], ["fox", True]]
    assert takes["input"] is None


@pytest.mark.parametrize(("level", "rate"), [(0.05, 16000), (0.4, 44100)])
def test_loudness_is_that_of_bs1770_and_gains_meet(tmp_path: Path, level: float, rate: int) -> None:
    import base64
    import io

    import soundfile

    from audioml.dashboard.sound import TARGET, encode, loudness

    t = np.arange(2 * rate) / rate
    tone = (level * np.sin(2 * np.pi * 997 * t)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", tone, rate)
    made = encode(tmp_path / "a.wav")
    # BS.1770's own calibration: 997 Hz at full scale in one channel is -3.01 LUFS
    assert made["lufs"] == pytest.approx(-3.01 + 20 * np.log10(level), abs=0.1)
    back, _ = soundfile.read(io.BytesIO(base64.b64decode(made["data"])), always_2d=True)
    assert np.abs(back[:, 0] - tone).max() < 1e-4
    assert loudness(back * 10 ** (made["gain"] / 20), rate) == pytest.approx(TARGET, abs=0.02)
    assert made["short"] == 0


def test_a_gain_never_clips_and_silence_stays_silent() -> None:
    from audioml.dashboard.sound import TARGET, loudness, matching_gain

    assert matching_gain(float("-inf"), 0.0) == (0.0, 0.0)
    gain, short = matching_gain(-50.0, 0.5)  # quiet but for one click
    assert 0.5 * 10 ** (gain / 20) <= 1
    assert gain + short == pytest.approx(TARGET + 50)
    rng = np.random.default_rng(0)
    short_noise = rng.normal(0, 0.1, (1600, 1))
    long_noise = rng.normal(0, 0.1, (32000, 1))
    assert loudness(short_noise, 16000) == pytest.approx(loudness(long_noise, 16000), abs=0.7)
    assert loudness(np.zeros((16000, 1)), 16000) == -np.inf
    assert np.isfinite(loudness(rng.normal(0, 0.1, (16000, 7)), 16000))
