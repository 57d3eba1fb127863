"""The little that is read of a picture's EXIF block: which way is up, when it was taken, and by which camera.

A block may be broken or lie. What cannot be read counts as not there; nothing here raises an error or warns
(CIPA DC-008).
"""

import re
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from fieldguide.records import NO_CAPTURE, Capture

_MAKE, _MODEL, _ORIENTATION, _DETAILS, _TAKEN, _FRACTION = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003, 0x9291
_SHORT, _TEXT, _OFFSETS = 3, 2, (4, 13)
_LONGEST = 64  # bytes of a text
_MOMENT = re.compile(r"(\d{4})[:./-](\d\d)[:./-](\d\d)[ T]([ \d]\d):(\d\d):(\d\d)", re.ASCII)
_DIGITS = re.compile(r"\d{1,6}", re.ASCII)


class _Entry(NamedTuple):
    """An entry of a directory: its type, how many values it has, and its last four bytes."""

    kind: int
    length: int
    value: bytes


class _Block:
    """A block whose entries can be read by their tags."""

    def __init__(self, exif: object) -> None:
        self._data = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
        self._order = {b"II*\0": "<", b"MM\0*": ">"}.get(self._data[:4], "")

    def first_directory(self) -> dict[int, _Entry]:
        """Return the entries of the first directory by tag."""
        return self.directory(_Entry(_OFFSETS[0], 1, self._data[4:8]))

    def directory(self, entry: _Entry | None) -> dict[int, _Entry]:
        """Return the entries, by tag, of the directory that an entry points to."""
        entries: dict[int, _Entry] = {}
        if not self._order or entry is None or entry.kind not in _OFFSETS or len(entry.value) < 4:
            return entries
        at = self._offset(entry)
        if at + 2 > len(self._data):
            return entries
        (count,) = struct.unpack_from(f"{self._order}H", self._data, at)
        for start in range(at + 2, min(at + 2 + 12 * count, len(self._data) - 11), 12):
            tag, kind, length = struct.unpack_from(f"{self._order}HHI", self._data, start)
            entries.setdefault(tag, _Entry(kind, length, self._data[start + 8 : start + 12]))
        return entries

    def number(self, entry: _Entry | None) -> int:
        """Return a short number, 0 where it is none."""
        return int(struct.unpack(f"{self._order}H", entry.value[:2])[0]) if entry and entry.kind == _SHORT else 0

    def text(self, entry: _Entry | None) -> str:
        """Return a text without what cannot be printed, "" where it is none."""
        if entry is None or entry.kind != _TEXT:
            return ""
        start, count = self._offset(entry), min(entry.length, _LONGEST)
        data = entry.value[:count] if count <= 4 else self._data[start : start + count]
        return "".join(filter(str.isprintable, data.partition(b"\0")[0].decode("ascii", "ignore"))).strip()

    def _offset(self, entry: _Entry) -> int:
        return int(struct.unpack(f"{self._order}I", entry.value)[0])


def read_orientation(exif: object) -> int:
    """Read the orientation, 1 to 8; 1 where it is missing or unreadable (4.6.4, tag 0x0112)."""
    block = _Block(exif)
    orientation = block.number(block.first_directory().get(_ORIENTATION))
    return orientation if 1 <= orientation <= 8 else 1


def read_capture(exif: object) -> Capture:
    """Read when a picture was taken, to fractions of a second where they are known, and by which camera.

    It is the time of the exposure (DateTimeOriginal, SubSecTimeOriginal), never that of a scan or of the last change.
    """
    block = _Block(exif)
    first = block.first_directory()
    details = block.directory(first.get(_DETAILS))
    moment = _moment(block.text(details.get(_TAKEN)), block.text(details.get(_FRACTION)))
    return Capture(moment, _camera(block, first)) if moment else NO_CAPTURE


def _moment(text: str, fraction: str) -> str:
    """Return a time in ISO 8601, "" where it is none."""
    match, digits = _MOMENT.match(text), _DIGITS.match(fraction)
    if match is None:
        return ""
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return datetime(
            year, month, day, hour, minute, second, int(digits[0].ljust(6, "0")) if digits else 0
        ).isoformat()
    except ValueError:  # such as 0000:00:00, of a clock that was never set
        return ""


def _camera(block: _Block, directory: Mapping[int, _Entry]) -> str:
    return " ".join(filter(None, (block.text(directory.get(tag)) for tag in (_MAKE, _MODEL))))
