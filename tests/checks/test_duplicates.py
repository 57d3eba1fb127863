"""Near-copies: found as a slow reference finds them, on pictures changed as people change them; who is kept."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from conftest import draw_picture, encode, pixels_of
from fieldguide.checks.duplicates import Fingerprints, find_copies, group_alike, judge_copies
from fieldguide.images import dhash, grey_thumbnail
from fieldguide.settings import CleanSettings

DISTANCE, LIKENESS = CleanSettings().copy_distance, CleanSettings().copy_likeness


def prints_of(images: list[Image.Image]) -> Fingerprints:
    pixels = [np.asarray(image.convert("RGB")) for image in images]
    hashes = [dhash(image) for image in pixels]
    return Fingerprints(
        [f"{number:03}" for number in range(len(images))],
        np.array([straight for straight, _ in hashes], dtype=np.uint64),
        np.array([mirror for _, mirror in hashes], dtype=np.uint64),
        np.stack([grey_thumbnail(image) for image in pixels]),
    )


def copies(images: list[Image.Image]) -> list[tuple[int, int]]:
    return find_copies(prints_of(images), DISTANCE, LIKENESS)


def slow_copies(prints: Fingerprints, distance: int, likeness: float) -> list[tuple[int, int]]:
    """Compare every pair, one after the other, in Python's own numbers."""

    def correlation(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
        if left.std() == 0 or right.std() == 0:
            return float(left.std() == right.std())
        return float(np.corrcoef(left.ravel().astype(float), right.ravel().astype(float))[0, 1])

    pairs = []
    for i in range(len(prints.sha256)):
        for j in range(i + 1, len(prints.sha256)):
            straight = (int(prints.dhash[i]) ^ int(prints.dhash[j])).bit_count() <= distance
            mirrored = (int(prints.dhash[i]) ^ int(prints.mirror[j])).bit_count() <= distance
            if (straight and correlation(prints.grey[i], prints.grey[j]) >= likeness) or (
                mirrored and correlation(prints.grey[i], prints.grey[j][:, ::-1]) >= likeness
            ):
                pairs.append((i, j))
    return pairs


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([0.3, 0.8, 0.98]))
def test_pairs_are_those_of_the_slow_reference(seed: int, distance: int, likeness: float) -> None:
    dice = np.random.default_rng(seed)
    grey = dice.integers(0, 256, (12, 8, 8)).astype(np.uint8)
    hashes = dice.integers(0, 2**63, 12).astype(np.uint64)
    mirrors = dice.integers(0, 2**63, 12).astype(np.uint64)
    for _ in range(10):
        original, copy = dice.integers(0, 12, 2)
        noisy = np.clip(grey[original] + dice.integers(-60, 61, (8, 8)) * dice.choice([0.2, 1.0]), 0, 255).astype(
            np.uint8
        )
        near = hashes[original] ^ np.uint64(
            sum(1 << bit for bit in set(dice.integers(0, 64, dice.integers(0, 14)).tolist()))
        )
        if dice.random() < 0.5:
            grey[copy], hashes[copy] = noisy, near
        else:
            grey[copy], mirrors[copy] = noisy[:, ::-1], near
    grey[dice.integers(0, 12, 2)] = 255
    prints = Fingerprints([str(number) for number in range(12)], hashes, mirrors, grey)
    assert find_copies(prints, distance, likeness) == slow_copies(prints, distance, likeness)


def test_pairs_among_thousands_of_pictures() -> None:
    dice, count, expected = np.random.default_rng(3), 3000, [(5, 2900), (1023, 1024), (2047, 2999)]
    hashes = dice.integers(0, 2**63, count, dtype=np.uint64)
    grey = dice.integers(0, 256, (count, 8, 8), dtype=np.uint8)
    for original, copy in expected:
        hashes[copy], grey[copy] = hashes[original] ^ np.uint64(5), grey[original]
    prints = Fingerprints([str(number) for number in range(count)], hashes, ~hashes, grey)
    assert find_copies(prints, 4, 0.98) == expected


def test_nothing_and_one_have_no_copies() -> None:
    nothing = np.zeros(0, dtype=np.uint64)
    assert find_copies(Fingerprints([], nothing, nothing, np.zeros((0, 32, 32), np.uint8)), 8, 0.98) == []
    assert copies([draw_picture("circle", 0)]) == []


