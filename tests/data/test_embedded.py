"""data=embedded and data=chorales: which set serves which task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml import shelf
from audioml.data.embedded import Embedded, MadeFolder
from audioml.data.folder import Folder
from audioml.data.making import sentences, store
from audioml.data.mix import Mix
from audioml.errors import RequestError
from audioml.kinds import Label, Notes, Phones, Stems, Tags, Text, Wave, World
from audioml.parts import Task

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def corpus(name: str, embedded_cache: Path, **more: object) -> Embedded:
    return shelf.make("data", name, {"cache": str(embedded_cache), "scale": "smoke", **more}, "smoke")


SERVED = [*(("embedded", task) for task in shelf.names("task")), ("chorales", "separation"), ("chorales", "transcription")]


def reason_not_to(stated: World, real: World) -> str:
    """A handful of clips need not hold every letter, phoneme or pitch that the full set may; all else is equal."""
    within = {
        Text: lambda: set(real.alphabet) <= set(stated.alphabet),
        Phones: lambda: set(real.symbols) <= set(stated.symbols),
        Tags: lambda: set(real.classes) <= set(stated.classes),
        Label: lambda: set(real.classes) <= set(stated.classes),
        Notes: lambda: stated.low <= real.low <= real.high <= stated.high and (real.voices, real.step) == (stated.voices, stated.step),
    }.get(type(stated), lambda: real == stated)
    return "" if within() else f"{real} where {stated} is stated"


@pytest.mark.parametrize(("data", "name"), SERVED)
def test_a_task_gets_its_data(data: str, name: str, embedded_sets: Path, embedded_cache: Path) -> None:
    task = shelf.make("task", name)
    embedded = corpus(data, embedded_cache)
    stated, inner = embedded.provides(task), embedded.corpus(task, embedded_sets)
    real = inner.provides(task) if isinstance(inner, Mix) else Folder(**settings_of(inner)).provides(task)
    assert stated.keys() == real.keys()
    assert stated.keys() >= {*task.inputs, *task.outputs}
    assert [why for port, world in stated.items() if (why := reason_not_to(world, real[port]))] == []
    prepared = embedded.prepare(task)
    assert not prepared.report["skipped"]
    batch, clip = prepared.train_batch(0, 3, 1.0, 0), prepared.clip("test", 0).ports
    assert clip.keys() == batch.keys() == stated.keys()
    for port, world in stated.items():
        x, n = batch[port]
        assert len(x) == len(n) == 3
        if isinstance(world, Wave | Stems):
            assert np.abs(x).max() > 0.01
            assert x.shape[1:-1] == ((1,) if isinstance(world, Wave) else (len(world.names), 1))
        elif isinstance(x, np.ndarray) and x.ndim > 1 and port != "prompt":
            assert x.any()
    if name in ("separation", "unnamed_separation"):
        np.testing.assert_allclose(batch["stems"][0].sum(1), batch["mix"][0], atol=1e-4)


def settings_of(made: MadeFolder) -> dict[str, object]:
    """What makes a plain data=folder of the same set, which knows nothing beforehand."""
    names = ("path", "rate", "channels", "cache", "columns", "name_pattern", "only", "text", "splice", "noises", "max_bad")
    own = {k: getattr(made, k) for k in names}
    return {**own, **made.splitting, **made.augment}


def test_letters_of_the_full_sentences_are_those_stated(tmp_path: Path, embedded_sets: Path) -> None:
    assert corpus("embedded", tmp_path, material="speech").provides(shelf.make("task", "asr"))["text"] == Text(sentences.alphabet())


def test_nothing_heavy_is_imported_and_nothing_made_to_plan(tmp_path: Path) -> None:
    code = (
        "import sys; from audioml import shelf;"
        f"c = shelf.make('data', 'embedded', {{'cache': {str(tmp_path)!r}}});"
        "[c.provides(shelf.make('task', t)) for t in shelf.names('task')];"
        "print({'torch', 'music21', 'symusic', 'scipy', 'pretty_midi'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert out.stdout.strip() == "set()"
    assert not list(tmp_path.iterdir())


def test_a_task_that_is_not_served(embedded_cache: Path) -> None:
    words = r"the embedded set 'chorales' has no text column for port 'text' of task 'asr'.*its columns are file_name, soprano_"
    with pytest.raises(RequestError, match=words):
        corpus("chorales", embedded_cache).provides(shelf.make("task", "asr"))
    with pytest.raises(RequestError, match=r"data\.material=effekts is not an embedded set.*did you mean.*effects.*sets: speech, reader, "):
        corpus("embedded", embedded_cache, material="effekts").provides(shelf.make("task", "classification"))
    nameless = Task("new", {"audio": Wave()}, {"label": Label()}, (), "", (), "", "")
    with pytest.raises(RequestError, match=r"task 'new' names no embedded set: data\.material=NAME takes one of speech, reader,"):
        corpus("embedded", embedded_cache).provides(nameless)


@pytest.mark.parametrize(
    ("setting", "text"),
    [({"rate": 10}, "data.rate=10 should be between"), ({"snr": [5.0, 0.0]}, "should be .low, high. in dB")],
)
def test_settings_out_of_range(setting: dict[str, object], text: str, embedded_cache: Path) -> None:
    with pytest.raises(RequestError, match=text):
        corpus("embedded", embedded_cache, **setting)


def test_missing_packages_name_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded_cache: Path, embedded_sets: Path
) -> None:
    real = store.find_spec
    monkeypatch.setattr(store, "find_spec", lambda name: None if name == "symusic" else real(name))
    text = r'symusic is not installed; pip install "audioml\[embedded\]"'
    task: Task = shelf.make("task", "asr")
    with pytest.raises(RequestError, match=text):
        store.ensure(str(tmp_path), "smoke")
    with pytest.raises(RequestError, match=text):
        corpus("embedded", tmp_path).provides(task)
    corpus("embedded", embedded_cache).provides(task)  # once made, nothing is needed
    monkeypatch.setattr(store, "find_spec", real)
    monkeypatch.setattr(store, "version", lambda name: "0.6.0")
    with pytest.raises(RequestError, match=r"symusic is 0\.6\.0 \(its 0\.6 cannot render; below 0\.6 is needed\)"):
        store.ensure(str(tmp_path), "smoke")
