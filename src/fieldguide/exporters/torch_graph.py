"""A guide's graph as a torch module, for converters that begin with torch: LiteRT's and Core ML's take no ONNX.

Every learner publishes ONNX, so the published graph itself is translated, operator by operator, and no learner needs a
second way out. Only what the learners' graphs hold is known here. The batch is one picture, all shapes are fixed, and
float64 becomes float32: phones have no other. onnx2torch would do it too, but knows neither the opset nor the doubles
of these graphs, and has had no release since 2024.
"""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from fieldguide.errors import InputUnusable
from fieldguide.optional import require

Attributes = Mapping[str, Any]
Operator = Callable[[list[Any], Attributes], Any]


def fold(model: bytes) -> Any:
    """Return the ONNX model for one picture, with everything computed that does not depend on it.

    Args:
        model: a guide's model.onnx.
    """
    onnx = require("onnx", extra="train")
    import tempfile
    from pathlib import Path

    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

    single = onnx.load_model_from_string(model)
    single.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with tempfile.TemporaryDirectory() as folder:
        options = SessionOptions()
        options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "folded.onnx"))
        options.log_severity_level = 3
        InferenceSession(single.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(options.optimized_model_filepath)
    for entry in [entry for entry in folded.opset_import if entry.domain]:  # onnxruntime lists all that it knows
        folded.opset_import.remove(entry)
    return folded


def to_module(model: bytes) -> Any:
    """Return a torch module that answers as a guide's graph does, for one picture at a time.

    It takes the picture as the guide does, (1, size, size, 3) or (1, views, size, size, 3), uint8 or float32 of 0..255,
    and returns a dictionary of `probs` (1, classes), `familiarity` (1,) and `features` (1, d), float32.

    Raises:
        InputUnusable: the graph holds an operator that is not known here.
        MissingExtra: torch or onnx is not installed.
    """
    torch = require("torch", extra="train")
    onnx = require("onnx", extra="train")
    graph = fold(model).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type not in _OPERATORS:
            hint = "export it as onnx or openvino"
            raise InputUnusable(f"the guide's graph holds {node.op_type}, which cannot be converted", hint)
        settings = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = onnx.numpy_helper.to_array(settings["value"])
        else:
            nodes.append((node.op_type, list(node.input), list(node.output), settings))
    outputs = [output.name for output in graph.output]

    class GraphModule(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The nodes of the graph, one after another."""

        def __init__(self) -> None:
            super().__init__()
            # integers are shapes, axes and places, single numbers are bounds: they stay numbers. The rest are weights
            self.numbers = {
                name: array for name, array in constants.items() if array.dtype.kind in "iub" or array.ndim == 0
            }
            self.names = {}
            for place, (name, array) in enumerate(constants.items()):
                if name not in self.numbers:
                    self.register_buffer(f"constant{place}", torch.from_numpy(array.astype(np.float32)))
                    self.names[name] = f"constant{place}"

        def forward(self, image: Any) -> dict[str, Any]:
            """Return the graph's outputs."""
            values: dict[str, Any] = {"": None, "image": image, **self.numbers}
            values |= {name: getattr(self, buffer) for name, buffer in self.names.items()}
            for kind, inputs, results, settings in nodes:
                result = _OPERATORS[kind]([values[name] for name in inputs], settings)
                parts = result if isinstance(result, tuple) else (result,)
                values.update(zip(results, parts, strict=True))
            return {name: values[name] for name in outputs}

    return GraphModule().eval()


# ---- operators, by the names and with the meanings of ONNX's opset 17


def _tensor(value: Any, like: Any) -> Any:
    """Return numbers of the graph as a tensor."""
    import torch

    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "f":
        return torch.from_numpy(value.astype(np.float32))
    kind = like.dtype if isinstance(like, torch.Tensor) and not like.is_floating_point() else torch.int64
    return torch.from_numpy(value).to(kind)


def _pair(name: str) -> Operator:
    """Return an operator of two or more tensors."""

    def apply(inputs: list[Any], settings: Attributes) -> Any:
        import torch

        function = getattr(torch, name)
        first = next((value for value in inputs if not isinstance(value, np.ndarray)), inputs[0])
        return reduce(function, [_tensor(value, first) for value in inputs])

    return apply


def _single(name: str) -> Operator:
    """Return an operator of one tensor."""

    def apply(inputs: list[Any], settings: Attributes) -> Any:
        import torch

        return getattr(torch, name)(inputs[0])

    return apply


def _axes(inputs: list[Any], settings: Attributes) -> list[int]:
    """Return the axes of a reduction, an attribute in older operators and an input in newer ones."""
    if len(inputs) > 1:
        return [int(axis) for axis in inputs[1]]
    return [int(axis) for axis in settings.get("axes", range(inputs[0].dim()))]


def _reduction(name: str) -> Operator:
    """Return an operator that reduces a tensor along axes."""

    def apply(inputs: list[Any], settings: Attributes) -> Any:
        import torch

        keep = bool(settings.get("keepdims", 1))
        if name == "l2":
            return torch.sqrt(torch.sum(inputs[0] * inputs[0], dim=_axes(inputs, settings), keepdim=keep))
        return getattr(torch, name)(inputs[0], dim=_axes(inputs, settings), keepdim=keep)

    return apply


def _pads(settings: Attributes) -> tuple[list[int], bool]:
    """Return padding in the order of torch, and whether it is the same on both sides."""
    top, left, bottom, right = settings.get("pads", [0, 0, 0, 0])
    return [left, right, top, bottom], (top, left) == (bottom, right)


def _conv(inputs: list[Any], settings: Attributes) -> Any:
    from torch.nn import functional

    pads, even = _pads(settings)
    value = inputs[0] if even else functional.pad(inputs[0], pads)
    return functional.conv2d(
        value, inputs[1], inputs[2] if len(inputs) > 2 else None, tuple(settings.get("strides", (1, 1))),
        (pads[2], pads[0]) if even else (0, 0), tuple(settings.get("dilations", (1, 1))), settings.get("group", 1),
    )  # fmt: skip


def _pool(inputs: list[Any], settings: Attributes, average: bool) -> Any:
    from torch.nn import functional

    pads, even = _pads(settings)
    sizes, strides = tuple(settings["kernel_shape"]), tuple(settings.get("strides", (1, 1)))
    padding, value = ((pads[2], pads[0]), inputs[0]) if even else ((0, 0), inputs[0])
    if not even:
        value = functional.pad(value, pads, value=0.0 if average else -math.inf)
    if average:
        counted = bool(settings.get("count_include_pad", 0))
        return functional.avg_pool2d(value, sizes, strides, padding, bool(settings.get("ceil_mode", 0)), counted)
    return functional.max_pool2d(value, sizes, strides, padding, ceil_mode=bool(settings.get("ceil_mode", 0)))


def _clip(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    low, high = ([*inputs[1:], None, None])[:2]
    return torch.clamp(inputs[0], None if low is None else float(low), None if high is None else float(high))


def _reshape(inputs: list[Any], settings: Attributes) -> Any:
    value, shape = inputs[0], [int(size) for size in inputs[1]]
    return value.reshape([value.shape[place] if size == 0 else size for place, size in enumerate(shape)])


def _slice(inputs: list[Any], settings: Attributes) -> Any:
    value, starts, ends = inputs[:3]
    axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
    steps = inputs[4] if len(inputs) > 4 else [1] * len(starts)
    parts = [slice(None)] * value.dim()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = value.shape[int(axis)]
        parts[int(axis)] = slice(int(start), min(int(end), length), int(step))
    return value[tuple(parts)]


def _gather(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    axis, (value, places) = settings.get("axis", 0), inputs
    if isinstance(places, np.ndarray):
        if places.ndim == 0:
            return torch.select(value, axis, int(places))
        places = torch.from_numpy(places.astype(np.int64))
    flat = torch.index_select(value, axis, places.reshape(-1).long())
    return flat.reshape([*value.shape[:axis], *places.shape, *value.shape[axis % value.dim() + 1 :]])


def _cast(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    kinds = {1: torch.float32, 11: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 2: torch.uint8}
    value = torch.from_numpy(inputs[0]) if isinstance(inputs[0], np.ndarray) else inputs[0]
    return value.to(kinds[settings["to"]])


def _top_k(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    largest = bool(settings.get("largest", 1))
    return tuple(torch.topk(inputs[0], int(inputs[1].reshape(-1)[0]), settings.get("axis", -1), largest))


def _split(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    return torch.split(inputs[0], [int(size) for size in inputs[1]], dim=settings.get("axis", 0))


def _squeeze(inputs: list[Any], settings: Attributes) -> Any:
    value = inputs[0]
    for axis in sorted((axis % value.dim() for axis in _axes(inputs, settings)), reverse=True):
        value = value.squeeze(axis)
    return value


def _unsqueeze(inputs: list[Any], settings: Attributes) -> Any:
    axes = _axes(inputs, settings)
    value = inputs[0]
    for axis in sorted(axis % (value.dim() + len(axes)) for axis in axes):
        value = value.unsqueeze(axis)
    return value


def _gemm(inputs: list[Any], settings: Attributes) -> Any:
    left = inputs[0].T if settings.get("transA") else inputs[0]
    right = inputs[1].T if settings.get("transB") else inputs[1]
    product = left @ right * settings.get("alpha", 1.0)
    return product + inputs[2] * settings.get("beta", 1.0) if len(inputs) > 2 else product


def _pad(inputs: list[Any], settings: Attributes) -> Any:
    from torch.nn import functional

    sizes, half = [int(size) for size in inputs[1]], len(inputs[1]) // 2
    pairs = [pair for axis in reversed(range(half)) for pair in (sizes[axis], sizes[half + axis])]
    value = float(inputs[2]) if len(inputs) > 2 and inputs[2] is not None else 0.0
    mode = {b"constant": "constant", b"reflect": "reflect", b"edge": "replicate"}[settings.get("mode", b"constant")]
    return (
        functional.pad(inputs[0], pairs, mode, value) if mode == "constant" else functional.pad(inputs[0], pairs, mode)
    )


def _layer_norm(inputs: list[Any], settings: Attributes) -> Any:
    from torch.nn import functional

    axis = settings.get("axis", -1) % inputs[0].dim()
    bias = inputs[2] if len(inputs) > 2 else None
    return functional.layer_norm(inputs[0], inputs[0].shape[axis:], inputs[1], bias, settings.get("epsilon", 1e-5))


def _batch_norm(inputs: list[Any], settings: Attributes) -> Any:
    from torch.nn import functional

    value, scale, bias, mean, variance = inputs
    return functional.batch_norm(value, mean, variance, scale, bias, eps=settings.get("epsilon", 1e-5))


def _hard_sigmoid(inputs: list[Any], settings: Attributes) -> Any:
    import torch

    return torch.clamp(inputs[0] * settings.get("alpha", 0.2) + settings.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(inputs: list[Any], settings: Attributes) -> Any:
    from torch.nn import functional

    return functional.hardswish(inputs[0])


def _torch(function: Callable[[Any, list[Any], Attributes], Any]) -> Operator:
    """Return an operator that gets the torch library as its first argument."""

    def apply(inputs: list[Any], settings: Attributes) -> Any:
        import torch

        return function(torch, inputs, settings)

    return apply


_OPERATORS: dict[str, Operator] = {
    "Constant": lambda inputs, settings: None,
    "Identity": lambda inputs, settings: inputs[0],
    "Conv": _conv,
    "AveragePool": lambda inputs, settings: _pool(inputs, settings, True),
    "MaxPool": lambda inputs, settings: _pool(inputs, settings, False),
    "GlobalAveragePool": lambda inputs, settings: inputs[0].mean(dim=(2, 3), keepdim=True),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Gemm": _gemm,
    "MatMul": _pair("matmul"),
    "Add": _pair("add"),
    "Sub": _pair("sub"),
    "Mul": _pair("mul"),
    "Div": _pair("div"),
    "Pow": _pair("pow"),
    "Max": _pair("maximum"),
    "Min": _pair("minimum"),
    "Equal": _pair("eq"),
    "Less": _pair("lt"),
    "LessOrEqual": _pair("le"),
    "Greater": _pair("gt"),
    "Where": _torch(
        lambda torch, inputs, settings: torch.where(inputs[0], *[_tensor(value, value) for value in inputs[1:]])
    ),
    "Not": _single("logical_not"),
    "Abs": _single("abs"),
    "Sqrt": _single("sqrt"),
    "Sign": _single("sign"),
    "Neg": _single("neg"),
    "Exp": _single("exp"),
    "Log": _single("log"),
    "Floor": _single("floor"),
    "Erf": _single("erf"),
    "Tanh": _single("tanh"),
    "Sigmoid": _single("sigmoid"),
    "Relu": _single("relu"),
    "Clip": _clip,
    "HardSwish": _hard_swish,
    "HardSigmoid": _hard_sigmoid,
    "Softmax": _torch(lambda torch, inputs, settings: torch.softmax(inputs[0], dim=settings.get("axis", -1))),
    "ReduceMean": _reduction("mean"),
    "ReduceSum": _reduction("sum"),
    "ReduceMax": _reduction("amax"),
    "ReduceMin": _reduction("amin"),
    "ReduceL2": _reduction("l2"),
    "ReduceLogSumExp": _reduction("logsumexp"),
    "TopK": _top_k,
    "Cast": _cast,
    "Concat": _torch(lambda torch, inputs, settings: torch.cat(inputs, dim=settings["axis"])),
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Reshape": _reshape,
    "Flatten": lambda inputs, settings: inputs[0].flatten(settings.get("axis", 1)),
    "Transpose": lambda inputs, settings: inputs[0].permute(*settings["perm"]),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Pad": _pad,
}
