"""Explain how a network from scratch sees a picture, with its own filters and what they answer.

    python examples/explain_network.py GUIDE PICTURE PAGE

GUIDE is a guide of the learner `cnn`. The page shows the way of the picture through it: pixels, convolution, ReLU,
pooling, the dense layer with dropout, softmax. It needs the extra [train], for the package onnx.
"""

import base64
import io
import sys
from html import escape
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

import fieldguide as fg

SHOWN = 12  # filters and maps of a layer
SIDE = 96  # pixels of a small picture on the page
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1d2226; }
figure { display: inline-block; margin: 0.25rem; text-align: center; font-size: 0.8rem; color: #555; }
img { image-rendering: pixelated; display: block; border: 1px solid #ccc; }
.group { display: inline-block; white-space: nowrap; margin-right: 1.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 0.1rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }
"""


def picture_tag(pixels: NDArray[np.uint8], caption: str = "", side: int = SIDE) -> str:
    """Return a figure of pixels, (h, w, 3) or (h, w) uint8, as HTML."""
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    source = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img src="data:image/png;base64,{source}" alt="{escape(caption)}">{escape(caption)}</figure>'


def scaled(values: NDArray[np.float32], top: float | None = None) -> NDArray[np.uint8]:
    """Return values as grey levels: 0 is black, the largest white; of values below 0, 0 is grey."""
    most = float(np.abs(values).max() if top is None else top) or 1.0
    share = values / most if values.min() >= 0 else values / most / 2 + 0.5
    return np.asarray(np.clip(share * 255, 0, 255), np.uint8)


class Network:
    """A guide's network, and what each of its layers answers to one picture."""

    def __init__(self, folder: Path, picture: Path) -> None:
        self.guide = fg.open_guide(folder)
        model = onnx.load(folder / "model.onnx")
        self.weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.layers = [node for node in model.graph.node if node.op_type in ("Conv", "Relu", "MaxPool", "Gemm")]
        if not any(node.op_type == "MaxPool" for node in self.layers):
            sys.exit(f"{folder} is not a network from scratch\n  train one: fieldguide train --learner cnn")
        known = {output.name for output in model.graph.output}
        names = [node.output[0] for node in self.layers]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.square = self.guide.load(picture.read_bytes())
        answers = session.run(names, {"image": self.square[None]})
        self.answers = {name: answer[0] for name, answer in zip(names, answers, strict=True)}
        self.prediction = self.guide.classify(picture)

    def of_kind(self, kind: str) -> list[tuple[onnx.NodeProto, NDArray[np.float32]]]:
        """Return the layers of a kind, each with its answer."""
        return [(node, self.answers[node.output[0]]) for node in self.layers if node.op_type == kind]


def pixels_section(network: Network) -> str:
    """Return what a picture is to a computer."""
    square, side = network.square, network.square.shape[0]
    colours = "".join(
        picture_tag(np.where(np.arange(3) == place, square, 0).astype(np.uint8), name)
        for place, name in enumerate(("red", "green", "blue"))
    )
    middle = side // 2
    rows = "".join(
        "<tr>" + "".join(f"<td>{value}</td>" for value in row) + "</tr>"
        for row in square[middle - 3 : middle + 3, middle - 3 : middle + 3, 0]
    )
    text = f"To the network it is {side} x {side} pixels of three numbers from 0 to 255, {square.size:,} in all."
    return (
        f"<h2>Pixels</h2><p>{text}</p>{picture_tag(square, 'the picture', 2 * SIDE)}{colours}"
        f"<p>The red of six by six pixels in its middle:</p><table>{rows}</table>"
    )


def convolution_section(network: Network) -> str:
    """Return the first filters, where each of them finds its pattern, and what ReLU leaves of that."""
    node, maps = network.of_kind("Conv")[0]
    filters = network.weights[node.input[1]]
    order = np.argsort(-np.maximum(maps, 0).mean(axis=(1, 2)))[:SHOWN]
    after = network.of_kind("Relu")[0][1]
    top = float(np.abs(filters).max())
    shown = "".join(
        "<span class='group'>"
        + picture_tag(scaled(filters[place].transpose(1, 2, 0), top), f"filter {place}")
        + picture_tag(scaled(maps[place]), "its answer")
        + picture_tag(scaled(after[place]), "after ReLU")
        + "</span>"
        for place in order
    )
    size = " x ".join(map(str, filters.shape[2:]))
    return (
        f"<h2>Convolution and ReLU</h2><p>Each of the {len(filters)} filters of the first layer is a pattern of {size} "
        "pixels, learnt from noise. It is laid over every place of the picture; where the picture resembles it, its "
        "answer is light. ReLU makes zero, black, of whatever is below zero. These answered most strongly:"
        f"</p>{shown}"
    )


def pooling_section(network: Network) -> str:
    """Return what each pooling takes and leaves, and what the later layers look for."""
    text = (
        "Of each 2 x 2 places the largest is kept: what counts is that a pattern is there, not to the pixel where. "
        "Each stack looks for patterns of the patterns below it, over more of the picture."
    )
    parts = [f"<h2>Pooling</h2><p>{text}</p>"]
    for number, (node, maps) in enumerate(network.of_kind("MaxPool"), start=1):
        before = network.answers[node.input[0]]
        order = np.argsort(-maps.mean(axis=(1, 2)))[: SHOWN // 2]
        sizes = f"stack {number}: {before.shape[1]} x {before.shape[2]} become {maps.shape[1]} x {maps.shape[2]}"
        figures = "".join(
            f"<span class='group'>{picture_tag(scaled(before[place]), f'map {place}')}"
            f"{picture_tag(scaled(maps[place]), 'pooled')}</span>"
            for place in order
        )
        parts.append(f"<h3>{sizes}, {len(maps)} maps</h3>{figures}")
    return "".join(parts)


def dense_section(network: Network) -> str:
    """Return the units of the dense layer, and one draw of dropout."""
    units = network.of_kind("Relu")[-1][1].ravel()
    width = int(np.ceil(np.sqrt(len(units))))
    grid = np.zeros(width * width, np.float32)
    grid[: len(units)] = units
    kept = np.random.default_rng(0).random(len(grid)) < 0.5
    top = float(units.max()) or 1.0
    silent = int(np.sum(units == 0))
    return (
        f"<h2>The dense layer, and dropout</h2><p>{len(units)} units weigh all the maps together; {silent} of them are "
        "silent for this picture. While the network is trained, half of them, drawn anew at each step, are switched "
        "off, so that none can rely on one other. When it answers, all are on.</p>"
        + picture_tag(scaled(grid.reshape(width, width), top), "as they answer", 2 * SIDE)
        + picture_tag(scaled((grid * kept).reshape(width, width), top), "one draw of dropout", 2 * SIDE)
    )


def softmax_section(network: Network) -> str:
    """Return how sums become shares of 1."""
    logits = network.of_kind("Gemm")[-1][1]
    powers = np.exp(logits - logits.max())
    names = network.guide.class_names
    rows = "".join(
        f"<tr><th>{escape(names[place])}</th><td>{logits[place]:.2f}</td><td>{powers[place]:.3f}</td>"
        f"<td>{powers[place] / powers.sum():.1%}</td><td>{network.prediction.probs[names[place]]:.1%}</td></tr>"
        for place in np.argsort(-logits)
    )
    return (
        "<h2>Softmax</h2><p>The last layer gives a sum for each class. The exponential makes all positive; divided by "
        "their total, they are shares of 1. Calibrated on pictures that it has not learnt, they are probabilities."
        "</p><table><tr><th>class</th><th>sum</th><th>exponential, of the largest 1</th><th>share</th>"
        f"<th>calibrated</th></tr>{rows}</table><p>The answer: {escape(network.prediction.summary)}.</p>"
    )


def main(folder: Path, picture: Path, page: Path) -> None:
    """Write the page."""
    network = Network(folder, picture)
    sections = (pixels_section, convolution_section, pooling_section, dense_section, softmax_section)
    body = "\n".join(section(network) for section in sections)
    name = escape(str(network.guide.about["name"]))
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>How {name} sees</title><style>{STYLE}</style>"
    page.write_text(f"{head}<h1>How the network of “{name}” sees a picture</h1>{body}</html>\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
