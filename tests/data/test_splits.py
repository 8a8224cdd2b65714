"""Nobody is in two splits, and every way to say who belongs where."""

from __future__ import annotations

import pytest

from audioml.data.splits import assign, split_level, split_named
from audioml.errors import RequestError

HOW = {"split_column": "split", "fold_column": None, "test_fold": None, "valid_fold": None, "where": "data"}


def deal(rows: list[dict[str, str]], **how: object) -> tuple[list[str | None], str]:
    names = [f"{i}.wav" for i in range(len(rows))]
    columns = list(rows[0])
    return assign(rows, columns, names, **(HOW | how))


def test_words_for_splits() -> None:
    words = {"dev-clean": "valid", "Train": "train", "validation": "valid", "test_other": "test", "train.100": "train"}
    assert {word: split_named(word) for word in words} == words
    assert [split_named(word) for word in ("heldout", "trainer", "tests song", "12", "")] == [None] * 5


def test_a_class_called_train_is_no_split() -> None:
    assert split_level(["train/a.wav", "test/b.wav"]) == 0
    assert split_level(["mix/train/a.wav", "mix/test/b.wav"]) == 1
    assert split_level(["train/a.wav", "airplane/b.wav"]) is None
    assert split_level(["train.wav"]) is None


def test_a_column_says_it_and_other_words_are_left_out() -> None:
    splits, note = deal([{"split": s} for s in ("train", "dev", "test", "heldout")])
    assert splits == ["train", "valid", "test", None]
    assert note == "splits by column split"


@pytest.mark.parametrize("column", ["speaker", "song", "source"])
def test_carved_by_group(column: str) -> None:
    rows = [{column: str(i // 5)} for i in range(100)]
    splits, note = deal(rows)
    members = {s: {row[column] for row, own in zip(rows, splits) if own == s} for s in ("train", "valid", "test")}
    assert {s: len(m) for s, m in members.items()} == {"train": 16, "valid": 2, "test": 2}
    assert not members["train"] & members["valid"]
    assert not members["train"] & members["test"]
    assert not members["valid"] & members["test"]
    assert "by group" in note
    assert deal(rows)[0] == splits


def test_the_hash_decides_not_the_order() -> None:
    rows = [{"speaker": f"s{i}"} for i in range(30)]
    splits = deal(rows)[0]
    names = [f"{i}.wav" for i in range(30)]
    turned, _ = assign(rows[::-1], ["speaker"], names[::-1], **HOW)
    assert turned == splits[::-1]


def test_leaving_one_speaker_out() -> None:
    rows = [{"speaker": "abcd"[i % 4]} for i in range(80)]
    splits, note = deal(rows, fold_column="speaker", test_fold="c")
    assert all((row["speaker"] == "c") == (own == "test") for row, own in zip(rows, splits))
    assert splits.count("valid") == 6
    assert note == "test is speaker=c; valid carved from train by clip"
    splits, _ = deal(rows, fold_column="speaker", test_fold="c", valid_fold="a")
    assert {row["speaker"] for row, own in zip(rows, splits) if own == "valid"} == {"a"}


def test_several_folds_at_once() -> None:
    rows = [{"song": f"s{i % 6}"} for i in range(30)]
    splits, note = deal(rows, fold_column="song", test_fold=["s1", "s4"], valid_fold=["s0"])
    assert {row["song"]: own for row, own in zip(rows, splits)} == {
        "s0": "valid", "s1": "test", "s2": "train", "s3": "train", "s4": "test", "s5": "train",
    }  # fmt: skip
    assert note == "test is song=s1 or s4"


def test_a_number_names_a_fold() -> None:
    assert deal([{"fold": str(i % 5)} for i in range(50)], fold_column="fold", test_fold=3)[0].count("test") == 10


@pytest.mark.parametrize(
    ("rows", "how", "words"),
    [
        ([{"a": "1"}] * 9, {"split_column": "part"}, "data.split_column=part is not a column of data; the columns are a"),
        ([{"a": "1"}] * 9, {"fold_column": "fold"}, "data.fold_column=fold is not a column of data; the columns are a"),
        ([{"f": "1"}, {"f": "2"}], {"fold_column": "f", "test_fold": 7},
         "data.test_fold=7 is not in column 'f' of data; its values are 1, 2"),
        ([{"f": "1"}, {"f": "2"}], {"fold_column": "f", "test_fold": ["1", "3"]},
         "data.test_fold=3 is not in column 'f' of data; its values are 1, 2"),
        ([{"f": "1"}, {"f": "2"}], {"fold_column": "f"},
         "data.fold_column=f needs data.test_fold; the values of the column are 1, 2"),
        ([{"f": "1"}] * 9, {"test_fold": "1"}, "data.test_fold and data.valid_fold need data.fold_column; the columns are f"),
        ([{"split": "test"}, {"split": "valid"}], {}, "data has no clip to train on; its split column must say train for some"),
        ([{"a": "1"}] * 2, {}, "data has 2 clip.s. to train on and none for test and valid: that is too few to divide"),
    ],
)  # fmt: skip
def test_what_cannot_be_split(rows: list[dict[str, str]], how: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        deal(rows, **how)
