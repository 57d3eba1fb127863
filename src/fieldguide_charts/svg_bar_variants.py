"""Rarer forms of bars as SVG: solid blocks, opinions about a middle, waterfalls, bullets, ranges, names inside.

Knows nothing about files or how the picture is finished.
"""

import numpy as np
from PIL import Image

from fieldguide_charts.data import amounts, categories, short_number
from fieldguide_charts.look import Look, mix
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.svg import Sheet
from fieldguide_charts.svg_frame import Axis, add_frame, add_headings


def solid_vertical_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw standing bars drawn as solid blocks, as in old spreadsheets."""
    return _solid_bars(rng, look, upright=True)


def solid_horizontal_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars drawn as solid blocks, as in old spreadsheets."""
    return _solid_bars(rng, look, upright=False)


def _solid_bars(rng: Rng, look: Look, upright: bool) -> Image.Image:
    count, rows = integer(rng, 3, 9), integer(rng, 1, 3)
    heights = np.stack([amounts(rng, count) for _ in range(rows)])
    heights = heights / heights.max(axis=1, keepdims=True) * rng.uniform(40, 100, (rows, 1))
    bands, scale = Axis.of_bands(categories(rng, count)), Axis(0.0, float(heights.max()) * 1.15)
    sheet = Sheet(look)
    across, up = (bands, scale) if upright else (scale, bands)
    frame = add_frame(sheet, rng, across, up, categories(rng, rows) if rows > 1 else [])
    each = (frame.band if upright else frame.row) * uniform(rng, 0.5, 0.75) / rows
    deep = min(each * 0.5, 12)
    for i in range(count):
        for r in range(rows):
            colour = look.colours[(r if rows > 1 else 0) % len(look.colours)]
            aside = (r - (rows - 1) / 2) * each
            if upright:
                x, y = frame.x(i) + aside - each / 2, frame.y(heights[r, i])
                wide, tall = each * 0.95, frame.bottom - y
            else:
                x, y = frame.left, frame.y(i) + aside - each / 2
                wide, tall = frame.x(heights[r, i]) - x, each * 0.95
            _add_block(sheet, (x, y, wide, tall), deep, colour)
    return sheet.image()


def _add_block(sheet: Sheet, box: tuple[float, float, float, float], deep: float, colour: str) -> None:
    x, y, wide, tall = box
    sheet.rect(x, y, wide, tall, fill=colour)
    lid = [(x, y), (x + deep, y - deep), (x + wide + deep, y - deep), (x + wide, y)]
    side = [(x + wide, y), (x + wide + deep, y - deep), (x + wide + deep, y + tall - deep), (x + wide, y + tall)]
    sheet.polygon(lid, fill=mix(colour, "#ffffff", 0.3))
    sheet.polygon(side, fill=mix(colour, "#000000", 0.3))


