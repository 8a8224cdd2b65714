"""Every file in conf/data/ fits the class it names and says what it is."""

from __future__ import annotations

import pytest

from audioml import shelf


@pytest.mark.parametrize("name", shelf.names("data"))
def test_settings_are_the_signature(name: str) -> None:
    data = shelf.make("data", name)
    assert callable(data.provides)
    assert len(shelf.describe("data", name)) > 20
