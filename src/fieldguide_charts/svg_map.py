"""Choropleth maps as SVG: regions coloured by a figure.

Knows nothing about where the outlines come from or how the picture is finished.
"""

import numpy as np
from PIL import Image

from fieldguide_charts.data import Floats
from fieldguide_charts.look import Look, mix, ramp
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.shapes import Region, choose_regions
from fieldguide_charts.svg import Sheet, straight_path
from fieldguide_charts.svg_frame import add_headings


def map_colours(rng: Rng, regions: list[Region]) -> tuple[list[str], list[str]]:
    """Return one colour per region, and the colours of the key: in steps, without steps, or a colour per kind."""
    middles = np.array([np.concatenate(region).mean(axis=0) for region in regions])
    spread = middles.std(axis=0) + 1e-9
    slope = rng.normal(0, 1, 2)
    trend = (middles - middles.mean(axis=0)) / spread @ slope
    values = trend * uniform(rng, 0, 0.8) + rng.normal(0, 1, len(regions))
    if chance(rng, 0.3):
        values = np.exp(values)
    ranks = np.argsort(np.argsort(values)) / max(len(values) - 1, 1)
    level = (values - values.min()) / (np.ptp(values) + 1e-9) if chance(rng, 0.4) else ranks
    stops = ramp(rng)
    steps = choice(rng, [0, 4, 5, 7, 9])

    def colour(share: float) -> str:
        if steps:
            share = min(int(share * steps), steps - 1) / (steps - 1)
        return mix(stops[0], stops[1], share * 2) if share < 0.5 else mix(stops[1], stops[2], share * 2 - 1)

    return [colour(float(v)) for v in level], [colour(i / 8) for i in range(9)]


def choropleth(rng: Rng, look: Look) -> Image.Image:
    """Draw a map whose regions are shaded by a figure, with or without key, borders, sea and labels."""
    _, regions = choose_regions(rng)
    key = choice(rng, ["", "bar", "steps", "column"])
    everything = np.concatenate([ring for region in regions for ring in region])
    low, high = everything.min(axis=0), everything.max(axis=0)
    aspect = float((high[1] - low[1]) / (high[0] - low[0]))
    look = _reshape(look, aspect)
    sheet = Sheet(look)
    px = look.text_px
    top = add_headings(sheet, rng)
    bottom = look.height - (px * 3.2 if key in ("bar", "steps") else px * 0.5)
    right = look.width - (px * 5 if key == "column" else px * 0.5)
    if chance(rng, 0.2):
        sheet.rect(0, top, look.width, bottom - top, fill=choice(rng, ["#cfe8f7", "#eef4fa", "#aadaff", "#f0f0f0"]))
    scale = min((right - px * 0.5) / (high[0] - low[0]), (bottom - top) / (high[1] - low[1]))
    shift = np.array([(right + px * 0.5) / 2, (top + bottom) / 2])

    def to_pixels(ring: Floats) -> list[tuple[float, float]]:
        moved = (ring - (low + high) / 2) * scale * [1.0, -1.0] + shift
        return [(float(x), float(y)) for x, y in moved]

    colours, shown = map_colours(rng, regions)
    empty = uniform(rng, 0, 0.4) if chance(rng, 0.25) else 0.0
    border = choice(rng, ["#ffffff", "#ffffff", "#333333", "#999999", None])
    wide = uniform(rng, 0.3, 1.2) * (0.4 if len(regions) > 500 else 1)
    for region, colour in zip(regions, colours, strict=True):
        fill = mix(look.paper, look.ink, 0.12) if rng.random() < empty else colour
        data = "".join(straight_path(to_pixels(ring)) + "Z" for ring in region)
        sheet.path(data, fill=fill, stroke=border or fill, stroke_width=wide)
    _add_key(sheet, rng, shown, key)
    return sheet.image()


def _reshape(look: Look, aspect: float) -> Look:
    from dataclasses import replace

    height = int(np.clip(look.width * aspect + look.text_px * 5, 180, look.width * 1.2))
    return replace(look, height=height)


def _add_key(sheet: Sheet, rng: Rng, colours: list[str], key: str) -> None:
    look, px = sheet.look, sheet.look.text_px
    top = integer(rng, 10, 100)
    if key in ("bar", "steps"):
        wide = look.width * uniform(rng, 0.2, 0.6) / len(colours)
        left = choice(rng, [px, look.width / 2 - wide * 4.5, look.width - wide * 9 - px])
        for i, colour in enumerate(colours):
            gap = 2 if key == "steps" else 0
            sheet.rect(left + i * wide, look.height - px * 2.4, wide - gap + (0 if gap else 0.5), px, fill=colour)
            if i % 2 == 0:
                sheet.text(left + i * wide, look.height - px * 0.5, str(i * top), px * 0.75)
    elif key == "column":
        tall = look.height * uniform(rng, 0.3, 0.7) / len(colours)
        x, y = look.width - px * 4, look.height * 0.15
        for i, colour in enumerate(colours[::-1]):
            sheet.rect(x, y + i * tall, px, tall + 0.5, fill=colour)
            if i % 2 == 0:
                sheet.text(x + px * 1.3, y + i * tall + px * 0.5, str((8 - i) * top), px * 0.75, anchor="start")
