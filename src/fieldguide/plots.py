"""Charts as PNG bytes: curves, bars, and what is gained for what it costs.

Knows nothing about runs or pictures: names and numbers in, bytes out, the same for the same on one machine. The
colours are those of Okabe and Ito, "Color Universal Design" (2008), which people tell apart whatever colours they
see, and lines differ in their dashes as well.
"""

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fieldguide.optional import require

MAX_BARS = 60
_WIDTH_IN, _HEIGHT_IN = 8.0, 4.8
_DPI = 200  # two dots for each of the 800 pixels that a chart is shown at
_INK, _SOFT, _LINE = "#1d2420", "#5c6761", "#dde3df"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1d2420")
_DASHES = ("-", "--", ":", "-.")
_MAX_MARKS = 60  # points of a line that are marked
_MAX_KEY = 16  # names beside a chart before they crowd it
# DejaVu comes with matplotlib; the others have the letters that it lacks, where a system brings them
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "PingFang SC",
          "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS")  # fmt: skip
_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": _INK, "axes.edgecolor": _SOFT, "axes.labelcolor": _INK, "axes.titlesize": 12, "axes.titlepad": 10,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.grid": True, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "font.size": 10, "grid.color": _LINE, "grid.linewidth": 0.7,
    "legend.frameon": False, "legend.fontsize": 9, "xtick.color": _SOFT, "ytick.color": _SOFT,
    "xtick.labelcolor": _INK, "ytick.labelcolor": _INK, "lines.markersize": 3.5, "errorbar.capsize": 2.5,
}  # fmt: skip


