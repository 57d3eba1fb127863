"""Mistakes that exports are made with, planted: each is one that a form's check has to find."""

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fieldguide.exporters.contract import Source
from fieldguide.guide import open_guide, write_manifest
from fieldguide.images.decoding import Limits
from fieldguide.images.preprocess import prepare_views
from fieldguide.records import Preprocessing


def swap_channels(onnx: Any, graph: Any) -> None:
    """Let the graph see BGR for RGB."""
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), "spoilt.order")
    graph.initializer.append(order)
    axis = len(graph.input[0].type.tensor_type.shape.dim) - 1
    node = onnx.helper.make_node("Gather", ["image", "spoilt.order"], ["spoilt"], axis=axis)
    _put_first(graph, node)


def divide_by_127(onnx: Any, graph: Any) -> None:
    """Let the graph scale pixels by 127 instead of 127.5."""
    kinds = onnx.TensorProto
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(127.5 / 127, np.float32), "spoilt.factor"))
    cast = next(node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == kinds.FLOAT)
    output = cast.output[0]
    cast.output[0] = "spoilt"
    place = list(graph.node).index(cast) + 1
    graph.node.insert(place, onnx.helper.make_node("Mul", ["spoilt", "spoilt.factor"], [output]))


def _put_first(graph: Any, node: Any) -> None:
    for other in graph.node:
        other.input[:] = [node.output[0] if name == "image" else name for name in other.input]
    graph.node.insert(0, node)


GRAPH_MISTAKES: dict[str, Callable[[Any, Any], None]] = {
    "BGR for RGB": swap_channels,
    "divided by 127": divide_by_127,
}


def spoil_graph(source: Source, folder: Path, mistake: str) -> Source:
    """Return a source whose model has a mistake, in a copy of its guide; its open guide still answers rightly."""
    import onnx

    shutil.copytree(source.guide.folder, folder)
    model = onnx.load_model_from_string(source.model)
    GRAPH_MISTAKES[mistake](onnx, model.graph)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return replace(source, guide=replace(source.guide, folder=folder))


def sharpen(source: Source, folder: Path) -> Source:
    """Return a source whose guide is as sure of every picture as of those that it has learnt."""
    import onnx

    shutil.copytree(source.guide.folder, folder)
    model = onnx.load_model_from_string(source.model)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("head.0."):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 30, tensor.name))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    write_manifest(folder)
    return replace(source, guide=open_guide(folder, trusted=True))


def squash(folder: Path) -> None:
    """Let the form squash pictures that are cropped, and the other way round."""
    path = folder / "guide.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    for view in [about["preprocessing"], *about.get("views", [])]:
        view["fit"] = "squash" if view["fit"] != "squash" else "crop"
    path.write_text(json.dumps(about), encoding="utf-8")
    if (folder / "MANIFEST").is_file():  # the form is a guide
        write_manifest(folder)


def spoil_script(folder: Path, right: str, wrong: str) -> bool:
    """Change the script by which a page prepares pictures; tell whether the form is a page."""
    for path in folder.glob("assets/worker-*.js"):
        text = path.read_text(encoding="utf-8")
        spoilt, count = re.subn(right, wrong, text)
        assert count == 1, f"the page's script has {right} {count} times"
        path.write_text(spoilt, encoding="utf-8")
        return True
    return False


def resize_otherwise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the form resize by another filter."""
    if spoil_script(folder, r"<2\?", "<1?"):  # the kernel has no outer half
        return
    real = Image.Image.resize

    def prepare(data: bytes, views: tuple[Preprocessing, ...], limits: Limits) -> NDArray[np.uint8]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Image.Image, "resize", lambda image, size, how, **more: real(
                image, size, Image.Resampling.BILINEAR, **more))  # fmt: skip
            return prepare_views(data, views, limits)

    monkeypatch.setattr("fieldguide.exporters.running.prepare_views", prepare)


def ignore_orientation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the form take turned photographs as they lie in the file."""
    if spoil_script(folder, r"(format:\w+,)orientation:", r"\1ignored:"):
        return

    def prepare(data: bytes, views: tuple[Preprocessing, ...], limits: Limits) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(data)) as image:
            if image.getexif().get(0x0112, 1) == 1:
                return prepare_views(data, views, limits)
            file = io.BytesIO()
            image.convert("RGB").save(file, "PNG")
        return prepare_views(file.getvalue(), views, limits)

    monkeypatch.setattr("fieldguide.exporters.running.prepare_views", prepare)


PREPARING_MISTAKES = {"another filter": resize_otherwise, "orientation ignored": ignore_orientation}
