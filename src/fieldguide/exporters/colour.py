"""The published colour model: pixels in, calibrated probabilities, features and familiarity out, as one ONNX graph.

Knows nothing about projects or how the numbers were learnt: the conversions' tables and the fitted classifier come in
as arrays. Colours are whole numbers in float32, and sums are exact in float64: the features are those of
`learners.colour_features` to the bit, unless rows are longer than 1,024 pixels.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity
from fieldguide.exporters.families import Fitted, add_probs
from fieldguide.exporters.graph import Graph, doubles, floats, ints
from fieldguide.exporters.onnx import OPSET
from fieldguide.optional import require

__all__ = ["export_colour"]

Tables = Mapping[str, NDArray[np.float32]]


def export_colour(tables: Tables, fitted: Fitted, familiarity: Familiarity, size: int | None) -> bytes:
    """The bytes of `model.onnx`.

    Its input is `image` (n, size, size, 3) uint8 RGB; its outputs are `probs` (n, classes) float32, `features`
    (n, 18) float32 and `familiarity` (n,) float32, -2 to 0.

    Args:
        tables: `vars` of those in `learners.colour_features`: what the colour conversions look up.
        fitted: the classifier.
        familiarity: what says how near a picture is to what was learnt, from the roots of the features.
        size: side of the square, pixels; None takes pictures of any height and width.

    Raises:
        MissingExtra: onnx is not installed.
    """
    onnx = require("onnx", extra="train")
    from onnx import TensorProto, helper

    graph = Graph()
    _add_features(graph, tables)
    add_probs(graph, fitted)
    _add_familiarity(graph, familiarity)
    sides: list[str | int | None] = ["h", "w"] if size is None else [size, size]
    shapes: dict[str, list[str | int | None]] = {
        "probs": ["n", fitted.classes],
        "features": ["n", len(fitted.mean)],
        "familiarity": ["n"],
    }
    made = helper.make_graph(
        graph.nodes,
        "guide",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", *sides, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "fieldguide"
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def _add_features(graph: Graph, tables: Tables) -> None:
    """Nothing; `features` is computed from `image`."""
    pixels = graph.cast("image", "float32")
    red, green, blue = graph.split(pixels, ints(1, 1, 1), 3)
    hsv = _add_hsv(graph, tables, red, green, blue)
    lab = _add_lab(graph, tables)
    channels = graph.add("Concat", blue, green, red, *hsv, lab, axis=3)
    centred = graph.add("Sub", channels, floats(128))
    pixel_count = graph.add("ReduceProd", graph.add("Slice", graph.add("Shape", "image"), ints(1), ints(3)), keepdims=1)
    count = graph.cast(pixel_count, "float64")
    mean = graph.add("Div", _sum(graph, centred), count)
    square = graph.add("Div", _sum(graph, graph.add("Mul", centred, centred)), count)
    variance = graph.add("Max", graph.add("Sub", square, graph.add("Mul", mean, mean)), doubles(0))
    found = graph.add("Concat", graph.add("Add", mean, doubles(128)), graph.add("Sqrt", variance), axis=1)
    graph.cast(found, "float32", to="features")


def _sum(graph: Graph, value: str) -> str:
    """Sums over a picture, (n, 9) float64: rows of up to 1,024 in float32, where squares up to 2^14 add up exactly."""
    rows = graph.add("ReduceSum", value, ints(2), keepdims=0)
    return graph.add("ReduceSum", graph.cast(rows, "float64"), ints(1), keepdims=0)


def _rounded(graph: Graph, value: str, step: int) -> str:
    """The value over a power of two, to the nearest whole number, halves up."""
    raised = graph.add("Add", value, floats(step / 2))
    return graph.add("Floor", graph.add("Mul", raised, floats(1 / step)))


def _add_hsv(graph: Graph, tables: Tables, red: str, green: str, blue: str) -> list[str]:
    """H, S and V, (n, h, w, 1) each."""
    value = graph.add("Max", red, green, blue)
    chroma = graph.add("Sub", value, graph.add("Min", red, green, blue))
    factor = graph.add("Gather", tables["saturation"], graph.cast(value, "int32"))
    saturation = _rounded(graph, graph.add("Mul", factor, chroma), 4096)
    from_red = graph.add("Sub", green, blue)
    from_green = graph.add("Add", graph.add("Sub", blue, red), graph.add("Mul", chroma, floats(2)))
    from_blue = graph.add("Add", graph.add("Sub", red, green), graph.add("Mul", chroma, floats(4)))
    place = graph.add("Where", graph.add("Equal", value, green), from_green, from_blue)
    place = graph.add("Where", graph.add("Equal", value, red), from_red, place)
    factor = graph.add("Gather", tables["hue"], graph.cast(chroma, "int32"))
    turned = _rounded(graph, graph.add("Mul", place, factor), 4096)
    below = graph.add("Less", turned, floats(0))
    hue = graph.add("Where", below, graph.add("Add", turned, floats(180)), turned)
    return [hue, saturation, value]


def _add_lab(graph: Graph, tables: Tables) -> str:
    """L, a and b, (n, h, w, 3)."""
    linear = graph.add("Gather", tables["linear"], graph.cast("image", "int32"))
    xyz = _rounded(graph, graph.add("MatMul", linear, tables["xyz"].T), 4096)
    roots = graph.add("Gather", tables["root"], graph.cast(xyz, "int32"))
    lab = graph.add(
        "Add", graph.add("MatMul", roots, tables["lab"].T), tables["offset"]
    )  # half a level is in the offset
    return graph.add("Floor", graph.add("Mul", lab, floats(1 / 32768)))


def _add_familiarity(graph: Graph, known: Familiarity) -> None:
    """Nothing; `familiarity` is computed from the roots of `features`, as `Familiarity.score` does."""
    roots = graph.add("Sqrt", "features")
    length = graph.add("Max", graph.add("ReduceL2", roots, axes=[1], keepdims=1), floats(1e-12))
    cosines = graph.add("MatMul", graph.add("Div", roots, length), known.means.T.astype(np.float32))
    nearest = graph.add("ReduceMax", cosines, axes=[1], keepdims=0)
    graph.add("Sub", nearest, floats(1), to="familiarity")
