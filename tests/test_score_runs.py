"""Symbols for people: lines, tables and MIDI files."""

from __future__ import annotations

import io

import numpy as np
import pytest

from audioml.kinds import Curve, Label, Notes, Phones, Tags, Text, Times
from audioml.symbols import csv_of, in_words, midi_of, name_of

NOTES = np.array([[0.0, 0.5, 0.5], [0.5, 1.0, 0.75], [60, 64, 64], [0.8, 0.5, 1.0], [0, 0, 1]])


def test_every_kind_in_one_line() -> None:
    assert in_words(Text("ab"), "a b") == "a b"
    assert in_words(Label(("yes", "no")), 1) == "no"
    assert in_words(Tags(("dog", "bell")), np.array([0.2, 0.9])) == "bell"
    assert in_words(Curve(("f0",), 100), np.array([[0.0, 220.0, 230.0]])) == "3 values, 2 of them above 0, median 230.0"
    assert in_words(Times(("beat", "downbeat")), np.array([[0.5, 1.0], [1, 0]])) == "0.50:downbeat 1.00:beat"
    assert in_words(Notes(), NOTES) == "C4@0.00 E4@0.50 E4@0.50"
    assert in_words(Phones(("a", "b")), np.array([[0.0], [0.1], [1.0]])) == "b"
    assert in_words(Notes(), np.zeros((5, 0))) == "(none)"


def test_lists_become_tables_and_single_things_do_not() -> None:
    assert csv_of(Times(("beat",)), np.array([[0.5], [0]])) == "time,kind\n0.5,beat\n"
    assert csv_of(Notes(), NOTES).splitlines()[1] == "0.0,0.5,60,0.8,0"
    assert csv_of(Text("a"), "a") is None


def test_the_midi_file_is_read_by_another_library() -> None:
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(file=io.BytesIO(midi_of(NOTES)))
    played, now = [], 0.0
    for message in file:  # at the file's own tempo, 120 quarters a minute
        now += message.time
        if message.type in ("note_on", "note_off"):
            played.append((round(now, 3), message.type, message.note, message.channel))
    assert played == [
        (0.0, "note_on", 60, 0), (0.5, "note_off", 60, 0), (0.5, "note_on", 64, 0), (0.5, "note_on", 64, 1),
        (0.75, "note_off", 64, 1), (1.0, "note_off", 64, 0),
    ]  # fmt: skip


def test_pitches_have_their_scientific_names() -> None:
    assert [name_of(p) for p in (60, 69, 21, 70.4)] == ["C4", "A4", "A0", "A#4"]
