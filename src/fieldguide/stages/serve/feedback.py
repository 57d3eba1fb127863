"""What visitors say a picture really shows: kept with the picture in a folder that `add` takes in, where that is on.

`feedback.csv` lists each picture with its right name, what the guide had answered, and the model that did. Of several
names for one picture the last one stands. Knows nothing about HTTP.
"""

import csv
import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fieldguide.filetypes import picture_format
from fieldguide.hashing import hash_bytes

TABLE = "feedback.csv"
_COLUMNS = ("path", "label", "answered", "prob", "model", "kept_at")


@dataclass(frozen=True)
class Correction:
    """What a visitor says of a picture.

    Attributes:
        data: the picture's file.
        class_name: what it shows; "" for none of the guide's classes.
        answered: what the guide had answered, "" where it declined.
        prob: how probable it had found that.
        model: the hash of the model.
    """

    data: bytes
    class_name: str
    answered: str
    prob: float
    model: str


class Feedback:
    """A folder of pictures that visitors have named.

    Args:
        folder: where they are kept; made with the first one.
        max_bytes: most bytes of all pictures.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._lock = threading.Lock()

    def keep(self, correction: Correction) -> bool:
        """Keep a picture and its name, on the disk when this returns; return False where there is no room. Blocks.

        Raises:
            FieldguideError: it cannot be written.
        """
        # not at the top: a server that keeps nothing loads no SQLite
        from fieldguide.project.atomic import write_bytes, write_text

        name = f"{hash_bytes(correction.data)}.{picture_format(correction.data).lower()}"
        with self._lock:
            if not (self._folder / name).is_file():
                if self._size_bytes() + len(correction.data) > self._max_bytes:
                    return False
                write_bytes(self._folder / name, correction.data)
            rows = {**self._read(), name: self._row(name, correction)}
            text = io.StringIO()
            writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows.values())
            write_text(self._folder / TABLE, text.getvalue())
        return True

    def _size_bytes(self) -> int:
        """Return how much is kept."""
        return sum(path.stat().st_size for path in self._folder.glob("*.*")) if self._folder.is_dir() else 0

    def _read(self) -> dict[str, Mapping[str, str]]:
        """Return the rows that are there; a person may have taken some out."""
        path = self._folder / TABLE
        if not path.is_file():
            return {}
        with path.open(encoding="utf-8", newline="") as file:
            return {row["path"]: row for row in csv.DictReader(file) if row.get("path")}

    @staticmethod
    def _row(name: str, correction: Correction) -> Mapping[str, str]:
        return {
            "path": name, "label": correction.class_name, "answered": correction.answered,
            "prob": f"{correction.prob:.4f}", "model": correction.model[:12],
            "kept_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }  # fmt: skip
