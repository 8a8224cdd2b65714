"""data=folder: rows chosen, further noise, equaliser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audioml.errors import RequestError
from audioml.kinds import Label
from tests.data.sound_folders import (
    CLASSIFY,
    ENHANCE,
    SEPARATE,
    classes,
    pairs,
    song_folder,
    write,
)  # fmt: skip
from tests.data.test_folder import folder


def test_some_rows_alone(tmp_path: Path) -> None:
    path = classes(tmp_path / "set", count=18, speaker=["a", "b", "c"] * 6, take=[i // 3 for i in range(18)])
    prepared = folder(path, only={"speaker": ["a", "c"], "take": [0, 1, 4, 5]}).prepare(CLASSIFY)
    names = {prepared.clip(split, i).name for split in ("train", "valid", "test") for i in range(prepared.size(split))}
    assert names == {f"audio/{i:02d}" for i in (0, 2, 3, 5, 12, 14, 15, 17)}
    one = folder(path, only={"take": 1}).provides(CLASSIFY)["label"]
    assert one == Label(("0", "1"))


def test_rows_that_are_not_there(tmp_path: Path) -> None:
    path = classes(tmp_path / "set", speaker=["a", "b", "c"] * 4)
    with pytest.raises(RequestError, match=r"data\.only\.spaker: .* has no such column; its columns are file_name, split, label, speaker"):
        folder(path, only={"spaker": "a"}).provides(CLASSIFY)
    with pytest.raises(RequestError, match=r"data\.only\.speaker=x is in no row of .*; it has a, b, c"):
        folder(path, only={"speaker": ["a", "x"]}).provides(CLASSIFY)
    with pytest.raises(RequestError, match=r"data\.only leaves no row of"):
        folder(path, only={"label": 1, "file_name": "audio/00.flac"}).provides(CLASSIFY)


def test_noise_of_other_folders_is_remixed_too(tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / f"hum/{i:02d}.wav", 0.3 * np.sin(np.arange(2000) * 2.0))  # 5.1 kHz, shorter than what is asked for
    prepared = folder(pairs(tmp_path / "set"), remix=1.0, noises={"hum": str(tmp_path / "hum")}).prepare(ENHANCE)
    plain = folder(tmp_path / "set", remix=1.0).prepare(ENHANCE)
    assert prepared.fingerprint != plain.fingerprint
    batches = [prepared.train_batch(step, 16, 0.25, 0) for step in range(4)]
    noise = np.concatenate([b["noisy"][0] - b["clean"][0] for b in batches])[:, 0]
    power = np.abs(np.fft.rfft(noise)) ** 2
    pure = power[:, 1200:1350].sum(1) > 0.9 * power.sum(1)  # 4.8 to 5.4 kHz
    assert 0.3 < pure.mean() < 0.85  # ten recordings to hum, eight rows
    assert (np.abs(noise[pure][:, -500:]).max(1) > 0.01).all()  # repeated where too short
    np.testing.assert_array_equal(prepared.clip("test", 0).ports["noisy"], plain.clip("test", 0).ports["noisy"])
    with pytest.raises(RequestError, match="data.noises is noise to remix speech with"):
        folder(tmp_path / "set", noises={"hum": str(tmp_path / "hum")})
    with pytest.raises(RequestError, match="data.noises serves tasks between two recordings"):
        folder(classes(tmp_path / "other"), remix=1.0, noises={"hum": str(tmp_path / "hum")}).prepare(CLASSIFY)
    with pytest.raises(RequestError, match="is not a folder"):
        folder(tmp_path / "set", remix=1.0, noises={"hum": str(tmp_path / "none")}).prepare(ENHANCE)


@pytest.mark.parametrize(("task", "make"), [(ENHANCE, pairs), (SEPARATE, song_folder), (CLASSIFY, classes)])
def test_the_equaliser_shapes_parts_of_a_mixture_apart(tmp_path: Path, task: object, make: object) -> None:
    made = make(tmp_path / "set")
    prepared, plain = (folder(made, equalize=db).prepare(task) for db in (12.0, 0.0))
    shaped, dry = (p.train_batch(0, 8, 0.2, 0) for p in (prepared, plain))
    port = next(p for p in dry if p not in ("label", "mix", "noisy"))
    assert not np.allclose(shaped[port][0], dry[port][0], atol=1e-3) or task is ENHANCE  # a tone stays what it is
    np.testing.assert_allclose((shaped[port][0] ** 2).sum(), (dry[port][0] ** 2).sum(), rtol=1e-3)
    if task is ENHANCE:
        rest, was = (b["noisy"][0] - b["clean"][0] for b in (shaped, dry))
        assert not np.allclose(rest, was, atol=1e-3)
        np.testing.assert_allclose((rest**2).sum((1, 2)), (was**2).sum((1, 2)), rtol=1e-3)
    if task is SEPARATE:
        np.testing.assert_allclose(shaped["mix"][0], shaped["stems"][0].sum(1), atol=1e-3)
