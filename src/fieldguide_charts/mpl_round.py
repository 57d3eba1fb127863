"""Pies, doughnuts and radars by matplotlib.

Knows nothing about files or how the picture is finished.
"""

import math
from typing import Any

import numpy as np
from PIL import Image

from fieldguide_charts.data import categories, shares, title
from fieldguide_charts.look import Look
from fieldguide_charts.mpl_frame import colour_map, make_picture
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform


def pie(rng: Rng, look: Look) -> Image.Image:
    """Draw a pie: with labels, percentages, a shadow, slices pulled out, or plain."""
    return make_picture(rng, look, lambda axes: _plot_pie(rng, axes, hole=0.0))


def doughnut(rng: Rng, look: Look) -> Image.Image:
    """Draw a doughnut of one or two rings."""
    return make_picture(rng, look, lambda axes: _plot_pie(rng, axes, hole=uniform(rng, 0.3, 0.8)))


def _plot_pie(rng: Rng, axes: Any, hole: float) -> None:
    count = integer(rng, 2, 9)
    parts, names = shares(rng, count), categories(rng, count)
    labelled, counted = chance(rng, 0.6), chance(rng, 0.5)
    edge: dict[str, Any] = {"edgecolor": choice(rng, ["white", "black"])} if chance(rng, 0.5) else {}
    style: dict[str, Any] = {"startangle": choice(rng, [0, 90, integer(rng, 0, 360)]), "counterclock": chance(rng, 0.6)}
    if chance(rng, 0.3):
        style["colors"] = _map_colours(rng, count)
    if hole:
        edge["width"] = 1 - hole
        if counted:
            style["pctdistance"] = (1 + hole) / 2
    else:
        style["shadow"] = chance(rng, 0.12)
        if chance(rng, 0.25):
            style["explode"] = [0.1 if chance(rng, 0.3) else 0.0 for _ in parts]
    if counted:
        style["autopct"] = choice(rng, ["%1.1f%%", "%d%%", "%.0f%%"])
    drawn = axes.pie(parts, labels=names if labelled else None, wedgeprops=edge, **style)
    if hole and chance(rng, 0.2):
        inner = {**edge, "width": (1 - hole) * 0.7}
        axes.pie(shares(rng, integer(rng, 3, 9)), radius=hole * 0.98, wedgeprops=inner, startangle=style["startangle"])
    if hole and chance(rng, 0.25):
        axes.text(0, 0, choice(rng, ["Total", "72%", "2020", "1,250"]), ha="center", va="center", fontsize=14)
    if not labelled and chance(rng, 0.7):
        wedges = drawn[0] if isinstance(drawn, tuple) else drawn.wedges
        axes.legend(wedges, names, loc="center left", bbox_to_anchor=(0.95, 0.5), frameon=chance(rng, 0.5))
    axes.set_aspect("equal")
    if chance(rng, 0.5):
        axes.set_title(title(rng))


def _map_colours(rng: Rng, count: int) -> list[Any]:
    from matplotlib import colormaps

    colours = colormaps[colour_map(rng)](np.linspace(0.15, 0.85, count))
    return [tuple(row) for row in colours.tolist()]


def radar(rng: Rng, look: Look) -> Image.Image:
    """Draw a radar on round or many-cornered axes."""
    if chance(rng, 0.3):
        return make_picture(rng, look, lambda axes: _plot_web(rng, axes))
    return make_picture(rng, look, lambda axes: _plot_radar(rng, axes), projection="polar")


def _rows_of_scores(rng: Rng, rows: int, count: int) -> list[list[float]]:
    scores = np.clip(rng.normal(0.6, 0.2, (rows, count)), 0.1, 1.0) * choice(rng, [1, 5, 10, 100])
    return [[*row, row[0]] for row in scores.tolist()]


def _plot_radar(rng: Rng, axes: Any) -> None:
    count, rows = integer(rng, 4, 12), integer(rng, 1, 4)
    turns = [2 * math.pi * i / count for i in range(count)]
    filled, marker = chance(rng, 0.7), choice(rng, ["", "", "o", "."])
    clear, wide = uniform(rng, 0.1, 0.4), uniform(rng, 1, 3)
    for row, scores in enumerate(_rows_of_scores(rng, rows, count)):
        axes.plot([*turns, turns[0]], scores, color=f"C{row}", linewidth=wide, marker=marker)
        if filled:
            axes.fill([*turns, turns[0]], scores, color=f"C{row}", alpha=clear)
    if chance(rng, 0.7):
        axes.set_theta_zero_location("N")
    axes.set_xticks(turns, categories(rng, count))
    axes.set_ylim(bottom=0)
    if chance(rng, 0.3):
        axes.set_yticklabels([])
    if rows > 1 and chance(rng, 0.6):
        axes.legend(categories(rng, rows), loc="upper right", bbox_to_anchor=(1.25, 1.1))
    if chance(rng, 0.5):
        axes.set_title(title(rng))


def _plot_web(rng: Rng, axes: Any) -> None:
    count, rows, rings = integer(rng, 3, 10), integer(rng, 1, 4), integer(rng, 3, 6)
    turns = np.array([2 * math.pi * i / count for i in range(count + 1)])
    x, y = np.sin(turns), np.cos(turns)
    for ring in range(1, rings + 1):
        axes.plot(x * ring / rings, y * ring / rings, color="0.7", linewidth=0.8)
    for i, name in enumerate(categories(rng, count)):
        axes.plot([0, x[i]], [0, y[i]], color="0.7", linewidth=0.8)
        axes.text(x[i] * 1.12, y[i] * 1.12, name, ha="center", va="center")
    clear = uniform(rng, 0.1, 0.5)
    for row in range(rows):
        far = np.clip(rng.normal(0.6, 0.2, count), 0.1, 1.0)
        far = np.append(far, far[0])
        axes.plot(x * far, y * far, color=f"C{row}", linewidth=2, marker=choice(rng, ["", "o"]))
        axes.fill(x * far, y * far, color=f"C{row}", alpha=clear)
    axes.set_aspect("equal")
    axes.axis("off")
    if chance(rng, 0.5):
        axes.set_title(title(rng))
