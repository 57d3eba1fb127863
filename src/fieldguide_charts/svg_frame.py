"""Axes, grid, headings and legend of a chart drawn as SVG.

Knows nothing about the marks that will stand between the axes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldguide_charts.data import short_number
from fieldguide_charts.rng import Rng, chance, choice, uniform
from fieldguide_charts.svg import Sheet


@dataclass(frozen=True)
class Axis:
    """One axis: its range, its band names when it counts categories (at 0, 1, 2, ...), its kind of scale."""

    low: float
    high: float
    bands: tuple[str, ...] = ()
    log: bool = False

    @classmethod
    def of_bands(cls, names: Sequence[str]) -> "Axis":
        """Return an axis of categories, half a band of room at both ends."""
        return cls(-0.5, len(names) - 0.5, tuple(names))

    def share(self, value: float) -> float:
        """Return how far along the axis the value lies, 0 to 1."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(max(value, self.low / 10)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Frame:
    """Where the plot stands on the sheet, in pixels, and its two axes."""

    left: float
    top: float
    right: float
    bottom: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """Return the pixel column of a value."""
        return self.left + self.across.share(float(value)) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return the pixel row of a value."""
        return self.bottom - self.up.share(float(value)) * (self.bottom - self.top)

    @property
    def band(self) -> float:
        """Return the width of one band across, in pixels."""
        return (self.right - self.left) / max(self.across.high - self.across.low, 1e-9)

    @property
    def row(self) -> float:
        """Return the height of one band up, in pixels."""
        return (self.bottom - self.top) / max(self.up.high - self.up.low, 1e-9)


def nice_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Return round numbers inside the range, about as many as asked."""
    rough = max((high - low) / max(about, 1), 1e-12)
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-6)
    return [float(round(i * step, 10)) for i in range(first, int(high / step + 1e-6) + 1)]


def add_headings(sheet: Sheet, rng: Rng) -> float:
    """Write title and subtitle; return the pixel row below which the rest may stand."""
    look = sheet.look
    if not look.title:
        return look.text_px * 0.8
    size = look.text_px * uniform(rng, 1.1, 1.7)
    left = chance(rng, 0.4)
    x, anchor = (look.text_px, "start") if left else (look.width / 2, "middle")
    weight = choice(rng, ["normal", "bold"])
    sheet.text(x, size * 1.3, look.title, size, anchor=anchor, font_weight=weight)
    if not look.subtitle:
        return size * 1.9
    sheet.text(x, size * 1.5 + look.text_px, look.subtitle, look.text_px * 0.95, anchor=anchor, opacity=0.7)
    return size * 2.1 + look.text_px


def add_frame(sheet: Sheet, rng: Rng, across: Axis, up: Axis, names: Sequence[str] = ()) -> Frame:
    """Draw headings, plot ground, grid, axes and the legend of the named series; return where the marks go."""
    look = sheet.look
    top = add_headings(sheet, rng)
    if chance(rng, 0.07):
        return Frame(8, top + 4, look.width - 8, look.height - 8, across, up)
    px = look.text_px
    longest = max((len(name) for name in up.bands), default=5)
    left = min(px * (1.0 + 0.52 * longest), look.width * 0.34) + (px * 1.4 if look.y_title else 0)
    bottom = look.height - px * 2.0 - (px * 1.4 if look.x_title else 0)
    right = look.width - px * 1.2
    legend = look.legend if names else ""
    if legend == "right":
        right -= px * (2.2 + 0.55 * max(len(name) for name in names))
    elif legend == "bottom":
        bottom -= px * 1.8
    elif legend == "top":
        top += px * 1.6
    frame = Frame(left, top, max(right, left + 60), max(bottom, top + 60), across, up)
    if look.plot != look.paper:
        sheet.rect(left, top, frame.right - left, frame.bottom - top, fill=look.plot)
    _add_grid(sheet, rng, frame)
    if look.x_title:
        sheet.text((left + frame.right) / 2, frame.bottom + px * 2.6, look.x_title)
    if look.y_title:
        x, y = px * 1.1, (top + frame.bottom) / 2
        sheet.text(x, y, look.y_title, transform=f"rotate(-90 {x:.1f} {y:.1f})")
    if legend:
        add_legend(sheet, rng, frame, names)
    return frame


