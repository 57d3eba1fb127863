"""Heads of several layers over features: they learn, follow from their seed alone, and are what torch would say."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from test_linear_head import clouds  # noqa: E402

from fieldguide.errors import SettingsError  # noqa: E402
from fieldguide.learners.contract import group_folds  # noqa: E402
from fieldguide.learners.heads import HEADS, fit_head, forward, list_layers, predict_held_out  # noqa: E402
from fieldguide.learners.linear_head import Head, fit_linear_head, hold_out_folds  # noqa: E402


@pytest.mark.parametrize("kind", HEADS)
def test_it_learns_and_has_the_layers_of_its_kind(kind: str) -> None:
    features, labels = clouds(120, 40, 3)
    features[:, 5] = 2.0
    features[:, 6] *= -1
    head = fit_head(features[:60], labels[:60], kind, 0, 3)
    assert (head.probs(features[60:]).argmax(axis=1) == labels[60:]).mean() > 0.9
    layers = [(layer.inputs, layer.outputs, layer.activation) for layer in list_layers(kind, 40, 3)]
    assert [(*layer.weights.shape, layer.activation) for layer in head.layers] == layers
    assert (head.temperature, head.width) == (1.0, 40)
    assert Head.from_bytes(head.to_bytes()).logits(features) == pytest.approx(head.logits(features))


@pytest.mark.parametrize("kind", ["mlp-1024", "mlp-halving"])
def test_everything_follows_from_the_seed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldguide.learners.heads.MIN_STEPS", 12)
    features, labels = clouds(50, 20, 3)
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    first = fit_head(features, labels, kind, 3, 3)
    torch.manual_seed(2)
    try:
        torch.set_num_threads(3)
        before = torch.get_rng_state()
        same = fit_head(features, labels, kind, 3, 3)
        assert torch.get_num_threads() == 3 and torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_num_threads(threads)
    other = fit_head(features, labels, kind, 4, 3)
    for place, layer in enumerate(first.layers):
        assert np.array_equal(layer.weights, same.layers[place].weights)
        assert not np.array_equal(layer.weights, other.layers[place].weights)


def test_a_class_without_pictures_is_never_the_answer() -> None:
    features, labels = clouds(40, 20, 2)
    probs = fit_head(features, labels * 2, "mlp-halving", 0, 4).probs(features)
    assert probs.shape == (40, 4)
    assert probs[:, [1, 3]].max() < 1e-9


def test_held_out_logits_come_from_heads_that_never_saw_the_picture() -> None:
    features, labels = clouds(60, 30, 3)
    folds = group_folds(labels, None, 3, 0)
    logits = predict_held_out(features, labels, folds, "mlp-halving", 5)
    for train, test in folds:
        head = fit_head(features[train], labels[train], "mlp-halving", 5, 3)
        assert np.array_equal(logits[test], head.logits(features[test])), "whatever goes on beside it"
    assert (logits.argmax(axis=1) == labels).mean() > 0.8


def test_any_kind_of_head_can_be_held_out() -> None:
    features, labels = clouds(60, 30, 3)
    order = np.argsort(labels, kind="stable")
    features, labels = features[order], labels[order]
    test = np.arange(40, 60)  # the whole last class
    some = np.arange(0, 40, 2)
    folds = [(np.arange(40), test), (np.arange(1, 60, 2), some)]
    logits = hold_out_folds(features, labels, folds, lambda rows, own: fit_linear_head(rows, own, 0.01, 1.0))
    assert logits.shape == (60, 3)
    assert (logits[test, 2] == -50).all() and logits[test, :2].min() > -50 and logits[some].min() > -50
    assert (logits[some].argmax(axis=1) == labels[some]).mean() > 0.9


def test_dropout_is_seen_while_learning() -> None:
    rows = torch.ones((400, 10))
    (layer,) = list_layers("linear", 10, 1)
    weights, bias = torch.eye(10)[:, :1] * 10, torch.zeros(1)
    logits = forward(rows, [(weights, bias)], [layer], torch.Generator().manual_seed(0))
    assert sorted({round(float(value), 3) for value in logits.ravel()}) == [0.0, 12.5]
    assert 0.1 < float((logits == 0).float().mean()) < 0.3


def test_a_head_that_is_not_there() -> None:
    features, labels = clouds(12, 10, 2)
    with pytest.raises(SettingsError, match="no head 'wide'"):
        fit_head(features, labels, "wide", 0, 2)
