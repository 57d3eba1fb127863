"""Chord diagrams as SVG: ribbons, thin links, bundles and arcs around a ring.

Knows nothing about files or how the picture is finished.
"""

import math

import numpy as np
from PIL import Image

from fieldguide_charts.data import Floats, categories, flows
from fieldguide_charts.look import Look, mix
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.svg import Sheet
from fieldguide_charts.svg_frame import add_headings
from fieldguide_charts.svg_round import around, ring_piece

Place = tuple[tuple[float, float], float]


def chord(rng: Rng, look: Look) -> Image.Image:
    """Draw flows between places on a ring."""
    sheet = Sheet(look)
    top = add_headings(sheet, rng)
    labels = choice(rng, ["", "flat", "turned", "ticks"])
    room = 0.72 if labels in ("flat", "turned") else uniform(rng, 0.86, 0.99)
    centre = (look.width / 2, (top + look.height) / 2)
    place = (centre, max(min(look.width, look.height - top) / 2 * room, 40))
    kind = choice(rng, ["ribbons", "links", "bundle"], [8, 1.5, 1.2])
    if kind == "ribbons":
        _add_ribbons(sheet, rng, place, labels)
    else:
        _add_links(sheet, rng, place, labels, bundled=kind == "bundle")
    return sheet.image()


def _add_label(sheet: Sheet, place: Place, turn: float, words: str, labels: str) -> None:
    centre, radius = place
    px = sheet.look.text_px * 0.85
    right = math.sin(turn) >= 0
    x, y = around(centre, radius * 1.04 + 2, turn)
    if labels == "flat":
        sheet.text(x, y + px * 0.3, words, px, anchor="start" if right else "end")
    elif labels == "turned":
        angle = math.degrees(turn) - (90 if right else -90)
        sheet.text(x, y, words, px, anchor="start" if right else "end", dominant_baseline="middle",
                   transform=f"rotate({angle:.1f} {x:.1f} {y:.1f})")  # fmt: skip


def _ring_turns(totals: Floats, gap: float) -> Floats:
    """Return `(n, 2)` start and end turn of each place on the ring, as wide as its total."""
    wide = totals / totals.sum() * (2 * math.pi - gap * len(totals))
    ends = np.cumsum(wide + gap)
    return np.stack([ends - wide - gap, ends - gap], axis=1)


def _add_ribbons(sheet: Sheet, rng: Rng, place: Place, labels: str) -> None:
    look, (centre, radius) = sheet.look, place
    count = integer(rng, 3, 9) if chance(rng, 0.65) else integer(rng, 10, 28)
    table = flows(rng, count)
    out = table.sum(axis=1)
    turns = _ring_turns(out, choice(rng, [0.02, 0.04, 0.08]) * (0.5 if count > 12 else 1))
    ring = radius * uniform(rng, 0.86, 0.97)
    inner = ring * choice(rng, [1.0, 0.985, 0.96])
    clear, edge = choice(rng, [0.55, 0.67, 0.8, 1.0]), choice(rng, [None, look.paper, look.ink, "own"])
    one_colour = chance(rng, 0.12)
    at = turns[:, 0].copy()
    spans = np.zeros((count, count, 2))
    for i in range(count):
        for j in rng.permutation(count) if chance(rng, 0.2) else np.roll(np.arange(count)[::-1], i + 1):
            wide = table[i, j] / out[i] * (turns[i, 1] - turns[i, 0])
            spans[i, j] = at[i], at[i] + wide
            at[i] += wide
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    for i, j in pairs:
        if max(np.ptp(spans[i, j]), np.ptp(spans[j, i])) < 0.012:
            continue
        colour = look.colours[(i if table[i, j] >= table[j, i] else j) % len(look.colours)]
        colour = mix(look.ink, look.paper, 0.6) if one_colour else colour
        data = _ribbon(centre, inner, spans[i, j].tolist(), spans[j, i].tolist())
        stroke = mix(colour, "#000000", 0.3) if edge == "own" else edge
        sheet.path(data, fill=colour, fill_opacity=clear, stroke=stroke, stroke_width=0.8)
    names = _names(rng, count)
    for i, (start, end) in enumerate(turns.tolist()):
        colour = look.colours[i % len(look.colours)]
        sheet.path(
            ring_piece(centre, (ring, radius), (start, end)), fill=colour, stroke=None if edge == "own" else edge
        )
        if labels == "ticks":
            for t in np.arange(start, end, 0.09):
                sheet.line(*around(centre, radius, t), *around(centre, radius * 1.03, t), stroke=look.ink)
        _add_label(sheet, place, (start + end) / 2, names[i], labels)


