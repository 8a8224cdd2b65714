"""scripts/probe.py: finished runs get the columns of today, and nothing else of theirs changes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from audioml import sweep
from audioml.errors import RequestError
from audioml.probes import available, measures, probe
from audioml.records import Record
from audioml.run import execute
from tests.conftest import ROOT, tiny_args

spec = importlib.util.spec_from_file_location("probe_script", ROOT / "scripts" / "probe.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
NAMES = {name for key in available() for name in probe(key).VALUES}
TIMES = ("latency/", "streaming/smallest", "streaming/memory", "compute/train_seconds")


def test_an_old_run_gets_the_new_columns(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = execute(sweep.compose(tiny_args(tiny, tmp_path, "task=enhancement", "model=fcn", "preset.probe_seconds=20")))
    assert first.provenance["measures"] == measures()
    assert set(first.values) >= NAMES
    for name in ("context/gradient_mass_ms", "streaming/smallest_block_ms", "latency/first_audio_ms", "compute/training_macs"):
        assert first.values[name].value is not None, first.values[name]
    folder = tmp_path / "outputs" / "runs" / first.provenance["folder"]
    old = Record.read(folder / "record.json")
    old.values = {k: v for k, v in old.values.items() if k not in NAMES}
    del old.provenance["measures"]
    old.write(folder / "record.json")
    script.main([str(folder), "--seconds", "20"])
    new = Record.read(folder / "record.json")
    assert set(new.values) == set(first.values)
    assert new.provenance["measures"] == measures()
    assert new.provenance["probed"]["created"] >= first.provenance["created"]
    kept = ("signature", "axes", "items", "baselines", "ceilings", "primary", "status")
    assert all(getattr(new, k) == getattr(old, k) for k in kept)
    assert {k: v for k, v in new.provenance.items() if k not in ("measures", "probed")} == old.provenance
    again = {k: (v.value, v.reason) for k, v in new.values.items() if not k.startswith(TIMES)}
    assert again == {k: (v.value, v.reason) for k, v in first.values.items() if not k.startswith(TIMES)}
    assert f"{folder.name}  " in capsys.readouterr().out
    new.status = "failed"
    new.write(folder / "record.json")
    with pytest.raises(RequestError, match="is not done but failed"):
        script.main([str(folder)])
