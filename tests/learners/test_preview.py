"""The preview: each square beside what training would make of it, the same for the same seed; confusions."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from conftest import draw_picture
from fieldguide.errors import SettingsError
from fieldguide.learners.augment import PRESETS, augment
from fieldguide.learners.preview import PreviewRow, augment_rows, draw_confusion, draw_preview

pytest.importorskip("matplotlib", reason="drawing needs the extra [train]")

SIDE = 64


@pytest.fixture(scope="module")
def squares() -> NDArray[np.uint8]:
    pictures = [draw_picture(name, 1).convert("RGB").resize((SIDE, SIDE)) for name in ("circle", "ring")]
    return np.stack([np.asarray(picture) for picture in pictures])


@pytest.mark.parametrize("preset", list(PRESETS))
def test_each_row_is_a_square_and_what_epochs_make_of_it(preset: str, squares: NDArray[np.uint8]) -> None:
    rows = augment_rows(squares, ["circle", "ring"], preset, 3)
    for number, (square, name) in enumerate(zip(squares, ("circle", "ring"), strict=True)):
        assert rows[number].name == name and len(rows[number].squares) == 6
        assert np.array_equal(rows[number].squares[0], square)
        for epoch in range(5):
            expected = augment(square, PRESETS[preset], (3, epoch, number))
            assert np.array_equal(rows[number].squares[1 + epoch], expected)


def test_mixing_has_rows_of_its_own_where_the_preset_mixes(squares: NDArray[np.uint8]) -> None:
    plain, mixed = (augment_rows(squares, ["a", "b"], preset, 0) for preset in ("light", "strong"))
    assert [row.name for row in plain] == ["a", "b"] and [row.name for row in mixed] == ["a", "b", "mixup", "cutmix"]
    changed = (
        augment(square, PRESETS["strong"], (0, step, n)) for n, square in enumerate(squares) for step in range(40)
    )
    alone = {square.tobytes() for square in changed}
    for row in mixed[2:]:
        assert np.array_equal(row.squares[0], squares[0]) and len(row.squares) == len(row.captions) == 6
        assert len({square.tobytes() for square in row.squares}) == 6
        assert not {square.tobytes() for square in row.squares[1:]} & alone, (
            f"a square of {row.name} is mixed with nothing"
        )
        assert row.captions[0] == "100% a"
        for caption in row.captions[1:]:
            shares = {line.split("% ")[1]: int(line.split("%")[0]) for line in caption.split("\n")}
            assert set(shares) == {"a", "b"} and 99 <= sum(shares.values()) <= 101
    assert len(augment_rows(squares[:1], ["a"], "strong", 0)) == 1, "one square alone cannot be mixed"


def test_as_many_versions_as_asked_for(squares: NDArray[np.uint8]) -> None:
    assert [len(row.squares) for row in augment_rows(squares, ["a", "b"], "light", 0, 2)] == [3, 3]


def test_the_sheet_follows_from_its_rows(squares: NDArray[np.uint8]) -> None:
    rows = augment_rows(squares, ["circle", "ring"], "strong", 3, 2)
    data = draw_preview(rows)
    assert data.startswith(b"\x89PNG") and data == draw_preview(rows)
    assert data != draw_preview(augment_rows(squares, ["circle", "ring"], "strong", 4, 2))
    assert data != draw_preview(augment_rows(squares, ["circle", "disc"], "strong", 3, 2)), "its name is beside it"


def test_names_of_any_script_and_squares_of_any_size() -> None:
    small = np.zeros((3, 32, 32, 3), np.uint8)
    rows = augment_rows(small, ["日本の花", "ורד", "\ud800🌼"], "strong", 0, 2)
    assert draw_preview(rows).startswith(b"\x89PNG")
    assert draw_preview([PreviewRow("rose", np.zeros((2, 300, 300, 3), np.uint8))]).startswith(b"\x89PNG")


def test_what_cannot_be_previewed(squares: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match="no augmentation 'loud'"):
        augment_rows(squares, ["a", "b"], "loud", 0)
    for some, names in ((squares, ["a"]), (squares[:0], [])):
        with pytest.raises(ValueError, match="squares and"):
            augment_rows(some, names, "light", 0)


# ---- confusions


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("classes", [2, 12, 60, 300])
def test_a_confusion_of_any_number_of_classes_is_drawn(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64) * 9
    diagonal = pixels(draw_confusion(counts, ["name"] * classes))
    counts[1, 0] = 1
    assert not np.array_equal(pixels(draw_confusion(counts, ["name"] * classes)), diagonal)


def test_a_single_mistake_among_thousands_is_seen() -> None:
    without_mistake, with_mistake = (
        pixels(draw_confusion(np.array([[100_000, count], [0, 5]]), ["a", "b"])) for count in (0, 1)
    )
    changed = np.abs(with_mistake.astype(int) - without_mistake).max(2) > 8
    assert changed.mean() > 0.1, "its whole cell has another colour"


def test_a_confusion_of_classes_without_pictures_is_drawn() -> None:
    assert draw_confusion(np.zeros((2, 2), np.int64), ["a", "b"]).startswith(b"\x89PNG")
    for shape, names in (((2, 3), ["a", "b"]), ((2, 2), ["a"]), ((0, 0), [])):
        with pytest.raises(ValueError, match="classes"):
            draw_confusion(np.zeros(shape, np.int64), names)


def test_counts_and_names_are_written_where_there_is_room() -> None:
    counts = np.array([[5, 0], [0, 5]])
    assert draw_confusion(counts, ["a", "b"]) == draw_confusion(counts, ["a", "b"])
    assert draw_confusion(counts, ["a", "b"]) != draw_confusion(counts, ["a", "c"])
    assert draw_confusion(counts, ["a", "b"]) != draw_confusion(counts * 2, ["a", "b"])
    many = np.eye(100, dtype=np.int64)
    assert draw_confusion(many, ["a"] * 100) == draw_confusion(many * 2, ["b"] * 100)


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(), max_size=12))
def test_any_name_can_be_drawn(name: str) -> None:
    """Surrogates, controls, marks and all: whatever a name holds, there is a picture."""
    assert draw_confusion(np.array([[1]]), [name]).startswith(b"\x89PNG")
    assert draw_preview([PreviewRow(name, np.zeros((1, 8, 8, 3), np.uint8), (name,))]).startswith(b"\x89PNG")
