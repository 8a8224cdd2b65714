"""data=embedded and data=chorales: which set serves which task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml import shelf
from audioml.data.embedded import Embedded
from audioml.data.making import sentences, store
from audioml.errors import RequestError
from audioml.kinds import Stems, Text, Wave
from audioml.parts import Task

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def corpus(name: str, embedded_cache: Path, **more: object) -> Embedded:
    return shelf.make("data", name, {"cache": str(embedded_cache), "scale": "smoke", **more}, "smoke")


SERVED = [
    ("embedded", "separation"), ("embedded", "enhancement"), ("embedded", "classification"), ("embedded", "asr"),
    ("chorales", "separation"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name"), SERVED)
def test_a_task_gets_its_data(data: str, name: str, embedded_sets: Path, embedded_cache: Path) -> None:
    task = shelf.make("task", name)
    embedded = corpus(data, embedded_cache)
    stated, real = embedded.provides(task), embedded.corpus(task, embedded_sets).provides(task)
    assert stated.keys() == real.keys()
    for port, world in stated.items():
        if isinstance(world, Text):  # a handful of sentences need not hold every letter
            assert set(real[port].alphabet) <= set(world.alphabet)
        else:
            assert world == real[port]
    prepared = embedded.prepare(task)
    assert not prepared.report["skipped"]
    batch = prepared.train_batch(0, 3, 1.0, 0)
    names = {Stems: 4 if data == "chorales" else 3}
    for port, world in stated.items():
        x = batch[port][0]
        assert len(x) == 3
        if isinstance(world, Wave):
            assert x.ndim == 3
            assert np.abs(x).max() > 0.01
        if isinstance(world, Stems):
            assert x.shape[1] == names[Stems] == len(world.names)
            np.testing.assert_allclose(x.sum(1), batch["mix"][0], atol=1e-4)
    assert prepared.clip("test", 0).ports.keys() == stated.keys()


def test_letters_of_the_full_sentences_are_those_stated(tmp_path: Path, embedded_sets: Path) -> None:
    assert corpus("embedded", tmp_path).provides(shelf.make("task", "asr"))["text"] == Text(sentences.alphabet())


def test_nothing_heavy_is_imported_and_nothing_made_to_plan(tmp_path: Path) -> None:
    code = (
        "import sys; from audioml import shelf;"
        f"c = shelf.make('data', 'embedded', {{'cache': {str(tmp_path)!r}}});"
        "[c.provides(shelf.make('task', t)) for t in ('asr', 'separation', 'enhancement', 'classification')];"
        "print({'torch', 'music21', 'symusic', 'scipy', 'pretty_midi'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert out.stdout.strip() == "set()"
    assert not list(tmp_path.iterdir())


def test_a_task_that_is_not_served(embedded_cache: Path) -> None:
    asr = shelf.make("task", "asr")
    with pytest.raises(RequestError, match=r"task 'asr' asks for Wave -> Text, which this embedded data does not serve; it"):
        corpus("chorales", embedded_cache).provides(asr)
    with pytest.raises(RequestError, match=r"data\.views: the set 'effects' has no Label; words has"):
        corpus("embedded", embedded_cache, views={"Wave -> Label": "effects"}).provides(shelf.make("task", "classification"))


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
