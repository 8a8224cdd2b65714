"""Words and how they are pronounced: the table, files, rules of spelling, and what a state from outside may hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from audioml import shelf
from audioml.data.making.sentences import WORDS
from audioml.errors import RequestError, RunError
from audioml.kinds import Seq, Text
from audioml.representations import pronunciation
from audioml.representations.pronounced import Pronounced


class Told:
    """Training texts alone."""

    def __init__(self, *said: str) -> None:
        self.said = list(said)

    def size(self, split: str) -> int:
        return len(self.said)

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict:
        return {"text": (self.said, np.asarray([len(t) for t in self.said]))}


def learnt(*said: str, **settings: object) -> Pronounced:
    rep = shelf.make("representation", "pronounced", settings)
    rep.fit(Told(*said), "text", Text("abc"), 0)
    return rep


def test_texts_come_back_and_unknown_words_are_left_out() -> None:
    rep = learnt("two one", "one three")
    seq, _ = rep.encode(Seq(["three two", "", "one hundred one"], None), Text(" abc"))
    assert rep.learnt() == ["one", "three", "two"]
    assert seq.x.tolist() == [[1, 2], [0, 0], [0, 0]]
    assert seq.n.tolist() == [2, 0, 2]
    assert rep.decode(seq, None, Text(" abc")).x == ["three two", "", "one one"]


def test_the_table_holds_the_embedded_words_and_real_phones() -> None:
    table = pronunciation.known()
    assert set(WORDS) <= set(table)
    assert all(phone in pronunciation.INDEX for phones in table.values() for phone in phones)
    assert len(set(table.values())) == len(table), "two words of the table sound alike"


@pytest.mark.parametrize(("word", "phones"), [
    ("ship", "SH IH P"), ("name", "N EY M"), ("night", "N AY T"), ("church", "CH ER CH"), ("7", "S EH V EH N"), ("Käse", "K EY S"),
    ("...", "AH"), ("box", "B AA K S"), ("queen", "K W IY N"), ("me", "M EH"),
])  # fmt: skip
def test_every_word_can_be_said(word: str, phones: str) -> None:
    assert " ".join(pronunciation.spelt(word)) == phones


def test_a_dictionary_goes_before_the_table(tmp_path: Path) -> None:
    file = tmp_path / "words.dict"
    file.write_text(";;; a comment\none  HH W AH1 N\none(2)  W AO1 N\nGRUE G R UW1\n", encoding="utf-8")
    rep = learnt("one grue two", dictionary=str(file))
    said = {word: " ".join(rep.phones[p] for p in rep.say(word)) for word in rep.learnt()}
    assert said == {"one": "HH W AH N", "grue": "G R UW", "two": "T UW"}


@pytest.mark.parametrize(("line", "why"), [("one W XX N", "'XX' is no phone"), ("one", "it has 0 phones"), ("one SIL", "'SIL' is no phone")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "words.dict"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(RequestError, match=f"line 1 of .* is no pronunciation: {why}"):
        learnt("one", dictionary=str(file))
    with pytest.raises(RequestError, match="cannot be read"):
        learnt("one", dictionary=str(tmp_path / "none"))


def test_room_and_order_of_things() -> None:
    with pytest.raises(RequestError, match=r"have 3 words, more than representation\.size=2"):
        learnt("a b c", size=2)
    with pytest.raises(RequestError, match="finds no word"):
        learnt("")
    with pytest.raises(RunError, match="has not learnt its words yet"):
        shelf.make("representation", "pronounced").encode(Seq(["one"], torch.tensor([3])), Text("eno"))


def test_the_state_travels_and_a_strange_one_is_refused() -> None:
    rep, other = learnt("one grue"), shelf.make("representation", "pronounced")
    other.load_state(rep.state())
    assert other.learnt() == rep.learnt()
    assert other.say("grue") == rep.say("grue")
    for bad in ({"one": [999]}, {"one": []}, {1: [1]}, {"one": "W"}, {f"w{i}": [1] for i in range(129)}, [1]):
        with pytest.raises(ValueError, match="lexicon of 'pronounced'"):
            shelf.make("representation", "pronounced").load_state({"lexicon": bad})


def test_triphones_are_phones_with_neighbours_and_rarer_ones_fall_back() -> None:
    rep = learnt("five nine nine", contexts=3)
    assert [tuple("-" if p < 0 else rep.phones[p] for p in one) for one in rep.triphones] == [
        ("-", "N", "AY"), ("AY", "N", "-"), ("N", "AY", "N"),  # of the word that is said twice
    ]  # fmt: skip
    assert [rep.phone(unit) for unit in rep.say("nine")] == list(rep.pronounce("nine"))
    nine, five = rep.say("nine"), rep.say("five")
    assert len({*nine}) == 3, "an N at the end is not an N at the beginning"
    assert min(nine) >= len(rep.phones)
    assert five[1] == nine[1], "the rarer AY takes the AY that is known"
    assert five[0] == rep.pronounce("five")[0], "no triphone of F is known, so it is said by the phone"
    assert max(nine) < rep.units == len(rep.phones) + 3


def test_another_word_takes_the_triphone_that_shares_most() -> None:
    rep = learnt("nine one on no", contexts=64)
    ends = rep.say("down")[-1]  # D AW N: of all N, "one" (AH N -), "nine" (AY N -) and "on" end alike; the first of the equally frequent
    assert rep.phone(ends) == pronunciation.INDEX["N"]
    assert rep.triphones[ends - len(rep.phones)][2] == -1


def test_triphones_come_back_from_a_checkpoint_and_nothing_else_does() -> None:
    rep, other = learnt("one two", contexts=8), shelf.make("representation", "pronounced", {"contexts": 8})
    other.load_state(rep.state())
    assert [other.say(w) for w in ("one", "two")] == [rep.say(w) for w in ("one", "two")]
    old = shelf.make("representation", "pronounced", {})
    old.load_state({"lexicon": rep.state()["lexicon"]})
    assert old.say("one") == old.pronounce("one")
    for wrong in ([[0, 1]], [[0, 1, 99]], [["a", 0, 0]], [[0, 0, 0]] * 9, {"a": 1}):
        with pytest.raises(ValueError, match="triphone"):
            other.load_state({**rep.state(), "triphones": wrong})
    with pytest.raises(RequestError, match=r"representation\.contexts=-1 should be zero or more"):
        learnt("one", contexts=-1)
