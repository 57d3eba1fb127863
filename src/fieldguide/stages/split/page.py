"""The page of a split, split/report.html: pictures that stand, or would stand, on two sides, next to each other.

One offline file; pictures are encoded anew. Knows nothing about how groups are found.
"""

import base64
from collections.abc import Mapping
from typing import Any

from fieldguide.errors import BadImage, InputMissing
from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.project import Project, decode_limits
from fieldguide.records import LinkedPair, Rejection, SplitReport
from fieldguide.settings import Settings
from fieldguide.text import render

PAGE = "split/report.html"
_SIDE = 220
_SHOWN = 24  # pairs of each kind


def render_page(project: Project, settings: Settings, report: SplitReport, formats: Mapping[str, str]) -> str:
    """Return the text of split/report.html.

    Args:
        project: whose pictures are shown.
        settings: its settings.
        report: what is shown.
        formats: the format of each picture by hash.
    """
    thumbnails = _Thumbnails(project, settings, formats)
    class_names = sorted({name for counts in report.counts.values() for name in counts})
    return render(
        "split.html",
        {
            "name": settings.name,
            "report": report,
            "class_names": class_names,
            "totals": {split: sum(counts.values()) for split, counts in report.counts.items()},
            "leaking": [thumbnails.pair(pair) for pair in report.leaking[:_SHOWN]],
            "set_aside": [thumbnails.rejected(item) for item in report.set_aside[:_SHOWN]],
            "pairs": [thumbnails.pair(pair) for pair in report.pairs[:_SHOWN]],
            "shown": _SHOWN,
        },
    )


class _Thumbnails:
    """Makes small JPEGs of originals, each once."""

    def __init__(self, project: Project, settings: Settings, formats: Mapping[str, str]) -> None:
        self._project, self._formats = project, formats
        self._limits = decode_limits(settings)
        self._made: dict[str, str] = {}

    def pair(self, pair: LinkedPair) -> dict[str, Any]:
        """Return a pair as the template shows it."""
        sides = [
            {"location": pair.location, "split": pair.split, "thumbnail": self._thumbnail(pair.sha256)},
            {"location": pair.other_location, "split": pair.other_split, "thumbnail": self._thumbnail(pair.other)},
        ]
        return {"why": pair.why, "sides": sides}

    def rejected(self, item: Rejection) -> dict[str, Any]:
        """Return a picture that is set aside with the one that it is most in the way of."""
        sides = [
            {"location": item.location, "split": "set aside", "thumbnail": self._thumbnail(item.sha256)},
            {"location": item.location_of_copy, "split": "", "thumbnail": self._thumbnail(item.copy_of)},
        ]
        return {"why": item.detail, "sides": sides}

    def _thumbnail(self, sha256: str) -> str:
        """Return a small JPEG in base64; "" of a picture that is gone or broken."""
        if sha256 not in self._made:
            try:
                data = self._project.read_image(sha256, self._formats[sha256])
                jpeg = thumbnail_jpeg(decode(data, self._limits, at_least=_SIDE), _SIDE)
            except (BadImage, InputMissing, KeyError):
                jpeg = b""
            self._made[sha256] = base64.b64encode(jpeg).decode()
        return self._made[sha256]
