"""Points, bubbles, boxes and violins by matplotlib.

Knows nothing about files or how the picture is finished.
"""

from typing import Any

import numpy as np
from PIL import Image

from fieldguide_charts.data import Floats, bubble_sizes, categories, cloud, samples
from fieldguide_charts.look import Look
from fieldguide_charts.mpl_frame import add_words, colour_map, make_picture
from fieldguide_charts.rng import Rng, chance, choice, integer, log_uniform, uniform


def scatter(rng: Rng, look: Look) -> Image.Image:
    """Draw points of one size: plain, in groups, coloured by a third figure, with a trend."""
    return make_picture(rng, look, lambda axes: _plot_points(rng, axes))


def _plot_points(rng: Rng, axes: Any) -> None:
    groups = 1 if chance(rng, 0.55) else integer(rng, 2, 5)
    size, clear = uniform(rng, 6, 60), choice(rng, [1.0, 0.8, 0.5])
    marks = choice(rng, [["o"], ["o"], ["o", "^", "s", "D", "x"], ["x"], ["+"], ["."]])
    edge = (
        {"edgecolors": choice(rng, ["white", "black"]), "linewidths": 0.5}
        if marks == ["o"] and chance(rng, 0.3)
        else {}
    )
    hollow = {"facecolors": "none", "edgecolors": "C0"} if marks == ["o"] and groups == 1 and chance(rng, 0.15) else {}
    count = integer(rng, 30, 300) // groups + 8
    x, y = cloud(rng, count)
    for g in range(groups):
        if g:
            x, y = x + np.ptp(x) * rng.normal(0, 0.3), y * uniform(rng, 0.7, 1.2)
        if groups == 1 and not hollow and chance(rng, 0.3):
            drawn = axes.scatter(x, y, size, c=rng.random(len(x)) + y / y.max(), cmap=colour_map(rng), alpha=clear)
            if chance(rng, 0.6):
                axes.figure.colorbar(drawn, ax=axes)
            continue
        axes.scatter(x, y, size, marker=marks[g % len(marks)], alpha=clear, **(hollow or edge))
    if chance(rng, 0.25):
        slope, start = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, start + slope * ends, color=choice(rng, ["red", "black", "C1"]), linewidth=2, label="_")
    if chance(rng, 0.3):
        axes.grid(True)
    add_words(rng, axes, categories(rng, groups) if groups > 1 else ())


def bubble(rng: Rng, look: Look) -> Image.Image:
    """Draw circles of many sizes between two axes."""
    return make_picture(rng, look, lambda axes: _plot_bubbles(rng, axes))


def _plot_bubbles(rng: Rng, axes: Any) -> None:
    count = integer(rng, 6, 25) if chance(rng, 0.5) else integer(rng, 26, 180)
    x, y = cloud(rng, count)
    box = axes.get_window_extent()
    largest = min(box.width, box.height) * log_uniform(rng, 0.05, 0.38) * 72 / axes.figure.dpi
    sizes = largest**2 * bubble_sizes(rng, count)
    style: dict[str, Any] = {"alpha": uniform(rng, 0.4, 0.9)}
    style |= {"edgecolors": choice(rng, ["white", "black", "grey"])} if chance(rng, 0.5) else {}
    kind = choice(rng, ["map", "groups", "one", "each"])
    if kind == "map":
        drawn = axes.scatter(x, y, sizes, c=rng.random(count), cmap=colour_map(rng), **style)
        if chance(rng, 0.4):
            axes.figure.colorbar(drawn, ax=axes)
    else:
        groups = {"groups": 4, "one": 1, "each": 10}[kind]
        axes.scatter(x, y, sizes, c=[f"C{g}" for g in rng.integers(0, groups, count)], **style)
    if count <= 25 and chance(rng, 0.35):
        for px, py, name in zip(x, y, categories(rng, min(count, 10)), strict=False):
            axes.text(px, py, name, ha="center", va="center", fontsize=7)
    if chance(rng, 0.15):
        axes.set_xscale("log")
    axes.margins(uniform(rng, 0.08, 0.2))
    add_words(rng, axes)


def box(rng: Rng, look: Look) -> Image.Image:
    """Draw boxes with whiskers, standing or lying, plain, filled, notched, grouped or with points."""
    return make_picture(rng, look, lambda axes: _plot_boxes(rng, axes))


