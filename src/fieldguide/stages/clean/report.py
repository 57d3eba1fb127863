"""clean/report.html: what is set aside or suspected, with pictures, and what the kept pictures are like.

One page that needs no network; pictures in it are re-encoded and few. It is written when what it shows has changed.
"""

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage, InputMissing
from fieldguide.hashing import hash_text
from fieldguide.images import GREY_SIDE, decode, thumbnail_jpeg
from fieldguide.images.colour_features import FEATURE_NAMES, read_colours
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow, Rejection
from fieldguide.settings import Settings
from fieldguide.stages.clean.statistics import (
    Boxes,
    correlate,
    count_shapes,
    count_sizes,
    measure_boxes,
    measure_channels,
)
from fieldguide.text import render

REPORT = "clean/report.html"
_VERSION = 1  # of the page; another one is written anew
_SIDE, _QUALITY = 180, 75  # of a thumbnail, pixels and JPEG
_HIDDEN_SIDE = 12  # of one that not everybody should see
_PER_REASON, _MAX_SHOWN = 24, 240  # pictures
_SAMPLE = 20_000  # pictures behind the colour statistics
_MAX_CLASSES, _MAX_BOXES = 60, 12
_GOLDEN = 0.6180339887  # multiples of it fill the unit interval evenly
_TICKS = 5  # between the ends of an axis
# where a chart of boxes stands in its drawing: the names to its left, the values from 0 to 255 across
_NAMES_WIDTH, _PLOT_WIDTH, _LONGEST_NAME = 106, 204, 16
_TITLES = {
    "b_bgr": "blue", "g_bgr": "green", "r_bgr": "red", "h_hsv": "hue", "s_hsv": "saturation", "v_hsv": "value",
    "l_lab": "lightness L", "a_lab": "green to red, a", "b_lab": "blue to yellow, b",
}  # fmt: skip


@dataclass(frozen=True)
class Lists:
    """The pictures that are not simply kept.

    Attributes:
        rejections: set aside.
        suspects: kept, but suspected.
    """

    rejections: Sequence[Rejection]
    suspects: Sequence[Rejection]


def write_report(project: Project, settings: Settings, catalog: Catalog, lists: Lists) -> str:
    """Write the page, unless the one that is there shows the same; return its path in the project."""
    finished = catalog.finished("clean")
    digest = hash_text(repr((_VERSION, settings.name, finished and finished.inputs, lists)))
    path = project.root / REPORT
    if path.is_file() and digest in path.read_text(encoding="utf-8"):
        return REPORT
    page = _Page(project, settings, catalog, lists)
    write_text(path, render("clean.html", {"name": settings.name, "digest": digest, **page.values()}))
    return REPORT


