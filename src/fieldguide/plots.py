"""Charts as PNG bytes: curves, bars, and what is gained for what it costs.

Knows nothing about runs or pictures: names and numbers in, bytes out, the same for the same on one machine. The
colours are those of Okabe and Ito, "Color Universal Design" (2008), which people tell apart whatever colours they
see, and lines differ in their dashes as well.
"""

import io
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from fieldguide.optional import require

__all__ = ["MAX_BARS", "PlotPoint", "bars", "curves", "pareto"]

MAX_BARS = 60
_WIDTH_IN, _HEIGHT_IN = 8.0, 4.8
_DPI = 200  # two dots for each of the 800 pixels that a chart is shown at
_INK, _SOFT, _LINE = "#1d2420", "#5c6761", "#dde3df"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1d2420")
_DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
_MAX_NAME = 30
_MAX_MARKS = 60  # points of a line that are marked
_MAX_KEY = 16  # names beside a chart before they crowd it
_MISSING = "\N{WHITE SQUARE}"
# DejaVu comes with matplotlib; the others have the letters that it lacks, where a system brings them
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "PingFang SC",
          "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS")  # fmt: skip
_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}


@dataclass(frozen=True)
class PlotPoint:
    """One choice among several.

    Attributes:
        name: what it is called.
        x: what it costs. A cost of 0 has no place on a logarithmic axis: it is drawn as a line across the chart.
        y: what it gives.
        low: the lower end of the interval of `y`.
        high: the upper end.
        best: whether nothing else gives more for less: the frontier goes through it.
    """

    name: str
    x: float
    y: float
    low: float
    high: float
    best: bool


