"""The fourteen chart types: their names, what each is, and where to read how to draw it.

Knows nothing about drawing.
"""

from collections.abc import Mapping
from types import MappingProxyType

CLASS_NAMES: tuple[str, ...] = (
    "area",
    "box",
    "bubble",
    "chord",
    "choropleth",
    "demographic pyramid",
    "doughnut",
    "horizontal bar",
    "line",
    "pie",
    "scatter",
    "radar",
    "vertical bar",
    "violin",
)

_MATPLOTLIB = "https://matplotlib.org/stable/"
_VEGA_LITE = "https://vega.github.io/vega-lite/"
_VEGA = "https://vega.github.io/vega/examples/"
_PLOTLY = "https://plotly.com/python/"
_D3 = "https://d3js.org/"

ABOUT: Mapping[str, tuple[str, tuple[str, str]]] = MappingProxyType(
    {
        "area": (
            "Filled surfaces between a line and its base show how amounts, often stacked, change along an axis.",
            (_MATPLOTLIB + "gallery/lines_bars_and_markers/stackplot_demo.html", _VEGA_LITE + "docs/area.html"),
        ),
        "box": (
            "Boxes with whiskers show the median, the quartiles and the outliers of each group.",
            (_MATPLOTLIB + "gallery/statistics/boxplot_demo.html", _VEGA_LITE + "docs/boxplot.html"),
        ),
        "bubble": (
            "Circles show a third figure by their size, between two axes or packed together.",
            (_PLOTLY + "bubble-charts/", _VEGA_LITE + "examples/point_bubble.html"),
        ),
        "chord": (
            "Ribbons inside a ring show how much flows between each pair of places on the ring.",
            (_D3 + "d3-chord", _D3 + "d3-chord/ribbon"),
        ),
        "choropleth": (
            "The regions of a map are shaded by a figure.",
            (_PLOTLY + "choropleth-maps/", _VEGA_LITE + "examples/geo_choropleth.html"),
        ),
        "demographic pyramid": (
            "Bars back to back show how many men and women there are in each age group.",
            (_VEGA + "population-pyramid/", _PLOTLY + "population-pyramid-charts/"),
        ),
        "doughnut": (
            "The pieces of a ring with an empty middle show the parts of a whole.",
            (
                _MATPLOTLIB + "gallery/pie_and_polar_charts/pie_and_donut_labels.html",
                _VEGA + "donut-chart/",
            ),
        ),
        "horizontal bar": (
            "Lying bars show an amount for each category by their length.",
            (_MATPLOTLIB + "gallery/lines_bars_and_markers/barh.html", _PLOTLY + "horizontal-bar-charts/"),
        ),
        "line": (
            "Lines through points in order show how figures change, most often with time.",
            (_MATPLOTLIB + "gallery/lines_bars_and_markers/simple_plot.html", _VEGA_LITE + "docs/line.html"),
        ),
        "pie": (
            "The slices of a full disc show the parts of a whole.",
            (_MATPLOTLIB + "gallery/pie_and_polar_charts/pie_features.html", _VEGA + "pie-chart/"),
        ),
        "scatter": (
            "Points of one size between two axes show how two figures go together.",
            (_MATPLOTLIB + "gallery/shapes_and_collections/scatter.html", _VEGA + "scatter-plot/"),
        ),
        "radar": (
            "Closed lines over a web of spokes compare several figures at once.",
            (_MATPLOTLIB + "gallery/specialty_plots/radar_chart.html", _PLOTLY + "radar-chart/"),
        ),
        "vertical bar": (
            "Standing bars show an amount for each category by their height.",
            (_MATPLOTLIB + "gallery/lines_bars_and_markers/barchart.html", _VEGA + "bar-chart/"),
        ),
        "violin": (
            "Mirrored density curves show the shape of the distribution of each group.",
            (_MATPLOTLIB + "gallery/statistics/violinplot.html", _PLOTLY + "violin/"),
        ),
    }
)