def opinion_bars(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars stacked to both sides of a middle, or cut into shares of 100 %."""
    count, parts = integer(rng, 3, 12), integer(rng, 3, 6)
    table = rng.dirichlet(np.full(parts, 2.0), count)
    starts = np.cumsum(table, axis=1) - table
    if chance(rng, 0.5):
        starts = starts - table[:, : parts // 2].sum(axis=1, keepdims=True)
    sheet = Sheet(look)
    across = Axis(float(starts.min()) * 1.03, float((starts + table).max()) * 1.03)
    frame = add_frame(sheet, rng, across, Axis.of_bands(categories(rng, count)), categories(rng, parts))
    thick = frame.row * uniform(rng, 0.5, 0.9)
    labels = chance(rng, 0.4)
    for i in range(count):
        for p in range(parts):
            x, wide = frame.x(starts[i, p]), frame.x(starts[i, p] + table[i, p]) - frame.x(starts[i, p])
            sheet.rect(x, frame.y(i) - thick / 2, wide, thick, fill=look.colours[p])
            if labels and wide > look.text_px * 2:
                sheet.text(x + wide / 2, frame.y(i) + 3, f"{table[i, p]:.0%}", look.text_px * 0.75)
    return sheet.image()


def waterfall(rng: Rng, look: Look) -> Image.Image:
    """Draw standing bars that start where the one before ended."""
    count = integer(rng, 5, 12)
    steps = rng.normal(0.3, 1.0, count) * 10
    steps[0] = abs(steps[0]) + 15
    ends = np.cumsum(steps)
    starts = ends - steps
    sheet = Sheet(look)
    up = Axis(min(float(ends.min()) * 1.1, 0.0), float(ends.max()) * 1.15)
    frame = add_frame(sheet, rng, Axis.of_bands(categories(rng, count)), up)
    thick = frame.band * uniform(rng, 0.55, 0.9)
    for i in range(count):
        colour = look.colours[0 if i == 0 else 1 if steps[i] > 0 else 2]
        sheet.rect(frame.x(i) - thick / 2, frame.y(ends[i]), thick, frame.y(starts[i]) - frame.y(ends[i]), fill=colour)
        if i + 1 < count:
            sheet.line(
                frame.x(i), frame.y(ends[i]), frame.x(i + 1), frame.y(ends[i]), stroke=look.ink, stroke_width=0.7
            )
    return sheet.image()


def bullets(rng: Rng, look: Look) -> Image.Image:
    """Draw bullet graphs: thin lying bars over shaded ranges, with a mark for the aim."""
    count = integer(rng, 2, 7)
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(0, 100), Axis.of_bands(categories(rng, count)))
    tall, tint = frame.row * uniform(rng, 0.45, 0.75), look.colours[0] if chance(rng, 0.4) else look.ink
    for i in range(count):
        ends = np.sort(rng.uniform(40, 100, 3))[::-1]
        for k, end in enumerate(ends):
            shade = mix(look.plot, tint, 0.12 + 0.12 * k)
            sheet.rect(frame.left, frame.y(i) - tall / 2, frame.x(end) - frame.left, tall, fill=shade)
        wide = frame.x(uniform(rng, 30, 90)) - frame.left
        sheet.rect(frame.left, frame.y(i) - tall / 6, wide, tall / 3, fill=look.colours[0])
        aim = frame.x(uniform(rng, 50, 95))
        sheet.rect(aim - 1.5, frame.y(i) - tall * 0.35, 3, tall * 0.7, fill=look.ink)
    return sheet.image()


def range_bars(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars that float between a start and an end, such as a plan of tasks."""
    count = integer(rng, 4, 14)
    starts = np.sort(rng.uniform(0, 60, count))[::-1] if chance(rng, 0.6) else rng.uniform(0, 40, count)
    sizes = rng.uniform(8, 40, count)
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(0, 100), Axis.of_bands(categories(rng, count)))
    thick, one_colour = frame.row * uniform(rng, 0.4, 0.9), chance(rng, 0.4)
    corner = choice(rng, [None, None, thick / 3])
    for i in range(count):
        colour = look.colours[0 if one_colour else i % len(look.colours)]
        wide = frame.x(starts[i] + sizes[i]) - frame.x(starts[i])
        sheet.rect(frame.x(starts[i]), frame.y(i) - thick / 2, wide, thick, fill=colour, rx=corner)
    return sheet.image()


def named_bars(rng: Rng, look: Look) -> Image.Image:
    """Draw thick lying bars without axes, their names inside, above or beside, their values at the end."""
    count = integer(rng, 3, 12)
    sheet = Sheet(look)
    top = add_headings(sheet, rng)
    values = np.sort(amounts(rng, count))[::-1]
    names, px = categories(rng, count), look.text_px
    place = choice(rng, ["inside", "above", "beside"])
    row = (look.height - top - px) / count
    left = px * (8 if place == "beside" else 1)
    thick = row * (0.45 if place == "above" else uniform(rng, 0.6, 0.92))
    track, rainbow = chance(rng, 0.35), chance(rng, 0.4)
    for i, value in enumerate(values.tolist()):
        y = top + (i + 0.5) * row + (row * 0.15 if place == "above" else 0)
        room = look.width - left - px * 5
        if track:
            sheet.rect(left, y - thick / 2, room, thick, fill=look.faint)
        wide = room * value / float(values[0])
        sheet.rect(left, y - thick / 2, wide, thick, fill=look.colours[i % len(look.colours) if rainbow else 0])
        sheet.text(left + wide + 4, y + px * 0.35, short_number(round(value, 1)), anchor="start")
        if place == "inside":
            sheet.text(left + 6, y + px * 0.35, names[i], anchor="start", fill="#ffffff")
        elif place == "above":
            sheet.text(left, y - thick / 2 - 3, names[i], anchor="start")
        else:
            sheet.text(left - 5, y + px * 0.35, names[i], anchor="end")
    return sheet.image()
