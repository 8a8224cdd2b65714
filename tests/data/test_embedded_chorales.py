"""The rendered chorales: exact sums, true pitches, beats, and a reader checked against music21's."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioml.data import making
from audioml.data.making import chorales


def rows(folder: Path, table: str = "metadata.csv") -> list[dict[str, str]]:
    with (folder / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pcm(path: Path) -> np.ndarray:
    x, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    assert x.ndim == 1
    return x


def test_the_mix_is_the_exact_sum_of_the_stems(embedded_sets: Path) -> None:
    for row in rows(embedded_sets / "chorales"):
        stems = [pcm(embedded_sets / "chorales" / row[f"{stem}_file_name"]).astype(int) for stem in chorales.STEMS]
        assert np.array_equal(np.sum(stems, axis=0), pcm(embedded_sets / "chorales" / row["file_name"]))


def cents_off(x: np.ndarray, pitch: int) -> float:
    """How far the strongest period of x [T] near that of a MIDI pitch is from it, in cents (autocorrelation)."""
    expected = 440 * 2 ** ((pitch - 69) / 12)
    spectrum = np.fft.rfft(x * np.hanning(len(x)), 1 << 16)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    low, high = int(16000 / (expected * 1.35)), int(np.ceil(16000 * 1.35 / expected))
    at = low + int(correlation[low:high].argmax())
    before, top, after = correlation[at - 1 : at + 2]
    period = at + 0.5 * (before - after) / (before - 2 * top + after)
    return float(1200 * np.log2(16000 / period / expected))


def test_notes_sound_at_their_pitch(embedded_sets: Path) -> None:
    errors = []
    for row in rows(embedded_sets / "chorales"):
        stems = {stem: pcm(embedded_sets / "chorales" / row[f"{stem}_file_name"]).astype(float) for stem in chorales.STEMS}
        for note in rows(embedded_sets / "chorales", row["notes"]):
            start, end = float(note["onset"]), float(note["offset"])
            assert 0 <= start < end <= len(stems[note["stem"]]) / 16000
            if end - start > 0.3:
                middle = stems[note["stem"]][int((start + 0.1) * 16000) : int((end - 0.03) * 16000)]
                errors.append(abs(cents_off(middle, int(note["pitch"]))))
    assert len(errors) > 50
    assert np.median(errors) < 15
    assert np.max(errors) < 50


def test_every_instrument_is_in_tune_over_its_range() -> None:
    """symusic's player is not, for many programs: this is why these were chosen."""
    for instruments in chorales.INSTRUMENTS.values():
        for name, (program, low, high) in instruments.items():
            for pitch in range(low, high + 1):
                x = chorales.render([(0.0, 0.8, pitch, 90)], program, 0.8)[3200:]
                assert np.sqrt(np.mean(x**2)) > 0.05, (name, pitch)
                assert abs(cents_off(x, pitch)) < 30, (name, pitch)


def test_beats_and_notes_agree(embedded_sets: Path) -> None:
    for row in rows(embedded_sets / "chorales"):
        beats = rows(embedded_sets / "chorales", row["beats"])
        times = np.array([float(b["time"]) for b in beats])
        count = int(row["metre"].split("/")[0])
        numbers = [int(b["beat"]) for b in beats]
        assert numbers == [(numbers[0] - 1 + i) % count + 1 for i in range(len(numbers))]
        assert np.ptp(np.diff(times)) < 1e-3
        quarters = np.arange(4 * len(times)) / 4  # sixteenths, the last beat's too
        grid = np.interp(quarters, np.arange(len(times)), times) + np.maximum(quarters - len(times) + 1, 0) * np.diff(times)[0]
        onsets = np.array([float(n["onset"]) for n in rows(embedded_sets / "chorales", row["notes"])])
        near = np.abs(onsets[:, None] - grid).min(1) < 0.016
        assert near.mean() > 0.95, row["song"]


@pytest.mark.parametrize("index", [0, 3])
def test_our_reader_reads_what_music21_reads(index: int) -> None:
    from music21 import converter

    song = chorales.choose(4)[index]
    path = next(p for p in chorales.corpus() if p.stem == song.name)
    score = converter.parse(path).stripTies()
    reference = sorted(
        (part, float(note.offset), float(note.offset + note.quarterLength), note.pitch.midi)
        for part, voice in zip(chorales.STEMS, score.parts, strict=True)
        for note in voice.flatten().notes
    )
    ours = sorted((stem, float(onset), float(offset), pitch) for stem, onset, offset, pitch in song.notes)
    assert ours == reference


def test_too_small_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chorales, "corpus", list)
    with pytest.raises(RuntimeError, match="music21's corpus holds 0 usable chorales, 3 are needed"):
        chorales.choose(3)


def test_melodies_of_the_full_set_are_all_different() -> None:
    songs = chorales.choose(sum(making.SCALES["full"].chorales))
    assert len({song.melody for song in songs}) == len(songs) == 64
