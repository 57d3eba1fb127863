"""The end of every guide's graph: probabilities and familiarity as numpy computes them, in standard operators alone."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.calibration import Calibration, fit_isotonic, fit_vector
from fieldguide.familiarity import SCORES, Score, fit_familiarity
from fieldguide.guide.check import check_model

onnx = pytest.importorskip("onnx", reason="publishing needs the extra [train]")
onnxruntime = pytest.importorskip("onnxruntime")

from fieldguide.exporters.answers import add_answers  # noqa: E402

DICE = np.random.default_rng(0)
WIDTH, CLASSES, COUNT = 24, 3, 300
LABELS = (np.arange(COUNT) % CLASSES).astype(np.int64)
FEATURES = (DICE.normal(0, 2, (CLASSES, WIDTH))[LABELS] + DICE.normal(0, 1, (COUNT, WIDTH))).astype(np.float32)
LOGITS = (DICE.normal(0, 1.5, (COUNT, CLASSES)) + 2 * np.eye(CLASSES)[LABELS]).astype(np.float32)
ROWS = (np.sign(FEATURES) * np.sqrt(np.abs(FEATURES))).astype(np.float32)
CALIBRATIONS = {
    "temperature": Calibration(),
    "confidence": Calibration("confidence", bend=np.array([0.2, -1.4])),
    "vector": fit_vector(LOGITS.astype(np.float64), LABELS),
    "isotonic": fit_isotonic(LOGITS.astype(np.float64), LABELS),
}


def passing_on() -> bytes:
    """Return a graph that gives what it is given: `logits`, and `features` beside them."""
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    info = make.make_tensor_value_info
    nodes = [make.make_node("Identity", ["logits_in"], ["logits"]), make.make_node("Identity", ["rows"], ["features"])]
    inputs = [info("logits_in", kind, ["n", CLASSES]), info("rows", kind, ["n", WIDTH])]
    outputs = [info("logits", kind, ["n", CLASSES]), info("features", kind, ["n", WIDTH])]
    graph = make.make_graph(nodes, "g", inputs, outputs)
    return bytes(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8).SerializeToString())


def run(model: bytes, scale: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    check_model(model)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["probs", "features", "familiarity"]
    inputs = {"logits_in": LOGITS * np.float32(scale), "rows": FEATURES * np.float32(scale)}
    probs, features, familiarity = session.run(None, inputs)
    assert np.array_equal(features, inputs["rows"])
    return probs, familiarity


@pytest.mark.parametrize("temper", [1.0, 1.7])
@pytest.mark.parametrize("method", CALIBRATIONS)
def test_probabilities_are_those_of_the_calibration(method: str, temper: float) -> None:
    calibration = replace(CALIBRATIONS[method], temper=temper)
    model = add_answers(passing_on(), calibration, fit_familiarity(ROWS, LABELS))
    for scale in (1.0, 30.0):
        probs, _ = run(model, scale)
        expected = calibration.probs(LOGITS.astype(np.float64) * scale)
        assert np.abs(probs - expected).max() < 2e-5
        assert probs.std(axis=0).min() > 0.05


@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("score", SCORES)
def test_familiarity_is_that_of_numpy(score: Score, weight: float) -> None:
    fitted = fit_familiarity(ROWS[:200], LABELS[:200], score, logits=LOGITS[:200].astype(np.float64))
    fitted = replace(fitted, weight=weight or fitted.weight)
    probs, familiarity = run(add_answers(passing_on(), CALIBRATIONS["vector"], fitted))
    expected = fitted.weigh(fitted.measure(ROWS, LOGITS.astype(np.float64)), probs.max(axis=1))
    assert np.abs(familiarity - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())
    assert familiarity.std() > 1e-3 and familiarity.max() <= 0 and familiarity.shape == (COUNT,)
