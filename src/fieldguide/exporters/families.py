"""The five families of small classifiers as nodes: features in, probabilities out.

Knows nothing about how they were fitted. Only operators of the standard's own domain are written, for trees and support
vectors too (Gather, Where and MatMul, all trees a step at a time in a Loop), none of ai.onnx.ml: what runs the
backbone's graphs runs these. All but the trees' comparisons is float64.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fieldguide.exporters.graph import Graph, doubles, ints

__all__ = ["Fitted", "add_probs"]

_ABSENT = -50.0
_DOUBT = 1e-3

FitResult = Mapping[str, NDArray[Any]]


class Fitted(Protocol):
    """A classifier as arrays; `learners.families` says what each is."""

    @property
    def family(self) -> str:
        """The name of its family."""

    @property
    def mean(self) -> NDArray[np.float32]:
        """(d,), taken away from the features."""

    @property
    def scale(self) -> NDArray[np.float32]:
        """(d,), what is left is divided by."""

    @property
    def learnt(self) -> FitResult:
        """The arrays of its family."""

    @property
    def seen(self) -> NDArray[np.int64]:
        """(k,) the classes that had pictures."""

    @property
    def classes(self) -> int:
        """How many classes there are."""

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""


def add_probs(graph: Graph, fitted: Fitted) -> None:
    """Nothing; `probs` is computed from `features`."""
    rows = graph.add("Div", graph.add("Sub", "features", fitted.mean), fitted.scale)
    adders = {
        "svm": _add_svm,
        "mlp": _add_mlp,
        "logistic": _add_linear,
        "forest": _add_forest,
        "boosting": _add_boosting,
    }
    logits = adders[fitted.family](graph, rows, fitted.learnt)
    if len(fitted.seen) < fitted.classes:
        place = np.eye(fitted.classes)[fitted.seen]
        absent = np.where(place.any(axis=0), 0.0, _ABSENT)
        logits = graph.add("Add", graph.add("MatMul", logits, place), absent)
    divided = graph.add("Div", logits, doubles(fitted.temperature))
    graph.cast(graph.add("Softmax", divided, axis=1), "float32", to="probs")


def _layer(graph: Graph, rows: str, weights: NDArray[Any], bias: NDArray[Any]) -> str:
    product = graph.add("MatMul", rows, weights.astype(np.float64))
    return graph.add("Add", product, bias.astype(np.float64))


def _add_linear(graph: Graph, rows: str, learnt: FitResult) -> str:
    return _layer(graph, graph.cast(rows, "float64"), learnt["weights"], learnt["bias"])


def _add_mlp(graph: Graph, rows: str, learnt: FitResult) -> str:
    found = graph.cast(rows, "float64")
    last = len(learnt) // 2 - 1
    for layer in range(last + 1):
        found = _layer(graph, found, learnt[f"weights{layer}"], learnt[f"bias{layer}"])
        found = found if layer == last else graph.add("Max", found, doubles(0))
    return found


def _add_svm(graph: Graph, rows: str, learnt: FitResult) -> str:
    """The sum, over a class's pairs, of the log-sigmoid of its margin."""
    wide, vectors = graph.cast(rows, "float64"), learnt["vectors"].astype(np.float64)
    own = graph.add("ReduceSum", graph.add("Mul", wide, wide), ints(1), keepdims=1)
    apart = graph.add("Add", graph.add("MatMul", wide, -2 * vectors.T), (vectors * vectors).sum(axis=1))
    squares = graph.add("Max", graph.add("Add", own, apart), doubles(0))
    kernel = graph.add("Exp", graph.add("Mul", squares, doubles(-float(learnt["gamma"]))))
    counts = learnt["counts"]
    ends = np.concatenate([[0], np.cumsum(counts)])
    parts = graph.split(kernel, counts, 1)
    duals = [learnt["dual"][:, start:end].T for start, end in pairwise(ends)]
    sides = [graph.add("MatMul", part, dual) for part, dual in zip(parts, duals, strict=True)]
    together = graph.add("Concat", *sides, axis=1)  # side i, place j: i * (k - 1) + j
    first, second = np.triu_indices(len(counts), 1)
    stride = len(counts) - 1
    one = graph.add("Gather", together, ints(*(first * stride + second - 1)), axis=1)
    other = graph.add("Gather", together, ints(*(second * stride + first)), axis=1)
    margins = graph.add("Add", graph.add("Add", one, other), learnt["bias"])
    soft = graph.add("Log", graph.add("Add", graph.add("Exp", graph.add("Neg", graph.add("Abs", margins))), doubles(1)))
    wins = graph.add("Sub", graph.add("Min", margins, doubles(0)), soft)
    losses = graph.add("Sub", graph.add("Min", graph.add("Neg", margins), doubles(0)), soft)
    eye = np.eye(len(counts))
    return graph.add("Add", graph.add("MatMul", wins, eye[first]), graph.add("MatMul", losses, eye[second]))


def _add_leaves(graph: Graph, rows: str, learnt: FitResult) -> str:
    """(n, trees, m) float64 values of the leaves that the rows come to: all trees take a step at a time."""
    from onnx import TensorProto, helper

    tables = {name: graph.constant(learnt[name]) for name in ("feature", "threshold", "left", "right")}
    count = graph.add("Slice", graph.add("Shape", rows), ints(0), ints(1))
    shape = graph.add("Concat", count, ints(len(learnt["start"])), axis=0)
    start = graph.add("Expand", learnt["start"], shape)
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
    places: list[str | int | None] = ["n", len(learnt["start"])]
    body = helper.make_graph(
        step.nodes,
        "step",
        [
            info("number", TensorProto.INT64, []),
            info("going", TensorProto.BOOL, []),
            info("place", TensorProto.INT32, places),
        ],
        [info("still_going", TensorProto.BOOL, []), info("next_place", TensorProto.INT32, places)],
    )
    end = graph.add("Loop", learnt["depth"], np.array(True), start, body=body)
    forks = len(learnt["feature"]) - len(learnt["values"])
    leaf = graph.add("Sub", end, np.array(forks, np.int32))
    return graph.cast(graph.add("Gather", learnt["values"], leaf), "float64")


def _add_forest(graph: Graph, rows: str, learnt: FitResult) -> str:
    shares = graph.add("ReduceMean", _add_leaves(graph, rows, learnt), axes=[1], keepdims=0)
    return graph.add("Log", graph.add("Add", shares, doubles(_DOUBT)))


def _add_boosting(graph: Graph, rows: str, learnt: FitResult) -> str:
    steps = graph.add("Squeeze", _add_leaves(graph, rows, learnt), ints(2))
    return _layer(graph, steps, learnt["sign"], learnt["bias"])
