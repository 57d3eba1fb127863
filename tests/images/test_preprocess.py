"""`prepare` against a slow reference written from docs/preprocessing.md, and the vectors for other languages.

Run as a program it writes tests/vectors/resize.json again.
"""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fieldguide.images.preprocess import decode_size, prepare, prepare_image
from fieldguide.records import Fit, Preprocessing

VECTORS = Path(__file__).parents[1] / "vectors" / "resize.json"
Pixels = npt.NDArray[np.uint8]


# ---- the reference: docs/preprocessing.md, line by line


def cubic(x: float) -> float:
    a, x = -0.5, abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0


def coefficients(size: int, box: tuple[float, float], out: int) -> list[tuple[int, list[int]]]:
    b0, b1 = np.float32(box[0]), np.float32(box[1])
    scale = float(b1 - b0) / out
    widened = max(scale, 1.0)
    support, inverse = 2 * widened, 1 / widened
    rows = []
    for i in range(out):
        center = float(b0) + (i + 0.5) * scale
        first = max(0, int(center - support + 0.5))
        last = min(size, int(center + support + 0.5))
        k = [cubic((j + first - center + 0.5) * inverse) for j in range(last - first)]
        total = 0.0
        for weight in k:
            total += weight
        k = [weight / total if total else weight for weight in k]
        rows.append((first, [int(weight * 2**22 + (0.5 if weight >= 0 else -0.5)) for weight in k]))
    return rows


def one_pass(pixels: Pixels, box: tuple[float, float], out: int) -> Pixels:
    """Resize along axis 1."""
    if (box[0], box[1]) == (0, out) and pixels.shape[1] == out:
        return pixels
    result = np.empty((pixels.shape[0], out, 3), np.uint8)
    for i, (first, k) in enumerate(coefficients(pixels.shape[1], box, out)):
        window = pixels[:, first : first + len(k)].astype(np.int64)
        total = (2**21 + np.einsum("hjc,j->hc", window, np.array(k, np.int64))) >> 22
        result[:, i] = np.clip(total, 0, 255)
    return result


def resize(pixels: Pixels, box: tuple[float, float, float, float], width: int, height: int) -> Pixels:
    wide = one_pass(pixels, (box[0], box[2]), width)
    return one_pass(wide.transpose(1, 0, 2), (box[1], box[3]), height).transpose(1, 0, 2)


def reference(pixels: Pixels, how: Preprocessing) -> Pixels:
    h, w = pixels.shape[:2]
    n, s = how.size, min(w, h)
    if how.fit == "squash":
        return resize(pixels, (0, 0, w, h), n, n)
    if how.fit == "crop":
        e = s * n / how.resize_shorter
        left, top = (w - e) / 2, (h - e) / 2
        return resize(pixels, (left, top, left + e, top + e), n, n)
    longer = max(w, h)
    width = max(1, math.floor((2 * w * n + longer) / (2 * longer)))
    height = max(1, math.floor((2 * h * n + longer) / (2 * longer)))
    square = np.full((n, n, 3), 255, np.uint8)
    left, top = (n - width) // 2, (n - height) // 2
    square[top : top + height, left : left + width] = resize(pixels, (0, 0, w, h), width, height)
    return square


# ---- tests


def draw_noise(width: int, height: int, seed: int) -> Pixels:
    x, values = seed, []
    for _ in range(width * height * 3):
        values.append(x >> 24)
        x = (1664525 * x + 1013904223) % 2**32
    return np.array(values, np.uint8).reshape(height, width, 3)


FITS: tuple[Fit, ...] = ("squash", "crop", "pad")
sides = st.one_of(st.integers(1, 12), st.integers(1, 150))


@settings(max_examples=150, deadline=None)
@given(sides, sides, st.integers(1, 40), st.integers(0, 20), st.sampled_from(FITS), st.integers(0, 2**32 - 1))
def test_equals_the_reference_bit_for_bit(w: int, h: int, size: int, more: int, fit: Fit, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    how = Preprocessing(size=size, fit=fit, resize_shorter=size + more)
    assert np.array_equal(prepare(pixels, how), reference(pixels, how))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("w", "h"), [(500, 333), (97, 1201), (224, 224), (256, 224), (1, 700)])
def test_equals_the_reference_at_the_usual_size(w: int, h: int, fit: Fit) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (h, w, 3), dtype=np.uint8)
    how = Preprocessing(fit=fit)
    assert np.array_equal(prepare(pixels, how), reference(pixels, how))


