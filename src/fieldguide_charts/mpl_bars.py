"""Bars, areas, lines and pyramids by matplotlib.

Knows nothing about files or how the picture is finished.
"""

from typing import Any

import numpy as np
from PIL import Image

from fieldguide_charts.data import age_labels, amounts, categories, many_series, population
from fieldguide_charts.look import Look
from fieldguide_charts.mpl_frame import add_words, make_picture
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform


def vertical_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw standing bars: one series, grouped, stacked, with errors, or a histogram."""
    if chance(rng, 0.15):
        return make_picture(rng, look, lambda axes: _plot_histogram(rng, axes))
    return make_picture(rng, look, lambda axes: _plot_bars(rng, axes, upright=True))


def horizontal_bar(rng: Rng, look: Look) -> Image.Image:
    """Draw lying bars: one series, grouped, stacked, or with errors."""
    return make_picture(rng, look, lambda axes: _plot_bars(rng, axes, upright=False))


def _plot_histogram(rng: Rng, axes: Any) -> None:
    values = rng.normal(0, 1, 600) if chance(rng, 0.7) else rng.gamma(2, 1, 600)
    style = {"edgecolor": choice(rng, ["black", "white"])} if chance(rng, 0.6) else {}
    axes.hist(values, bins=integer(rng, 8, 40), rwidth=choice(rng, [None, 0.9]), **style)
    add_words(rng, axes)


def _plot_bars(rng: Rng, axes: Any, upright: bool) -> None:
    count = integer(rng, 3, 12) if chance(rng, 0.85) else integer(rng, 13, 30)
    rows = 1 if chance(rng, 0.55) or count > 14 else integer(rng, 2, 4)
    names, places = categories(rng, count), np.arange(count, dtype=float)
    stacked = rows > 1 and chance(rng, 0.5)
    thick = uniform(rng, 0.45, 0.95) / (1 if stacked or rows == 1 else rows)
    draw_bars = axes.bar if upright else axes.barh
    size, start = ("width", "bottom") if upright else ("height", "left")
    style: dict[str, Any] = {"edgecolor": choice(rng, ["black", "white"])} if chance(rng, 0.3) else {}
    style |= {"alpha": uniform(rng, 0.4, 0.9)} if chance(rng, 0.2) else {}
    style |= {"hatch": choice(rng, ["/", "x", "..", "\\"])} if chance(rng, 0.05) else {}
    if chance(rng, 0.2):
        style[("y" if upright else "x") + "err"] = 0.0
    base, first = np.zeros(count), amounts(rng, count)
    for row in range(rows):
        values = first * rng.uniform(0.4, 1.2, count) if row else first
        shift = 0.0 if stacked else (row - (rows - 1) / 2) * thick
        for key in ("xerr", "yerr"):
            if key in style:
                style[key], style["capsize"] = values * rng.uniform(0.03, 0.15, count), 3
        if rows == 1 and chance(rng, 0.3):
            style["color"] = [f"C{i}" for i in range(count)]
        drawn = draw_bars(places + shift, values, **{size: thick, start: base if stacked else 0}, **style)
        if chance(rng, 0.2):
            axes.bar_label(drawn, fmt="%.0f", padding=2, fontsize=7)
        base = base + values
    set_ticks = axes.set_xticks if upright else axes.set_yticks
    long = upright and max(map(len, names)) * count > 60
    set_ticks(places, names, rotation=choice(rng, [90, 45]) if long else 0)
    if not upright and chance(rng, 0.5):
        axes.invert_yaxis()
    add_words(rng, axes, categories(rng, rows) if rows > 1 else ())


def area(rng: Rng, look: Look) -> Image.Image:
    """Draw filled areas: one, stacked, a stream or overlapping."""
    return make_picture(rng, look, lambda axes: _plot_area(rng, axes))


def _plot_area(rng: Rng, axes: Any) -> None:
    count, rows = integer(rng, 6, 80), choice(rng, [1, 2, 3, 4, 6], [4, 2, 3, 2, 1])
    x = np.arange(count) + choice(rng, [0, 1990, 1])
    values = many_series(rng, rows, count, floor=uniform(rng, 0.05, 0.7))
    clear = choice(rng, [1.0, 1.0, 0.7, 0.5])
    names = categories(rng, rows) if rows > 1 else []
    if rows > 1 and chance(rng, 0.7):
        baseline = choice(rng, ["zero", "zero", "zero", "wiggle", "sym"])
        if chance(rng, 0.2):
            values, baseline = values / values.sum(axis=0) * 100, "zero"
        axes.stackplot(x, values, baseline=baseline, alpha=clear)
    else:
        step = choice(rng, [None, "mid"]) if count < 30 and chance(rng, 0.2) else None
        low = values.min() - np.ptp(values) if chance(rng, 0.1) else 0
        for row in range(rows):
            axes.fill_between(x, low, values[row], alpha=clear if rows == 1 else 0.45, step=step)
            if chance(rng, 0.5) and not step:
                axes.plot(x, values[row], color=f"C{row}", label="_")
    if chance(rng, 0.6):
        axes.margins(0)
    add_words(rng, axes, names)


def line(rng: Rng, look: Look) -> Image.Image:
    """Draw one or more lines, some with markers, dashes, bands or steps."""
    return make_picture(rng, look, lambda axes: _plot_lines(rng, axes))


def _plot_lines(rng: Rng, axes: Any) -> None:
    count = integer(rng, 5, 30) if chance(rng, 0.55) else integer(rng, 40, 300)
    rows = choice(rng, [1, 2, 3, 4, 6, 12], [5, 3, 3, 2, 1, 0.7])
    x = np.linspace(0, choice(rng, [1, 10, 24, 100]), count)
    values = many_series(rng, rows, count)
    style: dict[str, Any] = {"linewidth": uniform(rng, 0.8, 3.5)}
    if count <= 30 and chance(rng, 0.5):
        style |= {"marker": choice(rng, ["o", "s", "^", "D", "x", "."]), "markersize": uniform(rng, 3, 8)}
    style |= {"drawstyle": "steps-post"} if chance(rng, 0.06) else {}
    mixed = chance(rng, 0.2)
    for row in range(rows):
        dash = choice(rng, ["-", "--", ":", "-."]) if mixed else "-"
        axes.plot(x, values[row], linestyle=dash, **style)
        if rows <= 3 and chance(rng, 0.12):
            wide = np.ptp(values[row]) * uniform(rng, 0.05, 0.12)
            axes.fill_between(x, values[row] - wide, values[row] + wide, alpha=0.2, color=f"C{row}")
    if chance(rng, 0.06) and values.min() > 0:
        axes.set_yscale("log")
    if chance(rng, 0.25):
        axes.grid(True)
    if chance(rng, 0.06):
        axes.spines[["left", "bottom"]].set_position("center")
        axes.spines[["right", "top"]].set_visible(False)
    add_words(rng, axes, categories(rng, rows) if rows > 1 else ())


def pyramid(rng: Rng, look: Look) -> Image.Image:
    """Draw a population pyramid: bars back to back on one pair of axes, or on two side by side."""
    return make_picture(rng, look, lambda axes: _plot_pyramid(rng, axes))


def _plot_pyramid(rng: Rng, axes: Any) -> None:
    count = integer(rng, 8, 21)
    men, women = population(rng, count)
    ages = age_labels(rng, count)
    style: dict[str, Any] = {"height": choice(rng, [1.0, 0.9, 0.8, 0.7])}
    style |= {"edgecolor": choice(rng, ["black", "white"]), "linewidth": 0.6} if chance(rng, 0.4) else {}
    colours = choice(rng, [("C0", "C1"), ("C0", "C3"), ("steelblue", "hotpink"), ("tab:blue", "tab:red"), ("C2", "C1"),
                         ("#6699cc", "#ee8899"), ("0.3", "0.7"), ("navy", "lightsteelblue")])  # fmt: skip
    gap = float(max(men.max(), women.max())) * 0.14 if chance(rng, 0.3) else 0.0
    axes.barh(np.arange(count), -men, left=-gap, color=colours[0], **style)
    axes.barh(np.arange(count), women, left=gap, color=colours[1], **style)
    if chance(rng, 0.08):
        axes.step(women + gap, np.arange(count) + 0.5, color="black", linewidth=1)
    axes.set_yticks(np.arange(count), [""] * count if gap else ages)
    for i in range(count if gap else 0):
        axes.text(0, i, ages[i], ha="center", va="center", fontsize=min(8, 100 / count))
    most = float(max(men.max(), women.max()))
    marks = np.array([0.25, 0.5, 0.75, 1.0]) * most
    places = np.concatenate([-marks[::-1] - gap, [-gap, gap], marks + gap])
    words = [f"{abs(v) - gap:.3g}" for v in places]
    axes.set_xticks(places[::3], words[::3])
    axes.set_ylim(-0.7, count - 0.3)
    words_used = choice(rng, [("Male", "Female"), ("Men", "Women"), ("Males", "Females"), ("Hombres", "Mujeres")])
    add_words(rng, axes, words_used)
