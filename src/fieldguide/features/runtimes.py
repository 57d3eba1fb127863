"""What runs an ONNX file: onnxruntime everywhere; OpenVINO where it is installed and measures faster.

Knows nothing about pictures' files, projects or what the numbers mean.
"""

import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count
from fieldguide.guide import open_session
from fieldguide.optional import require
from fieldguide.project.atomic import write_text

Runtime = Literal["onnxruntime", "openvino"]
Runner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def cache_folder() -> Path:
    """Return where this machine keeps what it can make again: converted backbones and the choice of runtime."""
    folder = os.environ.get("FIELDGUIDE_CACHE")
    return Path(folder) if folder else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fieldguide"


@lru_cache(maxsize=1)  # compiling takes half a second, and one backbone computes several views
def open_runner(model: Path, runtime: Runtime) -> Runner:
    """Return a function from (n, size, size, 3) uint8 to (n, d) float32; the last one is kept.

    Args:
        model: an ONNX file whose name identifies its content, as those of the cache do.
        runtime: what runs it.
    """
    return _compile(model, runtime)


def _compile(model: Path, runtime: Runtime) -> Runner:
    return _openvino_runner(model) if runtime == "openvino" else _onnxruntime_runner(model)


def _onnxruntime_runner(model: Path) -> Runner:
    session = open_session(model.read_bytes(), core_count())

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        features: NDArray[np.float32] = session.run(["features"], {"image": batch})[0]
        return features

    return run


def _openvino_runner(model: Path) -> Runner:
    """Compile for OpenVINO on the processor, in bfloat16 where that is native."""
    openvino = require("openvino", extra="openvino")
    core = openvino.Core()
    native = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if "BF16" in native else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(core_count()),
    }
    compiled = core.compile_model(model, "CPU", hints)

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(compiled({"image": batch})["features"], dtype=np.float32)

    return run


def choose_runtime(model: Path, size: int, setting: str) -> Runtime:
    """Return the runtime that the setting names, or for "auto" the faster of those installed.

    The measurement takes about a second and is kept in the cache folder, per model, processor and versions.
    """
    has_openvino = importlib.util.find_spec("openvino") is not None
    if setting == "openvino" and not has_openvino:
        require("openvino", extra="openvino")
    if setting != "auto":
        return "openvino" if setting == "openvino" else "onnxruntime"
    if not has_openvino:
        return "onnxruntime"
    key = f"{model.name} {size} {_machine()}"
    path = cache_folder() / "runtime.json"
    known = _read_choices(path)
    if key not in known:
        runtimes: tuple[Runtime, ...] = ("onnxruntime", "openvino")
        # each is gone before the next is opened: together they would need twice the memory
        speeds = {runtime: measure_images_per_s(model, runtime, size) for runtime in runtimes}
        known[key] = max(speeds, key=lambda name: speeds[name])
        write_text(path, json.dumps(known, indent=1))
    return "openvino" if known[key] == "openvino" else "onnxruntime"


def measure_images_per_s(model: Path, runtime: Runtime, size: int) -> float:
    """Measure how many squares a runtime embeds in a second: the best of three calls after a warm-up."""
    run = _compile(model, runtime)
    sample = np.zeros((16, size, size, 3), np.uint8)
    run(sample)
    best_s = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        run(sample)
        best_s = min(best_s, time.perf_counter() - start)
    return len(sample) / best_s


def _machine() -> str:
    """Describe what the measurement depends on."""
    from importlib.metadata import version

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model} {core_count()} {version('onnxruntime')} {version('openvino')}"


def _read_choices(path: Path) -> dict[str, str]:
    """Read the choices kept; none where the file is missing or unreadable."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}
