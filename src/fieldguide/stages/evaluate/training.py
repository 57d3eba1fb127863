"""How the training went and what came of it: curves, classifiers that were tried, what features are worth, layers.

Reads what the run's folder holds; computes no answers.
"""

import base64
import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from fieldguide.learners.contract import Layered
from fieldguide.records import LayerSummary
from fieldguide.stages.evaluate.charts import Axis, Chart, Line, draw_chart
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

_DRAWN = {"loss", "accuracy", "importance", "elimination"}  # pictures of a run that the page draws itself
_BOXES = (
    "input",
    "depthwise",
    "convolution",
    "pool",
    "dense",
    "normalisation",
)  # kinds of layers that have a colour of their own
_PICTURE_WIDTH, _PICTURE_HEIGHT = 720.0, 150.0
_PIXEL_STEP, _NUMBER_STEP = 14.0, 8.0  # height of a layer for each doubling of its side, or of its numbers


def measure_training(evaluation: Evaluation) -> Part | None:
    """Return the training's curves and tables; None where the run's folder has neither."""
    folder = evaluation.project.runs_folder / evaluation.run.name
    tables = {path.stem: list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) for path in folder.glob("*.csv")}
    plots = {
        path.stem: base64.b64encode(path.read_bytes()).decode()
        for path in sorted(folder.glob("*.png"))
        if path.stem not in _DRAWN
    }
    numbers = {
        "history": [_to_numbers(row) for row in tables.get("history", [])],
        "families": [_to_numbers(row) for row in _best_of_each(tables.get("families", []))],
        "features": [_to_numbers(row) for row in tables.get("features", [])],
        "balance": [_to_numbers(row) for row in tables.get("balance", [])],
    }
    if not plots and not any(numbers.values()):
        return None
    charts = [*_draw_history(numbers["history"]), *_draw_elimination(numbers["features"])]
    most = max([abs(row["accuracy_lost"]) for row in numbers["features"]], default=1.0) or 1.0
    return Part(numbers, {"charts": charts, "plots": plots, "most_lost": most})


def measure_architecture(evaluation: Evaluation) -> Part | None:
    """Return the layers of the model and a picture of them; None where it can't name them."""
    if not isinstance(evaluation.model, Layered):
        return None
    layers = list(evaluation.model.layers())
    numbers = {
        "parameters": evaluation.model.parameters,
        "input": [evaluation.model.preprocessing.size, evaluation.model.preprocessing.size, 3],
        "layers": [
            {"name": layer.name, "kind": layer.kind, "shape": list(layer.shape), "parameters": layer.parameters}
            for layer in layers
        ],
    }
    return Part(numbers, {"boxes": _place_boxes(layers, evaluation.model.preprocessing.size)})


def _to_numbers(row: dict[str, str]) -> dict[str, Any]:
    """Return a row of a table with its numbers as numbers; an empty cell is None."""
    return {key: _to_number(value) for key, value in row.items()}


def _to_number(text: str) -> float | str | None:
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if math.isfinite(number) else text


def _best_of_each(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first row of each family, in the order of the rows, which are sorted, the best first."""
    best: dict[str, dict[str, str]] = {}
    for row in rows:
        best.setdefault(row["family"], row)
    return list(best.values())


def _draw_history(history: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return the curves of loss and accuracy over epochs; none where there was no training by epochs."""
    if not history:
        return []
    charts, epochs = [], Axis("epoch", 1, max(2.0, float(history[-1]["epoch"])))
    for title, key in (("Loss", "loss"), ("Accuracy", "accuracy")):
        lines = [
            Line(name, points)
            for name, column in (("training", key), ("validation", f"val_{key}"))
            if (points := [(row["epoch"], row[column]) for row in history if isinstance(row[column], float)])
        ]
        highest = max([value for line in lines for _, value in line.points], default=1.0)
        values = Axis(key, 0, 1, percent=True) if key == "accuracy" else Axis(key, 0, highest * 1.05)
        charts.append(draw_chart(title, epochs, values, lines))
    return charts


def _draw_elimination(features: Sequence[dict[str, Any]]) -> list[Chart]:
    """Return how far the most important features go; none where features were not weighed."""
    if not features:
        return []
    lines = [
        Line(name, [(row["rank"], row[key]) for row in features], dots=True)
        for name, key in (("accuracy", "accuracy_with_so_many"), ("F1", "f1"))
    ]
    kept = Axis("features kept", 0, len(features))
    return [draw_chart("How far a few features go", kept, Axis("held out", 0, 1, percent=True), lines)]


def _place_boxes(layers: Sequence[LayerSummary], size: int) -> list[dict[str, Any]]:
    """Return a box for each layer: as high as its picture is large, as wide as it has channels, by doublings."""
    rows = [LayerSummary("image", "input", (3, size, size), 0), *layers]
    widths = [2.0 + math.log2(max(2, layer.shape[0] if len(layer.shape) == 3 else 2)) for layer in rows]
    unit = min(6.0, (_PICTURE_WIDTH - 2.0 * len(rows)) / sum(widths)) if widths else 1.0
    boxes, left = [], 0.0
    for layer, width in zip(rows, widths, strict=True):
        is_map = len(layer.shape) == 3
        side = layer.shape[1] if is_map else math.prod(layer.shape or (1,))
        height = (_PIXEL_STEP if is_map else _NUMBER_STEP) * math.log2(max(2, side))
        height = min(height, _PICTURE_HEIGHT - 10)
        boxes.append(
            {
                "x": round(left, 1),
                "y": round((_PICTURE_HEIGHT - height) / 2, 1),
                "width": round(max(0.8, width * unit), 1),
                "height": round(height, 1),
                "kind": next((kind for kind in _BOXES if kind in layer.kind), "other"),
                "text": f"{layer.name}: {layer.kind}, {' x '.join(map(str, layer.shape))}"
                + (f", {layer.parameters:,} parameters" if layer.parameters else ""),
            }
        )
        left += max(0.8, width * unit) + 2.0
    return boxes
