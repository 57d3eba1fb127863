"""Points, bubbles, boxes and violins as SVG.

Knows nothing about files or how the picture is finished.
"""

import math

import numpy as np
from PIL import Image

from fieldguide_charts.data import Floats, bubble_sizes, categories, cloud, samples
from fieldguide_charts.look import Look, mix, ramp
from fieldguide_charts.rng import Rng, chance, choice, integer, log_uniform, uniform
from fieldguide_charts.svg import Sheet, smooth_path
from fieldguide_charts.svg_frame import Axis, Frame, add_frame, add_headings


def density(values: Floats, at: Floats, narrow: float = 1.0) -> Floats:
    """Return the Gaussian kernel density of the sample at the places (Silverman's width times `narrow`), peak 1."""
    width = 1.06 * float(values.std() or 1.0) * len(values) ** -0.2 * narrow
    heights = np.exp(-0.5 * ((at[:, None] - values[None, :]) / width) ** 2).sum(axis=1)
    return np.asarray(heights / heights.max())


def _range(values: Floats, room: float = 0.08) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = (high - low) * room + 1e-6
    return low - pad, high + pad


def scatter(rng: Rng, look: Look) -> Image.Image:
    """Draw many points of one size, perhaps in groups, of several shapes, or with a trend line."""
    count = integer(rng, 25, 350)
    x, y = cloud(rng, count)
    sheet = Sheet(look)
    groups = 1 if chance(rng, 0.5) else integer(rng, 2, 4)
    names = categories(rng, groups) if groups > 1 else []
    frame = add_frame(sheet, rng, Axis(*_range(x)), Axis(*_range(y)), names)
    radius = uniform(rng, 1.5, 5.5) * (0.7 if count > 150 else 1)
    clear = choice(rng, [1.0, 0.8, 0.6, 0.4])
    hollow = chance(rng, 0.25)
    shapes = chance(rng, 0.25)
    stops = ramp(rng) if groups == 1 and chance(rng, 0.25) else ()
    own = np.argsort(np.argsort(x)) * groups // count if chance(rng, 0.5) else rng.integers(0, groups, count)
    for px, py, g in zip(x, y, own, strict=True):
        colour = look.colours[int(g) % len(look.colours)]
        if stops:
            share = frame.up.share(py)
            colour = mix(stops[0], stops[1], share * 2) if share < 0.5 else mix(stops[1], stops[2], share * 2 - 1)
        ink = {"fill": "none", "stroke": colour, "stroke_width": 1.4} if hollow else {"fill": colour}
        _add_marker(sheet, (frame.x(px), frame.y(py)), radius, int(g) if shapes else 0, {**ink, "opacity": clear})
    if chance(rng, 0.25):
        slope, start = np.polyfit(x, y, 1)
        ends = np.array(_range(x, 0.0))
        (y1, y2) = np.clip(start + slope * ends, frame.up.low, frame.up.high)
        sheet.line(frame.x(ends[0]), frame.y(y1), frame.x(ends[1]), frame.y(y2),
                   stroke=choice(rng, [look.ink, "#d62728", look.colours[1]]), stroke_width=2)  # fmt: skip
    return sheet.image()


def _add_marker(sheet: Sheet, at: tuple[float, float], radius: float, shape: int, ink: dict[str, object]) -> None:
    x, y = at
    if shape % 4 == 0:
        sheet.circle(x, y, radius, **ink)
    elif shape % 4 == 1:
        sheet.rect(x - radius, y - radius, radius * 2, radius * 2, **ink)
    else:
        corners = 3 if shape % 4 == 2 else 4
        turns = [2 * math.pi * i / corners - math.pi / 2 for i in range(corners)]
        sheet.polygon([(x + radius * 1.3 * math.cos(t), y + radius * 1.3 * math.sin(t)) for t in turns], **ink)


def bubble(rng: Rng, look: Look) -> Image.Image:
    """Draw circles of many sizes: between axes, packed together, or in a table of rows and columns."""
    kind = choice(rng, ["axes", "packed", "table"], [6, 2.6, 1])
    if kind == "packed":
        return _packed(rng, look)
    sheet = Sheet(look)
    if kind == "table":
        return _bubble_table(rng, sheet)
    count = integer(rng, 6, 22) if chance(rng, 0.5) else integer(rng, 23, 180)
    x, y = cloud(rng, count)
    groups = choice(rng, [1, 3, 5, count])
    names = categories(rng, groups) if 1 < groups <= 5 else []
    frame = add_frame(sheet, rng, Axis(*_range(x, 0.18)), Axis(*_range(y, 0.18)), names)
    largest = min(frame.right - frame.left, frame.bottom - frame.top) * log_uniform(rng, 0.025, 0.2)
    radii = largest * np.sqrt(bubble_sizes(rng, count))
    clear = uniform(rng, 0.4, 0.95)
    edge = choice(rng, [None, look.paper, look.ink, "own"])
    labels = categories(rng, min(count, 10)) if chance(rng, 0.35) else []
    shine = chance(rng, 0.12)
    for i in np.argsort(-radii):
        colour = look.colours[int(rng.integers(groups)) % len(look.colours)]
        fill = sheet.gradient("#ffffff", colour) if shine else colour
        spot = (frame.x(x[i]), frame.y(y[i]))
        sheet.circle(*spot, radii[i], fill=fill, fill_opacity=clear, stroke=colour if edge == "own" else edge)
        if i < len(labels):
            sheet.text(spot[0], spot[1] + 3, labels[i], look.text_px * 0.8)
    return sheet.image()


