"""A trained network as the published model: pixels in, calibrated probabilities, features and familiarity out.

Knows nothing about projects or training; the network normalises by itself.
"""

import io
import warnings
from typing import Any

from fieldguide.calibration import Familiarity
from fieldguide.exporters.onnx import OPSET, Nodes
from fieldguide.optional import require


def export_network(module: Any, size: int, temperature: float, familiarity: Familiarity) -> bytes:
    """Return the bytes of `model.onnx`, in the same form as that of a head on a frozen backbone.

    Its input is `image` (n, size, size, 3) uint8 RGB; its outputs are `probs` (n, classes) float32, `features`
    (n, d) float32, the last layer before the head, and `familiarity` (n,) float32, -2 to 0.

    Args:
        module: a torch module with `features`, from (n, 3, size, size) float32 of 0..255 to (n, d), and `head`, from
            those to logits.
        size: side of the square, pixels.
        temperature: what the logits are divided by.
        familiarity: measures how near a picture is to the training data, from the roots of the features.

    Raises:
        MissingExtra: torch or onnx is not installed.
    """
    onnx = require("onnx", extra="train")
    require("torch", extra="train")
    import torch
    from onnx import TensorProto, helper

    class PixelNetwork(torch.nn.Module):
        """Pixels in, probabilities and features out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, image: Any) -> Any:
            """Return probabilities, (n, classes), and features, (n, d)."""
            features = self.network.features(image.permute(0, 3, 1, 2).float())
            return torch.softmax(self.network.head(features) / temperature, dim=1), features

    converted, classes = _convert(PixelNetwork().eval(), size)
    model = onnx.load_model_from_string(converted)
    graph = model.graph
    for node in graph.node:  # what the head reads gets the name that `add_roots` is about to give it
        node.input[:] = ["backbone" if name == "features" else name for name in node.input]
    nodes = Nodes(graph)
    width = familiarity.means.shape[1]
    nodes.add_roots(width, width)
    nodes.add_familiarity(familiarity)
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, 3]))
    for name, shape in {"probs": ["n", classes], "features": ["n", width], "familiarity": ["n"]}.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    del graph.value_info[:]
    graph.name = "guide"
    model.producer_name = "fieldguide"
    model.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def _convert(model: Any, size: int) -> tuple[bytes, int]:
    """Convert the module to ONNX, for any number of pictures at once; return it and the number of classes."""
    import torch

    sample = torch.zeros((2, size, size, 3), dtype=torch.uint8)

    buffer: Any = io.BytesIO()
    names = ["probs", "features"]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter warns of its own successor
        torch.onnx.export(
            model, (sample,), buffer, dynamo=False, opset_version=OPSET,
            input_names=["image"], output_names=names, dynamic_axes={name: {0: "n"} for name in ("image", *names)},
        )  # fmt: skip
        classes = int(model(sample)[0].shape[1])
    return buffer.getvalue(), classes