def test_hard_edges_overshoot_and_are_clipped() -> None:
    pixels = np.zeros((9, 9, 3), np.uint8)
    pixels[:, 4:] = 255
    how = Preprocessing(size=30)
    square = prepare(pixels, how)
    assert np.array_equal(square, reference(pixels, how))
    assert square.min() == 0 and square.max() == 255


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("w", "h"), [(1, 60_000), (60_000, 1), (3, 65_535)])
def test_extreme_aspects(w: int, h: int, fit: Fit) -> None:
    square = prepare(np.full((h, w, 3), 90, np.uint8), Preprocessing(size=32, resize_shorter=36, fit=fit))
    assert square.shape == (32, 32, 3)
    assert set(np.unique(square)) == ({90, 255} if fit == "pad" else {90})


def test_each_fit_shows_what_it_says() -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, :50, 0] = 200
    pixels[:, 150:, 2] = 200
    size = 40
    squash, crop, pad = (prepare(pixels, Preprocessing(size=size, resize_shorter=size, fit=fit)) for fit in FITS)
    assert squash[20, 2, 0] == 200 and squash[20, -3, 2] == 200
    assert crop[:, 2:-2].max() == 0
    assert (pad[:10] == 255).all() and (pad[-10:] == 255).all() and pad[20, 2, 0] == 200


def test_the_answer_is_a_fresh_array_of_its_own() -> None:
    pixels = np.full((8, 8, 3), 5, np.uint8)
    square = prepare(pixels, Preprocessing(size=8))
    square[:] = 0
    assert pixels.min() == 5


def test_accepts_views_and_read_only_arrays() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    how = Preprocessing(size=16)
    assert np.array_equal(prepare(pixels[::-1, ::2], how), prepare(pixels[::-1, ::2].copy(), how))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_refuses_other_arrays(pixels: npt.NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        prepare(pixels, Preprocessing())


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_an_image_of_pillows_gives_the_same(fit: Fit) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (37, 61, 3), dtype=np.uint8)
    record = Preprocessing(size=16, fit=fit, resize_shorter=20)
    assert np.array_equal(prepare_image(Image.fromarray(pixels), record), prepare(pixels, record))
    with pytest.raises(ValueError, match="must be RGB, not L"):
        prepare_image(Image.new("L", (9, 9)), record)


def test_refuses_what_is_not_defined() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="at least size"):
        prepare(pixels, Preprocessing(size=20, resize_shorter=10, fit="crop"))
    with pytest.raises(ValueError, match="interpolation"):
        prepare(pixels, Preprocessing(interpolation="box"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fit"):
        prepare(pixels, Preprocessing(fit="stretch"))  # type: ignore[arg-type]


def test_decode_size_keeps_twice_what_is_resized_to() -> None:
    assert decode_size(Preprocessing(size=224, fit="squash")) == 448
    assert decode_size(Preprocessing(size=224, fit="pad")) == 448
    assert decode_size(Preprocessing(size=224, resize_shorter=256, fit="crop")) == 512


# ---- vectors

CASES: tuple[tuple[int, int, int, Fit, int], ...] = (
    (1, 1, 3, "squash", 3), (7, 5, 12, "squash", 12), (40, 30, 8, "squash", 8), (8, 8, 8, "squash", 8),
    (8, 21, 8, "squash", 8), (21, 8, 8, "squash", 8), (2, 97, 6, "squash", 6), (33, 17, 8, "crop", 10),
    (17, 33, 8, "crop", 8), (5, 9, 12, "crop", 13), (90, 64, 10, "crop", 11), (31, 12, 9, "pad", 9),
    (12, 31, 9, "pad", 9), (4, 3, 10, "pad", 10), (50, 1, 8, "pad", 8), (64, 64, 7, "pad", 7),
)  # fmt: skip


def vectors() -> str:
    cases = []
    for seed, (width, height, size, fit, shorter) in enumerate(CASES, start=1):
        square = prepare(draw_noise(width, height, seed), Preprocessing(size=size, fit=fit, resize_shorter=shorter))
        how = {"size": size, "fit": fit, "resize_shorter": shorter}
        pixels = base64.b64encode(square.tobytes()).decode("ascii")
        cases.append({"width": width, "height": height, "seed": seed, "preprocessing": how, "pixels": pixels})
    about = "small pictures and what prepare makes of them; see docs/preprocessing.md"
    return json.dumps({"about": about, "cases": cases}, indent=1) + "\n"


def test_the_vectors_match() -> None:
    assert VECTORS.read_text(encoding="utf-8") == vectors()


def test_the_vectors_match_the_reference() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        pixels = draw_noise(case["width"], case["height"], case["seed"])
        expected = reference(pixels, Preprocessing(**case["preprocessing"]))
        assert base64.b64decode(case["pixels"]) == expected.tobytes()


if __name__ == "__main__":
    VECTORS.parent.mkdir(exist_ok=True)
    VECTORS.write_text(vectors(), encoding="utf-8")
