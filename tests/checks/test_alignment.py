"""Small pictures laid over each other: a known map is found again, brightness does not matter, and nothing breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from conftest import draw_picture
from fieldguide.checks.alignment import align, warped

Floats = NDArray[np.float32]


def grey(image: Image.Image, side: int = 48) -> Floats:
    return np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX), np.float32)


def slow_warped(picture: Floats, matrix: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Look up every pixel by itself."""
    side = len(picture)
    seen, inside = np.zeros_like(picture), np.zeros((side, side), np.bool_)
    for row in range(side):
        for column in range(side):
            x, y = matrix @ np.array([1, (column + 0.5) * 2 / side - 1, (row + 0.5) * 2 / side - 1])
            inside[row, column] = abs(x) <= 1 and abs(y) <= 1
            place = [min(max((value + 1) * side / 2 - 0.5, 0), side - 1.001) for value in (y, x)]
            (top, down), (left, right) = ((int(value), value - int(value)) for value in place)
            upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
            lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
            seen[row, column] = upper * (1 - down) + lower * down
    return seen, inside


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_pictures_are_seen_through_maps_as_the_slow_reference_sees_them(seed: int) -> None:
    dice = np.random.default_rng(seed)
    pictures = dice.normal(size=(2, 3, 12, 12)).astype(np.float32)
    maps = (np.array([[0, 1, 0], [0, 0, 1]]) + dice.uniform(-0.3, 0.3, (3, 2, 3))).astype(np.float32)
    seen, inside = warped(pictures, maps)
    for number in range(3):
        for channel in range(2):
            expected, expected_inside = slow_warped(pictures[channel, number], maps[number])
            assert (inside[number] == expected_inside).mean() > 0.98, "but for those on the border"
            assert np.allclose(seen[channel, number], expected, atol=1e-3)


@pytest.mark.parametrize("number", range(4))
def test_the_map_of_a_crop_is_found(number: int) -> None:
    picture = draw_picture("ring", number, 160)
    width, height = picture.size
    crop = picture.crop((round(0.08 * width), 0, width, round(0.94 * height)))
    alignment = align(grey(crop)[None], grey(picture)[None])
    assert alignment.likeness[0] > 0.98 and alignment.overlap[0] > 0.95
    x, y = alignment.maps[0] @ np.array([1, -1, 1])  # where the crop's lower left corner is in the picture
    assert abs(x - (-1 + 2 * 0.08)) < 0.05 and abs(y - (1 - 2 * 0.06)) < 0.05


def test_light_does_not_matter() -> None:
    first = grey(draw_picture("ring", 0))
    alignment = align(first[None], (first * 0.6 + 30)[None])
    assert alignment.likeness[0] > 0.999
    assert np.abs(alignment.maps[0] - np.array([[0, 1, 0], [0, 0, 1]])).max() < 0.02


def test_blank_pictures_are_like_nothing() -> None:
    blank, picture = np.full((48, 48), 200, np.float32), grey(draw_picture("ring", 0))
    alignment = align(np.stack([blank, blank, picture]), np.stack([blank, picture, blank]))
    assert (np.abs(alignment.likeness) < 0.1).all() and np.isfinite(alignment.maps).all()


def test_each_pair_is_laid_by_itself() -> None:
    pictures = np.stack([grey(draw_picture(name, number)) for name in ("ring", "circle") for number in range(3)])
    others = np.roll(pictures, 1, axis=0)
    together = align(pictures, others)
    for number in range(len(pictures)):
        alone = align(pictures[number : number + 1], others[number : number + 1])
        assert np.allclose(alone.likeness, together.likeness[number], atol=1e-3)


def test_no_pairs() -> None:
    assert align(np.zeros((0, 32, 32), np.float32), np.zeros((0, 32, 32), np.float32)).likeness.shape == (0,)
