"""Pies, doughnuts and radars as SVG.

Knows nothing about files or how the picture is finished.
"""

import math
from itertools import pairwise

import numpy as np
from PIL import Image

from fieldguide_charts.data import categories, shares
from fieldguide_charts.look import Look, mix
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.svg import Sheet, smooth_path, straight_path
from fieldguide_charts.svg_frame import Axis, Frame, add_headings, add_legend


def around(centre: tuple[float, float], radius: float, turn: float, flat: float = 1.0) -> tuple[float, float]:
    """Return the point at this turn (radians clockwise from the top) on a circle, or on an ellipse so much flatter."""
    return centre[0] + radius * math.sin(turn), centre[1] - radius * math.cos(turn) * flat


def ring_piece(centre: tuple[float, float], radii: tuple[float, float], turns: tuple[float, float]) -> str:
    """Return SVG path data of a piece of a ring; an inner radius of 0 makes it a slice of a pie."""
    inner, outer = radii
    start, end = turns[0], min(turns[1], turns[0] + 2 * math.pi - 1e-3)
    large = int(end - start > math.pi)
    (x1, y1), (x2, y2) = around(centre, outer, start), around(centre, outer, end)
    data = f"M{x1:.2f},{y1:.2f}A{outer:.2f},{outer:.2f} 0 {large} 1 {x2:.2f},{y2:.2f}"
    if inner <= 0:
        return f"{data}L{centre[0]:.2f},{centre[1]:.2f}Z"
    (x3, y3), (x4, y4) = around(centre, inner, end), around(centre, inner, start)
    return f"{data}L{x3:.2f},{y3:.2f}A{inner:.2f},{inner:.2f} 0 {large} 0 {x4:.2f},{y4:.2f}Z"


def _place(sheet: Sheet, rng: Rng, names: list[str], room: float) -> tuple[tuple[float, float], float]:
    """Return centre and radius of a round chart, after headings and legend are drawn."""
    look = sheet.look
    top, px = add_headings(sheet, rng), look.text_px
    left, right, bottom = px, look.width - px, look.height - px
    if look.legend in ("right", "inside"):
        right -= px * (2 + 0.55 * max(len(name) for name in names))
    if look.legend == "top":
        top += px * 1.8
    if look.legend == "bottom":
        bottom -= px * 1.8
    right = max(right, left + 80)
    frame = Frame(left, top, right, bottom, Axis(0, 1), Axis(0, 1))
    if look.legend:
        shown = Frame(left, top, right, bottom, Axis(0, 1), Axis(0, 1)) if look.legend != "inside" else None
        add_legend(sheet, rng, shown or Frame(right + px, top, right, bottom, Axis(0, 1), Axis(0, 1)), names)
    radius = max(min(right - left, bottom - top) / 2 * room, 30.0)
    return ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2), radius


def pie(rng: Rng, look: Look) -> Image.Image:
    """Draw a pie: flat, pulled apart or seen from the side, with labels in, out or none."""
    count = integer(rng, 2, 9)
    parts, names = shares(rng, count), categories(rng, count)
    sheet = Sheet(look)
    labels = choice(rng, ["out", "in", "percent", "", "leader"])
    room = 0.68 if labels in ("out", "leader") else uniform(rng, 0.8, 0.98)
    centre, radius = _place(sheet, rng, names, room)
    if chance(rng, 0.14):
        _add_pie_aslant(sheet, rng, (centre, radius), parts.tolist())
        return sheet.image()
    turn = choice(rng, [0.0, 0.0, math.pi / 2, uniform(rng, 0, 6)])
    edge = choice(rng, [None, look.paper, look.paper, "#ffffff", look.ink])
    apart = choice(rng, [-1, -1, -1, 0, count, count])
    shine = chance(rng, 0.15)
    for i, part in enumerate(parts.tolist()):
        end = turn + part * 2 * math.pi
        mid = (turn + end) / 2
        own = around(centre, radius * 0.09, mid) if apart in (i, count) and apart >= 0 and chance(rng, 0.95) else centre
        colour = look.colours[i % len(look.colours)]
        fill = sheet.gradient(mix(colour, "#ffffff", 0.45), colour) if shine else colour
        wide = uniform(rng, 1, 2.5)
        sheet.path(ring_piece(own, (0, radius), (turn, end)), fill=fill, stroke=edge, stroke_width=wide)
        words = f"{part:.0%}" if labels == "percent" else f"{part:.1%}" if chance(rng, 0.2) else names[i]
        if labels in ("in", "percent") and part > 0.06:
            sheet.text(*around(own, radius * 0.62, mid), words, look.text_px * 0.9,
                       fill=choice(rng, ["#ffffff", look.ink]))  # fmt: skip
        elif labels in ("out", "leader"):
            _add_outer_label(sheet, own, (radius, mid), words, labels == "leader")
        turn = end
    return sheet.image()


