"""Charts as PNG bytes. Knows nothing about runs: a stand-in of the signature, replaced at the merge."""

from collections.abc import Mapping, Sequence

from fieldguide.errors import MissingExtra

__all__ = ["curves"]


def curves(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str) -> bytes:
    """A PNG of lines by name, each of (x, y).

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("drawing charts needs the extra [train]", "pip install 'fieldguide[train]'") from error
    import io

    figure, out = Figure(), io.BytesIO()
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    for name, points in series.items():
        axes.plot([one for one, _ in points], [other for _, other in points], label=name)
    figure.set_canvas(FigureCanvasAgg(figure))
    figure.savefig(out, format="png")
    return out.getvalue()
