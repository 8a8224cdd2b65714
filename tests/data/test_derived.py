"""Ports that no recording holds: computed by the task, the same whenever the same item is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audioml.data.derived import complete
from audioml.errors import RequestError
from audioml.kinds import Label, Phones, Stems, Wave, World
from audioml.parts import Task
from tests.data.sound_folders import RATE, classes, corpus, pairs, song_folder, task


class Effect(Task):
    """wet is dry at a drawn gain; mix is the sum of the stems, each at a drawn gain."""

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        if port == "mix":
            return (x * rng.uniform(0.5, 1, (len(x), 1, 1))).sum(0)
        return x * rng.uniform(0.1, 0.9)


def effect(**more: Any) -> Task:
    settings = {"inputs": {"dry": Wave()}, "outputs": {"wet": Wave()}, "derived": {"wet": "dry"}} | more
    return Effect("effects", metrics=(), primary="", prefers=(), baseline="", ceiling="", **settings)


def folder(path: Path, **settings: object) -> Any:
    return corpus("folder", path=str(path), cache=str(path.parent / "cache"), **settings)


def gains(batch: dict[str, Any]) -> np.ndarray:
    dry, wet = batch["dry"][0], batch["wet"][0]
    return (dry * wet).sum((1, 2)) / (dry**2).sum((1, 2))


def test_a_derived_port_is_computed_per_item(tmp_path: Path) -> None:
    data = folder(classes(tmp_path / "set"))
    assert data.provides(effect()) == {"dry": Wave(1, RATE), "wet": Wave(1, RATE)}
    prepared = data.prepare(effect())
    batch = prepared.train_batch(3, 6, 0.1, 0)
    found = gains(batch)
    np.testing.assert_allclose(batch["wet"][0], batch["dry"][0] * found[:, None, None], atol=1e-6)
    assert len(np.unique(found.round(4))) == 6
    np.testing.assert_array_equal(batch["wet"][1], batch["dry"][1])
    again = folder(tmp_path / "set").prepare(effect())
    again.train_batch(9, 6, 0.1, 0)
    np.testing.assert_array_equal(again.train_batch(3, 6, 0.1, 0)["wet"][0], batch["wet"][0])
    assert not np.array_equal(gains(again.train_batch(4, 6, 0.1, 0)), found)
    one, two = prepared.clip("test", 1).ports, again.clip("test", 1).ports
    np.testing.assert_array_equal(one["wet"], two["wet"])
    assert one["wet"].shape == one["dry"].shape
    assert prepared.fingerprint == again.fingerprint


def test_short_clips_keep_the_batch_width(tmp_path: Path) -> None:
    batch = folder(classes(tmp_path / "set")).prepare(effect()).train_batch(0, 4, 0.5, 0)
    assert batch["wet"][0].shape == batch["dry"][0].shape == (4, 1, 8000)
    assert (batch["wet"][1] <= 8000).all()


def test_a_recording_of_a_derived_port_wins(tmp_path: Path) -> None:
    path = pairs(tmp_path / "set")
    task = effect(inputs={"noisy": Wave()}, outputs={"clean": Wave()}, derived={"clean": "noisy"})
    recorded = folder(path).prepare(task).clip("test", 0).ports
    named = folder(path, columns={"wet": "clean"}).prepare(effect()).clip("test", 0).ports
    np.testing.assert_array_equal(recorded["clean"], named["wet"])
    assert abs(np.corrcoef(recorded["noisy"][0], recorded["clean"][0])[0, 1]) < 0.999


@pytest.mark.parametrize("mixed", [False, True], ids=["songs", "data=mix"])
def test_a_mix_from_its_stems(tmp_path: Path, mixed: bool) -> None:
    mixing = effect(inputs={"stems": Stems()}, outputs={"mix": Wave()}, derived={"mix": "stems"})
    root = song_folder(tmp_path / "set", mix=False)
    data = folder(root)
    if mixed:
        sources = {name: str(root / name) for name in ("bass", "drums", "voice")}
        data = corpus("mix", sources=sources, cache=str(tmp_path / "c"), seconds=0.2, valid_items=2, test_items=2)
    assert data.provides(mixing) == {"stems": Stems(("bass", "drums", "voice"), 1, RATE), "mix": Wave(1, RATE)}
    ports = data.prepare(mixing).clip("test", 0).ports
    flat = ports["stems"].reshape(3, -1)
    found = np.linalg.lstsq(flat.T, ports["mix"][0], rcond=None)[0]
    assert ((found > 0.49) & (found < 1)).all()
    assert np.ptp(found) > 0.01


def test_an_input_may_be_derived_from_an_output(tmp_path: Path) -> None:
    narrow = effect(inputs={"narrow": Wave()}, outputs={"wide": Wave()}, derived={"narrow": "wide"})
    batch = folder(classes(tmp_path / "set")).prepare(narrow).train_batch(0, 2, 0.1, 0)
    assert batch["narrow"][0].shape == batch["wide"][0].shape
    assert list(folder(tmp_path / "set").provides(narrow)) == ["narrow", "wide"]


def test_what_the_data_lack_cannot_be_derived_from() -> None:
    with pytest.raises(RequestError, match="port 'wet' of task 'effects' is computed from 'dry', which the data do not provide"):
        complete(effect(), {})


def test_hints_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    base = task("classification", {"audio": Wave()}, {"label": Label()})
    hinted = effect(inputs=base.inputs, outputs=base.outputs, derived={}, hints={"phones": Phones()})
    path = classes(tmp_path / "set")
    assert list(folder(path).provides(hinted)) == ["audio", "label"]
    assert set(folder(path).prepare(hinted).train_batch(0, 2, 0.1, 0)) == {"audio", "label"}
