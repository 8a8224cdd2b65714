"""One table of hand-made networks: look-ahead, receptive field and multiply-accumulates as built, and every planted non-causality caught.

The streams are as good as a stream can be that knows only the past: what it keeps is enough for the network as it claims to be.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audioml.probes import measure_all
from audioml.probes.streaming import PROVEN
from tests.probes.fakes import RATE, Attention, Conv, Fake, Recurrent, centred_stft, later

OPEN, ANY = "no end", "not asked: only that it is caught"
T = 3000  # samples of the clip whose work is counted


class Replay:
    """Runs the whole network again over the last `past` samples with every push; gives out what lies `delay` behind."""

    def __init__(self, system, past, delay, block):
        self.system, self.past, self.delay, self.block = system, past, delay, block
        self.heard, self.waiting = None, None

    def push(self, block):
        x = block["noisy"]
        self.waiting = x if self.waiting is None else torch.cat([self.waiting, x], -1)
        return self.run(self.waiting.shape[-1] // self.block * self.block)

    def run(self, count):
        x, self.waiting = self.waiting[..., :count], self.waiting[..., count:]
        if not count:
            return {"out": x}
        if self.heard is None:
            self.heard, begin = x, 0
        else:
            begin = self.heard.shape[-1]
            self.heard = torch.cat([self.heard, x], -1)
        # what is too near the end is not yet known; before the beginning there is silence
        y = later(self.system.body(self.heard), -self.delay)[..., begin:]
        self.heard = self.heard[..., max(0, self.heard.shape[-1] - self.past) :].clone()
        return {"out": y}

    def flush(self):
        pad = self.delay + (-(self.waiting.shape[-1] + self.delay)) % self.block
        self.waiting = nn.functional.pad(self.waiting, (0, pad))
        return self.run(self.waiting.shape[-1])


class Norm(nn.Module):
    """Divides by a statistic of the whole clip, of all frames, or of all that came before."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        if self.kind == "peak":
            return x / x.abs().amax(-1, keepdim=True)
        if self.kind == "deviation":
            return x / x.std(-1, correction=0, keepdim=True).clamp(min=1e-3)
        return x / (x.square().mean((1, 2), keepdim=True) + 1e-8).sqrt()


class Leak(nn.Module):
    """A causal network whose gate looks ahead, but only where what comes is loud: the gradient is zero in all but a few places."""

    def forward(self, x):
        return x * (1 + (later(x, 8).abs() - 0.35).clamp(0, 1))


def mac(per_sample):
    return per_sample * T


