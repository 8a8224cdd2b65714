"""Data flows one way: a file imports only from its own floor's allowance.  Read from the imports, lazy ones included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS = {
    "compat": 0, "errors": 0, "lazy": 0, "kinds": 0, "remember": 0, "memory": 0,
    "parts": 1, "corpus": 1, "declare": 1, "records": 1, "provenance": 1, "history": 1, "dsp": 1, "losses": 1, "nn": 1, "metrics": 1,
    "examples": 1, "pictures": 1, "chance": 1, "symbols": 1, "table": 1, "dashboard": 1, "fit": 1, "statistics": 1, "stats": 1,
    "published": 1,
    "tasks": 2, "representations": 2, "models": 2, "methods": 2, "data": 2,
    "shelf": 3, "plan": 3, "readers": 3, "adapters": 3, "system": 3, "datamodule": 3, "lit": 3, "checkpoints": 3,
    "evaluate": 3,
    "build": 4, "budget": 4, "recipe": 4, "draft": 4, "coder": 4, "laws": 4, "grid": 4, "roundtrip": 4, "probes": 4,
    "runfolder": 4, "run": 4, "cli": 4, "gallery": 4, "sweep": 4, "crossval": 4, "enrol": 4, "predict": 4, "search": 4, "talk": 4,
    "begin": 4,
}
SHELVES = ("tasks", "representations", "models", "methods", "data")
FILES = sorted((ROOT / "audioml").rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "audioml").with_suffix("").parts
    return "dsp" if parts[0].startswith("dsp_") else parts[0]


def imports(path: Path) -> set[str]:
    """Rooms of audioml that a file imports, except for type hints."""
    found: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {id(n) for c in ast.walk(tree) if isinstance(c, ast.If) and "TYPE_CHECKING" in ast.unparse(c.test) for n in ast.walk(c)}
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "audioml":
            inner = node.module.split(".")[1:]
            names = {inner[0]} if inner else {a.name for a in node.names}
            found |= {"dsp" if n.startswith("dsp_") else n for n in names}
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("audioml.")}
    return found


def test_every_room_has_a_floor() -> None:
    rooms = {room(p) for p in FILES} - {"__init__"}
    assert rooms <= set(FLOORS)
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for other in imports(path) - {here}:
        assert FLOORS[other] <= FLOORS[here], f"{here} (floor {FLOORS[here]}) imports {other} (floor {FLOORS[other]})"
        assert not (here in SHELVES and other in SHELVES), f"shelf {here} imports shelf {other}"


def test_hydra_is_imported_at_the_front_only() -> None:
    users = {str(p.relative_to(ROOT / "audioml")) for p in FILES if "import hydra" in p.read_text("utf-8") or "from hydra" in p.read_text("utf-8")}
    assert users == {"cli.py", "sweep/composer.py"}


def test_torchaudio_is_imported_behind_the_guard() -> None:
    import os
    import subprocess
    import sys

    code = "import audioml, torchaudio, torchmetrics.audio; print(torchaudio.functional.melscale_fbanks(5, 0., 4000., 2, 8000).shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch.Size([5, 2])" in done.stdout


def test_torch_is_bound_below_the_release_that_torchaudio_refuses() -> None:
    import tomllib
    from importlib import metadata

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "torch>=2.11,<2.15" in project["dependencies"]
    version = tuple(int(v) for v in metadata.version("torch").split("+")[0].split(".")[:2])
    assert (2, 11) <= version < (2, 15)
    extras = project["optional-dependencies"]
    core = " ".join(project["dependencies"])
    assert "espeak" not in core
    assert any("espeak" in d for d in extras["embedded"]), "the GPL loader is in the extra that makes data, nowhere else"


def test_the_guard_leaves_a_cuda_build_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.machinery

    from audioml import compat

    (tmp_path / "lib").mkdir()
    spec = importlib.machinery.ModuleSpec("torch", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(compat.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(compat.sys, "platform", "linux")
    assert compat.needs_stand_in()
    (tmp_path / "lib" / "libtorch_cuda.so").touch()
    assert not compat.needs_stand_in()
    monkeypatch.setattr(compat.sys, "platform", "darwin")
    assert not compat.needs_stand_in()


def python(code: str) -> None:
    import os
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_lightning_does_not_pay_for_torchmetrics_and_whoever_asks_gets_all_of_it() -> None:
    python(
        "import sys, audioml, pytorch_lightning.core.module as module, torchmetrics\n"
        "assert not {'scipy.signal', 'transformers', 'librosa'} & set(sys.modules)\n"
        "assert module.Metric is torchmetrics.Metric and torchmetrics.__version__.startswith('1.')\n"
        "assert issubclass(torchmetrics.SumMetric, module.Metric) and 'scipy.signal' in sys.modules\n"
        "assert all(hasattr(torchmetrics, name) for name in torchmetrics.__all__) and torchmetrics.Metric is module.Metric\n"
        "assert not hasattr(torchmetrics, 'nothing')"
    )


def test_parts_of_torchmetrics_can_be_imported_before_the_whole() -> None:
    python(
        "import audioml\nfrom torchmetrics.wrappers import MinMaxMetric\nfrom torchmetrics import *\n"
        "assert issubclass(MinMaxMetric, Metric) and SumMetric()"
    )


def test_a_torchmetrics_built_otherwise_starts_at_once() -> None:
    python(
        "import sys\nfrom audioml import compat\ncompat.EARLY['Metric'] = 'elsewhere'\nimport torchmetrics\n"
        "assert '__getattr__' not in vars(torchmetrics) and torchmetrics.SumMetric and 'scipy.signal' in sys.modules"
    )