def draw_curves(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> bytes:
    """Draw lines by name, each of (x, y), as a PNG; a value that is not finite leaves a gap."""
    with _open_chart(_HEIGHT_IN, title, x, y) as (axes, out):
        for place, points in enumerate(series.values()):
            kept = [(at, value if math.isfinite(value) else math.nan) for at, value in points if math.isfinite(at)]
            axes.plot([at for at, _ in kept], [value for _, value in kept], _DASHES[place % len(_DASHES)],
                      marker="o" if len(kept) <= _MAX_MARKS else "", color=_COLOURS[place % len(_COLOURS)])  # fmt: skip
        if all(at == round(at) for line in axes.get_lines() for at in line.get_xdata()):
            axes.locator_params(axis="x", integer=True)  # there is no epoch 1.5
        if not any(series.values()):
            _say_empty(axes)
        elif len(series) > 1:
            _add_key(axes, list(zip(series, axes.get_lines(), strict=True)), handlelength=2.4)
    return out.getvalue()


def draw_bars(values: Mapping[str, tuple[float, float]], *, title: str, x: str) -> bytes:
    """Draw horizontal bars by name, first on top, each of (value, spread), as a PNG: `MAX_BARS` at most."""
    shown = list(values.items())[:MAX_BARS]
    with _open_chart(1.1 + 0.26 * max(len(shown), 3), title, x, "") as (axes, out):
        axes.grid(visible=False, axis="y")
        if not shown:
            _say_empty(axes)
        else:
            lengths = [value if math.isfinite(value) else 0.0 for _, (value, _) in shown]
            spreads = [spread if math.isfinite(spread) and spread > 0 else 0.0 for _, (_, spread) in shown]
            axes.barh(range(len(shown)), lengths, xerr=spreads if any(spreads) else None, height=0.68,
                      color=_COLOURS[0], error_kw={"ecolor": _INK, "elinewidth": 1.1})  # fmt: skip
            axes.set_yticks(range(len(shown)), [clean_label(name) for name, _ in shown])
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
        if len(values) > len(shown):
            axes.set_title(f"the first {len(shown)} of {len(values)}", loc="right", fontsize=9, fontweight="normal")
    return out.getvalue()


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


def draw_tradeoff(points: Sequence[PlotPoint], *, title: str, x: str, y: str) -> bytes:
    """Draw what each choice gives (higher is better) for what it costs (logarithmic; less is better) as a PNG.

    Points on the frontier are filled and joined by steps. A number at a point leads to its name beside the chart; of
    many points only those on the frontier have one.
    """
    with _open_chart(_HEIGHT_IN, title, x, y) as (axes, out):
        placed, free = [point for point in points if point.x > 0], [point for point in points if not point.x > 0]
        if not points:
            _say_empty(axes)
        if placed:
            _scale_costs(axes, [point.x for point in placed])
            _add_points(axes, placed)
        lines = [axes.axhline(point.y, color=_SOFT, linestyle=_DASHES[1 + place % 3], linewidth=1.2)
                 for place, point in enumerate(free)]  # fmt: skip
        named = placed if len(placed) <= _MAX_KEY else [point for point in placed if point.best]
        key: list[tuple[str, Any]] = [(f"{number}  {point.name}", None) for number, point in enumerate(named, 1)]
        key += [(point.name, line) for point, line in zip(free, lines, strict=True)]
        if key:
            _add_key(axes, key, handlelength=2.4 if free else 0.0, handletextpad=0.8 if free else 0.0)
        _number(axes, named)
    return out.getvalue()


@contextmanager
def open_figure(height_in: float) -> Iterator[tuple[Any, io.BytesIO]]:
    """Give an empty figure and what holds its PNG afterwards; settings are ours alone, whatever a matplotlibrc says."""
    matplotlib = require("matplotlib", extra="train")
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    out = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        for message in ("Glyph ", "Matplotlib currently does not support"):  # a box stands for a letter that is missing
            warnings.filterwarnings("ignore", message, UserWarning)
        matplotlib.rcdefaults()
        here = set(fontManager.get_font_names())
        matplotlib.rcParams.update({**_STYLE, "font.family": [name for name in _FONTS if name in here]})
        figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
        yield figure, out
        figure.savefig(out, format="png", metadata={"Software": None})  # says not by what it was made


@contextmanager
def _open_chart(height_in: float, title: str, x: str, y: str) -> Iterator[tuple[Any, io.BytesIO]]:
    with open_figure(height_in) as (figure, out):
        axes = figure.add_subplot()
        axes.set(title=clean_label(title, 60), xlabel=clean_label(x, 60), ylabel=clean_label(y, 60))
        yield axes, out


def clean_label(text: str, max_letters: int = 30) -> str:
    """Return the text on one line, shortened, without marks that cannot be seen."""
    line = " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
    return line if len(line) <= max_letters else line[: max_letters - 1].rstrip() + "…"


def _say_empty(axes: Any) -> None:
    axes.text(0.5, 0.5, "nothing to draw yet", transform=axes.transAxes, ha="center", va="center", color=_SOFT)
    axes.set(xticks=[], yticks=[])


def _add_key(axes: Any, entries: Sequence[tuple[str, Any]], **style: float) -> None:
    """Write names beside the chart, each with its line where it has one, the first of them where there are too many."""
    from matplotlib.lines import Line2D

    blank = Line2D([], [], linestyle="")
    shown = [(clean_label(name), line or blank) for name, line in entries[:_MAX_KEY]]
    if len(entries) > _MAX_KEY:
        shown.append((f"and {len(entries) - _MAX_KEY} more", blank))
    labels, lines = zip(*shown, strict=True)
    axes.legend(lines, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **style)


def _scale_costs(axes: Any, costs: Sequence[float]) -> None:
    """Make the x axis logarithmic, with plain numbers at 1, 2 and 5 of each power of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(costs), max(costs)
    room = max((high / low) ** 0.08, 1.25)
    axes.set(xscale="log", xlim=(low / room, high * room))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1e4 else (1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _add_points(axes: Any, points: Sequence[PlotPoint]) -> None:
    """Draw the points with their intervals, and the steps of the frontier."""
    best = sorted((point for point in points if point.best), key=lambda point: (point.x, point.y))
    if best:
        ends = [*(point.x for point in best), axes.get_xlim()[1]]
        axes.step(ends, [*(point.y for point in best), best[-1].y], where="post", color=_COLOURS[0], linewidth=1.4)
    for point in points:
        colour = _COLOURS[0] if point.best else _SOFT
        spread = [[max(point.y - point.low, 0.0)], [max(point.high - point.y, 0.0)]]
        axes.errorbar(point.x, point.y, yerr=spread, fmt="o", color=colour, markersize=7, elinewidth=1.1,
                      markerfacecolor=colour if point.best else "white", zorder=4 if point.best else 3)  # fmt: skip


def _number(axes: Any, points: Sequence[PlotPoint]) -> None:
    """Write a number at each point, in the first place around it that is free of other points and numbers."""
    figure, side = axes.figure, 9 * _DPI / 72  # the height of a number's letters
    figure.draw_without_rendering()  # the layout is known only now
    figure.set_layout_engine("none")
    taken = [tuple(axes.transData.transform((point.x, point.y))) for point in points]
    turns = [math.pi / 4, -math.pi / 4, 3 * math.pi / 4, -3 * math.pi / 4]
    offsets = [(side * far * math.cos(turn), side * far * math.sin(turn)) for far in (1.5, 2.4, 3.4) for turn in turns]
    for number, (x, y) in enumerate(taken[:], 1):
        rooms = [min(math.dist((x + dx, y + dy), other) for other in taken) for dx, dy in offsets]
        free = next((place for place, room in enumerate(rooms) if room > 1.2 * side), rooms.index(max(rooms)))
        taken.append((x + offsets[free][0], y + offsets[free][1]))
        axes.annotate(str(number), (points[number - 1].x, points[number - 1].y), xytext=offsets[free],
                      textcoords="offset pixels", ha="center", va="center", fontsize=9, fontweight="bold",
                      zorder=5)  # fmt: skip
