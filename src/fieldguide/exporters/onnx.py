"""A trained model as one ONNX graph: pixels in, logits and features out.

Knows nothing about projects or how the numbers were learnt: it adds nodes behind a backbone that is ONNX already, or
converts a network of torch. What a guide makes of the logits is added in `answers`, for every learner alike. Dense
layers are arrays, so that numpy answers with them and a graph holds the same.
"""

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fieldguide.guide import open_session
from fieldguide.optional import require
from fieldguide.records import LayerSummary

OPSET = 17
Activation = Literal["none", "relu", "hardswish"]
Doubles = NDArray[np.float64]

# hardswish: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2
ACTIVATIONS: Mapping[Activation, Callable[[Doubles], Doubles]] = MappingProxyType(
    {
        "none": lambda rows: rows,
        "relu": lambda rows: np.maximum(rows, 0.0),
        "hardswish": lambda rows: rows * np.clip(rows / 6 + 0.5, 0.0, 1.0),
    }
)
_OPERATORS: dict[Activation, str] = {"relu": "Relu", "hardswish": "HardSwish"}


@dataclass(frozen=True)
class Layer:
    """A dense layer: activation(rows @ weights + bias).

    Attributes:
        weights: (in, out) float64.
        bias: (out,) float64.
        activation: a key of `ACTIVATIONS`.
    """

    weights: Doubles
    bias: Doubles
    activation: Activation = "none"


def apply_layers(layers: Sequence[Layer], rows: NDArray[np.float32]) -> Doubles:
    """Return what the last layer gives, (n, out), for (n, in) rows into the first."""
    values: NDArray[Any] = rows
    for layer in layers:
        values = ACTIVATIONS[layer.activation](values @ layer.weights + layer.bias)
    return np.asarray(values, dtype=np.float64)


def export_model(backbone: bytes, head: Sequence[Layer], size: int, *, width: int, views: int = 1) -> bytes:
    """Return the graph of a head on a backbone that is ONNX already.

    Its input is `image` (n, size, size, 3) uint8 RGB, or (n, views, size, size, 3) of several views, whose logits and
    features are averaged; its outputs are `logits` (n, classes) and `features` (n, width), float32.

    Args:
        backbone: ONNX, `image` (n, h, w, 3) uint8 to `features` (n, d) float32.
        head: layers that give the logits, temperature folded in, from the roots of the first features.
        size: side of the square, pixels.
        width: how many of the first features the guide has, no more than the head reads.
        views: how many of a picture an answer is averaged over.
    """
    onnx = require("onnx", extra="train")
    model = onnx.load_model_from_string(backbone)
    nodes = Nodes(model.graph, views)
    if views > 1:
        nodes.take_views(size)
    nodes.add_roots(len(head[0].weights), width)
    nodes.add_head(head)
    shape: list[str | int] = ["n", views, size, size, 3] if views > 1 else ["n", size, size, 3]
    return _finish(model, shape, {"logits": len(head[-1].bias), "features": width})


def _finish(model: Any, shape: list[str | int], widths: Mapping[str, int]) -> bytes:
    """Declare the input, and the outputs with their widths, check the graph and return its bytes."""
    import onnx
    from onnx import TensorProto, helper

    graph = model.graph
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, shape))
    for name, width in widths.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]))
    del graph.value_info[:]
    graph.name = "guide"
    model.producer_name = "fieldguide"
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def count_numbers(model: bytes) -> int:
    """Return how many numbers an ONNX file holds in its constants."""
    onnx = require("onnx", extra="train")
    graph = onnx.load_model_from_string(model).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)


def list_layers(model: bytes, size: int) -> list[LayerSummary]:
    """Return the layers of an ONNX file that hold weights or pool, in the order of the graph.

    Shapes are those of a blank picture's outputs: many networks compute their padding as they go, which hides shapes
    from `onnx.shape_inference`.

    Args:
        model: whose input `image` is (n, size, size, 3) uint8.
        size: side of the square, pixels.
    """
    onnx = require("onnx", extra="train")
    loaded = onnx.load_model_from_string(model)
    graph = loaded.graph
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    found = []
    for node in graph.node:
        weights = [sizes[name] for name in node.input if name in sizes]
        kind = _describe_node(node.op_type, weights, {item.name: item.i for item in node.attribute})
        if kind:
            name = node.name.strip("/").removesuffix(f"/{node.op_type}").rpartition("/")[2] or node.op_type
            found.append((node.output[0], name, kind, sum(math.prod(size) for size in weights)))
    known = {value.name for value in graph.output}
    outputs = [name for name, *_ in found]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in known)
    session = open_session(loaded.SerializeToString(), 0)
    values = session.run(outputs, {"image": np.zeros((1, size, size, 3), np.uint8)}) if found else []
    return [
        LayerSummary(name, kind, value.shape[1:], parameters)
        for (_, name, kind, parameters), value in zip(found, values, strict=True)
    ]


