"""Charts: pictures of the right size, the same for the same, readable by everyone, whatever things are called."""

import io
import math
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from fieldguide.errors import MissingExtra
from fieldguide.plots import MAX_BARS, PlotPoint, draw_bars, draw_curves, draw_tradeoff

matplotlib = pytest.importorskip("matplotlib", reason="charts need the extra [train]")

NAMES = ("plain", "$a_b$", r"\frac{1}{2} $", "x_1^2", "<b>&", "وردة", "玫瑰", "роза", "🌹 rose", "two\nlines",
         "n" * 200, "\u202eesor", "\ud800", "_hidden", "")  # fmt: skip
LINE = [(float(epoch), 1 - math.exp(-epoch / 8)) for epoch in range(30)]


def points(count: int) -> list[PlotPoint]:
    dice = np.random.default_rng(5)
    xs, ys = 10 ** dice.uniform(0, 3, count), dice.uniform(0.2, 0.9, count)
    return [
        PlotPoint(f"run {place}", float(x), float(y), float(y) - 0.05, float(y) + 0.04, place % 100 == 0)
        for place, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    assert picture.format == "PNG"
    return picture.convert("RGB")


def ink(png: bytes) -> int:
    """Count the pixels that are not white."""
    return int((np.asarray(opened(png)) < 250).any(axis=2).sum())


def colours(png: bytes) -> set[tuple[int, ...]]:
    return {colour for _, colour in opened(png).getcolors(1 << 24) or []}  # type: ignore[misc]


@pytest.mark.parametrize(
    "png",
    [
        lambda: draw_curves({"train": LINE, "val": LINE[:9]}, title="Loss", x="epoch", y="loss"),
        lambda: draw_bars({"rose": (0.8, 0.1), "tulip": (0.4, 0.0)}, title="F1", x="F1"),
        lambda: draw_tradeoff(points(9), title="Runs", x="ms", y="accuracy"),
    ],
)
def test_the_same_numbers_are_the_same_bytes(png: Callable[[], bytes]) -> None:
    data = png()
    assert opened(data).width == 1600
    assert data == png()
    assert b"matplotlib" not in data.lower() and b"tEXt" not in data and b"tIME" not in data


@pytest.mark.parametrize("count", [0, 1, 2, 17, 1000])
def test_any_number_of_points(count: int) -> None:
    drawings: tuple[Callable[[], bytes], ...] = (
        lambda: draw_tradeoff(points(count), title="Runs", x="ms", y="accuracy"),
        lambda: draw_curves({"a": LINE * count, "b": []}, title="Loss", x="epoch", y="loss"),
        lambda: draw_curves(
            {f"run {number}": LINE for number in range(count % 100)}, title="Loss", x="epoch", y="loss"
        ),
        lambda: draw_bars({f"class {number}": (0.5, 0.1) for number in range(count)}, title="F1", x="F1"),
    )
    for draw in drawings:
        assert ink(draw()) > 2000


def test_more_bars_are_taller_and_too_many_are_not_drawn() -> None:
    heights = [
        opened(draw_bars({f"class {number}": (0.5, 0.0) for number in range(count)}, title="F1", x="F1")).height
        for count in (3, MAX_BARS, MAX_BARS + 40)
    ]
    assert heights[0] < heights[1] == heights[2]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_letters_are_drawn_and_are_no_formulas(name: str) -> None:
    """Warnings are errors here, those of a missing letter too; a formula that cannot be read would raise as well."""
    assert ink(draw_curves({name: LINE, "other": LINE[:5]}, title=name, x=name, y=name)) > 2000
    assert ink(draw_bars({name: (0.4, 0.1)}, title=name, x=name)) > 2000
    point = PlotPoint(name, 3.0, 0.5, 0.4, 0.6, True)
    assert ink(draw_tradeoff([point, PlotPoint(name, 0, 0.1, 0.1, 0.1, False)], title=name, x=name, y=name)) > 2000


def test_a_dollar_is_a_dollar() -> None:
    """As a formula the three letters would be drawn without their dollars, in italics."""
    charts = [draw_bars({"a": (0.4, 0.1)}, title=title, x="") for title in ("$abc$", "abc")]
    assert ink(charts[0]) > ink(charts[1]) + 200


def test_every_line_has_its_place_in_the_key() -> None:
    """Beside the axes there is a piece of each line; names that start with an underscore are no exception."""
    chart = opened(draw_curves({"_a": LINE, "b": LINE, "c": LINE}, title="", x="", y=""))
    beside = {colour for _, colour in chart.crop((1490, 0, 1600, 960)).getcolors(1 << 24) or []}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= beside


def test_values_that_are_no_numbers_leave_gaps() -> None:
    broken = [(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (3.0, 0.5), (math.nan, 0.2)]
    png = draw_curves({"loss": broken}, title="Loss", x="epoch", y="loss")
    assert png == draw_curves(
        {"loss": [(0, 1), (1, math.nan), (2, math.nan), (3, 0.5)]}, title="Loss", x="epoch", y="loss"
    )
    assert ink(draw_bars({"a": (math.nan, math.nan), "b": (0.2, -1.0)}, title="F1", x="F1")) > 2000


def test_the_frontier_is_drawn_in_another_colour() -> None:
    blue = (0x00, 0x72, 0xB2)
    some = [PlotPoint("a", 1, 0.5, 0.4, 0.6, True), PlotPoint("b", 9, 0.7, 0.6, 0.8, True)]
    none = [PlotPoint(point.name, point.x, point.y, point.low, point.high, False) for point in some]
    assert blue in colours(draw_tradeoff(some, title="", x="", y=""))
    assert blue not in colours(draw_tradeoff(none, title="", x="", y=""))


def test_points_at_one_place_have_numbers_apart() -> None:
    """Each further number at the same place adds ink of its own."""
    amounts = [
        ink(draw_tradeoff([PlotPoint("", 2, 0.5, 0.5, 0.5, False)] * count, title="", x="", y=""))
        for count in (1, 2, 4)
    ]
    assert amounts[0] + 200 < amounts[1] and amounts[1] + 400 < amounts[2]


def test_nobodys_settings_change_a_chart_and_it_changes_none() -> None:
    plain = draw_tradeoff(points(9), title="Runs", x="ms", y="accuracy")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert draw_tradeoff(points(9), title="Runs", x="ms", y="accuracy") == plain
        assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as caught:
        draw_bars({}, title="", x="")
    assert "[train]" in caught.value.hint
