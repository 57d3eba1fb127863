"""Dense layers: what each activation is, and that they follow one another."""

import numpy as np
import pytest

from fieldguide.exporters.onnx import ACTIVATIONS, Layer, apply_layers

ROWS = np.array([[-4.0, -1.0, 0.0, 1.0, 4.0]])


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("none", [-4.0, -1.0, 0.0, 1.0, 4.0]),
        ("relu", [0.0, 0.0, 0.0, 1.0, 4.0]),
        ("hardswish", [0.0, -1 / 3, 0.0, 2 / 3, 4.0]),
    ],
)
def test_activations(kind: str, wanted: list[float]) -> None:
    found = {str(name): make(ROWS) for name, make in ACTIVATIONS.items()}
    assert found[kind].tolist() == [pytest.approx(wanted)]


def test_one_after_the_other() -> None:
    first = Layer(np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.5, 0.0]), "relu")
    last = Layer(np.array([[3.0], [7.0]]), np.array([-1.0]))
    found = apply_layers((first, last), np.array([[1.0, 1.0], [1.0, 4.0]], np.float32))
    assert found.tolist() == [[3 * 3.5 - 1], [3 * 9.5 + 7 * 1.0 - 1]]
    assert found.dtype == np.float64
