"""Near-copies: found as a slow reference finds them, on pictures changed as people change them; who is kept."""

import io
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from conftest import draw_picture, encode, pixels_of
from fieldguide.checks.duplicates import CopyIndex, Fingerprints, find_copies, group_alike, judge_copies, surplus_copies
from fieldguide.images import copy_prints
from fieldguide.records import Prints
from fieldguide.settings import CleanSettings

DISTANCE, LIKENESS = CleanSettings().copy_distance, CleanSettings().copy_likeness


def prints_of(images: list[Image.Image]) -> Fingerprints:
    return Fingerprints({f"{number:03}": copy_prints(image.convert("RGB")) for number, image in enumerate(images)})


def copies(images: list[Image.Image]) -> list[tuple[int, int]]:
    pairs = find_copies(prints_of(images), DISTANCE, LIKENESS)
    assert pairs == arrived(images), "those that arrive one by one are judged alike"
    return pairs


def arrived(images: list[Image.Image]) -> list[tuple[int, int]]:
    """Ask of each pair, as collecting does, whether the second is a copy of the first."""
    prints = [copy_prints(image.convert("RGB")) for image in images]
    pairs = []
    for first in range(len(prints)):
        index = CopyIndex(DISTANCE, LIKENESS)
        index.add(prints[first])
        pairs += [(first, second) for second in range(first + 1, len(prints)) if index.has(prints[second])]
    return pairs


def slow_copies(prints: dict[str, Prints], distance: int, likeness: float, classes: list[int]) -> list[tuple[int, int]]:
    """Compare every pair, one after the other, in numbers of double precision."""
    greys = [np.frombuffer(item.grey, np.uint8).reshape(32, 32).astype(float) for item in prints.values()]
    colours = [np.frombuffer(item.colour, np.uint8).reshape(8, 8, 2) - 128.0 for item in prints.values()]
    hashes = [[int.from_bytes(item.dhash, "big"), int.from_bytes(item.mirror, "big")] for item in prints.values()]
    x, y = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32))
    light = np.stack([np.ones(1024), *(part.ravel() for part in (x, y, x * x, x * y, y * y))], axis=1)

    def has_detail(grey: NDArray[np.float64]) -> bool:
        wall = light @ np.linalg.lstsq(light, grey.ravel(), rcond=None)[0]
        return bool((grey.ravel() - wall).std() > 2)

    def same_colour(i: int, j: int, colour: NDArray[np.floating], grey: NDArray[np.floating]) -> bool:
        left, right = greys[i].std(), greys[j].std()
        weaker = min(left, right)
        paler = weaker < 0.7 * max(left, right) and min(greys[i].max(), greys[j].max()) >= 253
        change = (colours[i] / left - colour / right) * weaker
        cells = change.reshape(64, 2)
        furthest = max(np.hypot(*cell) for cell in cells)
        uncast = max(np.hypot(*(cell - cells.mean(axis=0))) for cell in cells)
        lumas = [greys[i].reshape(8, 4, 8, 4).mean(axis=(1, 3)), grey.reshape(8, 4, 8, 4).mean(axis=(1, 3))]
        near = not paler and furthest <= 20 and uncast <= max(0.6 * weaker, 3)
        return near and not other_hue(colours[i] / left * weaker, colour / right * weaker, np.maximum(*lumas))

    pairs = []
    for i, j in itertools.combinations(range(len(prints)), 2):
        if not (has_detail(greys[i]) and has_detail(greys[j])):
            continue
        for hashed, grey, colour in (
            (hashes[j][0], greys[j], colours[j]), (hashes[j][1], greys[j][:, ::-1], colours[j][:, ::-1])
        ):  # fmt: skip
            near = (hashes[i][0] ^ hashed).bit_count() <= distance
            alike = np.corrcoef(greys[i].ravel(), grey.ravel())[0, 1] >= likeness
            if near and alike and (classes[i] == classes[j] or same_colour(i, j, colour, grey)):
                pairs.append((i, j))
    return sorted(set(pairs))


