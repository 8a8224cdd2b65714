"""The spectrograms of a clip's sounds side by side, as one PNG.

Drawn with Pillow, in the colours and the type of matplotlib: a figure of three panels takes ten times as long.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audioml.remember import remembered

if TYPE_CHECKING:
    import numpy as np

FLOOR_DB, WINDOW, HOP = -80.0, 512, 128
ROLES = ("input", "output", "target")
DPI = 130
GREY = (128, 128, 128)  # reads on white and on black
SHADES = 240  # of a level: a third of a dB
MOST = 600  # columns of one spectrogram: more than pixels only cost time
UPRIGHT = "from bottom to top"  # beside Pillow's anchors: centred there


def spectrogram(x: np.ndarray, window: int = WINDOW, hop: int = HOP) -> np.ndarray:
    """Levels [window // 2 + 1, N] of a signal [T] in dB: 0 dB is a sine at full scale, nothing is below -80 dB."""
    import numpy as np

    x = np.pad(x, (0, max(0, window - len(x))))
    frames = np.lib.stride_tricks.sliding_window_view(x, window)[::hop]
    shape = np.hanning(window).astype(np.float32)
    level = np.abs(np.fft.rfft(frames * shape, axis=-1)) * (2 / shape.sum())
    return np.maximum(20 * np.log10(np.maximum(level.T, 1e-9)), FLOOR_DB)


def picture_of(panels: Mapping[tuple[str, str], tuple[np.ndarray, int]]) -> bytes:
    """A PNG of {(stem, role): (signal [T], rate)}: a row per stem, a column each for input, output and target, on one scale."""
    roles = [role for role in ROLES if any(key[1] == role for key in panels)]
    stems = list(dict.fromkeys(stem for stem, role in panels if role == roles[-1]))
    sheet = _Sheet(5.75, (1.5 if len(stems) == 1 else 1.1) * len(stems) + 0.35)
    seconds = max(max(len(x), WINDOW) / rate for x, rate in panels.values())
    khz = max(rate for _, rate in panels.values()) / 2000
    wide, high = (sheet.width - 0.52) / len(roles), (sheet.height - 0.36) / len(stems)
    for row, stem in enumerate(stems):
        for column, role in enumerate(roles):
            panel = panels.get((stem, role)) or (panels.get(("", role)) if row == 0 else None)
            if panel is not None:
                title = f"{role} · {stem}" if stem and (stem, role) in panels else role
                place = _Place(0.42 + column * wide, sheet.height - (row + 1) * high, wide - 0.08, high - 0.24, seconds, khz)
                _panel(sheet, panel, title, place, first=column == 0, last=row == len(stems) - 1)
    return sheet.png()


@dataclass(frozen=True)
class _Place:
    """Where a panel lies on the sheet, in inches, and how far its scales reach."""

    left: float
    bottom: float
    wide: float
    high: float
    seconds: float
    khz: float


def _panel(sheet: _Sheet, panel: tuple[np.ndarray, int], title: str, place: _Place, *, first: bool, last: bool) -> None:
    signal, rate = panel
    left, bottom = place.left, place.bottom
    right = left + place.wide * max(len(signal), WINDOW) / rate / place.seconds
    top = bottom + place.high * rate / 2000 / place.khz
    sheet.image(signal, left, bottom, right, top)
    sheet.text(left + place.wide / 2, bottom + place.high + 0.05, title, "md")
    for tick in _ticks(place.seconds) if last else ():
        sheet.text(left + place.wide * tick / place.seconds, bottom - 0.04, f"{tick:g}", "ma", 7.5)
    if last:
        sheet.text(left + place.wide / 2, bottom - 0.2, "s", "mm")
    if first:
        for tick in _ticks(place.khz):
            sheet.text(left - 0.04, bottom + place.high * tick / place.khz, f"{tick:g}", "rm", 7.5)
        sheet.upright(left - 0.34, bottom + place.high / 2, "kHz")


def _ticks(end: float) -> list[float]:
    """About four round numbers from 0 on, none so near the end that its label would run into the next panel."""
    step = next(s for e in range(-3, 9) for s in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if end / s <= 4.5)
    return [k * step for k in range(5) if k * step <= 0.93 * end]


class _Sheet:
    """A transparent picture whose places are inches from its lower left corner.

    Its colours are a table, of SHADES for levels and the rest for how much ink covers a pixel: a byte each is packed in a quarter
    of the time of four.
    """

    def __init__(self, width: float, height: float) -> None:
        import numpy as np

        self.width, self.height = width, height
        self.words: list[tuple[tuple[float, float], str, str, float]] = []
        self.shades = np.full((round(height * DPI), round(width * DPI)), SHADES, np.uint8)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels from the upper left corner."""
        return x * DPI, len(self.shades) - y * DPI

    def image(self, signal: np.ndarray, left: float, bottom: float, right: float, top: float) -> None:
        """The spectrogram of a signal [T] in that box."""
        x0, y1, x1, y0 = (round(v) for v in (*self.at(left, bottom), *self.at(right, top)))
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        self.shades[y0:y1, x0:x1] = _shades(signal, x1 - x0, y1 - y0)

    def text(self, x: float, y: float, said: str, anchor: str, points: float = 8) -> None:
        """`anchor`: which point of it lies there, as Pillow names them."""
        self.words.append((self.at(x, y), said, anchor, points))

    def upright(self, x: float, y: float, said: str) -> None:
        """From bottom to top, centred there."""
        self.words.append((self.at(x, y), said, UPRIGHT, 8))

    def png(self) -> bytes:
        """The file; at the usual level compressing takes longer than drawing."""
        import numpy as np
        from PIL import Image

        inks = 255 - SHADES
        cover = _ink(self.shades.shape, tuple(self.words)).astype(np.uint16) * inks // 255
        page = Image.fromarray(np.where(self.shades == SHADES, SHADES + cover, self.shades).astype(np.uint8))
        page.putpalette(bytes([*_magma(), *GREY * (inks + 1)]))
        seen = bytes([255] * SHADES + [255 * k // inks for k in range(inks + 1)])
        data = io.BytesIO()
        page.save(data, format="png", compress_level=2, dpi=(DPI, DPI), transparency=seen)
        return data.getvalue()


@remembered
def _shades(signal: np.ndarray, width: int, height: int) -> np.ndarray:
    """The spectrogram of a signal [T] as shades [height, width], the lowest row at the bottom."""
    import numpy as np
    from PIL import Image

    levels = spectrogram(signal, hop=max(HOP, len(signal) // MOST))
    shades = Image.fromarray(((levels[::-1] / -FLOOR_DB + 1) * (SHADES - 1)).round().clip(0, SHADES - 1).astype(np.uint8))
    return np.asarray(shades.resize((width, height), Image.Resampling.HAMMING))


@remembered
def _ink(shape: tuple[int, int], words: tuple[tuple[tuple[float, float], str, str, float], ...]) -> np.ndarray:
    """How much ink covers each pixel of a sheet: clips of one length bear the same words."""
    import numpy as np
    from PIL import Image, ImageDraw

    ink = Image.new("L", shape[::-1])
    pen = ImageDraw.Draw(ink)
    for (x, y), said, anchor, points in words:
        font = _type(points)
        if anchor != UPRIGHT:
            pen.text((x, y), said, fill=255, font=font, anchor=anchor)
            continue
        box = font.getbbox(said)
        flat = Image.new("L", (round(box[2] - box[0]), round(box[3] - box[1])))
        ImageDraw.Draw(flat).text((-box[0], -box[1]), said, fill=255, font=font)
        turned = flat.transpose(Image.Transpose.ROTATE_90)
        ink.paste(turned, (round(x - turned.width / 2), round(y - turned.height / 2)))
    return np.asarray(ink)


@functools.lru_cache(maxsize=4)
def _type(points: float) -> Any:
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", points * DPI / 72)


@functools.cache
def _magma() -> bytes:
    """SHADES colours."""
    import matplotlib
    import numpy as np

    return matplotlib.colormaps["magma"](np.linspace(0, 1, SHADES), bytes=True)[:, :3].tobytes()
