"""The drawn charts: the same again for the same seed, well-formed, varied, and leaving nothing changed behind."""

import hashlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")
pytest.importorskip("vl_convert")

import matplotlib

from fieldguide_charts import CLASS_NAMES, Drawing, draw
from fieldguide_charts.drawing import painters
from fieldguide_charts.look import make_look

SEEDS = range(4)
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
PAINTERS = [(name, i) for name in CLASS_NAMES for i in range(len(painters(name)))]


@pytest.fixture(scope="module")
def drawings() -> dict[str, list[Drawing]]:
    return {name: [draw(name, seed) for seed in SEEDS] for name in CLASS_NAMES}


def test_there_are_fourteen_types() -> None:
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 14


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_a_type_draws_files_that_decode_with_sensible_sizes(name: str, drawings: dict[str, list[Drawing]]) -> None:
    for drawing in drawings[name]:
        with Image.open(io.BytesIO(drawing.data)) as picture:
            assert picture.format == FORMATS[drawing.suffix]
            assert 40 <= min(picture.size) <= max(picture.size) <= 900
            levels = np.asarray(picture.convert("L"))
        assert np.ptp(levels) > 40, "an empty picture"
        assert drawing.library
        assert drawing.style


def test_pictures_vary_in_size_format_library_and_style(drawings: dict[str, list[Drawing]]) -> None:
    everything = [drawing for class_drawings in drawings.values() for drawing in class_drawings]
    sizes = {Image.open(io.BytesIO(drawing.data)).size for drawing in everything}
    assert len(sizes) > len(everything) // 2
    assert {drawing.suffix for drawing in everything} == set(FORMATS)
    assert {drawing.library for drawing in everything} == {"matplotlib", "svg", "vega-lite"}
    assert len({drawing.style for drawing in everything}) > 12
    assert len({drawing.data for drawing in everything}) == len(everything)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_the_same_seed_draws_the_same_bytes(name: str, drawings: dict[str, list[Drawing]]) -> None:
    assert draw(name, 1) == drawings[name][1]


def test_another_process_draws_the_same_bytes(drawings: dict[str, list[Drawing]]) -> None:
    names = CLASS_NAMES[::3]
    program = (
        "import hashlib, sys\n"
        "from fieldguide_charts import draw\n"
        "for name in sys.argv[1:]:\n"
        "    print(hashlib.sha256(draw(name, 2).data).hexdigest())\n"
    )
    run = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [hashlib.sha256(drawings[name][2].data).hexdigest() for name in names]


@pytest.mark.parametrize(("name", "index"), PAINTERS)
def test_every_painter_draws_an_opaque_picture(name: str, index: int) -> None:
    _, paint, _ = painters(name)[index]
    rng = np.random.default_rng([7, index])
    picture = paint(rng, make_look(rng))
    assert picture.mode == "RGBA"
    assert min(picture.size) >= 60
    assert picture.getchannel("A").getextrema() == (255, 255)


def test_a_drawing_can_be_pickled(drawings: dict[str, list[Drawing]]) -> None:
    drawing = drawings["pie"][0]
    assert pickle.loads(pickle.dumps(drawing)) == drawing  # noqa: S301 (our own bytes)


def test_matplotlib_is_left_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    state = np.random.get_state()[1].copy()  # type: ignore[index]
    for seed in range(6):
        draw("box", seed)
    assert dict(matplotlib.rcParams) == before
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_settings_of_the_user_do_not_change_a_drawing() -> None:
    plain = [draw("line", seed) for seed in range(6)]
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.grid": True}):
        assert [draw("line", seed) for seed in range(6)] == plain


def test_an_unknown_type_is_refused_naming_the_nearest() -> None:
    with pytest.raises(ValueError, match="the nearest is 'doughnut'"):
        draw("donut", 0)
