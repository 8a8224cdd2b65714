"""What the page embeds: sounds, pictures, texts and curves, from files that nobody vouches for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audioml.table import build_table, write_table
from audioml.table.collect import find_runs
from audioml.table.curves import charts
from audioml.table.media import Embedder, inside, listen
from tests.sample_runs import PRIMARY, asr, bare, enhancement, gallery


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery(tmp_path_factory.mktemp("runs"))


def test_the_page_is_one_file_that_asks_nothing_of_the_network(runs: Path, tmp_path: Path) -> None:
    write_table([runs], tmp_path, show=False)
    page = (tmp_path / "index.html").read_text()
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script") == 1
    assert "default-src 'none'" in page
    assert len(page) < 25e6


def test_only_files_inside_a_runs_folder_are_embedded(tmp_path: Path) -> None:
    run, secret = tmp_path / "run", tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    run.mkdir()
    (run / "link.wav").symlink_to(secret)
    (run / "own.wav").write_bytes(b"x")
    assert inside(run, "own.wav") == (run / "own.wav").resolve()
    for place in ("../secret.wav", str(secret), "link.wav", "none.wav", "", None, 3, "a\0b", ".", "x" * 5000):
        assert inside(run, place) is None


def test_garbled_examples_are_counted_and_the_page_goes_on(tmp_path: Path) -> None:
    folder = bare(tmp_path, "a")
    files = [{"role": "output", "port": "clean", "file": name} for name in ("../../x.wav", "noise.wav", 5)]
    (folder / "noise.wav").write_bytes(b"RIFF and then nothing of the kind")
    (folder / "examples.json").write_text(json.dumps({"clips": [{"name": "c", "files": files, "spectrogram": "noise.wav"}, 7]}))
    (section,) = build_table(find_runs([tmp_path])).sections
    embedder = Embedder()
    (clip,) = listen(section.rows, embedder)
    assert (clip.takes[0].sounds, embedder.broken) == ([], 4)
    (folder / "examples.json").write_text("[" * 99999)
    assert listen(section.rows, Embedder()) == []


def test_clips_of_one_name_with_other_inputs_are_other_clips(tmp_path: Path) -> None:
    a, b = enhancement(tmp_path, "unet", 5.0), enhancement(tmp_path, "rnn", 4.0)
    (section,) = build_table(find_runs([tmp_path])).sections
    assert [len(clip.takes) for clip in listen(section.rows, Embedder())] == [2, 2]
    sound = "audio/talker_220.input.noisy.wav"
    (b / sound).write_bytes((a / "audio/talker_330.input.noisy.wav").read_bytes())
    clips = listen(section.rows, Embedder())
    assert sorted((clip.name, len(clip.takes)) for clip in clips) == [("talker 220", 1), ("talker 330", 2)]


def test_many_sounds_are_compressed_and_the_page_stops_growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audioml.table import media, page

    enhancement(tmp_path, "unet", 5.0)
    table = build_table(find_runs([tmp_path]))
    monkeypatch.setattr(page, "LOSSLESS", 10)
    small = page.page(table, "x", "now")
    assert "data:audio/ogg" in small
    assert "data:audio/flac" not in small
    assert "Many sounds: they are Ogg Vorbis here" in small
    monkeypatch.setattr(media, "BUDGET", 1000)
    assert re.search(r"\d+ sounds or pictures were left out to keep the page small", page.page(table, "x", "now"))


def test_texts_show_which_words_are_wrong(tmp_path: Path) -> None:
    asr(tmp_path, "rnn", "the quick brawn fox", 0.4)
    (section,) = build_table(find_runs([tmp_path])).sections
    (clip,) = listen(section.rows, Embedder())
    assert clip.takes[0].words == [("the", True), ("quick", True), ("brawn", False), ("fox", True)]
    assert [take.title for take in clip.given] == ["input", "target"]


def test_curves_show_the_primary_metric_first(runs: Path) -> None:
    first, second = charts(build_table(find_runs([runs])).sections[1].rows, PRIMARY)
    assert (first.title, second.title) == ("valid/si_sdr_improvement", "train/loss")
    assert len(first.lines) == 10
    points = [tuple(map(float, pair.split(","))) for pair in first.lines[1].points.split()]
    assert points == sorted(points)  # steps go right
    assert points[0][1] > points[-1][1]  # what improves goes up
    assert all(0 <= x <= first.width and 0 <= y <= first.height for x, y in points)
