"""metrics.csv survives what happens to runs: kills, resumes, full disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from audioml.errors import RunError
from audioml.history import History, read_history


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    with History(tmp_path / "run" / "metrics.csv") as history:
        for step in range(3):
            history.log(step, {"train/loss": 1 / (step + 1), "a, \"b\"": step})
    assert (tmp_path / "run" / "metrics.csv").read_text().startswith("step,name,value,time\n0,train/loss,1,")
    assert read_history(tmp_path / "run" / "metrics.csv") == {
        "train/loss": [(0, 1.0), (1, 0.5), (2, 0.33333333)], 'a, "b"': [(0, 0.0), (1, 1.0), (2, 2.0)],
    }  # fmt: skip


def test_rows_wait_for_the_flush_or_a_full_buffer(tmp_path: Path) -> None:
    history = History(tmp_path / "m.csv", buffer=3)
    history.append(0, "loss", 1)
    history.append(1, "loss", 1)
    assert read_history(tmp_path / "m.csv") == {}
    history.append(2, "loss", 1)
    assert len(read_history(tmp_path / "m.csv")["loss"]) == 3


def test_a_torn_last_line_is_passed_over_and_cut_off_on_resume(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("step,name,value,time\n0,loss,1.5,0.1\n1,loss,1.2")  # killed while writing 1.25
    assert read_history(path) == {"loss": [(0, 1.5)]}
    with History(path) as history:
        history.append(1, "loss", 1.25)
    assert read_history(path) == {"loss": [(0, 1.5), (1, 1.25)]}


def test_a_resumed_run_writes_its_later_steps_once(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with History(path) as history:
        for step in range(10):
            history.append(step, "loss", step)
    with History(path, resume_step=5) as history:
        for step in range(6, 8):
            history.append(step, "loss", 100 + step)
    assert [step for step, _ in read_history(path)["loss"]] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert read_history(path)["loss"][-1] == (7, 107.0)


@pytest.mark.parametrize("text", ["", "\0\0\n", "hello\n", "a,b,c,d\n1,loss,x,0\n", '1,"loss,2\n', "1\n", "9" * 9999 + ",a,1,1\n"])
def test_what_is_no_history_reads_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    assert read_history(tmp_path / "m.csv") == {}
    assert read_history(tmp_path / "missing.csv") == {}


def test_nan_is_written_and_leaves_a_gap(tmp_path: Path) -> None:
    with History(tmp_path / "m.csv") as history:
        history.log(1, {"loss": float("nan")})
        history.log(2, {"loss": 1.0})
    assert "1,loss,nan" in (tmp_path / "m.csv").read_text()
    assert read_history(tmp_path / "m.csv") == {"loss": [(2, 1.0)]}


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*m\.csv: "):
        History(tmp_path / "file" / "m.csv")
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    history = History(tmp_path / "m.csv")
    history.path = Path("/dev/full")  # every write to it fails as on a full disk
    history.append(1, "loss", 1)
    with pytest.raises(RunError, match="cannot write /dev/full: the disk is full; free some space"):
        history.flush()
