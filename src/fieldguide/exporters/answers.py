"""What a guide answers, as the end of its graph: calibrated probabilities, and how familiar the picture is.

Knows nothing about learners: a graph that gives `logits` and `features` comes in. Only standard operators are added, so
that every form that a guide takes can carry them.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import KNOTS, Calibration
from fieldguide.exporters.graph import Graph
from fieldguide.familiarity import NEIGHBOURS, Familiarity
from fieldguide.optional import require

_LEAST = 1e-12


def add_answers(model: bytes, calibration: Calibration, familiarity: Familiarity) -> bytes:
    """Return `model.onnx`: what the model answers with, in place of its logits.

    Args:
        model: ONNX, to `logits` (n, classes), divided by the temperature, and `features` (n, d), float32.
        calibration: gives `probs` (n, classes) float32.
        familiarity: gives `familiarity` (n,) float32, at most 0, from the roots of the features.
    """
    onnx = require("onnx", extra="train")
    from onnx import TensorProto, helper

    proto = onnx.load_model_from_string(model)
    graph = Graph("answer.")
    _add_probs(graph, calibration)
    _add_familiarity(graph, familiarity)
    proto.graph.node.extend(graph.nodes)
    proto.graph.initializer.extend(graph.constants)
    logits, features = sorted(proto.graph.output, key=lambda output: ("logits", "features").index(output.name))
    classes = logits.type.tensor_type.shape.dim[1].dim_value
    probs = helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["n", classes])
    familiar = helper.make_tensor_value_info("familiarity", TensorProto.FLOAT, ["n"])
    kept = type(features)()
    kept.CopyFrom(features)
    del proto.graph.output[:]
    proto.graph.output.extend([probs, kept, familiar])
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString()
    return data


def _add_probs(graph: Graph, calibration: Calibration) -> None:
    """Compute `probs` from `logits`, as `Calibration` does."""
    value = "logits"
    if calibration.method == "confidence":
        top = graph.add("ReduceMax", graph.add("Softmax", value, axis=1), axes=[1], keepdims=1)
        start, slope = calibration.bend
        raised = graph.add("Add", graph.add("Mul", top, _floats(slope)), _floats(start - slope / 2))
        value = graph.add("Mul", value, graph.add("Exp", raised))
    if calibration.method == "vector":
        value = graph.add("Add", graph.add("Mul", value, _floats(calibration.scale)), _floats(calibration.shift))
    if calibration.method == "isotonic":
        value = graph.add("Log", _add_rises(graph, graph.add("Softmax", value, axis=1), calibration.values))
    if calibration.temper != 1.0:
        value = graph.add("Div", value, _floats(calibration.temper))
    graph.add("Softmax", value, to="probs", axis=1)


def _add_rises(graph: Graph, probs: str, values: NDArray[np.float64]) -> str:
    """Add what each probability has risen by in every stretch between two knots: no large numbers cancel so."""
    apart = graph.add("Unsqueeze", probs, np.array([2]))
    into = graph.add("Div", graph.add("Sub", apart, _floats(KNOTS[:-1])), _floats(np.diff(KNOTS)))
    shares = graph.add("Min", graph.add("Max", into, _floats(0.0)), _floats(1.0))
    risen = graph.add(
        "ReduceSum", graph.add("Mul", shares, _floats(np.diff(values, axis=1))), np.array([2]), keepdims=0
    )
    return graph.add("Add", risen, _floats(values[:, 0]))


def _add_familiarity(graph: Graph, known: Familiarity) -> None:
    """Compute `familiarity` from `features`, `logits` and `probs`, as `Familiarity` does."""
    measured = {
        "class mean": _add_class_mean,
        "neighbours": _add_neighbours,
        "Mahalanobis": _add_mahalanobis,
        "relative Mahalanobis": _add_mahalanobis,
        "energy": _add_energy,
        "probability": _add_nothing,
    }[known.score](graph, known)
    if not known.weight:
        graph.add("Min", measured, _floats(0.0), to="familiarity")
        return
    doubt = graph.add("Sub", graph.add("ReduceMax", "probs", axes=[1], keepdims=0), _floats(1.0))
    weighed = graph.add("Mul", doubt, _floats(known.weight))
    if measured:
        weighed = graph.add("Add", measured, weighed)
    graph.add("Min", weighed, _floats(0.0), to="familiarity")


def _add_nothing(graph: Graph, known: Familiarity) -> str:
    return ""


def _add_roots(graph: Graph) -> str:
    """Add the square roots of the sizes of the features, signs kept."""
    sizes = graph.add("Sqrt", graph.add("Abs", "features"))
    return graph.add("Mul", graph.add("Sign", "features"), sizes)


def _add_unit_roots(graph: Graph) -> str:
    roots = _add_roots(graph)
    length = graph.add("Max", graph.add("ReduceL2", roots, axes=[1], keepdims=1), _floats(_LEAST))
    return graph.add("Div", roots, length)


def _add_class_mean(graph: Graph, known: Familiarity) -> str:
    cosines = graph.add("MatMul", _add_unit_roots(graph), _floats(known.arrays["means"].T))
    return graph.add("Sub", graph.add("ReduceMax", cosines, axes=[1], keepdims=0), _floats(1.0))


def _add_neighbours(graph: Graph, known: Familiarity) -> str:
    rows = known.arrays["rows"]
    cosines = graph.add("MatMul", _add_unit_roots(graph), _floats(rows.T))
    nearest = graph.top(cosines, min(NEIGHBOURS, len(rows)))
    return graph.add("Sub", graph.add("ReduceMean", nearest, axes=[1], keepdims=0), _floats(1.0))


def _add_mahalanobis(graph: Graph, known: Familiarity) -> str:
    """Add the distances as sums of squared differences, which keep their accuracy in float32."""
    arrays = known.arrays
    offset = graph.add("Sub", _add_roots(graph), _floats(arrays["centre"]))
    along = graph.add("MatMul", offset, _floats(arrays["axes"]))
    white = graph.add("Unsqueeze", graph.add("MatMul", along, _floats(arrays["whiten"])), np.array([1]))
    apart = graph.add("Sub", white, _floats(arrays["means"]))
    squares = graph.add("ReduceSum", graph.add("Mul", apart, apart), np.array([2]), keepdims=0)
    nearest = graph.add("ReduceMin", squares, axes=[1], keepdims=0)
    if known.score == "relative Mahalanobis":
        own = _squares(graph, graph.add("MatMul", along, _floats(arrays["all_whiten"])))
        difference = graph.add("Div", graph.add("Sub", own, nearest), _floats(float(arrays["axes"].shape[1])))
        return graph.add("Min", graph.add("Sub", difference, _floats(arrays["top"])), _floats(0.0))
    if np.isfinite(arrays["variance"]):
        beyond = graph.add("Sub", _squares(graph, offset), _squares(graph, along))
        nearest = graph.add("Add", nearest, graph.add("Div", beyond, _floats(arrays["variance"])))
    return graph.add("Div", nearest, _floats(-float(len(arrays["centre"]))))


def _squares(graph: Graph, rows: str) -> str:
    return graph.add("ReduceSum", graph.add("Mul", rows, rows), np.array([1]), keepdims=0)


def _add_energy(graph: Graph, known: Familiarity) -> str:
    total = graph.add("ReduceLogSumExp", "logits", axes=[1], keepdims=0)
    return graph.add("Min", graph.add("Sub", total, _floats(known.arrays["top"])), _floats(0.0))


def _floats(values: NDArray[np.float64] | float) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
