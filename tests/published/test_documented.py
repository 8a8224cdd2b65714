"""The commands in docs/architecture.md fit checkpoints of the published sizes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from audioml import recipe, shelf
from audioml.begin import init_of
from audioml.sweep import compose
from tests.conftest import ROOT

transformers = pytest.importorskip("transformers")


def commands() -> list[list[str]]:
    """The arguments of each `python train.py` of the section, with its shell variables in their places."""
    section = (ROOT / "docs" / "architecture.md").read_text().split("## Published weights")[1].split("```")[1].replace("\\\n", " ")
    names = dict(re.findall(r'^(\w)="(.*)"$', section, re.MULTILINE))
    for name, value in names.items():
        section = section.replace(f"${name}", value)
    return [shlex.split(line, comments=True)[2:] for line in section.splitlines() if line.startswith("python train.py")]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """facebook/encodec_24khz (transformers' defaults) and facebook/musicgen-small, configs alone."""
    wide = {"sampling_rate": 32000, "num_filters": 64, "upsampling_ratios": [8, 5, 4, 4], "codebook_size": 2048, "target_bandwidths": [2.2]}
    codec = transformers.EncodecConfig(**wide, use_causal_conv=False, use_conv_shortcut=False)
    whole = {"text_encoder": transformers.T5Config(), "audio_encoder": codec, "decoder": transformers.MusicgenDecoderConfig()}
    for name, config in (("encodec_24khz", transformers.EncodecConfig()), ("musicgen-small", transformers.MusicgenConfig(**whole))):
        config.save_pretrained(tmp_path / name)
        (tmp_path / name / "model.safetensors").touch()
    return tmp_path


def test_the_commands_fit(published: Path, embedded_cache: Path) -> None:
    codec, whole = ([a.replace("init=", f"init={published}/") for a in c] for c in commands())
    here = [f"data.cache={embedded_cache}"]
    assert compose([*codec, *here]).axes()["init"].startswith("encodec:")
    first, second = recipe.stages([*whole, *here])[0]
    assert compose(first.arguments).axes()["init"].startswith("encodec:")
    said = dict(a.split("=", 1) for a in second.arguments)
    keys = {g: {k[len(g) + 1 :]: yaml.safe_load(v) for k, v in said.items() if k.startswith(f"{g}.")} for g in ("model", "method")}
    names = {g: said[g] for g in ("model", "method")}
    settings = {g: shelf.settings(g, names[g], keys[g], "quick")[0] for g in names}
    found = init_of(said["init"], names, settings)
    assert found is not None
    assert found.family == "musicgen_decoder"
