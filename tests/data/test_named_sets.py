"""Named sets of conf/data/ laid out as they are published, in small, and the real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audioml import shelf
from audioml.kinds import Curve, Label, Notes, Stems, Text, Wave
from tests.data.sound_folders import CLASSIFY, ENHANCE, RECOGNISE, SEPARATE, corpus, noise, real_set, task, write


def test_stereo_music_at_its_own_rate(tmp_path: Path) -> None:
    for i, split in enumerate(["train"] * 6 + ["test"] * 2):
        for stem in ("mixture", "bass", "drums"):
            write(tmp_path / f"set/{split}/Song {i}/{stem}.wav", noise(i, 0.1, 44100, 2), 44100)
    prepared = corpus("musdb18hq", path=str(tmp_path / "set"), cache=str(tmp_path / "c")).prepare(SEPARATE)
    assert prepared.worlds["stems"] == Stems(("bass", "drums"), 2, 44100)
    assert prepared.train_batch(0, 3, 0.05, 0)["stems"][0].shape == (3, 2, 2, 2205)
    assert prepared.clip("test", 0).name == "test/Song 6/mixture"


def test_named_sets_of_classes(tmp_path: Path) -> None:
    for fold in range(1, 6):
        for clip in range(4):
            write(tmp_path / f"esc/{fold}-{clip}-A-{clip % 2}.wav", noise(clip, 0.1))
    prepared = corpus("esc50", path=str(tmp_path / "esc"), cache=str(tmp_path / "c")).prepare(CLASSIFY)
    assert prepared.report["rows"] == {"train": 12, "valid": 4, "test": 4}
    for who in range(20):
        for word in ("yes", "no"):
            write(tmp_path / f"sc/{word}/{who:08x}_nohash_0.wav", noise(who, 0.1))
    write(tmp_path / "sc/_background_noise_/hum.wav", noise(1, 1.0))
    data = corpus("speech_commands", path=str(tmp_path / "sc"), cache=str(tmp_path / "c"))
    assert data.provides(CLASSIFY)["label"] == Label(("no", "yes"))
    prepared = data.prepare(CLASSIFY)
    assert prepared.report["rows"] == {"train": 32, "valid": 4, "test": 4}
    assert prepared.report["splits"].endswith("carved from train by group")
    for digit in range(3):
        for speaker in "abcdefghij":
            write(tmp_path / f"fsdd/{digit}_{speaker}_0.wav", noise(digit, 0.1, 8000), 8000)
    prepared = corpus("fsdd", path=str(tmp_path / "fsdd"), cache=str(tmp_path / "c")).prepare(CLASSIFY)
    assert prepared.report["rows"] == {"train": 24, "valid": 3, "test": 3}


def midi(path: Path, pitch: int) -> None:
    symusic = pytest.importorskip("symusic")
    score = symusic.Score(480)
    track = symusic.Track("piano", program=0, is_drum=False)
    for k in range(8):
        track.notes.append(symusic.Note(240 * k, 240, pitch + k, 80))
    score.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    score.dump_midi(path)


def test_maestro(tmp_path: Path) -> None:
    lines = ["canonical_composer,split,year,midi_filename,audio_filename,duration"]
    for i, split in enumerate(["train"] * 4 + ["validation", "test"]):
        write(tmp_path / f"set/2004/{i}.wav", noise(i, 2.2))
        midi(tmp_path / f"set/2004/{i}.midi", 60 + i)
        lines.append(f"Bach,{split},2004,2004/{i}.midi,2004/{i}.wav,2.2")
    (tmp_path / "set/maestro-v3.0.0.csv").write_text("\n".join(lines))
    data = corpus("maestro", path=str(tmp_path / "set/maestro-v3.0.0.csv"), cache=str(tmp_path / "c"))
    transcription = task("transcription", {"audio": Wave()}, {"notes": Notes()})
    assert data.provides(transcription)["notes"] == Notes(60, 72, 1, 0.25)
    prepared = data.prepare(transcription)
    assert prepared.report["rows"] == {"train": 4, "valid": 1, "test": 1}
    assert prepared.clip("test", 0).ports["notes"][2].tolist() == list(range(65, 73))


def test_ljspeech(tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / f"set/wavs/LJ{i:03d}.wav", noise(i, 0.1, 22050), 22050)
    lines = [f'LJ{i:03d}|Mr. "{i}", yes|Mister "Nr {i}", yes' for i in range(12)]
    (tmp_path / "set/metadata.csv").write_text("\n".join(lines))
    data = corpus("ljspeech", path=str(tmp_path / "set"), cache=str(tmp_path / "c"))
    prepared = data.prepare(RECOGNISE)
    assert prepared.report["rows"] == {"train": 10, "valid": 1, "test": 1}
    assert prepared.clip("test", 0).ports["text"].startswith("mister nr ")
    speak = task("tts", {"text": Text()}, {"speech": Wave()})
    assert data.provides(speak)["speech"] == Wave(1, 22050)


def test_pop909(tmp_path: Path) -> None:
    for song in range(12):
        midi(tmp_path / f"set/{song:03d}/{song:03d}.mid", 50 + song)
        midi(tmp_path / f"set/{song:03d}/versions/{song:03d}-v1.mid", 50 + song)
    data = corpus("pop909", path=str(tmp_path / "set"), cache=str(tmp_path / "c"))
    prepared = data.prepare(task("symbolic", {"prompt": Notes()}, {"score": Notes()}))
    assert prepared.report["rows"] == {"train": 20, "valid": 2, "test": 2}
    assert {prepared.clip("test", i).name.split("/")[0] for i in range(2)} == {prepared.clip("test", 0).name.split("/")[0]}


def test_mdb_stem_synth(tmp_path: Path) -> None:
    for song in range(12):
        for stem in (1, 2):
            name = f"Band_Song{song}_STEM_0{stem}.RESYN"
            write(tmp_path / f"set/audio_stems/{name}.wav", noise(song, 0.3))
            (tmp_path / "set/annotation_stems").mkdir(exist_ok=True)
            table = "\n".join(f"{k * 0.0029:.4f},{200 + song}" for k in range(110))
            (tmp_path / f"set/annotation_stems/{name}.csv").write_text(table)
    data = corpus("mdb_stem_synth", path=str(tmp_path / "set"), cache=str(tmp_path / "c"))
    prepared = data.prepare(task("pitch", {"audio": Wave()}, {"f0": Curve(("f0",), 100)}))
    assert prepared.report["rows"] == {"train": 20, "valid": 2, "test": 2}
    clip = prepared.clip("test", 0)
    np.testing.assert_allclose(clip.ports["f0"][0], 200 + int(clip.name.split("Song")[1].split("_")[0]))


@pytest.mark.parametrize(
    ("name", "task", "train"),
    [("libri_noisy", ENHANCE, 174), ("mdb_multitrack", SEPARATE, 8), ("esc10", CLASSIFY, 240), ("ljspeech_mini", RECOGNISE, 21)],
)
def test_real_sets(real_cache: str, name: str, task: object, train: int) -> None:
    prepared = corpus("folder", path=str(real_set(name)), cache=real_cache, rate=8000).prepare(task)
    assert prepared.size("train") == train
    assert prepared.report["skipped"] == []
    batch = prepared.train_batch(0, 4, 1.0, 0)
    assert all(np.isfinite(x).all() for x, _ in batch.values() if isinstance(x, np.ndarray))


def test_real_leave_one_speaker_out(real_cache: str) -> None:
    data = corpus("folder", path=str(real_set("fsdd")), fold_column="speaker", test_fold="theo", cache=real_cache, rate=8000)
    prepared = data.prepare(CLASSIFY)
    assert {prepared.clip("test", i).name.split("_")[1] for i in range(0, 500, 50)} == {"theo"}
    assert prepared.report["rows"] == {"train": 1800, "valid": 200, "test": 500}


def test_a_named_set_says_only_what_differs_from_its_base() -> None:
    """Through Hydra's own defaults list, so that a new setting of data=folder is in every set at once."""
    import yaml

    named = 0
    for name in shelf.names("data"):
        said = yaml.safe_load((shelf.conf_dir() / "data" / f"{name}.yaml").read_text("utf-8"))
        base, *rest = [b for b in said.pop("defaults", []) if b != "_self_"] or [None]
        if base is None:
            continue
        named += 1
        assert not rest
        usual, whole = shelf.load("data", base), shelf.load("data", name)
        assert set(whole) == set(usual), name
        assert all(key in usual and value != usual[key] for key, value in said.items()), name
        assert {k: whole[k] for k in said} == said
    assert named > 10
