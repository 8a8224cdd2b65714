"""data=folder for every kind of port: what a window shows of it, what a clip holds, and scores without any audio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audioml.errors import RequestError, RunError
from audioml.kinds import Curve, Notes, Phones, Tags, Text, Times, Wave
from tests.data.sound_folders import RATE, RECOGNISE, corpus, metadata, noise, real_set, task, write

BEATS = task("beat_tracking", {"audio": Wave()}, {"beats": Times()})
NOTES = task("transcription", {"audio": Wave()}, {"notes": Notes()})
PITCH = task("pitch", {"audio": Wave()}, {"f0": Curve(("f0",), 100)})
TAGS = task("tagging", {"audio": Wave()}, {"tags": Tags()})
SPELL = task("alignment", {"audio": Wave()}, {"phones": Phones()})
SYMBOLS = task("symbolic", {"prompt": Notes()}, {"score": Notes()})
SECONDS = 2.0


def ticking(folder: Path, count: int = 12) -> Path:
    """Clips with a click at every tenth of a second; every side file says where they are."""
    rows = []
    for i in range(count):
        x = np.zeros((round(SECONDS * RATE), 1), np.float32)
        clicks = np.arange(1, 20) / 10
        x[(clicks * RATE).astype(int)] = 0.5
        write(folder / f"audio/{i:02d}.wav", x)
        split = ("train", "train", "train", "valid", "test", "train")[i % 6]
        row = {"file_name": f"audio/{i:02d}.wav", "split": split, "tags": "a|b" if i % 2 else "b"}
        texts = {
            "beats": "time,beat\n" + "".join(f"{t:.3f},{k % 4 + 1}\n" for k, t in enumerate(clicks)),
            "notes": "onset,offset,pitch\n" + "".join(f"{t:.3f},{t + 0.1:.3f},{60 + k}\n" for k, t in enumerate(clicks)),
            "phones": "start,end,phone\n" + "".join(f"{t:.3f},{t + 0.1:.3f},{'xy'[k % 2]}\n" for k, t in enumerate(clicks)),
            "f0": "time,f0\n" + "".join(f"{t / 100:.3f},{100 + t}\n" for t in range(200)),
        }
        for kind, text in texts.items():
            (folder / kind).mkdir(exist_ok=True)
            (folder / kind / f"{i:02d}.csv").write_text(text)
            row[kind] = f"{kind}/{i:02d}.csv"
        rows.append(row)
    return metadata(folder, rows)


def folder(path: Path, **settings: object) -> Any:
    return corpus("folder", path=str(path), cache=str(path.parent / "cache"), **settings)


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ticking(tmp_path_factory.mktemp("ticks") / "set")


def clicks_of(wave: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.abs(wave) > 0.2) / RATE


@pytest.mark.parametrize("seconds", [0.55, 3.0, None], ids=["crop", "short clips", "whole"])
def test_times_move_with_the_window(ticks: Path, seconds: float | None) -> None:
    data = folder(ticks)
    assert data.provides(BEATS)["beats"] == Times(("beat", "downbeat", "onset"))
    prepared = data.prepare(BEATS)
    for step in range(3):
        batch = prepared.train_batch(step, 8, seconds, 0)
        x, n = batch["beats"]
        assert (x.dtype, x.shape[1]) == (np.float32, 2)
        for wave, times, count in zip(batch["audio"][0][:, 0], x, n, strict=True):
            own = times[:, :count]
            assert not times[:, count:].any()
            np.testing.assert_allclose(own[0, own[1] == 0], clicks_of(wave), atol=2 / RATE)
            np.testing.assert_allclose(own[0, own[1] == 2], clicks_of(wave), atol=2 / RATE)


def test_times_follow_a_change_of_speed(ticks: Path) -> None:
    batch = folder(ticks, speed=0.2).prepare(BEATS).train_batch(0, 8, None, 0)
    for wave, times, count in zip(batch["audio"][0][:, 0], *batch["beats"], strict=True):
        heard = np.flatnonzero(np.abs(wave) > 0.15)
        heard = heard[np.diff(heard, prepend=-999) > 100] / RATE
        own = times[0, :count][times[1, :count] == 0]
        np.testing.assert_allclose(own[: len(heard)], heard, atol=0.002)


def test_notes_are_cut_at_the_edges(ticks: Path) -> None:
    data = folder(ticks)
    assert data.provides(NOTES)["notes"] == Notes(60, 78, 1, 0.1)
    prepared, seen = data.prepare(NOTES), 0
    for step in range(4):
        batch = prepared.train_batch(step, 8, 0.55, 0)
        for wave, notes, count in zip(batch["audio"][0][:, 0], *batch["notes"], strict=True):
            own = notes[:, :count]
            assert own[0].min() >= 0
            assert own[1].max() <= 0.55 + 1e-6
            assert (own[1] > own[0]).all()
            heard = clicks_of(wave)
            begun = own[0] > 1e-6
            np.testing.assert_allclose(own[0, begun], heard[heard > 1e-6][: begun.sum()], atol=2 / RATE)
            seen += int((~begun).sum())  # sounding when the window begins: they begin at 0
    assert seen > 10


def test_phonemes_and_curves_of_a_window(ticks: Path) -> None:
    data = folder(ticks)
    assert data.provides(SPELL)["phones"] == Phones(("x", "y"))
    batch = data.prepare(SPELL).train_batch(1, 8, 0.55, 0)
    for phones, count in zip(*batch["phones"], strict=True):
        assert (np.diff(phones[2, :count]) != 0).all()
        assert (phones[1, : count - 1] - phones[0, 1:count] <= 1e-6).all()
    prepared = data.prepare(PITCH)
    batch = prepared.train_batch(1, 8, 0.55, 0)
    curve, n = batch["f0"]
    assert (curve.shape, n.tolist()) == ((8, 1, 55), [55] * 8)
    np.testing.assert_allclose(np.diff(curve[:, 0]), 1, atol=1e-3)  # a hertz every hundredth of a second
    for wave, row in zip(batch["audio"][0][:, 0], curve[:, 0], strict=True):
        first = clicks_of(wave)[0]
        assert (row[0] + 100 * first) % 10 == pytest.approx(0, abs=0.02) or (row[0] + 100 * first) % 10 == pytest.approx(10, abs=0.02)
    clip = prepared.clip("test", 0).ports
    assert clip["f0"].shape == (1, 200)
    assert prepared.statistics["f0"]["median"] == pytest.approx(199.5)


def test_a_curve_is_zero_around_a_short_clip(ticks: Path) -> None:
    batch = folder(ticks).prepare(PITCH).train_batch(0, 6, 3.0, 0)
    for wave, row, n in zip(batch["audio"][0][:, 0], batch["f0"][0][:, 0], batch["f0"][1], strict=True):
        begin = clicks_of(wave)[0] - 0.1
        assert not row[: int(begin * 100)].any()
        assert (row[int(begin * 100) + 1 : n - 1] > 0).all()
        assert not row[n:].any()


def test_tags(ticks: Path) -> None:
    data = folder(ticks)
    assert data.provides(TAGS)["tags"] == Tags(("a", "b"))
    prepared = data.prepare(TAGS)
    x, n = prepared.train_batch(0, 8, 0.1, 0)["tags"]
    assert (x.dtype, x.shape, n.tolist()) == (np.float32, (8, 2), [1] * 8)
    assert x[:, 1].all()
    assert 0 < x[:, 0].sum() < 8
    assert prepared.clip("test", 0).ports["tags"].tolist() == [0, 1]
    assert prepared.statistics["tags"]["prior"][1] == 1
    inline = folder(ticks, columns={"tags": "split"})
    assert inline.provides(TAGS)["tags"].classes == ("test", "train", "valid")


@pytest.mark.parametrize("cell", ["a, b", "a|b", '["a", "b"]'])
def test_tags_in_a_cell(cell: str) -> None:
    from audioml.data.ports import tags_of

    assert tags_of(cell) == ["a", "b"]


def test_what_cannot_be_asked(ticks: Path, tmp_path: Path) -> None:
    for what, settings, words in (
        (SYMBOLS, {"prompt": 1.0}, r"data\.prompt=1\.0 should be a share in \[0, 1\)"),
        (NOTES, {"window": 0.0}, r"data\.window=0\.0 should be more than 0 s"),
        (NOTES, {"columns": {"notes": "tags"}}, "no notes column for port 'notes' .* looked for 'tags' or 'tags_file_name'"),
        (NOTES, {"columns": {"audio": "notes"}}, "no audio column for port 'audio'"),
    ):
        with pytest.raises(RequestError, match=words):
            folder(ticks, **settings).provides(what)
    with pytest.raises(RequestError, match=r"data\.speed changes the pitch, which these data state"):
        folder(ticks, speed=0.1).prepare(NOTES)
    for settings, words in (({"transpose": 2}, "moves the notes of scores, and no sound"), ({"transpose": 30}, "between 0 and 24")):
        with pytest.raises(RequestError, match=rf"data\.transpose.*{words}"):
            folder(ticks, **settings).prepare(NOTES)
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(RequestError, match=r"should hold \{split: \[score, …\]\}"):
        folder(tmp_path / "x.json").provides(SYMBOLS)
    (tmp_path / "y.json").write_text("{")
    with pytest.raises(RequestError, match="cannot be read as JSON"):
        folder(tmp_path / "y.json").provides(SYMBOLS)


def test_unreadable_side_files_are_counted(tmp_path: Path) -> None:
    path = ticking(tmp_path / "set")
    (path / "notes/01.csv").write_text("onset,offset,pitch\n2,1,60\n")
    prepared = folder(path).prepare(NOTES)
    assert "a note that ends before it begins" in prepared.report["skipped"][0]["reason"]
    assert sum(prepared.report["rows"].values()) == 11
    for i in range(2, 12):
        (path / f"notes/{i:02d}.csv").write_text("junk\n")
    with pytest.raises(RunError, match="1[01] of 12 rows of .* cannot be used"):
        folder(path).prepare(NOTES)


def test_side_files_stay_inside_their_folder(tmp_path: Path) -> None:
    write(tmp_path / "set/a.wav", noise(0, 0.1))
    metadata(tmp_path / "set", [{"file_name": "a.wav", "notes": "../../secret.csv"}])
    with pytest.raises(RequestError, match=r"names the file '\.\./\.\./secret\.csv', which lies outside its folder"):
        folder(tmp_path / "set").provides(NOTES)


@pytest.mark.parametrize(
    ("name", "what", "expected"),
    [
        ("pop909_audio", BEATS, Times(("beat", "downbeat", "onset"))),
        ("mdb_multitrack", BEATS, Times(("beat", "downbeat", "onset"))),
        ("pop909_audio", NOTES, Notes(26, 105, 3, None)),
        ("mdb_multitrack", PITCH, Curve(("f0",), 100)),
        ("jsb_chorales", SYMBOLS, Notes(36, 81, 4, 0.15)),
        ("pop909_midi", SYMBOLS, Notes(24, 105, 3, None)),
        ("esc10", TAGS, None),
    ],
)
def test_real_sets(real_cache: str, name: str, what: Any, expected: Any) -> None:
    data = corpus("folder", path=str(real_set(name)), cache=real_cache, rate=8000)
    port = next(iter(what.outputs))
    assert expected in (None, data.provides(what)[port])
    prepared = data.prepare(what)
    assert prepared.report["skipped"] == []
    batch = prepared.train_batch(0, 2, 2.0, 0)
    assert all(np.isfinite(x).all() for x, _ in batch.values())
    assert batch[port][0].any()


def test_the_json_of_the_chorales_says_what_its_midi_says(real_cache: str) -> None:
    root = real_set("jsb_chorales")
    one, two = (corpus("folder", path=str(root / p), cache=real_cache).prepare(SYMBOLS) for p in ("chorales.json", ""))
    assert one.report["rows"] == two.report["rows"] == {"train": 229, "valid": 76, "test": 39}
    for split, i in (("train", 7), ("valid", 3), ("test", 38)):
        a, b = (p.clip(split, i).ports["score"][[0, 1, 2, 4]] for p in (one, two))
        np.testing.assert_allclose(a[:, np.lexsort(a)], b[:, np.lexsort(b)], atol=1e-4)


def test_captions_win_over_transcripts(tmp_path: Path) -> None:
    write(tmp_path / "set/a.wav", noise(0, 0.1))
    rows = [{"file_name": "a.wav", "caption": "abc", "transcript": "xyz", "split": s} for s in ("train", "valid", "test")]
    path = metadata(tmp_path / "set", rows)
    captioning = task("captioning", {"audio": Wave()}, {"caption": Text()})
    assert folder(path).provides(captioning)["caption"] == Text("abc")
    assert folder(path).provides(RECOGNISE)["text"] == Text("xyz")
