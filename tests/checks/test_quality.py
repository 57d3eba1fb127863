"""Faults of quality: each is seen in a picture that is made to have it, and not in good ones of any kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from conftest import CLASS_NAMES, draw_picture
from fieldguide.checks.files import DECODE_SIDE
from fieldguide.checks.quality import find_fault, judge_quality
from fieldguide.images import decode_image


def scene(side: int = 256) -> Image.Image:
    """Return a picture with fine detail everywhere."""
    grain = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    return Image.blend(draw_picture("circle", 3, side).resize((side, side)), grain, 0.3)


def code(image: Image.Image) -> str:
    return find_fault(image, image.size).reason.partition(":")[0]


def dim(image: Image.Image) -> Image.Image:
    return image.point(lambda level: level * 0.15)


def fade(image: Image.Image) -> Image.Image:
    return image.point(lambda level: 214 + level * 0.16)


def soften(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(image.width * 0.02))


def on_black(image: Image.Image, across: float, down: float) -> Image.Image:
    width, height = int(image.width * (1 + across)), int(image.height * (1 + down))
    canvas = Image.new("RGB", (width, height), "black")
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def letterboxed(image: Image.Image) -> Image.Image:
    return on_black(image.point(lambda level: 40 + level * 0.8), 0, 0.4)


def framed(image: Image.Image) -> Image.Image:
    return on_black(image.point(lambda level: 40 + level * 0.8), 0.3, 0.3)


def long(image: Image.Image) -> Image.Image:
    return image.resize((1200, 200))


def plain(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, (180, 60, 50))


def nearly_empty(image: Image.Image) -> Image.Image:
    empty = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(empty).ellipse((140, 140, 175, 175), fill="black")
    return empty


def written(image: Image.Image, size: int = 24) -> Image.Image:
    page = Image.new("RGB", (400, 400), "white")
    for line in range(8):
        ImageDraw.Draw(page).text((30, 30 + line * 42), "the picture is gone", "black", ImageFont.load_default(size))
    return page


FAULTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "dark": dim, "bright": fade, "blurred": soften, "letterbox": letterboxed, "border": framed, "aspect": long,
    "blank": plain, "low_information": nearly_empty, "text": written,
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("side", [160, 700])
def test_each_fault_is_seen_at_any_size(fault: str, side: int) -> None:
    assert code(scene(side)) == ""
    assert code(FAULTS[fault](scene(side))) == fault


def test_a_verdict_has_the_reason_and_the_score() -> None:
    verdict = judge_quality("a" * 64, find_fault(dim(scene()), (256, 256)))
    assert verdict.verdict == "suspect" and verdict.check == "quality" and verdict.score >= 0.5
    assert verdict.reason.startswith("dark: 99% of it is darker than")
    good = judge_quality("b" * 64, find_fault(scene(), (256, 256)))
    assert good.verdict == "keep" and good.reason == "" and good.score < 0.5


def test_a_chart_and_a_thing_on_white_are_good_pictures() -> None:
    chart = Image.new("RGB", (400, 300), "white")
    pen = ImageDraw.Draw(chart)
    pen.line((40, 20, 40, 260, 380, 260), "black", 2)
    pen.line([(40 + 30 * step, 250 - (step * 37) % 200) for step in range(12)], "black", 2)
    for step in range(5):
        pen.text((10, 20 + step * 50), str(step), "black")
    thing = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(thing).rounded_rectangle((120, 150, 280, 330), 20, fill=(140, 90, 60))
    assert code(chart) == code(thing) == ""


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_no_size_is_too_small(width: int, height: int, level: int) -> None:
    image = Image.new("RGB", (width, height), (level, 255 - level, 7))
    fault = find_fault(image, image.size)
    assert 0 <= fault.score <= 1 and fault.reason.startswith("blank")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["flowers17", "charts-dev", "rooms", "handbags"])
def test_of_good_sets_hardly_any_is_suspected(shared: Path, name: str) -> None:
    paths = sorted(path for path in (shared / "data" / name).rglob("*") if path.suffix in (".jpg", ".png", ".webp"))
    suspected = []
    for path in paths[:: max(1, len(paths) // 60)]:
        image = decode_image(path.read_bytes(), at_least=DECODE_SIDE)
        if fault := code(image):
            suspected.append((path.name, fault))
    assert len(suspected) <= 2, suspected


def test_the_drawn_pictures_are_good() -> None:
    assert {code(draw_picture(name, number)) for name in CLASS_NAMES for number in range(6)} == {""}
