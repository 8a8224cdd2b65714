"""Notes, times, curves and tags as symbols: round trips, references, refusals."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from audioml import shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Codes, Curve, Frames, Notes, Seq, Tags, Text, Tokens

SCORE = Notes(36, 81, 4, 0.15)
PLAYED = Notes(21, 108, 1, None)
RATE = Fraction(125, 2)


def batch(*items: np.ndarray) -> Seq:
    n = torch.tensor([i.shape[1] for i in items])
    x = torch.zeros(len(items), items[0].shape[0], int(n.max()))
    for row, item in zip(x, items, strict=True):
        row[:, : item.shape[1]] = torch.from_numpy(item)
    return Seq(x, n)


def played(rng: np.random.Generator, count: int = 60) -> np.ndarray:
    """Notes that never overlap in pitch, 40 ms to 1.5 s long."""
    notes = []
    for pitch in rng.choice(np.arange(21, 109), 12, replace=False):
        t = rng.uniform(0, 1)
        for _ in range(count // 12):
            length = rng.uniform(0.04, 1.5)
            notes.append([t, t + length, pitch, rng.uniform(0.1, 1), 0])
            t += length + rng.uniform(0.1, 1)
    return np.asarray(sorted(notes), np.float32).T


def rows(seq: Seq, item: int = 0) -> np.ndarray:
    return seq.x[item, :, : int(seq.n[item])].numpy()


# ---- grid ------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def chorales(shared) -> dict[str, list[np.ndarray]]:
    """JSB chorales as pitches [4, N], silence as the symbol 46."""
    found = json.loads((shared / "jsb_chorales" / "chorales.json").read_text())
    grids = {split: [np.asarray(piece).T for piece in pieces] for split, pieces in found.items()}
    return {split: [np.where(g < 0, 46, g - 36) for g in pieces] for split, pieces in grids.items()}


@pytest.mark.parametrize("name", ["midi_grid", "midi_raster"])
def test_chorales_come_back_exactly(name: str, chorales) -> None:
    from audioml.metrics._voices import from_grid

    rep = shelf.make("representation", name)
    pieces = chorales["valid"] + chorales["test"]
    notes = batch(*(from_grid(g, SCORE, hold=False) for g in pieces))
    coded, _ = rep.encode(notes, SCORE)
    raster = name == "midi_raster"
    for i, grid in enumerate(pieces):
        n = int(coded.n[i])
        own = coded.x[i, ..., :n].numpy()
        last = np.flatnonzero((grid != 46).any(0)).max() + 1  # silence after the last note is no note
        assert np.array_equal(own.reshape(-1, 4).T if raster else own, grid[:, :last])
    again = rep.decode(coded, None, SCORE)
    assert torch.equal(again.n, notes.n)
    assert torch.equal(again.x, notes.x)


def test_the_grid_is_one_book_per_voice_or_one_row_of_symbols() -> None:
    assert shelf.make("representation", "midi_grid").space(SCORE) == Codes(4, 47, Fraction(20, 3))
    assert shelf.make("representation", "midi_raster", {"hold": True}).space(SCORE) == Tokens(48)
    with pytest.raises(Misfit, match="needs notes with voices on a time grid, and the data's are a performance"):
        shelf.make("representation", "midi_grid").space(PLAYED)
    with pytest.raises(Misfit, match="'midi_grid' cannot carry Text; it carries Notes"):
        shelf.make("representation", "midi_grid").space(Text("ab"))
    with pytest.raises(RequestError, match="period=-1 should be 0 or more"):
        shelf.make("representation", "midi_grid", {"period": -1})


def test_a_hold_symbol_keeps_repeated_notes_apart() -> None:
    step = SCORE.step
    notes = np.asarray([[0, 2 * step, 60, 0.8, 1], [2 * step, 3 * step, 60, 0.8, 1], [4 * step, 6 * step, 62, 0.8, 0]], np.float32).T
    plain, held = (shelf.make("representation", "midi_grid", {"hold": h}) for h in (False, True))
    assert plain.decode(plain.encode(batch(notes), SCORE)[0], None, SCORE).n.tolist() == [2]
    again = rows(held.decode(held.encode(batch(notes), SCORE)[0], None, SCORE))
    assert np.allclose(again, notes, atol=1e-6)


def test_garbage_and_half_rows_decode_to_rests() -> None:
    rep = shelf.make("representation", "midi_raster")
    notes = rep.decode(Seq(torch.tensor([[10, 46, 46, 99, 10, 46, 46, 46, 3, 3]]), torch.tensor([10])), None, SCORE)
    assert np.allclose(rows(notes), [[0], [0.3], [46], [0.8], [0]])
    empty = rep.decode(Seq(torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long)), None, SCORE)
    assert empty.x.shape == (2, 5, 0)


# ---- events ----------------------------------------------------------------------------------------------------------
def test_events_come_back_within_their_resolution() -> None:
    rng = np.random.default_rng(1)
    rep = shelf.make("representation", "midi_events")
    items = [played(rng), played(rng, 24)]
    coded, _ = rep.encode(batch(*items), PLAYED)
    assert int(coded.x.max()) < rep.space(PLAYED).size == 2 * 88 + 100 + 32
    again = rep.decode(coded, None, PLAYED)
    for i, item in enumerate(items):
        found = rows(again, i)
        assert found.shape == item.shape
        order, other = (np.lexsort((x[0], x[2])) for x in (found, item))  # one pitch never overlaps itself
        gap = np.abs(found[:, order] - item[:, other])
        assert gap[0].max() <= 0.005 + 1e-5
        assert gap[1].max() <= 0.005 + 1e-5
        assert gap[2].max() == 0
        assert gap[3].max() <= 1 / 32 + 1e-6


def test_events_on_a_grid_are_exact() -> None:
    rng = np.random.default_rng(2)
    rep = shelf.make("representation", "midi_events")
    notes = []
    for pitch in range(40, 70, 3):
        at = np.sort(rng.choice(150, 6, replace=False)) * SCORE.step
        notes += [[a, b, pitch, 0.75, 0] for a, b in zip(at[::2], at[1::2], strict=True)]
    notes = np.asarray(sorted(notes), np.float32).T
    again = rows(rep.decode(rep.encode(batch(notes), SCORE)[0], None, SCORE))
    order, other = (np.lexsort((x[0], x[2])) for x in (again, notes))
    assert np.abs(again[:, order] - notes[:, other]).max() < 1e-5


def test_events_agree_with_miditok() -> None:
    miditok, symusic = pytest.importorskip("miditok"), pytest.importorskip("symusic")
    rng = np.random.default_rng(3)
    world = Notes(21, 108, 1, 1 / 16)  # miditok's eight positions per quarter at 120 quarters a minute
    notes = played(rng, 36)
    notes[:2] = np.round(notes[:2] * 16) / 16
    notes[1] = np.maximum(notes[1], notes[0] + 1 / 16)
    config = miditok.TokenizerConfig(
        pitch_range=(21, 109), beat_res={(0, 64): 8}, num_velocities=32, use_programs=False, use_time_signatures=False
    )
    score = symusic.Score(8)
    score.tempos.append(symusic.Tempo(0, 120.0))
    track = symusic.Track(program=0)
    for a, b, pitch, velocity, _ in notes.T.tolist():
        track.notes.append(symusic.Note(round(a * 16), round((b - a) * 16), int(pitch), max(1, round(velocity * 127))))
    score.tracks.append(track)
    theirs, now = [], 0
    for name in miditok.MIDILike(config).encode(score)[0].tokens:
        kind, _, value = name.partition("_")
        if kind == "TimeShift":
            beats, part, resolution = map(int, value.split("."))
            now += beats * 8 + part * 8 // resolution
        elif kind in ("NoteOn", "NoteOff"):
            theirs.append((now, kind, int(value)))
    rep = shelf.make("representation", "midi_events")
    ours, now = [], 0
    for token in rep.encode(batch(notes), world)[0].x[0].tolist():
        if token < 176:
            ours.append((now, "NoteOn" if token < 88 else "NoteOff", 21 + token % 88))
        elif token < 276:
            now += token - 175
    assert sorted(ours) == sorted(theirs)
    assert [t for t, *_ in ours] == [t for t, *_ in theirs]


def test_open_notes_end_with_the_piece_and_stray_offs_are_nothing() -> None:
    rep = shelf.make("representation", "midi_events")
    on, off, shift = 60 - 21, 88 + 50 - 21, 176 + 49
    notes = rows(rep.decode(Seq(torch.tensor([[off, on, shift]]), torch.tensor([3])), None, PLAYED))
    assert np.allclose(notes[:3, 0], [0, 0.5, 60])
    assert notes.shape == (5, 1)
    with pytest.raises(RequestError, match="step=0 should be positive, shifts=100 at least 1 and velocities=32"):
        shelf.make("representation", "midi_events", {"step": 0.0})
    with pytest.raises(Misfit, match="notes need their lowest and highest pitch"):
        rep.space(Notes())


# ---- roll ------------------------------------------------------------------------------------------------------------
def test_a_roll_comes_back_to_half_a_frame() -> None:
    rng = np.random.default_rng(4)
    rep = shelf.make("representation", "roll").at(RATE)
    items = [played(rng), played(rng, 24)]
    coded, _ = rep.encode(batch(*items), PLAYED)
    assert rep.space(PLAYED) == Frames(176, RATE, binary=True)
    assert coded.x.shape[1] == 176
    again = rep.decode(coded, None, PLAYED)
    for i, item in enumerate(items):
        found = rows(again, i)
        assert found.shape == item.shape
        order, other = (np.lexsort((x[0], x[2])) for x in (found, item))
        gap = np.abs(found[:3, order] - item[:3, other])
        assert gap[:2].max() <= 0.5 / float(RATE) + 1e-5
        assert gap[2].max() == 0


def test_an_empty_roll_holds_no_notes() -> None:
    rep = shelf.make("representation", "roll").at(RATE)
    coded, _ = rep.encode(Seq(torch.zeros(1, 5, 1), torch.tensor([0])), PLAYED)
    assert coded.n.tolist() == [0]
    assert rep.decode(Seq(torch.zeros(1, 176, 20), torch.tensor([20])), None, PLAYED).n.tolist() == [0]


def test_padding_opens_no_notes() -> None:
    rep = shelf.make("representation", "roll").at(RATE)
    x = torch.zeros(1, 176, 30)
    x[0, 10, [3, 20]] = 1
    x[0, 98, :] = 1
    notes = rows(rep.decode(Seq(x, torch.tensor([10])), None, PLAYED))
    assert np.allclose(notes[:3], [[3 / 62.5], [10 / 62.5], [31]])


# ---- pitch -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", [Fraction(100), Fraction(125, 2), Fraction(500, 2)])
def test_pitch_comes_back_within_ten_cents(rate: Fraction) -> None:
    world = Curve(("f0",), 100)
    rep = shelf.make("representation", "pitch_bins").at(rate)
    hz = torch.exp2(torch.linspace(5.2, 10.5, 400)).repeat_interleave(5)[None, None].clone()
    hz[..., 200:300] = 0
    coded, side = rep.encode(Seq(hz, torch.tensor([2000])), world)
    assert rep.space(world) == Codes(1, 361, rate)
    assert coded.x.max() == 360
    again = rep.decode(coded, side, world)
    shared = min(again.x.shape[-1], 2000)
    assert abs(again.x.shape[-1] - 2000) <= 1
    a, b = hz[0, 0, :shared], again.x[0, 0, :shared]
    near = torch.minimum((1200 * (b / a.clamp(min=1)).log2()).abs(), (1200 * (b / a.roll(1).clamp(min=1)).log2()).abs())
    near = torch.minimum(near, (1200 * (b / a.roll(-1).clamp(min=1)).log2()).abs())
    both = (a > 0) & (b > 0)
    assert near[both][:-2].max() <= 10.1
    assert ((a > 0) != (b > 0)).sum() <= 2
    if rate == 100:
        assert (1200 * (b[both] / a[both]).log2()).abs().max() <= 10.1


def test_pitch_beyond_the_bins_is_unvoiced() -> None:
    rep = shelf.make("representation", "pitch_bins").at(Fraction(100))
    coded, _ = rep.encode(Seq(torch.tensor([[[20.0, 0.0, 440.0, 9000.0]]]), torch.tensor([4])), Curve(("f0",), 100))
    assert coded.x.tolist() == [[[360, 360, 225, 360]]]
    with pytest.raises(Misfit, match="needs the curve's rate and values"):
        rep.space(Curve())
    with pytest.raises(RequestError, match="bins=0, cents=20 and lowest=32.7 should all be positive"):
        shelf.make("representation", "pitch_bins", {"bins": 0})


# ---- tags ------------------------------------------------------------------------------------------------------------
def test_tags_pass_as_they_are() -> None:
    rep, world = shelf.make("representation", "tags"), Tags(("a", "b", "c"))
    assert rep.space(world) == Tokens(3, length=1, many=True)
    x = torch.tensor([[1.0, 0.0, 1.0]])
    again = rep.decode(rep.encode(Seq(x, torch.ones(1)), world)[0], None, world)
    assert torch.equal(again.x, x)
    assert again.n.tolist() == [3]
    with pytest.raises(Misfit, match="'tags' needs the names of the tags"):
        rep.space(Tags())
