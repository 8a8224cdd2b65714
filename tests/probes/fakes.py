"""Hand-made systems whose truth is known: the API of audioml.system.System over one function of the waves."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import torch
from torch import nn

from audioml.corpus import Clip
from audioml.errors import Misfit
from audioml.kinds import Frames, Label, Seq, Text, Tokens, Wave
from audioml.parts import Task

RATE = 1000
TASKS = {
    "audio": Task("toy", {"noisy": Wave(1)}, {"out": Wave(1)}, ("esr",), "fidelity/esr", (), "unprocessed", "truth"),
    "pooled": Task("toys", {"noisy": Wave(1)}, {"out": Label()}, ("accuracy",), "quality/accuracy", (), "majority", "truth"),
}


def clips_for(target, count=8, seconds=2.0, rate=RATE, draw=None):
    """Clips of noise (or of `draw(generator, samples)`) with what `target` makes of it."""
    clips = []
    for k in range(count):
        generator = torch.Generator().manual_seed(k)
        samples = int(seconds * rate)
        x = 0.1 * torch.randn(1, samples, generator=generator) if draw is None else draw(generator, samples)
        clips.append(Clip(f"clip{k}", {"noisy": x.numpy(), "out": target(x[None])[0].numpy()}))
    return clips


class Fake(nn.Module):
    """`body` maps [B, C, T] to [B, C, T]; `ports` input channels by port, concatenated; `block` of its representation.

    kind "audio": a wave out.  "frames": body gives [B, V, N], one frame per `hop` samples.  "pooled": one answer per clip.
    """

    def __init__(self, body, *, rate=RATE, block=1, ports=None, kind="audio", hop=1, stream=None):
        super().__init__()
        self.body = body if isinstance(body, nn.Module) else Call(body)
        self.make_stream = stream
        ports = ports or {"noisy": 1}
        representation = SimpleNamespace(block=block)
        worlds = {"audio": Wave(1, rate), "frames": Text("ab"), "pooled": Label(("a", "b"))}
        emit = {"audio": Frames(1, Fraction(rate)), "frames": Frames(2, Fraction(rate, hop)), "pooled": Tokens(2, 1)}
        self.plan = SimpleNamespace(
            inputs={p: SimpleNamespace(port=p, world=Wave(c, rate), representation=representation) for p, c in ports.items()},
            output=SimpleNamespace(port="out", world=worlds[kind], representation=representation),
            flow=SimpleNamespace(emit=emit[kind], pool=kind == "pooled", source=next(iter(ports)), prefix=None),
            hints={},
        )
        self.plan.reference = next(iter(self.plan.inputs.values())) if kind == "audio" else None
        self.plan.worlds = lambda: {p: s.world for p, s in self.plan.inputs.items()} | {"out": self.plan.output.world}
        self.plan.task = TASKS.get(kind)

    def emit(self, inputs):
        waves = [inputs[p].x for p in self.plan.inputs]
        y = self.body(torch.cat(waves, 1) if len(waves) > 1 else waves[0])
        return Seq(y, torch.full((len(y),), y.shape[-1]))

    def forward(self, inputs, ask=None):
        seq = self.emit(inputs)
        if self.plan.flow.pool:
            return {"out": Seq(seq.x[..., 0].argmax(1), torch.ones(len(seq.x), dtype=torch.long))}
        return {"out": Seq(seq.x.reshape(len(seq.x), -1, seq.x.shape[-1]), seq.n)}

    def example(self, seconds, batch=1, generator=None):
        ports = self.plan.inputs
        x = torch.randn(batch, 1, round(seconds * self.plan.output.world.rate), generator=generator)
        return {p: Seq(x, torch.full((batch,), x.shape[-1])) for p in ports}

    def stream(self, batch=1):
        if self.make_stream is None:
            raise Misfit("this one looks at the whole clip")
        return self.make_stream(self, batch)


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def later(x, n):
    """y[t] = x[t + n]; zeros beyond the clip; n may be negative."""
    pad = nn.functional.pad(x, (max(0, -n), max(0, n)))
    return pad[..., n:] if n > 0 else pad[..., : x.shape[-1]]


class Conv(nn.Module):
    """Convolution that sees `past` taps before and `future` taps after, `dilation` apart; or any nn.Conv1d options."""

    def __init__(self, past, future=0, dilation=1, channels=(1, 1), groups=1):
        super().__init__()
        self.pad = past * dilation, future * dilation
        self.map = nn.Conv1d(*channels, past + future + 1, dilation=dilation, groups=groups)

    def forward(self, x):
        return self.map(nn.functional.pad(x, self.pad))


class Recurrent(nn.Module):
    """A recurrent layer over frames of `frame` samples."""

    def __init__(self, kind=nn.GRU, frame=20, **settings):
        super().__init__()
        self.frame = frame
        self.rnn = kind(frame, frame, batch_first=True, **settings)
        self.out = nn.Linear(frame * (2 if settings.get("bidirectional") else 1), frame)

    def forward(self, x):
        h, _ = self.rnn(x.reshape(len(x), -1, self.frame))
        return self.out(h).reshape(x.shape)


class Attention(nn.Module):
    """Self-attention over frames of `frame` samples, causal or not."""

    def __init__(self, causal, frame=20, heads=2):
        super().__init__()
        self.causal, self.frame = causal, frame
        self.layer = nn.TransformerEncoderLayer(frame, heads, 2 * frame, batch_first=True, dropout=0.1)

    def forward(self, x):
        h = x.reshape(len(x), -1, self.frame)
        mask = nn.Transformer.generate_square_subsequent_mask(h.shape[1], dtype=x.dtype) if self.causal else None
        return self.layer(h, src_mask=mask, is_causal=self.causal).reshape(x.shape)


def centred_stft(x, size=64, hop=16):
    """Analysis and synthesis by centred Hann windows, half of the bins muted."""
    window = torch.hann_window(size, dtype=x.dtype)
    spectrum = torch.stft(x[:, 0], size, hop, window=window, pad_mode="constant", return_complex=True)
    keep = (torch.arange(size // 2 + 1) < size // 4).to(x.dtype)
    return torch.istft(spectrum * keep[:, None], size, hop, window=window, length=x.shape[-1])[:, None]


def framed(x, size=64, hop=16):
    """Left-padded frames (frame n ends at (n + 1)·hop), muted bins, overlap-add: the project's STFT.  T divisible by hop."""
    window = torch.hann_window(size, periodic=False, dtype=x.dtype) + 0.1
    frames = nn.functional.pad(x[:, 0], (size - hop, size)).unfold(-1, size, hop) * window
    spectrum = torch.fft.rfft(frames)
    spectrum[..., size // 4 :] = 0
    y = (torch.fft.irfft(spectrum, n=size) * window).transpose(1, 2)
    samples = y.shape[-1] * hop + size - hop
    y = nn.functional.fold(y, (1, samples), (1, size), stride=(1, hop))[:, 0]
    return y[..., size - hop :][..., : x.shape[-1]]
