"""Charts of the report: lines and points as coordinates of an SVG, which `templates/evaluate/charts.html` draws.

They follow the page's colours, light or dark, and each point says its values to whoever hovers over it, which
matplotlib's pictures, as `plots` draws them, don't. Knows nothing about what is drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
WIDTH, HEIGHT = 360, 250  # of the SVG's own units: on a phone one is a pixel
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 26, 40
_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        title: what it shows.
        low: its low end.
        high: its high end.
        percent: whether values are shares, and shown in percent.
    """

    title: str
    low: float
    high: float
    percent: bool = False

    def write(self, value: float) -> str:
        """Return a value as the chart shows it."""
        return f"{value * 100:.4g} %" if self.percent else f"{value:.4g}"

    def share(self, value: float) -> float:
        """Return how far along the axis a value lies, 0..1."""
        span = self.high - self.low
        return min(1.0, max(0.0, (value - self.low) / span)) if span > 0 else 0.5

    def ticks(self) -> list[float]:
        """Return a few round values, from low to high."""
        span = self.high - self.low
        if not span > 0:
            return [self.low]
        rough = span / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: in the key; "" for none, as of a diagonal.
        points: x and y.
        ends: the low and high end of the interval of each y; () for none.
        dots: whether each point is marked. All say their values in any case, unless there is no name.
        joined: whether the points are joined.
    """

    name: str
    points: Sequence[Point]
    ends: Sequence[Point] = ()
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Dot:
    """A point in the SVG: its place, the ends of its interval where it has one, and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class DrawnLine:
    """A line in the SVG: what an SVG's polyline takes, and its points."""

    name: str
    path: str
    dots: tuple[Dot, ...]
    marked: bool


@dataclass(frozen=True)
class Chart:
    """A chart in the SVG's coordinates.

    Attributes:
        title: for those who can't see it, and above it.
        lines: to draw.
        x_title: beside its axis.
        y_title: beside its axis.
        x_ticks: places and texts.
        y_ticks: places and texts.
    """

    title: str
    lines: tuple[DrawnLine, ...]
    x_title: str
    y_title: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM

    @property
    def names(self) -> list[tuple[int, str]]:
        """The lines of the key, with their places among the lines; none where one line needs no key."""
        named = [(place, line.name) for place, line in enumerate(self.lines) if line.name]
        return named if len(named) > 1 else []


def draw_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> Chart:
    """Return a chart of lines, in the SVG's coordinates."""
    return Chart(
        title, tuple(_draw_line(line, x, y) for line in lines), x.title, y.title,
        tuple((_across(x, value), x.write(value)) for value in x.ticks()),
        tuple((_up(y, value), y.write(value)) for value in y.ticks()),
    )  # fmt: skip


def _draw_line(line: Line, x: Axis, y: Axis) -> DrawnLine:
    path = " ".join(f"{_across(x, a)},{_up(y, b)}" for a, b in line.points) if line.joined else ""
    dots = []
    for place, (a, b) in enumerate(line.points):
        low, high = line.ends[place] if line.ends else (None, None)
        around = f" (95 %: {y.write(low)} to {y.write(high)})" if low is not None and high is not None else ""
        text = f"{line.name}: {x.title} {x.write(a)}, {y.title} {y.write(b)}{around}"
        bottom, top = (_up(y, low), _up(y, high)) if low is not None and high is not None else (None, None)
        dots.append(Dot(_across(x, a), _up(y, b), bottom, top, text))
    return DrawnLine(line.name, path, tuple(dots) if line.name else (), line.dots)


def _across(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT), 1)


def _up(axis: Axis, value: float) -> float:
    return round(HEIGHT - _BOTTOM - axis.share(value) * (HEIGHT - _TOP - _BOTTOM), 1)
