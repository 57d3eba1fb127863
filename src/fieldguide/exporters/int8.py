"""The form `int8`: a guide whose backbone computes in 8-bit integers, but for the parts that bear them least.

It is an ONNX file with QuantizeLinear and DequantizeLinear of ONNX's own domain, so that it is a guide like any other.
onnxruntime's quantiser makes it. Head and familiarity stay float32, and so do the parts of the backbone that change the
answers to the calibration pictures most when they alone are quantised: docs/export.md has the figures.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import InputUnusable
from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.onnx_form import OnnxExporter, copy_guide
from fieldguide.exporters.running import PythonRuntime, check_float_model
from fieldguide.exporters.torch_graph import fold
from fieldguide.guide import open_session
from fieldguide.optional import require

CALIBRATED = 100  # pictures
_ASKED = 16  # of them, to find the parts that bear it least
# A part has at least two convolutions: ONNX Runtime quantises a single one between two of int8 after all when it opens
# the model, and with one scale for all channels (WeightBiasQuantization). Three are a block of MobileNet's kind.
_CONVOLUTIONS_A_PART = 3
_MOST_LEFT_OUT = 3  # every third part, so that most of the model is int8
_ENOUGH = 0.25  # of the error of the model that is int8 throughout
_QUANTISED = ("Conv", "Add", "Mul", "Clip", "Relu")
_ACTIVATIONS = ("Clip", "Relu")


class Int8Exporter:
    """Quantises the guide's backbone."""

    name = "int8"
    facts = FormFacts(
        "a guide in ONNX whose backbone computes in int8, for ONNX Runtime",
        extra="train", version=2, least_agreement=0.99, most_difference=1.0,
    )  # fmt: skip

    def unsuitable(self, source: Source) -> str:
        """Return why there is nothing to quantise."""
        return "" if source.has_backbone else "colour features have no backbone that could be quantised"

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write a guide with the quantised model."""
        import onnxruntime

        folded = fold(source.model)
        session = open_session(folded.SerializeToString(), 0)
        check_float_model(
            source, lambda square: session.run(["probs", "familiarity"], {"image": square}), "the model to quantise"
        )
        for place, node in enumerate(folded.graph.node):
            node.name = node.name or f"node/{place}"
        parts = _parts(folded.graph)
        if not parts:
            hint = "export it as onnx or openvino"
            raise InputUnusable("the guide's model has no convolutions, which are what int8 quantises", hint)
        pictures = source.sample(CALIBRATED)
        quantiser = _Quantiser(folded, pictures)
        left_out = _least_able(parts, quantiser, pictures[:_ASKED])
        quantised = quantiser.quantise([part for place, part in enumerate(parts) if place not in left_out])
        copy_guide(source, folder, _many(quantised).SerializeToString())
        return {
            "quantiser": f"onnxruntime {onnxruntime.__version__}",
            "calibrated on": len(pictures),
            "parts in float32": f"{len(left_out)} of {len(parts)}",
        }

    def cannot_run(self) -> str:
        """Return "": it runs everywhere."""
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Open it as any guide is opened."""
        with OnnxExporter().open(folder) as runtime:
            yield runtime


class _Quantiser:
    """Quantises parts of a model by ranges that were measured once."""

    def __init__(self, model: Any, pictures: NDArray[np.uint8]) -> None:
        self.model = require("onnx", extra="train").shape_inference.infer_shapes(model)
        quantization = self.library = require("onnxruntime.quantization", extra="train")

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
            """Hands over the pictures one by one."""

            def __init__(self) -> None:
                self.pictures = iter(pictures)

            def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
                """Return the next picture, or None behind the last."""
                picture = next(self.pictures, None)
                return None if picture is None else {"image": picture[None]}

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            path.write_bytes(model.SerializeToString())
            calibrator = quantization.create_calibrator(path, _QUANTISED, str(Path(folder, "watched.onnx")))
            calibrator.collect_data(Reader())
            self.ranges = calibrator.compute_data()

    def quantise(self, parts: list[list[str]]) -> Any:
        """Return the model with the nodes of these parts in int8."""
        model = type(self.model).FromString(self.model.SerializeToString())
        if not parts:
            return model
        kinds = self.library.QuantType
        quantiser = self.library.QDQQuantizer(
            model, True, False, kinds.QInt8, kinds.QUInt8, self.ranges, [name for part in parts for name in part], [],
            _QUANTISED, {},
        )  # fmt: skip
        quantiser.quantize_model()
        return quantiser.model.model


def _parts(graph: Any) -> list[list[str]]:
    """Return the names of the nodes that can be quantised, a few convolutions and what follows them together.

    What lies before the first convolution prepares the picture, and what lies behind the last is the guide's head.
    """
    nodes = list(graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    from_convolutions = {nodes[place].output[0] for place in places}
    parts: list[list[str]] = []
    for place, node in enumerate(nodes):
        if node.op_type == "Conv" and places.index(place) % _CONVOLUTIONS_A_PART == 0:
            parts.append([])
        activates = node.op_type in _ACTIVATIONS and node.input[0] in from_convolutions
        if parts and node.op_type in _QUANTISED and (place <= places[-1] or activates):
            parts[-1].append(node.name)
    return parts


def _least_able(parts: list[list[str]], quantiser: _Quantiser, pictures: NDArray[np.uint8]) -> set[int]:
    """Return the places of the parts that are to stay float32.

    They are those that make most of the error alone, as few as leave a quarter of it when they stay, or a third of all.
    """
    expected = _log_probs(quantiser.quantise([]), pictures)

    def error(places: Iterable[int]) -> float:
        quantised = quantiser.quantise([parts[place] for place in places])
        return float(np.mean((_log_probs(quantised, pictures) - expected) ** 2))

    alone = [error([place]) for place in range(len(parts))]
    worst_first = sorted(range(len(parts)), key=lambda place: -alone[place])
    errors: list[float] = []
    for count in range(len(parts) // _MOST_LEFT_OUT + 1):
        errors.append(error(sorted(worst_first[count:])))
        if errors[count] <= _ENOUGH * errors[0]:
            break
    return set(worst_first[: int(np.argmin(errors))])


def _log_probs(model: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (n, classes) logarithms of the probabilities: of pictures that were learnt, probabilities hide errors."""
    session = open_session(model.SerializeToString(), 1)
    probs = np.concatenate([session.run(["probs"], {"image": picture[None]})[0] for picture in pictures])
    return np.log(np.maximum(probs.astype(np.float64), 1e-30))


def _many(model: Any) -> Any:
    """Return the model with an open number of pictures, of which it was quantised for one."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    del model.graph.value_info[:]
    return model
