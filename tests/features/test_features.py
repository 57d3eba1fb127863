"""Embeddings: kept on disk, only what is missing is computed, and which runtime computes them."""

import importlib.metadata
import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import CLASS_NAMES, draw_picture, picture_bytes
from fieldguide import features
from fieldguide.errors import DiskFull, InputMissing, MissingExtra, ProjectDamaged
from fieldguide.features import (
    Extractor,
    FeatureStore,
    Pictures,
    cache_folder,
    choose_runtime,
    extract,
    load_square,
    open_runner,
    runtimes,
)
from fieldguide.images import Limits
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import Preprocessing
from fieldguide.settings import change_settings
from fieldguide.stages.add import add

SQUARE = Preprocessing(size=64, resize_shorter=73)
WIDE = 4


class Backbone:
    """Count pictures; the features of each are the mean of its quarters."""

    def __init__(self) -> None:
        self.seen = 0
        self.fails_after = 10**9

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert batch.dtype == np.uint8
        assert batch.shape[1:] == (64, 64, 3)
        self.seen += len(batch)
        if self.seen > self.fails_after:
            raise KeyboardInterrupt
        quarters = batch.reshape(len(batch), 2, 32, 2, 32, 3).mean(axis=(2, 4, 5)).reshape(-1, WIDE)
        return np.asarray(quarters, dtype=np.float32)


@pytest.fixture
def backbone(monkeypatch: pytest.MonkeyPatch) -> Backbone:
    counter = Backbone()
    monkeypatch.setattr(features, "open_runner", lambda model, runtime: counter)
    return counter


