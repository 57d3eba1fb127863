"""What a table of colour features holds: a row for each picture that somebody has measured and does not hand on.

Its columns are those of `FEATURE_NAMES`, in any order, and one that names the class; a split and a group if they are
there. Each row becomes a swatch. Knows nothing about projects.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fieldguide.errors import InputUnusable
from fieldguide.images.colour_features import FEATURE_NAMES
from fieldguide.images.swatches import SWATCH, make_swatch
from fieldguide.names import LABEL_COLUMNS, column_key
from fieldguide.stages.add.files import InputFile
from fieldguide.stages.add.splits import split_word
from fieldguide.text import one_line

_LABELS = (*LABEL_COLUMNS, "colour", "color")
_SIZE_BYTES = 1000  # about that of a swatch


def has_vectors(headings: Sequence[str]) -> bool:
    """Tell whether the columns of a table are those of colour features."""
    return set(FEATURE_NAMES) <= {column_key(heading) for heading in headings}


def read_vectors(
    path: Path, headings: Sequence[str], rows: Sequence[Sequence[str]], class_name: str
) -> list[InputFile]:
    """Return each row of a table of colour features as a file; that its numbers are none shows when it is read.

    Args:
        path: the table.
        headings: its columns.
        rows: the cells of each row.
        class_name: what every row shows, or "".

    Raises:
        InputUnusable: no column says what the rows show.
    """
    columns = {column_key(heading): place for place, heading in reversed(list(enumerate(headings)))}
    label = next((columns[name] for name in _LABELS if name in columns), None)
    if label is None and not class_name:
        raise InputUnusable(f"{path} has no column that names the colours", "call it class_name, or give --class NAME")
    files = []
    for number, row in enumerate(rows, start=2):  # as a spreadsheet counts
        cells = {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}
        shown = class_name or (row[label].strip() if label is not None and label < len(row) else "")
        files.append(
            InputFile(
                f"{path.name} row {number}", shown, split_word(cells.get("split", "")), _SIZE_BYTES,
                partial(_draw, cells), one_line(cells.get("group", "")), SWATCH,
            )
        )  # fmt: skip
    return files


def _draw(cells: Mapping[str, str]) -> bytes:
    try:
        features = np.array([float(cells[name]) for name in FEATURE_NAMES], np.float32)
    except ValueError as error:
        raise OSError(f"not a row of numbers: {error}") from error
    return make_swatch(features)
