"""The section on calibration: how the probabilities were made, and whether they mean what they say."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import softmax
from fieldguide.metrics import (
    MIN_CALIBRATION,
    calibration_error,
    calibration_interval,
    debiased_calibration_error,
    reliability,
)
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

NAMES = {"temperature": "temperature scaling", "confidence": "a temperature by confidence",
         "vector": "vector scaling", "isotonic": "isotonic regression"}  # fmt: skip


def measure_calibration(evaluation: Evaluation) -> Part | None:
    """Return the calibration error before and after, on test and in the cross-validation, where these are enough."""
    places, run, pools = evaluation.test, evaluation.run, {}
    if len(places) >= MIN_CALIBRATION:
        logits, labels = evaluation.outputs.logits[places], evaluation.test_labels
        pools["test"] = _pool(evaluation, logits, labels, evaluation.test_groups)
    if evaluation.validation and len(evaluation.data.labels) >= MIN_CALIBRATION:
        groups, labels = list(evaluation.data.groups), evaluation.data.labels
        pools["cross-validation"] = _pool(evaluation, evaluation.validation.logits, labels, groups)
    if not pools:
        return None
    losses, gains = run.calibration.get("losses", {}), run.calibration.get("gains", {})
    tried = [
        {"method": NAMES[method], "loss": loss, "gain": gains.get(method, (0.0, 0.0))[0],
         "error": gains.get(method, (0.0, 0.0))[1], "chosen": method == evaluation.calibration.method}
        for method, loss in losses.items()
    ]  # fmt: skip
    numbers = {
        "method": evaluation.calibration.method,
        "temperature": evaluation.model.temperature,
        "temper": evaluation.calibration.temper,
        "tried": tried,
        "pools": pools,
    }
    return Part(numbers, {"name": NAMES[evaluation.calibration.method]})


def _pool(
    evaluation: Evaluation, logits: NDArray[np.float64], labels: NDArray[np.int64], groups: list[str]
) -> dict[str, Any]:
    """Return the figures of pictures, given the model's (n, classes) logits, before the temperature."""
    before = softmax(logits)
    after = evaluation.calibration.probs(logits / evaluation.model.temperature)
    return {
        "pictures": len(labels),
        "before": {"ece": calibration_error(before, labels), "interval": calibration_interval(before, labels, groups)},
        "after": {
            "ece": calibration_error(after, labels),
            "interval": calibration_interval(after, labels, groups),
            "debiased": debiased_calibration_error(after, labels),
        },
        "reliability": reliability(after, labels),
    }
