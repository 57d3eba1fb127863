"""The published model: pixels in, calibrated probabilities, features and familiarity out, as one ONNX graph.

Knows nothing about projects or training; adds nodes behind a backbone that is ONNX already.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity
from fieldguide.exporters.layers import Activation, Layer
from fieldguide.optional import require

OPSET = 17
_OPERATORS: dict[Activation, str] = {"relu": "Relu", "hardswish": "HardSwish"}


def export_model(backbone: bytes, head: Sequence[Layer], familiarity: Familiarity, size: int) -> bytes:
    """Return the bytes of `model.onnx`.

    Its input is `image` (n, size, size, 3) uint8 RGB; its outputs are `probs` (n, classes) float32, `features`
    (n, d) float32, as many as `familiarity` reads, and `familiarity` (n,) float32, -2 to 0.

    Args:
        backbone: ONNX, `image` (n, h, w, 3) uint8 to `features` (n, d) float32.
        head: layers that return the logits, temperature folded in, from the roots of the first `width` features.
        familiarity: measures how near a picture is to the training data, from the roots of the first d, d <= width.
        size: side of the square, pixels.

    Raises:
        MissingExtra: onnx is not installed.
    """
    onnx = require("onnx", extra="train")
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(backbone)
    graph = model.graph
    nodes = Nodes(graph)
    nodes.add_roots(len(head[0].weights), familiarity.means.shape[1])
    nodes.add_head(head)
    nodes.add_familiarity(familiarity)
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, 3]))
    shapes = {"probs": ["n", head[-1].bias.size], "features": ["n", familiarity.means.shape[1]], "familiarity": ["n"]}
    for name, shape in shapes.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    del graph.value_info[:]
    graph.name = "guide"
    model.producer_name = "fieldguide"
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def count_numbers(model: bytes) -> int:
    """Count the numbers that an ONNX file holds in its constants.

    Raises:
        MissingExtra: onnx is not installed.
    """
    onnx = require("onnx", extra="train")
    graph = onnx.load_model_from_string(model).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)


class Nodes:
    """Adds nodes and constants to the graph of a model."""

    def __init__(self, graph: Any) -> None:
        from onnx import helper, numpy_helper

        self._graph = graph
        self._helper = helper
        self._from_array = numpy_helper.from_array

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        self._graph.initializer.append(self._from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **settings: Any) -> str:
        self._graph.node.append(self._helper.make_node(kind, inputs, [output], name=f"guide/{output}", **settings))
        return output

    def _first(self, of: str, count: int, output: str) -> str:
        """Add a slice of the first so many columns of a matrix."""
        start, axis = self._constant(f"{output}.start", np.array([0])), self._constant(f"{output}.axis", np.array([1]))
        return self._node("Slice", [of, start, self._constant(f"{output}.end", np.array([count])), axis], output)

    def add_roots(self, width: int, top: int) -> None:
        """Add `roots` of the first `width` features, signs kept, and the first `top` of both apart."""
        for node in self._graph.node:
            for place, name in enumerate(node.output):
                if name == "features":
                    node.output[place] = "backbone"
        self._first("backbone", top, "features")
        read = self._first("backbone", width, "read")
        lengths = self._node("Sqrt", [self._node("Abs", [read], "read_sizes")], "root_sizes")
        self._node("Mul", [self._node("Sign", [read], "read_signs"), lengths], "roots")
        self._first("roots", top, "top_roots")

    def add_head(self, layers: Sequence[Layer]) -> None:
        """Compute `probs` from `roots`."""
        rows = "roots"
        for number, layer in enumerate(layers):
            weights = self._constant(f"head.{number}.weights", layer.weights.astype(np.float32))
            bias = self._constant(f"head.{number}.bias", layer.bias.astype(np.float32))
            rows = self._node("Gemm", [rows, weights, bias], f"head.{number}")
            if layer.activation != "none":
                rows = self._node(_OPERATORS[layer.activation], [rows], f"head.{number}.{layer.activation}")
        self._node("Softmax", [rows], "probs", axis=1)

    def add_familiarity(self, known: Familiarity) -> None:
        """Compute `familiarity` from `top_roots`, as `Familiarity.score` does."""
        means = self._constant("known.means", known.means.T.astype(np.float32))
        one = self._constant("known.one", np.array(1.0, dtype=np.float32))
        least = self._constant("known.least", np.array(1e-12, dtype=np.float32))
        length = self._node("ReduceL2", ["top_roots"], "roots_length", axes=[1], keepdims=1)
        safe = self._node("Max", [length, least], "roots_length_safe")
        unit = self._node("Div", ["top_roots", safe], "roots_unit")
        cosines = self._node("MatMul", [unit, means], "cosines")
        nearest = self._node("ReduceMax", [cosines], "nearest", axes=[1], keepdims=0)
        self._node("Sub", [nearest, one], "familiarity")
