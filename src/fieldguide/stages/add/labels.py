"""What becomes of a picture's label when the picture is met again: known, corrected, or in conflict.

Knows nothing about how files are found.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from fieldguide.errors import FieldguideError
from fieldguide.names import match_key
from fieldguide.project.additions import LabelPlace
from fieldguide.stages.add.files import InputFile
from fieldguide.text import readable

Change = Literal["new", "known", "relabelled", "conflict", "decided"]


class LabelHistory:
    """The labels of the project and where they are from, as far as they stand, while a source is added to it."""

    def __init__(
        self, places: Mapping[str, Sequence[LabelPlace]], class_names: Iterable[str], *, relabel: bool
    ) -> None:
        """Begin with what the project knows.

        Args:
            places: where each image has its labels from.
            class_names: the names of the project; labels beside them count for nothing. Empty where any label counts.
            relabel: whether the label that is met now replaces others.
        """
        self._places = defaultdict(list, {sha256: list(known) for sha256, known in places.items()})
        self._class_names = set(class_names)
        self._relabel = relabel
        self._files: dict[str, dict[str, list[InputFile]]] = {}

    def open_source(self, root: Path, files: Iterable[InputFile]) -> None:
        """Take in what a source holds now: it decides which of its earlier labels still stand in it."""
        by_location = self._files.setdefault(readable(str(root)), defaultdict(list))
        for file in files:
            by_location[file.location].append(file)

    def other_names(self, sha256: str, class_name: str) -> list[str]:
        """Return the other labels of an image: those that count, or where none does, those that do not."""
        names = {place.class_name for place in self._places.get(sha256, ())}
        return sorted((self._counting(sha256) or names) - {class_name})

    def _counting(self, sha256: str) -> set[str]:
        names = {place.class_name for place in self._places.get(sha256, ())}
        return names & self._class_names if self._class_names else names

    def judge(self, sha256: str, class_name: str) -> Change:
        """Return what it means to meet an image under a class name.

        A label is corrected, without being asked for, where its picture no longer stands under it in the source that
        it came from, nor anywhere else: the folder was put in order, or a folder of it renamed.
        """
        counting = self._counting(sha256)
        others = [place for place in self._places.get(sha256, ()) if place.class_name in counting - {class_name}]
        if not others:
            return "known" if class_name in counting else "relabelled" if sha256 in self._places else "new"
        if any(place.by == "person" for place in others):
            return "decided"
        if any(self._stands_here(place, sha256) for place in others):
            return "conflict"
        located = [place for place in others if place.root or place.by != "folder"]
        corrected = bool(located) and all(self._left(place, sha256) for place in located)
        return "relabelled" if self._relabel or corrected else "conflict"

    def has_moved(self, sha256: str) -> bool:
        """Tell whether the image has left every place, in what is added, that it is known from."""
        places = self._places.get(sha256, ())
        return bool(places) and all(
            place.by == "folder" and place.root and self._left(place, sha256) for place in places
        )

    def is_recorded(self, sha256: str, place: LabelPlace) -> bool:
        """Tell whether the label is known from this very place."""
        return place in self._places.get(sha256, ())

    def record(self, sha256: str, place: LabelPlace, *, replaces: bool) -> None:
        """Take in a label that is given now."""
        if replaces:
            self._places[sha256].clear()
        self._places[sha256].append(place)

    def _stands_here(self, place: LabelPlace, sha256: str) -> bool:
        """Tell whether a source that is added holds the picture at that place, under that label, now."""
        return any(
            match_key(file.label) == match_key(place.class_name) and _hash(file) == sha256
            for file in self._files.get(place.root, {}).get(place.location, ())
        )

    def _left(self, place: LabelPlace, sha256: str) -> bool:
        """Tell whether the place belongs to what is added, or to a folder around or in it, and is left."""
        if place.root in self._files:
            return not self._stands_here(place, sha256)
        root = Path(place.root)
        if place.source != "folder" or not any(
            root.is_relative_to(added) or Path(added).is_relative_to(root) for added in self._files
        ):
            return False
        path = root / place.location
        try:
            if not path.is_file():
                return True
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != sha256
        except OSError:  # gone in this moment, or not to be read
            return True


def _hash(file: InputFile) -> str:
    try:
        return hashlib.sha256(file.read()).hexdigest()
    except (OSError, FieldguideError):
        return ""
