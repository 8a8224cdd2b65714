"""Counts against hand counts.  Systems run at 1000 Hz, so a clip of 3 s has 3000 samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from audioml.probes import compute, measure_all
from audioml.probes._counting import count_macs
from tests.probes.fakes import Conv, Fake, Recurrent

T = 3000  # samples
N = T // 20  # frames of 20 samples


class Frames(nn.Module):
    """A layer over frames of 20 samples: [B, N, 20] -> [B, N, 20]."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.reshape(len(x), -1, 20)).reshape(x.shape)


class Attend(nn.Module):
    """Fused attention of 2 heads over 10 dims each."""

    def forward(self, x):
        h = x.unflatten(-1, (2, 10)).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(h, h, h).transpose(1, 2).flatten(2)


def stft(x):
    window = torch.hann_window(64)
    spectrum = torch.stft(x[:, 0], 64, 16, window=window, return_complex=True)
    return torch.istft(spectrum, 64, 16, window=window, length=x.shape[-1])[:, None]


class Grid(nn.Module):
    """Conv2d 1 -> 4 -> 1 channels, 3x5, over 20 bins."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, (3, 5), padding="same"), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        h = x.reshape(len(x), 1, -1, 20).transpose(2, 3)
        return self.b(self.a(h)).transpose(2, 3).reshape(x.shape)


class Strided(nn.Module):
    """Encoder and decoder of kernel 16, stride 8, 12 filters."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(1, 12, 16, 8, padding=4), nn.ConvTranspose1d(12, 1, 16, 8, padding=4)

    def forward(self, x):
        return self.b(self.a(x))


FFT = 1.25 * 64 * math.log2(64)  # multiply-accumulates of one real FFT of 64 points: half of 2.5 n log2 n flops
LAYER = {
    "nothing": (nn.Identity, 0),
    "Linear": (lambda: Frames(nn.Linear(20, 20)), N * 20 * 20),
    "Conv1d": (lambda: Conv(4, channels=(1, 1)), T * 5),
    "Conv1d, 8 channels": (lambda: nn.Sequential(Conv(2, channels=(1, 8)), Conv(2, 2, channels=(8, 1))), T * (3 * 8 + 5 * 8)),
    "Conv1d, depthwise": (
        lambda: nn.Sequential(Conv(0, channels=(1, 8)), Conv(6, channels=(8, 8), groups=8), Conv(0, channels=(8, 1))),
        T * (8 + 7 * 8 + 8),
    ),
    "Conv1d and ConvTranspose1d, strided": (Strided, T // 8 * 12 * 16 * 2),
    "Conv2d": (Grid, T * (3 * 5 * 4 + 4)),
    "GRU": (Recurrent, N * (3 * (20 * 20 + 20 * 20) + 20 * 20)),
    "LSTM, two layers": (
        lambda: Recurrent(nn.LSTM, num_layers=2),
        N * (2 * 4 * (20 * 20 + 20 * 20) + 20 * 20),
    ),
    "LSTM, two directions": (lambda: Recurrent(nn.LSTM, bidirectional=True), N * (2 * 4 * (20 * 20 + 20 * 20) + 40 * 20)),
    "fused attention": (lambda: Frames(Attend()), 2 * 2 * N * N * 10),
    "TransformerEncoderLayer": (
        lambda: Frames(nn.TransformerEncoderLayer(20, 2, 40, batch_first=True)),
        N * (4 * 20 * 20 + 2 * 20 * 40) + 2 * N * N * 20,
    ),
    "STFT and inverse": (lambda: stft, 2 * (T // 16 + 1) * FFT),
    "complex FFT": (
        lambda: lambda x: torch.fft.ifft(torch.fft.fft(x.reshape(len(x), -1, 20))).real.reshape(x.shape),
        (1.25 + 2.5) * N * 20 * math.log2(20),  # a real input costs half, also where the whole spectrum is asked for
    ),
    "real FFT along another axis": (
        lambda: lambda x: torch.fft.irfft(torch.fft.rfft(x.reshape(len(x), 20, -1), dim=1), n=20, dim=1).reshape(x.shape),
        2 * N * 1.25 * 20 * math.log2(20),
    ),
}


@pytest.mark.parametrize("name", LAYER)
def test_macs_equal_the_hand_count(name):
    make, macs = LAYER[name]
    found = compute.measure(Fake(make()))["compute/macs_per_second"]
    assert found.value == pytest.approx(macs / 3, rel=1e-3, abs=1)
    assert (found.unit, found.better) == ("MAC/s", "low")


def test_matrix_vector_products_count():
    a, b = torch.randn(7, 5), torch.randn(5)
    assert count_macs(lambda: a @ b) == 35
    assert count_macs(lambda: b @ b) == 5
    assert count_macs(lambda: torch.addmv(torch.zeros(7), a, b)) == 35


def test_counting_leaves_the_back_ends_as_they_were():
    before = torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled(), torch.backends.cuda.flash_sdp_enabled()
    count_macs(lambda: torch.ones(3))
    with pytest.raises(RuntimeError):
        count_macs(lambda: torch.ones(3) @ torch.ones(4))
    after = torch.backends.mkldnn.enabled, torch.backends.mha.get_fastpath_enabled(), torch.backends.cuda.flash_sdp_enabled()
    assert before == after


def test_parameters_shared_and_frozen():
    shared = nn.Linear(20, 20)
    net = nn.Sequential(shared, shared, nn.Linear(20, 20, bias=False))
    net[2].weight.requires_grad_(False)
    found = compute.measure(Fake(Frames(net)))
    assert found["compute/parameters"].value == 420 + 400
    assert found["compute/parameters_trainable"].value == 420


def test_peak_memory_counts_what_is_alive_at_once():
    size = T * 4 / 1e6  # one clip in MB

    def chain(x):  # two are alive while the next is made, the first is freed then
        for _ in range(10):
            x = x + 1
        return x

    def hoard(x):
        return sum([x + k for k in range(9)], start=x)  # nine and the running sum with its successor

    peak = {f: compute.measure(Fake(f))["compute/peak_memory_mb"].value for f in (chain, hoard)}
    assert peak[chain] == pytest.approx(2 * size, rel=0.02)
    assert 9 * size < peak[hoard] < 12 * size
    weights = compute.measure(Fake(Frames(nn.Linear(20, 20))))["compute/peak_memory_mb"].value
    assert weights == pytest.approx((420 * 4) / 1e6 + size, rel=0.02)


def test_views_and_inputs_cost_nothing():
    assert compute.measure(Fake(lambda x: x.reshape(1, -1, 20).transpose(1, 2).transpose(1, 2).reshape(x.shape)))[
        "compute/peak_memory_mb"
    ].value == pytest.approx(0, abs=1e-4)


def test_measuring_all_touches_nothing():
    system = Fake(nn.Sequential(Conv(2), nn.BatchNorm1d(1), nn.Dropout(0.5))).train()
    system.body[1].eval()
    before = {k: v.clone() for k, v in system.state_dict().items()}
    modes = [m.training for m in system.modules()]
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    measure_all(system, None, seconds_budget=1.0)
    for name in ("compute", "context", "streaming", "latency"):
        __import__(f"audioml.probes.{name}", fromlist=["measure"]).measure(system, None, seconds=0.5)
    assert all(torch.equal(v, before[k]) for k, v in system.state_dict().items())
    assert [m.training for m in system.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert all(p.grad is None and p.requires_grad for p in system.parameters())
