"""Augmentation: the same for the same key, still pictures, and each part of it does what its name says."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import draw_picture
from fieldguide.errors import SettingsError
from fieldguide.learners.augment import PRESETS, Augmentation, augment, find_preset, mix

SIDE = 48
Square = NDArray[np.uint8]


@pytest.fixture(scope="module")
def square() -> Square:
    return np.asarray(draw_picture("circle", 1).convert("RGB").resize((SIDE, SIDE)))


@pytest.fixture(scope="module")
def squares() -> Square:
    pictures = [draw_picture(name, number).convert("RGB") for name in ("circle", "ring") for number in range(3)]
    return np.stack([np.asarray(picture.resize((SIDE, SIDE))) for picture in pictures])


def only(part: str, value: Any) -> Augmentation:
    """Return an augmentation of one part."""
    parts: dict[str, Any] = {part: value}
    return Augmentation(**parts)


def ramp() -> Square:
    """Return a square whose red rises to the right and green downwards: each pixel says where it is from."""
    rise = np.linspace(40, 215, SIDE).round()
    return np.stack([np.tile(rise, (SIDE, 1)), np.tile(rise[:, None], (1, SIDE)), np.full((SIDE, SIDE), 9)], 2).astype(
        np.uint8
    )


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_square_stays_a_square_and_follows_from_its_key(name: str, square: Square) -> None:
    before = square.copy()
    versions = [augment(square, PRESETS[name], (0, epoch, 7)) for epoch in range(12)]
    for epoch, version in enumerate(versions):
        assert version.shape == (SIDE, SIDE, 3) and version.dtype == np.uint8
        assert np.array_equal(version, augment(square, PRESETS[name], (0, epoch, 7)))
    assert np.array_equal(square, before), "what was given is not changed"
    different = {version.tobytes() for version in versions}
    assert len(different) == 1 if name == "none" else len(different) > 6
    if name != "none":
        assert {augment(square, PRESETS[name], key).tobytes() for key in ((1, 0, 7), (0, 0, 8))} - {
            versions[0].tobytes()
        }


def test_none_gives_the_very_square(square: Square) -> None:
    assert augment(square, PRESETS["none"], (3, 1, 4)) is square


def test_all_presets_are_there_and_frozen() -> None:
    assert list(PRESETS) == ["none", "light", "perspective-colour", "shear-zoom", "strong"]
    with pytest.raises(SettingsError, match="no augmentation 'heavy'") as caught:
        find_preset("heavy")
    assert "perspective-colour" in caught.value.hint
    with pytest.raises(TypeError):
        PRESETS["mine"] = Augmentation()  # type: ignore[index]


@given(st.integers(0, 2**31), st.integers(0, 99))
def test_any_key_will_do(seed: int, index: int) -> None:
    augmented = augment(ramp(), PRESETS["strong"], (seed, 0, index, 1))
    assert augmented.shape == (SIDE, SIDE, 3) and augmented.dtype == np.uint8


# each part: what does nothing, and what does something
PARTS: dict[str, tuple[Augmentation, Augmentation]] = {
    "flip": (Augmentation(flip=0.0), Augmentation(flip=0.5)),
    "rotation": (Augmentation(rotation=0.0), Augmentation(rotation=30.0)),
    "shift": (Augmentation(shift=0.0), Augmentation(shift=0.2)),
    "shear": (Augmentation(shear=0.0), Augmentation(shear=0.3)),
    "zoom": (Augmentation(zoom=(1.0, 1.0)), Augmentation(zoom=(0.7, 1.3))),
    "crop": (Augmentation(crop=(1.0, 1.0)), Augmentation(crop=(0.3, 1.0))),
    "perspective": (Augmentation(perspective=0.0), Augmentation(perspective=0.5)),
    "brightness": (Augmentation(brightness=0.0), Augmentation(brightness=0.5)),
    "contrast": (Augmentation(contrast=0.0), Augmentation(contrast=0.5)),
    "saturation": (Augmentation(saturation=0.0), Augmentation(saturation=0.5)),
    "hue": (Augmentation(hue=0.0), Augmentation(hue=0.3)),
    "sharpness": (Augmentation(sharpness=1.0), Augmentation(sharpness=2.0, sharpness_chance=0.5)),
    "erase": (Augmentation(erase=(0.0, 0.0), erase_chance=1.0), Augmentation(erase=(0.1, 0.2), erase_chance=0.5)),
}
KEYS = st.tuples(st.integers(0, 2**32), st.integers(0, 999), st.integers(0, 2**20))


def test_every_part_is_among_the_parts() -> None:
    mixing = {"mixup", "cutmix"}
    assert {field.name for field in fields(Augmentation) if not field.name.endswith("_chance")} == PARTS.keys() | mixing


@pytest.mark.parametrize("part", PARTS)
@given(key=KEYS)
def test_a_part_of_no_strength_leaves_the_square_as_it_is(part: str, key: tuple[int, ...]) -> None:
    assert np.array_equal(augment(ramp(), PARTS[part][0], key), ramp())


@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=20)
@given(key=KEYS)
def test_the_key_alone_decides_what_a_part_does(part: str, key: tuple[int, ...]) -> None:
    """The same key gives the same bytes, and among keys that differ in one number some give others."""
    preset, noise = PARTS[part][1], np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(augment(noise, preset, key), augment(noise.copy(), preset, list(key)))
    for place in range(3):
        keys = [(*key[:place], key[place] + more, *key[place + 1 :]) for more in range(24)]
        assert len({augment(noise, preset, near_key).tobytes() for near_key in keys}) > 1, place


@given(KEYS)
def test_a_flip_is_the_mirror_image_to_the_pixel(key: tuple[int, ...]) -> None:
    once = augment(ramp(), Augmentation(flip=1.0), key)
    assert np.array_equal(once, ramp()[:, ::-1])
    assert np.array_equal(augment(once, Augmentation(flip=1.0), key), ramp())


@given(KEYS)
def test_geometry_invents_no_colour(key: tuple[int, ...]) -> None:
    """Beyond its edges a square is mirrored: what is seen stays within what there was."""
    for part in ("rotation", "shift", "shear", "zoom", "crop"):
        augmented = augment(ramp(), PARTS[part][1], key)
        assert (
            augmented[..., :2].min() >= 39
            and augmented[..., :2].max() <= 216
            and set(np.unique(augmented[..., 2])) == {9}
        ), part


@given(KEYS)
def test_tints_stay_at_their_place_and_keep_the_order_of_levels(key: tuple[int, ...]) -> None:
    for part in ("brightness", "contrast"):
        red = augment(ramp(), PARTS[part][1], key)[..., 0].astype(int)
        assert (np.diff(red, axis=1) >= 0).all(), part
        assert (red == red[0]).all(), part
    flat = np.full((SIDE, SIDE, 3), (90, 90, 90), np.uint8)
    for part in ("saturation", "hue"):
        assert np.array_equal(augment(flat, PARTS[part][1], key), flat), "grey has neither"


def test_flip_is_a_mirror_image_half_of_the_time(square: Square) -> None:
    versions = [augment(square, Augmentation(flip=0.5), (0, 0, index)) for index in range(200)]
    flipped = sum(np.array_equal(version, square[:, ::-1]) for version in versions)
    assert 70 < flipped < 130
    assert flipped + sum(np.array_equal(version, square) for version in versions) == 200


def test_rotation_turns_about_the_middle() -> None:
    spread = []
    for index in range(60):
        turned = augment(ramp(), Augmentation(rotation=30), (0, 0, index)).astype(float)
        inner = turned[12:36, 12:36]
        across, down = np.gradient(inner[..., 0], axis=1).mean(), np.gradient(inner[..., 0], axis=0).mean()
        turn = np.degrees(np.arctan2(down, across))
        spread.append(turn)
        assert np.hypot(across, down) == pytest.approx(175 / (SIDE - 1), rel=0.06), "it turns and does not stretch"
        assert turned[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1, :2].mean() == pytest.approx(
            127.5, abs=3
        )
    assert -31 < min(spread) < -20 and 20 < max(spread) < 31


def test_shift_moves() -> None:
    moved = []
    for index in range(60):
        shifted = augment(ramp(), Augmentation(shift=0.1), (0, 0, index)).astype(float)[16:32, 16:32]
        unshifted = ramp().astype(float)[16:32, 16:32]
        step = 175 / (SIDE - 1)
        moved.append([(shifted - unshifted)[..., axis].mean() / step / SIDE for axis in (0, 1)])
    assert np.abs(moved).max() == pytest.approx(0.1, abs=0.01)
    assert np.abs(np.mean(moved, axis=0)).max() < 0.03


@pytest.mark.parametrize(("preset", "low", "high"), [("zoom", 0.8, 1.2), ("crop", 0.25, 1.0)])
def test_zoom_and_crop_enlarge_as_much_as_they_say(preset: str, low: float, high: float) -> None:
    areas = []
    for index in range(120):
        scaled = augment(ramp(), only(preset, (low, high)), (0, 0, index)).astype(float)[16:32, 16:32]
        across = np.gradient(scaled[..., 0], axis=1).mean() / (175 / (SIDE - 1))
        down = np.gradient(scaled[..., 1], axis=0).mean() / (175 / (SIDE - 1))
        areas.append(across * down)
        if preset == "zoom":
            assert 1 / high - 0.03 < min(across, down) and max(across, down) < 1 / low + 0.03
        else:
            assert 0.7 < across / down < 1.43
    if preset == "zoom":
        assert min(areas) < 0.85 and max(areas) > 1.25
    else:
        assert low - 0.03 < min(areas) < 0.32 and 0.8 < max(areas) <= high + 0.03


def test_shear_slants_rows_and_keeps_columns_upright() -> None:
    slants = []
    for index in range(80):
        sheared = augment(ramp(), Augmentation(shear=0.2), (0, 0, index)).astype(float)[16:32, 16:32]
        step = 175 / (SIDE - 1)
        assert np.gradient(sheared[..., 1], axis=1).mean() == pytest.approx(0, abs=0.05)
        assert abs(np.gradient(sheared[..., 0], axis=0).mean()) <= 0.2 * step + 0.1
        assert np.gradient(sheared[..., 1], axis=0).mean() == pytest.approx(step, rel=0.03)
        slants.append(np.gradient(sheared[..., 0], axis=0).mean() / step)
    assert -0.23 < min(slants) < -0.15 and 0.15 < max(slants) < 0.23


def test_perspective_moves_the_corners_inwards() -> None:
    # a white square on black: seen from aside it is smaller, and never cut
    white = np.zeros((SIDE, SIDE, 3), np.uint8)
    white[12:36, 12:36] = 255
    shares = [(augment(white, Augmentation(perspective=0.5), (0, 0, index)) > 127).mean() for index in range(40)]
    assert max(shares) < (white > 127).mean() * 1.02
    assert min(shares) < (white > 127).mean() * 0.8
    never = Augmentation(perspective=0.5, perspective_chance=0.0)
    assert augment(white, never, (0, 0, 0)) is white


def test_tints_change_what_they_name() -> None:
    flat = np.full((SIDE, SIDE, 3), (150, 100, 50), np.uint8)
    bright = [int(augment(flat, Augmentation(brightness=0.5), (0, 0, index))[0, 0, 0]) for index in range(60)]
    assert 75 <= min(bright) < 90 and 210 < max(bright) <= 225
    ramps = [augment(ramp(), Augmentation(contrast=0.5), (0, 0, index))[..., 0].std() for index in range(60)]
    assert min(ramps) < 0.6 * ramp()[..., 0].std() and max(ramps) > 1.2 * ramp()[..., 0].std()
    greys = [
        np.ptp(augment(flat, Augmentation(saturation=0.9), (0, 0, index))[0, 0].astype(int)) for index in range(60)
    ]
    assert min(greys) < 25 and max(greys) > 150
    hues = {tuple(augment(flat, Augmentation(hue=0.3), (0, 0, index))[0, 0].tolist()) for index in range(60)}
    assert len(hues) > 20
    assert all(max(hue) == pytest.approx(150, abs=2) and min(hue) == pytest.approx(50, abs=3) for hue in hues)


def test_sharpness_sharpens_as_often_as_it_says(square: Square) -> None:
    preset = Augmentation(sharpness=1.85, sharpness_chance=0.25)
    versions = [augment(square, preset, (0, 0, index)) for index in range(200)]
    changed = [version for version in versions if version is not square]
    assert 30 < len(changed) < 70
    edges = [np.abs(np.diff(version.astype(float), axis=1)).mean() for version in (square, changed[0])]
    assert edges[1] > edges[0] * 1.05


def test_erasing_paints_one_grey_rectangle_of_that_area() -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    preset = Augmentation(erase=(0.05, 0.2), erase_chance=0.5)
    erased = 0
    for index in range(100):
        augmented = augment(black, preset, (0, 0, index))
        rows, columns = np.nonzero(augmented[..., 0])
        if len(rows):
            erased += 1
            assert set(np.unique(augmented)) == {0, 128}
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert height * width == len(rows), "a rectangle"
            assert 0.04 < len(rows) / SIDE**2 < 0.22
    assert 30 < erased < 70


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_mixing_keeps_targets_distributions_and_in_the_same_shares(way: str, squares: Square) -> None:
    flat = np.stack([np.full((SIDE, SIDE, 3), 10 + 40 * number, np.uint8) for number in range(6)])
    targets = np.eye(6, dtype=np.float32)
    mixes = 0
    for step in range(40):
        mixed, shares = mix(flat, targets, only(way, 1.0), (0, 0, step))
        assert mixed.shape == flat.shape and mixed.dtype == np.uint8 and shares.dtype == np.float32
        assert np.allclose(shares.sum(1), 1, atol=1e-6)
        # a flat picture's mean says how much of each it is made of
        means = mixed.reshape(6, -1).mean(1)
        assert np.allclose(means, shares @ (10 + 40 * np.arange(6)), atol=0.6)
        mixes += bool((shares.max(1) < 0.98).any())
        repeated = mix(flat, targets, only(way, 1.0), (0, 0, step))
        assert np.array_equal(mixed, repeated[0]) and np.array_equal(shares, repeated[1])
    assert mixes > 30


def test_cutmix_pastes_one_rectangle_and_mixup_blends(squares: Square) -> None:
    targets = np.eye(6, dtype=np.float32)
    pasted, shares = mix(squares, targets, Augmentation(cutmix=1.0), (0, 0, 1))
    for number in range(6):
        partner = next((index for index in np.flatnonzero(shares[number]) if index != number), number)
        untouched = (pasted[number] == squares[number]).all(2)
        assert ((pasted[number] == squares[partner]).all(2) | untouched).all(), "every pixel is of one of the two"
    blended, _ = mix(squares, targets, Augmentation(mixup=1.0), (0, 0, 1))
    assert not np.array_equal(blended, squares)


@given(step=st.integers(0, 9999), alpha=st.floats(0.1, 4.0))
def test_mixup_is_the_blend_that_its_targets_say(step: int, alpha: float) -> None:
    squares = np.random.default_rng(step).integers(0, 256, (4, 8, 8, 3), np.uint8)
    mixed, shares = mix(squares, np.eye(4, dtype=np.float32), Augmentation(mixup=alpha), (0, 0, step))
    expected = np.einsum("ij,jklm->iklm", shares.astype(float), squares.astype(float))
    assert np.abs(mixed - expected).max() <= 0.51
    assert ((shares > 0).sum(1) <= 2).all()


@given(step=st.integers(0, 9999), alpha=st.floats(0.1, 4.0))
def test_cutmix_pastes_the_same_place_of_another_in_the_share_that_its_targets_say(step: int, alpha: float) -> None:
    owners = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None, None], (4, 20, 20, 3))
    mixed, shares = mix(owners, np.eye(4, dtype=np.float32), Augmentation(cutmix=alpha), (0, 0, step))
    for number in range(4):
        pasted = np.bincount(mixed[number, ..., 0].ravel(), minlength=4) / 400
        assert np.allclose(pasted, shares[number], atol=1e-6)
        rows, columns = np.nonzero(mixed[number, ..., 0] != number)
        assert len(rows) == 0 or (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows), "a rectangle"


def test_nothing_is_mixed_where_nothing_is_to_be(squares: Square) -> None:
    targets = np.eye(6, dtype=np.float32)
    unmixed, unmixed_targets = mix(squares, targets, PRESETS["perspective-colour"], (0, 0, 0))
    assert unmixed is squares and unmixed_targets is targets
    single, _ = mix(squares[:1], targets[:1], PRESETS["strong"], (0, 0, 0))
    assert np.array_equal(single, squares[:1])


def test_a_preset_without_a_part_does_not_do_it(square: Square) -> None:
    """Each part alone changes the square, so that no part is dead."""
    strong = PRESETS["strong"]
    for part in fields(Augmentation):
        value = getattr(strong, part.name)
        if part.name in ("mixup", "cutmix") or part.name.endswith("_chance") or value == part.default:
            continue
        alone = replace(only(part.name, 1.0 if part.name == "flip" else value), erase_chance=1.0)
        assert not np.array_equal(augment(square, alone, (0, 0, 1)), square), part.name