def _bubble_table(rng: Rng, sheet: Sheet) -> Image.Image:
    look = sheet.look
    columns, rows = integer(rng, 4, 12), integer(rng, 3, 7)
    frame = add_frame(sheet, rng, Axis.of_bands(categories(rng, columns)), Axis.of_bands(categories(rng, rows)))
    largest = min(frame.band, frame.row) * uniform(rng, 0.42, 0.62)
    one_colour = chance(rng, 0.5)
    for c in range(columns):
        for r in range(rows):
            colour = look.colours[0 if one_colour else r % len(look.colours)]
            size = math.sqrt(rng.beta(0.8, 1.2))
            sheet.circle(frame.x(c), frame.y(r), largest * size, fill=colour, fill_opacity=0.8)
    return sheet.image()


def _packed(rng: Rng, look: Look) -> Image.Image:
    sheet = Sheet(look)
    top = add_headings(sheet, rng)
    count = integer(rng, 8, 60)
    radii = np.sort(rng.lognormal(0, uniform(rng, 0.3, 0.8), count))[::-1]
    spots = _pack(radii, uniform(rng, 1.0, 1.08))
    reach = max(float(np.hypot(*spots[i])) + radii[i] for i in range(count))
    space = min(look.width, look.height - top) / 2 * 0.95
    scale = space / reach
    middle = (look.width / 2, top + (look.height - top) / 2)
    one_colour = chance(rng, 0.25)
    labels = categories(rng, 12) if chance(rng, 0.7) else []
    if chance(rng, 0.25):
        sheet.circle(*middle, space, fill=look.faint, fill_opacity=0.5, stroke=look.ink)
    edge = choice(rng, [None, None, look.ink, look.paper])
    for i in range(count):
        colour = look.colours[0 if one_colour else int(rng.integers(6)) % len(look.colours)]
        x, y = middle[0] + spots[i][0] * scale, middle[1] + spots[i][1] * scale
        radius = float(radii[i]) * scale
        sheet.circle(x, y, radius, fill=colour, fill_opacity=uniform(rng, 0.8, 1), stroke=edge)
        if labels and radius > look.text_px * 1.3:
            sheet.text(x, y + 3, labels[i % 12][: int(radius / 3) + 1], min(look.text_px, radius * 0.5))
    return sheet.image()


def _pack(radii: Floats, room: float) -> list[tuple[float, float]]:
    """Return centres of circles laid one after another as near to the middle as they fit, touching two others."""
    spots = [(0.0, 0.0)]
    for i in range(1, len(radii)):
        best, nearest = (0.0, 0.0), math.inf
        for j in range(i):
            reach = (radii[i] + radii[j]) * room
            for turn in np.linspace(0, 2 * math.pi, 24, endpoint=False) + i:
                x, y = spots[j][0] + reach * math.cos(turn), spots[j][1] + reach * math.sin(turn)
                far = x * x + y * y
                if far < nearest and all(
                    (x - sx) ** 2 + (y - sy) ** 2 >= ((radii[i] + radii[k]) * room) ** 2 * 0.998
                    for k, (sx, sy) in enumerate(spots)
                ):
                    best, nearest = (x, y), far
        spots.append(best)
    return spots


def _spread_frame(rng: Rng, sheet: Sheet, groups: list[Floats], upright: bool) -> Frame:
    names = Axis.of_bands(categories(rng, len(groups)))
    scale = Axis(*_range(np.concatenate(groups)))
    return add_frame(sheet, rng, *((names, scale) if upright else (scale, names)))