class Embedder:
    """Embeds pictures of a project, given by hash and format, in batches of two."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.settings = change_settings(project.settings(), {"features.batch_size": 2})

    def embed(self, images: dict[str, str], progress: SilentProgress) -> NDArray[np.float32]:
        pictures = Pictures(self.project, tuple(images.items()), self.settings, progress)
        return pictures.embed(Path("model-1.onnx"), SQUARE, "onnxruntime")


@pytest.fixture
def embedder(project: Project) -> Embedder:
    return Embedder(project)


@pytest.fixture
def images(project: Project) -> dict[str, str]:
    kinds = {}
    for name in CLASS_NAMES:
        for number in range(3):
            kind = "PNG" if number % 2 else "JPEG"
            kinds[project.store_image(picture_bytes(name, number), kind)] = kind
    return kinds


def shards(embedder: Embedder) -> list[Path]:
    return sorted(embedder.project.features_folder.rglob("*.npz"))


def test_embeddings_are_in_the_order_asked_for(embedder: Embedder, images: dict[str, str], backbone: Backbone) -> None:
    rows = embedder.embed(images, SilentProgress())
    assert rows.shape == (9, WIDE)
    assert rows.dtype == np.float32
    assert backbone.seen == 9
    for place, (name, kind) in enumerate(images.items()):
        square = load_square(embedder.project.image_path(name, kind), SQUARE, Limits())
        assert rows[place] == pytest.approx(Backbone()(square[None])[0])
    backwards = dict(reversed(images.items()))
    assert np.array_equal(embedder.embed(backwards, SilentProgress()), rows[::-1])
    assert backbone.seen == 9, "the second time nothing is computed"


def test_only_what_is_missing_is_computed(embedder: Embedder, images: dict[str, str], backbone: Backbone) -> None:
    some = dict(list(images.items())[:4])
    embedder.embed(some, SilentProgress())
    rows = embedder.embed(images, SilentProgress())
    assert backbone.seen == 9
    reference = Backbone()
    batches = extract([embedder.project.image_path(*item) for item in images.items()], [SQUARE], Limits(), reference, 4)
    assert rows == pytest.approx(np.concatenate(list(batches))[:, 0])


def test_a_picture_may_be_asked_for_twice_and_others_be_kept_beside_it(
    embedder: Embedder, images: dict[str, str], backbone: Backbone
) -> None:
    rows = embedder.embed(images, SilentProgress())
    some = Pictures(embedder.project, tuple(images.items()), embedder.settings, SilentProgress()).take([4, 1, 4])
    assert np.array_equal(some.embed(Path("model-1.onnx"), SQUARE, "onnxruntime"), rows[[4, 1, 4]])
    assert backbone.seen == 9


def test_an_interrupted_pass_keeps_its_shards(
    embedder: Embedder, images: dict[str, str], backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "SHARD_PICTURES", 2)
    backbone.fails_after = 5
    with pytest.raises(KeyboardInterrupt):
        embedder.embed(images, SilentProgress())
    assert len(shards(embedder)) == 2
    backbone.fails_after, backbone.seen = 10**9, 0
    embedder.embed(images, SilentProgress())
    assert backbone.seen == 5


@pytest.mark.parametrize("damage", ["cut short", "empty", "noise", "other arrays"])
def test_a_damaged_shard_is_computed_again(
    embedder: Embedder, images: dict[str, str], backbone: Backbone, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(features, "SHARD_PICTURES", 3)
    rows = embedder.embed(images, SilentProgress())
    shard = shards(embedder)[1]
    data = shard.read_bytes()
    if damage == "other arrays":
        np.savez(shard, other=np.ones(3))
    else:
        shard.write_bytes({"cut short": data[: len(data) // 2], "empty": b"", "noise": b"\xff" * 99}[damage])
    backbone.seen = 0
    assert np.array_equal(embedder.embed(images, SilentProgress()), rows)
    assert backbone.seen == 3
    backbone.seen = 0
    embedder.embed(images, SilentProgress())
    assert backbone.seen == 0, "the damaged shard was replaced"


def test_unfinished_files_are_no_shards(embedder: Embedder, images: dict[str, str], backbone: Backbone) -> None:
    embedder.embed(images, SilentProgress())
    (shards(embedder)[0].parent / ".abc.tmp").write_bytes(b"half")
    embedder.embed(images, SilentProgress())
    assert backbone.seen == 9


def test_a_shard_cannot_run_code(embedder: Embedder, images: dict[str, str], backbone: Backbone) -> None:
    embedder.embed(images, SilentProgress())

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("code was run",)

    np.savez(shards(embedder)[0], sha256=np.array(list(images)), features=np.array([Evil()] * 9, dtype=object))
    assert embedder.embed(images, SilentProgress()).dtype == np.float32
    assert backbone.seen == 18


def test_another_way_of_seeing_has_another_store(tmp_path: Path) -> None:
    def at(model: str, preprocessing: Preprocessing, runtime: str) -> Path:
        extractor = Extractor(Path(model).name, runtime, lambda: lambda batch: batch[:, 0, 0].astype(np.float32))
        return FeatureStore.at(tmp_path, extractor, preprocessing).folder

    ways = [
        at("a-1.onnx", SQUARE, "onnxruntime"),
        at("a-2.onnx", SQUARE, "onnxruntime"),
        at("a-1.onnx", replace(SQUARE, fit="pad"), "onnxruntime"),
        at("a-1.onnx", replace(SQUARE, size=96), "onnxruntime"),
        at("a-1.onnx", SQUARE, "openvino"),
    ]
    assert len(set(ways)) == len(ways)
    assert at("/elsewhere/a-1.onnx", SQUARE, "onnxruntime") == ways[0]
    assert all(path.parent == tmp_path and path.name.startswith("a-") for path in ways)


def test_pixels_do_not_depend_on_where_they_are_asked_for(project: Project) -> None:
    path = project.root / "x.jpg"
    path.write_bytes(picture_bytes("circle", 0, 200))
    square = load_square(path, SQUARE, Limits())
    assert square.shape == (64, 64, 3)
    assert square.dtype == np.uint8
    pixels = next(extract([path], [SQUARE], Limits(), lambda batch: batch.reshape(1, -1).astype(np.float32), 1))
    assert np.array_equal(pixels.reshape(square.shape), square)


def test_several_views_are_what_each_alone_would_be(
    images: dict[str, str], project: Project, backbone: Backbone
) -> None:
    views = [replace(SQUARE, fit=fit, mirrored=mirrored) for fit in ("squash", "crop") for mirrored in (False, True)]
    pictures = Pictures(project, tuple(images.items()), project.settings(), SilentProgress())
    alone = pictures.embed(Path("model.onnx"), views[2], "onnxruntime")
    seen = backbone.seen
    together = pictures.embed_views(Path("model.onnx"), views, "onnxruntime")
    assert backbone.seen == seen + 3 * len(images)  # one view was there
    assert np.array_equal(together[2], alone)
    path = project.image_path(*next(iter(images.items())))
    square, mirrored = (load_square(path, view, Limits()) for view in views[2:])
    assert np.array_equal(mirrored, square[:, ::-1])
    assert np.array_equal(together[3][0], backbone(mirrored[None])[0])


def test_trouble_passes_on(
    embedder: Embedder, images: dict[str, str], backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = embedder.project.store_image(b"no picture", "PNG")
    with pytest.raises(ProjectDamaged):
        embedder.embed({broken: "PNG"}, SilentProgress())

    with pytest.raises(InputMissing):
        embedder.embed({"0" * 64: "PNG"}, SilentProgress())

    def full(path: Path, data: bytes) -> None:
        raise DiskFull("no space", "free some")

    monkeypatch.setattr(features, "write_bytes", full)
    with pytest.raises(DiskFull):
        embedder.embed(images, SilentProgress())


# ---- the runtime


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, float]:
    """Return what each runtime will be measured at; both seem installed, the cache is empty."""
    images_per_s = {"onnxruntime": 10.0, "openvino": 50.0}
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtimes, "measure_images_per_s", lambda model, runtime, size: images_per_s[runtime])
    find_spec, version = importlib.util.find_spec, importlib.metadata.version
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: find_spec("json" if name == "openvino" else name, *rest)
    )
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1" if name == "openvino" else version(name))
    return images_per_s


MODEL = Path("model-1.onnx")


def test_the_faster_one_is_chosen_once_and_remembered(speeds: dict[str, float], tmp_path: Path) -> None:
    assert choose_runtime(MODEL, 64, "auto") == "openvino"
    assert list(json.loads((tmp_path / "cache" / "runtime.json").read_text()).values()) == ["openvino"]
    speeds["onnxruntime"] = 99.0
    assert choose_runtime(MODEL, 64, "auto") == "openvino", "a choice is stable, so that features stay"
    assert choose_runtime(MODEL, 128, "auto") == "onnxruntime"
    assert choose_runtime(Path("model-2.onnx"), 64, "auto") == "onnxruntime"
    assert choose_runtime(MODEL, 64, "auto") == "openvino"


def test_the_choice_can_be_made_by_a_person(speeds: dict[str, float], tmp_path: Path) -> None:
    assert choose_runtime(MODEL, 64, "onnxruntime") == "onnxruntime"
    assert choose_runtime(MODEL, 64, "openvino") == "openvino"
    assert not (tmp_path / "cache").exists(), "nothing is measured"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"x": 1}'])
def test_a_damaged_memory_is_measured_anew(speeds: dict[str, float], tmp_path: Path, text: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "runtime.json").write_text(text)
    assert choose_runtime(MODEL, 64, "auto") == "openvino"
    assert "openvino" in (tmp_path / "cache" / "runtime.json").read_text()


def test_without_openvino(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "openvino" else find_spec(name, *rest)
    )
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    assert choose_runtime(MODEL, 64, "auto") == "onnxruntime"
    assert not (tmp_path / "cache").exists()
    for ask in (lambda: choose_runtime(MODEL, 64, "openvino"), lambda: open_runner(MODEL, "openvino")):
        with pytest.raises(MissingExtra) as caught:
            ask()
        assert "fieldguide[openvino]" in caught.value.hint


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("FIELDGUIDE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "b" / "fieldguide"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c" / ".cache" / "fieldguide"


def write_small_model(path: Path) -> Path:
    """Write a model of the right form: its features are the mean colour."""
    onnx = pytest.importorskip("onnx", reason="building models needs the extra [train]")
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT),
        make.make_node("ReduceMean", ["float"], ["features"], axes=[1, 2], keepdims=0),
    ]
    image = make.make_tensor_value_info("image", kinds.UINT8, ["n", "h", "w", 3])
    features_out = make.make_tensor_value_info("features", kinds.FLOAT, ["n", 3])
    graph = make.make_graph(nodes, "g", [image], [features_out])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_each_runtime_runs_the_same_model(tmp_path: Path, runtime: features.Runtime) -> None:
    pytest.importorskip(runtime, reason="an optional runtime")
    model = write_small_model(tmp_path / "model.onnx")
    run = open_runner(model, runtime)
    assert open_runner(model, runtime) is run, "the same is compiled once"
    batch = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    rows = run(batch)
    assert rows.shape == (3, 3)
    assert rows.dtype == np.float32
    assert rows == pytest.approx(batch.mean(axis=(1, 2)), rel=0.01)
    before = rows.copy()
    run(batch[::-1].copy())
    assert np.array_equal(rows, before), "an answer is not overwritten by the next"


def test_a_project_carried_elsewhere_keeps_its_features(
    embedder: Embedder, images: dict[str, str], backbone: Backbone, tmp_path: Path
) -> None:
    rows = embedder.embed(images, SilentProgress())
    shutil.move(embedder.project.root, tmp_path / "moved")
    pictures = Pictures(Project(tmp_path / "moved"), tuple(images.items()), embedder.settings, SilentProgress())
    assert np.array_equal(pictures.embed(Path("/other/cache/model-1.onnx"), SQUARE, "onnxruntime"), rows)
    assert backbone.seen == 9


# ---- squares


def test_squares_are_held_or_given_one_by_one(
    embedder: Embedder, images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = Pictures(embedder.project, tuple(images.items()), embedder.settings, SilentProgress()).take([3, 0, 3])
    squares = pictures.squares(SQUARE)
    assert isinstance(squares, np.ndarray) and squares.shape == (3, 64, 64, 3)
    assert np.array_equal(squares[0], squares[2]) and not np.array_equal(squares[0], squares[1])
    monkeypatch.setattr(features, "MAX_HELD_BYTES", 3 * 64 * 64 * 3 - 1)
    load = pictures.squares(SQUARE)
    assert callable(load)
    assert all(np.array_equal(load(index), squares[index]) for index in range(3))


def test_what_is_learnt_comes_from_scaled_copies_and_what_is_measured_from_originals(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = draw_picture(CLASS_NAMES[0], 1).resize((600, 400))
    folder = tmp_path / "heap" / CLASS_NAMES[0]
    folder.mkdir(parents=True)
    for number, image in enumerate([large, large.rotate(180), large.resize((150, 100))]):
        image.save(folder / f"{number}.jpg", quality=95)
    add(project, project.settings(), tmp_path / "heap", progress=SilentProgress())
    with project.catalog() as catalog:
        rows = sorted(catalog.images().values(), key=lambda row: -row.width)
    settings = change_settings(project.settings(), {"clean.rescale": 80})
    pictures = Pictures(project, tuple((row.sha256, row.format) for row in rows), settings, SilentProgress())
    exact = pictures.squares(SQUARE, [0, 2])
    assert isinstance(exact, np.ndarray) and not project.scaled_folder.exists(), "memory holds all"
    monkeypatch.setattr(features, "MAX_HELD_BYTES", 2 * 64 * 64 * 3)
    load = pictures.squares(SQUARE, [0, 2])
    assert callable(load)
    (copy,) = project.scaled_folder.rglob("*.jpg")
    with Image.open(copy) as image:
        assert image.size == (120, 80) and copy.stem == pictures.images[0][0]
    assert np.array_equal(load(1), exact[1]) and np.array_equal(load(2), exact[2])
    difference = np.abs(load(0).astype(int) - exact[0]).mean()
    assert 0 < difference < 3, "another picture, and hardly another one"
    made = copy.stat().st_mtime_ns
    pictures.squares(SQUARE, [0])
    assert copy.stat().st_mtime_ns == made, "made once"
    copy.write_bytes(b"cut")
    assert np.array_equal(load(0), exact[0]), "the original is still there"
    wide = replace(SQUARE, size=96, fit="squash")
    load = pictures.squares(wide, [0])
    assert callable(load)
    assert np.array_equal(load(0), pictures.square(0, wide)), "a copy is too small for it"


def test_a_square_whose_original_is_gone_or_changed_is_told_so(embedder: Embedder, images: dict[str, str]) -> None:
    pictures = Pictures(embedder.project, tuple(images.items()), embedder.settings, SilentProgress())
    path = embedder.project.image_path(*pictures.images[0])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ProjectDamaged, match="has changed"):
        pictures.squares(SQUARE)
    path.unlink()
    with pytest.raises(InputMissing, match="is gone"):
        pictures.square(0, SQUARE)


def test_what_stands_twice_is_computed_once(embedder: Embedder, images: dict[str, str], backbone: Backbone) -> None:
    twice = Pictures(embedder.project, tuple(images.items()) * 2, embedder.settings, SilentProgress())
    rows = twice.embed(Path("model-1.onnx"), SQUARE, "onnxruntime")
    assert backbone.seen == 9 and len(rows) == 18
    assert np.array_equal(rows[:9], rows[9:])
