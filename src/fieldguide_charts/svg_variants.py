"""Rarer forms of areas, lines, scatter plots and boxes as SVG: densities, rows, bands, crowds, slopes, matrices.

Knows nothing about files or how the picture is finished.
"""

import numpy as np
from PIL import Image

from fieldguide_charts.data import Floats, categories, cloud, many_series, samples
from fieldguide_charts.look import Look, mix
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.svg import Sheet, smooth_path, straight_path
from fieldguide_charts.svg_frame import Axis, Frame, add_frame, add_headings
from fieldguide_charts.svg_points import density


def area_signed(rng: Rng, look: Look) -> Image.Image:
    """Draw a filled area that runs above and below zero, a colour for each side."""
    count = integer(rng, 15, 90)
    values = many_series(rng, 1, count)[0]
    values = values - np.median(values)
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(0, count - 1), Axis(float(values.min()) * 1.1, float(values.max()) * 1.1))
    for side, colour in ((np.maximum, look.colours[0]), (np.minimum, look.colours[1 if chance(rng, 0.7) else 0])):
        over = [(frame.x(i), frame.y(v)) for i, v in enumerate(side(values, 0.0))]
        base = frame.y(0)
        sheet.path(
            straight_path([(frame.left, base), *over, (frame.right, base)]) + "Z", fill=colour, fill_opacity=0.85
        )
    sheet.line(frame.left, frame.y(0), frame.right, frame.y(0), stroke=look.ink)
    return sheet.image()


def area_band(rng: Rng, look: Look) -> Image.Image:
    """Draw one or two wide bands between a low and a high curve."""
    count, rows = integer(rng, 12, 80), integer(rng, 1, 2)
    middle = many_series(rng, rows, count)
    half = np.ptp(middle) * rng.uniform(0.08, 0.35, (rows, 1)) * (1 + 0.3 * np.sin(np.linspace(0, 9, count)))
    sheet = Sheet(look)
    up = Axis(float((middle - half).min()) * 1.0, float((middle + half).max()))
    frame = add_frame(sheet, rng, Axis(0, count - 1), up)
    curve = choice(rng, [straight_path, smooth_path])
    for r in range(rows):
        over = [(frame.x(i), frame.y(v)) for i, v in enumerate(middle[r] + half[r])]
        under = [(frame.x(i), frame.y(v)) for i, v in enumerate(middle[r] - half[r])][::-1]
        style = {"fill": look.colours[r], "fill_opacity": uniform(rng, 0.5, 1)}
        sheet.path(curve(over) + "L" + curve(under)[1:] + "Z", **style)
    return sheet.image()


def line_table(rng: Rng, look: Look) -> Image.Image:
    """Draw small lines in rows and columns, each in its own frame or with none."""
    sheet = Sheet(look)
    top = add_headings(sheet, rng)
    rows, columns, count = integer(rng, 2, 4), integer(rng, 1, 4), integer(rng, 12, 60)
    wide, tall = (look.width - 12) / columns, (look.height - top - 6) / rows
    framed, named = chance(rng, 0.6), chance(rng, 0.6)
    names = categories(rng, rows * columns)
    for k in range(rows * columns):
        x, y = 6 + k % columns * wide, top + k // columns * tall
        if framed:
            edge = mix(look.paper, look.ink, 0.4)
            sheet.rect(x + 3, y + 3, wide - 6, tall - 6, fill=look.plot, stroke=edge)
        for r in range(integer(rng, 1, 2)):
            values = many_series(rng, 1, count)[0]
            level = (values - values.min()) / (np.ptp(values) + 1e-9) * 0.6
            points = [(x + 8 + i / (count - 1) * (wide - 16), y + tall * (0.9 - v)) for i, v in enumerate(level)]
            sheet.path(straight_path(points), stroke=look.colours[r], stroke_width=1.6)
        if named:
            sheet.text(x + wide / 2, y + look.text_px * 1.2, names[k], look.text_px * 0.8)
    return sheet.image()


def scatter_named(rng: Rng, look: Look) -> Image.Image:
    """Draw a few points, each with its name, perhaps around a cross of axes."""
    count = integer(rng, 8, 16)
    x, y = cloud(rng, count)
    names = categories(rng, count)
    sheet = Sheet(look)
    room = [float(np.ptp(v)) * 0.15 + 1e-6 for v in (x, y)]
    across, up = (Axis(float(v.min()) - pad, float(v.max()) + pad) for v, pad in zip((x, y), room, strict=True))
    frame = add_frame(sheet, rng, across, up)
    if chance(rng, 0.3):
        for ends in ((frame.left, frame.y(y.mean()), frame.right, frame.y(y.mean())),
                     (frame.x(x.mean()), frame.top, frame.x(x.mean()), frame.bottom)):  # fmt: skip
            sheet.line(*ends, stroke=look.ink)
    radius, one_colour = uniform(rng, 2, 5), chance(rng, 0.6)
    for i in range(count):
        sheet.circle(frame.x(x[i]), frame.y(y[i]), radius, fill=look.colours[0 if one_colour else i % 4])
        sheet.text(frame.x(x[i]) + radius + 2, frame.y(y[i]) - 3, names[i], look.text_px * 0.8, anchor="start")
    return sheet.image()


