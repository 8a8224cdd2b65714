"""The gallery: every system in its place, every record at its own stage, every sound that is there, and nothing escapes."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from audioml import shelf
from audioml.cli import guarded
from audioml.corpus import Clip
from audioml.examples import write_examples
from audioml.gallery.belongs import NAMED, PERHAPS, SAME, VARIED, stated
from audioml.gallery.cli import main
from audioml.gallery.collect import Shown, by_stage, find
from audioml.gallery.numbers import scale, speed
from audioml.gallery.page import Written, write_gallery
from audioml.gallery.rolls import read_notes, rolls
from audioml.gallery.timeline import others, recipes_of, systems
from audioml.kinds import Notes, Text, Wave
from audioml.records import Record, Value, not_measured
from audioml.runfolder import run_signature
from audioml.sweep import compose
from tests import browser
from tests.conftest import ROOT

PRIMARY, ITEMS, HOSTILE = "quality/thing", 24, "<script>alert(1)</script>"
TALK = [
    (2010, "Dragon NaturallySpeaking v. 11"), (2012, "Flite + HTS"), (2016, "HSMM–FCN (MDN-HSMM / DNN-HSMM)"), (2016, "WaveNet"),
    (2017, "SampleRNN"), (2018, "Clara"), (2018, "Music Transformer"), (2020, "Jukebox"), (2022, "Whisper"), (2023, "StyleTTS 2"),
    (2023, "MusicLM"), (2023, "MusicGen"), (2024, "Stable Audio 2"),
]  # fmt: skip
STAGES = [(name, stage) for name in shelf.names("recipe") for stage in stated(name)]


def record(recipe: str, stage: str, *, named: bool = True, signature: str = "", created: str = "2026-01-02", axes: dict[str, Any] | None = None,
           values: dict[str, Value] | None = None, **provenance: Any) -> Record:  # fmt: skip
    """A finished record with the stage's names, as run.py would write it."""
    said = stated(recipe)[stage]
    kinds = {"main": said.get("representation", "logmel")} | {k.removeprefix("ports."): v for k, v in said.items() if k.startswith("ports.")}
    own = {"task": said["task"], "row": said["model"], "representation": kinds, "model": said["model"], "method": said["method"],
           "data": "folder", "recipe": recipe if named else None, "preset": "quick", "seed": 0} | (axes or {})  # fmt: skip
    items = np.linspace(0.2, 0.4, ITEMS).tolist()
    return Record(
        signature or f"{recipe}{stage}{created}{own['seed']}", own, {PRIMARY: Value(0.3, "", "low", ITEMS, (0.28, 0.32))} | (values or {}),
        {PRIMARY: Value(0.9, "", "low", ITEMS)}, {PRIMARY: Value(0.0, "", "low", ITEMS)}, {PRIMARY: items}, {PRIMARY: [0.9] * ITEMS}, PRIMARY,
        {"created": f"{created}T10:00:00+00:00", "data_fingerprint": "3f2a9c11d0", "steps": 10, **provenance},
    )  # fmt: skip


