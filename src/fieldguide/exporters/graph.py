"""Builds an ONNX graph node by node.

Knows nothing about what is computed. A value is its name, and numpy arrays may stand where values do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Graph", "doubles", "floats", "ints"]


class Graph:
    """Nodes and constants."""

    def __init__(self) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = 0
        self._make = helper
        self._from_array = numpy_helper.from_array
        self._types = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int32": TensorProto.INT32}

    def name(self) -> str:
        """A name that nothing has yet."""
        self._names += 1
        return f"v{self._names}"

    def constant(self, values: NDArray[Any]) -> str:
        """The values, kept in the graph."""
        name = self.name()
        self.constants.append(self._from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, kind: str, *inputs: str | NDArray[Any], to: str | None = None, **settings: Any) -> str:
        """What the operator gives of the inputs."""
        output = to or self.name()
        named = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(self._make.make_node(kind, named, [output], name=f"{kind}/{output}", **settings))
        return output

    def cast(self, value: str, kind: str, to: str | None = None) -> str:
        """The value as float32, float64 or int32."""
        output = to or self.name()
        self.nodes.append(self._make.make_node("Cast", [value], [output], name=f"Cast/{output}", to=self._types[kind]))
        return output

    def split(self, value: str, sizes: NDArray[np.int64], axis: int) -> list[str]:
        """The value in parts along an axis."""
        outputs = [self.name() for _ in sizes]
        inputs = [value, self.constant(np.asarray(sizes, np.int64))]
        self.nodes.append(self._make.make_node("Split", inputs, outputs, name=f"Split/{outputs[0]}", axis=axis))
        return outputs


def floats(*values: float) -> NDArray[np.float32]:
    """A constant: a scalar of one value, else a vector."""
    return np.array(values if len(values) > 1 else values[0], np.float32)


def doubles(value: float) -> NDArray[np.float64]:
    """A constant, a scalar."""
    return np.array(value, np.float64)


def ints(*values: int) -> NDArray[np.int64]:
    """A constant, a vector."""
    return np.array(values, np.int64)
