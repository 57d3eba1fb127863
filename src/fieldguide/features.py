"""One pass of a backbone over pictures: pixels in, embeddings out, kept on disk and reused by every stage.

Knows nothing about classes or splits, and nothing of how the backbone was made: it is an ONNX file whose input
`image` is (n, size, size, 3) uint8 RGB and whose output `features` is (n, d) float32. onnxruntime runs it
everywhere; OpenVINO where it is installed and measures faster.
"""

import hashlib
import importlib.util
import io
import json
import os
import platform
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.atomic import write_bytes, write_text
from fieldguide.engine import core_count, map_threads
from fieldguide.errors import BadImage, InputMissing, MissingExtra, NotReady, ProjectDamaged
from fieldguide.images import Limits, decode
from fieldguide.preprocess import decode_size, prepare
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.records import Preprocessing
from fieldguide.runs import Run
from fieldguide.settings import Settings

__all__ = [
    "Embedder",
    "FeatureStore",
    "Runner",
    "Runtime",
    "cache_folder",
    "choose_runtime",
    "extract",
    "hash_file",
    "load_square",
    "open_runner",
]

Runtime = Literal["onnxruntime", "openvino"]
Runner = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_SHARD = 512


def cache_folder() -> Path:
    """Where this machine keeps what it can make again: converted backbones and the choice of runtime."""
    given = os.environ.get("FIELDGUIDE_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fieldguide"


def open_runner(model: Path, runtime: Runtime) -> Runner:
    """A function from (n, size, size, 3) uint8 to (n, d) float32.

    Raises:
        MissingExtra: OpenVINO is asked for and not installed.
    """
    return _openvino_runner(model) if runtime == "openvino" else _onnxruntime_runner(model)


def _onnxruntime_runner(model: Path) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = core_count()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(["features"], {"image": batch})[0]
        return found

    return run


def _openvino_runner(model: Path) -> Runner:
    """OpenVINO on the processor, in bfloat16 where that is native.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra("OpenVINO is not installed", "pip install 'fieldguide[openvino]'") from error
    core = openvino.Core()
    native = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16" if "BF16" in native else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": str(core_count()),
    }
    compiled = core.compile_model(model, "CPU", hints)

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.array(compiled({"image": batch})["features"], dtype=np.float32)
        return found

    return run


def choose_runtime(model: Path, size: int, wanted: str) -> Runtime:
    """The runtime to use: the one asked for, or for "auto" the faster of those installed.

    The measurement takes about a second and is kept in the cache folder, per model, processor and versions.

    Raises:
        MissingExtra: OpenVINO is asked for and not installed.
    """
    has_openvino = importlib.util.find_spec("openvino") is not None
    if wanted == "openvino" and not has_openvino:
        raise MissingExtra("OpenVINO is not installed", "pip install 'fieldguide[openvino]'")
    if wanted != "auto":
        return "openvino" if wanted == "openvino" else "onnxruntime"
    if not has_openvino:
        return "onnxruntime"
    key = f"{model.name} {size} {_machine()}"
    path = cache_folder() / "runtime.json"
    known = _read_choices(path)
    if key not in known:
        sample = np.zeros((16, size, size, 3), np.uint8)
        runtimes: tuple[Runtime, ...] = ("onnxruntime", "openvino")
        speeds = {runtime: _images_per_s(open_runner(model, runtime), sample) for runtime in runtimes}
        known[key] = max(speeds, key=lambda name: speeds[name])
        write_text(path, json.dumps(known, indent=1))
    return "openvino" if known[key] == "openvino" else "onnxruntime"


def _machine() -> str:
    """What the measurement depends on, in words."""
    from importlib.metadata import version

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model} {core_count()} {version('onnxruntime')} {version('openvino')}"


def _read_choices(path: Path) -> dict[str, str]:
    """The measurements kept; none where the file is missing or unreadable."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}


def _images_per_s(run: Runner, sample: NDArray[np.uint8]) -> float:
    """The best of three calls after a warm-up."""
    run(sample)
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        run(sample)
        best = min(best, time.perf_counter() - begun)
    return len(sample) / best


def load_square(path: Path, preprocessing: Preprocessing, limits: Limits) -> NDArray[np.uint8]:
    """A file as the backbone sees it, (size, size, 3) uint8 RGB.

    Raises:
        BadImage: it is no picture that can be decoded.
        OSError: it cannot be read.
    """
    pixels = decode(path.read_bytes(), limits, at_least=decode_size(preprocessing))
    return prepare(pixels, preprocessing)


def extract(
    paths: Sequence[Path], preprocessing: Preprocessing, limits: Limits, run: Runner, batch_size: int
) -> Iterator[NDArray[np.float32]]:
    """Embeddings of the files, in order, as batches (up to batch_size, d) float32.

    Decoding and resizing go on in threads while the backbone works.

    Raises:
        BadImage: a file that is no picture: only checked ones belong here.
        OSError: a file cannot be read.
    """
    load = partial(load_square, preprocessing=preprocessing, limits=limits)
    squares = map_threads(load, paths, workers=core_count(), ahead=batch_size * 3)
    batch: list[NDArray[np.uint8]] = []
    for square in squares:
        batch.append(square)
        if len(batch) == batch_size:
            yield run(np.stack(batch))
            batch = []
    if batch:
        yield run(np.stack(batch))


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class FeatureStore:
    """Embeddings of one backbone under one preprocessing and runtime, by the hash of the image.

    Shards are written whole; a pass that is interrupted loses at most one.
    """

    folder: Path

    @classmethod
    def at(cls, base: Path, model: Path, preprocessing: Preprocessing, runtime: str) -> "FeatureStore":
        """The store below `base` for these; another model, preprocessing or runtime has another."""
        said = json.dumps([model.name, asdict(preprocessing), runtime], sort_keys=True)
        name = f"{model.stem.split('-')[0]}-{preprocessing.fit}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        return cls(base / name)

    def load(self) -> dict[str, NDArray[np.float32]]:
        """Every embedding, (d,) float32, by image; a damaged shard counts as missing and is computed again."""
        found: dict[str, NDArray[np.float32]] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as shard:
                    names = [str(name) for name in shard["sha256"]]
                    found.update(zip(names, shard["features"], strict=True))
            except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile, zlib.error):
                continue
        return found

    def write(self, names: Sequence[str], features: NDArray[np.float32]) -> None:
        """Nothing; one more shard, named after what it holds.

        Raises:
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        buffer = io.BytesIO()
        np.savez(buffer, sha256=np.array(names), features=features)
        name = hashlib.sha256("".join(names).encode()).hexdigest()[:16]
        write_bytes(self.folder / f"{name}.npz", buffer.getvalue())


@dataclass(frozen=True)
class Embedder:
    """Gives the embeddings of a project's images: from the store where they are known, else computed and kept.

    Attributes:
        project: whose images they are.
        model: the backbone's ONNX file.
        preprocessing: how pictures are fitted to its square.
        runtime: what runs it.
        limits: what may be decoded.
        batch_size: pictures per call.
    """

    project: Project
    model: Path
    preprocessing: Preprocessing
    runtime: Runtime
    limits: Limits
    batch_size: int

    @classmethod
    def for_run(cls, project: Project, settings: Settings, run: Run, model: Path) -> "Embedder":
        """What gives the features that a run was trained on.

        Raises:
            NotReady: the backbone is not the one it was trained with.
        """
        if hash_file(model) != run.model:
            raise NotReady("the backbone has changed since training", "run: fieldguide train")
        runtime: Runtime = "openvino" if run.runtime == "openvino" else "onnxruntime"
        return cls(project, model, run.preprocessing, runtime, decode_limits(settings), settings.features.batch_size)

    def embed(self, images: Mapping[str, str], progress: Progress) -> NDArray[np.float32]:
        """Embeddings, (n, d) float32, of the images given as hash to format, in their order.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original is no longer the picture that it was.
            DiskFull: no space; the shards written before stay.
            NoPermission: the folder cannot be written.
        """
        store = FeatureStore.at(self.project.features_folder, self.model, self.preprocessing, self.runtime)
        found = store.load()
        missing = [name for name in images if name not in found]
        if missing:
            progress.start(f"features ({self.preprocessing.fit})", len(missing))
            run = open_runner(self.model, self.runtime)
            for start in range(0, len(missing), _SHARD):
                names = missing[start : start + _SHARD]
                features = self._compute(run, {name: images[name] for name in names}, progress)
                store.write(names, features)
                found.update(zip(names, features, strict=True))
        return np.stack([found[name] for name in images])

    def _compute(self, run: Runner, images: Mapping[str, str], progress: Progress) -> NDArray[np.float32]:
        """The embeddings of one shard."""
        paths = [self.project.image_path(name, suffix) for name, suffix in images.items()]
        batches = []
        again = "put the originals back or add them again, then: fieldguide build"
        try:
            for batch in extract(paths, self.preprocessing, self.limits, run, self.batch_size):
                batches.append(batch)
                progress.advance(len(batch))
        except FileNotFoundError as error:
            raise InputMissing(f"the original {error.filename} is gone", again) from error
        except BadImage as error:
            raise ProjectDamaged(
                f"an original in {self.project.root / 'images'} has changed: {error}", again
            ) from error
        return np.concatenate(batches)
