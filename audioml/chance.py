"""Torch's own dice."""

from __future__ import annotations

import torch


def reseed(seed: int) -> None:
    """Seed them.  Not torch.manual_seed: where CUDA sleeps it formats and keeps a traceback, 0.4 ms in a shallow stack and 2 in a
    deep one."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