def box(rng: Rng, look: Look) -> Image.Image:
    """Draw boxes with whiskers, standing or lying, perhaps with outliers, points or a mean mark."""
    groups = samples(rng, integer(rng, 1, 9))
    sheet = Sheet(look)
    upright = chance(rng, 0.7)
    frame = _spread_frame(rng, sheet, groups, upright)
    slot = frame.band if upright else frame.row
    half = min(slot * uniform(rng, 0.12, 0.42), 70)
    filled, one_colour = chance(rng, 0.75), chance(rng, 0.5)
    caps, notch, dots = chance(rng, 0.75), chance(rng, 0.1), chance(rng, 0.15)
    wide = uniform(rng, 1, 2.5)
    dash = "3,3" if chance(rng, 0.2) else None
    for i, values in enumerate(groups):
        colour = look.colours[0 if one_colour else i % len(look.colours)]
        low, q1, mid, q3, high = np.percentile(values, [2, 25, 50, 75, 98])
        low, high = max(low, q1 - 1.5 * (q3 - q1)), min(high, q3 + 1.5 * (q3 - q1))
        edge = choice(rng, [colour, look.ink]) if filled and i < 0 else (look.ink if filled else colour)

        def spot(value: float, aside: float = 0.0, i: int = i) -> tuple[float, float]:
            if upright:
                return frame.x(i) + aside, frame.y(value)
            return frame.x(value), frame.y(i) + aside

        for a, b in ((low, q1), (q3, high)):
            sheet.line(*spot(a), *spot(b), stroke=edge, stroke_width=wide, stroke_dasharray=dash)
        for v in (low, high) if caps else ():
            sheet.line(*spot(v, -half * 0.6), *spot(v, half * 0.6), stroke=edge, stroke_width=wide)
        waist = half * (0.5 if notch else 1.0)
        n1, n3 = mid - (q3 - q1) * 0.25, mid + (q3 - q1) * 0.25
        side = [(q1, half), (n1, half), (mid, waist), (n3, half), (q3, half)]
        outline = [spot(v, -a) for v, a in side] + [spot(v, a) for v, a in side[::-1]]
        sheet.polygon(outline, fill=colour if filled else look.plot, stroke=edge, stroke_width=wide)
        sheet.line(*spot(mid, -waist), *spot(mid, waist), stroke=edge, stroke_width=wide * 1.5)
        shown = values if dots else values[(values < low) | (values > high)]
        for v in shown:
            aside = float(rng.uniform(-half, half)) if dots else 0.0
            sheet.circle(*spot(v, aside), 2.2, fill=colour if dots else "none", stroke=edge, opacity=0.7)
    return sheet.image()


def violin(rng: Rng, look: Look) -> Image.Image:
    """Draw violins, standing or lying, whole or halved, with a box, lines, points or nothing inside."""
    groups = samples(rng, integer(rng, 1, 8))
    sheet = Sheet(look)
    upright = chance(rng, 0.78)
    frame = _spread_frame(rng, sheet, groups, upright)
    half = (frame.band if upright else frame.row) * uniform(rng, 0.28, 0.5)
    inside = choice(rng, ["box", "line", "points", "", "mid"])
    split = chance(rng, 0.15)
    one_colour, clear = chance(rng, 0.35), choice(rng, [1.0, 0.8, 0.5])
    edge = choice(rng, [None, look.ink, "own"])
    narrow = uniform(rng, 0.7, 1.4)
    if chance(rng, 0.2):
        edge, clear = choice(rng, [look.ink, "own"]), choice(rng, [0.0, 0.0, 0.15])
    for i, values in enumerate(groups):
        at = np.linspace(values.min(), values.max(), 60)
        wide = density(values, at, narrow) * half
        colour = look.colours[0 if one_colour else i % len(look.colours)]

        def spot(value: float, aside: float = 0.0, i: int = i) -> tuple[float, float]:
            if upright:
                return frame.x(i) + aside, frame.y(value)
            return frame.x(value), frame.y(i) + aside

        first = [spot(v, -w) for v, w in zip(at, wide, strict=True)]
        wide2 = density(groups[(i + 1) % len(groups)] - groups[(i + 1) % len(groups)].mean() + values.mean(), at)
        second = [spot(v, w) for v, w in zip(at, wide2 * half if split else wide, strict=True)]
        stroke = colour if edge == "own" else edge
        style = {"fill": colour, "fill_opacity": clear, "stroke": stroke, "stroke_width": 1.4}
        sheet.path(smooth_path(first) + "L" + smooth_path(second[::-1])[1:] + "Z", **style)
        if split:
            sheet.path(smooth_path(second) + "Z", **{**style, "fill": look.colours[(i + 1) % 10]})
        q1, mid, q3 = np.percentile(values, [25, 50, 75])
        if inside == "box":
            sheet.line(*spot(values.min()), *spot(values.max()), stroke=look.ink)
            sheet.line(*spot(q1), *spot(q3), stroke=look.ink, stroke_width=max(half * 0.2, 3))
        elif inside == "line":
            for v in (q1, mid, q3):
                sheet.line(*spot(v, -half * 0.4), *spot(v, half * 0.4), stroke=look.ink, stroke_dasharray="3,2")
        elif inside == "points":
            for v in values[:50]:
                sheet.circle(*spot(v, float(rng.uniform(-0.2, 0.2)) * half), 1.5, fill=look.ink, opacity=0.6)
        if inside in ("box", "mid"):
            sheet.circle(*spot(mid), 3, fill="#ffffff", stroke=look.ink)
    return sheet.image()
