"""Bars, areas, lines and pyramids as SVG, dressed like the web chart libraries.

Knows nothing about files or how the picture is finished.
"""

from itertools import pairwise

import numpy as np
from PIL import Image

from fieldguide_charts.data import (
    Floats,
    age_labels,
    amounts,
    categories,
    many_series,
    population,
    short_number,
)  # fmt: skip
from fieldguide_charts.look import Look, mix
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.svg import Sheet, smooth_path, straight_path
from fieldguide_charts.svg_frame import Axis, Frame, add_frame, add_headings


def vertical_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw standing bars: one series, grouped, stacked, floating or lollipops."""
    return _bars(rng, look, upright=True)


def horizontal_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars: one series, grouped, stacked, progress-like or lollipops."""
    return _bars(rng, look, upright=False)


def _bars(rng: Rng, look: Look, upright: bool) -> Image.Image:
    count = integer(rng, 3, 12) if chance(rng, 0.8) else integer(rng, 13, 40)
    rows = 1 if chance(rng, 0.55) or count > 16 else integer(rng, 2, 4)
    heights = np.stack([amounts(rng, count)] + [np.ones(count)] * (rows - 1))
    for i in range(1, rows):
        heights[i] = heights[0] * uniform(rng, 0.3, 1.5) * rng.uniform(0.5, 1.2, count)
    layout = "single" if rows == 1 else choice(rng, ["grouped", "stacked", "full"])
    if layout == "full":
        heights = heights / heights.sum(axis=0)
    if rows == 1 and chance(rng, 0.1):
        heights = heights - heights.mean()
    sums = heights.sum(axis=0) if layout in ("stacked", "full") else heights
    low, high = min(0.0, float(sums.min()) * 1.1), float(sums.max()) * (1.0 if layout == "full" else 1.1)
    names = categories(rng, count)
    bands, scale = Axis.of_bands(names if upright else names[::-1]), Axis(low, high)
    series_names = categories(rng, rows) if rows > 1 else []
    sheet = Sheet(look)
    across, up = (bands, scale) if upright else (scale, bands)
    frame = add_frame(sheet, rng, across, up, series_names)
    if rows == 1 and chance(rng, 0.1):
        _add_lollipops(sheet, rng, frame, heights[0], upright)
    else:
        _add_bars(sheet, rng, frame, heights, (layout, upright))
    return sheet.image()


def _add_lollipops(sheet: Sheet, rng: Rng, frame: Frame, heights: Floats, upright: bool) -> None:
    colour, radius = sheet.look.colours[0], uniform(rng, 3, 8)
    for i, value in enumerate(heights):
        ends = [(frame.x(i), frame.y(v)) if upright else (frame.x(v), frame.y(i)) for v in (0, value)]
        sheet.line(*ends[0], *ends[1], stroke=colour, stroke_width=uniform(rng, 1.5, 3))
        sheet.circle(*ends[1], radius, fill=colour)


def _add_bars(sheet: Sheet, rng: Rng, frame: Frame, heights: Floats, form: tuple[str, bool]) -> None:
    layout, upright = form
    rows, count = heights.shape
    look = sheet.look
    slot = frame.band if upright else frame.row
    thick = slot * choice(rng, [0.5, 0.65, 0.8, 0.9, 0.98, 0.3])
    each = thick / rows if layout == "grouped" else thick
    corner = each * uniform(rng, 0.1, 0.5) if chance(rng, 0.2) else None
    edge = choice(rng, [None, None, None, look.ink, look.paper])
    rainbow = rows == 1 and chance(rng, 0.3)
    track = rows == 1 and not upright and chance(rng, 0.15)
    labels = rows * count <= 16 and chance(rng, 0.35)
    glow = chance(rng, 0.15)
    base = np.zeros(count)
    marked = integer(rng, 0, count - 1) if chance(rng, 0.15) else -1
    for r in range(rows):
        for i in range(count):
            colour = look.colours[(i if rainbow else r) % len(look.colours)]
            colour = look.colours[1] if i == marked else colour
            fill = sheet.gradient(mix(colour, "#ffffff", 0.4), colour, upright) if glow else colour
            start, end = base[i], base[i] + heights[r, i]
            shift = (r - (rows - 1) / 2) * each if layout == "grouped" else 0.0
            style = {"fill": fill, "rx": corner, "stroke": edge}
            if upright:
                middle = frame.x(i) + shift
                sheet.rect(middle - each / 2, frame.y(start), each, frame.y(end) - frame.y(start), **style)
                spot = (middle, frame.y(end) - look.text_px * 0.4)
            else:
                middle = frame.y(i) + shift
                if track:
                    sheet.rect(frame.left, middle - each / 2, frame.right - frame.left, each,
                               fill=look.faint, rx=corner)  # fmt: skip
                sheet.rect(frame.x(start), middle - each / 2, frame.x(end) - frame.x(start), each, **style)
                spot = (frame.x(end) + look.text_px * 0.3, middle + look.text_px * 0.3)
            if labels and layout != "full":
                words = short_number(round(float(heights[r, i]), 1))
                sheet.text(*spot, words, look.text_px * 0.8, anchor="middle" if upright else "start")
        if layout in ("stacked", "full"):
            base = base + heights[r]


