"""Cross-validation: how values are dealt into folds, what is pooled, and the whole of it on tiny data."""

from __future__ import annotations

from pathlib import Path

import pytest

from audioml import crossval
from audioml.crossval import _listed, dealt, main, mean_of, pool, report
from audioml.errors import RequestError
from audioml.records import Record, Value
from audioml.sweep import Ended, compose
from tests.data.sound_folders import noise, write

KEY = "quality/accuracy"


def record(numbers: list[float | None], floor: list[float | None], names: list[str]) -> Record:
    known = [x for x in numbers if x is not None]
    values = {KEY: Value(sum(known) / len(known), "", "high", len(known))}
    return Record(
        "abc", {"task": "classification"}, values=values, items={KEY: numbers}, baseline_items={KEY: floor}, primary=KEY,
        provenance={"test_items": names, "train_s": 3.0, "folder": "run"},
    )  # fmt: skip


def test_values_are_dealt_in_order_so_that_sets_spread() -> None:
    songs = ["a1", "a1", "a2", "a3", "b1", "", "b2", "b3"]
    assert dealt(songs, 3, "song") == [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]]
    assert dealt(["2", "1", "2", "3"], None, "fold") == [["1"], ["2"], ["3"]]
    with pytest.raises(RequestError, match="column 'song' has 2 value"):
        dealt(["a", "b", "a"], 3, "song")


def test_pooling_joins_items_and_skips_what_has_no_number() -> None:
    pooled = pool([record([1.0, 0.0], [0.0, 0.0], ["x/1", "x/2"]), record([1.0, None], [1.0, 0.0], ["y/3", "y/4"])])
    assert pooled.items[KEY] == [1.0, 0.0, 1.0, None]
    assert pooled.values[KEY].value == pytest.approx(2 / 3)
    assert pooled.values[KEY].n == 3
    assert pooled.values[KEY].ci is not None
    lines = "\n".join(report(KEY, pooled))
    assert "difference 0.333" in lines
    assert "x: quality/accuracy 0.5" in lines
    assert "y/4" in lines
    assert mean_of([None], Value(None, "dB", "high")).reason == "no item has it"


def test_a_quantity_that_a_fold_lacks_is_left_out() -> None:
    short = record([1.0], [0.0], ["z"])
    short.items = {}
    assert KEY not in pool([record([1.0], [0.0], ["x"]), short]).values


def test_what_is_no_mean_of_items_is_meaned_over_the_folds() -> None:
    one, two = record([0.0, 1.0], [0.0, 0.0], ["x", "y"]), record([0.5], [0.0], ["z"])
    one.values[KEY] = Value(0.8, "", "high", 2)  # as a word error rate weighs items by their words
    value = pool([one, two]).values[KEY]
    assert value.value == pytest.approx((2 * 0.8 + 0.5) / 3)
    assert value.ci is None
    assert "no mean of items" in value.reason


def test_any_text_names_a_fold(tmp_path: Path) -> None:
    odd = "Don't, [stop] \\ now=1"
    for split in ("train", "valid", "test"):
        write(tmp_path / f"{split}.wav", noise(1, 0.1))
    (tmp_path / "metadata.csv").write_text("file_name,split,label\ntrain.wav,train,a\nvalid.wav,valid,b\ntest.wav,test,a\n")
    job = [
        "task=classification",
        "data=folder",
        f"data.path={tmp_path}",
        "model=identity",
        "method=baseline",
        "data.valid_fold=null",
    ]
    with pytest.raises(RequestError, match="Don't, "):
        compose([*job, "data.fold_column=label", f"data.test_fold={_listed([odd])}"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["task=classification"], "needs by=COLUMN"),
        (["by=fold", "data.test_fold=1"], "sets data.fold_column and data.test_fold itself"),
        (["by=fold", "folds=one", "task=classification"], "folds=one should be a whole number"),
        (["by=fold", "task=classification"], "data=embedded has no table to divide"),
    ],
)
def test_wrong_requests_get_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        main(arguments)


def test_all_folds_from_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["file_name,label,speaker"]
    for i in range(12):
        write(tmp_path / f"set/{i}.wav", noise(i, 0.2))
        rows.append(f"{i}.wav,{'ab'[i % 2]},s{i % 4}")
    (tmp_path / "set" / "metadata.csv").write_text("\n".join(rows) + "\n")
    job = ["by=speaker", "folds=2", "out=pooled.json", "task=classification", "model=identity", "method=baseline", "data=folder"]
    job += [f"data.path={tmp_path / 'set'}", "preset=smoke", "preset.test_items=null", "trainer=cpu", "trainer.threads=1"]
    main(job)
    said = capsys.readouterr().out
    assert "pooled over 2 folds, 12 items" in said
    found = Record.read(tmp_path / "pooled.json")
    assert sorted(found.provenance["test_items"]) == sorted(str(i) for i in range(12))
    assert found.values[found.primary].n == 12
    main(job)
    assert capsys.readouterr().out.count("done before") == 2
    monkeypatch.setattr(crossval, "run", lambda fold: Ended(fold, "busy", "another process is at it"))
    with pytest.raises(RequestError, match=r"fold 1 is not done \(another process is at it\); the same command goes on"):
        main(job)
