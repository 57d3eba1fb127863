"""The colour model's arrays and graph: the answers of scikit-learn and skl2onnx, bytes there and back."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colour_samples import SMALL, clouds, fit_arrays, tinted
from fieldguide.calibration import softmax
from fieldguide.exporters.colour import FOREST_DOUBT, Classifier, Family, export_colour
from fieldguide.guide.check import check_model
from fieldguide.images.colour_features import TABLES, colour_features
from fieldguide.learners.colour.families import (
    FAMILIES,
    Candidate,
    Samples,
    fit_classifier,
    fit_quietly,
    make_estimator,
)

pytest.importorskip("sklearn", reason="learning needs the extra [train]")
onnx = pytest.importorskip("onnx", reason="exporting needs the extra [train]")


def run(model: bytes, names: list[str], inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    answers: list[NDArray[np.float32]] = session.run(names, inputs)
    return answers


# ---- from features to logits


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_answers_as_scikit_learn_does(family: Family, classes: int, balanced: bool) -> None:
    samples = replace(clouds(classes=classes), balanced=balanced)
    fitted = fit_classifier(samples, SMALL[family])
    logits = fitted.logits(samples.features)
    assert logits.shape == (150, classes)
    assert fitted.to_arrays(1.0).probs(samples.features) == pytest.approx(softmax(logits), abs=1e-5)
    if family != "svm":
        shares = np.exp(logits) - FOREST_DOUBT if family == "forest" else softmax(logits)
        assert shares == pytest.approx(reference(samples, SMALL[family], "predict_proba"), abs=1e-5)


def reference(samples: Samples, candidate: Candidate, method: str) -> NDArray[np.float64]:
    """Return what a scaler and an estimator of scikit-learn's own say of their own samples."""
    answers: NDArray[np.float64] = getattr(fit_plain(samples, candidate), method)(samples.features)
    return answers


def fit_plain(samples: Samples, candidate: Candidate) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.class_weight import compute_sample_weight

    estimator = make_estimator(samples, candidate)
    weights = compute_sample_weight("balanced", samples.labels) if samples.balanced else None
    with fit_quietly():
        return make_pipeline(StandardScaler(), estimator).fit(
            samples.features, samples.labels, **{f"{type(estimator).__name__.lower()}__sample_weight": weights}
        )


