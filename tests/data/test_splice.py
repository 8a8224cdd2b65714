"""Strings of clips of one speaker: what is heard is what is said, every clip once, speakers apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audioml.errors import RequestError
from audioml.kinds import Text
from tests.data.sound_folders import CLASSIFY, RATE, RECOGNISE, corpus, metadata, real_set, write

WORDS = ("one", "two", "three")


def spoken(folder: Path, speakers: int = 6, takes: int = 4) -> Path:
    """Word w of speaker s is a constant of height 0.1 (w + 1), its length says who speaks."""
    rows = []
    for s in range(speakers):
        for w, word in enumerate(WORDS):
            for take in range(takes):
                name = f"{s}/{word}_{take}.wav"
                write(folder / name, np.full((400 + 40 * s, 1), 0.1 * (w + 1), np.float32))
                split = ("train", "valid", "test")[max(0, s - speakers + 3)]
                rows.append({"file_name": name, "speaker": f"s{s}", "transcript": word, "split": split})
    return metadata(folder, rows)


def made(path: Path, **settings: Any) -> Any:
    return corpus("folder", **{"path": str(path), "cache": str(path.parent / "c"), "splice": [2, 4], **settings})


def heard(wave: np.ndarray) -> tuple[str, list[int], list[float]]:
    """(words, length of each clip, seconds of each gap) of a string."""
    level = np.where(np.abs(wave) > 0.05, np.round(wave * 10), 0).astype(int)
    edges = np.flatnonzero(np.diff((level != 0).astype(int), prepend=0, append=0))
    runs = edges.reshape(-1, 2)
    gaps = (runs[1:, 0] - runs[:-1, 1]) / RATE
    return " ".join(WORDS[level[a] - 1] for a, _ in runs), [int(b - a) for a, b in runs], gaps.tolist()


def test_what_is_heard_is_what_is_said(tmp_path: Path) -> None:
    data = made(spoken(tmp_path / "set"))
    assert data.provides(RECOGNISE)["text"] == Text(" ehnortw")
    prepared, counts, levels = data.prepare(RECOGNISE), set(), []
    for step in range(6):
        batch = prepared.train_batch(step, 8, 0.1, 0)
        for wave, n, text in zip(batch["audio"][0][:, 0], batch["audio"][1], batch["text"][0], strict=True):
            words, lengths, gaps = heard(wave[:n])
            assert words == text
            assert len(set(lengths)) == 1  # one speaker
            assert all(0.099 < gap < 0.301 for gap in gaps)
            assert not wave[n:].any()
            counts.add(len(lengths))
            levels.append(np.abs(wave[:n])[np.abs(wave[:n]) < 0.05].max())
        assert batch["text"][1].tolist() == [len(text) for text in batch["text"][0]]
    assert counts == {2, 3, 4}
    assert 1e-4 < min(levels) < max(levels) < 0.02


def test_strings_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    one, two = made(spoken(tmp_path / "set"), speed=0.1).prepare(RECOGNISE), made(tmp_path / "set", speed=0.1).prepare(RECOGNISE)
    two.train_batch(5, 4, None, 0)
    a, b = one.train_batch(2, 4, None, 0), two.train_batch(2, 4, None, 0)
    np.testing.assert_array_equal(a["audio"][0], b["audio"][0])
    assert a["text"][0] == b["text"][0] != one.train_batch(3, 4, None, 0)["text"][0]
    assert one.fingerprint == two.fingerprint != made(tmp_path / "set", splice=None, speed=0.1).prepare(RECOGNISE).fingerprint


def test_a_string_has_one_level_and_the_noise_its_own(tmp_path: Path) -> None:
    varied = made(spoken(tmp_path / "set"), gain_db=12.0).prepare(RECOGNISE)
    x, n = varied.train_batch(1, 16, None, 0)["audio"]
    gains = []
    for wave, count, text in zip(x[:, 0], n, varied.train_batch(1, 16, None, 0)["text"][0], strict=True):
        loud = np.abs(wave[:count])
        loud = loud[loud > 0.4 * loud.max() / len(WORDS)]  # the words, whose heights are 1 to 3
        heights = sorted({0.1 * (WORDS.index(w) + 1) for w in text.split()})
        found = np.unique(np.round(loud, 3))
        gains.append(float(found.max() / max(heights)))
        assert len(found) == len(heights), "one gain for all words of a string"
        np.testing.assert_allclose(found / np.asarray(heights), gains[-1], rtol=0.05)
    assert 0.24 < min(gains) < 0.7 < 1.4 < max(gains) < 4.0
    assert np.abs(varied.clip("test", 0).ports["audio"]).max() <= 0.31, "no gain in evaluation"


def test_every_clip_is_in_one_fixed_string(tmp_path: Path) -> None:
    prepared = made(spoken(tmp_path / "set"), splice=[2, 5]).prepare(RECOGNISE)
    for split in ("valid", "test"):
        clips = [prepared.clip(split, i) for i in range(prepared.size(split))]
        words = [word for clip in clips for word in clip.ports["text"].split()]
        assert sorted(words) == sorted(4 * WORDS)
        for clip in clips:
            assert heard(clip.ports["audio"][0])[0] == clip.ports["text"]
            assert 2 <= len(clip.ports["text"].split()) <= 5
        again = made(tmp_path / "set", splice=[2, 5]).prepare(RECOGNISE).clip(split, 0)
        np.testing.assert_array_equal(again.ports["audio"], clips[0].ports["audio"])
    assert prepared.report["strings"]["test"] == prepared.size("test")


def test_what_cannot_be_spliced(tmp_path: Path) -> None:
    path = spoken(tmp_path / "set")
    with pytest.raises(RequestError, match=r"data\.splice joins clips and their texts: it serves tasks between one Wave and one Text"):
        made(path, columns={"label": "transcript"}).provides(CLASSIFY)
    with pytest.raises(RequestError, match=r"data\.splice=\[3, 2\] should be null or \[fewest, most\] clips of a string"):
        made(path, splice=[3, 2])
    rows = [{"file_name": "0/one_0.wav", "transcript": "one", "split": s} for s in ("train", "valid", "test")]
    metadata(path, rows)
    with pytest.raises(RequestError, match=r"data\.splice joins clips of one speaker, and .* has no column 'speaker'"):
        made(path).provides(RECOGNISE)


def test_real_digits_with_speakers_left_out(real_cache: str) -> None:
    folds = {"fold_column": "speaker", "test_fold": ["theo", "lucas"], "valid_fold": "george"}
    prepared = made(real_set("fsdd"), cache=real_cache, rate=8000, splice=[3, 7], **folds).prepare(RECOGNISE)
    assert prepared.report["rows"] == {"train": 1000, "valid": 500, "test": 1000}
    names = {split: {prepared.clip(split, i).name.split("_")[1] for i in range(0, prepared.size(split), 5)} for split in ("valid", "test")}
    assert names == {"valid": {"george"}, "test": {"theo", "lucas"}}
    assert prepared.report["splits"] == "test is speaker=theo or lucas"