def _names(rng: Rng, count: int) -> list[str]:
    return categories(rng, count) if count <= 16 else [f"{categories(rng, 1)[0]}" for _ in range(count)]


def _ribbon(centre: tuple[float, float], radius: float, first: list[float], second: list[float]) -> str:
    a, b = (around(centre, radius, t) for t in first)
    c, d = (around(centre, radius, t) for t in second)
    middle = f"{centre[0]:.1f},{centre[1]:.1f}"
    large = [int(abs(s[1] - s[0]) > math.pi) for s in (first, second)]
    arc = f"A{radius:.1f},{radius:.1f} 0 "
    return (
        f"M{a[0]:.1f},{a[1]:.1f}{arc}{large[0]} 1 {b[0]:.1f},{b[1]:.1f}Q{middle} {c[0]:.1f},{c[1]:.1f}"
        f"{arc}{large[1]} 1 {d[0]:.1f},{d[1]:.1f}Q{middle} {a[0]:.1f},{a[1]:.1f}Z"
    )


def _add_links(sheet: Sheet, rng: Rng, place: Place, labels: str, bundled: bool) -> None:
    look, (centre, radius) = sheet.look, place
    count = integer(rng, 12, 30) if not bundled else integer(rng, 30, 90)
    groups = integer(rng, 3, 8)
    own = np.sort(rng.integers(0, groups, count))
    turns = np.array([2 * math.pi * (i + g * 0.8) / (count + groups * 0.8) for i, g in enumerate(own.tolist())])
    hubs = [np.mean(turns[own == g]) if (own == g).any() else 0.0 for g in range(groups)]
    wide, clear = uniform(rng, 0.6, 2.2 if bundled else 4), uniform(rng, 0.3, 0.9)
    one_colour = chance(rng, 0.3)
    for _ in range(int(count * uniform(rng, 1.2, 3.5))):
        i, j = (int(v) for v in rng.integers(0, count, 2))
        if i == j:
            continue
        a, b = around(centre, radius * 0.95, turns[i]), around(centre, radius * 0.95, turns[j])
        if bundled:
            c, d = (around(centre, radius * 0.35, hubs[own[k]]) for k in (i, j))
        else:
            c = d = around(centre, radius * 0.08, turns[i])
        colour = look.colours[0 if one_colour else int(own[i]) % len(look.colours)]
        data = f"M{a[0]:.1f},{a[1]:.1f}C{c[0]:.1f},{c[1]:.1f} {d[0]:.1f},{d[1]:.1f} {b[0]:.1f},{b[1]:.1f}"
        sheet.path(data, stroke=colour, stroke_width=wide, stroke_opacity=clear)
    dots = chance(rng, 0.5)
    for i, turn in enumerate(turns.tolist()):
        colour = look.colours[int(own[i]) % len(look.colours)]
        if dots:
            sheet.circle(*around(centre, radius * 0.97, turn), max(radius * 0.012, 2), fill=colour)
        else:
            step = math.pi / count * 0.9
            sheet.path(ring_piece(centre, (radius * 0.95, radius), (turn - step, turn + step)), fill=colour)
        if labels in ("flat", "turned") and (count < 40 or i % 2 == 0):
            _add_label(sheet, place, turn, categories(rng, 1)[0], "turned")