@pytest.mark.filterwarnings("ignore:Attribute `prob:FutureWarning")  # skl2onnx 1.20 reads what scikit-learn deprecates
@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_answers_as_that_of_skl2onnx_does(family: Family, classes: int) -> None:
    skl2onnx = pytest.importorskip("skl2onnx", reason="the reference of the graph is in the extra [dev]")
    from skl2onnx.common.data_types import FloatTensorType

    samples = clouds(classes=classes)
    logits = fit_arrays(samples, SMALL[family]).logits(samples.features)
    plain = fit_plain(samples, SMALL[family])
    options = {id(plain): {"zipmap": False, "raw_scores": family == "svm"}}
    kinds = [("features", FloatTensorType([None, samples.features.shape[1]]))]
    theirs = skl2onnx.convert_sklearn(plain, initial_types=kinds, options=options).SerializeToString()
    (answers,) = run(theirs, ["probabilities"], {"features": samples.features})
    if family == "svm":
        margins = answers if classes > 2 else answers[:, 1:]  # of two classes the first column is for the second
        assert softmax(logits) == pytest.approx(softmax(add_up_pairs(margins, classes)), abs=1e-4)
    else:
        shares = np.exp(logits) - FOREST_DOUBT if family == "forest" else softmax(logits)
        assert shares == pytest.approx(answers, abs=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_support_vectors_add_up_pair_by_pair(classes: int) -> None:
    samples = clouds(classes=classes)
    margins = reference(samples, SMALL["svm"], "decision_function").reshape(150, -1)
    expected = add_up_pairs(-margins if classes == 2 else margins, classes)
    fitted = fit_classifier(samples, SMALL["svm"])
    assert fitted.logits(samples.features) == pytest.approx(expected)
    assert fitted.to_arrays(1.0).logits(samples.features) == pytest.approx(expected, abs=1e-5)


def add_up_pairs(margins: NDArray[np.floating], classes: int) -> NDArray[np.float64]:
    """Return each class's sum of the log-sigmoids of its margins, pair by pair."""
    sums = np.zeros((len(margins), classes))
    pair = 0
    for first in range(classes):
        for second in range(first + 1, classes):
            sums[:, first] -= np.logaddexp(0, -margins[:, pair])
            sums[:, second] -= np.logaddexp(0, margins[:, pair])
            pair += 1
    return sums


@pytest.mark.parametrize("family", ["forest", "boosting"])
def test_trees_part_neighbouring_numbers_as_scikit_learn_does(family: Family) -> None:
    """A threshold half way between two float32 numbers must be rounded down, or the upper one goes to the left too."""
    low = np.random.default_rng(0).uniform(1, 2, 60).astype(np.float32)
    high = np.nextafter(low, np.float32(9))
    # their mean is 0, and with the zeros their deviation about 0.5: they stay neighbours when scaled
    features = np.concatenate([low, high, -low, -high, np.zeros(2000, np.float32)])[:, None]
    samples = Samples(features, np.repeat([0, 1, 0, 1, 0], [60, 60, 60, 60, 2000]))
    fitted = fit_classifier(samples, Candidate(family, {"n_estimators": 20, "max_depth": 30}))
    answers = fitted.logits(features)
    assert np.mean((answers.argmax(axis=1) == samples.labels)[:240]) > 0.7, "neighbours are told apart"
    assert fitted.to_arrays(1.0).probs(features) == pytest.approx(softmax(answers), abs=1e-6)


# ---- bytes


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_there_and_back_and_the_same_every_time(family: Family) -> None:
    samples = clouds()
    classifier = fit_arrays(samples, SMALL[family], temperature=1.7)
    data = classifier.to_bytes()
    assert fit_arrays(samples, SMALL[family], temperature=1.7).to_bytes() == data
    restored = Classifier.from_bytes(data)
    assert Candidate(restored.family, restored.params) == SMALL[family]
    assert (restored.class_count, restored.temperature) == (3, 1.7)
    assert np.array_equal(restored.probs(samples.features), classifier.probs(samples.features))
    assert restored.probs(samples.features).sum(axis=1) == pytest.approx(np.ones(150))
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        assert not any(file[name].dtype.hasobject for name in file.files)


def test_bytes_that_are_no_classifier_are_refused() -> None:
    whole = fit_arrays(clouds(), SMALL["logistic"])
    data, other_archive = whole.to_bytes(), io.BytesIO()
    np.savez(other_archive, weights=np.zeros(3))
    strange = replace(whole, family="oracle").to_bytes()  # type: ignore[arg-type]
    for bad in (data[: len(data) // 2], b"", b"PK\x05\x06" + bytes(18), other_archive.getvalue(), strange):
        with pytest.raises(ValueError, match=r"classifier|family"):
            Classifier.from_bytes(bad)


def test_bytes_with_a_pickle_inside_are_refused() -> None:
    file = io.BytesIO()
    np.savez(file, choice=np.array([{"family": "svm"}], dtype=object))
    with pytest.raises(ValueError, match=r"[Oo]bject arrays|classifier"):
        Classifier.from_bytes(file.getvalue())


def test_a_file_of_the_first_version_is_read() -> None:
    """Two classes and one feature, told apart at 100; the names are those that files have had from the beginning."""
    arrays: dict[str, Any] = {
        "choice": json.dumps({"family": "logistic", "settings": {"C": 15}}),
        "mean": np.array([100], np.float32),
        "scale": np.array([10], np.float32),
        "seen": np.arange(2),
        "learnt.weights": np.array([[-1.0, 1.0]]),
        "learnt.bias": np.zeros(2),
    }
    file = io.BytesIO()
    np.savez(file, **arrays, classes=2, temperature=0.5)
    probs = Classifier.from_bytes(file.getvalue()).probs(np.array([[90], [100], [110]], np.float32))
    assert probs[:, 1] == pytest.approx(1 / (1 + np.exp([4, 0, -4])))


# ---- the whole graph


def fit_pictures(family: Family, labels: NDArray[np.int64]) -> tuple[Classifier, NDArray[np.float32]]:
    """Return a classifier of pictures' features, and the features."""
    features = colour_features(tinted(len(labels), 16))
    return fit_arrays(Samples(features, labels), SMALL[family], temperature=1.3), features


def answer(model: bytes, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logits, features = run(model, ["logits", "features"], {"image": pictures})
    return softmax(logits.astype(np.float64)).astype(np.float32), features


@pytest.mark.parametrize("labels", [np.arange(90) % 4, np.arange(90) % 2, np.arange(90) % 2 * 2], ids=["4", "2", "gap"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_published_graph_answers_as_the_classifier_does(family: Family, labels: NDArray[np.int64]) -> None:
    classifier, _ = fit_pictures(family, labels)
    model = export_colour(vars(TABLES), classifier, 48)
    check_model(model)
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)
    pictures = np.concatenate([tinted(30, 48), noise, np.zeros((1, 48, 48, 3), np.uint8)])
    probs, model_features = answer(model, pictures)
    expected = colour_features(pictures)
    assert probs.shape == (37, labels.max() + 1)
    assert np.array_equal(model_features, expected), "sums are exact there too"
    assert np.abs(probs - classifier.probs(expected)).max() < 1e-4


def test_a_feature_on_a_threshold_goes_to_the_left() -> None:
    stump = {
        "start": np.zeros(1, np.int32),
        "feature": np.zeros(3, np.int32),
        "threshold": np.array([128, np.inf, np.inf], np.float32),
        "left": np.array([1, 1, 2], np.int32),
        "right": np.array([2, 1, 2], np.int32),
        "values": np.eye(2, dtype=np.float32),
        "depth": np.array(1),
    }
    plain = np.zeros(18, np.float32), np.ones(18, np.float32)
    classifier = Classifier("forest", {}, *plain, stump, np.arange(2), 2)
    pictures = np.array([127, 128, 129], np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    features = colour_features(pictures)
    model = export_colour(vars(TABLES), classifier, 4)
    assert classifier.probs(features).argmax(axis=1).tolist() == [0, 0, 1]
    assert answer(model, pictures)[0].argmax(axis=1).tolist() == [0, 0, 1]


def test_the_graph_takes_any_size_where_none_is_given() -> None:
    labels = np.arange(30) % 3
    classifier, _ = fit_pictures("logistic", labels)
    model = export_colour(vars(TABLES), classifier, None)
    for shape in ((2, 31, 57, 3), (1, 3, 1500, 3), (1, 1, 1, 3)):
        pictures = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        probs, model_features = answer(model, pictures)
        expected = colour_features(pictures)
        assert np.abs(model_features - expected).max() < 1e-4
        assert np.abs(probs - classifier.probs(expected)).max() < 1e-4


def test_the_graph_uses_no_operators_of_other_domains() -> None:
    labels = np.arange(60) % 3
    for family in FAMILIES:
        classifier, _ = fit_pictures(family, labels)
        model = export_colour(vars(TABLES), classifier, 32)
        read = onnx.load_model_from_string(model)
        assert {opset.domain for opset in read.opset_import} == {""}
        assert not {node.domain for node in read.graph.node} - {""}