def _describe_node(operator: str, weights: Sequence[tuple[int, ...]], settings: Mapping[str, int]) -> str:
    """Return what a layer does, for a person; "" for what neither holds weights nor pools."""
    if operator == "Conv" and weights:
        size = " x ".join(str(side) for side in weights[0][2:])
        return f"{'depthwise ' if settings.get('group', 1) > 1 else ''}convolution {size}"
    if operator in ("Gemm", "MatMul") and weights:
        return "dense"
    return {"MaxPool": "pool", "AveragePool": "pool", "GlobalAveragePool": "pool"}.get(operator, "")


def export_network(module: Any, size: int, temperature: float) -> bytes:
    """Return the graph of a trained network, in the same form as that of a head on a backbone.

    Its input is `image` (n, size, size, 3) uint8 RGB; its outputs are `logits` (n, classes) and `features` (n, d), the
    last layer before the head, float32.

    Args:
        module: a torch module with `features`, from (n, 3, size, size) float32 of 0..255 to (n, d), and `head`, from
            those to logits.
        size: side of the square, pixels.
        temperature: what the logits are divided by.
    """
    onnx = require("onnx", extra="train")
    require("torch", extra="train")
    import torch

    class PixelNetwork(torch.nn.Module):
        """Pixels in, logits and features out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, image: Any) -> Any:
            """Return logits, (n, classes), and features, (n, d)."""
            features = self.network.features(image.permute(0, 3, 1, 2).float())
            return self.network.head(features) / temperature, features

    data = convert_module(PixelNetwork().eval(), size, {name: {0: "n"} for name in ("image", "logits", "features")})
    model = onnx.load_model_from_string(data)
    widths = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in model.graph.output}
    if not widths["features"]:  # the exporter does not always know
        with torch.inference_mode():
            widths["features"] = int(module.features(torch.zeros((1, 3, size, size))).shape[1])
    return _finish(model, ["n", size, size, 3], widths)


def convert_module(module: Any, size: int, axes: Mapping[str, Mapping[int, str]]) -> bytes:
    """Convert a torch module to ONNX.

    Args:
        module: takes pictures, (n, size, size, 3) uint8 RGB.
        size: side of the square, pixels.
        axes: names of the axes whose length is open, for the input `image` and then for each output.
    """
    import torch

    sample, (image, *outputs), buffer = torch.zeros((2, size, size, 3), dtype=torch.uint8), axes, io.BytesIO()
    target: Any = buffer
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter warns of its own successor
        torch.onnx.export(
            module, (sample,), target, dynamo=False, opset_version=OPSET,
            input_names=[image], output_names=outputs, dynamic_axes=axes,
        )  # fmt: skip
    return buffer.getvalue()


class Nodes:
    """Adds nodes and constants to the graph of a model."""

    def __init__(self, graph: Any, views: int = 1) -> None:
        from onnx import helper, numpy_helper

        self._graph = graph
        self._views = views
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

    def take_views(self, size: int) -> None:
        """Let the backbone see each view of each picture as a picture of its own."""
        for node in self._graph.node:
            node.input[:] = ["squares" if name == "image" else name for name in node.input]
        self._node("Reshape", ["image", self._constant("squares.shape", np.array([-1, size, size, 3]))], "squares")
        last = self._graph.node.pop()
        self._graph.node.insert(0, last)

    def _mean_of_views(self, rows: str, width: int, output: str) -> str:
        """Add the mean over the views of a picture of (n x views, width) rows."""
        shape = self._constant(f"{output}.shape", np.array([-1, self._views, width]))
        return self._node(
            "ReduceMean", [self._node("Reshape", [rows, shape], f"{output}.views")], output, axes=[1], keepdims=0
        )

    def add_roots(self, width: int, top: int) -> None:
        """Add `roots` of the first `width` features, signs kept, and the first `top` features apart."""
        for node in self._graph.node:
            for place, name in enumerate(node.output):
                if name == "features":
                    node.output[place] = "backbone"
        if self._views == 1:
            self._first("backbone", top, "features")
        else:
            self._mean_of_views(self._first("backbone", top, "top"), top, "features")
        self._add_root(self._first("backbone", width, "read"), "roots")

    def _add_root(self, rows: str, output: str) -> None:
        """Add the square roots of sizes, signs kept."""
        sizes = self._node("Sqrt", [self._node("Abs", [rows], f"{output}.sizes")], f"{output}.lengths")
        self._node("Mul", [self._node("Sign", [rows], f"{output}.signs"), sizes], output)

    def add_head(self, layers: Sequence[Layer]) -> None:
        """Add `logits`, computed from `roots`."""
        value, last = "roots", len(layers) - 1
        for number, layer in enumerate(layers):
            weights = self._constant(f"head.{number}.weights", layer.weights.astype(np.float32))
            bias = self._constant(f"head.{number}.bias", layer.bias.astype(np.float32))
            output = "logits" if number == last and self._views == 1 else f"head.{number}"
            value = self._node("Gemm", [value, weights, bias], output)
            if layer.activation != "none":
                value = self._node(_OPERATORS[layer.activation], [value], f"head.{number}.{layer.activation}")
        if self._views > 1:
            self._mean_of_views(value, len(layers[-1].bias), "logits")
