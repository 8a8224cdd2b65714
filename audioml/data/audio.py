"""Reading one recording with soundfile: any format, any rate, to int16 samples and a scale.

Never torchaudio.load, never torchcodec: both need FFmpeg or a CUDA wheel.
"""

from __future__ import annotations

import os
import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf
import soxr

FULL = np.float32(1 / 32768)
_UNKNOWN = 1 << 40  # libsndfile's frame count of a stream whose header does not say


class BadAudioError(Exception):
    """A recording that cannot be used; its text is the reason, as reports show it."""


def decode(source: Path | BytesIO, rate: int, channels: int) -> tuple[np.ndarray, float]:
    """Samples [T, channels] int16 at `rate` Hz, and the scale that turns them into floats.

    Channels: more than asked for are averaged into one when one is asked for; a mono file is repeated where two are.
    16-bit files at `rate` come back bit for bit (scale 1/32768); anything louder than full scale gets a larger scale
    and is not clipped.  Raises BadAudioError for what is missing, empty, truncated, corrupt, NaN or of a wrong channel count.
    """
    try:
        with _opened(source) as file:
            exact = file.subtype == "PCM_16" and file.samplerate == rate and file.channels == channels
            x = _all(file, "int16" if exact else "float32")
            found, stated = file.samplerate, file.frames
            form = file.format
    except sf.LibsndfileError as error:
        raise BadAudioError(f"corrupt or truncated ({str(error.error_string).strip().rstrip('.')})") from error
    if stated < _UNKNOWN and len(x) < stated:
        raise BadAudioError(f"truncated: {len(x)} of {stated} frames")
    _complete(source, form)
    if len(x) == 0:
        raise BadAudioError("no samples")
    if exact:
        return x, float(FULL)
    if not np.isfinite(x).all():
        raise BadAudioError("NaN or Inf samples")
    x = resample(to_channels(x, channels), found, rate)
    if len(x) == 0:
        raise BadAudioError(f"too short for {rate} Hz")
    return quantise(x)


def to_channels(x: np.ndarray, channels: int) -> np.ndarray:
    """[T, any] -> [T, channels]: the mean where one is asked for, copies where the file is mono; else BadAudioError."""
    if x.shape[1] == channels:
        return x
    if channels == 1:
        return x.mean(axis=1, keepdims=True)
    if x.shape[1] == 1:
        return np.repeat(x, channels, axis=1)
    raise BadAudioError(f"{x.shape[1]} channels where {channels} are asked for")


def resample(x: np.ndarray, found: int, rate: int) -> np.ndarray:
    """[T, C] at `found` Hz -> `rate` Hz (soxr, HQ)."""
    return x if found == rate else soxr.resample(x, found, rate, quality="HQ")


def quantise(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Floats [T, C] -> int16 and scale; the scale is 1/32768 unless the peak is above full scale."""
    peak = float(np.abs(x).max())
    scale = float(FULL) if peak <= 1 else peak / 32767
    return np.clip(np.rint(x * (1 / scale)), -32768, 32767).astype(np.int16), scale


def _opened(source: Path | BytesIO) -> sf.SoundFile:
    if isinstance(source, BytesIO):
        if not source.getbuffer().nbytes:
            raise BadAudioError("empty file")
        source.seek(0)
        return sf.SoundFile(source)
    if not source.is_file():
        raise BadAudioError("missing file")
    if not source.stat().st_size:
        raise BadAudioError("empty file")
    return sf.SoundFile(os.fspath(source))


def _all(file: sf.SoundFile, dtype: str) -> np.ndarray:
    if file.frames < _UNKNOWN:
        return file.read(dtype=dtype, always_2d=True)
    blocks = list(file.blocks(1 << 16, dtype=dtype, always_2d=True))
    return np.concatenate(blocks) if blocks else np.zeros((0, file.channels), dtype)


def _complete(source: Path | BytesIO, form: str) -> None:
    """libsndfile quietly shortens a cut WAV or Ogg: compare with what the container itself says."""
    check = _CONTAINERS.get(form)
    if check is None:
        return
    if isinstance(source, BytesIO):
        check(source, source.getbuffer().nbytes)
        return
    with open(source, "rb") as raw:
        check(raw, source.stat().st_size)


def _chunked(raw: BinaryIO, size: int, wanted: bytes, layout: str) -> None:
    at = 12
    while at + 8 <= size:
        raw.seek(at)
        name, length = struct.unpack(layout, raw.read(8))
        if name == wanted:
            if length < 0xFFFFFFF0 and at + 8 + length > size:  # the largest values mean "unknown" (a pipe wrote it)
                raise BadAudioError(f"truncated: {size - at - 8} of {length} bytes")
            return
        at += 8 + length + (length & 1)


def _riff(raw: BinaryIO, size: int) -> None:
    _chunked(raw, size, b"data", "<4sI")


def _form(raw: BinaryIO, size: int) -> None:
    _chunked(raw, size, b"SSND", ">4sI")


def _ogg(raw: BinaryIO, size: int) -> None:
    raw.seek(max(0, size - (1 << 16)))
    tail = raw.read()
    last = tail.rfind(b"OggS")
    if last < 0 or len(tail) < last + 6 or not tail[last + 5] & 4:
        raise BadAudioError("truncated: the stream has no last page")


_CONTAINERS = {"WAV": _riff, "WAVEX": _riff, "AIFF": _form, "OGG": _ogg}