def other_hue(before: NDArray[np.floating], after: NDArray[np.floating], luma: NDArray[np.floating]) -> bool:
    """Fit a turn of the hue, and a gain with a tint, by least squares; compare what they leave."""
    (u, v), seen, y = before.reshape(64, 2).T, after.reshape(64, 2), luma.ravel()
    if not np.hypot(u, v).any():
        return False
    target, none = np.concatenate(seen.T), np.zeros(64)
    turn = np.stack([np.concatenate([u, v]), np.concatenate([-v, u])], axis=1)
    tint = np.stack([np.concatenate([u, v]), np.concatenate([y, none]), np.concatenate([none, y])], axis=1)
    (cosine, sine), (gain, *cast) = (np.linalg.lstsq(table, target, rcond=None)[0] for table in (turn, tint))
    if not 0.6 <= gain <= 1.6:
        gain = min(max(gain, 0.6), 1.6)
        cast = np.linalg.lstsq(tint[:, 1:], target - tint[:, 0] * gain, rcond=None)[0]
    cast = np.array(cast) * min(1, 0.08 / max(np.hypot(*cast), 1e-9))
    rest = target - tint[:, 1:] @ cast
    gain = min(max(float(rest @ tint[:, 0] / (tint[:, 0] @ tint[:, 0])), 0.6), 1.6)
    left = [np.sqrt(2 * np.mean(part**2)) for part in (target - turn @ [cosine, sine], rest - gain * tint[:, 0])]
    return bool(abs(np.degrees(np.arctan2(sine, cosine))) >= 12 and left[1] >= 2 and left[0] <= 0.6 * left[1])


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.sampled_from([0.3, 0.8, 0.98]))
@settings(max_examples=30)
def test_pairs_are_those_of_the_slow_reference(seed: int, distance: int, likeness: float) -> None:
    dice = np.random.default_rng(seed)
    grey = dice.integers(0, 256, (12, 32, 32)).astype(np.uint8)
    colour = dice.integers(100, 156, (12, 8, 8, 2)).astype(np.uint8)
    hashes = dice.integers(0, 2**63, 12).astype(np.uint64)
    mirrors = dice.integers(0, 2**63, 12).astype(np.uint64)
    for _ in range(10):
        original, copy = dice.integers(0, 12, 2)
        noise = dice.integers(-60, 61, (32, 32)) * dice.choice([0.2, 1.0])
        noisy = np.clip(grey[original] * dice.choice([0.5, 1.0]) + noise, 0, 255).astype(np.uint8)
        tinted = np.clip(colour[original] + dice.integers(-20, 21, (8, 8, 2)) * dice.choice([0.1, 1.0]), 0, 255)
        near = hashes[original] ^ np.uint64(
            sum(1 << bit for bit in set(dice.integers(0, 64, dice.integers(0, 14)).tolist()))
        )
        if dice.random() < 0.5:
            grey[copy], colour[copy], hashes[copy] = noisy, tinted, near
        else:
            grey[copy], colour[copy], mirrors[copy] = noisy[:, ::-1], tinted[:, ::-1], near
    grey[dice.integers(0, 12)] = 255
    grey[dice.integers(0, 12)] = np.linspace(0, 200, 32)
    prints = {
        f"{n}": Prints(int(hashes[n]).to_bytes(8), int(mirrors[n]).to_bytes(8), grey[n].tobytes(), colour[n].tobytes())
        for n in range(12)
    }
    for classes in (dice.integers(0, 6, 12), None):
        found = find_copies(Fingerprints(prints), distance, likeness, classes)
        expected = slow_copies(prints, distance, likeness, list(range(12) if classes is None else classes))
        assert set(found) <= set(expected) and found == sorted(found)
        assert families_of(found) == families_of(expected)
        assert len(found) == sum(len(family) - 1 for family in families_of(found)), "no more pairs than link them"


