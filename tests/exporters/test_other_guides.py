"""Forms of guides that answer by several views of a picture, or by another network: proved as any other."""

import shutil
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fieldguide as fg
from command import set_key
from conftest import CLASS_NAMES, picture_bytes
from fieldguide.exporters import open_exporter
from fieldguide.exporters.contract import Source
from fieldguide.guide import open_guide
from fieldguide.stages.export.compared import ComparedFile
from fieldguide.stages.export.parity import GuideRuntime, measure_parity

COMPARED = [picture_bytes(name, number) for name in CLASS_NAMES for number in range(50, 53)]
LIGHT = ("int8", "onnx", "openvino")
HEAVY = {"coreml": "coremltools", "litert": "litert_torch", "litert-int8": "litert_torch"}
FORMS = [
    *LIGHT,
    *(pytest.param(name, marks=pytest.mark.heavy) for name in HEAVY),
    pytest.param("web", marks=pytest.mark.browser),
]

pytestmark = pytest.mark.slow


def make(built_once: Path, folder: Path, *lines: tuple[str, str]) -> Source:
    """Build the small project with other settings; return what forms of its guide are made from."""
    shutil.copytree(built_once, folder)
    for section, line in lines:
        set_key(folder / "fieldguide.toml", section, line)
    project = fg.open_project(folder)
    project.build(progress=None)
    guide = open_guide(folder / "guide", trusted=True)

    def sample(count: int) -> NDArray[np.uint8]:
        return np.stack([guide.load(picture_bytes(name, n)) for n in range(12) for name in CLASS_NAMES][:count])

    return Source(guide, "cnn" if ("train", 'learner = "cnn"') in lines else "transfer", b"", sample)


@pytest.fixture(scope="module")
def views(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make(built_once, tmp_path_factory.mktemp("views") / "shapes", ("publish", "views = 2"))


@pytest.fixture(scope="module")
def network(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    lines = (("train", 'learner = "cnn"'), ("train", "size = 64"), ("train.loop", "epochs = 2"))
    return make(built_once, tmp_path_factory.mktemp("network") / "shapes", *lines)


def check(name: str, source: Source, folder: Path) -> None:
    """Make a form, and prove it."""
    if name in HEAVY:
        pytest.importorskip(HEAVY[name])
    if name == "web":
        pytest.importorskip("selenium")
        if not files("fieldguide").joinpath("web", "guide", "index.html").is_file():
            pytest.skip("the pages are not built: make pages")
    if name == "openvino":
        pytest.importorskip("openvino")
    form = open_exporter(name)
    assert form.unsuitable(source) == ""
    form.export(source, folder)
    if form.cannot_run():
        return
    compared = [ComparedFile(partial(bytes, data)) for data in COMPARED]
    with form.open(folder) as runtime:
        assert measure_parity(GuideRuntime(source.guide), runtime, compared, lambda: None).doubts(form.facts) == ()


@pytest.mark.parametrize("name", FORMS)
def test_a_guide_of_several_views(name: str, views: Source, tmp_path: Path) -> None:
    assert len(views.guide.views) == 2
    check(name, views, tmp_path)


@pytest.mark.parametrize("name", FORMS)
def test_a_network_of_another_kind(name: str, network: Source, tmp_path: Path) -> None:
    check(name, network, tmp_path)
