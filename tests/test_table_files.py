"""The table's files and its words: every format, records of any content, requests that cannot be met."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from audioml.cli import guarded
from audioml.records import Record, Value, not_measured
from audioml.table import Table, build_table, main, write_table
from audioml.table.cells import clean, few, number, with_interval
from audioml.table.collect import find_runs
from audioml.table.columns import COLUMNS
from audioml.table.text import csv_text, json_text, markdown, print_table
from tests.sample_runs import HOSTILE, PRIMARY, bare, gallery


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def table(runs: Path) -> Table:
    return build_table(find_runs([runs]))


# ---- bad input -----------------------------------------------------------------------------------------------------
def test_garbled_records_are_skipped_and_counted(tmp_path: Path) -> None:
    bare(tmp_path, "good")
    for name, text in {"torn": '{"schema": 1', "foreign": '{"name": "x"}', "future": '{"schema": 9}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(text)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "metrics.csv").write_text("step,name,value,time\n")
    table = build_table(find_runs([tmp_path]))
    assert [row.name for row in table.sections[0].rows] == ["good"]
    assert len([note for note in table.notes if note.startswith("Skipped: cannot read the record")]) == 3
    assert "1 run folder(s) without a record (still running, or killed): killed." in table.notes
    assert "schema 9, this version reads schema 1" in markdown(table, "x")


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (lambda root: None, ["{root}/none"], r"there is no folder .*none; name one that holds runs, or first train: python"),
        (lambda root: None, ["{root}"], r"there is no record of a run in .*; first train: python train\.py"),
        (lambda root: (root / "record.json").write_text("x"), ["{root}"], r"1 remark\(s\), the first: Skipped: cannot read"),
        (lambda root: bare(root, "a"), ["{root}", "--task", "enhance"], "no run of task 'enhance'; .*: enhancement; did you mean"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture, make: Any, arguments: list[str], sentence: str
) -> None:
    make(tmp_path)
    assert guarded(lambda: main([word.format(root=tmp_path) for word in arguments] + ["--out", str(tmp_path / "out")])) == 2
    error = capsys.readouterr().err
    assert re.search(sentence, error)
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_that_cannot_be_written_is_one_sentence_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bare(tmp_path, "a")
    (tmp_path / "file").write_text("")
    assert guarded(lambda: main([str(tmp_path), "--out", str(tmp_path / "file")])) == 1
    assert re.search(r"cannot write .*table\.md: ", capsys.readouterr().err)


def test_published_records_join_and_a_local_run_of_the_same_is_preferred(tmp_path: Path) -> None:
    local = bare(tmp_path / "runs", "a", signature="one")
    published = tmp_path / "records"
    published.mkdir()
    (published / "one.json").write_bytes((local / "record.json").read_bytes())
    Record("two", {"task": "enhancement", "model": "b"}).write(published / "two.json")
    found = find_runs([tmp_path / "runs"], [published])
    assert {(run.name, run.folder is not None) for run in found.runs} == {("a", True), ("two", False)}
    assert guarded(lambda: main(["--records", str(published), "--out", str(tmp_path / "out"), "--quiet"])) == 0


def test_a_record_may_hold_anything_json_may_hold(tmp_path: Path) -> None:
    odd = {"task": "t\n|x", "row": "\x1b[31mred", "model": ["a", 1], "method": None, "data": {"a": 1}, "preset": 10**30}
    bare(tmp_path, "odd", axes=odd, values={PRIMARY: not_measured("no reason")}, primary="")
    bare(tmp_path, "text", axes={"seed": "x"}, values={PRIMARY: Value("very good")}, provenance={"steps": [1], "wall_s": "long"})
    out = tmp_path / "out"
    write_table([tmp_path], out, show=False)
    assert "\x1b" not in (out / "table.md").read_text() + (out / "index.html").read_text()


# ---- the files -----------------------------------------------------------------------------------------------------
def test_markdown_shows_every_row_and_no_markup_of_a_name(table: Table) -> None:
    text = markdown(table, "python scripts/table.py")
    assert "Made by `python scripts/table.py` from the runs' records; no number is typed in." in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == (2 + 2) + (2 + 10)
    assert len({re.sub(r"\\\|", "", line).count("|") for line in lines[4:]}) == 1


def test_csv_holds_unrounded_numbers_of_all_tasks(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert len(rows) == 12
    assert {column.key for column in COLUMNS} <= set(rows[0])
    unet = next(row for row in rows if row["row"] == "unet")
    record = next(row.run.record for row in table.sections[1].rows if row.name == "unet")
    assert float(unet["primary"]) == record.values[PRIMARY].value
    assert (unet["task"], unet["test_items"], unet["verdict"], unet["pesq"]) == ("enhancement", "40", "beats", "")
    failed = next(row for row in rows if row["row"] == "cnn2d")
    assert (failed["status"], failed["primary"], failed["error"]) == ("failed", "", "the loss became NaN at step 120 (batch 7)")


def test_json_keeps_the_reason_of_every_gap(table: Table) -> None:
    whole = json.loads(json_text(table, "x"))
    rows = {row["cells"]["row"]["text"]: row for row in whole["sections"][1]["rows"]}
    assert rows["unet"]["cells"]["pesq"] == {
        "text": "–", "value": None, "ci": None, "reason": "package 'pesq' is not installed (pip install pesq)",
    }  # fmt: skip
    assert rows["identity"]["role"] == "floor"
    assert rows["unet"]["delta"]["verdict"] == "beats"
    assert all(cell["value"] is not None or cell.get("reason") for row in rows.values() for cell in row["cells"].values())


def test_the_terminal_shows_the_brief_columns(table: Table) -> None:
    from rich.console import Console

    out = io.StringIO()
    print_table(table, Console(file=out, highlight=False))
    text = out.getvalue()
    assert HOSTILE in text
    assert "✗ does not beat" in text
    assert "failed: the loss became NaN" in text
    assert "Signature" not in text


def test_the_same_records_give_the_same_files(runs: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        write_table([runs], tmp_path / out, show=False)
    for name in ("table.md", "table.csv", "table.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# ---- words ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12, "0.120"), (0.001234, "0.00123"), (-1.6, "-1.60"), (31.25, "31.25"), (123.4, "123.4"), (1234.5, "1234"),
     (3e7, "3.00e+07"), (1e-9, "1.00e-09"), (0.9999, "1.000")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_an_interval_shares_the_decimals_of_its_number() -> None:
    assert with_interval(0.273, (-0.0842, 0.7123), plus=True) == "+0.273 [-0.084, 0.712]"
    assert with_interval(12.345, (9.87, 15.0)) == "12.35 [9.87, 15.00]"


def test_control_characters_and_overlong_text_are_cleaned() -> None:
    assert clean("a\x1b[31m\nb\u202ec\t d") == "a [31m b c d"
    assert clean("x" * 999, 10) == "x" * 9 + "…"


def test_of_many_names_the_first_are_said() -> None:
    assert few(iter("abc"), 3) == "a, b, c"
    assert few("abcde", 3) == "a, b, c and 2 more"
    assert few([]) == ""
