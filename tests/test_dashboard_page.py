"""The dashboard's views in a real browser, opened from disk: it loads, sorts, filters, answers, and nothing escapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests import browser
from tests.dashboard_window import COLUMN, HEAD, NAMES, VIEWS, gallery_window, show
from tests.sample_runs import HOSTILE

ENTER = "\ue007"
TABLE = "#table table.compare"

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is one")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with gallery_window(tmp_path_factory.mktemp("page")) as opened:
        yield opened


def test_it_loads_without_a_word_in_the_console_and_without_network(window: browser.Browser) -> None:
    for tab in VIEWS:
        show(window, tab)
    assert window.problems() == []
    asked = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:') && !n.startsWith('file:'))"
    assert window.run(asked) == []


# ---- the table -----------------------------------------------------------------------------------------------------
def test_a_click_on_a_title_sorts_and_a_second_click_turns_round(window: browser.Browser) -> None:
    show(window, "table")
    column = window.run(HEAD).index("Parameters")
    title = f"{TABLE} thead th:nth-child({column + 1})"
    window.click(f"{title} button")
    assert window.run("return document.querySelector(arguments[0]).ariaSort", title) == "ascending"
    up = window.run(COLUMN, column)
    assert up[:6] == ["314 k", "337 k", "447 k", "471 k", "1.21 M", "2.28 M"]  # by number, not by letter
    window.click(f"{title} button")
    assert window.run("return document.querySelector(arguments[0]).ariaSort", title) == "descending"
    down = window.run(COLUMN, column)
    assert down[:6] == up[:6][::-1]
    assert set(up[6:]) == set(down[6:]) == {"–"}  # not measured: last both times
    assert window.run("return document.querySelectorAll(arguments[0] + ' th[aria-sort]').length", TABLE) == 1


def test_the_keyboard_sorts_and_stays_where_it_was(window: browser.Browser) -> None:
    show(window, "table")
    window.press(f"{TABLE} thead th:first-child button", ENTER)
    names = window.run(NAMES)
    assert names == sorted(names, key=str.casefold)
    assert window.run("return document.activeElement.closest('th').dataset.key") == "row"


def test_a_hostile_name_is_text(window: browser.Browser) -> None:
    for tab in ("table", "pareto", "curves", "listen", "compare"):
        show(window, tab)
        window.run("audioml.go({chosen: audioml.section().rows.map(r => r.id)})")
        assert window.wait("return document.body.dataset.drawn === arguments[0]", tab)
        assert HOSTILE in window.run("return document.querySelector('#main').textContent"), tab
        assert window.run("return [...document.scripts].filter(s => !s.src).length + document.querySelectorAll('#main script').length") == 0
    show(window, "table")
    window.run("audioml.details(audioml.section().rows.find(r => r.name === arguments[0]))", HOSTILE)
    assert window.wait("return document.querySelector('dialog[open] dl')")
    assert HOSTILE in window.run("return document.querySelector('dialog').textContent")
    window.run("document.querySelector('dialog').close()")


def test_the_columns_are_those_that_were_chosen(window: browser.Browser) -> None:
    show(window, "table")
    before = window.run(HEAD)
    assert "Seed" not in before
    window.run("[...document.querySelectorAll('.ticks label')].find(l => l.textContent === 'Seed').querySelector('input').click()")
    assert set(window.run(HEAD)) == {*before, "Seed"}
    window.run("audioml.keep('columns', null); audioml.show()")


# ---- the query -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("query", "names"), [
    ("", None),
    ("parameters<=400k", ["rnn", "fcn"]),
    ("params < 0.4M, rtf<1", ["rnn", "fcn"]),
    ("streaming=online parameters>400k badge~beats", ["cnn1d"]),
    ("latency≤0.04s model~net", ["unet"]),
    ('"beats baseline" streaming!=online', ["unet", "transformer"]),
    ("status~fail", ["cnn2d"]),
    ("rnn", ["rnn"]),
    ("latency<=10ms", []),
    ("si_sdr_improvement>7", ["unet", "oracle"]),
])  # fmt: skip
def test_a_query_leaves_what_fits(window: browser.Browser, query: str, names: list[str] | None) -> None:
    show(window, "table", query)
    shown = window.run(NAMES)
    assert set(shown) == set(names) if names is not None else len(shown) == 10
    assert window.run("return document.querySelector('#query').ariaInvalid") == "false"


@pytest.mark.parametrize(("query", "sentence"), [
    ("latncy<=10", "There is no column 'latncy'; did you mean latency?"),
    ("latency<=", "'latency<=' is half a condition"),
    ("latency<=soon", "'latency' is a number, and 'soon' is none."),
    ("latency<=10kg", "'latency' cannot be compared with 10kg: after the number it takes ms, s, us, µs, or nothing."),
    ("streaming<3", "'streaming' is a text: compare it with =, != or ~ (contains)."),
    ("best", "After 'best' comes the name of a column, such as quality."),
    ("best streaming", "'streaming' is no number, so nothing is best in it."),
    ("best quality best rtf", "One wish at a time"),
    ("best receptive", "'receptive' has no better side; write most receptive or least receptive."),
    ("cer<0.3", "No run of this table has a value for 'cer'"),
    ('rtf<1 "half', "cannot be read"),
])  # fmt: skip
def test_a_wrong_query_is_one_sentence_and_hides_nothing(window: browser.Browser, query: str, sentence: str) -> None:
    show(window, "table", query)
    answer = window.run("return document.querySelector('#answer').textContent")
    assert sentence in answer
    assert answer.count(". ") == 0
    assert len(window.run(NAMES)) == 10
    assert window.run("return document.querySelector('#query').ariaInvalid") == "true"


def test_the_first_is_named_with_its_ties_and_its_one_seed(window: browser.Browser) -> None:
    answer = "return audioml.answer(audioml.section(), audioml.ask(audioml.section(), arguments[0]))"
    show(window, "table")
    said = window.run(answer, "streaming=online best quality")
    assert said["text"].startswith("rnn: SI-SDR improvement dB 6.")
    assert "One seed: this is where to look first, not a winner." in said["text"]
    assert said["count"] == "4 of 6 trained runs fit."
    best = window.run(answer, "best quality")
    rows = {row["name"]: i for i, row in enumerate(window.run("return audioml.section().rows"))}
    letters = window.run("return audioml.section().tied")[rows[best["best"]["name"]]]
    tied = {name for name, i in rows.items() if letters[i] in "1t"} - {best["best"]["name"], "oracle", "identity"}
    assert {row["name"] for row in best["ties"]} == tied
    assert ("Tie: not distinguishable" in best["text"]) == bool(tied)
    assert "Compared by value alone" in window.run(answer, "least parameters")["text"]
    assert window.run(answer, "rtf>3 best quality")["text"].startswith("No trained run fits.")


def test_typing_filters_and_the_address_keeps_it(window: browser.Browser) -> None:
    show(window, "table")
    window.press("#query", "rtf<1 best quality" + ENTER)
    assert window.wait("return document.querySelector('#answer').textContent.includes('trained runs fit')")
    assert window.run("return new URLSearchParams(location.hash.slice(1)).get('q')") == "rtf<1 best quality"
    assert window.run("return document.activeElement.id") == "query"


# ---- plots ---------------------------------------------------------------------------------------------------------
def test_the_front_holds_those_that_none_beats_in_both(window: browser.Browser) -> None:
    rng = np.random.default_rng(0)
    points = [{"x": float(x), "y": float(y), "n": i} for i, (x, y) in enumerate(rng.integers(0, 12, (60, 2)))]
    for sx, sy in ((-1, 1), (1, 1), (-1, -1)):
        got = {p["n"] for p in window.run("return audioml.front(arguments[0], arguments[1], arguments[2])", points, sx, sy)}
        better = {
            p["n"] for p in points
            if not any(sx * q["x"] >= sx * p["x"] and sy * q["y"] >= sy * p["y"] and (q["x"], q["y"]) != (p["x"], p["y"]) for q in points)
        }  # fmt: skip
        assert got == better


def test_a_point_is_reached_by_keyboard_and_read_out(window: browser.Browser) -> None:
    show(window, "pareto", "streaming=online best quality")
    dots = window.run("return [...document.querySelectorAll('.dot')].map(d => d.getAttribute('class'))")
    assert len(dots) == 6, "those with both numbers; failed ones have none"
    assert sum("best" in dot.split() for dot in dots) == 1
    assert sum("dim" in dot.split() for dot in dots) == 2  # offline ones
    window.run("document.querySelector('.dot.best').focus()")
    assert window.run("return document.querySelector('#read').textContent").startswith("rnn: MAC/s ")


def test_curves_colour_the_chosen_runs(window: browser.Browser) -> None:
    show(window, "curves")
    assert window.run("return document.querySelectorAll('.charts svg').length") == 2
    lines = "return [...document.querySelectorAll('.charts svg:first-child .line')].filter(l => !l.classList.contains('other')).length"
    assert window.run(lines) == 2 * 6
    window.click(".legend li:first-child button")
    assert window.wait(lines.replace("return", "return 2 * 5 ==="))
    points = window.run("return [...document.querySelectorAll('.charts .line')].map(l => l.getAttribute('points'))")
    numbers = [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in points]
    assert all(line == sorted(line, key=lambda p: p[0]) for line in numbers), "steps go right"


# ---- screens -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [375, 1400])
def test_only_tables_scroll_sideways(window: browser.Browser, width: int) -> None:
    window.resize(width, 800)
    window.dark(width == 375)
    for tab in VIEWS:
        show(window, tab, "rtf<1 best quality")
        assert window.run("return document.documentElement.scrollWidth") <= width, tab
    show(window, "table")
    assert window.run("const s = document.querySelector('#table'); return s.scrollWidth > s.clientWidth")
    ground = window.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if width == 375 else "rgb(251, 251, 250)")
    assert window.problems() == []


def test_everything_that_is_asked_has_a_name(window: browser.Browser) -> None:
    nameless = """return [...document.querySelectorAll('button, select, input, [role=button], [tabindex="0"], canvas, svg[role]')].filter(e =>
      !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim() || e.closest('[aria-label]'))).map(e => e.outerHTML)"""
    for tab in VIEWS:
        show(window, tab)
        assert window.run(nameless) == [], tab
