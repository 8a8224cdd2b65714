"""data=folder end to end: what a batch and a clip hold, what is left out, what is said when it cannot work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml.errors import RequestError, RunError
from audioml.kinds import Label, Stems, Text, Wave
from tests.data.sound_folders import (
    CLASSIFY,
    ENHANCE,
    RATE,
    RECOGNISE,
    SEPARATE,
    classes,
    corpus,
    metadata,
    noise,
    pairs,
    song_folder,
    write,
)  # fmt: skip


def folder(path: Path, **settings: object) -> object:
    return corpus("folder", path=str(path), cache=str(path.parent / "cache"), **settings)


def test_classification(tmp_path: Path) -> None:
    data = folder(classes(tmp_path / "set", category=["cat", "dog"] * 6))
    assert data.provides(CLASSIFY) == {"audio": Wave(1, RATE), "label": Label(("cat", "dog"))}
    prepared = data.prepare(CLASSIFY)
    x, n = prepared.train_batch(0, 5, 0.1, 0)["audio"]
    assert (x.shape, x.dtype, n.tolist()) == ((5, 1, 1600), np.float32, [1600] * 5)
    labels, ones = prepared.train_batch(0, 5, 0.1, 0)["label"]
    assert (labels.dtype, ones.tolist()) == (np.int64, [1] * 5)
    clip = prepared.clip("test", 0)
    assert clip.name == "audio/04"
    assert (clip.ports["audio"].shape, clip.ports["label"]) == ((1, 3200), 0)
    assert prepared.statistics == {"label": {"majority": 0}}
    assert prepared.report["rows"] == {"train": 8, "valid": 2, "test": 2}


def test_labels_by_number_and_by_choice(tmp_path: Path) -> None:
    path = classes(tmp_path / "set", digit=[10, 9] * 6, label=["a"] * 12)
    assert folder(path, columns={"label": "digit"}).provides(CLASSIFY)["label"] == Label(("9", "10"))
    assert folder(path).provides(CLASSIFY)["label"] == Label(("a",))


def test_texts_come_with_whole_clips(tmp_path: Path) -> None:
    texts = [f"Hello, no. {i}!" for i in range(12)]
    data = folder(classes(tmp_path / "set", transcript=texts))
    assert data.provides(RECOGNISE)["text"] == Text(" !,.0123456789Helno")
    batch = data.prepare(RECOGNISE).train_batch(0, 3, 0.05, 0)
    assert batch["audio"][0].shape == (3, 1, 3200)
    assert all(text in texts for text in batch["text"][0])
    assert batch["text"][1].tolist() == [len(text) for text in batch["text"][0]]
    assert folder(tmp_path / "set", text="words").prepare(RECOGNISE).clip("test", 0).ports["text"] == "hello no 4"


def test_enhancement_pairs_stay_aligned(tmp_path: Path) -> None:
    prepared = folder(pairs(tmp_path / "set"), gain_db=6.0).prepare(ENHANCE)
    batch = prepared.train_batch(1, 6, 0.2, 0)
    noisy, clean = batch["noisy"][0], batch["clean"][0]
    for r in range(6):
        assert np.corrcoef(noisy[r, 0], clean[r, 0])[0, 1] > 0.9
    assert np.abs(clean).max(axis=(1, 2)).std() > 0.01  # the gain differs from item to item


def test_remixed_noise_has_the_drawn_snr(tmp_path: Path) -> None:
    prepared = folder(pairs(tmp_path / "set"), remix=1.0, snr=[-3.0, 12.0]).prepare(ENHANCE)
    found = []
    for step in range(10):
        batch = prepared.train_batch(step, 16, 0.2, 0)
        noisy, clean = batch["noisy"][0].astype(float), batch["clean"][0].astype(float)
        found += (10 * np.log10((clean**2).sum((1, 2)) / ((noisy - clean) ** 2).sum((1, 2)))).tolist()
    assert -3.1 < min(found) < 0
    assert 9 < max(found) < 12.1
    plain = folder(tmp_path / "set").prepare(ENHANCE).clip("test", 0).ports
    mixed = prepared.clip("test", 0).ports
    np.testing.assert_array_equal(plain["noisy"], mixed["noisy"])


@pytest.mark.parametrize("mix", [True, False], ids=["mix folder", "sum of stems"])
def test_separation_from_one_folder_per_stem(tmp_path: Path, mix: bool) -> None:
    data = folder(song_folder(tmp_path / "set", mix=mix), remix=0.5, gain_db=3.0)
    assert data.provides(SEPARATE) == {"mix": Wave(1, RATE), "stems": Stems(("bass", "drums", "voice"), 1, RATE)}
    prepared = data.prepare(SEPARATE)
    for step in range(3):
        batch = prepared.train_batch(step, 8, 0.1, 0)
        assert batch["stems"][0].shape == (8, 3, 1, 1600)
        np.testing.assert_allclose(batch["mix"][0], batch["stems"][0].sum(1), atol=2e-4)
    clip = prepared.clip("test", 0).ports
    np.testing.assert_allclose(clip["mix"], clip["stems"].sum(0), atol=2e-4)
    assert clip["stems"].shape == (3, 1, 6400)


def test_a_missing_stem_is_silence(tmp_path: Path) -> None:
    rows = []
    for i in range(6):
        write(tmp_path / f"set/m{i}.wav", noise(i, 0.2))
        write(tmp_path / f"set/b{i}.wav", noise(i + 9, 0.2))
        rows.append({"file_name": f"m{i}.wav", "bass_file_name": f"b{i}.wav", "voice_file_name": "" if i else f"b{i}.wav"})
    prepared = folder(metadata(tmp_path / "set", rows)).prepare(SEPARATE)
    quiet = [not prepared.clip("train", i).ports["stems"][1].any() for i in range(prepared.size("train"))]
    assert sum(quiet) >= len(quiet) - 1
    assert prepared.clip("train", 0).ports["stems"].shape == (2, 1, 3200)


def test_stems_by_choice(tmp_path: Path) -> None:
    data = folder(song_folder(tmp_path / "set"), columns={"stems": "voice, bass"})
    assert data.provides(SEPARATE)["stems"].names == ("voice", "bass")


def test_batches_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    path = classes(tmp_path / "set")
    one, two = (folder(path, speed=0.1, gain_db=6.0).prepare(CLASSIFY) for _ in range(2))
    for step in (5, 0, 9):
        two.train_batch(step + 1, 4, 0.1, 3)
        a, b = one.train_batch(step, 4, 0.1, 3), two.train_batch(step, 4, 0.1, 3)
        for port in a:
            np.testing.assert_array_equal(a[port][0], b[port][0])
            np.testing.assert_array_equal(a[port][1], b[port][1])
    assert not np.array_equal(one.train_batch(5, 4, 0.1, 4)["audio"][0], one.train_batch(5, 4, 0.1, 3)["audio"][0])
    assert one.fingerprint == two.fingerprint
    assert folder(path, columns={"label": "split"}).prepare(CLASSIFY).fingerprint != one.fingerprint


def test_short_clips_lie_somewhere_in_the_window(tmp_path: Path) -> None:
    prepared = folder(classes(tmp_path / "set")).prepare(CLASSIFY)
    firsts = []
    for step in range(6):
        x, n = prepared.train_batch(step, 8, 0.5, 0)["audio"]
        for wave, valid in zip(x[:, 0], n):
            sound = np.flatnonzero(wave)
            assert (sound[0] + 3200 - valid, sound[-1] + 1 - valid) == pytest.approx((0, 0), abs=3)
            firsts.append(sound[0])
    assert max(firsts) - min(firsts) > 2000


def test_speed_changes_the_length_of_whole_clips(tmp_path: Path) -> None:
    prepared = folder(classes(tmp_path / "set"), speed=0.2).prepare(CLASSIFY)
    n = np.concatenate([prepared.train_batch(step, 8, None, 0)["audio"][1] for step in range(4)])
    assert 2600 < n.min() < 3000
    assert 3400 < n.max() <= 4000


def test_ten_minutes_and_three_samples(tmp_path: Path) -> None:
    rows = [{"file_name": f"{i}.wav", "label": i % 2} for i in range(5)]
    write(tmp_path / "set/0.wav", noise(0, 600, 8000), 8000)
    for i in range(1, 5):
        write(tmp_path / f"set/{i}.wav", noise(i, 1)[:3])
    metadata(tmp_path / "set", [row | {"split": s} for row, s in zip(rows, ("train", "train", "train", "valid", "test"))])
    prepared = folder(tmp_path / "set", rate=8000).prepare(CLASSIFY)
    x, n = prepared.train_batch(0, 3, 1.0, 0)["audio"]
    assert x.shape == (3, 1, 8000)
    assert sorted(n)[-1] == 8000
    assert prepared.clip("test", 0).ports["audio"].shape[1] in (1, 2)
    assert prepared.train_batch(0, 3, None, 0)["audio"][0].shape == (3, 1, 4_800_000)


def test_unicode_and_spaces(tmp_path: Path) -> None:
    data = folder(classes(tmp_path / "Größe und 音 daten"))
    assert data.prepare(CLASSIFY).size("train") == 8


def test_bad_files_are_skipped_counted_and_named(tmp_path: Path) -> None:
    path = classes(tmp_path / "set", count=30)
    (path / "audio/01.flac").write_bytes((path / "audio/01.flac").read_bytes()[:2000])
    (path / "audio/07.flac").write_bytes(b"")
    (path / "audio/13.flac").unlink()
    prepared = folder(path).prepare(CLASSIFY)
    skipped = {skip["file"]: skip["reason"] for skip in prepared.report["skipped"]}
    assert "truncated" in skipped["audio/01.flac"]
    assert skipped["audio/07.flac"] == "empty file"
    assert skipped["audio/13.flac"] == "missing file"
    assert len(skipped) == 3
    assert sum(prepared.size(s) for s in ("train", "valid", "test")) == 27
    (path / "audio/08.flac").unlink()
    words = r"4 of 30 recordings of .* cannot be used \(audio/01\.flac: .*\); data\.max_bad=0\.1 allows 10%"
    with pytest.raises(RunError, match=words):
        folder(path).prepare(CLASSIFY)
    assert folder(path, max_bad=0.2).prepare(CLASSIFY).report["rows"]["train"] < 20


def test_a_pair_with_one_bad_half_is_left_out(tmp_path: Path) -> None:
    path = pairs(tmp_path / "set")
    (path / "clean/00.flac").write_bytes(b"")
    report = folder(path, max_bad=0.5).prepare(ENHANCE).report
    assert report["rows"]["train"] == 7
    assert {"file": "noisy/00.flac", "reason": "needs a recording that cannot be used"} in report["skipped"]


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    report = folder(classes(tmp_path / "set", label=["a", "", *"ab" * 5])).prepare(CLASSIFY).report
    assert report["skipped"] == [{"file": "audio/01.flac", "reason": "no label"}]


def test_a_carved_split_is_carved_again_when_its_clips_are_bad(tmp_path: Path) -> None:
    for bad in range(10):
        for i in range(10):
            write(tmp_path / f"{bad}/{'ab'[i % 2]}/{i}.wav", noise(i, 0.05))
        (tmp_path / f"{bad}/{'ab'[bad % 2]}/{bad}.wav").write_bytes(b"")
        report = folder(tmp_path / str(bad)).prepare(CLASSIFY).report
        assert report["rows"] == {"train": 7, "valid": 1, "test": 1}
        assert [skip["reason"] for skip in report["skipped"]] == ["empty file"]


def test_nothing_left_in_a_split(tmp_path: Path) -> None:
    path = classes(tmp_path / "set")
    for i in (3, 9):
        (path / f"audio/{i:02d}.flac").write_bytes(b"")
    with pytest.raises(RunError, match="has no usable clip left for valid after leaving out the bad ones"):
        folder(path, max_bad=0.5).prepare(CLASSIFY)
    for file in (path / "audio").iterdir():
        file.write_bytes(b"")
    with pytest.raises(RunError, match=r"12 of 12 recordings .*empty file.* …\); data\.max_bad=1 allows 100%"):
        folder(path, max_bad=1.0).prepare(CLASSIFY)


def test_missing_columns(tmp_path: Path) -> None:
    path = classes(tmp_path / "set")
    for task, settings, words in (
        (ENHANCE, {}, r"no audio column for port 'clean' of task 'enhancement': looked for 'clean_file_name'; its columns are "
                      r"file_name, split, label \(data\.columns\.clean=COLUMN names one\)"),
        (RECOGNISE, {}, "no text column for port 'text' of task 'asr': looked for 'text' or 'transcript' or 'sentence' or"),
        (CLASSIFY, {"columns": {"label": "kind"}}, "no label column for port 'label' .* looked for 'kind' or 'kind_file_name'"),
        (CLASSIFY, {"columns": {"lable": "label"}},
         "data.columns.lable: task 'classification' has no port 'lable'; its ports are audio, label"),
        (SEPARATE, {}, r"has 0 stem column\(s\) for port 'stems' of task 'separation': it needs two or more columns NAME_"),
    ):  # fmt: skip
        with pytest.raises(RequestError, match=words):
            folder(path, **settings).provides(task)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate": 0}, "data.rate=0 should be between 1000 and 384000 Hz"),
        ({"channels": 0}, "data.channels=0 should be 1"),
        ({"max_bad": 2.0}, "data.max_bad=2.0 should be a share between 0 and 1"),
        ({"speed": 1.5}, "data.speed=1.5 should be a range between 0 and 0.9"),
        ({"remix": -1.0}, "data.remix=-1.0 should be a share"),
        ({"equalize": -3.0}, "data.equalize=-3.0 should be between 0 and 40 dB"),
        ({"snr": [5.0, 0.0]}, r"data.snr=\[5.0, 0.0\] should be \[low, high\] in dB"),
        ({"snr": [5.0]}, r"data.snr=\[5.0\] should be"),
    ],
)
def test_settings_out_of_range(tmp_path: Path, settings: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        folder(tmp_path, **settings)


def test_metadata_is_read_without_numpy_or_torch(tmp_path: Path) -> None:
    path = classes(tmp_path / "set")
    code = f"""
import sys
from audioml import shelf
from audioml.data import folder, hub, mix, pool, ports, splits, table
from audioml.kinds import Label, Wave
from audioml.parts import Task
task = Task("classification", {{"audio": Wave()}}, {{"label": Label()}}, (), "", (), "", "")
shelf.make("data", "folder", {{"path": {str(path)!r}}}).provides(task)
print("heavy:", sorted(set(sys.modules) & {{"torch", "numpy", "datasets", "soundfile", "tqdm"}}))
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert told.stdout.strip() == "heavy: []"
