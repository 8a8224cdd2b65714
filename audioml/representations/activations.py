"""Points in time as activations: one curve per kind, high where an event is."""

from __future__ import annotations

from typing import Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Times
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations import pulse
from audioml.representations.packing import pack, unpack

torch = LazyModule("torch")
np = LazyModule("numpy")


class Activations(Representation):
    """Frames [B, kinds, N] as fast as the network: 1 in the frame of an event, `neighbour` in the two beside it.

    Decoding: the kind named `pulse` is tracked (audioml/representations/pulse.py) between `slowest` and `fastest` per minute
    with `tightness` of tempo; the kind named `bar` is chosen among those beats, in one of `meters`; of every other kind the
    peaks above `threshold`, highest within `apart` seconds to both sides, are the events.  Frame n stands for the time n / rate.
    Events of kind `bar` are events of kind `pulse` too, whether the data says so or not.
    """

    carries = (Times,)
    follows = True

    def __init__(
        self,
        *,
        neighbour: float,
        threshold: float,
        apart: float,
        pulse: str,
        bar: str,
        fps: float,
        slowest: float,
        fastest: float,
        tightness: float,
        doubt: float,
        meters: list[int],
    ) -> None:
        if not 0 < slowest < fastest:
            raise RequestError(f"slowest={slowest:g} should be positive and below fastest={fastest:g}")
        if not meters or min(meters) < 1:
            raise RequestError(f"meters={meters} should name at least one number of beats in a bar")
        self.neighbour, self.threshold, self.apart, self.pulse, self.bar = neighbour, threshold, apart, pulse, bar
        self.search = {"fps": fps, "slowest": slowest, "fastest": fastest, "tightness": tightness, "threshold": doubt}
        self.doubt, self.meters = doubt, list(meters)

    def space(self, world: Times) -> Frames:
        """One row per kind of event."""
        self._check(world)
        if not world.names:
            raise Misfit(f"representation '{self.name}' needs the kinds of the events, and the data names none")
        return Frames(len(world.names), self.clock, binary=True)

    def encode(self, seq: Seq, world: Times) -> tuple[Seq, Any]:
        """[B, 2, M] -> ([B, kinds, N] in {0, neighbour, 1}, None), N up to the last event of the batch."""
        names = world.names or ()
        also = {names.index(self.bar): names.index(self.pulse)} if {self.bar, self.pulse} <= set(names) else {}
        rows = []
        for events in unpack(seq):
            frame, kind = (np.rint(v).astype(np.int64) for v in (events[0] * float(self.clock or 0), events[1]))
            for bar, beat in also.items():
                frame, kind = np.append(frame, frame[kind == bar]), np.append(kind, np.full(int((kind == bar).sum()), beat))
            frame, kind = frame[frame >= 0], kind[frame >= 0]
            row = np.zeros((len(names), int(frame.max(initial=-1)) + 2), np.float32)
            row[kind, np.maximum(frame - 1, 0)] = self.neighbour
            row[kind, frame + 1] = self.neighbour
            row[kind, frame] = 1
            rows.append(row)
        return pack(rows, seq.x), None

    def decode(self, seq: Seq, side: Any, world: Times) -> Seq:
        """[B, kinds, N] probabilities -> events [B, 2, M] in order of time."""
        names, rate = list(world.names or ()), float(self.clock or 0)
        return pack([self._events(row, names, rate) for row in unpack(seq)], seq.x)

    def _events(self, curves: Any, names: list[str], rate: float) -> Any:
        found = {}
        if self.pulse in names:
            beats = pulse.beats(curves[names.index(self.pulse)], rate, **self.search)
            found[self.pulse] = beats
            if self.bar in names and len(beats):
                frame = np.minimum(np.rint(beats * rate).astype(np.int64), curves.shape[1] - 1)
                lines = pulse.bar_lines(_widest(curves[names.index(self.bar)])[frame], self.meters, self.doubt)
                found[self.bar] = beats[lines]
            elif self.bar in names:
                found[self.bar] = beats
        times = [found[name] if name in found else self._peaks(curve, rate) for name, curve in zip(names, curves, strict=True)]
        kinds = [np.full(len(t), k) for k, t in enumerate(times)]
        events = np.stack([np.concatenate(times), np.concatenate(kinds)]).astype(np.float32)
        return events[:, np.lexsort((events[1], events[0]))]

    def _peaks(self, curve: Any, rate: float) -> Any:
        """Times of the frames that are above the threshold and the highest within `apart`; of a plateau the first."""
        from scipy.ndimage import maximum_filter1d

        reach = max(1, round(self.apart * rate))
        top = maximum_filter1d(curve, 2 * reach + 1, mode="constant") == curve
        top &= curve >= self.threshold
        top[1:] &= ~(top[:-1] & (curve[1:] == curve[:-1]))
        return np.flatnonzero(top) / rate


def _widest(curve: Any) -> Any:
    """The highest of every frame and its two neighbours."""
    padded = np.pad(curve, 1, mode="edge")
    return np.maximum(np.maximum(padded[:-2], padded[2:]), curve)