def _plot_boxes(rng: Rng, axes: Any) -> None:
    count = integer(rng, 1, 9)
    groups = samples(rng, count)
    across = chance(rng, 0.28)
    filled = chance(rng, 0.6)
    pairs = 2 if count >= 2 and chance(rng, 0.2) else 1
    places = np.arange(count, dtype=float)
    thick = uniform(rng, 0.25, 0.8)
    seaborn_like = filled and chance(rng, 0.5)
    one_colour = chance(rng, 0.4)
    line_style: dict[str, Any] = {"color": "0.25"} if seaborn_like else {}
    for p in range(pairs):
        shown = axes.boxplot(
            groups if p == 0 else samples(rng, count),
            positions=places + (p - (pairs - 1) / 2) * 0.42,
            widths=thick / pairs,
            orientation="horizontal" if across else "vertical",
            patch_artist=filled,
            notch=chance(rng, 0.12),
            showmeans=chance(rng, 0.2),
            showfliers=chance(rng, 0.8),
            flierprops={"marker": choice(rng, ["o", "+", "d", "."]), "markersize": uniform(rng, 3, 6)},
            **{f"{part}props": line_style for part in ("whisker", "cap", "median") if seaborn_like},
        )
        for i, patch in enumerate(shown["boxes"] if filled else []):
            patch.set_facecolor(f"C{p}" if pairs > 1 or one_colour else f"C{i}")
            patch.set_alpha(choice(rng, [1.0, 0.8]))
    _add_jitter(rng, axes, groups, across, share=0.12)
    names = categories(rng, count)
    (axes.set_yticks if across else axes.set_xticks)(places, names)
    if chance(rng, 0.3):
        axes.grid(True, axis="x" if across else "y")
    add_words(rng, axes)


def _add_jitter(rng: Rng, axes: Any, groups: list[Floats], across: bool, share: float) -> None:
    if not chance(rng, share):
        return
    for i, values in enumerate(groups):
        aside = i + rng.normal(0, 0.06, len(values))
        spots = (values, aside) if across else (aside, values)
        axes.scatter(*spots, s=8, color="0.2", alpha=0.5, zorder=3)


def violin(rng: Rng, look: Look) -> Image.Image:
    """Draw violins: whole, halves, split by two groups, with boxes or points inside."""
    return make_picture(rng, look, lambda axes: _plot_violins(rng, axes))


def _plot_violins(rng: Rng, axes: Any) -> None:
    count = integer(rng, 1, 8)
    groups = samples(rng, count)
    across = chance(rng, 0.2)
    split = chance(rng, 0.15)
    inner = choice(rng, ["box", "box", "extrema", "median", "points", ""])
    seaborn_like, white = chance(rng, 0.5), chance(rng, 0.1)
    one_colour, clear = chance(rng, 0.4), choice(rng, [0.3, 0.6, 1.0, 1.0])
    for side in ("low", "high") if split else ("both",):
        shown = axes.violinplot(
            groups if side != "high" else [rng.permutation(v) * uniform(rng, 0.8, 1.1) for v in groups],
            positions=range(count),
            orientation="horizontal" if across else "vertical",
            widths=uniform(rng, 0.6, 0.98),
            showextrema=inner == "extrema",
            showmedians=inner in ("extrema", "median") and chance(rng, 0.6),
            points=80,
            side=side,
        )
        for i, body in enumerate(shown["bodies"]):
            body.set_facecolor(f"C{1 if side == 'high' else 0}" if split else f"C{0 if one_colour else i}")
            body.set_alpha(clear)
            if white:
                body.set_facecolor("white")
            if seaborn_like or white:
                body.set_edgecolor("0.2")
                body.set_linewidth(1.2)
    for i, values in enumerate(groups if inner == "box" else []):
        low, q1, mid, q3, high = np.percentile(values, [3, 25, 50, 75, 97])
        lines, spots = (axes.hlines, (mid, i)) if across else (axes.vlines, (i, mid))
        lines(i, low, high, color="0.15", linewidth=1.2)
        lines(i, q1, q3, color="0.15", linewidth=uniform(rng, 4, 8))
        axes.scatter(*spots, s=12, color="white", zorder=3)
    _add_jitter(rng, axes, groups, across, share=1.0 if inner == "points" else 0.0)
    (axes.set_yticks if across else axes.set_xticks)(range(count), categories(rng, count))
    add_words(rng, axes)
