"""Pictures for a person to look at: rows of squares with words beside them, and a table of what was taken for what.

Knows nothing about networks, augmentation or files: arrays and names in, pixels or PNG bytes out.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["SheetRow", "draw_confusion", "draw_rows", "encode_png", "spell"]

_INK, _SOFT, _RIGHT, _WRONG = (29, 36, 32), (92, 103, 97), (0, 114, 178), (213, 94, 0)  # Okabe and Ito's blue, orange
_GAP, _LINE = 6, 16
_NAMES = 150  # pixels for the words beside a row
_CELL = 128
_TABLE, _LARGEST, _READABLE = 900, 48, 12  # pixels: a whole table, its largest cells, cells that can have a name
_NO_LETTER = "\U0010fffd"  # for private use: no font here gives it a shape


@dataclass(frozen=True)
class SheetRow:
    """A row of a sheet.

    Attributes:
        name: written beside it.
        squares: (n, size, size, 3) uint8 RGB.
        words: lines written under each square, the same number for each; empty for none.
    """

    name: str
    squares: NDArray[np.uint8]
    words: tuple[tuple[str, ...], ...] = ()


def draw_rows(heading: Sequence[str], rows: Sequence[SheetRow]) -> NDArray[np.uint8]:
    """The sheet, (h, w, 3) uint8 RGB; squares are shown 128 pixels wide.

    Args:
        heading: a word above each column; every row has as many squares.
        rows: at least one; their words in letters that can be drawn, see `spell`.

    Raises:
        ValueError: a row has another number of squares.
    """
    if any(len(row.squares) != len(heading) for row in rows):
        raise ValueError(f"each row must have {len(heading)} squares, one for each word of the heading")
    heights = [_CELL + _GAP + _LINE * max(map(len, row.words), default=0) for row in rows]
    width = _NAMES + len(heading) * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, _LINE + 2 * _GAP + sum(heights)), "white")
    for across, word in enumerate(heading):
        _write(sheet, word, (_NAMES + across * (_CELL + _GAP), _GAP), _CELL)
    top = _LINE + 2 * _GAP
    for row, height in zip(rows, heights, strict=True):
        _write(sheet, row.name, (_GAP, top + _CELL // 2 - _LINE // 2), _NAMES - 2 * _GAP)
        for across, square in enumerate(row.squares):
            left = _NAMES + across * (_CELL + _GAP)
            way = Image.Resampling.NEAREST if len(square) <= _CELL else Image.Resampling.LANCZOS
            sheet.paste(Image.fromarray(square).resize((_CELL, _CELL), way), (left, top))
            for line, words in enumerate(row.words[across] if row.words else ()):
                _write(sheet, words, (left, top + _CELL + 1 + line * _LINE), _CELL)
        top += height
    return np.array(sheet)


def draw_confusion(counts: NDArray[np.integer], class_names: Sequence[str]) -> NDArray[np.uint8]:
    """A table as a picture, (h, w, 3) uint8 RGB: a row for each class, a column for each answer.

    The darker a cell, the larger its share of its row; right answers are blue and wrong ones orange. Cells that have
    room say their number, and rows and columns that have room their class.

    Args:
        counts: (classes, classes); rows are what pictures show, columns what was answered.
        class_names: for each row.

    Raises:
        ValueError: there are not as many names as rows and columns.
    """
    classes = len(class_names)
    if counts.shape != (classes, classes) or not classes:
        raise ValueError(f"a table of {classes} classes is not {counts.shape}")
    cell = max(2, min(_LARGEST, _TABLE // classes))
    named = cell >= _READABLE
    margin = _NAMES if named else _LINE
    start = margin + _LINE + _GAP
    sheet = Image.new("RGB", (start + classes * cell + _GAP, start + classes * cell + _GAP), "white")
    sheet.paste(Image.fromarray(_shade(counts).repeat(cell, 0).repeat(cell, 1)), (start, start))
    _write(sheet, "answered", (start, _GAP // 2), classes * cell, _SOFT)
    _write_upwards(sheet, "shown", (_GAP // 2, start + classes * cell), classes * cell, _SOFT)
    for number, name in enumerate(class_names if named else ()):
        words, at = spell(name, number + 1), start + number * cell + (cell - _LINE) // 2
        _write(sheet, words, (_LINE + _GAP, at), margin - _GAP)
        _write_upwards(sheet, words, (at, start - _GAP), margin - _GAP)
    if cell >= 2 * _READABLE:
        _write_counts(sheet, counts, cell, start)
    return np.array(sheet)


def _shade(counts: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A pixel for each cell, (classes, classes, 3) uint8: from white to blue on the diagonal, elsewhere to orange."""
    share = (counts / np.maximum(1, counts.sum(axis=1, keepdims=True)))[..., None]
    hue = np.where(np.eye(len(counts), dtype=bool)[..., None], np.array(_RIGHT), np.array(_WRONG))
    # a single mistake among hundreds must be seen
    strength = np.where(share > 0, 0.15 + 0.85 * share, 0.02)
    shade: NDArray[np.uint8] = np.rint(255 + (hue - 255) * strength).astype(np.uint8)
    return shade


