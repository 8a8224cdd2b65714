"""Judges of waveforms: multi-period, multi-scale (HiFi-GAN, Kong et al. 2020, §2.3), multi-resolution (UnivNet, Jang et al. 2021).

Each takes a wave [M, 1, T] and gives (score [M, …], maps): one score per place, and the layers' outputs for feature matching.
With a condition [M, C] every place is also asked whether it fits: an inner product of the last map with the condition (Miyato &
Koyama 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

SLOPE = 0.1  # of the leaky ReLUs
Verdict = tuple[Tensor, list[Tensor]]


class Judge(nn.Module):
    """`layers` of convolutions with leaky ReLUs, and `last`, which gives one score per place."""

    def __init__(self, layers: list[nn.Module], last: nn.Module, widest: int, cond: int | None) -> None:
        super().__init__()
        self.layers, self.last = nn.ModuleList(layers), last
        self.ask = None if cond is None else nn.Linear(cond, widest, bias=False)

    def enter(self, x: Tensor) -> Tensor:
        """[M, 1, T] -> what the layers see."""
        return x

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Verdict:
        """(score, maps)."""
        h, maps = self.enter(x), []
        for layer in self.layers:
            h = F.leaky_relu(layer(h), SLOPE)
            maps.append(h)
        score = self.last(h)
        if self.ask is not None and cond is not None:
            asked = self.ask(cond).reshape(*h.shape[:2], *(1,) * (h.dim() - 2))
            score = score + (h * asked).sum(1, keepdim=True) / h.shape[1] ** 0.5
        return score, maps


class Period(Judge):
    """Looks at every `period`-th sample: the wave folded to [M, 1, T / period, period], convolved along time only.

    `width` channels at first, four times as many at each of four strided layers up to `widest`; 32 and 1024 are HiFi-GAN's.
    """

    def __init__(self, period: int, width: int, widest: int, cond: int | None) -> None:
        widths = [1, *(min(width * 4**i, widest) for i in range(4)), widest]
        norm = parametrizations.weight_norm
        layers = [
            norm(nn.Conv2d(widths[i], widths[i + 1], (5, 1), (3 if i < 4 else 1, 1), padding=(2, 0)))
            for i in range(5)
        ]  # fmt: skip
        super().__init__(layers, norm(nn.Conv2d(widest, 1, (3, 1), padding=(1, 0))), widest, cond)
        self.period = period

    def enter(self, x: Tensor) -> Tensor:
        """[M, 1, T] -> [M, 1, ceil(T / period), period], the end filled by reflection."""
        short = -x.shape[-1] % self.period
        return F.pad(x, (0, short), "reflect").unflatten(-1, (-1, self.period))


class Pooled(Judge):
    """Looks at the wave averaged `times` times over 4 samples, every second kept: grouped convolutions of 41 samples.

    `widest` / 8 channels at first; 1024 is HiFi-GAN's.  The first of them (`times` 0) has spectral, the others weight norm.
    """

    STRIDES, GROUPS = (1, 2, 2, 4, 4, 1), (1, 4, 16, 16, 16, 16)

    def __init__(self, times: int, widest: int, cond: int | None) -> None:
        norm = parametrizations.weight_norm if times else parametrizations.spectral_norm
        widths = [max(8, widest // k) for k in (8, 8, 4, 2, 1, 1, 1)]
        widths[-1] = widths[-2] = widths[-3] = max(8, widest)
        layers: list[nn.Module] = [norm(nn.Conv1d(1, widths[0], 15, padding=7))]
        for a, b, stride, groups in zip(widths[:-1], widths[1:], self.STRIDES[1:], self.GROUPS[1:], strict=False):
            shared = max(1, min(groups, a // 4))
            while a % shared or b % shared:
                shared -= 1
            layers.append(norm(nn.Conv1d(a, b, 41, stride, groups=shared, padding=20)))
        layers.append(norm(nn.Conv1d(widths[-1], widths[-1], 5, padding=2)))
        super().__init__(layers, norm(nn.Conv1d(widths[-1], 1, 3, padding=1)), widths[-1], cond)
        self.times = times

    def enter(self, x: Tensor) -> Tensor:
        """[M, 1, T] -> [M, 1, T / 2^times]."""
        for _ in range(self.times):
            x = F.avg_pool1d(x, 4, 2, padding=2)
        return x


class Resolution(Judge):
    """Looks at the log magnitude of a short-time spectrum of `window` samples (hop a quarter): [M, 1, F, N]."""

    def __init__(self, window: int, width: int, cond: int | None) -> None:
        norm = parametrizations.weight_norm
        layers = [
            norm(nn.Conv2d(width if i else 1, width, (5, 3), (2 if i else 1, 1), padding=(2, 1)))
            for i in range(4)
        ]  # fmt: skip
        super().__init__(layers, norm(nn.Conv2d(width, 1, 3, padding=1)), width, cond)
        self.window = window

    def enter(self, x: Tensor) -> Tensor:
        """Levels from -60 to 0 dB re a full-scale sine lie between -1 and 1."""
        hann = torch.hann_window(self.window, device=x.device, dtype=x.dtype)
        short = max(0, self.window - x.shape[-1])
        spectrum = torch.stft(
            F.pad(x[:, 0], (0, short)), self.window, self.window // 4, window=hann, pad_mode="constant", return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(-1) * (4 / self.window) ** 2
        return ((power + 1e-7).log10() * (10 / 30) + 1)[:, None]


class Jury(nn.Module):
    """Judges side by side: one per period, one per number of poolings in `scales`, one per window.

    HiFi-GAN has the periods 2, 3, 5, 7, 11 and the scales 0, 1, 2.
    """

    def __init__(
        self, *, periods: list[int], scales: list[int], windows: list[int], width: int, widest: int, cond: int | None = None
    ) -> None:
        super().__init__()
        judges: list[nn.Module] = [Period(p, width, widest, cond) for p in periods]
        judges += [Pooled(times, widest, cond) for times in scales]
        judges += [Resolution(w, width, cond) for w in windows]
        self.judges = nn.ModuleList(judges)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> list[Verdict]:
        """Wave [M, 1, T] (and condition [M, C]) -> one verdict per judge."""
        return [judge(x, cond) for judge in self.judges]


def parted(verdicts: list[Verdict]) -> tuple[list[Verdict], list[Verdict]]:
    """Verdicts on two batches that were judged as one, the first half and the second."""
    halves = [(score.chunk(2), [m.chunk(2) for m in maps]) for score, maps in verdicts]
    first, second = ([(score[k], [m[k] for m in maps]) for score, maps in halves] for k in (0, 1))
    return first, second


def oppose(real: list[Verdict], made: list[Verdict], criterion: str) -> Tensor:
    """What the judges minimise, meaned over them: least squares (Mao et al. 2017) or hinge (Lim & Ye 2017)."""
    if criterion == "hinge":
        each = [F.relu(1 - r).mean() + F.relu(1 + m).mean() for (r, _), (m, _) in zip(real, made, strict=True)]
    else:
        each = [(r - 1).square().mean() + m.square().mean() for (r, _), (m, _) in zip(real, made, strict=True)]
    return torch.stack(each).mean()


def please(made: list[Verdict], criterion: str) -> Tensor:
    """What the generator minimises, meaned over the judges."""
    each = [-m.mean() if criterion == "hinge" else (m - 1).square().mean() for m, _ in made]
    return torch.stack(each).mean()


def matching(real: list[Verdict], made: list[Verdict], *, paired: bool) -> Tensor:
    """Mean absolute difference of the judges' maps, in units of the real maps' mean size (Défossez et al. 2022, eq. 5).

    Not `paired`: of their means over items and places (Salimans et al. 2016, §3.1).
    """
    each = []
    for (_, a), (_, b) in zip(real, made, strict=True):
        for r, m in zip(a, b, strict=True):
            gap = r - m if paired else r.flatten(2).mean((0, 2)) - m.flatten(2).mean((0, 2))
            each.append(gap.abs().mean() / r.abs().mean().clamp(min=1e-5))
    return torch.stack(each).mean()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within, the module's weights take no gradient; it flows through to the inputs."""
    were = [(p, p.requires_grad) for p in module.parameters()]
    for p, _ in were:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p, was in were:
            p.requires_grad_(was)
