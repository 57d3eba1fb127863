"""Changed pictures and drawn ones: they are what they are called, the same each time, of any size."""

import numpy as np
import pytest
from PIL import Image

from conftest import draw_picture
from fieldguide.images.shifts import SHIFTS
from fieldguide.images.unrelated import KINDS, draw_unrelated


@pytest.mark.parametrize("name", SHIFTS)
def test_a_change_is_the_same_each_time_and_takes_any_size(name: str) -> None:
    picture = draw_picture("circle", 3, 160)
    first, second = SHIFTS[name](picture), SHIFTS[name](picture)
    assert first.mode == "RGB" and first.tobytes() == second.tobytes()
    same_size = first.resize(picture.size)
    assert np.abs(np.asarray(same_size, float) - np.asarray(picture, float)).mean() > 0.5, "something changes"
    for size in ((1, 1), (3, 200), (1500, 900)):
        assert min(SHIFTS[name](Image.new("RGB", size, (90, 120, 200))).size) >= 1


def test_changes_are_what_they_are_called() -> None:
    picture = draw_picture("square", 1, 200)
    grey = np.asarray(SHIFTS["grey"](picture))
    assert np.array_equal(grey[..., 0], grey[..., 1]) and np.array_equal(grey[..., 0], grey[..., 2])
    assert np.asarray(SHIFTS["brighter"](picture)).mean() > np.asarray(picture).mean() + 20
    assert np.asarray(SHIFTS["darker"](picture)).mean() < np.asarray(picture).mean() - 20
    assert SHIFTS["cropped"](picture).width == round(picture.width * 0.7)
    turned = np.asarray(SHIFTS["rotated"](Image.new("RGB", (300, 200), "white")))
    assert turned.min() > 250, "no corner is black"
    sharp, blurred = (np.abs(np.diff(np.asarray(image, float), axis=1)).mean() for image in (
        picture, SHIFTS["blurred"](picture)))  # fmt: skip
    assert blurred < sharp


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_follow_from_their_number_and_seed(kind: str) -> None:
    first = draw_unrelated(kind, 0, 1)
    assert first.mode == "RGB" and min(first.size) >= 320
    assert first.tobytes() == draw_unrelated(kind, 0, 1).tobytes()
    assert first.tobytes() != draw_unrelated(kind, 1, 1).tobytes()
    assert first.tobytes() != draw_unrelated(kind, 0, 2).tobytes()
