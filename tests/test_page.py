"""The page in a real browser: players load, columns sort, nothing escapes, nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audioml.table import write_table
from tests import browser
from tests.sample_runs import HOSTILE, gallery

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is one")

ENTER = "\ue007"
TABLE = "#s2 table.compare"  # the enhancement runs; #s1 is asr
ROWS = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
COLUMN = f"{ROWS}.map(r => r.cells[arguments[1]].textContent)"
HEAD = "const b = [...document.querySelectorAll(arguments[0] + ' thead th')]; return b.map(h => h.textContent)"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    out = tmp_path_factory.mktemp("table")
    write_table([gallery(tmp_path_factory.mktemp("runs"))], out, show=False)
    with browser.Browser() as opened:
        opened.open(out / "index.html")
        yield opened


def test_it_loads_without_a_word_in_the_console_and_without_network(window: browser.Browser) -> None:
    assert window.problems() == []
    asked = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))"
    assert window.run(asked) == []


def test_every_player_loads_its_sound(window: browser.Browser) -> None:
    assert window.run("return document.querySelectorAll('audio').length") == 2 * (2 + 8) + 1
    ready = "return [...document.querySelectorAll('audio')].every(a => a.error || a.readyState > 0)"
    assert window.wait(ready), "players still load after 30 s"
    broken = "return [...document.querySelectorAll('audio')].filter(a => a.error || !(a.duration > 0)).map(a => a.ariaLabel)"
    assert window.run(broken) == []
    lengths = window.run("return [...document.querySelectorAll('#s2 audio')].map(a => a.duration)")
    assert lengths == pytest.approx([1.5] * len(lengths), abs=0.01)


def test_another_player_goes_on_at_the_same_instant_and_the_first_falls_silent(window: browser.Browser) -> None:
    players = "const [a, b] = document.querySelectorAll('#s2 .clip .takes:last-child audio');"
    window.run(players + "a.currentTime = 0.6; a.play()")
    assert window.wait(players + "return !a.paused && a.currentTime > 0.6")
    window.run(players + "b.play()")
    assert window.wait(players + "return a.paused && b.currentTime >= 0.6")
    window.run(players + "b.pause()")


def test_pictures_are_decoded(window: browser.Browser) -> None:
    window.run("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    assert window.run("return document.images.length") == 2 * 8 + 1
    assert window.wait("return [...document.images].every(i => i.complete && i.naturalWidth > 100)")


def test_a_click_on_a_title_sorts_and_a_second_click_turns_round(window: browser.Browser) -> None:
    column = window.run(HEAD, TABLE).index("Parameters")
    title = f"{TABLE} thead th:nth-child({column + 1})"
    window.click(f"{title} button")
    assert window.run("return document.querySelector(arguments[0]).ariaSort", title) == "ascending"
    up = window.run(COLUMN, TABLE, column)
    assert up[:6] == ["314 k", "337 k", "447 k", "471 k", "1.21 M", "2.28 M"]  # by number, not by letter
    window.click(f"{title} button")
    assert window.run("return document.querySelector(arguments[0]).ariaSort", title) == "descending"
    down = window.run(COLUMN, TABLE, column)
    assert down[:6] == up[:6][::-1]
    assert set(up[6:]) == set(down[6:]) == {"–"}  # not measured: last both times
    assert window.run("return document.querySelectorAll(arguments[0] + ' th[aria-sort]').length", TABLE) == 1


def test_the_keyboard_sorts_too(window: browser.Browser) -> None:
    window.press(f"{TABLE} thead th:first-child button", ENTER)
    names = window.run(f"{ROWS}.map(r => r.cells[0].dataset.sort)", TABLE)
    assert names == sorted(names, key=str.casefold)


def test_a_hostile_name_is_text(window: browser.Browser) -> None:
    cells = "return [...document.querySelectorAll('th[scope=row]')].map(c => c.textContent)"
    assert HOSTILE in window.run(cells)
    assert window.run("return document.scripts.length") == 1


def test_a_name_in_the_legend_picks_its_curves_out(window: browser.Browser) -> None:
    window.click(".legend li:nth-child(2) button")
    assert window.run("return document.querySelector('.legend li:nth-child(2) button').ariaPressed") == "true"
    assert window.run("return [...document.querySelectorAll('.charts .on')].map(l => l.dataset.run)") == ["1", "1"]
    window.click(".legend li:nth-child(2) button")
    assert window.run("return document.querySelectorAll('.charts .on, .charts.picked').length") == 0


@pytest.mark.parametrize("width", [360, 1400])
def test_only_the_table_scrolls_sideways(window: browser.Browser, width: int, tmp_path: Path) -> None:
    window.resize(width, 800)
    assert window.run("return document.documentElement.scrollWidth") <= width
    assert window.run("const s = document.querySelector('#s2 .scroll'); return s.scrollWidth > s.clientWidth")
    assert window.problems() == []


def test_of_many_players_each_loads_when_it_comes_into_view(
    window: browser.Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audioml.table import page

    monkeypatch.setattr(page, "PRELOADED", 0)
    write_table([gallery(tmp_path / "runs")], tmp_path, show=False)
    window.open(tmp_path / "index.html")
    last = "const a = [...document.querySelectorAll('audio')].at(-1);"
    assert window.run(last + "return a.readyState") == 0
    window.run(last + "a.scrollIntoView()")
    assert window.wait(last + "return a.readyState > 0 && a.duration > 1")
    assert window.problems() == []
