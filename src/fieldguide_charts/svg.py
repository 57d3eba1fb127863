"""A sheet of SVG to draw on, and its picture.

Knows nothing about charts: only of lines, shapes and letters. The picture is made by resvg inside vl-convert,
which brings its own sans font; the other letters are those that matplotlib brings.
"""

import io
import os
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from PIL import Image

from fieldguide_charts.look import Look

FONTS = {"sans": "Liberation Sans", "serif": "DejaVu Serif", "mono": "DejaVu Sans Mono", "dejavu": "DejaVu Sans"}

Points = list[tuple[float, float]]


@cache
def _first_process() -> int:
    return os.getpid()


@cache
def _load_fonts() -> None:
    import matplotlib
    import vl_convert

    vl_convert.register_font_directory(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf"))


def prepare() -> None:
    """Make vl-convert ready to draw here, with the letters that matplotlib brings.

    Raises:
        RuntimeError: this process was forked from one that had drawn already, in which vl-convert would wait forever.
    """
    if _first_process() != os.getpid():
        raise RuntimeError("cannot draw in a process forked after drawing; start worker processes with 'spawn'")
    _load_fonts()


def rasterise(svg: str, scale: float = 1.0) -> Image.Image:
    """Return the SVG text as an RGBA picture."""
    import vl_convert

    prepare()
    return Image.open(io.BytesIO(vl_convert.svg_to_png(svg, scale=scale))).convert("RGBA")


def straight_path(points: Points) -> str:
    """Return SVG path data through the points by straight lines."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def smooth_path(points: Points) -> str:
    """Return SVG path data through the points by a Catmull-Rom curve (as Bezier pieces)."""
    parts = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for i in range(len(points) - 1):
        before, start = points[max(i - 1, 0)], points[i]
        end, after = points[i + 1], points[min(i + 2, len(points) - 1)]
        x1, y1 = start[0] + (end[0] - before[0]) / 6, start[1] + (end[1] - before[1]) / 6
        x2, y2 = end[0] - (after[0] - start[0]) / 6, end[1] - (after[1] - start[1]) / 6
        parts.append(f"C{x1:.1f},{y1:.1f} {x2:.1f},{y2:.1f} {end[0]:.1f},{end[1]:.1f}")
    return "".join(parts)


class Sheet:
    """A growing SVG picture; keyword arguments are SVG attributes, `_` standing for `-`."""

    def __init__(self, look: Look) -> None:
        """Start with the look's paper and letters."""
        self.look = look
        self._parts: list[str] = []
        self._definitions: list[str] = []
        if look.paper:
            self.rect(0, 0, look.width, look.height, fill=look.paper)

    def add(self, tag: str, body: str = "", **attributes: Any) -> None:
        """Add one element."""
        self._parts.append(f"<{tag}{_attributes(attributes)}>{body}</{tag}>")

    def rect(self, x: float, y: float, width: float, height: float, **attributes: Any) -> None:
        """Add a rectangle; a negative size grows the other way."""
        x, width = (x + width, -width) if width < 0 else (x, width)
        y, height = (y + height, -height) if height < 0 else (y, height)
        self.add("rect", x=x, y=y, width=width, height=height, **attributes)

    def line(self, x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> None:
        """Add a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)

    def circle(self, x: float, y: float, radius: float, **attributes: Any) -> None:
        """Add a circle."""
        self.add("circle", cx=x, cy=y, r=max(radius, 0.0), **attributes)

    def path(self, data: str, **attributes: Any) -> None:
        """Add a path given as SVG path data."""
        self.add("path", d=data, **{"fill": "none", **attributes})

    def polygon(self, points: Points, **attributes: Any) -> None:
        """Add a closed shape."""
        self.add("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)

    def text(self, x: float, y: float, words: str, size: float | None = None, **attributes: Any) -> None:
        """Add words; `anchor` is start, middle or end."""
        chosen = {
            "font_size": size or self.look.text_px,
            "text_anchor": attributes.pop("anchor", "middle"),
            "fill": self.look.ink,
            "font_family": FONTS[self.look.letters],
        }
        self.add("text", escape(words), x=x, y=y, **{**chosen, **attributes})

    def gradient(self, first: str, second: str, upright: bool = True) -> str:
        """Return a fill that runs from one colour to the other."""
        key = f"g{len(self._definitions)}"
        end = {"x2": 0, "y2": 1} if upright else {"x2": 1, "y2": 0}
        stops = f'<stop offset="0" stop-color="{first}"/><stop offset="1" stop-color="{second}"/>'
        self._definitions.append(
            f"<linearGradient{_attributes({'id': key, 'x1': 0, 'y1': 0, **end})}>{stops}</linearGradient>"
        )
        return f"url(#{key})"

    def image(self) -> Image.Image:
        """Return the finished RGBA picture."""
        size = f'width="{self.look.width}" height="{self.look.height}"'
        definitions = f"<defs>{''.join(self._definitions)}</defs>"
        body = "".join(self._parts)
        return rasterise(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{definitions}{body}</svg>')


def _attributes(values: dict[str, Any]) -> str:
    return "".join(f" {key.replace('_', '-')}={quoteattr(_number(v))}" for key, v in values.items() if v is not None)


def _number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