def _ticks(axis: Axis, pixels: float, px: float, rng: Rng) -> list[tuple[float, str]]:
    if axis.bands:
        every = max(1, math.ceil(len(axis.bands) * px * 1.2 / max(pixels, 1)))
        return [(float(i), axis.bands[i]) for i in range(0, len(axis.bands), every)]
    if axis.log:
        decades = np.arange(math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high)) + 1)
        return [(10.0**d, short_number(10.0**d)) for d in decades.tolist()]
    about = int(np.clip(pixels / (px * uniform(rng, 2.5, 6)), 3, 10))
    return [(v, short_number(v)) for v in nice_ticks(axis.low, axis.high, about)]


def _add_grid(sheet: Sheet, rng: Rng, frame: Frame) -> None:
    look, px = sheet.look, sheet.look.text_px
    dash = choice(rng, [None, None, "2,2", "4,3"])
    marks = px * 0.4 if look.axes in ("box", "corner") else 0.0
    columns = _ticks(frame.across, (frame.right - frame.left) / 2.6, px, rng)
    tilt = bool(frame.across.bands) and max(len(t) for _, t in columns) * px * 0.6 > frame.band and chance(rng, 0.5)
    for value, words in columns:
        x = frame.x(value)
        if "x" in look.grid and (not frame.across.bands or chance(rng, 0.3)):
            sheet.line(x, frame.top, x, frame.bottom, stroke=look.faint, stroke_dasharray=dash)
        sheet.line(x, frame.bottom, x, frame.bottom + marks, stroke=look.ink)
        y = frame.bottom + marks + px
        turn = f"rotate(-35 {x:.1f} {y:.1f})" if tilt else None
        sheet.text(x, y, words[:16], px * 0.9, anchor="end" if tilt else "middle", transform=turn)
    for value, words in _ticks(frame.up, frame.bottom - frame.top, px, rng):
        y = frame.y(value)
        if "y" in look.grid and (not frame.up.bands or chance(rng, 0.3)):
            sheet.line(frame.left, y, frame.right, y, stroke=look.faint, stroke_dasharray=dash)
        sheet.line(frame.left - marks, y, frame.left, y, stroke=look.ink)
        sheet.text(frame.left - marks - px * 0.35, y + px * 0.32, words[:24], px * 0.9, anchor="end")
    if look.axes == "box":
        size = (frame.right - frame.left, frame.bottom - frame.top)
        sheet.rect(frame.left, frame.top, *size, fill="none", stroke=look.ink)
    if look.axes in ("corner", "base"):
        sheet.line(frame.left, frame.bottom, frame.right, frame.bottom, stroke=look.ink)
    if look.axes == "corner":
        sheet.line(frame.left, frame.top, frame.left, frame.bottom, stroke=look.ink)


def add_legend(sheet: Sheet, rng: Rng, frame: Frame, names: Sequence[str]) -> None:
    """Draw the legend at the look's place around (or inside) the frame, in the order of the look's colours."""
    look, px = sheet.look, sheet.look.text_px
    round_mark = chance(rng, 0.35)
    upright = look.legend in ("right", "inside")
    if upright:
        x = frame.right + px if look.legend == "right" else frame.left + px
        y = frame.top + px
    else:
        x = frame.left
        y = look.height - px * 0.8 if look.legend == "bottom" else frame.top - px * 0.7
    for i, name in enumerate(names):
        colour = look.colours[i % len(look.colours)]
        if x > look.width - px * 2:
            break
        if round_mark:
            sheet.circle(x + px * 0.4, y - px * 0.35, px * 0.42, fill=colour)
        else:
            sheet.rect(x, y - px * 0.75, px * 0.8, px * 0.8, fill=colour)
        sheet.text(x + px * 1.1, y, name, px * 0.9, anchor="start")
        if upright:
            y += px * 1.5
        else:
            x += px * (2.0 + 0.55 * len(name))
