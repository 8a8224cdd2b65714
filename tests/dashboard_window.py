"""A window on the dashboard of the sample runs, for the tests of its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audioml.table import write_table
from tests import browser
from tests.sample_runs import gallery

SECTION = "s2"  # the enhancement runs; s1 is asr
VIEWS = ("table", "pareto", "curves", "listen", "compare", "vote")
SLOW = ("listen", "compare", "vote")  # views that are ready when their sounds are
COLUMN = "return [...document.querySelectorAll('#table tbody tr')].map(r => r.cells[arguments[0]].textContent)"
HEAD = "return [...document.querySelectorAll('#table thead th')].map(h => h.textContent)"
NAMES = "return [...document.querySelectorAll('#table tbody th .who')].map(c => c.querySelector('button').textContent)"


@contextmanager
def gallery_window(root: Path) -> Iterator[browser.Browser]:
    """A browser that shows the folder of the sample runs, opened from disk."""
    write_table([gallery(root / "runs")], root / "out", show=False)
    with browser.Browser() as opened:
        opened.open(root / "out/index.html")
        assert opened.wait("return document.body.dataset.drawn")
        yield opened


def show(window: browser.Browser, view: str, query: str = "") -> None:
    """Go to a view of the enhancement runs, with the runs chosen that are chosen at first."""
    go = "delete document.body.dataset.ready; audioml.go({section: arguments[0], tab: arguments[1], query: arguments[2], chosen: null})"
    window.run(go, SECTION, view, query)
    assert window.wait("return document.body.dataset.drawn === arguments[0]", view)
    assert view not in SLOW or window.wait("return document.body.dataset.ready === arguments[0]", view), f"{view} is not ready"
