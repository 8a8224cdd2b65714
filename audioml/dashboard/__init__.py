"""The comparison by eye and ear: one page, served live while runs go on, or written as a folder that opens from disk."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"cli": ["main"], "static": ["write_static"]})
