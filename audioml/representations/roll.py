"""Piano roll: which pitches begin, and which sound, in every frame (Hawthorne et al. 2018, "Onsets and Frames")."""

from __future__ import annotations

from typing import Any

from audioml.kinds import Frames, Notes, Seq
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.packing import pack, unpack

torch = LazyModule("torch")
np = LazyModule("numpy")
voices = LazyModule("audioml.metrics._voices")


class Roll(Representation):
    """Frames [B, 2·P, N], zeros and ones: P rows of onsets, then P rows of sounding pitches; as fast as the network.

    Decoding opens a note where the onset row peaks above `onset` and closes it at the first frame whose sounding row is below
    `sounding`, or at the next onset of the pitch.  Times are exact to half a frame; velocity and voice are not kept, and
    notes of one pitch that overlap become one.  `neighbour` is the target of the frames beside an onset (1/0 rounding apart,
    a network cannot know on which side of a frame's edge a note began).
    """

    carries = (Notes,)
    follows = True

    def __init__(self, *, onset: float, sounding: float, neighbour: float) -> None:
        self.onset, self.sounding, self.neighbour = onset, sounding, neighbour

    def space(self, world: Notes) -> Frames:
        """Two rows per pitch."""
        self._check(world)
        return Frames(2 * voices.pitches(world), self.clock, binary=True)

    def encode(self, seq: Seq, world: Notes) -> tuple[Seq, Any]:
        """[B, 5, M] -> ([B, 2P, N], None), N the frame at which the last note of the batch ends."""
        count, rate = voices.pitches(world), float(self.clock or 0)
        rolls = []
        for notes in unpack(seq):
            start, stop = (np.rint(notes[i] * rate).astype(np.int64) for i in (0, 1))
            pitch = np.rint(notes[2]).astype(np.int64) - world.low
            fine = (pitch >= 0) & (pitch < count) & (start >= 0)
            start, stop, pitch = start[fine], np.maximum(stop, start + 1)[fine], pitch[fine]
            roll = np.zeros((2 * count, int(stop.max(initial=0))), np.float32)
            for shift in (-1, 1):
                near = start + shift
                inside = (near >= 0) & (near < roll.shape[1])
                roll[pitch[inside], near[inside]] = self.neighbour
            roll[pitch, start] = 1
            length = stop - start
            step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
            roll[count + np.repeat(pitch, length), np.repeat(start, length) + step] = 1
            rolls.append(roll)
        return pack(rolls, seq.x), None

    def decode(self, seq: Seq, side: Any, world: Notes) -> Seq:
        """[B, 2P, N] probabilities -> notes [B, 5, M]."""
        count, rate = voices.pitches(world), float(self.clock or 0)
        onset, sounding = seq.x[:, :count], seq.x[:, count:]
        frame = torch.arange(seq.x.shape[-1], device=seq.x.device)
        valid = (frame < seq.n[:, None].to(frame))[:, None]
        left = torch.nn.functional.pad(onset, (1, 0))[..., :-1]
        right = torch.nn.functional.pad(onset, (0, 1))[..., 1:]
        begins = valid & (onset >= self.onset) & (onset > left) & (onset >= right)
        stops = begins | (sounding < self.sounding) | ~valid
        # the first frame after each at which the note is over
        nearest = torch.where(stops, frame, len(frame)).flip(-1).cummin(-1).values.flip(-1)
        ends = torch.nn.functional.pad(nearest[..., 1:], (0, 1), value=len(frame))
        rows = []
        for on, off, n in zip(begins.cpu(), ends.cpu(), seq.n.tolist(), strict=True):
            at, pitch = (i.numpy() for i in on.T.nonzero(as_tuple=True))
            until = np.minimum(off.numpy()[pitch, at], n)
            loud, voice = np.full(len(at), voices.VELOCITY), np.zeros(len(at))
            rows.append(np.stack([at / rate, until / rate, pitch + world.low, loud, voice]).astype(np.float32))
        return pack(rows, seq.x)