def _add_outer_label(
    sheet: Sheet, centre: tuple[float, float], at: tuple[float, float], words: str, leader: bool
) -> None:
    radius, mid = at
    side = 1 if math.sin(mid) >= 0 else -1
    x, y = around(centre, radius * (1.16 if leader else 1.06), mid)
    if leader:
        start = around(centre, radius * 1.01, mid)
        sheet.path(straight_path([start, (x, y), (x + side * 8, y)]), stroke=sheet.look.ink, stroke_width=1)
        x += side * 10
    sheet.text(x, y + 3, words, sheet.look.text_px * 0.9, anchor="start" if side > 0 else "end")


def _add_pie_aslant(
    sheet: Sheet, rng: Rng, place: tuple[tuple[float, float], float], parts: list[float], hole: float = 0.0
) -> None:
    """Return a pie (or, with a hole, a ring) seen from the side, with its rim."""
    centre, radius = place
    look, flat = sheet.look, uniform(rng, 0.45, 0.75)
    depth = radius * uniform(rng, 0.12, 0.3)
    edges = np.concatenate([[0.0], np.cumsum(parts)]) * 2 * math.pi + uniform(rng, 0, 3)
    for lower in (True, False):
        for i, (start, end) in enumerate(pairwise(edges)):
            colour = look.colours[i % len(look.colours)]
            turns = np.linspace(start, end, 40).tolist()
            outer = [around(centre, radius, t, flat) for t in turns]
            if lower:
                rim = [around(centre, radius, t, flat) for t in turns if math.cos(t) < 0.02]
                if len(rim) > 1:
                    below = [(x, y + depth) for x, y in rim[::-1]]
                    sheet.polygon(rim + below, fill=mix(colour, "#000000", 0.35))
            else:
                inner = [around(centre, radius * hole, t, flat) for t in turns[::-1]] if hole else [centre]
                sheet.polygon(outer + inner, fill=colour, stroke=mix(colour, "#000000", 0.15))


def doughnut(rng: Rng, look: Look) -> Image.Image:
    """Draw a doughnut: whole, half, nested rings, progress rings or rings of rings."""
    count = integer(rng, 2, 8)
    names = categories(rng, count)
    sheet = Sheet(look)
    centre, radius = _place(sheet, rng, names, uniform(rng, 0.75, 0.98))
    kind = choice(rng, ["plain", "half", "nested", "progress", "aslant"], [9, 0.8, 1.2, 1.2, 0.5])
    hole = radius * uniform(rng, 0.35, 0.82)
    edge = choice(rng, [None, look.paper, look.paper, "#ffffff"])
    style = {"stroke": edge, "stroke_width": uniform(rng, 1, 4)}
    if kind == "aslant":
        _add_pie_aslant(sheet, rng, (centre, radius), shares(rng, count).tolist(), hole / radius)
    elif kind == "progress":
        _add_progress(sheet, rng, centre, (hole, radius))
    else:
        rings = 1 if kind != "nested" else integer(rng, 2, 3)
        start, span = (-math.pi / 2, math.pi) if kind == "half" else (choice(rng, [0.0, 1.57, 2.4]), 2 * math.pi)
        thick = (radius - hole) / rings
        for ring in range(rings):
            turn = start
            for i, part in enumerate(shares(rng, count).tolist()):
                end = turn + part * span
                radii = (hole + ring * thick, hole + (ring + 0.94) * thick)
                fill = mix(look.colours[i % len(look.colours)], "#ffffff", ring * 0.25)
                sheet.path(ring_piece(centre, radii, (turn, end)), fill=fill, **style)
                _label_ring(sheet, rng, (centre, radii, (turn + end) / 2), f"{part:.0%}", part)
                turn = end
    if chance(rng, 0.35) and hole > 40:
        sheet.text(centre[0], centre[1] + 5, choice(rng, ["Total", "72%", "1,240", names[0], "$3.2M"]),
                   min(hole * 0.35, 40), font_weight="bold")  # fmt: skip
    return sheet.image()


