"""scripts/evaluate.py: a finished run judged on its validation split, in the unit of the trivial baseline."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from audioml import sweep
from audioml.corpus import Clip
from audioml.errors import RequestError
from audioml.run import execute
from tests.methods.test_ar import of_codes, of_text

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
script = importlib.import_module("evaluate")


def test_a_run_on_its_validation_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    found = {split: [np.repeat(rng.integers(50, 70, (6, 4)), 4, 0).tolist() for _ in range(n)] for split, n in
             {"train": 6, "valid": 3, "test": 2}.items()}  # fmt: skip
    (tmp_path / "scores.json").write_text(json.dumps(found))
    asked = ["task=symbolic", "model=rnn", "model.width=16", "representation=midi_grid", "data=jsb_chorales", "preset=smoke"]
    asked += [f"data.path={tmp_path / 'scores.json'}", "data.transpose=6", f"data.cache={tmp_path / 'cache'}"]
    asked += [f"outputs={tmp_path / 'outputs'}", "trainer=cpu", "trainer.progress=false", "trainer.threads=1"]
    record = execute(sweep.compose(asked))
    folder = tmp_path / "outputs" / "runs" / record.provenance["folder"]
    script.main([str(folder), "--likelihood"])
    only = json.loads((folder / "valid.json").read_text())["values"]
    assert set(only) == {"likelihood/nats_per_symbol"}
    script.main([str(folder)])
    said = json.loads((folder / "valid.json").read_text())
    assert (said["split"], said["items"], said["primary"]) == ("valid", 3, "likelihood/nats_per_symbol")
    value, floor = (said[group][said["primary"]] for group in ("values", "baselines"))
    assert 0 < value["value"] < 2 * np.log(23)
    assert value["n"] == floor["n"] == 3
    assert value == only[said["primary"]]
    assert "quality/pitch_class_overlap" in said["values"]
    script.main([str(folder), str(folder), "--likelihood", "--set", "data.transpose=0", "--set", "method.temperature=0.5"])
    other = json.loads((folder / "valid_set.json").read_text())
    assert other["set"] == {"data": {"transpose": 0}, "method": {"temperature": 0.5}}
    assert other["values"]["likelihood/nats_per_symbol"] == value
    for wrong in ("model.width=3", "data", "data.=1", "data.path=[a"):
        with pytest.raises(RequestError, match="--set"):
            script.main([str(folder), "--set", wrong])
    script.main([str(folder), "--split", "test"])
    test = json.loads((folder / "test.json").read_text())["values"][said["primary"]]["value"]
    assert test == pytest.approx(record.values[said["primary"]].value, rel=1e-6)
    assert "valid  likelihood/nats_per_symbol" in capsys.readouterr().out


def test_the_unigram_pays_what_its_counts_say() -> None:
    net = of_codes(2, 4)
    known = [Clip("a", {"audio": np.array([[0, 3, 0, 3, 0, 1]], np.float32)})]  # book 0: 0 0 0, book 1: 3 3 1
    asked = [Clip("b", {"audio": np.array([[0, 3, 2, 0]], np.float32)}), Clip("c", {"audio": np.array([[0, 1]], np.float32)})]
    found = script.unigram(net, known, asked)
    assert found is not None
    seen = [(4, 3, 1, 1), (4, 2)]  # of seven: three counted, and one for each of four codes
    for item, counts in zip(found, seen, strict=True):
        assert item["_nll"] == (pytest.approx(-np.log(np.array(counts) / 7).sum()), len(counts))
    assert script.unigram(of_text(), known, asked) is None, "texts are no codes"