def curves(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> bytes:
    """A PNG of lines by name, each of (x, y); a value that is not finite leaves a gap.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with drawing(_HEIGHT_IN) as (figure, out):
        axes = _axes(figure, title, x, y)
        for place, (name, points) in enumerate(series.items()):
            kept = [(one, other if math.isfinite(other) else math.nan) for one, other in points if math.isfinite(one)]
            axes.plot([one for one, _ in kept], [other for _, other in kept], _DASHES[place % len(_DASHES)],
                      marker="o" if len(kept) <= _MAX_MARKS else "", markersize=3.5,
                      color=_COLOURS[place % len(_COLOURS)], label=label(name))  # fmt: skip
        if all(one == round(one) for line in series.values() for one, _ in line if math.isfinite(one)):
            axes.locator_params(axis="x", integer=True)  # there is no epoch 1.5
        if not any(series.values()):
            _say_empty(axes)
        elif len(series) > 1:
            lines = axes.get_lines()
            _key(axes, [line.get_label() for line in lines], lines)
        _write(figure, out)
    return out.getvalue()


def bars(values: Mapping[str, tuple[float, float]], *, title: str, x: str) -> bytes:
    """A PNG of horizontal bars by name, first on top, each of (value, spread); the first `MAX_BARS` of more.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    shown = list(values.items())[:MAX_BARS]
    with drawing(1.1 + 0.26 * max(len(shown), 3)) as (figure, out):
        axes = _axes(figure, title, x, "")
        axes.grid(visible=False, axis="y")
        if shown:
            places = range(len(shown))
            lengths = [value if math.isfinite(value) else 0.0 for _, (value, _) in shown]
            spreads = [spread if math.isfinite(spread) and spread > 0 else 0.0 for _, (_, spread) in shown]
            axes.barh(places, lengths, xerr=spreads if any(spreads) else None, height=0.68, color=_COLOURS[0],
                      error_kw={"ecolor": _INK, "elinewidth": 1.1, "capsize": 2.5})  # fmt: skip
            axes.set_yticks(places, [label(name) for name, _ in shown])
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            if len(values) > len(shown):
                axes.set_title(f"the first {len(shown)} of {len(values)}", loc="right", fontsize=9, fontweight="normal")
        else:
            _say_empty(axes)
        _write(figure, out)
    return out.getvalue()


def pareto(points: Sequence[PlotPoint], *, title: str, x: str, y: str) -> bytes:
    """A PNG of what each choice gives (higher is better) for what it costs (logarithmic; less is better).

    Points on the frontier are filled and joined by steps. A number at a point leads to its name beside the chart; of
    many points only those on the frontier have one.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with drawing(_HEIGHT_IN) as (figure, out):
        axes = _axes(figure, title, x, y)
        placed = [point for point in points if point.x > 0]
        free = [point for point in points if not point.x > 0]
        if not points:
            _say_empty(axes)
        if placed:
            _log_x(axes, [point.x for point in placed])
            _points(axes, placed)
        for place, point in enumerate(free):
            axes.axhline(point.y, color=_SOFT, linestyle=_DASHES[1 + place % 3], linewidth=1.2)
        named = placed if len(placed) <= _MAX_KEY else [point for point in placed if point.best]
        _names(figure, axes, named, free)
        _write(figure, out)
    return out.getvalue()


@contextmanager
def drawing(height_in: float) -> Iterator[tuple[Any, io.BytesIO]]:
    """An empty figure and where its bytes go; inside, settings are ours alone, whatever a matplotlibrc says."""
    matplotlib = require("matplotlib", extra="train")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        ours: Any = {**_STYLE, "font.family": list(_letters())}
        matplotlib.rcParams.update(ours)
        figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, io.BytesIO()


def _write(figure: Any, out: io.BytesIO) -> None:
    """Nothing; `out` holds the PNG, which does not say when or by what it was made."""
    figure.canvas.print_png(out, metadata={"Software": None})


@cache
def _letters() -> dict[str, frozenset[int]]:
    """The families of `_FONTS` that are here, each with the code points that it can draw."""
    from matplotlib.font_manager import FontProperties, fontManager, get_font

    here = set(fontManager.get_font_names())
    found = {}
    for family in _FONTS:
        if family in here:
            path = fontManager.findfont(FontProperties(family=family))
            found[family] = frozenset(get_font(path).get_charmap())
    return found


def label(text: str) -> str:
    """The text on one line, shortened; a letter that no font has becomes a square, marks that cannot be seen go."""
    plain = "".join(" " if one.isspace() else one for one in text if unicodedata.category(one) not in ("Cf", "Cs"))
    short = plain if len(plain) <= _MAX_NAME else plain[: _MAX_NAME - 1].rstrip() + "…"
    known = _letters().values()
    return "".join(one if any(ord(one) in letters for letters in known) else _MISSING for one in short)


def _axes(figure: Any, title: str, x: str, y: str) -> Any:
    """The axes of a chart with its words."""
    axes = figure.add_subplot()
    words = [" ".join(label(word) for word in text.split()) for text in (title, x, y)]
    axes.set_title(words[0], pad=10)
    axes.set_xlabel(words[1])
    axes.set_ylabel(words[2])
    return axes


def _say_empty(axes: Any) -> None:
    """Nothing; the chart says that there is nothing in it."""
    axes.text(0.5, 0.5, "nothing to draw yet", transform=axes.transAxes, ha="center", va="center", color=_SOFT)
    axes.set_xticks([])
    axes.set_yticks([])


def _key(axes: Any, labels: Sequence[str], marks: Sequence[Any]) -> None:
    """Nothing; names stand beside the chart, the first of them where there are too many."""
    from matplotlib.lines import Line2D

    shown, names = list(marks[:_MAX_KEY]), list(labels[:_MAX_KEY])
    if len(labels) > _MAX_KEY:
        shown.append(Line2D([], [], linestyle=""))
        names.append(f"and {len(labels) - _MAX_KEY} more")
    room = 2.4 if any(mark.get_linestyle() != "None" for mark in marks) else 0.0
    axes.legend(shown, names, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, handlelength=room,
                handletextpad=0.8 if room else 0.0)  # fmt: skip


def _log_x(axes: Any, costs: Sequence[float]) -> None:
    """Nothing; the x axis is logarithmic, with plain numbers at 1, 2 and 5 of each power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(costs), max(costs)
    axes.set_xscale("log")
    axes.set_xlim(low / max((high / low) ** 0.08, 1.25), high * max((high / low) ** 0.08, 1.25))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1e4 else (1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _points(axes: Any, points: Sequence[PlotPoint]) -> None:
    """Nothing; the points with their intervals, and the frontier's steps."""
    best = sorted((point for point in points if point.best), key=lambda point: (point.x, point.y))
    if best:
        ends = [point.x for point in best] + [axes.get_xlim()[1]]
        axes.step(ends, [point.y for point in best] + [best[-1].y], where="post", color=_COLOURS[0], linewidth=1.4,
                  zorder=2)  # fmt: skip
    for chosen, colour, fill in ((False, _SOFT, "white"), (True, _COLOURS[0], _COLOURS[0])):
        some = [point for point in points if point.best is chosen]
        spreads = [
            [max(point.y - point.low, 0.0) for point in some],
            [max(point.high - point.y, 0.0) for point in some],
        ]
        if some:
            axes.errorbar([point.x for point in some], [point.y for point in some], yerr=spreads, fmt="o", color=colour,
                          markerfacecolor=fill, markersize=7, elinewidth=1.1, capsize=2.5, zorder=3)  # fmt: skip


def _names(figure: Any, axes: Any, named: Sequence[PlotPoint], free: Sequence[PlotPoint]) -> None:
    """Nothing; each named point has a number that covers no other, and the key says whose it is."""
    from matplotlib.lines import Line2D

    blank = Line2D([], [], linestyle="")
    lines = [Line2D([], [], color=_SOFT, ls=_DASHES[1 + place % 3]) for place in range(len(free))]
    labels = [f"{number}  {label(point.name)}" for number, point in enumerate(named, 1)]
    if named or free:
        _key(axes, [*labels, *(label(point.name) for point in free)], [*(blank for _ in named), *lines])
    figure.canvas.draw()  # the layout is known only now
    figure.set_layout_engine("none")
    dots = [tuple(axes.transData.transform((point.x, point.y))) for point in named]
    for number, (point, place) in enumerate(zip(named, _places(dots), strict=True), 1):
        axes.annotate(str(number), (point.x, point.y), xytext=place, textcoords="offset pixels", ha="center",
                      va="center", fontsize=9, fontweight="bold", zorder=4, color=_INK)  # fmt: skip


def _places(dots: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where a number goes beside each dot, in pixels from it: the first of the places around it that is free."""
    side = 9 * _DPI / 72  # the height of a number's letters
    taken = list(dots)
    found = []
    for x, y in dots:
        rings = [(side * far * math.cos(turn), side * far * math.sin(turn)) for far in (1.5, 2.4, 3.4)
                 for turn in (math.pi / 4, -math.pi / 4, 3 * math.pi / 4, -3 * math.pi / 4)]  # fmt: skip
        rooms = [min(math.hypot(x + dx - a, y + dy - b) for a, b in taken) for dx, dy in rings]
        best = next((place for place, room in enumerate(rooms) if room > 1.2 * side), rooms.index(max(rooms)))
        found.append(rings[best])
        taken.append((x + rings[best][0], y + rings[best][1]))
    return found
