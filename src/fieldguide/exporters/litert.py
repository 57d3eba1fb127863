"""The forms `litert` and `litert-int8`: `model.tflite` for Android, iOS, browsers and small boards.

The model takes one picture, as the guide does, and has the guide's three outputs by name; labels and what goes in and
out stand in its metadata. In int8 the weights of the
convolutions are integers, and what flows between is quantised as it comes; head and familiarity stay float32. Of the
ways to quantise that LiteRT knows this one lost no accuracy, and its input stays uint8.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count
from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.running import PythonRuntime, check_float_model, copy_description
from fieldguide.exporters.tflite_metadata import LABELS, ModelFacts, add_metadata
from fieldguide.exporters.torch_graph import to_module
from fieldguide.optional import require

MODEL = "model.tflite"
_EXTRA = "litert"
_OUTPUTS = {
    "probs": "The calibrated probability of each class.",
    "features": "What the network sees in the picture.",
    "familiarity": "How near the picture is to those learnt from; under guide.json's decline.threshold it is none.",
}


class LitertExporter:
    """Converts the guide's graph by way of torch."""

    name = "litert"
    facts = FormFacts("LiteRT in float32, for Android, iOS and small boards", extra=_EXTRA, version=2)

    def unsuitable(self, source: Source) -> str:
        """Return why it cannot be converted."""
        return "" if source.has_backbone else "colour features are counted in float64, which LiteRT has not"

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write `model.tflite`, `labels.txt` and the description."""
        litert_torch = require("litert_torch", extra=_EXTRA)
        _convert(litert_torch, source, folder / MODEL)
        _describe(source, folder)
        return {"litert-torch": str(litert_torch.__version__)}

    def cannot_run(self) -> str:
        """Return "": whatever makes it runs it."""
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Open it with LiteRT's interpreter."""
        yield PythonRuntime.of(folder, open_model(folder / MODEL))


class LitertInt8Exporter(LitertExporter):
    """Converts the guide's graph and quantises its convolutions."""

    name = "litert-int8"
    facts = FormFacts(
        "LiteRT with convolutions in int8, for Android, iOS and small boards",
        extra=_EXTRA, version=2, least_agreement=0.99, most_difference=1.0,
    )  # fmt: skip

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write `model.tflite`, `labels.txt` and the description."""
        litert_torch = require("litert_torch", extra=_EXTRA)
        quantizer = require("ai_edge_quantizer", extra=_EXTRA)
        unquantised = folder / "float.tflite"
        _convert(litert_torch, source, unquantised)
        check_float_model(source, open_model(unquantised), "the model to quantise")
        settings = quantizer.qtyping.OpQuantizationConfig(
            weight_tensor_config=quantizer.qtyping.TensorQuantizationConfig(
                num_bits=8, symmetric=True, granularity=quantizer.qtyping.QuantGranularity.CHANNELWISE
            ),
            compute_precision=quantizer.qtyping.ComputePrecision.INTEGER,
        )
        names = quantizer.qtyping.TFLOperationName
        work = quantizer.Quantizer(str(unquantised))
        for kind in (names.CONV_2D, names.DEPTHWISE_CONV_2D):
            work.update_quantization_recipe(regex=".*", operation_name=kind, op_config=settings)
        (folder / MODEL).write_bytes(bytes(work.quantize().quantized_model))
        unquantised.unlink()
        _describe(source, folder)
        return {"quantiser": "ai-edge-quantizer", "litert-torch": str(litert_torch.__version__)}


def open_model(path: Path) -> Any:
    """Return what asks a .tflite file about one picture."""
    interpreter = require("ai_edge_litert.interpreter", extra=_EXTRA)
    model = interpreter.Interpreter(str(path), num_threads=core_count())
    run = model.get_signature_runner()

    def ask(squares: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        outputs = run(image=squares)
        return outputs["probs"], outputs["familiarity"]

    return ask


def _convert(litert_torch: Any, source: Source, path: Path) -> None:
    """Write the guide's graph as a .tflite file in float32."""
    import torch

    shape = (1, *source.guide.load_shape)
    with warnings.catch_warnings():  # of torch and JAX, about each other
        warnings.simplefilter("ignore")
        sample = {"image": torch.zeros(shape, dtype=torch.uint8)}
        litert_torch.convert(to_module(source.model), sample_kwargs=sample).export(str(path))


def _describe(source: Source, folder: Path) -> None:
    """Write the description, metadata into the model, and the class names a line each in the order of `probs`."""
    copy_description(source, folder)
    guide = source.guide
    about = str(guide.about["about"] or f"Names pictures of {guide.about['name']}.")
    add_metadata(
        folder / MODEL,
        ModelFacts(
            str(guide.about["name"]), about, str(guide.about["run"]), str(guide.about.get("licence", "")),
            guide.load_shape[-2], guide.class_names, _OUTPUTS,
        ),
    )  # fmt: skip
    (folder / LABELS).write_text("".join(f"{name}\n" for name in guide.class_names), encoding="utf-8")