def families_of(pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    """Join pairs until nothing changes."""
    member: dict[int, set[int]] = {}
    for left, right in pairs:
        family = member.setdefault(left, {left}) | member.setdefault(right, {right})
        member.update(dict.fromkeys(family, family))
    return {frozenset(family) for family in member.values()}


def test_thousands_of_copies_of_one_picture_are_one_family() -> None:
    dice, count = np.random.default_rng(4), 5000
    grey, colour = dice.integers(60, 200, (32, 32)), dice.integers(100, 156, (8, 8, 2)).astype(np.uint8)
    hashed, prints = int(dice.integers(0, 2**63)), {}
    for number in range(count):
        near = hashed ^ (1 << int(dice.integers(0, 64))) ^ (1 << int(dice.integers(0, 64)))
        noisy = (grey + dice.integers(-2, 3, (32, 32))).astype(np.uint8)
        prints[f"{number:04}"] = Prints(
            near.to_bytes(8), (near ^ 2**63 - 1).to_bytes(8), noisy.tobytes(), colour.tobytes()
        )
    prints["other"] = Prints(
        hashed.to_bytes(8), bytes(8), dice.integers(0, 256, 1024).astype(np.uint8).tobytes(), colour.tobytes()
    )
    assert families_of(find_copies(Fingerprints(prints), DISTANCE, LIKENESS)) == {frozenset(range(count))}


def test_pairs_among_thousands_of_pictures() -> None:
    dice, count, expected = np.random.default_rng(3), 3000, [(5, 2900), (1023, 1024), (2047, 2999)]
    hashes = dice.integers(0, 2**63, count, dtype=np.uint64)
    grey = dice.integers(0, 256, (count, 32, 32), dtype=np.uint8)
    for original, copy in expected:
        hashes[copy], grey[copy] = hashes[original] ^ np.uint64(5), grey[original]
    prints = {
        f"{n:04}": Prints(int(hashes[n]).to_bytes(8), int(~hashes[n]).to_bytes(8), grey[n].tobytes(), bytes(128))
        for n in range(count)
    }
    assert find_copies(Fingerprints(prints), 4, 0.98) == expected


def test_nothing_and_one_have_no_copies() -> None:
    assert find_copies(Fingerprints({}), 8, 0.98) == []
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
    "a fifth darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "much darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "gamma": lambda image: image.point([round(255 * (value / 255) ** 0.8) for value in range(256)] * 3),
    "warmer": lambda image: in_light(image, 1.05, 1.0, 0.95),
    "cooler": lambda image: in_light(image, 0.95, 1.0, 1.05),
}


def in_light(image: Image.Image, *gains: float) -> Image.Image:
    """Return the picture in light of another colour."""
    return Image.fromarray((np.asarray(image) * gains).clip(0, 255).astype(np.uint8))


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


COLOURS = ["red", "blue", "green", "orange", "purple"]
RECOLOURED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "other hue": lambda image: turned(image, 60),
    "opposite hue": lambda image: turned(image, 180),
    "red for blue": lambda image: Image.merge("RGB", image.split()[::-1]),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


