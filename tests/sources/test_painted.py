"""The painted pictures: the same again for the same seed, well-formed, and mostly of the colour that they are of."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from matplotlib.colors import rgb_to_hsv

from fieldguide.sources import draws, needs_contact, open_source
from fieldguide.sources.painted import CLASS_NAMES, PaintedSource, paint
from fieldguide.sources.painted.names import named_colours, read_colour

SEEDS = range(6)


def open_painting(name: str, seed: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(paint(name, seed))).convert("RGB"), dtype=np.float64) / 255


def test_a_colour_paints_files_that_decode_and_differ_and_are_the_same_again() -> None:
    files = [paint(name, seed) for name in CLASS_NAMES for seed in SEEDS]
    assert len({hashlib.sha256(data).digest() for data in files}) == len(files)
    assert files[:3] == [paint(CLASS_NAMES[0], seed) for seed in range(3)]
    sizes = {Image.open(io.BytesIO(data)).size for data in files}
    assert all(96 <= side <= 256 for size in sizes for side in size)
    assert {Image.open(io.BytesIO(data)).format for data in files} == {"JPEG", "PNG"}


@pytest.mark.parametrize(("name", "hue"), [("red", 0.0), ("green", 0.3), ("blue", 0.6), ("purple", 0.77)])
def test_most_of_a_painting_has_the_hue_of_its_colour(name: str, hue: float) -> None:
    shares = []
    for seed in SEEDS:
        colours = rgb_to_hsv(open_painting(name, seed).reshape(-1, 3))
        away = np.abs((colours[:, 0] - hue + 0.5) % 1 - 0.5)
        shares.append(float(np.mean((away < 0.15) & (colours[:, 1] > 0.08))))
    assert np.median(shares) > 0.6, shares


def test_black_is_dark_and_white_is_light() -> None:
    dark = [np.median(open_painting("black", seed)) for seed in SEEDS]
    light = [np.median(open_painting("white", seed)) for seed in SEEDS]
    assert max(dark) < 0.4
    assert min(light) > 0.55


@pytest.mark.parametrize(
    ("name", "colour"),
    [("dark sky blue", "blue"), ("greenish blue", "teal"), ("reddish orange", ""), ("puke brown", ""),
     ("plum", "purple"), ("navy green", ""), ("dusty rose", "")],
)  # fmt: skip
def test_a_name_of_the_survey_belongs_where_its_words_say_one_colour(name: str, colour: str) -> None:
    assert read_colour(name) == colour


def test_each_colour_has_names_of_the_survey() -> None:
    counts = {name: len(colours) for name, colours in named_colours().items()}
    assert tuple(counts) == CLASS_NAMES
    assert min(count for name, count in counts.items() if name not in ("black", "white")) >= 15
    assert sum(counts.values()) > 400


def test_collect_takes_it_as_a_source_that_asks_nobody() -> None:
    assert isinstance(open_source("painted"), PaintedSource)
    assert draws("painted")
    assert not needs_contact("painted")


def test_another_colour_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="black, blue"):
        paint("ultraviolet", 0)
