"""data=hub on local parquet files, as the hub serves them; no network."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from audioml.errors import RequestError
from audioml.kinds import Label
from tests.data.sound_folders import CLASSIFY, ENHANCE, RECOGNISE, corpus, noise


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def sound(seed: int) -> bytes:
    file = io.BytesIO()
    sf.write(file, noise(seed, 0.1, 8000), 8000, format="FLAC")
    return file.getvalue()


def parquet(folder: Path, *, splits: tuple[str, ...] = ("train", "test"), rows: int = 10, features: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for s, split in enumerate(splits):
        sounds = [{"bytes": sound(100 * s + i), "path": f"{i}.flac"} for i in range(rows)]
        columns = {"audio": pa.array(sounds, cell), "label": pa.array([i % 2 for i in range(rows)])}
        table = pa.table(columns | {"text": pa.array([f"no {i}" for i in range(rows)])})
        if features:
            stated = {"audio": {"_type": "Audio"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
            stated["text"] = {"dtype": "string", "_type": "Value"}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": stated}})})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.mark.parametrize("streaming", [False, True], ids=["downloaded", "streamed"])
def test_a_folder_of_parquet(tmp_path: Path, streaming: bool) -> None:
    settings = {
        "name": str(parquet(tmp_path / "set")),
        "streaming": streaming,
        "items": 8,
        "cache": str(tmp_path / "c"),
        "rate": 8000,
    }
    data = corpus("hub", **settings)
    assert data.provides(CLASSIFY)["label"] == Label(("cat", "dog"))
    prepared = data.prepare(CLASSIFY)
    assert prepared.report["rows"] == {"train": 7, "valid": 1, "test": 8}
    want = sf.read(io.BytesIO(sound(103)))[0]
    clips = [prepared.clip("test", i).ports for i in range(8)]
    assert clips[3]["label"] == 1
    np.testing.assert_allclose(clips[3]["audio"][0], want)
    assert corpus("hub", **settings).prepare(CLASSIFY).fingerprint == prepared.fingerprint


def test_one_file_without_stated_features(tmp_path: Path) -> None:
    file = next(parquet(tmp_path / "set", splits=("train",), features=False).iterdir())
    data = corpus("hub", name=str(file), cache=str(tmp_path / "c"))
    assert data.provides(CLASSIFY)["label"] == Label(("0", "1"))
    assert data.prepare(RECOGNISE).clip("test", 0).ports["text"].startswith("no ")
    assert data.prepare(RECOGNISE).report["rows"] == {"train": 8, "valid": 1, "test": 1}


def test_a_stream_is_kept(tmp_path: Path) -> None:
    root = parquet(tmp_path / "set")
    settings = {"name": str(root), "streaming": True, "items": 6, "cache": str(tmp_path / "c")}
    corpus("hub", **settings).prepare(CLASSIFY)
    data = corpus("hub", **settings)
    data._load = None  # nothing is fetched a second time
    assert data.prepare(CLASSIFY).size("test") == 6
    (kept,) = [p for p in (tmp_path / "c/hub").iterdir() if p.is_dir()]
    assert len(list(kept.iterdir())) == 12 + 1


def test_splits_by_name_and_slice(tmp_path: Path) -> None:
    root = parquet(tmp_path / "set", splits=("train", "test"))
    splits = {"train": "train[:7]", "valid": "train[7:]", "test": "test"}
    prepared = corpus("hub", name=str(root), splits=splits, cache=str(tmp_path / "c")).prepare(CLASSIFY)
    assert prepared.report["rows"] == {"train": 7, "valid": 3, "test": 10}


def test_two_audio_columns_are_a_pair(tmp_path: Path) -> None:
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    sounds = pa.array([{"bytes": sound(i), "path": None} for i in range(8)], cell)
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"clean": sounds, "noisy": sounds}), tmp_path / "set/train.parquet")
    batch = corpus("hub", name=str(tmp_path / "set"), cache=str(tmp_path / "c"), rate=8000).prepare(ENHANCE)
    x = batch.train_batch(0, 3, 0.05, 0)
    np.testing.assert_array_equal(x["noisy"][0], x["clean"][0])


def test_rows_without_sound_are_skipped(tmp_path: Path) -> None:
    root = parquet(tmp_path / "set")
    file = root / "train-00000-of-00001.parquet"
    table = pq.read_table(file)
    sounds = table["audio"].to_pylist()
    sounds[2] = {"bytes": b"junk" * 50, "path": "2.flac"}
    sounds[4] = {"bytes": None, "path": "/not/here.flac"}
    table = table.set_column(0, "audio", pa.array(sounds, table.schema.field("audio").type))
    pq.write_table(table, file)
    for streaming in (False, True):
        settings = {"streaming": streaming, "items": 10, "cache": str(tmp_path / "c"), "max_bad": 0.2}
        prepared = corpus("hub", name=str(root), **settings).prepare(CLASSIFY)
        assert sum(prepared.report["rows"].values()) == 18
        assert len(prepared.report["skipped"]) == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_a_name_that_cannot_be_reached(streaming: bool) -> None:
    words = r"data\.name=nobody/nothing cannot be loaded: .*; give the name of a set on huggingface\.co"
    with pytest.raises(RequestError, match=words):
        corpus("hub", name="nobody/nothing", streaming=streaming, items=3).provides(CLASSIFY)


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    root = str(parquet(tmp_path / "set"))
    only = str(next(parquet(tmp_path / "tests", splits=("test",)).iterdir()).parent)
    for settings, words in (
        ({}, r"data=hub needs data\.name=NAME"),
        ({"name": root, "streaming": True}, r"data\.streaming=true needs data\.items=N"),
        ({"name": root, "splits": {"dev": "test"}}, r"data\.splits\.dev is not a split; name train, valid and test"),
        ({"name": root, "splits": {"train": "nope"}}, r"cannot be loaded: Unknown split \"nope\""),
        ({"name": root, "config": "big"}, r"cannot be loaded: BuilderConfig 'big' not found"),
        ({"name": only}, r"has no split for training; its splits are test \(data\.splits\.train=NAME names one\)"),
        ({"name": root, "columns": {"label": "kind"}}, r"its columns are split, label, text|its columns are .*file_name"),
    ):
        with pytest.raises(RequestError, match=words):
            corpus("hub", **settings).provides(CLASSIFY)
    with pytest.raises(RequestError, match=r"data\.items=1 should be at least 3, or null for all"):
        corpus("hub", name=root, items=1)


def test_reading_a_downloaded_set_needs_no_torchcodec(tmp_path: Path) -> None:
    root = parquet(tmp_path / "set")
    code = f"""
import sys
sys.modules["torchcodec"] = None
sys.path[:0] = {[p for p in sys.path if p]!r}
from tests.data.sound_folders import CLASSIFY, corpus
prepared = corpus("hub", name={str(root)!r}, cache={str(tmp_path / "c")!r}).prepare(CLASSIFY)
print(prepared.clip("test", 0).ports["audio"].shape)
"""
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    told = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True)
    assert told.stdout.strip() == "(1, 1600)"