def turned(image: Image.Image, degrees: int) -> Image.Image:
    """Return the picture with every hue turned."""
    hue, *others = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point([(value + degrees * 256 // 360) % 256 for value in range(256)]), *others))


@pytest.mark.parametrize("change", RECOLOURED)
def test_a_picture_in_other_colours_is_no_copy(change: str) -> None:
    originals = [colour_shape(name, number) for name in ("red", "blue", "orange") for number in range(3)]
    changed = [RECOLOURED[change](image).convert("RGB") for image in originals]
    assert not [pair for pair in copies([*originals, *changed]) if pair[1] - pair[0] == len(originals)]


def colour_shape(colour: str, number: int) -> Image.Image:
    """Draw one of several shapes on white, filled with a colour."""
    picture = Image.new("RGB", (150, 150), "white")
    ImageDraw.Draw(picture).regular_polygon((60 + 15 * number, 75, 50), 3 + number, fill=colour)
    return picture


def scene(number: int) -> Image.Image:
    """Draw a street of houses in weak colours."""
    dice = np.random.default_rng(number)
    image = Image.new("RGB", (240, 180), "#b9b9b4")
    pen = ImageDraw.Draw(image)
    for left in range(0, 240, 30):
        lightness, tint = dice.integers(60, 190), dice.choice([-24, 24], 2)
        colour = tuple(int(value) for value in (lightness + tint[0], lightness, lightness + tint[1]))
        pen.rectangle((left, int(dice.integers(10, 120)), left + 29, 180), fill=colour)
    return image


@pytest.mark.parametrize("degrees", [-60, -30, 30, 120])
def test_weak_colours_in_another_hue_are_others(degrees: int) -> None:
    scenes = [scene(number) for number in range(8)]
    assert copies([*scenes, *[turned(image, degrees) for image in scenes]]) == []


@pytest.mark.parametrize("gains", [(1.08, 1, 0.92), (0.92, 1, 1.08)])
def test_weak_colours_in_another_light_are_the_same(gains: tuple[float, float, float]) -> None:
    scenes = [scene(number) for number in range(8)]
    lit = [Image.fromarray(pixels_of(badly(in_light(image, *gains)))) for image in scenes]
    assert copies([*scenes, *lit]) == [(number, number + 8) for number in range(8)]


def test_shapes_in_several_colours_are_no_copies() -> None:
    shapes = [colour_shape(colour, number) for number in range(3) for colour in COLOURS]
    assert copies(shapes) == []
    saved = [Image.fromarray(pixels_of(badly(image))) for image in shapes]
    assert copies([*shapes, *saved]) == [(number, number + len(shapes)) for number in range(len(shapes))]


def test_thin_lines_in_several_colours_are_no_copies() -> None:
    def chart(colour: str) -> Image.Image:
        return on_white(lambda pen: pen.line((20, 140, 60, 40, 100, 120, 140, 30, 180, 90), fill=colour, width=1))

    assert copies([chart(colour) for colour in COLOURS]) == []


def test_products_on_white_that_are_paler_or_darker_are_no_copies() -> None:
    def product(colour: str) -> Image.Image:
        return on_white(lambda pen: pen.ellipse((30, 40, 170, 130), fill=colour))

    colours = ["black", "#808080", "#d0d0d0", "#c00000", "#e89090", "#000060", "#9090e8"]
    assert copies([product(colour) for colour in colours]) == []


def test_pictures_without_detail_are_no_copies() -> None:
    blanks = [Image.new("RGB", (90 + number, 90), colour) for colour in ("white", "black", "red") for number in (0, 1)]
    y, x = np.mgrid[-1:1:90j, -1:1:90j]
    light = 0.8 - 0.1 * x - 0.2 * (x * x + y * y)  # a plain wall, darker towards its corners
    walls = [Image.fromarray((light[..., None] * paint).astype(np.uint8)) for paint in ([200, 40, 40], [40, 40, 200])]
    darker = [image.point([value * 9 // 10 for value in range(256)] * 3) for image in walls]
    assert copies([*blanks, *walls, *darker, draw_picture("circle", 0)]) == []


def test_pictures_of_one_class_are_alike_in_any_colour() -> None:
    pictures = [colour_shape("red", 0), colour_shape("blue", 0), colour_shape("green", 0)]
    assert find_copies(prints_of(pictures), DISTANCE, LIKENESS, np.array([0, 1, 0])) == [(0, 2)]


def test_different_encodings_of_a_picture_are_copies() -> None:
    image = draw_picture("square", 2)
    assert copies([Image.fromarray(pixels_of(encode(image, kind))) for kind in ("PNG", "JPEG")]) == [(0, 1)]


# ---- who is kept


def judged(
    pairs: list[tuple[int, int]], labels: dict[str, set[str]], merits: dict[str, tuple[int, ...]] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    names = sorted(labels)
    verdicts = judge_copies(pairs, names, labels, merits or dict.fromkeys(names, (1,)))
    groups = group_alike(pairs, names)
    assert [verdict.sha256 for verdict in verdicts] == names
    assert all((verdict.verdict == "keep") == (verdict.reason == "") for verdict in verdicts)
    reasons = {verdict.sha256: verdict.reason.partition(":")[0] for verdict in verdicts}
    return reasons, {group.sha256: group.group_id for group in groups}


def test_of_copies_the_best_is_kept() -> None:
    labels = {name: {"cat"} for name in "abcd"}
    reasons, groups = judged([(0, 1), (1, 2)], labels, {"a": (5,), "b": (9,), "c": (1,), "d": (1,)})
    assert reasons == {"a": "near_copy", "b": "", "c": "near_copy", "d": ""}
    assert groups == dict.fromkeys("abc", "a")


def test_among_the_largest_copies_the_next_merit_decides_and_the_others_point_to_it() -> None:
    labels = {name: {"cat"} for name in "abc"}
    verdicts = judge_copies([(0, 1), (1, 2)], "abc", labels, {"a": (9, -2, 0), "b": (5, 0, 0), "c": (9, -1, -7)})
    assert {verdict.sha256: verdict.copy_of for verdict in verdicts} == {"a": "c", "b": "c", "c": ""}


def test_a_person_who_drops_one_of_two_labels_has_settled_the_other() -> None:
    labels = {"a": {"cat"}, "b": {"dog"}, "c": {"dog"}}
    for dropped, kept in (("a", "b"), ("bc", "a"), ("b", ""), ("", ""), ("abc", "")):
        verdicts = judge_copies([(0, 1), (1, 2)], "abc", labels, dict.fromkeys("abc", (1,)), dropped)
        assert "".join(verdict.sha256 for verdict in verdicts if verdict.verdict == "keep") == kept
    verdicts = judge_copies([(0, 1), (1, 2)], "abc", labels, dict.fromkeys("abc", (1,)), "a")
    assert [(it.reason.partition(":")[0], it.copy_of) for it in verdicts] == [
        ("two_labels", "b"), ("", ""), ("near_copy", "b")
    ]  # fmt: skip


def test_a_copy_does_not_take_the_place_of_one_that_a_person_dropped() -> None:
    verdicts = judge_copies([(0, 1)], "ab", {"a": {"cat"}, "b": {"cat"}}, dict.fromkeys("ab", (1,)), "a")
    assert [(it.verdict, it.copy_of) for it in verdicts] == [("keep", ""), ("reject", "a")]


def test_equal_copies_are_chosen_by_hash() -> None:
    assert judged([(0, 1)], {"a": {"cat"}, "b": {"cat"}})[0] == {"a": "", "b": "near_copy"}


def test_copies_with_two_labels_are_all_rejected() -> None:
    labels = {"a": {"cat"}, "b": {"cat"}, "c": {"dog"}, "d": {"dog"}}
    reasons, groups = judged([(0, 1), (1, 2)], labels)
    assert reasons == {"a": "two_labels", "b": "two_labels", "c": "two_labels", "d": ""}
    assert len(set(groups.values())) == 1
    verdicts = judge_copies([(0, 2)], sorted(labels), labels, dict.fromkeys("abcd", (1,)))
    assert "cat, dog" in verdicts[0].reason


def test_the_same_bytes_under_two_labels_are_rejected() -> None:
    reasons, groups = judged([(0, 1)], {"a": {"cat", "dog"}, "b": {"cat"}, "c": {"cat", "dog"}})
    assert reasons == {"a": "two_labels", "b": "two_labels", "c": "two_labels"}
    assert set(groups) == {"a", "b"}


def test_copies_under_several_labels_point_to_the_first_that_is_labelled_otherwise() -> None:
    labels = {"a": {"cat"}, "b": {"cat"}, "c": {"dog"}, "d": {"cat", "dog"}}
    verdicts = judge_copies([(0, 1), (1, 2), (2, 3)], "abcd", labels, {"a": (1,), "b": (9,), "c": (5,), "d": (7,)})
    assert {verdict.sha256: verdict.copy_of for verdict in verdicts} == {"a": "d", "b": "d", "c": "b", "d": ""}


def test_the_best_copies_are_no_surplus() -> None:
    merits = {"a": (1,), "b": (9,), "c": (5,), "d": (5,), "e": (7,), "f": (0,)}
    assert surplus_copies([(0, 1), (1, 2), (2, 3)], "abcdef", merits, 2) == {"a", "d"}
    assert not surplus_copies([(0, 1), (4, 5)], "abcdef", merits, 2)


def test_work_grows_with_the_copies_of_a_picture_not_with_their_pairs() -> None:
    looked: list[str] = []

    class Name(str):
        __slots__ = ()

        def __lt__(self, other: str) -> bool:
            looked.append(self)
            return str.__lt__(self, other)

    class Labels(dict[str, set[str]]):
        def get(self, name: str, usual: set[str] = frozenset()) -> set[str]:  # type: ignore[assignment,override]
            looked.append(name)
            return super().get(name, usual)

    count = 1000
    names = [Name(f"{number:04}") for number in range(count)]
    labels = Labels({name: {"cat"} if place % 2 else {"dog"} for place, name in enumerate(names)})
    pairs = [(place, place + 1) for place in range(count - 1)]
    verdicts = judge_copies(pairs, names, labels, dict.fromkeys(names, (1,)))
    assert {verdict.reason.partition(":")[0] for verdict in verdicts} == {"two_labels"}
    assert {group.group_id for group in group_alike(pairs, names)} == {"0000"}
    assert len(looked) < 50 * count


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