def area_densities(rng: Rng, look: Look) -> Image.Image:
    """Draw filled density curves over one another."""
    groups = samples(rng, integer(rng, 1, 4))
    everything = np.concatenate(groups)
    low, high = float(everything.min()), float(everything.max())
    at = np.linspace(low, high, 120)
    sheet = Sheet(look)
    names = categories(rng, len(groups)) if len(groups) > 1 else []
    frame = add_frame(sheet, rng, Axis(low, high), Axis(0, uniform(rng, 1.02, 1.3)), names)
    for g, values in enumerate(groups):
        over = [(frame.x(a), frame.y(d)) for a, d in zip(at, density(values, at) * uniform(rng, 0.5, 1), strict=True)]
        data = straight_path([*over, (frame.right, frame.bottom), (frame.left, frame.bottom)]) + "Z"
        colour = look.colours[g % len(look.colours)]
        sheet.path(data, fill=colour, fill_opacity=uniform(rng, 0.35, 0.9))
        sheet.path(straight_path(over), stroke=colour, stroke_width=1.5)
    return sheet.image()


def area_rows(rng: Rng, look: Look) -> Image.Image:
    """Draw several small filled areas, one per row, apart or overlapping."""
    rows, count = integer(rng, 2, 7), integer(rng, 20, 80)
    values = many_series(rng, rows, count, floor=0.1)
    values = values / values.max(axis=1, keepdims=True)
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(0, count - 1), Axis.of_bands(categories(rng, rows)))
    reach = uniform(rng, 0.8, 1.5)
    one_colour = chance(rng, 0.4)
    for r in range(rows)[::-1]:
        base = frame.y(r - 0.5)
        over = [(frame.x(i), base - frame.row * reach * float(v)) for i, v in enumerate(values[r])]
        data = straight_path([*over, (frame.right, base), (frame.left, base)]) + "Z"
        colour = look.colours[0 if one_colour else r % len(look.colours)]
        sheet.path(data, fill=colour, stroke=look.plot, stroke_width=1)
    return sheet.image()


def line_crowd(rng: Rng, look: Look) -> Image.Image:
    """Draw very many thin lines, most of them pale and a few strong."""
    rows, count = integer(rng, 15, 60), integer(rng, 10, 60)
    values = np.cumsum(rng.normal(0, 1, (rows, count)), axis=1) + rng.normal(0, 2, (rows, 1))
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(0, count - 1), Axis(float(values.min()), float(values.max())))
    pale = mix(look.plot, look.ink, 0.25)
    strong = set(rng.integers(0, rows, integer(rng, 1, 4)).tolist()) if chance(rng, 0.6) else set(range(rows))
    for r in sorted(range(rows), key=lambda row: row in strong):
        data = straight_path([(frame.x(i), frame.y(v)) for i, v in enumerate(values[r])])
        colour = look.colours[r % len(look.colours)] if r in strong else pale
        sheet.path(data, stroke=colour, stroke_width=2.2 if r in strong and len(strong) < rows else 1.0)
    return sheet.image()


def line_slopes(rng: Rng, look: Look) -> Image.Image:
    """Draw lines between a few moments, with points and names at the ends, or of ranks that change."""
    rows, count = integer(rng, 3, 9), integer(rng, 2, 7)
    values = rng.uniform(0, 1, (rows, count)) if chance(rng, 0.5) else np.argsort(rng.random((rows, count)), axis=0)
    sheet = Sheet(look)
    low, high = float(values.min()), float(values.max())
    pad = (high - low) * 0.12
    frame = add_frame(sheet, rng, Axis.of_bands(categories(rng, count)), Axis(low - pad, high + pad))
    curve = choice(rng, [straight_path, smooth_path])
    names, wide, dot = categories(rng, rows), uniform(rng, 1.5, 5), uniform(rng, 2.5, 7)
    for r in range(rows):
        colour = look.colours[r % len(look.colours)]
        points = [(frame.x(i), frame.y(v)) for i, v in enumerate(values[r])]
        sheet.path(curve(points), stroke=colour, stroke_width=wide)
        for x, y in points:
            sheet.circle(x, y, dot, fill=colour)
        sheet.text(points[-1][0] + dot + 3, points[-1][1] + 3, names[r], look.text_px * 0.85, anchor="start")
    return sheet.image()


