"""The dashboard's files: what they hold, that nothing in them can escape, and that nothing outside a run's folder is served."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from audioml import stats
from audioml.cli import guarded
from audioml.dashboard.configs import flat_config
from audioml.dashboard.curves import POINTS, curves, thin
from audioml.dashboard.live import live_data
from audioml.dashboard.sections import run_id
from audioml.dashboard.site import Site
from audioml.dashboard.ties import tied
from audioml.errors import RequestError
from audioml.history import History
from audioml.records import Record, Value
from audioml.table import build_table, write_table
from audioml.table.collect import Run, find_runs
from tests.sample_runs import HOSTILE, PRIMARY, bare, enhancement, gallery, three_seeds


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery(tmp_path_factory.mktemp("runs"))


def site(*folders: Path, votes: Path = Path("none.json")) -> Site:
    found = find_runs(folders)
    return Site(build_table(found), found.unfinished, votes, command="x", made="now")


def data(page: Site, name: str) -> dict:
    text = (page.file(f"{name}.js") or b"").decode("ascii")
    found = re.fullmatch(r'audioml\.put\("([^"]*)", (.*)\);\n', text)
    assert found, f"{name} is not one call with JSON"
    assert found[1] == name
    return json.loads(found[2])


# ---- the files -----------------------------------------------------------------------------------------------------
def test_every_named_file_exists_and_no_other(runs: Path) -> None:
    page = site(runs)
    names = list(page.names())
    assert len(names) == len(set(names)) > 50
    assert all(page.file(name) for name in names)
    for name in ("", "data/", "data/index", "data/run-0.js", "../table.md", "assets/../site.py", "assets/", "media/x.js", "data/curves-s99.js",
                 "data/run-../../x.js", "assets/page.html.j2", "data/index-s1.js"):  # fmt: skip
        assert page.file(name) is None, name


def test_the_page_asks_nothing_of_the_network_and_no_name_is_markup(runs: Path) -> None:
    page = site(runs)
    for name in page.names():
        text = page.file(name).decode()
        if not name.startswith("media/"):
            assert not re.search(r"https?://(?!www\.w3\.org/)", text), name
        if name.startswith("data/"):
            assert text.isascii(), "no letter that ends a line of JavaScript only"
            assert text.count("\n") == 1
    index = html.unescape(page.file("index.html").decode())
    assert "default-src 'none'" in index
    assert "unsafe" not in index
    assert "<script" not in index.replace('<script src="assets/', "")
    assert any(row["name"] == HOSTILE for row in data(page, "data/index")["sections"][1]["rows"])


def test_no_script_puts_text_in_as_markup() -> None:
    from audioml.dashboard.site import SCRIPTS, asset

    for name in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.setHTML", asset(name)), name


def test_sections_never_mix_data(tmp_path: Path) -> None:
    bare(tmp_path, "a")
    bare(tmp_path, "b", provenance={"data_fingerprint": "bb"})
    sections = data(site(tmp_path), "data/index")["sections"]
    assert [[row["name"] for row in section["rows"]] for section in sections] == [["a"], ["b"]]


def test_a_row_says_what_was_proven(runs: Path) -> None:
    section = data(site(runs), "data/index")["sections"][1]
    rows = {row["name"]: row for row in section["rows"]}
    for i, row in enumerate(section["rows"]):
        letters = section["tied"][i][:i] + section["tied"][i][i + 1 :]
        rival = row["done"] and not row["role"]
        assert (set(letters) == {"?"}) != rival, f"{row['name']}: the floor and what failed are nobody's rivals"
    badges = {name: [badge["text"] for badge in row["badges"]] for name, row in rows.items()}
    assert badges["cnn1d"] == ["beats baseline", "streaming proven"]
    assert badges["unet"] == ["beats baseline"]  # the sample says it is offline
    assert badges["fcn"] == ["no better than baseline", "streaming proven"]
    assert badges[HOSTILE][0] == "worse than baseline"
    assert badges["identity"] == ["floor"]
    assert badges["cnn2d"] == ["failed"]
    assert not rows["cnn2d"]["done"]


def test_the_delay_counts_only_where_streaming_was_proven_and_keeps_up(tmp_path: Path) -> None:
    numbers = {"latency/algorithmic_ms": 32.0, "latency/block_p95_ms": 2.0, "latency/block_ms": 16.0, "streaming/class": "online"}
    cases = {"a": {}, "b": {"streaming/class": "offline"}, "c": {"latency/block_p95_ms": 17.0}, "d": {"latency/block_p95_ms": None}}
    for name, change in cases.items():
        bare(tmp_path, name, values={PRIMARY: Value(5.0, "dB", "high", 40), **{n: Value(v) for n, v in (numbers | change).items()}})
    (section,) = data(site(tmp_path), "data/index")["sections"]
    place = [column["key"] for column in section["columns"]].index("delay")
    cells = {row["name"]: row["cells"][place] for row in section["rows"]}
    assert cells["a"][:2] == ["34.00", 34.0]
    assert cells["b"][1:3] == [None, "it does not stream"]
    assert "longer than the block" in cells["c"][2]
    assert cells["d"][1] is None


def test_ties_of_one_seed_are_those_of_the_paired_t_interval() -> None:
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(0)
    easy = rng.normal(0, 5, 40)  # what makes an item easy for all cancels
    items = [list(easy + rng.normal(shift, 1, 40)) for shift in (0, 0.1, 0.5, 2)]
    def letters(rows: list[stats.Seeds]) -> list[str]:
        return tied(rows, stats.compare(dict(enumerate(rows)), "high"))

    found = letters([{0: row} for row in items])
    for i, a in enumerate(items):
        for j, b in enumerate(items):
            assert found[i][j] == ("1" if i == j else "t" if ttest_rel(a, b).pvalue > 0.05 else "d")
    assert letters([{0: [1.0, 2.0]}, {0: [1.0, 2.0]}, {}, {0: [1.0] * 9}]) == ["1???", "?1??", "??1?", "???1"]
    gaps = [{0: items[0]}, {0: [None, *items[3][1:]]}, {0: [None] * 36 + items[3][36:]}, {1: items[0]}]
    assert [row[0] for row in letters(gaps)] == ["1", "d", "?", "?"]
    assert letters([]) == []


def test_ties_of_several_seeds_are_the_tables_own(tmp_path: Path) -> None:
    three_seeds(tmp_path, "good", [5.0, 5.1, 4.9])
    three_seeds(tmp_path, "even", [5.05, 4.95, 5.05])
    three_seeds(tmp_path, "bad", [1.0, 1.1, 0.9])
    three_seeds(tmp_path, "lone", [9.0])
    page = site(tmp_path)
    (section,) = data(page, "data/index")["sections"]
    places = {row["name"]: i for i, row in enumerate(section["rows"])}
    letters = {(a, b): section["tied"][i][j] for a, i in places.items() for b, j in places.items()}
    assert letters["good", "even"] == letters["even", "good"] == "1"
    assert letters["good", "bad"] == "0"
    assert letters["lone", "good"] == "d"
    badges = {row["name"]: {badge["text"] for badge in row["badges"]} for row in section["rows"]}
    assert {name for name, own in badges.items() if "tie" in own} == {"good", "even"}
    assert not [name for name, own in badges.items() if "best" in own]
    assert [len(row["runs"]) for row in section["rows"]] == [1, 3, 3, 3]
    assert all(page.file(f"data/run-{run['id']}.js") for row in section["rows"] for run in row["runs"]), "each seed is reachable"
    bare(tmp_path, "bad3", axes={"model": "bad", "seed": 3}, values={PRIMARY: Value(5.0, "dB", "high", 40), "streaming/class": Value("offline")})
    rows = {row["name"]: row for row in data(site(tmp_path), "data/index")["sections"][0]["rows"]}
    assert "streaming proven" in {badge["text"] for badge in rows["good"]["badges"]}
    assert "streaming proven" not in {badge["text"] for badge in rows["bad"]["badges"]}, "one seed that does not is enough"


def test_shares_of_the_data_can_be_set_beside_each_other(tmp_path: Path) -> None:
    for share in (0.25, 0.5, None):
        bare(tmp_path, f"a{share}", axes={"model": "a", **({"share": share} if share else {})}, signature=f"s{share}")
    sections = data(site(tmp_path), "data/index")["sections"]
    assert len(sections) == 3
    assert len({section["family"] for section in sections}) == 1
    place = [column["key"] for column in sections[0]["columns"]].index("share")
    assert sorted(section["rows"][0]["cells"][place][1] for section in sections) == [0.25, 0.5, 1.0]


# ---- curves, live runs, configurations -----------------------------------------------------------------------------
def test_curves_show_the_primary_metric_first_and_are_thin(runs: Path, tmp_path: Path) -> None:
    page = site(runs)
    found = data(page, "data/curves-s2")
    assert found["names"] == ["valid/si_sdr_improvement", "train/loss"]
    assert len(found["runs"]) == 10
    steps, values = found["runs"][run_id(page.keys["s2"].rows[0].run)]["train/loss"]
    assert len(steps) == len(values) == 40
    long = [(step, float(step % 2)) for step in range(1000)]
    steps, values = thin(long)
    assert len(steps) <= POINTS
    assert steps == sorted(steps)
    assert max(values[:-1]) < 0.6, "means, not samples"
    assert curves({"a": tmp_path}, PRIMARY) == {"names": [], "runs": {}}


def test_a_run_without_a_record_is_shown_by_its_curves_alone(tmp_path: Path) -> None:
    bare(tmp_path, "a")
    fresh, old = tmp_path / "fresh", tmp_path / "old"
    for folder in (fresh, old):
        with History(folder / "metrics.csv") as history:
            history.append(10, "train/loss", 2.0)
            history.append(20, "train/loss", 1.0)
    (fresh / "config.yaml").write_text("names: {task: enhancement, model: unet, data: embedded}\nseed: 3\nsettings: {preset: {steps: 200}}\n")
    (old / "config.yaml").write_text("names: [1]\nsettings: 5\nrow: {a: 1}\n")
    os.utime(old / "metrics.csv", (1, 1))
    os.utime(old / "config.yaml", (1, 1))
    page = site(tmp_path)
    found = data(page, "data/live")
    assert [(run["state"], run["step"], run["steps"], run["task"]) for run in found["runs"]] == [
        ("running", 20, 200, "enhancement"), ("stopped", 20, None, ""),
    ]  # fmt: skip
    assert found["runs"][0]["name"] == "unet seed 3"
    assert found["curves"]["runs"][found["runs"][0]["id"]]["train/loss"] == [[10, 20], [2, 1]]
    assert len(data(page, "data/index")["sections"][0]["rows"]) == 1
    assert live_data([fresh], now=time.time() + 1e4)["runs"][0]["state"] == "stopped"


def test_a_configuration_is_flat_text_and_cannot_bite(tmp_path: Path) -> None:
    place, run = tmp_path / "config.yaml", Run(Record("s", {}), tmp_path / "record.json", tmp_path)
    place.write_text("settings: {model: {width: 48, kernel: [3, 5], norm: null}}\nseed: 0\noutputs: /home/me\n")
    assert flat_config(run) == [("model.width", "48"), ("model.kernel", "[3, 5]"), ("model.norm", "null"), ("seed", "0")]
    laughs = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    for text in (laughs, "!!python/object/apply:os.system [touch x]", "[" * 900, "- 1", "a: b: c", "\0"):
        place.write_text(text)
        assert flat_config(run) == []
    place.write_text("\n".join(f"k{i}: 1" for i in range(1200)))
    assert len(flat_config(run)) == 600
    kept = Record("s", {}, provenance={"config": {"settings": {"model": {"width": 32}}}})
    assert flat_config(Run(kept, tmp_path / "published.json", None)) == [("model.width", "32")]
    assert flat_config(Run(Record("s", {}, provenance={"config": "no"}), tmp_path / "published.json", None)) == []


# ---- the folder ----------------------------------------------------------------------------------------------------
def test_a_second_page_keeps_what_is_the_same_and_takes_away_what_is_gone(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    enhancement(runs, "unet", 5.0)
    gone = enhancement(runs, "rnn", 4.0)
    write_table([runs], out, show=False)
    before = {path: path.stat().st_mtime_ns for path in (out / "media").iterdir()}
    assert len(before) == 2 * (2 + 2)
    (out / "media" / "mine.js").write_text("x")
    shutil.rmtree(gone)
    write_table([runs], out, show=False)
    after = {path: path.stat().st_mtime_ns for path in (out / "media").glob("*[0-9a-f].js") if path.name != "mine.js"}
    assert len(after) == 2 * (2 + 1)
    assert all(before[path] == stamp for path, stamp in after.items())
    assert (out / "media" / "mine.js").exists()
    assert len(list((out / "data").glob("run-*.js"))) == 1
    assert not list(out.rglob("*.part"))


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_says_in_a_sentence_what_is_wrong(shell: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from audioml.dashboard import main

    assert guarded(lambda: main(["nowhere"])) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert guarded(lambda: main(["--static", "out"])) == 2
    assert "there is no record of a run in outputs/runs" in capsys.readouterr().err
    bare(shell / "outputs/runs", "a")
    assert guarded(lambda: main(["--static", "out"])) == 0
    assert "out/index.html" in capsys.readouterr().out
    (shell / "file").write_text("")
    assert guarded(lambda: main(["--static", "file"])) == 1
    assert "cannot write" in capsys.readouterr().err
    with pytest.raises(RequestError):
        main(["nowhere"])