class _Page:
    """Gathers what the page shows."""

    def __init__(self, project: Project, settings: Settings, catalog: Catalog, lists: Lists) -> None:
        self._project = project
        self._limits = decode_limits(settings)
        self._lists = lists
        self._images = catalog.images()
        states = catalog.states()
        self._kept = {state.sha256: state.class_name for state in states if state.state == "kept"}
        self._groups = sum(count > 1 for count in Counter(state.group_id for state in states).values())
        self._sheets = _sheets(lists)
        self._unsafe = {name for name, (item, _) in catalog.verdicts("unsafe").items() if item.verdict != "keep"}
        self._room = max(4, min(_PER_REASON, _MAX_SHOWN // max(1, len(self._sheets))))
        # hashes are random, so the first of them are a fair sample
        self._colours = catalog.colours(sorted(self._kept)[:_SAMPLE])
        self._decoded = catalog.colours(self._shown()).keys()

    def values(self) -> dict[str, Any]:
        """Return the values of the template."""
        rows = [self._images[name] for name in self._kept]
        counts = {
            "all": len(self._images),
            "kept": len(self._kept),
            "groups": self._groups,
            "rejected": len(self._lists.rejections),
            "suspected": len(self._lists.suspects),
        }
        classes, sections = self._classes(), self._sections()
        sizes, colours = _sizes(rows) if rows else {}, self._colour_statistics() if self._colours else {}
        return {"counts": counts, **classes, "sections": sections, "sizes": sizes, "colours": colours}

    def _classes(self) -> dict[str, Any]:
        """Return a row for each class, the largest first: how many are kept, and how many are not, by reason."""
        reasons = _reasons(self._lists.rejections)
        kept = Counter(self._kept.values())
        rejected = Counter((item.class_name, item.reason) for item in self._lists.rejections)
        suspected = Counter(item.class_name for item in self._lists.suspects)
        names = sorted({*kept, *(name for name, _ in rejected)}, key=lambda name: (-kept[name], name))
        rows = [
            {
                "name": name,
                "kept": kept[name],
                "suspected": suspected[name],
                "rejected": [rejected[name, reason] for reason in reasons],
            }
            for name in names
        ]
        return {
            "reasons": reasons,
            "classes": rows[:_MAX_CLASSES],
            "more_classes": max(0, len(rows) - _MAX_CLASSES),
            "class_count": len(kept),
            "most": max(kept.values(), default=1),
            "least": min(kept.values(), default=0),
        }

    def _shown(self) -> list[str]:
        """Return the pictures on the contact sheets, those that they are copies of included."""
        items = [item for _, _, items in self._sheets for item in _choose(items, self._room)]
        return sorted({name for item in items for name in (item.sha256, item.copy_of) if name in self._images})

    def _sections(self) -> list[dict[str, Any]]:
        """Return the contact sheets, suspicions first, with thumbnails."""
        names = self._shown()
        made = map_threads(self._thumbnail, names, workers=core_count())
        thumbnails = dict(zip(names, made, strict=True))
        return [
            {
                "kind": kind,
                "title": reason.replace("_", " "),
                "count": len(items),
                "pictures": [self._figure(kind, item, thumbnails) for item in _choose(items, self._room)],
            }
            for kind, reason, items in self._sheets
        ]

    def _thumbnail(self, name: str) -> str:
        """Return a small JPEG in base64; "" for a picture that could not be decoded, or is gone."""
        side = _HIDDEN_SIDE if name in self._unsafe else _SIDE
        if name not in self._decoded:
            return ""
        try:
            data = self._project.read_image(name, self._images[name].format)
            pixels = decode(data, self._limits, at_least=side)
        except (BadImage, InputMissing):
            return ""
        return base64.b64encode(thumbnail_jpeg(pixels, side, _QUALITY)).decode()

    def _figure(self, kind: str, item: Rejection, thumbnails: Mapping[str, str]) -> dict[str, Any]:
        """Return what the page shows of a picture, and of the one that it is a copy of."""
        like = {
            "thumbnail": thumbnails.get(item.copy_of, ""),
            "location": item.location_of_copy or item.copy_of[:12],
            "kept": item.copy_of in self._kept,
            "hidden": item.copy_of in self._unsafe,
        }
        return {
            "item": item,
            "thumbnail": thumbnails.get(item.sha256, ""),
            "hidden": item.sha256 in self._unsafe,
            "score": f"{item.score:.2f}" if kind == "suspected" or 0.0 < item.score < 1.0 else "",
            "like": like if item.copy_of else None,
        }

    def _colour_statistics(self) -> dict[str, Any]:
        """Return the numbers of the channels and of the 18 features, by class and among each other."""
        features = np.stack([read_colours(measured) for measured in self._colours.values()])
        counts = Counter(self._kept[name] for name in self._colours)
        classes = sorted(counts, key=lambda name: (-counts[name], name))[:_MAX_BOXES]
        places = {name: label for label, name in enumerate(classes)}
        labels = np.array([places.get(self._kept[name], -1) for name in self._colours], dtype=np.int64)
        return {
            "pictures": len(features),
            "sampled": len(self._kept) > _SAMPLE,
            "side": GREY_SIDE,
            "channels": measure_channels(features),
            "boxes": [_chart(boxes) for boxes in measure_boxes(features, labels, classes)],
            "more_classes": len(counts) - len(classes),
            "names": [_title(name) for name in FEATURE_NAMES],
            "correlation": correlate(features).tolist(),
        }


def _sheets(lists: Lists) -> list[tuple[str, str, list[Rejection]]]:
    """Return kind, reason and pictures of each contact sheet, the suspicions first, then the commonest reasons."""
    sheets = []
    for kind, listed in (("suspected", lists.suspects), ("set aside", lists.rejections)):
        for reason in _reasons(listed):
            sheets.append((kind, reason, [item for item in listed if item.reason == reason]))
    return sheets


def _reasons(listed: Sequence[Rejection]) -> list[str]:
    """Return the reasons, the commonest first."""
    counts = Counter(item.reason for item in listed)
    return sorted(counts, key=lambda reason: (-counts[reason], reason))


def _choose(items: Sequence[Rejection], count: int) -> list[Rejection]:
    """Return the highest scores; among equals, pictures from all over the list."""
    order = sorted(range(len(items)), key=lambda place: (-items[place].score, place * _GOLDEN % 1))[:count]
    return [items[place] for place in sorted(order, key=lambda place: (-items[place].score, place))]


def _sizes(rows: Sequence[ImageRow]) -> dict[str, dict[str, int]]:
    """Return how many pictures are of each size, shape and format."""
    width, height = np.array([row.width for row in rows]), np.array([row.height for row in rows])
    return {
        "Shorter side, pixels": count_sizes(width, height),
        "Shape": count_shapes(width, height),
        "Format": dict(Counter(row.format for row in rows).most_common()),
    }


def _chart(boxes: Boxes) -> dict[str, Any]:
    """Return where the boxes of a feature are drawn."""
    low, high, step = _axis([value for values in boxes.quantiles.values() for value in values])

    def at(value: float) -> float:
        return round(_NAMES_WIDTH + _PLOT_WIDTH * (value - low) / (high - low), 1)

    rows = [
        {
            "name": name,
            "label": name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…",
            "quantiles": values,
            "x": [at(value) for value in values],
            "width": round(at(values[3]) - at(values[1]), 1),
        }
        for name, values in boxes.quantiles.items()
    ]
    ticks = [{"x": at(value), "label": value} for value in range(low, high + 1, step)]
    return {"title": _title(boxes.feature), "rows": rows, "ticks": ticks}


def _axis(values: Sequence[float]) -> tuple[int, int, int]:
    """Return whole numbers around the values, and the step between ticks: six of them at the most."""
    least, most = min(values), max(values)
    step = next((step for step in (2, 5, 10, 25, 50) if (most - least) / step <= _TICKS), 100)
    low = math.floor(least / step) * step
    return low, max(math.ceil(most / step) * step, low + step), step


def _title(feature: str) -> str:
    """Return a feature's name for a person."""
    channel, _, number = feature.rpartition("_")
    return f"{_TITLES[channel]}, {'mean' if number == 'mean' else 'deviation'}"
