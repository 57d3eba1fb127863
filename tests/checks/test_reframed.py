"""Copies that are cropped, framed or turned are found, and two pictures of a kind are not taken for one."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from conftest import draw_picture
from fieldguide.checks.reframed import SIDE, compare_squares, like_features, roughly_alike
from fieldguide.images import copy_thumbnails
from fieldguide.settings import CleanSettings

LIKENESS = CleanSettings().copy_reframed


def square(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def squares(images: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([square(image) for image in images])


def thumbnails(images: list[Image.Image]) -> NDArray[np.float32]:
    return np.stack([copy_thumbnails(image)[0] for image in images]).astype(np.float32)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


def saved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def scene(number: int, sizes: tuple[int, ...] = (4, 9, 20, 45)) -> Image.Image:
    """Draw a picture with detail of every size, as photographs have it, or of some."""
    dice, picture = np.random.default_rng(number), np.zeros((240, 300, 3), np.float32)
    for cells in sizes:
        noise = Image.fromarray(dice.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((300, 240), Image.Resampling.BICUBIC), np.float32) * (2 / cells**0.5)
    return Image.fromarray((picture * (250 / picture.max())).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a tenth cut off the corner": lambda image: cropped(image, 0.1, 0.1, 1, 1),
    "a tenth cut off around": lambda image: cropped(image, 0.05, 0.05, 0.95, 0.95),
    "one side cut off": lambda image: cropped(image, 0, 0, 0.88, 1),
    "framed": lambda image: ImageOps.expand(image, 16, "white"),
    "turned": lambda image: image.rotate(3, Image.Resampling.BICUBIC),
    "turned back, saved badly": lambda image: saved(image.rotate(-2, Image.Resampling.BICUBIC)),
    "cropped, darker": lambda image: ImageEnhance.Brightness(cropped(image, 0.06, 0, 1, 0.95)).enhance(0.8),
    "half the size": lambda image: image.resize((150, 120)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    originals = [scene(number) for number in range(6)]
    changed = [CHANGES[change](image) for image in originals]
    for left, right in ((originals, changed), (changed, originals)):
        assert roughly_alike(thumbnails(left), thumbnails(right)).all()
        assert compare_squares(squares(left), squares(right)).are_copies(LIKENESS).all()


@pytest.mark.parametrize("border", [9, 18])
def test_a_thin_border_around_fine_detail_does_not_hide_a_copy(border: int) -> None:
    originals = [ImageEnhance.Brightness(scene(number, (9, 24))).enhance(0.4) for number in range(6)]
    framed = [ImageOps.expand(image, border, "white") for image in originals]
    assert roughly_alike(thumbnails(originals), thumbnails(framed)).all()
    assert compare_squares(squares(originals), squares(framed)).are_copies(LIKENESS).all()


def test_different_pictures_are_no_copies() -> None:
    images = [scene(number) for number in range(10)]
    images += [draw_picture(name, number) for name in ("circle", "ring") for number in range(10)]
    first, second = np.triu_indices(len(images), 1)
    all_squares = squares(images)
    assert not compare_squares(all_squares[first], all_squares[second]).are_copies(LIKENESS).any()


def test_a_crop_in_other_colours_is_no_copy() -> None:
    originals = [scene(number) for number in range(4)]
    others = [Image.merge("RGB", cropped(image, 0, 0, 0.92, 1).split()[::-1]) for image in originals]
    closeness = compare_squares(squares(originals), squares(others))
    assert not closeness.same_colour.any() and not closeness.are_copies(LIKENESS).any()


def test_drawings_on_white_have_to_be_more_alike() -> None:
    def chart(heights: list[int]) -> Image.Image:
        image = Image.new("RGB", (300, 240), "white")
        pen = ImageDraw.Draw(image)
        pen.line((30, 20, 30, 210, 280, 210), fill="black", width=2)
        for number, height in enumerate(heights):
            pen.rectangle((45 + 45 * number, 210 - height, 75 + 45 * number, 209), fill="steelblue")
        return image

    charts = [chart([150, 80, 120, 60, 100]), chart([150, 80, 120, 80, 100]), chart([140, 80, 120, 60, 110])]
    closeness = compare_squares(squares([charts[0]] * 2), squares(charts[1:]))
    assert closeness.on_white.all() and not closeness.are_copies(LIKENESS).any()
    assert compare_squares(squares(charts[:1]), squares([saved(charts[0])])).are_copies(LIKENESS).all()


def test_a_plain_shape_is_no_copy_of_another() -> None:
    def shape(left: int, top: int, side: int, kind: str) -> Image.Image:
        image = Image.new("RGB", (200, 200), "white")
        getattr(ImageDraw.Draw(image), kind)((left, top, left + side, top + side), fill=(40, 60, 210))
        return image

    shapes = [[shape(24, 74, 70, kind), shape(50, 67, 65, kind)] for kind in ("rectangle", "ellipse")]
    closeness = compare_squares(*(squares(list(side)) for side in zip(*shapes, strict=True)))
    assert (closeness.likeness > 0.98).all() and not closeness.are_copies(LIKENESS).any()


def test_blank_squares_are_no_copies() -> None:
    blanks = squares([Image.new("RGB", (90, 90), colour) for colour in ("white", "black", "white")])
    assert not compare_squares(blanks, np.roll(blanks, 1, axis=0)).are_copies(LIKENESS).any()


def test_like_features_are_those_of_the_slow_reference() -> None:
    dice = np.random.default_rng(0)
    features = dice.normal(size=(60, 24)).astype(np.float32)
    features[30:50] = features[:20] + dice.normal(size=(20, 24)).astype(np.float32) * 0.3
    lengths = np.linalg.norm(features, axis=1)
    expected = set()
    for place in range(60):
        likeness = features @ features[place] / lengths / lengths[place]
        likeness[place] = -1
        nearest = np.argsort(-likeness)[:5]
        expected |= {(min(place, int(other)), max(place, int(other))) for other in nearest if likeness[other] >= 0.7}
    assert like_features(features) == sorted(expected) and len(expected) >= 20


def test_among_very_many_pictures_nearly_all_copies_are_compared() -> None:
    dice, count = np.random.default_rng(1), 21_000
    centres = dice.normal(size=(40, 32))
    features = (centres[dice.integers(0, 40, count)] + dice.normal(size=(count, 32))).astype(np.float32)
    copies = np.arange(500)
    features[copies + 500] = features[copies] + dice.normal(size=(500, 32)) * 0.2
    found = set(like_features(features))
    assert sum((int(place), int(place) + 500) in found for place in copies) >= 475


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_features(count: int) -> None:
    assert like_features(np.ones((count, 4), np.float32)) == ([(0, 1)] if count == 2 else [])
