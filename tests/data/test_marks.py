"""Side files of every form read alike, and what cannot be read is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audioml.data.marked import facts_of, fitted, mark
from audioml.data.marks import STEP, BadMarksError, grid_of, read
from audioml.data.table import Table
from audioml.kinds import Curve, Notes, Phones, Times

NOTES = [[0.0, 0.5, 60, 64], [0.5, 1.25, 62, 127], [0.5, 2.0, 48, 32]]


def file(at: Path, name: str, text: str) -> str:
    (at / name).write_text(text, "utf-8")
    return name


def table(at: Path, *cells: str, column: str = "notes") -> Table:
    return Table("here", tuple({column: cell} for cell in cells), (column,), at)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "onset,offset,pitch,velocity\n0,0.5,60,64\n0.5,1.25,62,127\n0.5,2,48,32\n"),
        ("a.csv", "0,0.5,60,64\n0.5,1.25,62,127\n0.5,2,48,32\n"),
        ("a.txt", "# by hand\n0\t0.5\t60\t64\n0.5\t1.25\t62\t127\n0.5\t2\t48\t32\n"),
        ("a.json", json.dumps(NOTES)),
        ("a.json", json.dumps([{"onset": a, "offset": b, "pitch": p, "velocity": v} for a, b, p, v in NOTES])),
        ("a.json", json.dumps({"start": [0, 0.5, 0.5], "end": [0.5, 1.25, 2], "note": [60, 62, 48], "velocity": [64, 127, 32]})),
    ],
    ids=["csv", "no header", "text", "json rows", "json objects", "json columns"],
)
def test_notes_in_every_form(tmp_path: Path, name: str, text: str) -> None:
    notes, _ = read(Notes, file(tmp_path, name, text), tmp_path, "notes")
    np.testing.assert_allclose(notes[:3], [[0, 0.5, 0.5], [0.5, 2, 1.25], [60, 48, 62]])
    np.testing.assert_allclose(notes[3] * 127, [64, 32, 127])
    assert not notes[4].any()
    inline, _ = read(Notes, json.dumps(NOTES), tmp_path, "notes")
    np.testing.assert_array_equal(inline, notes)


def test_midi_follows_its_tempo_map_and_leaves_drums_out(tmp_path: Path) -> None:
    symusic = pytest.importorskip("symusic")
    score = symusic.Score(480)
    score.tempos.append(symusic.Tempo(0, mspq=500000))
    score.tempos.append(symusic.Tempo(960, mspq=1000000))
    for k, drum in enumerate((False, True, False)):
        track = symusic.Track(f"t{k}", program=0, is_drum=drum)
        track.notes.append(symusic.Note(480 * (k + 1), 480, 60 + k, 127))
        score.tracks.append(track)
    score.dump_midi(tmp_path / "a.mid")
    notes, names = read(Notes, "a.mid", tmp_path, "file_name")
    np.testing.assert_allclose(notes[:3], [[0.5, 2.0], [1.0, 3.0], [60, 62]], atol=1e-9)
    assert names == ("t0", "t2")
    assert notes[4].tolist() == [0, 1]
    np.testing.assert_allclose(read(Times, "a.mid", tmp_path, "file_name")[0], [[0.5, 2.0], [0, 0]])


def test_a_grid_of_pitches_becomes_notes() -> None:
    grid = [[60, 48], [60, -1], [62, -1], [62, 50]]
    notes, _ = read(Notes, json.dumps(grid), Path(), "notes")
    expected = [[0, 0, 2, 3], [1, 2, 4, 4], [48, 60, 62, 50]]
    np.testing.assert_allclose(notes[:3], [np.asarray(expected[0]) * STEP, np.asarray(expected[1]) * STEP, expected[2]])
    assert notes[4].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("time,beat\n0.1,4\n0.6,1\n1.1,2\n", [(0.1, "beat"), (0.6, "beat"), (0.6, "downbeat"), (1.1, "beat")]),
        ("0.1\t4\n0.6\t1\n", [(0.1, "beat"), (0.6, "beat"), (0.6, "downbeat")]),
        ("time,downbeat_2,downbeat_4\n0,1,0\n1,1,1\n", [(0, "beat"), (1, "beat"), (1, "downbeat")]),
        ("time\n1\n0.5\n", [(0.5, "beat"), (1, "beat")]),
        ("time,class\n0.5,KD\n1,SD\n", [(0.5, "KD"), (1, "SD")]),
    ],
)
def test_times_say_their_kinds(tmp_path: Path, text: str, kinds: list[tuple[float, str]]) -> None:
    times, names = read(Times, file(tmp_path, "a.csv" if "," in text else "a.txt", text), tmp_path, "beats")
    assert [(t, names[int(k)]) for t, k in times.T] == kinds


def test_onsets_of_a_chord_are_one() -> None:
    times, names = read(Times, json.dumps([[0.5, 1.0, 60], [0.51, 1.0, 64], [0.9, 1.0, 67]]), Path(), "notes")
    assert names == ("onset",)
    np.testing.assert_allclose(times, [[0.5, 0.9], [0, 0]])


def test_curves_and_the_pitch_of_notes(tmp_path: Path) -> None:
    curve, names = read(Curve, file(tmp_path, "f.csv", "time,f0_hz\n0,0\n0.01,220\n"), tmp_path, "melody_f0")
    assert names == ("f0",)
    np.testing.assert_allclose(curve, [[0, 0.01], [0, 220]])
    pitch, _ = read(Curve, file(tmp_path, "n.csv", "onset,offset,pitch\n0.1,0.2,69\n0.2,0.3,81\n"), tmp_path, "f0")
    held = {round(float(t), 2): round(float(v)) for t, v in pitch.T}
    assert (held[0.09], held[0.1], held[0.19], held[0.2], held[0.29]) == (0, 440, 440, 880, 880)
    assert pitch[1, -1] == 0


def test_phonemes(tmp_path: Path) -> None:
    phones, names = read(Phones, file(tmp_path, "p.lab", "0.1 0.2 a\n0.2 0.4 t\n0.5 0.6 a\n"), tmp_path, "phones")
    np.testing.assert_allclose(phones, [[0.1, 0.2, 0.5], [0.2, 0.4, 0.6], [0, 1, 0]])
    assert names == ("a", "t")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (Notes, "onset,offset,pitch\n1,0.5,60\n", "a note that ends before it begins"),
        (Notes, "onset,offset,pitch\n0,1,160\n", "pitches outside 0 to 127"),
        (Notes, "onset,offset\n0,1\n", "cannot be read as Notes: no 'pitch or note or midi'"),
        (Notes, "onset,offset,pitch\n0,1,C4\n", r"cannot be read as Notes \(ValueError"),
        (Phones, "start,end,phoneme\n0,1,a\n0.5,2,b\n", "phonemes that overlap"),
        (Times, "time,beat\nnan,1\n", "a time that is not a number"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, kind: type, text: str, words: str) -> None:
    with pytest.raises(BadMarksError, match=words):
        read(kind, file(tmp_path, "x.csv", text), tmp_path, "x")
    with pytest.raises(BadMarksError, match=r"nothing\.csv cannot be read as .* \(FileNotFoundError"):
        read(kind, "nothing.csv", tmp_path, "x")


def test_a_grid_is_found_where_there_is_one() -> None:
    third = 60 / 140 / 4
    assert grid_of([np.arange(700) * third, np.asarray([0, 16]) * third]) == pytest.approx(third, abs=1e-8)
    assert grid_of([np.round(np.arange(300) * third, 4)]) == pytest.approx(third, abs=1e-6)
    assert grid_of([np.asarray([0, 0.15, 0.3, 0.47])]) is None
    assert grid_of([np.sort(np.random.default_rng(0).uniform(0, 60, 500))]) is None
    assert grid_of([]) is None


def test_rows_share_their_voices_by_name_or_by_order(tmp_path: Path) -> None:
    one = file(tmp_path, "1.csv", "stem,onset,offset,pitch\npiano,0,1,50\nvoice,0,1,70\n")
    two = file(tmp_path, "2.csv", "stem,onset,offset,pitch\nvoice,0,1,71\npiano,1,2,51\n")
    found = mark(table(tmp_path, one, two, ""), Notes, ["notes"], str(tmp_path / "c"))
    world = facts_of(Notes(), found)
    assert world == Notes(50, 71, 2, 1.0)
    first, second, none = fitted(world, found)
    assert dict(zip(first[2], first[4])) == {50: 0, 70: 1}
    assert dict(zip(second[2], second[4])) == {71: 1, 51: 0}
    assert none is None
    assert found.why == ["", "", "no notes"]
    assert fitted(Notes(60, 80, 2, None), found)[0][2].tolist() == [70]
    alone = [file(tmp_path, f"{k}.csv", f"track,onset,offset,pitch\nname{k},0,1,60\n") for k in range(3, 5)]
    found = mark(table(tmp_path, *alone), Notes, ["notes"], str(tmp_path / "c"))
    assert facts_of(Notes(), found).voices == 1
    assert [a[4].tolist() for a in fitted(Notes(0, 127, 1, None), found)] == [[0], [0]]


def test_marks_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    name = file(tmp_path, "a.csv", "time\n1\n")
    assert mark(table(tmp_path, name), Times, ["notes"], str(tmp_path / "c")).arrays[0].shape == (2, 1)
    file(tmp_path, "a.csv", "time\n1\n2\n")
    assert mark(table(tmp_path, name), Times, ["notes"], str(tmp_path / "c")).arrays[0].shape == (2, 2)
