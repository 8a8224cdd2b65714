"""Published checkpoints, as `save_pretrained` of transformers writes them: which there are maps for, and how they are read.

A family is a file of this folder, named after the `model_type` that config.json states: which settings of ours it asks for, and
which of its tensors make which of ours.  A model states in its class body which families it begins from (`published`).  Neither
transformers nor a network is needed; what a folder says is not trusted.
"""

from __future__ import annotations

from audioml.published._families import AtLeast, AtMost, available, family
from audioml.published._folder import Published, opened

__all__ = ["AtLeast", "AtMost", "Published", "available", "family", "opened"]
