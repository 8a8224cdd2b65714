"""Names and types of settings, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from audioml import shelf
from audioml.errors import RequestError


@pytest.mark.parametrize(
    ("value", "kind", "fine"),
    [
        (3, int, True), ("3", int, False), (True, int, False), (3, float, True), (True, float, False), ("x", str, True),
        ("gru", Literal["gru", "lstm"], True), ("gruu", Literal["gru", "lstm"], False), (1, Literal[1, 2], True), (True, Literal[1, 2], False),
        ([1, 2], list[int], True), ([1, "b"], list[int], False), (None, int | None, True), ({"a": 1}, dict[str, float], True),
        ({"a": "b"}, dict[str, float], False), (object(), Any, True),
    ],
)
def test_fits(value: object, kind: object, fine: bool) -> None:
    assert shelf.fits(value, kind) is fine


@pytest.mark.parametrize(
    ("group", "name", "user", "text"),
    [
        ("model", "unet", {"widht": 3}, r"model\.widht is not a setting of Unet; did you mean width\? settings: fold, width, depth"),
        ("model", "unet", {"width": "big"}, r"model\.width='big' has the wrong type; it should be a whole number"),
        ("model", "rnn", {"cell": "gruu"}, r"model\.cell='gruu' has the wrong type; it should be one of gru, lstm"),
        ("model", "unet", {"kernel": [3, "a"]}, r"it should be a list of a whole number"),
        ("method", "mask", {"losses": {"snr": "much"}}, r"method\.losses=.* it should be a mapping of a number"),
        ("task", "asr", {"x": 1}, r"task\.x is not a setting of Asr; Asr has no settings"),
        ("preset", "tiny", {}, r"preset=tiny does not exist; choices: full, quick, smoke"),
        ("model", "unt", {}, r"model=unt does not exist; did you mean unet\? choices: auto, autoencoder, cnn1d"),
    ],
)
def test_wrong_settings_are_told(group: str, name: str, user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text) as caught:
        shelf.settings(group, name, user, "quick")
    assert "\n" not in str(caught.value)


def test_sizes_follow_the_preset_and_the_user_wins() -> None:
    small, large = (shelf.settings("model", "unet", {}, p)[0]["width"] for p in ("smoke", "full"))
    assert small < large
    assert shelf.settings("model", "unet", {"width": 5}, "full")[0]["width"] == 5


def test_loss_names_are_checked() -> None:
    with pytest.raises(RequestError, match=r"method\.losses\.snrr is not a loss; did you mean snr\? losses: snr, si_sdr, l1, spectral"):
        shelf.make("method", "mask", {"losses": {"snrr": 1.0}})


def test_a_file_is_never_shared() -> None:
    shelf.load("model", "unet")["width"] = 1
    assert "width" not in shelf.load("model", "unet")
