"""The preview: each square beside what training would make of it, the same for the same seed."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import draw_picture
from fieldguide.errors import SettingsError
from fieldguide.learners.augment import PRESETS, augment
from fieldguide.learners.preview import draw_preview, preview

SIDE, LEFT, STEP, TOP = 128, 150, 134, 28


@pytest.fixture(scope="module")
def squares() -> NDArray[np.uint8]:
    pictures = [draw_picture(name, 1).convert("RGB").resize((SIDE, SIDE)) for name in ("circle", "ring")]
    return np.stack([np.asarray(picture) for picture in pictures])


def cell(sheet: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    top, left = TOP + row * STEP, LEFT + column * STEP
    return sheet[top : top + SIDE, left : left + SIDE]


@pytest.mark.parametrize("preset", list(PRESETS))
def test_each_row_is_a_square_and_what_epochs_make_of_it(preset: str, squares: NDArray[np.uint8]) -> None:
    sheet = draw_preview(squares, ["circle", "ring"], preset, 3)
    for row, square in enumerate(squares):
        assert np.array_equal(cell(sheet, row, 0), square)
        for epoch in range(5):
            wanted = augment(square, PRESETS[preset], (3, epoch, row))
            assert np.array_equal(cell(sheet, row, 1 + epoch), wanted)
    data = preview(squares, ["circle", "ring"], preset, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), sheet)
    assert data == preview(squares, ["circle", "ring"], preset, 3)
    if preset != "none":
        assert data != preview(squares, ["circle", "ring"], preset, 4)
    assert data != preview(squares, ["circle", "disc"], preset, 3), "its name is beside it"


def test_mixing_has_rows_of_its_own_where_the_preset_mixes(squares: NDArray[np.uint8]) -> None:
    plain, mixed = (draw_preview(squares, ["a", "b"], preset, 0) for preset in ("light", "strong"))
    assert len(plain) == TOP + 2 * STEP
    assert len(mixed) == TOP + 2 * STEP + 2 * (STEP + 2 * 16)
    changed = (augment(one, PRESETS["strong"], (0, step, n)) for n, one in enumerate(squares) for step in range(40))
    alone = {one.tobytes() for one in changed}
    for row, top in ((2, TOP + 2 * STEP), (3, TOP + 3 * STEP + 32)):
        found = [mixed[top : top + SIDE, LEFT + n * STEP : LEFT + n * STEP + SIDE] for n in range(6)]
        assert np.array_equal(found[0], squares[0])
        assert len({one.tobytes() for one in found}) == 6
        assert not {one.tobytes() for one in found[1:]} & alone, f"a square of row {row} is mixed with nothing"
        under = mixed[top + SIDE + 16 : top + SIDE + 32, LEFT:]
        assert all((under[:, n * STEP : n * STEP + SIDE] < 128).any() == (n > 0) for n in range(6)), row
    assert len(draw_preview(squares[:1], ["a"], "strong", 0)) == TOP + STEP, "one square alone cannot be mixed"


def test_as_many_versions_as_asked_for(squares: NDArray[np.uint8]) -> None:
    assert draw_preview(squares, ["a", "b"], "light", 0, 2).shape[1] == LEFT + 3 * STEP + 6


def test_names_of_any_script_and_squares_of_any_size() -> None:
    small = np.zeros((3, 32, 32, 3), np.uint8)
    assert preview(small, ["日本の花", "ורד", "\ud800🌼"], "strong", 0).startswith(b"\x89PNG")


def test_what_cannot_be_previewed(squares: NDArray[np.uint8]) -> None:
    with pytest.raises(SettingsError, match="no augmentation 'loud'"):
        preview(squares, ["a", "b"], "loud", 0)
    for some, names in ((squares, ["a"]), (squares[:0], [])):
        with pytest.raises(ValueError, match="squares and"):
            preview(some, names, "light", 0)
