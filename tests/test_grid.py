"""docs/grid.md from records, and several processes on one sweep."""

from __future__ import annotations

from filelock import FileLock

from audioml import grid, sweep
from audioml.records import Record, Value
from audioml.runfolder import run_signature
from audioml.table.paired import BEATS, EVEN, WORSE


def record(better: str, value: float, floor: float, items: list[float], floors: list[float]) -> Record:
    name = "quality/it"
    return Record(
        signature="0123456789", axes={"task": "t"}, primary=name,
        values={name: Value(value, "", better, n=len(items), ci=(min(items), max(items)))},
        baselines={name: Value(floor, "", better)}, items={name: items, "other": items}, baseline_items={name: floors},
        provenance={"data_report": {"skipped": []}, "created": "2026-11-22T10:00:00"},
    )  # fmt: skip


def test_verdicts_come_from_paired_items_or_from_the_interval() -> None:
    worse, better = [3.0, 3.1, 2.9, 3.2, 3.0, 3.1], [1.0, 1.1, 0.9, 1.2, 1.0, 1.15]
    assert grid.by_interval(record("low", 1.0, 3.0, better, worse), "low").verdict == BEATS
    assert grid.by_interval(record("high", 1.0, 3.0, better, worse), "high").verdict == WORSE
    assert grid.by_interval(record("low", 1.0, 1.05, better, worse), "low").verdict == EVEN


def test_the_page_counts_and_explains() -> None:
    good = record("low", 1.0, 3.0, [1.0] * 6, [3.0] * 6)
    cells = [
        grid.Cell("a", "x", good, grid.by_interval(good, "low")),
        grid.Cell("a", "y", good, grid.Delta(verdict=EVEN)),
        grid.Cell("b", "x"),
        grid.Cell("b", "y", legal=False, why="it cannot be"),
    ]
    text = grid.page(cells, {"rows": {"y": "too small."}}, "python scripts/grid.py")
    assert "| a (it ↓) | ✓ 1 (3) | ≈ 1 (3) |" in text
    assert "| b ( ) | not run | – |" in text
    assert "4 cells, 3 fit, 2 were trained, 1 beat their baseline." in text
    assert "- a · y: ≈ 1 (3). too small." in text
    assert "- b · y: it cannot be" in text


def test_another_process_is_left_alone(tmp_path: object) -> None:
    job = ["task=enhancement", "model=fcn", "preset=smoke", f"outputs={tmp_path}"]
    request = sweep.compose(job)
    runs = tmp_path / "runs"  # type: ignore[operator]
    runs.mkdir()
    with FileLock(runs / f".{run_signature(request)}.lock"):
        assert sweep.run(sweep.Job(tuple(job))).status == "busy"
