"""What every form of a guide has to do: answer as the guide does, from its folder alone, and be caught where not."""

import importlib
import shutil
import zipfile
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from spoiling import GRAPH_MISTAKES, PREPARING_MISTAKES, sharpen, spoil_graph, squash

from conftest import CLASS_NAMES, picture_bytes
from fieldguide.engine import core_count
from fieldguide.errors import InputUnusable, MissingExtra, ParityError, SettingsError
from fieldguide.exporters import known_exporters, open_exporter
from fieldguide.exporters.contract import Exporter, Source
from fieldguide.guide import open_guide
from fieldguide.stages.export.compared import ComparedFile
from fieldguide.stages.export.parity import GuideRuntime, Parity, measure_parity

# the forms whose contract is tested here, and what has to be importable for it
FORMS = {
    "coreml": "coremltools",
    "int8": "onnxruntime",
    "litert": "litert_torch",
    "litert-int8": "litert_torch",
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "web": "selenium",
}
HEAVY = ("coreml", "litert", "litert-int8")  # `make test-all` has what makes them in an environment of its own
BROWSER = (pytest.mark.browser, pytest.mark.slow)  # test_web_form.py has what is told soon
COMPARED = [picture_bytes(name, number) for name in CLASS_NAMES for number in range(20, 24)]


@pytest.fixture(scope="module")
def source(built_once: Path) -> Source:
    """Return what forms are made from: the guide of the built project."""
    guide = open_guide(built_once / "guide", threads=core_count(), trusted=True)

    def sample(count: int) -> NDArray[np.uint8]:
        return np.stack([guide.load(picture_bytes(name, n)) for n in range(12) for name in CLASS_NAMES][:count])

    return Source(guide, "transfer", b"", sample)


def parity(source: Source, exporter: Exporter, folder: Path, files: Sequence[bytes] = COMPARED) -> Parity:
    readers = [ComparedFile(partial(bytes, data)) for data in files]
    with exporter.open(folder) as runtime:
        return measure_parity(GuideRuntime(source.guide), runtime, readers, lambda: None)


def marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return BROWSER if name == "web" else (pytest.mark.heavy,) if name in HEAVY else ()


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in FORMS])
class TestEveryForm:
    """The contract of `Exporter`."""

    @pytest.fixture
    def form(self, name: str) -> Exporter:
        pytest.importorskip(FORMS[name])
        exporter = open_exporter(name)
        if name == "web" and not files("fieldguide").joinpath("web", "guide", "index.html").is_file():
            pytest.skip("the pages are not built: make pages")
        try:
            why_not = exporter.cannot_run()
        except MissingExtra as error:
            why_not = str(error)
        if why_not:
            pytest.skip(why_not)
        return exporter

    @pytest.fixture
    def folder(self, name: str, form: Exporter, source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return the form's folder, made once for all tests; only to be copied."""
        base = _made.get(name)
        if base is None:
            base = _made[name] = tmp_path_factory.mktemp(name)
            form.export(source, base)
        copy = tmp_path_factory.mktemp("copy") / name
        shutil.copytree(base, copy)
        return copy

    def test_it_answers_as_the_guide_does(self, form: Exporter, source: Source, folder: Path) -> None:
        measured = parity(source, form, folder)
        assert measured.doubts(form.facts) == ()
        is_float = form.facts.least_agreement > 0.99
        assert measured.compared == len(COMPARED) and measured.decline_agreement >= (1.0 if is_float else 0.9)
        assert 0 < measured.latency_ms < 60_000

    def test_labels_and_what_goes_in_stand_in_its_metadata(self, name: str, folder: Path) -> None:
        if not name.startswith("litert"):
            pytest.skip("only .tflite files have such metadata")
        files = importlib.import_module("ai_edge_litert.tools.flatbuffer_utils")
        model = files.read_model(str(folder / "model.tflite"))
        (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
        data = bytes(model.buffers[entry.buffer].data)
        assert data[4:8] == b"M001", "the schema's identifier"
        for text in ("shapes", "image", "probs", "familiarity", "labels.txt", "1.0.0"):
            assert text.encode() + b"\0" in data
        with zipfile.ZipFile(folder / "model.tflite") as archive:
            assert archive.read("labels.txt").decode().splitlines() == list(CLASS_NAMES)

    def test_what_it_is_called(self, name: str, form: Exporter, source: Source) -> None:
        assert form.name == name and isinstance(form, Exporter)
        assert form.facts.about and form.unsuitable(source) == "" and form.cannot_run() == ""

    @pytest.mark.parametrize("mistake", GRAPH_MISTAKES)
    def test_a_mistake_in_its_graph_is_found(
        self, form: Exporter, source: Source, tmp_path: Path, mistake: str
    ) -> None:
        (tmp_path / "form").mkdir()
        try:
            form.export(spoil_graph(source, tmp_path / "guide", mistake), tmp_path / "form")
        except ParityError:
            return
        assert parity(source, form, tmp_path / "form").doubts(form.facts)

    @pytest.mark.parametrize("mistake", GRAPH_MISTAKES)
    def test_a_guide_that_is_sure_of_everything_hides_no_mistake(
        self, form: Exporter, source: Source, tmp_path: Path, mistake: str
    ) -> None:
        sure = sharpen(source, tmp_path / "sure")
        (tmp_path / "form").mkdir()
        try:
            form.export(spoil_graph(sure, tmp_path / "guide", mistake), tmp_path / "form")
        except ParityError:
            return
        assert parity(sure, form, tmp_path / "form").doubts(form.facts)

    @pytest.mark.parametrize("mistake", PREPARING_MISTAKES)
    def test_a_mistake_in_how_it_prepares_pictures_is_found(
        self, form: Exporter, source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
    ) -> None:
        PREPARING_MISTAKES[mistake](folder, monkeypatch)
        assert parity(source, form, folder).doubts(form.facts)

    def test_another_fit_to_the_square_is_found(self, form: Exporter, source: Source, folder: Path) -> None:
        squash(folder)
        assert parity(source, form, folder).doubts(form.facts)


_made: dict[str, Path] = {}


def test_every_built_in_form_is_under_contract() -> None:
    assert set(known_exporters()) == {*FORMS, "skops"}, "test_skops.py has that of the one for the colour learner"


def test_an_unknown_form_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InputUnusable, match="'onxx' is no form") as caught:
        open_exporter("onxx")
    assert "did you mean 'onnx'" in caught.value.hint and "openvino" in caught.value.hint
    with pytest.raises(InputUnusable) as caught:
        open_exporter("android")
    assert "did you mean 'litert'" in caught.value.hint


def test_another_package_brings_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldguide.exporters.entry_points", lambda group: [_Entry("mine"), _Entry("onnx")])
    module = importlib.import_module("fieldguide.exporters.onnx_form")
    monkeypatch.setattr(module.OnnxExporter, "name", "mine")
    assert open_exporter("mine").name == "mine"
    assert "mine" in known_exporters()
    monkeypatch.setattr(module.OnnxExporter, "name", "other")
    with pytest.raises(SettingsError, match="'mine' has not what an exporter needs"):
        open_exporter("mine")


class _Entry:
    """An entry point, as the registry of installed packages has it."""

    value = "mine:Exporter"
    dist = None

    def __init__(self, name: str) -> None:
        self.name = name

    def load(self) -> type[Exporter]:
        from fieldguide.exporters.onnx_form import OnnxExporter

        return OnnxExporter
