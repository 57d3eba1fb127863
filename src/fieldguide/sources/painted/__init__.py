"""Painted pictures whose dominant colour is known: surfaces, leaves, things, scenes and brushwork in eleven colours.

A colour's name and a seed give the bytes of one picture file, always the same ones with the same library versions.
Knows nothing about projects, the catalogue or training.
"""

import importlib.util

from fieldguide.errors import MissingExtra
from fieldguide.records.candidates import SourceFacts
from fieldguide.sources.painted.names import CLASS_NAMES
from fieldguide.sources.painted.painting import paint

__all__ = ["CLASS_NAMES", "PaintedSource", "paint"]


class PaintedSource:
    """Paints pictures of one dominant colour: a `fieldguide.records.candidates.DrawingSource`."""

    name = "painted"
    facts = SourceFacts(
        about="pictures of 11 dominant colours, painted on this machine; CC0", terms_url="", licence_fields=True
    )
    class_names = CLASS_NAMES
    author = "Fieldguide"
    licence = "CC0-1.0"
    licence_url = "https://creativecommons.org/publicdomain/zero/1.0/"

    def check(self) -> None:
        """Check that the library with the survey's colours is installed.

        Raises:
            MissingExtra: it is not.
        """
        if importlib.util.find_spec("matplotlib") is None:
            raise MissingExtra("painting pictures needs matplotlib", "pip install 'fieldguide[drawn]'")

    def draw(self, class_name: str, seed: int) -> bytes:
        """Return the file of a picture of this dominant colour; the same name and seed give the same bytes."""
        return paint(class_name, seed)
