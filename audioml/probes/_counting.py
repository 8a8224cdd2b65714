"""Two dispatch modes that watch a forward: multiply-accumulates, and bytes of tensors alive at once."""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


def _fft(per_point: float) -> Callable[..., int]:
    """Flops of an FFT of n points along `dim`: per_point · n · log2 n (split-radix texts give 4 … 5; FFTW reports 5)."""

    def flops(shape: Any, dim: Any, *rest: Any, out_shape: Any = None, **named: Any) -> int:
        full = shape if math.prod(shape) >= math.prod(out_shape) else out_shape  # the real side of a real transform
        n = math.prod(full[d] for d in dim)
        return int(per_point * n * math.log2(max(n, 2)) * (math.prod(full) // n))

    return flops


def _matrix_vector(a: Any, b: Any, *rest: Any, out_shape: Any = None, **named: Any) -> int:
    return 2 * math.prod(a)


def _add_matrix_vector(bias: Any, a: Any, b: Any, *rest: Any, out_shape: Any = None, **named: Any) -> int:
    return 2 * math.prod(a)


FORMULAS = {
    aten._fft_r2c: _fft(2.5),
    aten._fft_c2r: _fft(2.5),
    aten._fft_c2c: _fft(5.0),
    aten.mv: _matrix_vector,
    aten.dot: _matrix_vector,
    aten.addmv: _add_matrix_vector,
}


def count_macs(function: Callable[[], Any]) -> int:
    """Multiply-accumulates of calling `function`: matrix products, convolutions, attention, FFTs (half their flops).

    On CPU torch's counter does not see LSTM, fused attention and FFT; so oneDNN and the fused attention kernels are off
    meanwhile, and FFTs go by formula.  Element-wise work (activations, norms, masks, windows) is not counted.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # mkldnn.flags warns of TF32 on Intel GPUs
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
        counter.mod_tracker = _Untracked()  # type: ignore[assignment]
        stack.enter_context(counter)
        function()
        return counter.get_total_flops() // 2


class _Untracked:
    """Takes the place of torch's tracker of modules: nobody asks which of them counted, and its hooks take as long as a forward."""

    parents = ("Global",)

    def __enter__(self) -> None:
        """Nothing to hook."""

    def __exit__(self, *_: object) -> None:
        """Nothing to unhook."""


class LiveBytes(TorchDispatchMode):
    """`peak`: most bytes alive at once among the tensors made inside; scratch inside an operator is not seen."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for x in self._tensors((args, kwargs)):  # what comes from outside (weights, inputs) is not ours to count
            self._known.add(x.untyped_storage()._cdata)
        out = func(*args, **(kwargs or {}))
        for x in self._tensors(out):
            storage = x.untyped_storage()
            if storage._cdata not in self._known:
                self._known.add(storage._cdata)
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._free, storage._cdata, storage.nbytes()).atexit = False
        return out

    @classmethod
    def _tensors(cls, tree: Any) -> list[torch.Tensor]:
        if isinstance(tree, torch.Tensor):
            return [tree] if tree.layout is torch.strided else []
        if isinstance(tree, dict):
            tree = tree.values()
        elif not isinstance(tree, tuple | list):
            return []
        return [x for branch in tree for x in cls._tensors(branch)]

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
