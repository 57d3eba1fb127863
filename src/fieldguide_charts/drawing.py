"""One drawing from a class name and a seed: choose a library and a look, draw, finish, encode.

Knows nothing about how any chart is drawn: that is a table of painters per class.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from fieldguide_charts import (
    mpl_bars,
    mpl_map,
    mpl_points,
    mpl_round,
    svg_bar_variants,
    svg_bars,
    svg_chord,
    svg_map,
    svg_points,
    svg_round,
    svg_variants,
    vega_charts,
)
from fieldguide_charts.finish import encode, finish
from fieldguide_charts.look import Look, make_look
from fieldguide_charts.names import CLASS_NAMES
from fieldguide_charts.rng import Rng, chance, choice, integer

_VERSION = 1
_SQUARE = ("chord", "doughnut", "pie", "radar")

Painter = Callable[[Rng, Look], Image.Image]

# class name: (library, painter, weight)
_PAINTERS: dict[str, list[tuple[str, Painter, float]]] = {
    "area": [
        ("svg", svg_bars.area, 3),
        ("matplotlib", mpl_bars.area, 2.5),
        ("vega-lite", vega_charts.area, 2),
        ("svg", svg_variants.area_densities, 0.4),
        ("svg", svg_variants.area_rows, 0.4),
        ("svg", svg_variants.area_band, 0.35),
        ("svg", svg_variants.area_signed, 0.35),
    ],
    "box": [
        ("svg", svg_points.box, 3),
        ("matplotlib", mpl_points.box, 2.5),
        ("vega-lite", vega_charts.box, 2),
        ("svg", svg_variants.grouped_box, 0.4),
    ],
    "bubble": [
        ("svg", svg_points.bubble, 3),
        ("matplotlib", mpl_points.bubble, 2.5),
        ("vega-lite", vega_charts.bubble, 2),
    ],
    "chord": [
        ("svg", svg_chord.chord, 3),
        ("matplotlib", mpl_map.chord, 2.5),
    ],
    "choropleth": [
        ("svg", svg_map.choropleth, 3),
        ("matplotlib", mpl_map.choropleth, 2.5),
        ("vega-lite", vega_charts.choropleth, 2),
    ],
    "demographic pyramid": [
        ("svg", svg_bars.pyramid, 3),
        ("matplotlib", mpl_bars.pyramid, 2.5),
        ("vega-lite", vega_charts.pyramid, 2),
    ],
    "doughnut": [
        ("svg", svg_round.doughnut, 3),
        ("matplotlib", mpl_round.doughnut, 2.5),
        ("vega-lite", vega_charts.doughnut, 2),
    ],
    "horizontal bar": [
        ("svg", svg_bars.horizontal_bar, 3),
        ("matplotlib", mpl_bars.horizontal_bar, 2.5),
        ("vega-lite", vega_charts.horizontal_bar, 2),
        ("svg", svg_bar_variants.opinion_bars, 0.4),
        ("svg", svg_bar_variants.solid_horizontal_bar, 0.4),
        ("svg", svg_bar_variants.bullets, 0.35),
        ("svg", svg_bar_variants.named_bars, 0.35),
        ("svg", svg_bar_variants.range_bars, 0.35),
    ],
    "line": [
        ("svg", svg_bars.line, 3),
        ("matplotlib", mpl_bars.line, 2.5),
        ("vega-lite", vega_charts.line, 2),
        ("svg", svg_variants.line_crowd, 0.4),
        ("svg", svg_variants.line_slopes, 0.4),
        ("svg", svg_variants.line_table, 0.35),
    ],
    "pie": [
        ("svg", svg_round.pie, 3),
        ("matplotlib", mpl_round.pie, 2.5),
        ("vega-lite", vega_charts.pie, 2),
    ],
    "scatter": [
        ("svg", svg_points.scatter, 3),
        ("matplotlib", mpl_points.scatter, 2.5),
        ("vega-lite", vega_charts.scatter, 2),
        ("svg", svg_variants.scatter_crowd, 0.4),
        ("svg", svg_variants.scatter_matrix, 0.4),
        ("svg", svg_variants.scatter_named, 0.35),
    ],
    "radar": [
        ("svg", svg_round.radar, 3),
        ("matplotlib", mpl_round.radar, 2.5),
    ],
    "vertical bar": [
        ("svg", svg_bars.vertical_bar, 3),
        ("matplotlib", mpl_bars.vertical_bar, 2.5),
        ("vega-lite", vega_charts.vertical_bar, 2),
        ("svg", svg_bar_variants.solid_vertical_bar, 0.4),
        ("svg", svg_bar_variants.waterfall, 0.4),
    ],
    "violin": [
        ("svg", svg_points.violin, 3),
        ("matplotlib", mpl_points.violin, 2.5),
        ("vega-lite", vega_charts.violin, 2),
    ],
}


@dataclass(frozen=True)
class Drawing:
    """One drawn picture: file bytes, their suffix, the library that drew it, short words on its style."""

    data: bytes
    suffix: str
    library: str
    style: str


def painters(class_name: str) -> list[tuple[str, Painter, float]]:
    """Return the library, the painter and the weight of each way of drawing this type; KeyError for an unknown one."""
    return list(_PAINTERS[class_name])


def draw(class_name: str, seed: int) -> Drawing:
    """Draw a chart of this type; the same name and seed (0 or more) give the same bytes.

    Raises:
        ValueError: the class name is none of `CLASS_NAMES` (the message names the nearest), or the seed is below 0.
        RuntimeError: this process was forked from one that had drawn already (start workers with "spawn").
    """
    if class_name not in CLASS_NAMES:
        near = difflib.get_close_matches(str(class_name), CLASS_NAMES, 1, 0.0)
        raise ValueError(f"unknown chart type {class_name!r}; the nearest is {near[0]!r}")
    rng = np.random.default_rng([seed, CLASS_NAMES.index(class_name), _VERSION])
    choices = _PAINTERS[class_name]
    library, painter, _ = choice(rng, choices, [weight for *_, weight in choices])
    look = make_look(rng, square=class_name in _SQUARE)
    drawn = _tile(rng, look, painter) if library == "svg" and chance(rng, 0.05) else painter(rng, look)
    picture, word = finish(rng, drawn)
    data, suffix = encode(rng, picture)
    return Drawing(data, suffix, library, f"{look.name}, {word}")


def _tile(rng: Rng, look: Look, painter: Painter) -> Image.Image:
    """Return several small charts of one look in rows and columns."""
    columns, rows = integer(rng, 1, 3), integer(rng, 1, 2)
    size = (max(look.width // columns, 120), max(look.height // rows, 110))
    small = replace(look, width=size[0], height=size[1], text_px=look.text_px * 0.75, legend="", subtitle="")
    sheet = Image.new("RGBA", (size[0] * columns, size[1] * rows), look.paper)
    for i in range(columns * rows):
        sheet.paste(painter(rng, small), (i % columns * size[0], i // columns * size[1]))
    return sheet