def watermarked(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((8, image.height - 20), "(c) somebody", fill=(250, 250, 250))
    return image


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "resized": lambda image: image.resize((image.width * 3 // 5, image.height * 3 // 5), Image.Resampling.BILINEAR),
    "enlarged": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.LANCZOS),
    "saved badly": lambda image: Image.fromarray(pixels_of(badly(image))),
    "mirrored, resized": lambda image: ImageOps.mirror(image).resize((96, 96)),
    "watermarked": watermarked,
    "brighter": lambda image: image.point([min(255, value + 20) for value in range(256)] * 3),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


def badly(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=25)
    return file.getvalue()


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    originals = [draw_picture(name, number, 160) for name in ("circle", "cross", "ring") for number in range(3)]
    changed = [CHANGES[change](image) for image in originals]
    assert copies([*originals, *changed]) == [(number, number + 9) for number in range(9)]


def test_different_pictures_are_not_copies() -> None:
    assert (
        copies([draw_picture(name, number) for name in ("circle", "square", "stripes") for number in range(20)]) == []
    )


def on_white(draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    image = Image.new("RGB", (200, 160), "white")
    draw(ImageDraw.Draw(image))
    return image


def test_different_drawings_on_white_are_not_copies() -> None:
    drawings = [
        on_white(lambda pen: pen.line((20, 140, 180, 20), fill="black", width=3)),
        on_white(lambda pen: pen.line((20, 140, 180, 60), fill="black", width=3)),
        on_white(lambda pen: pen.ellipse((60, 40, 140, 120), outline="black", width=3)),
        on_white(lambda pen: pen.ellipse((70, 60, 130, 120), outline="black", width=3)),
        on_white(lambda pen: pen.rectangle((60, 40, 140, 120), outline="black", width=3)),
        on_white(lambda pen: pen.rectangle((30, 60, 40, 140), fill="black")),
        on_white(lambda pen: pen.rectangle((30, 90, 40, 140), fill="black")),
    ]
    prints = prints_of(drawings)
    shared = sum((int(a) ^ int(b)).bit_count() <= DISTANCE for a in prints.dhash for b in prints.dhash) - len(drawings)
    assert shared > 0, "their hashes alone do not tell them apart"
    assert copies(drawings) == []


def test_blank_pictures_are_copies_of_each_other() -> None:
    blanks = [Image.new("RGB", (90, 90), colour) for colour in ("white", "black", "red")]
    assert copies([*blanks, draw_picture("circle", 0)]) == [(0, 1), (0, 2), (1, 2)]


def test_different_encodings_of_a_picture_are_copies() -> None:
    image = draw_picture("square", 2)
    assert copies([Image.fromarray(pixels_of(encode(image, kind))) for kind in ("PNG", "JPEG")]) == [(0, 1)]


# ---- who is kept


def judged(
    pairs: list[tuple[int, int]], labels: dict[str, set[str]], areas: dict[str, int] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    names = sorted(labels)
    verdicts = judge_copies(pairs, names, labels, areas or dict.fromkeys(names, 1))
    groups = group_alike(pairs, names)
    assert [verdict.sha256 for verdict in verdicts] == names
    assert all((verdict.verdict == "keep") == (verdict.reason == "") for verdict in verdicts)
    reasons = {verdict.sha256: verdict.reason.partition(":")[0] for verdict in verdicts}
    return reasons, {group.sha256: group.group_id for group in groups}


def test_of_copies_the_largest_is_kept() -> None:
    labels = {name: {"cat"} for name in "abcd"}
    reasons, groups = judged([(0, 1), (1, 2)], labels, {"a": 5, "b": 9, "c": 1, "d": 1})
    assert reasons == {"a": "near_copy", "b": "", "c": "near_copy", "d": ""}
    assert groups == dict.fromkeys("abc", "a")


def test_equal_copies_are_chosen_by_hash() -> None:
    assert judged([(0, 1)], {"a": {"cat"}, "b": {"cat"}})[0] == {"a": "", "b": "near_copy"}


def test_copies_with_two_labels_are_all_rejected() -> None:
    labels = {"a": {"cat"}, "b": {"cat"}, "c": {"dog"}, "d": {"dog"}}
    reasons, groups = judged([(0, 1), (1, 2)], labels)
    assert reasons == {"a": "two_labels", "b": "two_labels", "c": "two_labels", "d": ""}
    assert len(set(groups.values())) == 1
    verdicts = judge_copies([(0, 2)], sorted(labels), labels, dict.fromkeys("abcd", 1))
    assert "cat, dog" in verdicts[0].reason


def test_the_same_bytes_under_two_labels_are_rejected() -> None:
    reasons, groups = judged([(0, 1)], {"a": {"cat", "dog"}, "b": {"cat"}, "c": {"cat", "dog"}})
    assert reasons == {"a": "two_labels", "b": "two_labels", "c": "two_labels"}
    assert set(groups) == {"a", "b"}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]), max_size=12),
       st.lists(st.sampled_from(["cat", "dog"]), min_size=10, max_size=10))  # fmt: skip
def test_one_of_each_family_is_kept_or_none(pairs: list[tuple[int, int]], classes: list[str]) -> None:
    names = [f"{number}" for number in range(10)]
    reasons, groups = judged(pairs, {name: {label} for name, label in zip(names, classes, strict=True)})
    families = {name: {name} for name in names}
    for _ in names:  # slow: join until nothing changes
        for left, right in pairs:
            union = families[names[left]] | families[names[right]]
            families.update(dict.fromkeys(union, union))
    for name, family in families.items():
        survivors = [member for member in family if not reasons[member]]
        mixed = len({classes[int(member)] for member in family}) > 1
        assert len(survivors) == (0 if mixed else 1)
        assert groups.get(name, name) == min(family)
