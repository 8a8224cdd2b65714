"""The talk's thirteen systems on their timeline, each with our recipe, its numbers and samples: a folder that opens from disk."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"cli": ["main"], "page": ["write_gallery"]})