# name: (network, block, past it may keep, delay, look-ahead, receptive field, multiply-accumulates of 3 s, class)
TRUTH = {
    "identity": (nn.Identity, 1, 0, 0, 0, 1, 0, "online"),
    "causal convolution": (lambda: Conv(4), 1, 4, 0, 0, 5, mac(5), "online"),
    "causal, dilated": (lambda: Conv(4, dilation=8), 1, 32, 0, 0, 33, mac(5), "online"),
    "causal stack": (
        lambda: nn.Sequential(*(m for d in (1, 2, 4, 8) for m in (Conv(2, dilation=d), nn.Tanh()))),
        1, 64, 0, 0, 31, mac(12), "online",
    ),
    "eight channels": (
        lambda: nn.Sequential(Conv(2, channels=(1, 8)), nn.ELU(), Conv(4, channels=(8, 1))),
        1, 16, 0, 0, 7, mac(3 * 8 + 5 * 8), "online",
    ),
    "frames of twenty, by a matrix": (lambda: Framewise(nn.Linear(20, 20)), 20, 0, 0, 0, 20, T // 20 * 400, "online"),
    "centred convolution": (lambda: Conv(3, 3), 1, 16, 3, 3, 7, mac(7), "online with look-ahead"),
    "ten ahead": (lambda: lambda x: later(x, 10), 1, 16, 10, 10, 1, 0, "online with look-ahead"),
    "a centred layer before a causal one": (
        lambda: nn.Sequential(Conv(1, 1, dilation=3), nn.ELU(), Conv(4)),
        1, 64, 3, 3, 11, mac(3 + 5), "online with look-ahead",
    ),
    "recurrent, replayed from too little": (lambda: Recurrent(), 20, 20, 0, 0, OPEN, T // 20 * (3 * 800 + 400), "offline"),
    "planted: one centred layer, not told": (
        lambda: nn.Sequential(Conv(4), nn.ELU(), Conv(1, 1)),
        1, 64, 0, 1, 7, mac(5 + 3), "offline",
    ),
    "planted: centred window": (lambda: centred_stft, 16, 512, 0, ANY, ANY, None, "offline"),
    "planted: global norm": (
        lambda: nn.Sequential(Conv(2, channels=(1, 4)), nn.GroupNorm(1, 4), Conv(0, channels=(4, 1))),
        1, 512, 0, OPEN, OPEN, mac(12 + 4), "offline",
    ),
    "planted: normalised by the clip's peak": (lambda: nn.Sequential(Norm("peak"), Conv(4)), 1, 512, 0, OPEN, OPEN, mac(5), "offline"),
    "planted: normalised by the clip's deviation": (
        lambda: nn.Sequential(Conv(4), Norm("deviation")), 1, 512, 0, OPEN, OPEN, mac(5), "offline",
    ),
    "planted: the clip's power": (lambda: Norm("power"), 1, 512, 0, OPEN, OPEN, 0, "offline"),
    "planted: bidirectional layer": (
        lambda: Recurrent(nn.LSTM, bidirectional=True), 20, 500, 0, OPEN, OPEN, T // 20 * (2 * 4 * 800 + 800), "offline",
    ),
    "planted: attention to both sides": (
        lambda: Attention(causal=False), 20, 500, 0, OPEN, OPEN, T // 20 * (4 * 400 + 2 * 800) + 2 * (T // 20) ** 2 * 20, "offline",
    ),
    "planted: a clamp opens to the future": (Leak, 1, 512, 0, 8, 9, 0, "offline"),
    "planted: the sign of what comes": (lambda: lambda x: x * (1 + 0.5 * later(x, 5).detach().sign()), 1, 64, 0, 5, ANY, 0, "offline"),
    "planted: the clip is turned round": (lambda: lambda x: x + 0.1 * x.flip(-1), 1, 512, 0, OPEN, ANY, 0, "offline"),
    "planted: mean removed": (lambda: lambda x: x - x.mean(-1, keepdim=True), 1, 512, 0, OPEN, OPEN, 0, "offline"),
}  # fmt: skip


class Framewise(nn.Module):
    """A layer over frames of 20 samples."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        whole = nn.functional.pad(x, (0, -x.shape[-1] % 20))
        return self.layer(whole.reshape(len(x), -1, 20)).reshape(whole.shape)[..., : x.shape[-1]]


@pytest.mark.parametrize("name", TRUTH)
def test_truth(name):
    make, block, past, delay, ahead, field, macs, kind = TRUTH[name]
    torch.manual_seed(3)
    net = Fake(make(), block=block, stream=lambda system, batch: Replay(system, past, delay, block))
    found = measure_all(net, seconds_budget=4.0)
    for key, truth in (("context/lookahead_ms", ahead), ("context/receptive_field_ms", field)):
        value = found[key]
        if truth is OPEN:
            assert value.reason.startswith("at least"), (key, value)
        elif truth is not ANY:
            assert value.value == pytest.approx(1000 * truth / RATE), (key, value)
            assert not value.reason.startswith("at least")
    if macs is not None:
        assert found["compute/macs_per_second"].value == pytest.approx(macs / 3, rel=1e-3, abs=1)
    assert found["streaming/class"].value == kind, found["streaming/reason"]
    assert (found["streaming/reason"].value == PROVEN) == kind.startswith("online")
    if name.startswith("planted"):
        assert found["context/lookahead_ms"].value > 0, "caught by perturbation, whatever the stream says"
