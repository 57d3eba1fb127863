"""Choropleth maps and chord diagrams by matplotlib.

Knows nothing about where outlines come from or how the picture is finished.
"""

import math
from typing import Any

import numpy as np
from PIL import Image

from fieldguide_charts.data import categories, flows, title
from fieldguide_charts.look import Look
from fieldguide_charts.mpl_frame import colour_map, make_picture
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform
from fieldguide_charts.shapes import choose_regions


def choropleth(rng: Rng, look: Look) -> Image.Image:
    """Draw a map whose regions are shaded by a figure, with or without colour bar and frame."""
    return make_picture(rng, look, lambda axes: _plot_map(rng, axes))


def _plot_map(rng: Rng, axes: Any) -> None:
    from matplotlib.collections import PolyCollection

    _, regions = choose_regions(rng)
    rings = [(ring, i) for i, region in enumerate(regions) for ring in region]
    middles = np.array([np.concatenate(region).mean(axis=0) for region in regions])
    values = (middles @ rng.normal(0, 1, 2)) / (middles.std() + 1e-9) * uniform(rng, 0, 0.5) + rng.normal(
        0, 1, len(regions)
    )
    edge = choice(rng, ["white", "black", "0.6", "face"])
    thin = uniform(rng, 0.2, 1.0) * (0.4 if len(regions) > 500 else 1)
    drawn = PolyCollection([ring for ring, _ in rings], array=values[[i for _, i in rings]], cmap=colour_map(rng),
                           edgecolors=edge, linewidths=thin)  # fmt: skip
    axes.add_collection(drawn)
    axes.autoscale_view()
    axes.set_aspect("equal")
    if chance(rng, 0.7):
        axes.axis("off")
    if chance(rng, 0.55):
        axes.figure.colorbar(
            drawn, ax=axes, orientation=choice(rng, ["vertical", "horizontal"]), shrink=uniform(rng, 0.4, 0.9)
        )
    if chance(rng, 0.5):
        axes.set_title(title(rng))


def chord(rng: Rng, look: Look) -> Image.Image:
    """Draw flows between places on a ring, as ribbons or thin curves."""
    return make_picture(rng, look, lambda axes: _plot_chord(rng, axes))


def _plot_chord(rng: Rng, axes: Any) -> None:
    count = integer(rng, 3, 14)
    table = flows(rng, count)
    out = table.sum(axis=1)
    gap = uniform(rng, 0.01, 0.08)
    wide = out / out.sum() * (2 * math.pi - gap * count)
    starts = np.cumsum(wide + gap) - wide
    at = starts.copy()
    spans = np.zeros((count, count, 2))
    for i in range(count):
        for j in np.roll(np.arange(count)[::-1], i + 1):
            step = table[i, j] / out[i] * wide[i]
            spans[i, j] = at[i], at[i] + step
            at[i] += step
    thin = count > 8 and chance(rng, 0.4)
    clear = uniform(rng, 0.4, 0.9)
    for i in range(count):
        for j in range(i, count):
            _add_link(axes, spans[i, j], spans[j, i], {"color": f"C{(i if i % 2 else j) % 10}", "alpha": clear}, thin)
    for i, name in enumerate(categories(rng, count)):
        turns = np.linspace(starts[i], starts[i] + wide[i], 40)
        ring = np.concatenate([_circle(turns, 1.0), _circle(turns[::-1], 1.07)])
        axes.fill(ring[:, 0], ring[:, 1], color=f"C{i % 10}")
        x, y = _circle(np.array([turns.mean()]), 1.16)[0]
        axes.text(x, y, name, ha="center", va="center", fontsize=8)
    axes.set_aspect("equal")
    axes.axis("off")
    if chance(rng, 0.4):
        axes.set_title(title(rng))


def _circle(turns: Any, radius: float) -> Any:
    return np.stack([np.cos(turns), np.sin(turns)], axis=1) * radius


def _add_link(axes: Any, first: Any, second: Any, style: dict[str, Any], thin: bool) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if max(np.ptp(first), np.ptp(second)) < 0.01:
        return
    if thin:
        ends = _circle(np.array([np.mean(first), np.mean(second)]), 0.98)
        path = Path([ends[0], (0, 0), ends[1]], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
        axes.add_patch(PathPatch(path, fill=False, linewidth=1.5, **style))
        return
    one, two = (_circle(np.linspace(span[0], span[1], 24), 0.98) for span in (first, second))
    points = [*one, (0, 0), two[0], *two[1:], (0, 0), one[0]]
    codes = [Path.MOVETO] + [Path.LINETO] * 23 + [Path.CURVE3] * 2 + [Path.LINETO] * 23 + [Path.CURVE3] * 2
    axes.add_patch(PathPatch(Path(points, codes), linewidth=0.3, **style))
