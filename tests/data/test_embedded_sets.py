"""The embedded sets are what they claim to be: levels, splits, phonemes."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioml.data import making
from audioml.data.making import sentences, speech


def rows(folder: Path, table: str = "metadata.csv") -> list[dict[str, str]]:
    with (folder / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pcm(path: Path) -> np.ndarray:
    x, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000
    assert x.ndim == 1
    return x


def test_the_bar_knows_its_length(embedded_sets: Path) -> None:
    for name in making.SETS:
        assert len(rows(embedded_sets / name)) == making.count(name, "smoke")
    assert set(making.MAKERS) == set(making.WEIGHTS) == set(making.SETS)
    assert making.total("full") > 5 * making.total("smoke")


def test_levels(embedded_sets: Path) -> None:
    for name in making.SETS:
        for row in rows(embedded_sets / name):
            x = pcm(embedded_sets / name / row["file_name"]) / 32768
            loud = 20 * np.log10(np.sqrt(np.mean(x**2)))
            where = f"{name}/{row['file_name']} {loud:.1f} dB"
            assert 0.05 < np.abs(x).max() <= 0.91, where
            assert -40 < loud < -12, where
            assert abs(x.mean()) < 2e-3, where
            assert max(abs(x[0]), abs(x[-1])) < 0.01, f"{where} starts or ends with a click"


def test_every_set_says_what_it_is(embedded_sets: Path) -> None:
    for name in ("speech", "words"):
        text = (embedded_sets / name / "README.md").read_text()
        assert "This speech is synthetic" in text
        assert "espeak-ng" in text
        assert "GPLv3" in text
    assert "synthetic recordings" in (embedded_sets / "chorales" / "README.md").read_text()


def test_splits_share_no_voice_sentence_song_or_clip(embedded_sets: Path) -> None:
    keys = {"speech": ("speaker", "transcript"), "words": ("speaker",), "chorales": ("song",), "noise": (), "effects": ()}
    for name, columns in keys.items():
        found = defaultdict(lambda: defaultdict(set))
        for row in rows(embedded_sets / name):
            content = hashlib.sha256(pcm(embedded_sets / name / row["file_name"]).tobytes()).hexdigest()
            found["clip"][content].add(row["split"])
            for column in columns:
                found[column][row[column]].add(row["split"])
        for column, values in found.items():
            shared = {value for value, splits in values.items() if len(splits) > 1}
            assert not shared, (name, column, shared)
        assert {row["split"] for row in rows(embedded_sets / name)} == set(making.SPLITS)


def test_voices_share_no_timbre_between_splits() -> None:
    timbres = {split: {voice.espeak.partition("+")[2] for voice in voices} for split, voices in speech.VOICES.items()}
    assert sum(map(len, timbres.values())) == len(set().union(*timbres.values())) == 22
    assert all("" not in names for names in timbres.values())


def test_sentences_are_disjoint_and_within_the_alphabet() -> None:
    size = making.SCALES["full"]
    made = {s: sentences.sentences(s, v * n) for s, v, n in zip(making.SPLITS, size.voices, size.sentences, strict=True)}
    everything = [text for texts in made.values() for text in texts]
    assert len(everything) == len(set(everything))
    assert set("".join(everything)) == set(sentences.alphabet())
    assert not any(f" a {vowel}" in text for text in everything for vowel in "aeiou")


def test_noise_kinds_of_the_test_split_alone(embedded_sets: Path) -> None:
    for name, alone in (("noise", {"helicopter", "keyboard"}), ("effects", {"phone", "glass"})):
        kinds = defaultdict(set)
        for row in rows(embedded_sets / name):
            kinds[row["split"]].add(row["category"])
        assert kinds["train"] == kinds["valid"] == kinds["test"] - alone
        assert alone < kinds["test"]


def test_phonemes_lie_in_their_clip_in_order_where_the_sound_is(embedded_sets: Path) -> None:
    inside, outside = [], []
    for row in rows(embedded_sets / "speech"):
        x = pcm(embedded_sets / "speech" / row["file_name"]) / 32768
        spans = [(float(r["start"]), float(r["end"])) for r in rows(embedded_sets / "speech", row["phonemes"])]
        assert len(spans) > 0.4 * len(row["transcript"].replace(" ", ""))
        flat = [t for span in spans for t in span]
        assert flat[0] >= 0
        assert flat == sorted(flat)
        assert flat[-1] <= len(x) / 16000
        covered = np.zeros(len(x), bool)
        for start, end in spans:
            covered[int(start * 16000) : int(end * 16000)] = True
        inside.append(np.sum(x[covered] ** 2))
        outside.append(np.sum(x[~covered] ** 2))
    assert sum(outside) < 0.02 * sum(inside)


def test_espeak_refuses_a_voice_it_lacks() -> None:
    with pytest.raises(OSError, match="espeak-ng has no voice xx-nowhere"):
        speech.Espeak().say("xx-nowhere", 50, 160, "hello", 1)