def _label_ring(
    sheet: Sheet, rng: Rng, at: tuple[tuple[float, float], tuple[float, float], float], words: str, part: float
) -> None:
    centre, radii, turn = at
    if part > 0.08 and radii[1] - radii[0] > sheet.look.text_px * 2 and chance(rng, 0.4):
        spot = around(centre, sum(radii) / 2, turn)
        sheet.text(spot[0], spot[1] + 3, words, sheet.look.text_px * 0.85, fill="#ffffff")


def _add_progress(sheet: Sheet, rng: Rng, centre: tuple[float, float], radii: tuple[float, float]) -> None:
    look, rings = sheet.look, integer(rng, 1, 4)
    thick = (radii[1] - radii[0]) / rings
    for ring in range(rings):
        span = (radii[0] + ring * thick, radii[0] + (ring + 0.85) * thick)
        sheet.path(ring_piece(centre, span, (0, 6.3)), fill=look.faint)
        sheet.path(ring_piece(centre, span, (0, uniform(rng, 0.8, 5.8))), fill=look.colours[ring])


def radar(rng: Rng, look: Look) -> Image.Image:
    """Draw a radar: closed shapes over a round or many-cornered web of spokes."""
    count = integer(rng, 3, 12)
    rows = integer(rng, 1, 4)
    names, spokes = categories(rng, rows), categories(rng, count)
    sheet = Sheet(look)
    centre, radius = _place(sheet, rng, names, uniform(rng, 0.68, 0.85))
    turns = [2 * math.pi * i / count for i in range(count)]
    circular = chance(rng, 0.4)
    rings = integer(rng, 3, 7)
    wide = uniform(rng, 0.6, 1.6)
    grey = mix(look.paper, look.ink, uniform(rng, 0.12, 0.4))
    banded = chance(rng, 0.15)
    for ring in range(rings, 0, -1):
        far = radius * ring / rings
        fill = mix(look.paper, look.ink, 0.04 * (ring % 2 + 1)) if banded else "none"
        if circular:
            sheet.circle(*centre, far, fill=fill, stroke=grey, stroke_width=wide)
        else:
            sheet.polygon([around(centre, far, t) for t in turns], fill=fill, stroke=grey, stroke_width=wide)
        if chance(rng, 0.6):
            sheet.text(
                centre[0] - 4, centre[1] - far + 4, str(ring * 20), look.text_px * 0.75, anchor="end", opacity=0.7
            )
    for turn, word in zip(turns, spokes, strict=True):
        sheet.line(*centre, *around(centre, radius, turn), stroke=grey, stroke_width=wide)
        x, y = around(centre, radius * 1.09, turn)
        side = math.sin(turn)
        sheet.text(
            x, y + 3, word, look.text_px * 0.9, anchor="middle" if abs(side) < 0.3 else ("start" if side > 0 else "end")
        )
    clear = uniform(rng, 0.15, 0.6) if chance(rng, 0.7) else 0.0
    dots = uniform(rng, 2, 5) if chance(rng, 0.5) else 0.0
    bend = chance(rng, 0.12)
    for row in range(rows):
        colour = look.colours[row % len(look.colours)]
        values = np.clip(rng.normal(0.62, 0.2, count), 0.12, 1.0)
        points = [around(centre, radius * v, t) for v, t in zip(values.tolist(), turns, strict=True)]
        data = (smooth_path if bend else straight_path)([*points, points[0]]) + "Z"
        sheet.path(data, fill=colour, fill_opacity=clear, stroke=colour, stroke_width=uniform(rng, 1.2, 3))
        for point in points if dots else []:
            sheet.circle(*point, dots, fill=colour)
    return sheet.image()