def _write_counts(sheet: Image.Image, counts: NDArray[np.integer], cell: int, start: int) -> None:
    """Nothing; each count that is not 0 stands in its cell."""
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    for row, column in np.argwhere(counts > 0).tolist():
        words = str(counts[row, column])
        left = start + column * cell + max(1, (cell - round(_font().getlength(words))) // 2)
        colour = (255, 255, 255) if share[row, column] > 0.5 else _INK
        _write(sheet, words, (left, start + row * cell + (cell - _LINE) // 2), cell - 1, colour)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """The PNG of (h, w, 3) uint8 RGB pixels."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def spell(name: str, number: int) -> str:
    """The name on one line in letters that can be drawn: without accents where need be; "no. 3" where most are lacking.

    Args:
        name: a class name in any script.
        number: what stands for it then.
    """
    plain = " ".join("".join(one for one in name if unicodedata.category(one)[0] != "C" or one.isspace()).split())
    letters = []
    for one in plain:
        bare = unicodedata.normalize("NFKD", one)[0]
        letters.append(one if _has(one) else bare if _has(bare) else "?")
    return "".join(letters) if letters.count("?") * 2 < len(letters) else f"no. {number}"


def _write(sheet: Image.Image, words: str, at: tuple[int, int], most: int, colour: tuple[int, int, int] = _INK) -> None:
    """Nothing; the words are on the sheet, shortened to `most` pixels."""
    font, shown = _font(), words
    while font.getlength(shown) > most and len(shown) > 1:
        shown = shown[:-2] + "."
    ImageDraw.Draw(sheet).text(at, shown, colour, font)


def _write_upwards(
    sheet: Image.Image, words: str, at: tuple[int, int], most: int, colour: tuple[int, int, int] = _INK
) -> None:
    """Nothing; the words are on the sheet, turned to the left, beginning at the bottom `at`."""
    lying = Image.new("RGB", (most, _LINE), "white")
    _write(lying, words, (0, 0), most, colour)
    sheet.paste(lying.transpose(Image.Transpose.ROTATE_90), (at[0], at[1] - most))


@cache
def _font() -> Any:
    """The font that comes with matplotlib, which has most alphabets; without it that of Pillow, which has one."""
    try:
        import matplotlib

        path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
        return ImageFont.truetype(path, 11)
    except (ImportError, OSError):
        return ImageFont.load_default(11)


def _has(letter: str) -> bool:
    """Whether the font can draw a letter: one that it lacks looks like one that nobody has."""
    if letter.isspace():
        return True
    try:
        found, none = _font().getmask(letter), _font().getmask(_NO_LETTER)
    except UnicodeEncodeError:
        return False
    return bool(found.size != none.size or bytes(found) != bytes(none))
