"""Signatures name choices, not spellings; provenance says what it cannot know."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audioml.provenance import git_state, provenance, signature

AXES = {"task": "separation", "model": "unet", "representation": {"mix": "stft", "stems": "stft"}, "seed": 0, "row": "unet"}
SETTINGS = {"model": {"width": 48, "depth": 4}, "data": {"rate": 16000, "cache": "/a"}, "trainer": {"accelerator": "cpu"}}


def test_a_signature_is_ten_hex_digits_whatever_the_order() -> None:
    name = signature(AXES, SETTINGS)
    assert len(name) == 10
    assert int(name, 16) >= 0
    assert name == signature(dict(reversed(AXES.items())), dict(reversed(SETTINGS.items())))


@pytest.mark.parametrize(
    "same",
    [
        {"trainer": {"accelerator": "gpu"}},
        {"logger": "wandb"},
        {"outputs": "/elsewhere"},
        {"data": {"rate": 16000, "cache": "/b"}},
        {"model": {"width": 48.0, "depth": 4}},
    ],
)
def test_what_does_not_change_the_numbers_is_not_signed(same: dict) -> None:
    assert signature(AXES, SETTINGS | same) == signature(AXES, SETTINGS)


def test_the_name_of_a_row_or_recipe_is_not_signed() -> None:
    assert signature(AXES | {"row": "gan", "recipe": "mine"}, SETTINGS) == signature(AXES, SETTINGS)


@pytest.mark.parametrize("axis", ["task", "model", "representation", "seed"])
def test_every_choice_is_signed(axis: str) -> None:
    assert signature(AXES | {axis: "other"}, SETTINGS) != signature(AXES, SETTINGS)


@pytest.mark.parametrize("other", [{"model": {"width": 49, "depth": 4}}, {"data": {"rate": 8000}}, {"lr": 1e-3}])
def test_every_setting_is_signed(other: dict) -> None:
    assert signature(AXES, SETTINGS | other) != signature(AXES, SETTINGS)


def test_true_is_not_one() -> None:
    assert signature(AXES, {"causal": True}) != signature(AXES, {"causal": 1})


def test_provenance_joins_the_machine_with_what_the_caller_knows() -> None:
    found = provenance(device="cpu", seed=3)
    assert (found["device"], found["seed"]) == ("cpu", 3)
    assert found["versions"]["python"].startswith("3.")
    assert "torch" in found["versions"]
    assert set(found) >= {"created", "git", "host", "cpu", "system"}


def test_git_says_commit_and_whether_files_were_changed(tmp_path: Path) -> None:
    package = tmp_path / "audioml"
    package.mkdir()
    assert git_state(package) == {"commit": None, "dirty": None, "reason": "not run from a git checkout"}
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_state(package)["reason"] == "the checkout has no commit"
    (package / "file.py").write_text("1\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    clean = git_state(package)
    assert (len(clean["commit"]), clean["dirty"]) == (40, False)
    (package / "file.py").write_text("2\n")
    assert git_state(package) == {"commit": clean["commit"], "dirty": True}
    # a package that lies deeper (a .venv in somebody's repository) is not what that commit describes
    assert git_state(package / "deeper")["commit"] is None


def test_no_git_at_all_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state()["reason"] == "not run from a git checkout"
