"""A matplotlib figure in one of many styles, and its picture.

Knows nothing about chart types. Uses the object interface only, so that no figure stays open and no setting
stays changed.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from fieldguide_charts.data import axis_title, title
from fieldguide_charts.look import Look
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform

_STYLES = [
    "default", "classic", "ggplot", "bmh", "fivethirtyeight", "grayscale", "dark_background", "Solarize_Light2",
    "seaborn-v0_8", "seaborn-v0_8-whitegrid", "seaborn-v0_8-ticks", "seaborn-v0_8-white", "tableau-colorblind10",
    "seaborn-v0_8-darkgrid", "petroff10",
]  # fmt: skip
_STYLE_WEIGHTS = [6, 1.2, 1.5, 0.8, 0.8, 0.5, 0.5, 0.3, 1.2, 1.2, 1.2, 1.0, 0.6, 1.0, 0.4]
_FONTS = {
    "sans": ["DejaVu Sans"],
    "dejavu": ["DejaVu Sans"],
    "serif": ["STIXGeneral", "DejaVu Serif"],
    "mono": ["DejaVu Sans Mono"],
}
_MAPS = ["viridis", "plasma", "Blues", "Reds", "YlOrRd", "coolwarm", "RdBu", "Spectral", "jet", "Greens", "RdYlGn",
         "OrRd", "inferno", "YlGnBu", "Purples", "cividis", "Set3", "PuRd"]  # fmt: skip

Plot = Callable[[Any], None]


def colour_map(rng: Rng) -> str:
    """Return the name of one of matplotlib's colour maps."""
    return choice(rng, _MAPS)


def _settings(rng: Rng, look: Look) -> dict[Any, Any]:
    import matplotlib.style
    from cycler import cycler

    found: dict[Any, Any] = {}
    if chance(rng, 0.62):
        style = choice(rng, _STYLES, _STYLE_WEIGHTS)
        if style != "default":
            found.update(dict(matplotlib.style.library[style].items()))
    else:
        found.update(_look_settings(look))
    if chance(rng, 0.4):
        found["axes.prop_cycle"] = cycler(color=look.colours)
    found["font.family"] = _FONTS[look.letters]
    found["font.size"] = min(look.text_px, 15) * uniform(rng, 0.75, 1.0)
    found.update({f"{part}.labelsize": "medium" for part in ("axes", "xtick", "ytick")})
    found.update({"axes.titlesize": "large", "legend.fontsize": "medium", "figure.max_open_warning": 0})
    found["text.usetex"] = False
    if chance(rng, 0.05):
        found["path.sketch"] = (1.5, 100, 2)
    return found


def _look_settings(look: Look) -> dict[str, Any]:
    edges = {"box": (1, 1, 1, 1), "corner": (1, 1, 0, 0), "base": (0, 1, 0, 0)}.get(look.axes, (0, 0, 0, 0))
    return {
        "figure.facecolor": look.paper,
        "axes.facecolor": look.plot,
        "axes.edgecolor": look.ink,
        "axes.labelcolor": look.ink,
        "text.color": look.ink,
        "xtick.color": look.ink,
        "ytick.color": look.ink,
        "grid.color": look.faint,
        "axes.grid": bool(look.grid),
        "axes.grid.axis": "both" if look.grid == "xy" else look.grid or "both",
        "axes.axisbelow": True,
        **{f"axes.spines.{k}": bool(v) for k, v in zip(("left", "bottom", "top", "right"), edges, strict=True)},
    }


def make_picture(rng: Rng, look: Look, plot: Plot, projection: str | None = None) -> Image.Image:
    """Return the figure as RGBA, with `plot` called on its axes (on each of them where it has several)."""
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dpi = 80
    with rc_context():
        # From the library's own defaults, so that nobody's matplotlibrc changes a drawing.
        rcdefaults()
        rcParams.update(_settings(rng, look))
        figure = Figure(figsize=(look.width / dpi, look.height / dpi), dpi=dpi)
        rows, columns = choice(rng, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)], [92, 3, 1.5, 1.5, 0.3])
        for i in range(rows * columns):
            axes = figure.add_subplot(rows, columns, i + 1, projection=projection)
            plot(axes)
        low = uniform(rng, 0.11, 0.2)
        spread = {"wspace": 0.3, "hspace": 0.35} if rows * columns > 1 else {}
        figure.subplots_adjust(left=uniform(rng, 0.11, 0.17), bottom=low, right=0.95, top=0.89, **spread)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()), "raw", "RGBA", 0, 1)


def add_words(rng: Rng, axes: Any, legend: Sequence[str] = ()) -> None:
    """Give the axes a title, axis names and a legend, each only sometimes."""
    if chance(rng, 0.55):
        axes.set_title(title(rng), loc=choice(rng, ["center", "center", "left"]))
    if chance(rng, 0.4):
        axes.set_xlabel(axis_title(rng))
    if chance(rng, 0.4):
        axes.set_ylabel(axis_title(rng))
    if legend and chance(rng, 0.6):
        axes.legend(legend, loc=choice(rng, ["best", "upper left", "upper right"]), frameon=chance(rng, 0.6),
                    ncol=integer(rng, 1, 2))  # fmt: skip
    if chance(rng, 0.06):
        axes.axis("off")
