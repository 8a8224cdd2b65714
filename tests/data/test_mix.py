"""data=mix: levels, SNRs, splits and fixed mixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audioml.data.mixing import Mixed
from audioml.data.pool import read_pool
from audioml.errors import RequestError, RunError
from audioml.kinds import Stems, Wave
from tests.data.sound_folders import CLASSIFY, ENHANCE, RATE, SEPARATE, corpus, metadata, noise, real_set, write


def mix(at: Path, task: object, sources: dict[str, object], **settings: object) -> Mixed:
    paths = {name: str(path) for name, path in sources.items()}
    return corpus("mix", sources=paths, cache=str(at / "cache"), **settings).prepare(task)


def tones(folder: Path, count: int, pitch: float, seconds: float = 1.0) -> Path:
    """Each file a tone of its own, so that what a mixture holds can be told."""
    for i in range(count):
        write(folder / f"{i:02d}.wav", 0.2 * np.sin(np.arange(round(seconds * RATE)) * pitch * (1 + i / 50)))
    return folder


def levels(x: np.ndarray) -> np.ndarray:
    return 10 * np.log10((x.astype(float) ** 2).mean(-1))


@pytest.fixture
def three(tmp_path: Path) -> dict[str, Path]:
    return {name: tones(tmp_path / name, 20, pitch) for name, pitch in (("voice", 0.05), ("music", 0.2), ("effects", 0.6))}


def batches(prepared: Mixed, seconds: float = 0.3, steps: int = 6) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for step in range(steps):
        batch = prepared.train_batch(step, 16, seconds, 0)
        assert all(n.tolist() == [x.shape[-1]] * 16 for x, n in batch.values())
        yield tuple(x for x, _ in batch.values())


def test_stems_add_up_at_their_levels(tmp_path: Path, three: dict[str, Path]) -> None:
    prepared = mix(tmp_path, SEPARATE, three, level_db=[-40.0, -20.0])
    seen = []
    for mixed, stems in batches(prepared):
        assert stems.shape == (16, 3, 1, 4800)
        np.testing.assert_allclose(mixed, stems.sum(1), atol=1e-6)
        seen.append(levels(stems).ravel())
    assert -40.2 < np.min(seen) < -38
    assert -22 < np.max(seen) < -19.8


def test_target_in_noise_at_the_drawn_snr(tmp_path: Path, three: dict[str, Path]) -> None:
    for sources in (("voice", "music"), ("voice", "music", "effects")):
        prepared = mix(tmp_path, ENHANCE, {k: three[k] for k in sources}, target="voice", snr=[-5.0, 10.0])
        snr = np.concatenate([levels(clean) - levels(noisy - clean) for noisy, clean in batches(prepared)])
        assert -5.1 < snr.min() < -3
        assert 8 < snr.max() < 10.1


def test_what_it_provides(tmp_path: Path, three: dict[str, Path]) -> None:
    data = corpus("mix", sources={k: str(v) for k, v in three.items()}, target="music", rate=8000)
    assert data.provides(SEPARATE) == {"mix": Wave(1, 8000), "stems": Stems(("voice", "music", "effects"), 1, 8000)}
    assert data.provides(ENHANCE) == {"noisy": Wave(1, 8000), "clean": Wave(1, 8000)}


def test_splits_share_no_file(tmp_path: Path, three: dict[str, Path]) -> None:
    prepared = mix(tmp_path, SEPARATE, three)
    for s, pool in enumerate(prepared.pools):
        rows = [set(prepared.rows[split][s].tolist()) for split in ("train", "valid", "test")]
        assert [len(r) for r in rows] == [16, 2, 2]
        assert len(set.union(*rows)) == 20
        assert pool.note == "no split stated; test and valid carved from train by clip"


def test_fixed_mixtures_do_not_depend_on_the_run(tmp_path: Path, three: dict[str, Path]) -> None:
    one, two = (mix(tmp_path, SEPARATE, three, seconds=0.5, valid_items=3, test_items=5) for _ in range(2))
    assert (one.size("valid"), one.size("test"), one.size("train")) == (3, 5, 16)
    two.train_batch(0, 4, 0.2, 77)
    for split in ("valid", "test"):
        clips = [one.clip(split, i) for i in range(one.size(split))]
        for i, clip in enumerate(clips):
            np.testing.assert_array_equal(clip.ports["stems"], two.clip(split, i).ports["stems"])
            assert clip.ports["mix"].shape == (1, 8000)
        assert not np.array_equal(clips[0].ports["mix"], clips[1].ports["mix"])
    a, b = one.train_batch(4, 4, 0.2, 1), two.train_batch(4, 4, 0.2, 1)
    np.testing.assert_array_equal(a["mix"][0], b["mix"][0])
    assert one.fingerprint == two.fingerprint
    assert mix(tmp_path, SEPARATE, three, level_db=[-50.0, -20.0]).fingerprint != one.fingerprint


def test_no_stem_is_silent_where_the_file_is_not(tmp_path: Path) -> None:
    for i in range(12):
        x = np.zeros((8 * RATE, 1), np.float32)
        x[(i % 8) * RATE : (i % 8) * RATE + 2000] = noise(i, 2000 / RATE)
        write(tmp_path / f"rare/{i}.wav", x)
    prepared = mix(tmp_path, SEPARATE, {"a": tmp_path / "rare", "b": tones(tmp_path / "b", 12, 0.1)})
    for _, stems in batches(prepared, 0.4):
        assert (levels(stems) > -31).all()


def test_noise_is_looped_and_stems_are_padded(tmp_path: Path) -> None:
    sources = {"speech": tones(tmp_path / "long", 12, 0.05, 2.0), "noise": tones(tmp_path / "short", 12, 0.5, 0.1)}
    prepared = mix(tmp_path, ENHANCE, sources, snr=[0.0, 0.0])
    for noisy, clean in batches(prepared, 1.0, 2):
        added = (noisy - clean)[:, 0]
        assert (np.abs(added[:, :-1600] - added[:, 1600:]).max(1) < 1e-4).all()
        np.testing.assert_allclose(levels(clean)[:, 0], levels(added), atol=0.1)
    for _, stems in batches(mix(tmp_path, SEPARATE, sources), 1.0, 2):
        assert ((stems[:, 1, 0] != 0).sum(-1) <= 1600).all()


def test_two_speakers_from_one_folder_are_two(tmp_path: Path) -> None:
    rows = []
    for i in range(40):
        write(tmp_path / f"set/clean/{i}.wav", noise(i, 0.3))
        rows.append({"file_name": f"clean/{i}.wav", "speaker": i // 4, "split": ("train", "valid", "test", "train")[i // 10]})
    metadata(tmp_path / "set", rows)
    prepared = mix(tmp_path, SEPARATE, {"one": tmp_path / "set/clean", "two": tmp_path / "set/clean"})
    for step in range(20):
        first, second = prepared._pick("train", 0, step, 8)
        groups = np.asarray(prepared.pools[0].groups)
        assert (groups[first] != groups[second]).all()


def test_one_speaker_cannot_be_two_sources(tmp_path: Path) -> None:
    rows = []
    for i in range(12):
        write(tmp_path / f"set/{i}.wav", noise(i, 0.2))
        split = ("train", "valid", "test")[i % 3]
        rows.append({"file_name": f"{i}.wav", "split": split, "speaker": "anna" if split == "valid" else f"s{i}"})
    metadata(tmp_path / "set", rows)
    words = r"source 'b' has 1 speaker\(s\) or file\(s\) for valid, and a draws from the same: a mixture needs different ones"
    with pytest.raises(RunError, match=words):
        mix(tmp_path, SEPARATE, {"a": tmp_path / "set", "b": tmp_path / "set"})


def test_real_speakers_of_one_folder_are_two(tmp_path: Path) -> None:
    clean = real_set("libri_noisy") / "clean"
    prepared = mix(tmp_path, SEPARATE, {"s1": clean, "s2": clean}, rate=8000)
    own = prepared._group
    for split, rows in prepared.rows.items():
        assert {p.splits[r] for p, of in zip(prepared.pools, rows) for r in of} == {split}
    for step in range(60):
        one, two = prepared._pick("train", 3, step, 16)
        assert not (own[0][one] == own[1][two]).any()
    for picks in prepared._fixed.values():
        assert not (own[0][picks[0]] == own[1][picks[1]]).any()


def test_the_metadata_beside_a_folder_says_split_and_group(tmp_path: Path) -> None:
    rows = []
    for i, split in enumerate(("train", "valid", "test", "heldout") * 3):
        write(tmp_path / f"set/clean/{i}.wav", noise(i, 0.1))
        rows.append({"file_name": f"noisy/{i}.wav", "clean_file_name": f"clean/{i}.wav", "split": split, "speaker": i % 5})
    write(tmp_path / "set/clean/unlisted.wav", noise(0, 0.1))
    for i in range(6):
        write(tmp_path / f"set/noise/{i}.wav", noise(i, 0.1))
    metadata(tmp_path / "set", [rows[0] | {"clean_file_name": "../x.wav"}, *rows])
    metadata(
        tmp_path / "set",
        [{"file_name": f"noise/{i}.wav", "split": ["train", "valid", "test"][i % 3]} for i in range(5)],
        "noise.csv",
    )
    (tmp_path / "set/broken.csv").write_bytes(b"file_name\n\xff")
    pool = read_pool("speech", tmp_path / "set/clean", None)
    assert len(pool.files) == 12
    assert pool.unlisted == 1
    assert [len(pool.of(s)) for s in ("train", "valid", "test")] == [3, 3, 3]
    assert set(pool.groups) == set("01234")
    pool = read_pool("noise", tmp_path / "set/noise", None)
    assert [pool.files[i] for i in pool.of("test")] == ["2.wav"]
    assert pool.unlisted == 1
    mix(tmp_path, ENHANCE, {"speech": tmp_path / "set/clean", "noise": tmp_path / "set/noise"}).train_batch(0, 4, 0.1, 0)


def test_a_file_in_two_splits_is_not_trained_on(tmp_path: Path) -> None:
    for i in range(6):
        write(tmp_path / f"{i}.wav", noise(i, 0.1))
    rows = [{"file_name": f"{i}.wav", "split": s} for i, s in enumerate(("train", "train", "train", "valid", "test", "train"))]
    metadata(tmp_path, [*rows, {"file_name": "0.wav", "split": "test"}])
    pool = read_pool("x", tmp_path, None)
    assert [pool.files[i] for i in pool.of("test")] == ["0.wav", "4.wav"]
    assert [pool.files[i] for i in pool.of("train")] == ["1.wav", "2.wav", "5.wav"]


def test_groups_by_file_name(tmp_path: Path) -> None:
    for speaker in range(10):
        for clip in range(3):
            write(tmp_path / f"p{speaker}_{clip}.wav", noise(speaker, 0.05))
    pool = read_pool("speech", tmp_path, r"^(p\d+)_")
    members = [{pool.groups[i] for i in pool.of(split)} for split in ("train", "valid", "test")]
    assert [len(m) for m in members] == [8, 1, 1]
    for pattern, words in (
        ("(", "is not a regular expression"),
        ("zz", r"should have one \(group\) and match file names such as 'p0_0"),
    ):
        with pytest.raises(RequestError, match=rf"data\.groups\.speech=.* {words}"):
            read_pool("speech", tmp_path, pattern)


def test_a_carved_split_is_carved_again_when_its_files_are_bad(tmp_path: Path) -> None:
    other = tones(tmp_path / "b", 10, 0.4)
    for bad in range(10):
        tones(tmp_path / f"a{bad}", 10, 0.1, 0.1)
        write(tmp_path / f"a{bad}/{bad:02d}.wav", np.zeros(100))
        prepared = mix(tmp_path, SEPARATE, {"a": tmp_path / f"a{bad}", "b": other})
        assert {s: r["a"] for s, r in prepared.report["rows"].items()} == {"train": 7, "valid": 1, "test": 1}


def test_silent_files_are_never_drawn(tmp_path: Path) -> None:
    tones(tmp_path / "a", 12, 0.1)
    for i in range(3):
        write(tmp_path / f"a/silent{i}.wav", np.zeros(RATE))
    prepared = mix(tmp_path, SEPARATE, {"a": tmp_path / "a", "b": tones(tmp_path / "b", 12, 0.4)})
    assert sum(len(prepared.rows[s][0]) for s in ("train", "valid", "test")) == 12
    for i in range(12):
        write(tmp_path / f"mute/{i}.wav", np.zeros(RATE))
    with pytest.raises(RunError, match=r"source 'm' \(.*mute\) has no usable recording for train"):
        mix(tmp_path, SEPARATE, {"m": tmp_path / "mute", "b": tmp_path / "b"})


def test_what_cannot_be_mixed(tmp_path: Path, three: dict[str, Path]) -> None:
    (tmp_path / "empty").mkdir()
    paths = {k: str(v) for k, v in three.items()}
    metadata(tmp_path / "music", [{"file_name": f"{i:02d}.wav", "split": "test" if i else "valid"} for i in range(20)])
    two = {"speech": paths["voice"], "noise": paths["effects"]}
    for task, settings, words in (
        (SEPARATE, {"sources": {"a": paths["voice"]}}, r"data=mix needs two or more folders, data\.sources\.NAME=DIR; it has a"),
        (SEPARATE, {}, "it has none"),
        (SEPARATE, {"sources": {**two, "x": str(tmp_path / "gone")}}, r"data\.sources\.x=.*gone is not a folder"),
        (
            SEPARATE,
            {"sources": {**two, "x": str(tmp_path / "empty")}},
            r"data\.sources\.x=.*empty holds no audio: no file of",
        ),
        (SEPARATE, {"sources": {**two, "x": paths["music"]}}, r"data\.sources\.x=.*music has no file to train on"),
        (
            CLASSIFY,
            {"sources": two},
            "data=mix makes mixtures for tasks between one Wave and Stems .* not for 'classification'",
        ),
        (ENHANCE, {"sources": two, "target": "talk"}, r"data\.target=talk is not among the sources speech, noise"),
        (SEPARATE, {"sources": two, "groups": {"z": "(a)"}}, r"data\.groups\.z names no source; the sources are speech, noise"),
    ):
        with pytest.raises(RequestError, match=words):
            corpus("mix", **settings).provides(task)
    for settings, words in (
        ({"level_db": [0.0, -9.0]}, r"data\.level_db=.* should be \[low, high\] in dB"),
        ({"seconds": 0.0}, r"data\.seconds=0\.0 should be more than 0"),
        ({"valid_items": 0}, r"data\.valid_items=0 should be at least 1"),
        ({"test_items": 0}, r"data\.test_items=0 should be at least 1"),
    ):
        with pytest.raises(RequestError, match=words):
            corpus("mix", sources=two, **settings)


def test_real_voice_music_effects(tmp_path: Path) -> None:
    speech, music, effects = real_set("libri_noisy") / "clean", real_set("pop909_audio") / "mix", real_set("esc10")
    prepared = mix(tmp_path, SEPARATE, {"voice": speech, "music": music, "effects": effects}, rate=8000)
    assert prepared.report["rows"]["train"] == {"voice": 174, "music": 16, "effects": 240}
    assert prepared.report["rows"]["test"] == {"voice": 42, "music": 4, "effects": 45}
    for step in range(5):
        stems = prepared.train_batch(step, 16, 1.0, 0)["stems"][0]
        assert np.isfinite(levels(stems)).all()


def test_real_speech_in_noise(tmp_path: Path) -> None:
    root = real_set("libri_noisy")
    prepared = mix(tmp_path, ENHANCE, {"speech": root / "clean", "noise": root / "noise"}, rate=8000)
    assert prepared.report["splits"] == {"speech": "splits by metadata", "noise": "splits by metadata"}
    snr = np.concatenate([levels(clean) - levels(noisy - clean) for noisy, clean in batches(prepared, 2.0)])
    assert snr.min() > -0.5
    assert snr.max() < 15.5


def test_speed_and_equaliser_vary_training_only(tmp_path: Path, three: dict[str, Path]) -> None:
    plain, varied = (mix(tmp_path, SEPARATE, three, **how) for how in ({}, {"speed": 0.2, "equalize": 9.0}))
    assert plain.fingerprint == varied.fingerprint  # what is judged is the same
    np.testing.assert_array_equal(plain.clip("test", 1).ports["mix"], varied.clip("test", 1).ports["mix"])
    found = []
    for mixed, stems in batches(varied):
        np.testing.assert_allclose(mixed, stems.sum(1), atol=1e-6)
        found.append(np.abs(np.fft.rfft(stems[:, 0, 0] * np.hanning(4800))).argmax(1))
    pitch = np.concatenate(found) * 2 * np.pi / 4800  # of the voice, 0.05 to 0.07 before
    assert pitch.min() < 0.049
    assert pitch.max() > 0.071
    noisy = mix(tmp_path, ENHANCE, {k: three[k] for k in ("voice", "music")}, target="voice", speed=0.2, equalize=9.0, snr=[3.0, 3.0])
    for mixed, clean in batches(noisy, steps=2):
        np.testing.assert_allclose(levels(clean) - levels(mixed - clean), 3.0, atol=0.3)
