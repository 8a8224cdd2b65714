"""What is read from a part's source text is what the imported class says."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from importlib import import_module

import pytest

from audioml import shelf
from audioml.declare import declaration
from audioml.errors import RequestError
from tests.conftest import ROOT

PARTS = [(g, n) for g in shelf.GROUPS for n in shelf.parts(g) if "_target_" in shelf.load(g, n)]


def test_every_part_is_seen() -> None:
    assert len(PARTS) >= 25


@pytest.mark.parametrize(("group", "name"), PARTS)
def test_declaration_equals_the_class(group: str, name: str) -> None:
    target = shelf.load(group, name)["_target_"]
    read = declaration(target)
    module, _, kind = target.rpartition(".")
    cls = getattr(import_module(module), kind)
    live = {n: p for n, p in inspect.signature(cls.__init__).parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert list(read.settings) == list(live)
    hints = typing.get_type_hints(cls.__init__)
    assert {n: hints[n] for n in live} == read.settings
    assert all(p.default is p.empty for p in live.values()), "YAML holds every setting; a default would be a second home"
    for fact, value in read.facts.items():
        assert getattr(cls, fact) == value


@pytest.mark.parametrize(("group", "name"), PARTS)
@pytest.mark.parametrize("preset", ["smoke", "quick", "full"])
def test_every_file_binds(group: str, name: str, preset: str) -> None:
    keys, reserved = shelf.settings(group, name, {}, preset)
    assert set(keys) == set(declaration(reserved["_target_"]).settings)
    assert shelf.describe(group, name), "the first line says what it is"


def test_targets_outside_are_refused() -> None:
    with pytest.raises(RequestError, match=r"_target_ 'os\.system' is refused: only parts inside audioml\. may be built"):
        declaration("os.system")


def test_a_missing_target_names_what_there_is() -> None:
    with pytest.raises(RequestError, match=r"'audioml\.models\.unet' has Unet"):
        declaration("audioml.models.unet.Wnet")
    with pytest.raises(RequestError, match=r"there is no module 'audioml\.models\.nowhere'"):
        declaration("audioml.models.nowhere.Net")


def test_light_shelves_leave_torch_alone() -> None:
    code = (
        "import sys; from audioml import shelf\n"
        "for g in ('task','representation','method','data','trainer','logger'):\n"
        "    [shelf.make(g, n) for n in shelf.parts(g)]\n"
        "from audioml.build import matrix; assert list(matrix())\n"
        "heavy = {'torch','pytorch_lightning','torchaudio','numpy','datasets','scipy','matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
