"""Colours: every channel as a plain reference and OpenCV have it, features as definitions say."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fieldguide.images.colour_features import FEATURE_NAMES, TABLES, colour_features


def colour_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the channels B, G, R, H, S, V, L, a and b, (n, 9), of (n, 3) pixels: the means of pictures of one."""
    return colour_features(pixels[:, None, None])[:, :9].astype(np.uint8)


def extremes() -> NDArray[np.uint8]:
    """(n, 3) pixels: corners of the cube, greys, ramps of each channel alone and of two, near-greys, random ones."""
    level = np.arange(256)
    still = np.zeros(256, int)
    corners = np.stack(np.meshgrid([0, 255], [0, 255], [0, 255]), axis=-1).reshape(-1, 3)
    ramps = [np.stack(channels, axis=1) for channels in (
        (level, level, level), (level, still, still), (still, level, still), (still, still, level),
        (level, level, still), (level, still, level), (still, level, level), (level, still + 255, level[::-1]),
        (level, level, np.minimum(level + 1, 255)), (level, np.maximum(level - 1, 0), level),
        (level, still + 128, still),
    )]  # fmt: skip
    chance = np.random.default_rng(0).integers(0, 256, (4000, 3))
    return np.concatenate([corners, *ramps, chance]).astype(np.uint8)


def halves_up(value: float) -> int:
    return math.floor(value + 0.5)


def plain_channels(red: int, green: int, blue: int) -> list[int]:
    """B, G, R, H, S, V, L, a and b of one pixel, step by step; OpenCV's documented 8-bit form, in fixed point."""
    value, least = max(red, green, blue), min(red, green, blue)
    chroma = value - least
    saturation = halves_up(chroma * round(255 * 4096 / value) / 4096) if value else 0
    if chroma == 0:
        hue = 0
    else:
        if value == red:
            place = green - blue
        elif value == green:
            place = blue - red + 2 * chroma
        else:
            place = red - green + 4 * chroma
        hue = halves_up(place * round(30 * 4096 / chroma) / 4096) % 180
    return [blue, green, red, hue, saturation, value, *plain_lab(red, green, blue)]


def plain_lab(red: int, green: int, blue: int) -> list[int]:
    light = []
    for level in (red, green, blue):
        share = level / 255
        light.append(round(2040 * (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)))
    parts = []
    for row, white in (
        ((0.412453, 0.357580, 0.180423), 0.950456),
        ((0.212671, 0.715160, 0.072169), 1.0),
        ((0.019334, 0.119193, 0.950227), 1.088754),
    ):
        level = halves_up(
            sum(round(4096 * weight / white) * linear for weight, linear in zip(row, light, strict=True)) / 4096
        )
        share = level / 2040
        curve = share * 841 / 108 + 4 / 29 if share < (6 / 29) ** 3 else share ** (1 / 3)
        parts.append(round(32768 * float(np.float32(curve))))
    x, y, z = parts
    return [halves_up((296 * y - 1336934) / 32768), halves_up(500 * (x - y) / 32768 + 128),
            halves_up(200 * (y - z) / 32768 + 128)]  # fmt: skip


def test_channels_are_those_of_the_plain_reference() -> None:
    pixels = extremes()
    expected = [plain_channels(*(int(level) for level in pixel)) for pixel in pixels]
    assert np.array_equal(colour_channels(pixels), np.array(expected))


