"""The form `coreml`: `model.mlpackage` for Apple's systems, of iOS 16 and macOS 13 and newer.

coremltools converts on any system and runs nothing but on a Mac: the form is converted and its specification checked,
and its answers are compared on a Mac or not at all.
"""

import logging
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import ParityError
from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.running import PythonRuntime, copy_description
from fieldguide.exporters.torch_graph import to_module
from fieldguide.optional import require

MODEL = "model.mlpackage"
_OUTPUTS = ("probs", "features", "familiarity")


class CoremlExporter:
    """Converts the guide's graph by way of torch."""

    name = "coreml"
    facts = FormFacts("Core ML in float32, for iOS 16, macOS 13 and newer", extra="coreml")

    def unsuitable(self, source: Source) -> str:
        """Return why it cannot be converted."""
        return "" if source.has_backbone else "colour features are counted in float64, which Core ML has not"

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write `model.mlpackage` and the description, and check the specification."""
        coremltools = _import()
        import torch

        shape = (1, *source.guide.load_shape)
        module = to_module(source.model)

        class Positional(torch.nn.Module):
            """The module with its outputs in a fixed order."""

            def __init__(self) -> None:
                super().__init__()
                self.module = module

            def forward(self, image: Any) -> tuple[Any, ...]:
                """Return the guide's three outputs."""
                outputs = self.module(image)
                return tuple(outputs[name] for name in _OUTPUTS)

        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            trace: Any = torch.jit.trace
            traced = trace(Positional().eval(), torch.zeros(shape))
            model = coremltools.convert(
                traced,
                inputs=[coremltools.TensorType("image", shape=shape, dtype=np.float32)],
                outputs=[coremltools.TensorType(name, dtype=np.float32) for name in _OUTPUTS],
                compute_precision=coremltools.precision.FLOAT32,
                minimum_deployment_target=coremltools.target.iOS16,
                skip_model_load=True,
            )
        model.short_description = str(source.guide.about["about"] or source.guide.about["name"])
        model.save(str(folder / MODEL))
        copy_description(source, folder)
        _check_specification(coremltools, folder / MODEL, shape, len(source.guide.class_names))
        return {"coremltools": str(coremltools.__version__)}

    def cannot_run(self) -> str:
        """Return why it cannot run here: only a Mac runs Core ML."""
        return "" if platform.system() == "Darwin" else "Core ML runs only on a Mac; its specification was checked"

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Open it with Core ML, on the processor, in float32."""
        coremltools = _import()
        model = coremltools.models.MLModel(str(folder / MODEL), compute_units=coremltools.ComputeUnit.CPU_ONLY)

        def ask(squares: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
            outputs = model.predict({"image": squares.astype(np.float32)})
            return outputs["probs"], outputs["familiarity"]

        yield PythonRuntime.of(folder, ask)


def _import() -> Any:
    """Import coremltools, which tells of every release of other libraries that it was not tried with."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would run through those of the command
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return require("coremltools", extra="coreml")


def _check_specification(coremltools: Any, path: Path, shape: tuple[int, ...], classes: int) -> None:
    """Check that what was written takes the guide's squares and gives its outputs.

    Raises:
        ParityError: it does not.
    """
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    inputs = {entry.name: tuple(entry.type.multiArrayType.shape) for entry in spec.description.input}
    outputs = {entry.name: tuple(entry.type.multiArrayType.shape) for entry in spec.description.output}
    if inputs != {"image": shape} or set(outputs) != set(_OUTPUTS) or outputs["probs"] not in ((), (1, classes)):
        raise ParityError(f"the converted model takes {inputs} and gives {outputs}", "report it")
