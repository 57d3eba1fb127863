"""The form `openvino`: the guide's graph in OpenVINO's own format, for Intel's processors and graphics.

The weights stay float32. Processors with AMX compute in bfloat16 unless told otherwise; the proof asks for float32.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.running import PythonRuntime, copy_description
from fieldguide.optional import require

_MODEL = "model.xml"


class OpenvinoExporter:
    """Converts the guide's graph."""

    name = "openvino"
    facts = FormFacts("OpenVINO's IR in float32, for OpenVINO on Intel's processors and graphics", extra="openvino")

    def unsuitable(self, source: Source) -> str:
        """Return "": OpenVINO reads every guide."""
        return ""

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write `model.xml`, `model.bin` and the description."""
        openvino = require("openvino", extra="openvino")
        model = openvino.Core().read_model(source.model)
        openvino.save_model(model, str(folder / _MODEL), compress_to_fp16=False)
        copy_description(source, folder)
        return {"openvino": str(openvino.__version__).partition("-")[0]}

    def cannot_run(self) -> str:
        """Return "": whatever makes it runs it."""
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Compile it for the processor, in float32."""
        yield PythonRuntime.of(folder, compile_model(folder / _MODEL))


def compile_model(path: Path) -> Any:
    """Return what asks an IR file, one picture after another, in float32."""
    openvino = require("openvino", extra="openvino")
    hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", hints)

    def ask(squares: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
        outputs = compiled({"image": squares})
        return outputs["probs"], outputs["familiarity"]

    return ask
