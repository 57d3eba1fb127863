"""A Vega-Lite chart in one of many themes, and its picture.

Knows nothing about chart types. vl-convert runs the real Vega offline; no data is loaded from anywhere.
"""

import io
from typing import Any

from PIL import Image

from fieldguide_charts.data import axis_title, title
from fieldguide_charts.look import Look
from fieldguide_charts.rng import Rng, chance, choice, uniform
from fieldguide_charts.svg import FONTS, prepare

Spec = dict[str, Any]

_THEMES = ["excel", "ggplot2", "quartz", "vox", "fivethirtyeight", "dark", "latimes", "urbaninstitute",
           "googlecharts", "powerbi", "carbonwhite", "carbong10", "carbong90"]  # fmt: skip
_SCHEMES = [
    "blues", "greens", "reds", "oranges", "purples", "viridis", "plasma", "inferno", "bluegreen", "yellowgreenblue",
    "yelloworangered", "redblue", "redyellowgreen", "purplegreen", "blueorange", "teals", "goldred", "turbo",
]  # fmt: skip


def scheme(rng: Rng) -> str:
    """Return the name of one of Vega's continuous colour schemes."""
    return choice(rng, _SCHEMES)


def add_axes(rng: Rng, channel: Spec) -> Spec:
    """Return the channel with an axis: named or not, with or without grid, line and ticks; sometimes none at all."""
    if chance(rng, 0.06):
        return {**channel, "axis": None}
    axis: Spec = {"title": axis_title(rng) if chance(rng, 0.6) else None}
    for key in ("grid", "domain", "ticks"):
        if chance(rng, 0.25):
            axis[key] = chance(rng, 0.5)
    return {**channel, "axis": axis}


def _config(rng: Rng, look: Look) -> Spec:
    size = min(look.text_px, 15)
    config: Spec = {
        "background": look.paper,
        "view": {"fill": look.plot, "stroke": look.ink if look.axes == "box" else None},
        "title": {"color": look.ink, "fontSize": size * 1.25, "anchor": choice(rng, ["start", "middle"])},
        "legend": {"labelColor": look.ink, "titleColor": look.ink, "labelFontSize": size * 0.9},
        "axis": {
            "labelColor": look.ink, "titleColor": look.ink, "gridColor": look.faint, "domainColor": look.ink,
            "tickColor": look.ink, "labelFontSize": size * 0.85, "titleFontSize": size * 0.95,
            "domain": look.axes in ("corner", "base", "box"), "ticks": look.axes in ("corner", "box"),
        },
        "axisX": {"grid": "x" in look.grid},
        "axisY": {"grid": "y" in look.grid},
        "range": {"category": list(look.colours)},
        "mark": {"color": look.colours[0]},
    }  # fmt: skip
    return config


def vega_picture(rng: Rng, look: Look, chart: Spec) -> Image.Image:
    """Return the chart as an opaque RGBA picture; width, height, title, theme and legend place are added here."""
    import vl_convert

    prepare()
    room = uniform(rng, 0.6, 0.85)
    chart = {"width": round(look.width * room), "height": round(look.height * room), **chart}
    if look.title:
        chart["title"] = title(rng)
    plain: Spec = {"font": FONTS[look.letters]}
    kind = choice(rng, ["look", "theme", "default"], [5, 3, 2])
    theme: Any = choice(rng, _THEMES) if kind == "theme" else None
    config: Spec = {**_config(rng, look), **plain} if kind == "look" else plain
    if theme:
        fonts = {
            part: {"labelFont": FONTS["sans"], "titleFont": FONTS["sans"]} for part in ("axis", "legend", "header")
        }
        config = {**plain, **fonts, "title": {"font": FONTS["sans"], "subtitleFont": FONTS["sans"]}}
    if kind == "default" and chance(rng, 0.5):
        config["range"] = {"category": list(look.colours)}
    legend: Spec = {**config.get("legend", {})}
    legend["orient"] = {"": "right", "inside": "top-right"}.get(look.legend, look.legend)
    if not look.legend:
        legend["disable"] = True
    spec = {**chart, "padding": round(uniform(rng, 2, 16)), "config": {**config, "legend": legend}}
    data: bytes = vl_convert.vegalite_to_png(spec, scale=1.0, theme=theme)
    drawn = Image.open(io.BytesIO(data)).convert("RGBA")
    ground = Image.new("RGBA", drawn.size, "#ffffff")
    ground.alpha_composite(drawn)
    return ground
