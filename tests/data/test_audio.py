"""Reading recordings: bit for bit where that is possible, and every way a file can be bad."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from audioml.data.audio import BadAudioError, decode
from tests.data.sound_folders import RATE, noise, write


def test_sixteen_bits_come_back_bit_for_bit(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(-32768, 32768, (1000, 1), dtype=np.int16)
    for name in ("a.wav", "b.flac"):
        read, scale = decode(write(tmp_path / name, x, subtype="PCM_16"), RATE, 1)
        assert scale == np.float32(1 / 32768)
        np.testing.assert_array_equal(read, x)


def test_stereo_becomes_the_mean_and_mono_is_repeated(tmp_path: Path) -> None:
    x = noise(0, 0.1, channels=2)
    read, scale = decode(write(tmp_path / "s.wav", x, subtype="FLOAT"), RATE, 1)
    np.testing.assert_allclose(read * scale, x.mean(1, keepdims=True), atol=1 / 32768)
    read, _ = decode(write(tmp_path / "m.wav", x[:, :1]), RATE, 2)
    assert read.shape == (1600, 2)
    np.testing.assert_array_equal(read[:, 0], read[:, 1])
    with pytest.raises(BadAudioError, match="2 channels where 3 are asked for"):
        decode(tmp_path / "s.wav", RATE, 3)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_any_rate_keeps_pitch_and_length(tmp_path: Path, rate: int) -> None:
    x = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    read, scale = decode(write(tmp_path / "tone.flac", x, rate), RATE, 1)
    assert abs(len(read) - RATE) <= 1
    want = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose((read[:, 0] * scale)[500:-500], want[500 : len(read) - 500], atol=2e-3)


def test_louder_than_full_scale_is_not_clipped(tmp_path: Path) -> None:
    x = 3 * noise(1, 0.1) / 0.3
    read, scale = decode(write(tmp_path / "loud.wav", x, subtype="FLOAT"), RATE, 1)
    np.testing.assert_allclose(read * scale, x, atol=2e-4)


def test_three_samples(tmp_path: Path) -> None:
    assert len(decode(write(tmp_path / "a.wav", noise(0, 1)[:3]), RATE, 1)[0]) == 3
    assert 3 <= len(decode(write(tmp_path / "b.wav", noise(0, 1)[:3], 8000), RATE, 1)[0]) <= 6


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_a_number(tmp_path: Path, value: float) -> None:
    x = noise(0, 0.1)
    x[77] = value
    with pytest.raises(BadAudioError, match="NaN or Inf samples"):
        decode(write(tmp_path / "n.wav", x, subtype="FLOAT"), RATE, 1)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("share", [0.35, 0.8])
def test_truncated(tmp_path: Path, ending: str, share: float) -> None:
    path = write(tmp_path / f"whole.{ending}", noise(0, 2.0))
    decode(path, RATE, 1)
    data = path.read_bytes()
    (tmp_path / f"cut.{ending}").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadAudioError, match=r"truncated|corrupt"):
        decode(tmp_path / f"cut.{ending}", RATE, 1)
    with pytest.raises(BadAudioError, match=r"truncated|corrupt"):
        decode(BytesIO(data[: int(len(data) * share)]), RATE, 1)


def test_missing_empty_and_garbage(tmp_path: Path) -> None:
    (tmp_path / "zero.wav").touch()
    (tmp_path / "text.wav").write_text("this is no audio" * 20)
    write(tmp_path / "none.wav", np.zeros((0, 1)))
    write(tmp_path / "short.wav", noise(0, 1)[:1], 96000)
    for name, reason in (
        ("gone.wav", "missing file"),
        ("zero.wav", "empty file"),
        ("text.wav", "corrupt or truncated"),
        ("none.wav", "no samples"),
        ("short.wav", "too short for 16000 Hz"),
    ):
        with pytest.raises(BadAudioError, match=reason):
            decode(tmp_path / name, RATE, 1)
    with pytest.raises(BadAudioError, match="empty file"):
        decode(BytesIO(), RATE, 1)


def test_a_wav_from_a_pipe_has_no_length_and_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "pipe.wav", noise(0, 0.1))
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    assert len(decode(path, RATE, 1)[0]) == 1600


def test_bytes_read_like_files(tmp_path: Path) -> None:
    path = write(tmp_path / "x.flac", noise(0, 0.1))
    np.testing.assert_array_equal(decode(BytesIO(path.read_bytes()), RATE, 1)[0], decode(path, RATE, 1)[0])
    assert sf.info(path).frames == 1600
