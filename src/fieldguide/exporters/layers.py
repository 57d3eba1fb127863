"""Dense layers as arrays: what a head on features is made of.

Knows nothing about features, pictures or how anything was fitted: numpy answers with them, and a graph holds the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Activation = Literal["none", "relu", "hardswish"]
Doubles = NDArray[np.float64]

# hardswish: Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2
ACTIVATIONS: Mapping[Activation, Callable[[Doubles], Doubles]] = MappingProxyType(
    {
        "none": lambda rows: rows,
        "relu": lambda rows: np.maximum(rows, 0.0),
        "hardswish": lambda rows: rows * np.clip(rows / 6 + 0.5, 0.0, 1.0),
    }
)


@dataclass(frozen=True)
class Layer:
    """A dense layer: activation(rows @ weights + bias).

    Attributes:
        weights: (in, out) float64.
        bias: (out,) float64.
        activation: a key of `ACTIVATIONS`.
    """

    weights: Doubles
    bias: Doubles
    activation: Activation = "none"


def apply_layers(layers: Sequence[Layer], rows: NDArray[np.float32]) -> Doubles:
    """Apply the layers to (n, in) rows; return (n, out)."""
    values: NDArray[Any] = rows
    for layer in layers:
        values = ACTIVATIONS[layer.activation](values @ layer.weights + layer.bias)
    return np.asarray(values, dtype=np.float64)
