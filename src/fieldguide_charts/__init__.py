"""Charts of fourteen types, drawn by several libraries in many styles from made-up figures.

A class name and a seed give the bytes of one picture file, always the same ones with the same library
versions. Knows nothing about projects, the catalog or training.
"""

from fieldguide_charts.drawing import Drawing, draw
from fieldguide_charts.names import CLASS_NAMES
from fieldguide_charts.source import ChartSource

__all__ = ["CLASS_NAMES", "ChartSource", "Drawing", "draw"]
