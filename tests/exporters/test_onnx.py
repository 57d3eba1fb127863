"""Dense layers, and the graph behind a frozen backbone: it answers as the head does, whatever its layers and signs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.calibration import softmax
from fieldguide.exporters.onnx import ACTIVATIONS, Activation, Layer, apply_layers
from fieldguide.learners.linear_head import Head

onnx = pytest.importorskip("onnx", reason="publishing needs the extra [train]")
onnxruntime = pytest.importorskip("onnxruntime")

from fieldguide.exporters.onnx import export_model  # noqa: E402

SIZE, WIDTH = 4, 30
DICE = np.random.default_rng(0)
MIX = DICE.normal(size=(3 * SIZE * SIZE, WIDTH)).astype(np.float32) / 255


def backbone() -> bytes:
    """Return a backbone of one product of all pixels: its features have both signs."""
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT),
        make.make_node("Flatten", ["float"], ["flat"], axis=1),
        make.make_node("MatMul", ["flat", "mix"], ["features"]),
    ]
    image = make.make_tensor_value_info("image", kinds.UINT8, ["n", "h", "w", 3])
    features = make.make_tensor_value_info("features", kinds.FLOAT, ["n", WIDTH])
    graph = make.make_graph(nodes, "g", [image], [features], [onnx.numpy_helper.from_array(MIX, "mix")])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def head(shapes: list[tuple[int, int, Activation]]) -> Head:
    layers = [Layer(DICE.normal(size=(wide, out)) / 3, DICE.normal(size=out), kind) for wide, out, kind in shapes]
    return Head(tuple(layers), 1.7, 0.0)


def answers(model: bytes, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(["logits", "features"], {"image": image})
    return outputs


@pytest.mark.parametrize(
    "shapes",
    [
        [(WIDTH, 4, "none")],
        [(20, 4, "none")],
        [(WIDTH, 12, "relu"), (12, 8, "hardswish"), (8, 4, "none")],
    ],
    ids=["linear", "of the first features", "layers"],
)
def test_the_graph_answers_as_the_head_does(shapes: list[tuple[int, int, Activation]]) -> None:
    image = DICE.integers(0, 256, (9, SIZE, SIZE, 3), dtype=np.uint8)
    features = (image.reshape(9, -1).astype(np.float32) @ MIX).astype(np.float32)
    assert features.min() < -1 and features.max() > 1
    top = 15
    trained_head = head(shapes)
    logits, model_features = answers(export_model(backbone(), trained_head.tempered(), SIZE, width=top), image)
    probs = softmax(logits.astype(np.float64))
    assert np.abs(probs - trained_head.probs(features)).max() < 1e-5
    assert np.abs(model_features - features[:, :top]).max() < 1e-5
    assert probs.std(axis=0).max() > 0.01


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("none", [-4.0, -1.0, 0.0, 1.0, 4.0]),
        ("relu", [0.0, 0.0, 0.0, 1.0, 4.0]),
        ("hardswish", [0.0, -1 / 3, 0.0, 2 / 3, 4.0]),
    ],
)
def test_activations(activation: Activation, expected: list[float]) -> None:
    rows = np.array([[-4.0, -1.0, 0.0, 1.0, 4.0]])
    assert ACTIVATIONS[activation](rows).tolist() == [pytest.approx(expected)]


def test_layers_follow_one_another() -> None:
    first = Layer(np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.5, 0.0]), "relu")
    last = Layer(np.array([[3.0], [7.0]]), np.array([-1.0]))
    values = apply_layers((first, last), np.array([[1.0, 1.0], [1.0, 4.0]], np.float32))
    assert values.tolist() == [[3 * 3.5 - 1], [3 * 9.5 + 7 * 1.0 - 1]]
    assert values.dtype == np.float64