def area(rng: Rng, look: Look) -> Image.Image:
    """Draw filled areas: one, stacked, all of 100 %, a stream, overlapping or a bare strip."""
    count = integer(rng, 6, 60)
    rows = choice(rng, [1, 2, 3, 4, 5, 8], [5, 2, 3, 2, 1, 1])
    values = many_series(rng, rows, count, floor=uniform(rng, 0.05, 0.8))
    layout = "single" if rows == 1 else choice(rng, ["stacked", "stacked", "full", "stream", "overlap"])
    if layout == "full":
        values = values / values.sum(axis=0)
    tops = np.cumsum(values, axis=0) if layout in ("stacked", "full", "stream") else values
    bases = tops - values if layout in ("stacked", "full", "stream") else np.zeros_like(values)
    if layout == "stream":
        middle = tops[-1] / 2
        tops, bases = tops - middle, bases - middle
    room = 1.0 if layout == "full" else uniform(rng, 1.0, 1.2)
    sheet = Sheet(look)
    across = Axis.of_bands(categories(rng, count)) if chance(rng, 0.3) and count < 30 else Axis(0, count - 1)
    names = categories(rng, rows) if rows > 1 else []
    frame = add_frame(sheet, rng, across, Axis(min(float(bases.min()), 0.0), float(tops.max()) * room), names)
    curve = choice(rng, [straight_path, straight_path, smooth_path])
    clear = uniform(rng, 0.3, 0.7) if layout == "overlap" else choice(rng, [1.0, 1.0, 0.8, 0.5])
    outline = chance(rng, 0.5) or clear < 0.5
    fade = rows == 1 and chance(rng, 0.3)
    for r in range(rows):
        colour = look.colours[r % len(look.colours)]
        over = [(frame.x(i), frame.y(v)) for i, v in enumerate(tops[r])]
        under = [(frame.x(i), frame.y(v)) for i, v in enumerate(bases[r])][::-1]
        fill = sheet.gradient(colour, mix(colour, look.paper, uniform(rng, 0.5, 0.9))) if fade else colour
        sheet.path(curve(over) + "L" + curve(under)[1:] + "Z", fill=fill, fill_opacity=clear)
        if outline:
            sheet.path(curve(over), stroke=colour, stroke_width=uniform(rng, 1, 3))
    return sheet.image()


def line(rng: Rng, look: Look) -> Image.Image:
    """Draw one or more lines, with or without markers, smooth, stepped or straight."""
    count = integer(rng, 5, 24) if chance(rng, 0.6) else integer(rng, 30, 150)
    rows = choice(rng, [1, 2, 3, 4, 6, 10], [4, 3, 3, 2, 1, 1])
    values = many_series(rng, rows, count)
    pad = float(np.ptp(values)) * uniform(rng, 0.02, 0.25) + 1e-6
    sheet = Sheet(look)
    across = Axis.of_bands(categories(rng, count)) if chance(rng, 0.5) and count < 25 else Axis(0, count - 1)
    names = categories(rng, rows) if rows > 1 or chance(rng, 0.2) else []
    up = Axis(float(values.min()) - pad, float(values.max()) + pad)
    frame = add_frame(sheet, rng, across, up, names)
    form = choice(rng, ["straight", "straight", "smooth", "steps"], [4, 2, 3, 0.6])
    wide = uniform(rng, 1, 4)
    marker = uniform(rng, 2, 5) if count <= 24 and chance(rng, 0.5) else 0.0
    hollow = chance(rng, 0.4)
    dash = choice(rng, [None, "6,4", "2,3"]) if chance(rng, 0.2) else None
    for r in range(rows):
        colour = look.colours[r % len(look.colours)]
        points = [(frame.x(i), frame.y(v)) for i, v in enumerate(values[r])]
        if form == "steps":
            corners = [((b[0]), a[1]) for a, b in pairwise(points)]
            points = [p for pair in zip(points, [*corners, points[-1]], strict=True) for p in pair]
        data = smooth_path(points) if form == "smooth" else straight_path(points)
        sheet.path(data, stroke=colour, stroke_width=wide, stroke_linejoin="round", stroke_dasharray=dash)
        for x, y in points if marker and form != "steps" else []:
            sheet.circle(x, y, marker, fill=look.plot if hollow else colour, stroke=colour, stroke_width=wide * 0.7)
        if names and not look.legend:
            sheet.text(points[-1][0] - 4, points[-1][1] - 6, names[r], look.text_px * 0.8, anchor="end", fill=colour)
    return sheet.image()


