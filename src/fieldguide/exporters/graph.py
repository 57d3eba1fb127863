"""Writing an ONNX graph node by node. Knows nothing about what it computes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Graph:
    """Nodes and constants of an ONNX graph. A value is its name, and numpy arrays may stand where values do.

    Names that are given by themselves begin with the prefix, so that they are no other graph's.
    """

    def __init__(self, prefix: str = "") -> None:
        from onnx import TensorProto, helper, numpy_helper

        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = 0
        self._prefix = prefix
        self._make = helper
        self._from_array = numpy_helper.from_array
        self._types = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int32": TensorProto.INT32}

    def name(self) -> str:
        """Return a name that nothing has yet."""
        self._names += 1
        return f"{self._prefix}v{self._names}"

    def constant(self, values: NDArray[Any]) -> str:
        """Keep values in the graph."""
        name = self.name()
        self.constants.append(self._from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, kind: str, *inputs: str | NDArray[Any], to: str | None = None, **settings: Any) -> str:
        """Add an operator and return its output."""
        output = to or self.name()
        named = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(self._make.make_node(kind, named, [output], name=f"{kind}/{output}", **settings))
        return output

    def cast(self, value: str, kind: str, to: str | None = None) -> str:
        """Return the value as float32, float64 or int32."""
        output = to or self.name()
        self.nodes.append(self._make.make_node("Cast", [value], [output], name=f"Cast/{output}", to=self._types[kind]))
        return output

    def split(self, value: str, sizes: NDArray[np.int64], axis: int) -> list[str]:
        """Return the value in parts along an axis."""
        outputs = [self.name() for _ in sizes]
        inputs = [value, self.constant(np.asarray(sizes, np.int64))]
        self.nodes.append(self._make.make_node("Split", inputs, outputs, name=f"Split/{outputs[0]}", axis=axis))
        return outputs

    def top(self, value: str, count: int) -> str:
        """Return the largest so many values of each row."""
        output, places = self.name(), self.name()
        inputs = [value, self.constant(np.array([count], np.int64))]
        self.nodes.append(self._make.make_node("TopK", inputs, [output, places], name=f"TopK/{output}", axis=1))
        return output