def test_lab_is_that_of_its_definition() -> None:
    """CIE 15 in real numbers: the steps of linear light put the darkest colours up to two levels beside it."""
    pixels = extremes()
    share = pixels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920],
                             [0.1804375, 0.0721750, 0.9503041]])  # fmt: skip
    xyz /= [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29).T
    exact = np.stack([(116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128], axis=1)
    gaps = np.abs(colour_channels(pixels)[:, 6:] - exact)
    assert gaps.max() < 2.2
    assert np.quantile(gaps, 0.99) < 1


def test_known_colours() -> None:
    red, white, black, teal = colour_channels(np.array([[255, 0, 0], [255] * 3, [0] * 3, [0, 128, 128]], np.uint8))
    assert red.tolist() == [0, 0, 255, 0, 255, 255, 136, 208, 195]
    assert white.tolist() == [255, 255, 255, 0, 0, 255, 255, 128, 128]
    assert black.tolist() == [0, 0, 0, 0, 0, 0, 0, 128, 128]
    assert teal[3:6].tolist() == [90, 255, 128]


def test_every_colour_is_the_one_of_opencv() -> None:
    """The stated tolerance, 0 levels, on the whole cube: 2^24 colours, a slice of 65,536 at a time."""
    cv2 = pytest.importorskip("cv2", reason="the comparison needs opencv-python-headless")
    green, blue = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8), indexing="ij")
    for red in range(256):
        bgr = np.stack([blue, green, np.full_like(green, red)], axis=-1)
        spaces = [bgr, cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), cv2.cvtColor(bgr, cv2.COLOR_BGR2LAB)]
        channels = colour_channels(np.ascontiguousarray(bgr[..., ::-1]).reshape(-1, 3))
        assert np.array_equal(channels, np.concatenate(spaces, axis=2).reshape(-1, 9)), f"red {red}"


@pytest.mark.shared
def test_features_of_real_pictures_are_those_of_the_original_system(shared: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="the comparison needs opencv-python-headless")
    paths = sorted((shared / "data" / "colour-clothes").rglob("*.*"))[::10]
    paths += sorted((shared / "data" / "flowers17").rglob("*.*"))[::60]
    assert len(paths) > 20
    for path in paths:
        rgb = np.asarray(Image.open(path).convert("RGB"))
        bgr = np.ascontiguousarray(rgb[..., ::-1])
        spaces = [bgr, cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab)]
        means = [space.mean(axis=(0, 1)) for space in spaces]
        expected = np.hstack([*means, *(space.std(axis=(0, 1)) for space in spaces)])
        assert np.abs(colour_features(rgb[None])[0] - expected).max() < 2e-5, path.name


# ---- features


def plain_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    channels = colour_channels(picture.reshape(-1, 3)).astype(np.float64)
    return np.concatenate([channels.mean(axis=0), channels.std(axis=0)])


def test_the_names_are_in_the_order_of_the_original_system() -> None:
    assert FEATURE_NAMES[:4] == ("b_bgr_mean", "g_bgr_mean", "r_bgr_mean", "h_hsv_mean")
    assert FEATURE_NAMES[-2:] == ("a_lab_std", "b_lab_std")
    assert len(set(FEATURE_NAMES)) == 18


@given(st.integers(1, 5), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
@settings(max_examples=30)
def test_features_are_means_and_deviations_of_any_shape(count: int, height: int, width: int, seed: int) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    features = colour_features(pictures)
    assert features.shape == (count, 18)
    assert features.dtype == np.float32
    assert np.abs(features - [plain_features(picture) for picture in pictures]).max() < 2e-5


def test_large_pictures_are_added_up_exactly() -> None:
    """Taken in parts as they are, the order of their pixels makes no difference."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 211, 307, 3), dtype=np.uint8)
    features = colour_features(picture)
    assert np.abs(features - plain_features(picture[0])).max() < 2e-5
    shuffled = np.random.default_rng(1).permutation(picture.reshape(-1, 3)).reshape(picture.shape)
    assert np.array_equal(colour_features(shuffled), features)


def test_a_batch_gives_what_its_pictures_give_one_by_one() -> None:
    for side in (7, 40):
        pictures = np.random.default_rng(side).integers(0, 256, (9, side, side, 3), dtype=np.uint8)
        alone = np.concatenate([colour_features(picture[None]) for picture in pictures])
        assert np.array_equal(colour_features(pictures), alone)


def test_flat_pictures_do_not_deviate_at_all() -> None:
    levels = extremes()[:600]
    pictures = np.broadcast_to(levels[:, None, None], (600, 13, 11, 3))
    features = colour_features(pictures)
    assert not features[:, 9:].any()
    assert np.array_equal(features[:, :9], colour_channels(levels))


def test_pictures_that_are_none_are_refused() -> None:
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    for unfit in (pictures[0], pictures[..., :2], pictures.astype(np.float32), pictures[:, :0]):
        with pytest.raises(ValueError, match="pictures must be"):
            colour_features(unfit)  # type: ignore[arg-type]
    assert colour_features(pictures[:0]).shape == (0, 18)


def test_the_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        TABLES.root[0] = 1