def pyramid(rng: Rng, look: Look) -> Image.Image:
    """Draw a population pyramid: two sets of lying bars, back to back, by age."""
    count = integer(rng, 8, 21)
    ages = age_labels(rng, count)
    men, women = population(rng, count)
    sheet = Sheet(look)
    top = add_headings(sheet, rng) + look.text_px * 1.6
    bottom = look.height - look.text_px * 2.2
    px = look.text_px
    gap = px * 4.2 if chance(rng, 0.45) else 0.0
    left = px * (1 if gap or chance(rng, 0.3) else 4.2)
    middle = (left + look.width - px) / 2
    side = middle - left - gap / 2
    most = max(float(men.max()), float(women.max())) * uniform(rng, 1.0, 1.2)
    row = (bottom - top) / count
    _add_pyramid_axes(sheet, rng, (left, middle, side, gap, most), (top, bottom))
    thick = row * choice(rng, [0.98, 0.9, 0.8, 0.7])
    edge = choice(rng, [None, None, look.ink, look.paper])
    clear = choice(rng, [1.0, 1.0, 0.75])
    stepped = chance(rng, 0.1)
    for i in range(count):
        y = bottom - (i + 0.5) * row
        for sign, value, k in ((-1, men[i], 0), (1, women[i], 1)):
            wide = float(value) / most * side
            start = middle + sign * gap / 2
            style = {"fill": look.colours[k], "fill_opacity": clear, "stroke": edge}
            sheet.rect(start, y - (row if stepped else thick) / 2, sign * wide, row if stepped else thick, **style)
            if count < 14 and gap and chance(rng, 0.2):
                sheet.text(start + sign * (wide + 3), y + 3, short_number(round(float(value), 1)), px * 0.7,
                           anchor="end" if sign < 0 else "start")  # fmt: skip
        if i % (2 if row < px else 1) == 0:
            x, anchor = (middle, "middle") if gap else (left - 4, "end")
            sheet.text(x, y + px * 0.3, ages[i], min(px * 0.9, row * 1.5), anchor=anchor)
    return sheet.image()


def _add_pyramid_axes(
    sheet: Sheet, rng: Rng, spans: tuple[float, float, float, float, float], ends: tuple[float, float]
) -> None:
    left, middle, side, gap, most = spans
    top, bottom = ends
    look, px = sheet.look, sheet.look.text_px
    words = choice(rng, [("Male", "Female"), ("Men", "Women"), ("Males", "Females"), ("Hommes", "Femmes"), ("M", "F")])
    if look.plot != look.paper:
        sheet.rect(middle - gap / 2 - side, top, side * 2 + gap, bottom - top, fill=look.plot)
    ticks = integer(rng, 2, 4)
    for sign, name in zip((-1, 1), words, strict=True):
        for t in range(ticks + 1):
            x = middle + sign * (gap / 2 + side * t / ticks * 0.98)
            if "x" in look.grid or "y" in look.grid:
                sheet.line(x, top, x, bottom, stroke=look.faint)
            sheet.text(x, bottom + px * 1.2, short_number(round(most * t / ticks, 1)), px * 0.8)
        if chance(rng, 0.8):
            sheet.text(middle + sign * side * 0.55, top - px * 0.5, name, px, font_weight="bold",
                       fill=choice(rng, [look.ink, look.colours[(sign + 1) // 2]]))  # fmt: skip
    if look.axes:
        sheet.line(left, bottom, middle + gap / 2 + side, bottom, stroke=look.ink)
