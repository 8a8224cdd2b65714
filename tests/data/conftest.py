"""The embedded sets at their smallest scale, made once per session in a cache of their own (about 3 s)."""

from __future__ import annotations

from pathlib import Path

import pytest

from audioml.data.making import store


@pytest.fixture(scope="session")
def embedded_sets(embedded_cache: Path) -> Path:
    """The folder with all sets in that cache."""
    for module in store.PACKAGES:
        pytest.importorskip(module, reason='the embedded data needs pip install "audioml[embedded]"')
    return store.ensure(str(embedded_cache), "smoke")


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for the real sets, which several tests decode."""
    return str(tmp_path_factory.mktemp("real"))
