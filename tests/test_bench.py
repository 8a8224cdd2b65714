"""The benchmark registry: a folder, ratios, alternating rounds, an exit code."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
timing = importlib.import_module("benches._timing")
bench = importlib.import_module("bench")


def test_the_folder_is_the_list() -> None:
    assert "data" in bench.names()
    done = subprocess.run([sys.executable, str(ROOT / "scripts/bench.py"), "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "NAME is one of" in done.stderr


def test_candidates_take_turns_and_ratios_are_costs() -> None:
    calls: list[str] = []

    def work(name: str, size: int) -> None:
        calls.append(name)
        sum(range(size))

    slow, fast = (lambda: work("slow", 400_000), 1), (lambda: work("fast", 40_000), 1)
    rows = timing.alternate("x", {"slow": slow, "fast": fast}, unit="µs", rounds=5, targets={"fast": 2.0})
    assert calls == ["slow", "fast"] * 6
    assert rows[0].ratio == 1
    assert rows[0].met is None
    assert rows[1].ratio > 3
    assert rows[1].met
    assert "met" in rows[1].line()
    assert timing.Row("x", "y", 1.0, "µs", 1.5, 0.1, 2.0).met is False


@pytest.mark.slow
def test_reading_and_mixing_reach_their_targets() -> None:
    assert all(row.met is not False for row in importlib.import_module("benches.data").run())