def run(root: Path, recipe: str, stage: str, settings: dict[str, Any] | None = None, folder: str = "", **more: Any) -> Path:
    """A run's folder with a config.yaml that has what the stage states, and `settings` of other choices."""
    made = record(recipe, stage, **more)
    place = root / (folder or f"run_{len(list(root.glob('*')))}_{made.signature}")
    made.write(place / "record.json")
    config: dict[str, Any] = {"names": {}, "settings": {}}
    for key, value in {**stated(recipe)[stage], **(settings or {})}.items():
        *groups, last = key.split(".")
        at = config["settings"] if groups else config["names"]
        for group in groups:
            at = at.setdefault(group, {})
        at[last] = "outputs/runs/x" if isinstance(value, str) and value.startswith("{") else value
    (place / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return place


def publish(root: Path, name: str, made: Record) -> Path:
    made.write(root / f"{name}.json")
    return root


def placed(*folders: Path) -> dict[tuple[str, str], list[Shown]]:
    return by_stage(find(folders).runs)


def page(tmp_path: Path, *folders: Path) -> tuple[str, Written]:
    made = write_gallery(folders, tmp_path / "page", "python scripts/gallery.py")
    return made.index.read_text("utf-8"), made


def section(text: str, system: str) -> str:
    """The part of the page that is about a system."""
    found = re.search(rf'<section class="system" id="{system}".*?(?=<section class="system"|</main>)', text, re.S)
    assert found, system
    return found[0]


def plain(text: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


# ---- the timeline ----------------------------------------------------------------------------------------------------
def test_all_thirteen_are_there_in_order_of_year(tmp_path: Path) -> None:
    text, _ = page(tmp_path)
    heads = [plain(head).removesuffix("no recipe yet").removesuffix("recipe, no record here").strip() for head in re.findall(r"<h2.*?</h2>", text, re.S)]
    assert heads[:13] == [f"{year} {name}" for year, name in TALK]
    links = re.findall(r'<li><a href="#([\w-]+)"', text)
    assert links == [system.key for system in systems()]
    assert len(set(links)) == 13
    assert all(f'id="{key}"' in text for key in links)


def test_no_number_of_the_talk_or_of_a_paper_is_shipped() -> None:
    rows = yaml.safe_load((ROOT / "audioml/gallery/systems.yaml").read_text("utf-8"))
    assert {tuple(row) for row in rows} == {("system", "year", "task", "architectures", "representations", "team")}


def test_every_recipe_has_one_place() -> None:
    at = [made.name for system in systems() for made in recipes_of(system)] + [made.name for made in others()]
    assert sorted(at) == sorted(shelf.names("recipe"))
    by_name = {system.system: [made.name for made in recipes_of(system)] for system in systems()}
    assert by_name["Dragon NaturallySpeaking v. 11"] == ["dragon2010"]
    assert "clara" in by_name["Clara"]
    assert "music_transformer" in by_name["Music Transformer"]
    assert "musicgen" in by_name["MusicGen"]
    assert "musicgen" not in by_name["MusicLM"]


def test_a_system_without_a_recipe_says_so_and_one_with_shows_it(tmp_path: Path) -> None:
    text, _ = page(tmp_path)
    for system in systems():
        said, own = plain(section(text, system.key)), recipes_of(system)
        assert ("no recipe yet" in said) == (not own)
        assert system.architectures in said
        for made in own:
            assert f"python train.py recipe={made.name}" in said
            assert shelf.describe("recipe", made.name) in said
            assert all(stage in said for stage in made.stages)
            assert all(argument in said for arguments in made.stages.values() for argument in arguments)


def test_nothing_found_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text, made = page(tmp_path, tmp_path / "empty")
    assert f"No record was found in {tmp_path / 'empty'}: nothing has been run yet." in plain(text)
    assert text.count("No record of this stage was found.") == len(STAGES)
    assert (made.entries, made.stages, made.players) == (0, 0, 0)
    assert "<audio" not in text


# ---- what belongs where ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("named", [True, False])
def test_a_record_lands_at_its_own_stage_and_at_no_other(tmp_path: Path, named: bool) -> None:
    for name, stage in STAGES:
        run(tmp_path, name, stage, named=named)
    found = placed(tmp_path)
    assert set(found) == set(STAGES)
    for key, (shown,) in found.items():
        assert shown.kind == SAME, key
        assert shown.entry.runs[0].record.signature.startswith("".join(key))


def test_the_page_shows_it_at_its_own_system_only(tmp_path: Path) -> None:
    run(tmp_path, "clara", "main", folder="my_clara_run")
    text, _ = page(tmp_path, tmp_path)
    assert text.count("my_clara_run/record.json") == 1
    said = plain(section(text, "clara"))
    assert "0.300 [0.280, 0.320]" in said
    assert "Baseline 0.900" in said
    assert "Ceiling 0" in said
    assert "Test items 24" in said
    assert "Data folder 3f2a9c11d0" in said
    assert "Date 2026-01-02" in said
    assert "beats baseline" in said
    assert "The run’s folder holds no samples." in said
    assert "measured" in plain(re.search(r'<a href="#clara".*?</a>', text, re.S)[0])
    assert "no record here" in plain(section(text, "music-transformer"))


def test_another_setting_that_makes_the_system_is_another_system(tmp_path: Path) -> None:
    other = {"model.positions": "rotary"}
    run(tmp_path, "music_transformer", "main", other, named=False)
    run(tmp_path, "clara", "main", {"model.weight_drop": 0.0}, named=False)
    assert placed(tmp_path) == {}
    run(tmp_path, "music_transformer", "main", other, created="2026-02-02")
    (shown,) = placed(tmp_path)["music_transformer", "main"]
    assert shown.kind == VARIED
    assert [(c.key, c.own, c.recipe) for c in shown.changed] == [("model.positions", "rotary", "relative")]
    text, made = page(tmp_path, tmp_path)
    assert made.entries == 0
    said = plain(section(text, "music-transformer"))
    assert "Made by the recipe, and changed: 1" in said
    assert "model.positions rotary (recipe: relative)" in said


def test_a_setting_that_the_run_did_not_know_yet_is_not_taken_for_the_recipes(tmp_path: Path) -> None:
    place = run(tmp_path, "clara", "main", named=False)
    config = yaml.safe_load((place / "config.yaml").read_text("utf-8"))
    del config["settings"]["model"]["weight_drop"]
    (place / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    assert placed(tmp_path) == {}


def test_other_names_are_other_systems(tmp_path: Path) -> None:
    for axes in ({"task": "generation"}, {"model": "unet", "row": "unet"}, {"method": "diffusion"}, {"representation": {"score": "midi_raster"}}):
        run(tmp_path, "clara", "main", named=False, axes=axes)
    assert placed(tmp_path) == {}
    run(tmp_path, "clara", "main", axes={"recipe": "no_such_recipe"})
    assert placed(tmp_path) == {}


def test_other_data_and_another_length_of_training_are_said_but_decide_nothing(tmp_path: Path) -> None:
    run(tmp_path, "dragon2010", "main", {"preset.steps": 90, "data.path": "/some/where/fsdd"}, named=False)
    run(tmp_path, "clara", "main", {"data.window": 19.2}, axes={"data": "jsb_chorales", "seed": 4})
    (dragon,), (clara,) = (placed(tmp_path)[name, "main"] for name in ("dragon2010", "clara"))
    assert dragon.kind == clara.kind == SAME
    assert [c.key for c in dragon.changed] == ["preset.steps"]
    text, _ = page(tmp_path, tmp_path)
    assert "trained otherwise: preset.steps 90 (recipe: 120)" in plain(section(text, "dragon-naturallyspeaking-v-11"))
    assert "Data folder fsdd" in plain(text)
    assert "/some/where" not in text, "a path of somebody's machine is nobody's business"
    assert "Data jsb_chorales" in plain(section(text, "clara"))


def test_a_published_record_shows_numbers_and_how_surely_it_belongs(tmp_path: Path) -> None:
    publish(tmp_path / "deep/er", "named", record("dragon2010", "main"))
    publish(tmp_path, "nameless", record("clara", "main", named=False))
    found = placed(tmp_path)
    assert [shown.kind for shown in found["dragon2010", "main"]] == [NAMED]
    assert [shown.kind for shown in found["clara", "main"]] == [PERHAPS]
    text, made = page(tmp_path, tmp_path)
    said = plain(section(text, "dragon-naturallyspeaking-v-11"))
    assert "named.json" in said
    assert "whether other settings were changed is not in the record" in said
    assert "no samples beside it. The command above makes them." in said
    assert made.entries == 1, "what is only perhaps of a stage is no result of it"
    assert "Perhaps of this stage: 1 whose settings were not kept" in plain(section(text, "clara"))
    assert "no record here" in plain(section(text, "clara"))


def test_a_signature_tells_what_a_published_record_does_not(tmp_path: Path) -> None:
    axes = {"data": "embedded", "seed": 3}
    signature = run_signature(compose(["recipe=clara", "preset=quick", "seed=3"]))
    publish(tmp_path, "own", record("clara", "main", named=False, axes=axes, signature=signature))
    publish(tmp_path, "other", record("clara", "main", named=False, axes=axes, signature="0123456789"))
    publish(tmp_path, "ablation", record("clara", "main", axes=axes, signature="9876543210"))
    kinds = {run.name: shown.kind for shown in placed(tmp_path)["clara", "main"] for run in shown.entry.runs}
    assert kinds == {"own": SAME, "ablation": NAMED}


def test_what_did_not_finish_has_no_numbers(tmp_path: Path) -> None:
    place = run(tmp_path, "clara", "main")
    broken = Record.read(place / "record.json")
    broken.status = "failed"
    broken.write(place / "record.json")
    assert placed(tmp_path) == {}


# ---- the numbers -----------------------------------------------------------------------------------------------------
def test_seeds_are_one_entry_and_data_sets_are_not(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        run(tmp_path, "clara", "main", axes={"seed": seed})
    run(tmp_path, "clara", "main", axes={"seed": 3}, data_fingerprint="another")
    found = placed(tmp_path)["clara", "main"]
    assert sorted(len(shown.entry.runs) for shown in found) == [1, 3]
    text, _ = page(tmp_path, tmp_path)
    assert "Seeds 3 (0, 1, 2)" in plain(text)


def test_the_newest_come_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    for day in (3, 1, 5, 2, 4):
        run(tmp_path, "clara", "main", created=f"2026-03-0{day}")
    text, _ = page(tmp_path, tmp_path)
    said = section(text, "clara")
    assert re.findall(r"<dt>Date</dt><dd>([\d-]+)", said) == ["2026-03-05", "2026-03-04", "2026-03-03"]
    assert "2 older, not shown." in said


def test_speed_is_said_where_it_was_measured() -> None:
    assert speed(record("clara", "main", values={"latency/offline_rtf": Value(0.05)}))[0] == "RTF 0.0500"
    assert "20.00 × real time, a whole clip at once" in speed(record("clara", "main", values={"latency/offline_rtf": Value(0.05)}))[1]
    assert speed(record("clara", "main", values={"latency/rtf": not_measured("no wave")})) == ("–", "not measured: no wave")
    assert speed(record("clara", "main")) == ("–", "not measured")


def test_the_scale_runs_from_worse_to_better() -> None:
    low = scale(Value(0.3, "", "low", ci=(0.2, 0.4)), Value(0.9), Value(0.1))
    high = scale(Value(6.0, "dB", "high"), Value(0.0), Value(12.0))
    assert low["baseline"] < low["ci"][0] < low["value"] < low["ci"][1] < low["ceiling"]
    assert high["baseline"] < high["value"] < high["ceiling"]
    assert high["value"] == pytest.approx(50)
    assert scale(Value(0.3, "", "low"), None, None) is None
    assert scale(Value(0.3, "", "low"), Value(0.9), None) is None, "where the best is not known, nothing is near to it"
    assert scale(Value(0.3, "", "low"), Value(0.3), Value(0.3)) is None
    assert scale(not_measured("x"), Value(0.3), Value(0.1)) is None


# ---- samples ---------------------------------------------------------------------------------------------------------
def sounding(root: Path, name: str = "talker", recipe: str = "musicgen", stage: str = "codec", **more: Any) -> Path:
    """A run with two clips of three sounds each."""
    place = run(root, recipe, stage, **more)
    rng = np.random.default_rng(1)

    def wave() -> np.ndarray:
        return 0.1 * rng.standard_normal((1, 4000)).astype(np.float32)

    plan = SimpleNamespace(inputs={"audio": SimpleNamespace(world=Wave(1, 8000))}, output=SimpleNamespace(port="decoded", world=Wave(1, 8000)))
    clips = [Clip(f"{name} {i}", {"audio": wave(), "decoded": wave()}) for i in range(2)]
    write_examples(place, plan, clips, [{"decoded": wave()} for _ in clips])
    return place


def reading(root: Path, said: str, heard: str) -> Path:
    place = run(root, "dragon2010", "main")
    plan = SimpleNamespace(inputs={"audio": SimpleNamespace(world=Wave(1, 8000))}, output=SimpleNamespace(port="text", world=Text("abc")))
    write_examples(place, plan, [Clip("one", {"audio": np.zeros((1, 4000), np.float32), "text": said})], [{"text": heard}])
    return place


def playing(root: Path) -> Path:
    place = run(root, "clara", "main")
    notes = np.array([[0.0, 0.5], [0.5, 1.0], [60, 64], [0.8, 0.5], [0, 1]])
    plan = SimpleNamespace(inputs={"prompt": SimpleNamespace(world=Notes())}, output=SimpleNamespace(port="score", world=Notes()))
    write_examples(place, plan, [Clip("bwv 1", {"prompt": notes[:, :1], "score": notes})], [{"score": notes}])
    return place


def test_there_is_a_player_for_each_sound_that_is_there(tmp_path: Path) -> None:
    place = sounding(tmp_path / "runs")
    text, made = page(tmp_path, tmp_path / "runs")
    files = re.findall(r'<audio [^>]*src="([^"]*)"', text)
    assert len(files) == made.players == 6
    assert all((tmp_path / "page" / file).read_bytes().startswith(b"fLaC") for file in files)
    pictures = re.findall(r'<img src="([^"]*)" alt="([^"]*)"', text)
    assert len(pictures) == 2
    assert pictures[0][1] == "Spectrograms of talker 0: input, output, target (truth)"
    assert (tmp_path / "page" / pictures[0][0]).read_bytes() == (place / "audio/talker_0.png").read_bytes()
    assert text.count("<audio controls") == len(re.findall(r'<audio controls [^>]*aria-label="[^"]+"', text))
    (place / "audio/talker_0.output.decoded.wav").unlink()
    (place / "audio/talker_1.input.audio.wav").write_bytes(b"RIFFnonsense")
    text, made = page(tmp_path, tmp_path / "runs")
    assert text.count("<audio") == made.players == 4
    assert "the file cannot be played" in text
    kept = {path.name for path in (tmp_path / "page/media").iterdir()}
    assert kept == {Path(file).name for file in re.findall(r'src="(media/[^"]*)"', text)}, "what an earlier page left is removed"


def test_only_files_of_the_run_are_read(tmp_path: Path) -> None:
    import soundfile

    place = sounding(tmp_path / "runs")
    soundfile.write(tmp_path / "secret.wav", np.full(800, 0.1), 8000)
    (tmp_path / "secret.mid").write_bytes(b"MThd")
    target = place / "audio/talker_0.target.decoded.wav"
    target.unlink()
    target.symlink_to(tmp_path / "secret.wav")
    manifest = (place / "examples.json").read_text("utf-8").replace("audio/talker_1.png", "../../secret.mid")
    (place / "examples.json").write_text(manifest, "utf-8")
    text, made = page(tmp_path, tmp_path / "runs")
    assert made.players == 5
    assert text.count("<img") == 1


def test_texts_show_what_is_wrong_in_them(tmp_path: Path) -> None:
    reading(tmp_path, "the quick fox", "the <b>slow</b> fox")
    text, _ = page(tmp_path, tmp_path)
    assert "<mark>&lt;b&gt;slow&lt;/b&gt;</mark>" in text
    assert text.count("<mark>") == 1
    assert "target (truth) the quick fox" in plain(text)


def test_scores_can_be_downloaded(tmp_path: Path) -> None:
    place = playing(tmp_path / "runs")
    text, _ = page(tmp_path, tmp_path / "runs")
    links = re.findall(r'<a href="(media/[^"]*\.mid)" download="([^"]*)"', text)
    assert [name for _, name in links] == ["bwv_1.input.mid", "bwv_1.output.mid", "bwv_1.target.mid"]
    assert (tmp_path / "page" / links[1][0]).read_bytes() == (place / "midi/bwv_1.output.score.mid").read_bytes()


def test_what_is_called_a_picture_or_a_score_and_is_none_is_left_out(tmp_path: Path) -> None:
    place, played = sounding(tmp_path / "runs"), playing(tmp_path / "runs")
    (place / "audio/talker_0.png").write_text("<svg onload='alert(1)'/>", "utf-8")
    (played / "midi/bwv_1.output.score.mid").write_text("<html>", "utf-8")
    text, made = page(tmp_path, tmp_path / "runs")
    assert made.players == 6
    assert text.count("<img") == 1
    assert text.count(".mid\" download=") == 2


def test_scores_are_drawn_on_one_scale(tmp_path: Path) -> None:
    playing(tmp_path / "runs")
    text, _ = page(tmp_path, tmp_path / "runs")
    bars = re.findall(r'<rect class="(v\d)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"[^>]*data-note="([^"]*)"', text)
    assert len(bars) == 1 + 2 + 2
    (_, x, low, width, note), (voice, later, high, _, _) = bars[1:3]
    assert bars[0][1:4] == bars[1][1:4], "the prompt’s note stands where it stands in the output"
    assert (x, later, width, voice, note) == ("0.0", "50.0", "50.0", "v1", "0.0 0.5 60.0 0.8")
    assert float(high) < float(low), "what is higher stands above"


@pytest.mark.parametrize("table", ["onset,offset,pitch,velocity,voice\n1,0,60,1,0\n", "onset,offset,pitch,velocity,voice\n0,nan,60,1,0\n",
                                   "onset,offset,pitch,velocity,voice\n0,1,<b>,1,0\n", "time,kind\n0.5,beat\n", "", "\0"])  # fmt: skip
def test_a_table_that_is_no_score_is_not_drawn(tmp_path: Path, table: str) -> None:
    (tmp_path / "x.csv").write_text(table, "utf-8")
    assert read_notes(tmp_path / "x.csv") == []
    assert rolls([[], []]) == [None, None]


def test_a_folder_of_the_page_keeps_what_is_not_ours(tmp_path: Path) -> None:
    stranger = tmp_path / "page/media/song.flac"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"x")
    page(tmp_path)
    assert stranger.exists()


# ---- safety ----------------------------------------------------------------------------------------------------------
def hostile(root: Path) -> Path:
    """A run whose every text is a script."""
    place = sounding(root, HOSTILE)
    made = Record.read(place / "record.json")
    made.provenance |= {"name": HOSTILE, "device": HOSTILE, "data_report": {"splits": HOSTILE}, "data_fingerprint": HOSTILE}
    made.axes |= {"data": HOSTILE, "preset": HOSTILE, "budget": HOSTILE, "row": HOSTILE, "representation": {HOSTILE: HOSTILE}}
    made.values |= {HOSTILE: Value(1.0, HOSTILE), "latency/rtf": not_measured(HOSTILE)}
    made.values[PRIMARY] = Value(1.0, HOSTILE, "low", ITEMS, reason=HOSTILE)
    made.write(place / "record.json")
    (place / "record.json").rename(place / "keep")
    named = place.with_name("a<script>alert(1)<")
    place.rename(named)
    (named / "keep").rename(named / "record.json")
    return named


def test_everything_that_a_run_says_is_text(tmp_path: Path) -> None:
    hostile(tmp_path / "runs")
    text, made = page(tmp_path, tmp_path / "runs")
    assert made.players == 6
    assert re.findall(r"<script[^>]*>", text) == ['<script src="assets/gallery.js" defer>']
    assert text.count(html.escape(HOSTILE)) > 10
    assert " onerror" not in text
    assert "style=" not in text, "the policy allows no style in an attribute"


def test_records_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", "utf-8")
    publish(tmp_path, "odd", record("clara", "main", axes={"representation": "flat", "seed": "x", "data": ["a"], "share": "half"}))
    text, made = page(tmp_path, tmp_path)
    assert made.entries == 0
    assert "Passed over (1)" in text
    assert "broken.json" in text


# ---- the front door --------------------------------------------------------------------------------------------------
def test_a_missing_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert guarded(lambda: main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "page")])) == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_neither_help_nor_the_page_needs_torch(tmp_path: Path) -> None:
    sounding(tmp_path / "runs")
    code = "import sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    for arguments, said in ((["--help"], "usage: gallery.py"), ([str(tmp_path / "runs"), "--out", str(tmp_path / "page")], "1 result(s) in 1 of")):
        done = subprocess.run([sys.executable, "-c", code, "scripts/gallery.py", *arguments], capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


@pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "there is one")
def test_it_opens_from_disk_in_a_browser(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    hostile(runs)
    reading(runs, "the quick fox", "the fox")
    playing(runs)
    _, made = page(tmp_path, runs)
    with browser.Browser() as window:
        for width in (375, 1400):
            window.resize(width, 800)
            window.dark(width == 375)
            window.open(made.index)
            assert window.run("return document.documentElement.scrollWidth") <= width
            ground = window.run("return getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(20, 23, 26)" if width == 375 else "rgb(251, 251, 250)")
        assert window.run("return document.querySelectorAll('section.system').length") == 13
        window.run("document.querySelectorAll('audio').forEach(a => { a.preload = 'auto'; a.load(); })")
        assert window.wait("return [...document.querySelectorAll('audio')].every(a => a.duration > 0.4)"), "every player plays"
        window.run("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
        assert window.wait("return [...document.images].every(i => i.naturalWidth > 100)")
        asked = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:') && !n.startsWith('file:'))"
        assert window.run(asked) == []
        window.click(".score button")
        assert window.wait("return document.querySelector('.score button').textContent === 'Stop'")
        window.run("document.querySelectorAll('.score button')[1].click()")
        assert window.wait("return [...document.querySelectorAll('.score button')].map(b => b.textContent).join() === 'Play,Stop,Play'")
        assert window.wait("return document.querySelectorAll('.score button')[1].textContent === 'Play'"), "it ends by itself"
        window.press("main details summary", " ")
        assert window.run("return document.querySelector('main details').open"), "folds open by keyboard"
        window.press("#look select", "dark")
        assert window.run("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert window.run("return document.querySelectorAll('main script, main b').length") == 0
        assert window.problems() == []