def scatter_crowd(rng: Rng, look: Look) -> Image.Image:
    """Draw a great many small points, perhaps with small histograms at the edges or a cross of axes."""
    count = integer(rng, 400, 1100)
    x, y = cloud(rng, count)
    sheet = Sheet(look)
    frame = add_frame(sheet, rng, Axis(float(x.min()), float(x.max())), Axis(float(y.min()), float(y.max())))
    radius, clear = uniform(rng, 0.8, 2.6), uniform(rng, 0.3, 1)
    for px, py in zip(x, y, strict=True):
        sheet.circle(frame.x(px), frame.y(py), radius, fill=look.colours[0], opacity=clear)
    if chance(rng, 0.3):
        _add_edge_bars(sheet, frame, x)
    if chance(rng, 0.2):
        for data in ([(frame.left, frame.y(y.mean())), (frame.right, frame.y(y.mean()))],
                     [(frame.x(x.mean()), frame.top), (frame.x(x.mean()), frame.bottom)]):  # fmt: skip
            sheet.path(straight_path(data), stroke=look.ink)
    return sheet.image()


def _add_edge_bars(sheet: Sheet, frame: Frame, values: Floats) -> None:
    counts, edges = np.histogram(values, 24)
    for count, start, end in zip(counts, edges, edges[1:], strict=False):
        tall = float(count) / counts.max() * (frame.bottom - frame.top) * 0.12
        sheet.rect(frame.x(start), frame.top, frame.x(end) - frame.x(start) - 1, tall, fill=sheet.look.colours[1])


def scatter_matrix(rng: Rng, look: Look) -> Image.Image:
    """Draw several small scatter plots in rows and columns."""
    sheet = Sheet(look)
    top = add_headings(sheet, rng)
    side, count, groups = integer(rng, 2, 4), integer(rng, 25, 90), integer(rng, 1, 3)
    spots = rng.normal(0, 1, (count, side)) @ rng.normal(0, 1, (side, side))
    own = rng.integers(0, groups, count)
    spots = spots + own[:, None] * rng.normal(0, 1.5, side)
    spots = (spots - spots.min(axis=0)) / np.ptp(spots, axis=0)
    wide, tall = (look.width - 12) / side, (look.height - top - 8) / side
    for r in range(side):
        for c in range(side):
            x, y = 6 + c * wide, top + r * tall
            sheet.rect(x + 2, y + 2, wide - 4, tall - 4, fill=look.plot, stroke=mix(look.paper, look.ink, 0.5))
            for i in range(count):
                spot = (x + 6 + spots[i, c] * (wide - 12), y + tall - 6 - spots[i, r] * (tall - 12))
                sheet.circle(*spot, uniform(rng, 1.5, 2), fill=look.colours[own[i]], opacity=0.8)
    return sheet.image()


def grouped_box(rng: Rng, look: Look) -> Image.Image:
    """Draw boxes with whiskers in groups side by side, a colour for each place in the group."""
    count, each = integer(rng, 2, 6), integer(rng, 2, 3)
    groups = [samples(rng, each) for _ in range(count)]
    groups = [[(v - v.mean()) / v.std() + rng.normal(0, 0.7) for v in group] for group in groups]
    everything = np.concatenate([v for group in groups for v in group])
    sheet = Sheet(look)
    up = Axis(float(everything.min()) - 0.3, float(everything.max()) + 0.3)
    frame = add_frame(sheet, rng, Axis.of_bands(categories(rng, count)), up, categories(rng, each))
    wide = frame.band * uniform(rng, 0.6, 0.85) / each
    for i, group in enumerate(groups):
        for k, values in enumerate(group):
            q1, mid, q3 = (float(q) for q in np.percentile(values, [25, 50, 75]))
            low, high = max(float(values.min()), q1 - 1.5 * (q3 - q1)), min(float(values.max()), q3 + 1.5 * (q3 - q1))
            x = frame.x(i) + (k - (each - 1) / 2) * wide
            sheet.line(x, frame.y(low), x, frame.y(high), stroke=look.ink)
            sheet.rect(x - wide * 0.42, frame.y(q3), wide * 0.84, frame.y(q1) - frame.y(q3), fill=look.colours[k],
                       stroke=look.ink)  # fmt: skip
            sheet.line(x - wide * 0.42, frame.y(mid), x + wide * 0.42, frame.y(mid), stroke=look.ink, stroke_width=2)
            for v in values[(values < low) | (values > high)]:
                sheet.circle(x, frame.y(v), 2, fill=look.ink)
    return sheet.image()
