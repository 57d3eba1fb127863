"""Sheets for a person: squares where they belong, counts that can be seen, and names in any script."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from fieldguide.learners import sheets
from fieldguide.learners.sheets import SheetRow, draw_confusion, draw_rows, encode_png, spell


def squares(count: int, side: int = 128) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


def test_squares_stand_in_rows_with_words_beside_and_below() -> None:
    one, two = squares(2), squares(2)[::-1]
    sheet = draw_rows(["a", "b"], [SheetRow("rose", one), SheetRow("tulip", two, (("60%", "40%"), ("1", "")))])
    blank = draw_rows(["", ""], [SheetRow("", one), SheetRow("", two, (("", ""), ("", "")))])
    assert sheet.shape == blank.shape and sheet.dtype == np.uint8
    for left, number in ((150, 0), (284, 1)):
        assert np.array_equal(sheet[28 : 28 + 128, left : left + 128], one[number])
        assert np.array_equal(sheet[162 : 162 + 128, left : left + 128], two[number])
    changed = (sheet != blank).any(2)
    assert changed[:28].any() and changed[28:156, :150].any() and changed[162:290, :150].any()
    assert changed[290:].any() and not changed[28:290, 150:].any()


@pytest.mark.parametrize("side", [8, 300])
def test_squares_of_any_size_are_shown_alike(side: int) -> None:
    assert (
        draw_rows(["a"], [SheetRow("rose", squares(1, side))]).shape
        == draw_rows(["a"], [SheetRow("rose", squares(1))]).shape
    )


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 squares"):
        draw_rows(["a", "b"], [SheetRow("rose", squares(3))])


def cells(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], classes: int) -> list[list[tuple[int, ...]]]:
    """The colour at the corner of each cell, where no number stands."""
    cell = max(2, min(48, 900 // classes))
    start = len(picture) - 6 - classes * cell
    return [[tuple(picture[start + r * cell, start + c * cell].tolist()) for c in range(classes)]
            for r in range(classes)]  # fmt: skip


@pytest.mark.parametrize("classes", [2, 12, 60, 300])
def test_a_confusion_shows_right_answers_blue_and_wrong_ones_orange(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64) * 9
    counts[1, 0] = 1
    found = cells(draw_confusion(counts, ["name"] * classes), classes)
    assert found[0][0] == (0, 114, 178), "all of it"
    assert found[1][1][2] > found[1][1][0] and found[1][1] != found[0][0]
    assert found[1][0][0] > found[1][0][2] and found[1][0] != found[0][1], "rows are what was shown"
    assert min(found[0][1]) > 248


def test_a_single_mistake_among_thousands_is_seen() -> None:
    counts = np.array([[100_000, 1], [0, 5]])
    found = cells(draw_confusion(counts, ["a", "b"]), 2)
    assert min(found[0][1]) < 225


def test_a_confusion_of_classes_without_pictures_is_drawn() -> None:
    assert draw_confusion(np.zeros((2, 2), np.int64), ["a", "b"]).shape[2] == 3
    for shape, names in (((2, 3), ["a", "b"]), ((2, 2), ["a"]), ((0, 0), [])):
        with pytest.raises(ValueError, match="classes"):
            draw_confusion(np.zeros(shape, np.int64), names)


def test_counts_and_names_are_written_where_there_is_room() -> None:
    counts = np.array([[5, 0], [0, 5]])
    assert not np.array_equal(draw_confusion(counts, ["a", "b"]), draw_confusion(counts, ["a", "c"]))
    assert not np.array_equal(draw_confusion(counts, ["a", "b"]), draw_confusion(counts * 2, ["a", "b"]))
    many = np.eye(100, dtype=np.int64)
    assert np.array_equal(draw_confusion(many, ["a"] * 100), draw_confusion(many * 2, ["b"] * 100))


def test_a_png_comes_back_as_it_was() -> None:
    picture = squares(1)[0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(picture)))), picture)


def test_names_are_spelt_with_the_letters_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    assert spell("Žluťoučký kůň, Ромашка", 1) == "Žluťoučký kůň, Ромашка"
    assert spell("日本の花", 4) == "no. 4"
    assert spell("rose 日", 4) == "rose ?"
    assert spell("two\n lines\x00\u202e", 1) == "two lines"
    monkeypatch.setattr(sheets, "_font", lambda: ImageFont.load_default(11))
    assert spell("Žluťoučký crème", 1) == "Zlutoucky creme"
    assert spell("Ромашка", 2) == "no. 2"


@given(st.text(st.characters(), max_size=12))
def test_any_name_can_be_drawn(name: str) -> None:
    """Surrogates, controls, marks and all: whatever a name holds, there is a picture."""
    said = spell(name, 7)
    assert "\n" not in said
    assert draw_confusion(np.array([[1]]), [name]).shape == draw_confusion(np.array([[1]]), ["a"]).shape
    draw_rows([said], [SheetRow(said, squares(1, 8), ((said,),))])
