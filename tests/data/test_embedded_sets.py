"""The embedded sets are what they claim to be: levels, splits, phonemes."""

from __future__ import annotations

import csv
import hashlib
import itertools
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


HEARD = [name for name in making.SETS if name != "scores"]


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
    for name in HEARD:
        for row in rows(embedded_sets / name):
            x = pcm(embedded_sets / name / row["file_name"]) / 32768
            loud = 20 * np.log10(np.sqrt(np.mean(x**2)))
            where = f"{name}/{row['file_name']} {loud:.1f} dB"
            assert 0.05 < np.abs(x).max() <= 0.91, where
            assert -40 < loud < -12, where
            assert abs(x.mean()) < 2e-3, where
            assert max(abs(x[0]), abs(x[-1])) < 0.01, f"{where} starts or ends with a click"


def test_every_set_says_what_it_is(embedded_sets: Path) -> None:
    for name in ("speech", "words", "reader"):
        text = (embedded_sets / name / "README.md").read_text()
        assert "This speech is synthetic" in text
        assert "espeak-ng" in text
        assert "GPLv3" in text
    for name in ("chorales", "lines", "styles", "patterns"):
        assert "synthetic recordings" in (embedded_sets / name / "README.md").read_text()
    for name in making.SETS:
        text = (embedded_sets / name / "README.md").read_text()
        assert all(f"`{column}`" in text or "_file_name" in column for column in rows(embedded_sets / name)[0]), name


def test_splits_share_no_voice_sentence_song_or_clip(embedded_sets: Path) -> None:
    keys = {
        "speech": ("speaker", "transcript"), "reader": ("transcript",), "words": ("speaker",), "chorales": ("song",), "noise": (),
        "effects": (), "sounds": (), "scenes": (), "lines": ("song",), "styles": ("song",), "patterns": ("song",),
    }  # fmt: skip
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
    for name, row in ((one, row) for one in ("speech", "reader") for row in rows(embedded_sets / one)):
        x = pcm(embedded_sets / name / row["file_name"]) / 32768
        said = rows(embedded_sets / name, row["phonemes"])
        assert {r["phoneme"] for r in said} <= set(speech.PHONES) - {"?"}
        spans = [(float(r["start"]), float(r["end"])) for r in said]
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


@pytest.mark.parametrize(
    ("raw", "bare"),
    [("'aI3", "aI"), ("'0", "0"), ("3:", "3"), ("t#", "t"), ("r-", "r"), ("@2", "@"), (";", ""), ('":', ""), ("'i@3", "i@"), ("xx", "?")],
)
def test_phonemes_lose_their_marks(raw: str, bare: str) -> None:
    assert speech.plain(raw) == bare


def test_captions_and_tags_tell_the_kinds(embedded_sets: Path) -> None:
    from audioml.data.making import nouns, scenes

    for row in rows(embedded_sets / "scenes"):
        kinds = row["tags"].split("|")
        assert 1 <= len(kinds) <= 3
        places = [row["caption"].index(nouns.noun(kind)) for kind in kinds]
        assert places == sorted(places)
        assert set(row["caption"]) <= set(scenes.alphabet())
    for row in rows(embedded_sets / "sounds"):
        assert nouns.NOUNS[row["category"]][1] in row["caption"]
    assert nouns.noun("alarm", "short", "bright") == "a short bright alarm"
    assert nouns.noun("claps", "long") == "long claps"


def test_the_pitch_of_a_line_is_that_of_its_notes(embedded_sets: Path) -> None:
    """The strongest period of every note lies within a quarter tone of what is stated."""
    off = []
    for row in rows(embedded_sets / "lines"):
        x = pcm(embedded_sets / "lines" / row["file_name"]) / 32768
        notes = rows(embedded_sets / "lines", row["notes"])
        assert len(notes) >= 4
        for note in notes:
            begin, end, hertz = float(note["onset"]), float(note["offset"]), 440 * 2 ** ((int(note["pitch"]) - 69) / 12)
            part = x[int((begin + 0.35 * (end - begin)) * 16000) :][:2048] * np.hanning(2048)
            power = np.abs(np.fft.rfft(part, 1 << 17)) ** 2
            cents = np.arange(-80, 81)
            combs = [hertz * 2 ** (c / 1200) * np.arange(1, 7) for c in cents]
            comb = [power[np.round(f[f < 7900] / 16000 * (1 << 17)).astype(int)].sum() for f in combs]
            off.append(abs(int(cents[int(np.argmax(comb))])))
    assert np.median(off) < 15
    assert np.mean(np.asarray(off) < 50) > 0.95


def test_patterns_have_hits_on_their_beats(embedded_sets: Path) -> None:
    for row in rows(embedded_sets / "patterns"):
        beats = rows(embedded_sets / "patterns", row["beats"])
        time = np.asarray([float(b["time"]) for b in beats])
        np.testing.assert_allclose(np.diff(time), 60 / float(row["tempo"]), atol=0.02)
        places = [int(b["beat"]) for b in beats]
        assert all(b == a % int(row["metre"][0]) + 1 for a, b in itertools.pairwise(places))
        onsets = np.asarray([float(o["time"]) for o in rows(embedded_sets / "patterns", row["onsets"])])
        first = time[[place == 1 for place in places]]
        assert (np.abs(onsets[:, None] - first[None]).min(0) < 0.05).all()


def test_scores_lie_on_their_grid(embedded_sets: Path) -> None:
    melodies = defaultdict(set)
    for row in rows(embedded_sets / "scores"):
        notes = rows(embedded_sets / "scores", row["notes"])
        times = np.asarray([float(n[c]) for n in notes for c in ("onset", "offset")]) / 0.15
        np.testing.assert_allclose(times, np.round(times), atol=1e-6)
        assert {n["voice"] for n in notes} == {"soprano", "alto", "tenor", "bass"}
        sung = [int(n["pitch"]) for n in notes if n["voice"] == "soprano"][:9]
        melodies[tuple(np.diff(sung))].add(row["split"])
    assert all(len(splits) == 1 for splits in melodies.values())
