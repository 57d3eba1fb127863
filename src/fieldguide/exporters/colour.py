"""The colour model as arrays and as an ONNX graph: pixels in; logits and features out.

Knows nothing about projects or how the numbers were fitted: the tables of the colour conversions and the classifier
come in as arrays. Colours are whole numbers in float32, and sums are exact in float64: the features are those of
`images.colour_features` to the bit, unless rows are longer than 1,024 pixels. Only operators of ONNX's own domain are
written, for trees and support vectors too, none of ai.onnx.ml, which skl2onnx would use: not every form that a guide
takes can carry those. All but the comparisons in trees is float64.
"""

import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import softmax
from fieldguide.exporters.graph import Graph
from fieldguide.exporters.onnx import OPSET
from fieldguide.optional import require

ABSENT_LOGIT = -50.0  # that nothing overcomes, for a class without pictures
FOREST_DOUBT = 1e-3  # what a forest's share of 0 is raised by before its logarithm
_BATCH_SIZE = 2048  # rows: what the support vectors' kernel needs of them stays below 100 MB

Family = Literal["svm", "mlp", "logistic", "forest", "boosting"]
Arrays = Mapping[str, NDArray[Any]]
Shape = Sequence[str | int | None]


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier as arrays, calibrated: what a run keeps and a graph is built from.

    Attributes:
        family: that it is of.
        params: what it was fitted with, named as scikit-learn names them.
        mean: (d,) float32, subtracted from the features.
        scale: (d,) float32, by which the difference is divided.
        arrays: of its family, as `learners.colour.families` describes them.
        seen: (k,) the classes that had pictures, ascending: those that the family gives logits of.
        class_count: how many classes there are.
        temperature: by which the logits are divided.
    """

    family: Family
    params: Mapping[str, Any]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    arrays: Arrays
    seen: NDArray[np.int64]
    class_count: int
    temperature: float = 1.0

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n, classes) logits, before the temperature, of (n, d) features: those of the published graph."""
        batches = range(0, max(1, len(features)), _BATCH_SIZE)
        rows = np.asarray(features, np.float32)
        return np.concatenate(
            [self._session.run(["logits"], {"features": rows[at : at + _BATCH_SIZE]})[0] for at in batches]
        )

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return (n, classes) calibrated probabilities of (n, d) features."""
        return softmax(self.logits(features) / self.temperature)

    @cached_property
    def _session(self) -> Any:
        require("onnx", extra="train")
        from onnx import TensorProto, helper
        from onnxruntime import InferenceSession, SessionOptions

        graph = Graph()
        _add_logits(graph, self, to="logits")
        info = helper.make_tensor_value_info
        inputs = [info("features", TensorProto.FLOAT, ["n", len(self.mean)])]
        model = _make_model(graph, inputs, [info("logits", TensorProto.DOUBLE, ["n", self.class_count])])
        options = SessionOptions()
        options.intra_op_num_threads = 1  # so that sums are added up in one order
        return InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def to_bytes(self) -> bytes:
        """Return the classifier as an .npz file, without pickles."""
        values: dict[str, Any] = {f"learnt.{name}": array for name, array in self.arrays.items()}
        values["choice"] = json.dumps({"family": self.family, "settings": dict(self.params)})
        values |= {"mean": self.mean, "scale": self.scale, "seen": self.seen}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **values, classes=self.class_count, temperature=self.temperature)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Classifier":
        """Return the classifier in an .npz file, or raise `ValueError` where it holds none."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                choice = json.loads(str(file["choice"]))
                if choice["family"] not in _LOGITS:
                    raise ValueError(f"no family {choice['family']!r}")
                arrays = {name.partition(".")[2]: file[name] for name in file.files if name.startswith("learnt.")}
                params = {name: tuple(value) if isinstance(value, list) else value  # JSON has no tuples
                          for name, value in choice["settings"].items()}  # fmt: skip
                numbers = int(file["classes"]), float(file["temperature"])
                return cls(choice["family"], params, file["mean"], file["scale"], arrays, file["seen"], *numbers)
        except (KeyError, TypeError, AttributeError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise ValueError(f"not a classifier: {error}") from error


def export_colour(tables: Mapping[str, NDArray[np.float32]], classifier: Classifier, size: int | None) -> bytes:
    """Return an ONNX graph: all of `model.onnx` up to the logits.

    Its input is `image` (n, size, size, 3) uint8 RGB; its outputs are `logits` (n, classes) float32, divided by the
    temperature, and `features` (n, 18) float32.

    Args:
        tables: `vars` of those in `images.colour_features`, which the colour conversions look up.
        classifier: gives the logits.
        size: side of the square, pixels; None takes pictures of any height and width.
    """
    onnx = require("onnx", extra="train")
    from onnx import TensorProto, helper

    graph = Graph()
    _add_features(graph, tables)
    divided = graph.add("Div", _add_logits(graph, classifier), _double(classifier.temperature))
    graph.cast(divided, "float32", to="logits")
    info = helper.make_tensor_value_info
    sides: Shape = ["h", "w"] if size is None else [size, size]
    inputs = [info("image", TensorProto.UINT8, ["n", *sides, 3])]
    shapes: list[tuple[str, Shape]] = [
        ("logits", ["n", classifier.class_count]), ("features", ["n", len(classifier.mean)])
    ]  # fmt: skip
    model = _make_model(graph, inputs, [info(name, TensorProto.FLOAT, shape) for name, shape in shapes])
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


# ---- building a graph


def _make_model(graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """Return the ONNX model of a graph, given what its inputs and outputs are called, and their types and shapes."""
    from onnx import helper

    onnx_graph = helper.make_graph(graph.nodes, "guide", inputs, outputs, graph.constants)
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "fieldguide"
    return model


def _floats(*values: float) -> NDArray[np.float32]:
    """Return a scalar of one value, else a vector."""
    return np.array(values if len(values) > 1 else values[0], np.float32)


def _double(value: float) -> NDArray[np.float64]:
    """Return a scalar."""
    return np.array(value, np.float64)


def _ints(*values: int) -> NDArray[np.int64]:
    """Return a vector."""
    return np.array(values, np.int64)


# ---- from pixels to features


def _add_features(graph: Graph, tables: Arrays) -> None:
    """Compute `features` from `image`."""
    pixels = graph.cast("image", "float32")
    red, green, blue = graph.split(pixels, _ints(1, 1, 1), 3)
    hsv = _add_hsv(graph, tables, red, green, blue)
    lab = _add_lab(graph, tables)
    channels = graph.add("Concat", blue, green, red, *hsv, lab, axis=3)
    centred = graph.add("Sub", channels, _floats(128))
    pixel_count = graph.add(
        "ReduceProd", graph.add("Slice", graph.add("Shape", "image"), _ints(1), _ints(3)), keepdims=1
    )
    count = graph.cast(pixel_count, "float64")
    mean = graph.add("Div", _sum(graph, centred), count)
    square = graph.add("Div", _sum(graph, graph.add("Mul", centred, centred)), count)
    variance = graph.add("Max", graph.add("Sub", square, graph.add("Mul", mean, mean)), _double(0))
    both = graph.add("Concat", graph.add("Add", mean, _double(128)), graph.add("Sqrt", variance), axis=1)
    graph.cast(both, "float32", to="features")


def _sum(graph: Graph, value: str) -> str:
    """Add up a picture, (n, 9) float64: rows of up to 1,024 in float32, where squares up to 2^14 add up exactly."""
    rows = graph.add("ReduceSum", value, _ints(2), keepdims=0)
    return graph.add("ReduceSum", graph.cast(rows, "float64"), _ints(1), keepdims=0)


def _round(graph: Graph, value: str, step: int) -> str:
    """Divide by a power of two and round to the nearest whole number, halves up."""
    raised = graph.add("Add", value, _floats(step / 2))
    return graph.add("Floor", graph.add("Mul", raised, _floats(1 / step)))


def _add_hsv(graph: Graph, tables: Arrays, red: str, green: str, blue: str) -> list[str]:
    """Compute H, S and V, (n, h, w, 1) each."""
    value = graph.add("Max", red, green, blue)
    chroma = graph.add("Sub", value, graph.add("Min", red, green, blue))
    factor = graph.add("Gather", tables["saturation"], graph.cast(value, "int32"))
    saturation = _round(graph, graph.add("Mul", factor, chroma), 4096)
    from_red = graph.add("Sub", green, blue)
    from_green = graph.add("Add", graph.add("Sub", blue, red), graph.add("Mul", chroma, _floats(2)))
    from_blue = graph.add("Add", graph.add("Sub", red, green), graph.add("Mul", chroma, _floats(4)))
    place = graph.add("Where", graph.add("Equal", value, green), from_green, from_blue)
    place = graph.add("Where", graph.add("Equal", value, red), from_red, place)
    factor = graph.add("Gather", tables["hue"], graph.cast(chroma, "int32"))
    turned = _round(graph, graph.add("Mul", place, factor), 4096)
    below = graph.add("Less", turned, _floats(0))
    hue = graph.add("Where", below, graph.add("Add", turned, _floats(180)), turned)
    return [hue, saturation, value]


def _add_lab(graph: Graph, tables: Arrays) -> str:
    """Compute L, a and b, (n, h, w, 3)."""
    linear = graph.add("Gather", tables["linear"], graph.cast("image", "int32"))
    xyz = _round(graph, graph.add("MatMul", linear, tables["xyz"].T), 4096)
    roots = graph.add("Gather", tables["root"], graph.cast(xyz, "int32"))
    lab = graph.add("Add", graph.add("MatMul", roots, tables["lab"].T), tables["offset"])  # which has half a level
    return graph.add("Floor", graph.add("Mul", lab, _floats(1 / 32768)))


# ---- from features to logits


def _add_logits(graph: Graph, classifier: Classifier, to: str | None = None) -> str:
    """Compute (n, classes) float64 logits, before the temperature, from `features`."""
    rows = graph.add("Div", graph.add("Sub", "features", classifier.mean), classifier.scale)
    logits = _LOGITS[classifier.family](graph, rows, classifier.arrays)
    place = np.eye(classifier.class_count)[classifier.seen]
    absent = np.where(place.any(axis=0), 0.0, ABSENT_LOGIT)
    return graph.add("Add", graph.add("MatMul", logits, place), absent, to=to)


def _layer(graph: Graph, rows: str, weights: NDArray[Any], bias: NDArray[Any]) -> str:
    product = graph.add("MatMul", rows, weights.astype(np.float64))
    return graph.add("Add", product, bias.astype(np.float64))


def _add_linear(graph: Graph, rows: str, arrays: Arrays) -> str:
    return _layer(graph, graph.cast(rows, "float64"), arrays["weights"], arrays["bias"])


def _add_mlp(graph: Graph, rows: str, arrays: Arrays) -> str:
    values = graph.cast(rows, "float64")
    last = len(arrays) // 2 - 1
    for layer in range(last + 1):
        values = _layer(graph, values, arrays[f"weights{layer}"], arrays[f"bias{layer}"])
        values = values if layer == last else graph.add("Max", values, _double(0))
    return values


def _add_svm(graph: Graph, rows: str, arrays: Arrays) -> str:
    """Add up, over the pairs of a class, the log-sigmoids of its margins, as `families` does."""
    wide, vectors = graph.cast(rows, "float64"), arrays["vectors"].astype(np.float64)
    own = graph.add("ReduceSum", graph.add("Mul", wide, wide), _ints(1), keepdims=1)
    apart = graph.add("Add", graph.add("MatMul", wide, -2 * vectors.T), (vectors * vectors).sum(axis=1))
    squares = graph.add("Max", graph.add("Add", own, apart), _double(0))
    kernel = graph.add("Exp", graph.add("Mul", squares, _double(-float(arrays["gamma"]))))
    counts = arrays["counts"]
    ends = np.concatenate([[0], np.cumsum(counts)])
    parts = graph.split(kernel, counts, 1)
    duals = [arrays["dual"][:, start:end].T for start, end in pairwise(ends)]
    sides = [graph.add("MatMul", part, dual) for part, dual in zip(parts, duals, strict=True)]
    together = graph.add("Concat", *sides, axis=1)  # side i, place j: i * (k - 1) + j
    first, second = np.triu_indices(len(counts), 1)
    stride = len(counts) - 1
    sums = [graph.add("Gather", together, places, axis=1)
            for places in (first * stride + second - 1, second * stride + first)]  # fmt: skip
    margins = graph.add("Add", graph.add("Add", *sums), arrays["bias"])
    soft = graph.add("Log", graph.add("Add", graph.add("Exp", graph.add("Neg", graph.add("Abs", margins))), _double(1)))
    wins = graph.add("Sub", graph.add("Min", margins, _double(0)), soft)
    losses = graph.add("Sub", graph.add("Min", graph.add("Neg", margins), _double(0)), soft)
    eye = np.eye(len(counts))
    return graph.add("Add", graph.add("MatMul", wins, eye[first]), graph.add("MatMul", losses, eye[second]))


def _add_leaves(graph: Graph, rows: str, arrays: Arrays) -> str:
    """Look up the leaves that the rows come to, (n, trees, m) float64: all trees take a step at a time."""
    from onnx import TensorProto, helper

    tables = {name: graph.constant(arrays[name]) for name in ("feature", "threshold", "left", "right")}
    count = graph.add("Slice", graph.add("Shape", rows), _ints(0), _ints(1))
    shape = graph.add("Concat", count, _ints(len(arrays["start"])), axis=0)
    start = graph.add("Expand", arrays["start"], shape)
    step = Graph()
    step.add("Identity", "going", to="still_going")
    feature = step.add("Gather", tables["feature"], "place", to="step.feature")
    value = step.add("GatherElements", rows, feature, to="step.value", axis=1)
    threshold = step.add("Gather", tables["threshold"], "place", to="step.threshold")
    low = step.add("LessOrEqual", value, threshold, to="step.low")
    left = step.add("Gather", tables["left"], "place", to="step.left")
    right = step.add("Gather", tables["right"], "place", to="step.right")
    step.add("Where", low, left, right, to="next_place")
    info = helper.make_tensor_value_info
    places: list[str | int | None] = ["n", len(arrays["start"])]
    number, going = info("number", TensorProto.INT64, []), info("going", TensorProto.BOOL, [])
    inputs = [number, going, info("place", TensorProto.INT32, places)]
    outputs = [info("still_going", TensorProto.BOOL, []), info("next_place", TensorProto.INT32, places)]
    body = helper.make_graph(step.nodes, "step", inputs, outputs)
    end = graph.add("Loop", arrays["depth"], np.array(True), start, body=body)
    forks = len(arrays["feature"]) - len(arrays["values"])
    leaf = graph.add("Sub", end, np.array(forks, np.int32))
    return graph.cast(graph.add("Gather", arrays["values"], leaf), "float64")


def _add_forest(graph: Graph, rows: str, arrays: Arrays) -> str:
    shares = graph.add("ReduceMean", _add_leaves(graph, rows, arrays), axes=[1], keepdims=0)
    return graph.add("Log", graph.add("Add", shares, _double(FOREST_DOUBT)))


def _add_boosting(graph: Graph, rows: str, arrays: Arrays) -> str:
    steps = graph.add("Squeeze", _add_leaves(graph, rows, arrays), _ints(2))
    return _layer(graph, steps, arrays["sign"], arrays["bias"])


_LOGITS: dict[Family, Callable[[Graph, str, Arrays], str]] = {
    "svm": _add_svm,
    "mlp": _add_mlp,
    "logistic": _add_linear,
    "forest": _add_forest,
    "boosting": _add_boosting,
}
