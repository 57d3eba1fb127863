"""The form `int8`: which parts of a network are left in float32, and what cannot be quantised."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import CLASS_NAMES, picture_bytes
from fieldguide.errors import InputUnusable
from fieldguide.exporters.contract import Source
from fieldguide.exporters.int8 import Int8Exporter
from fieldguide.guide import open_guide, write_manifest

onnx = pytest.importorskip("onnx")


@pytest.fixture
def source(built_once: Path) -> Source:
    guide = open_guide(built_once / "guide", trusted=True)

    def sample(count: int) -> NDArray[np.uint8]:
        return np.stack([guide.load(picture_bytes(name, n)) for n in range(4) for name in CLASS_NAMES][:count])

    return Source(guide, "transfer", b"", sample)


def changed(source: Source, folder: Path, model: Any) -> Source:
    """Return a source whose guide has another model."""
    shutil.copytree(source.guide.folder, folder)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    write_manifest(folder)
    return replace(source, guide=open_guide(folder, trusted=True))


def widen(graph: Any) -> tuple[str, str]:
    """Let one channel between two convolutions take nearly the whole range, which changes nothing in float32.

    Returns:
        the names of the two convolutions' weights.
    """
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for first in graph.node:
        after = readers.get(first.output[0], [])
        if first.op_type == "Conv" and [node.op_type for node in after] == ["Conv"]:
            break
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights, bias, next_weights = (tensors[name] for name in (first.input[1], first.input[2], after[0].input[1]))
    for tensor, where, factor in ((weights, 0, 500.0), (bias, 0, 500.0), (next_weights, (slice(None), 0), 1 / 500)):
        array = onnx.numpy_helper.to_array(tensor).copy()
        array[where] *= factor
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return weights.name, next_weights.name


def test_the_parts_that_bear_it_least_stay_float32(source: Source, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(source.model)
    names = widen(model.graph)
    wide = changed(source, tmp_path / "wide", model)
    (tmp_path / "form").mkdir()
    made = Int8Exporter().export(wide, tmp_path / "form")
    left, parts = map(int, str(made["parts in float32"]).split(" of "))
    assert 2 <= left <= parts // 3
    quantised = onnx.load(tmp_path / "form" / "model.onnx")
    kinds = {tensor.name: tensor.data_type for tensor in quantised.graph.initializer}
    assert [kinds[name] for name in names] == [onnx.TensorProto.FLOAT] * 2
    assert list(kinds.values()).count(onnx.TensorProto.INT8) > 2 * (parts - left)
    pictures = wide.sample(12)
    answers = [
        opened.session.run(["probs"], {"image": pictures})[0].argmax(1)
        for opened in (wide.guide, open_guide(tmp_path / "form", trusted=True))
    ]
    assert np.array_equal(*answers)


def test_a_model_without_convolutions_is_refused(source: Source, tmp_path: Path) -> None:
    make = onnx.helper.make_node
    shape = [1, *source.sample(1).shape[1:]]
    bare = onnx.helper.make_graph(
        [
            make("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
            make("ReduceMean", ["pixels"], ["probs"], axes=[1, 2], keepdims=0),
            make("ReduceMean", ["pixels"], ["familiarity"], axes=[1, 2, 3], keepdims=0),
        ],
        "bare",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, shape)],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("probs", "familiarity")],
    )
    model = onnx.helper.make_model(bare, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    guide = replace(source.guide, folder=folder, session=session)
    with pytest.raises(InputUnusable, match="no convolutions"):
        Int8Exporter().export(replace(source, guide=guide), tmp_path)
