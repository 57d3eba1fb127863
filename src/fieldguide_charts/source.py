"""The charts as a source of pictures: joined by the entry point group `fieldguide.sources`, as any package's would be.

Knows nothing about projects or the catalogue, and of Fieldguide only its public records and errors.
"""

import importlib.util

from fieldguide.errors import MissingExtra
from fieldguide.records.candidates import SourceFacts
from fieldguide_charts.drawing import draw
from fieldguide_charts.names import CLASS_NAMES


class ChartSource:
    """Draws charts: a `fieldguide.records.candidates.DrawingSource`."""

    name = "drawn"
    facts = SourceFacts(about="charts of 14 types, drawn on this machine; CC0", terms_url="", licence_fields=True)
    class_names = CLASS_NAMES
    author = "Fieldguide"
    licence = "CC0-1.0"
    licence_url = "https://creativecommons.org/publicdomain/zero/1.0/"

    def check(self) -> None:
        """Check that the libraries that draw are installed.

        Raises:
            MissingExtra: one of them is not.
        """
        missing = [name for name in ("matplotlib", "scipy", "vl_convert") if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingExtra(f"drawing charts needs {', '.join(missing)}", "pip install 'fieldguide[drawn]'")

    def draw(self, class_name: str, seed: int) -> bytes:
        """Return the file of a chart of this type; the same name and seed give the same bytes."""
        return draw(class_name, seed).data
