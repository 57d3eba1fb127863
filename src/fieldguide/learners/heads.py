"""Heads on a backbone: what turns its features into logits, as torch modules and fitted on features that lie ready.

Knows nothing about pictures, or where features and the backbone's weights come from. A head fitted on features follows
from the seed alone: one thread computes, and a generator of its own draws the order of the pictures and the dropout.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import SettingsError
from fieldguide.exporters.onnx import Activation, Layer
from fieldguide.learners.architectures import Network, assemble, seeded
from fieldguide.learners.contract import Fold
from fieldguide.learners.linear_head import HEAD_KINDS, NEVER, Head, hold_out_folds, root
from fieldguide.learners.weights import Backbone
from fieldguide.optional import require

HEADS = ("linear", "mlp-1024", "mlp-halving")
_BATCH_SIZE = 128
_EPOCHS = 12
MIN_STEPS, _MAX_STEPS = 300, 1500  # of the optimiser
_LR = 1e-3
_WEIGHT_DECAY = 0.05
_WARM_UP = 0.1  # share of the steps in which the rate rises

Parameters = list[tuple[Any, Any]]


@dataclass(frozen=True)
class DenseLayer:
    """One layer of a head: dropout of a share of the inputs, a product, an activation."""

    inputs: int
    outputs: int
    activation: Activation = "none"
    dropout: float = 0.0


def list_layers(head: str, width: int, classes: int) -> tuple[DenseLayer, ...]:
    """Return the layers of a head on so many features.

    - `linear`: dropout 0.2 and one layer.
    - `mlp-1024`: 1024, 1024 and 512 with ReLU.
    - `mlp-halving`: dropout 0.2, half and a quarter as many as the features, with ReLU and Hardswish between.

    Raises:
        SettingsError: there is no such head.
    """
    if head not in HEADS:
        raise SettingsError(f"there is no head {head!r}", f"choose one of {', '.join(HEADS)}")
    if head == "linear":
        return (DenseLayer(width, classes, dropout=0.2),)
    if head == "mlp-1024":
        inner = [DenseLayer(before, after, "relu") for before, after in ((width, 1024), (1024, 1024), (1024, 512))]
        return *inner, DenseLayer(512, classes)
    half, quarter = max(classes, width // 2), max(classes, width // 4)
    inner = [DenseLayer(width, half, "relu", 0.2), DenseLayer(half, quarter, "hardswish", 0.2)]
    return *inner, DenseLayer(quarter, classes)


def attach_head(backbone: Backbone, head: str, classes: int, seed: int) -> Network:
    """Put a new head on a backbone.

    Args:
        backbone: what gives the features; it is used, not copied.
        head: one of `HEADS`; `list_layers` says what each is.
        classes: how many there are.
        seed: of the head's weights.
    """
    from torch import nn

    activations: dict[Activation, list[Any]] = {"none": [], "relu": [nn.ReLU], "hardswish": [nn.Hardswish]}
    parts: list[Any] = []
    with seeded(seed):
        for layer in list_layers(head, backbone.width, classes):
            parts += [nn.Dropout(layer.dropout)] if layer.dropout else []
            parts.append(nn.Linear(layer.inputs, layer.outputs))
            parts += [activation() for activation in activations[layer.activation]]
    name = f"{backbone.name} + {head}"
    modules = backbone.module, nn.Sequential(*parts)
    network = Network(name, backbone.size, classes, backbone.width, modules, backbone.stages)
    return assemble(network, backbone.mean, backbone.std)


def fit_head(features: NDArray[np.float32], labels: NDArray[np.int64], kind: str, seed: int, classes: int) -> Head:
    """Fit a head on all of the features; its temperature is 1.

    AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) on the standardised roots of the
    features, the rate rising and then falling to nothing along a cosine.

    Args:
        features: (n, d).
        labels: (n,) classes; those of 0..classes-1 that are absent are never the answer.
        kind: one of `HEADS`.
        seed: of the weights, the order of the pictures and the dropout.
        classes: how many.
    """
    torch = require("torch", extra="train")
    layers = list_layers(kind, features.shape[1], classes)
    rows = root(features)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    rows = (rows - mean) / scale
    with _one_thread():
        generator = torch.Generator().manual_seed(seed)
        parameters = _train(torch.from_numpy(rows), torch.from_numpy(labels), layers, generator)
    arrays = [(weights.double().numpy(), bias.double().numpy()) for weights, bias in parameters]
    weights, bias = arrays[0]
    arrays[0] = weights / scale[:, None], bias - (mean / scale) @ weights
    absent = np.setdiff1d(np.arange(classes), labels)
    arrays[-1][0][:, absent], arrays[-1][1][absent] = 0.0, NEVER
    fitted = [Layer(*pair, layer.activation) for pair, layer in zip(arrays, layers, strict=True)]
    return Head(tuple(fitted), 1.0, 0.0, HEAD_KINDS.get(kind, "logistic"))


def predict_held_out(
    features: NDArray[np.float32], labels: NDArray[np.int64], folds: Sequence[Fold], kind: str, seed: int
) -> NDArray[np.float64]:
    """Return (n, classes) logits, each picture's from a head that never saw its fold.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        kind: one of `HEADS`.
        seed: as in `fit_head`, the same for every fold.
    """
    fit = partial(fit_head, kind=kind, seed=seed, classes=int(labels.max()) + 1)
    with _one_thread():  # out here too, so that the threads of the folds begin with one
        return hold_out_folds(features, labels, folds, fit)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute in one thread inside the block: sums do not depend on how many cores there are."""
    torch = require("torch", extra="train")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(rows: Any, labels: Any, layers: Sequence[DenseLayer], generator: Any) -> Parameters:
    """Return weights (in, out) and bias (out,) of each layer, fitted on (n, d) rows."""
    import torch

    parameters = [_initialise(layer, generator) for layer in layers]
    flat = [tensor for pair in parameters for tensor in pair]
    optimiser = torch.optim.AdamW(flat, lr=_LR, weight_decay=_WEIGHT_DECAY, fused=True)
    steps_per_epoch = -(-len(rows) // _BATCH_SIZE)
    steps = min(max(steps_per_epoch * _EPOCHS, MIN_STEPS), _MAX_STEPS)
    epochs = -(-steps // steps_per_epoch)
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(epochs)])
    batch_size = min(_BATCH_SIZE, len(rows))
    for step in range(steps):
        chosen = order[step * batch_size % (len(order) - batch_size + 1) :][:batch_size]
        for group in optimiser.param_groups:
            group["lr"] = _LR * _lr_factor(step / steps)
        logits = forward(rows[chosen], parameters, layers, generator)
        optimiser.zero_grad()
        loss: Any = torch.nn.functional.cross_entropy(logits, labels[chosen])
        loss.backward()
        optimiser.step()
    return [(weights.detach(), bias.detach()) for weights, bias in parameters]


def _lr_factor(done: float) -> float:
    """Return what the learning rate is multiplied by when a share of the steps is done."""
    if done < _WARM_UP:
        return (done + 1e-3) / _WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _initialise(layer: DenseLayer, generator: Any) -> tuple[Any, Any]:
    """Return weights and bias as torch's own `Linear` draws them, up to the root of 1 / inputs."""
    import torch

    bound = layer.inputs**-0.5
    weights = torch.rand((layer.inputs, layer.outputs), generator=generator) * (2 * bound) - bound
    bias = torch.rand(layer.outputs, generator=generator) * (2 * bound) - bound
    return weights.requires_grad_(), bias.requires_grad_()


def forward(rows: Any, parameters: Parameters, layers: Sequence[DenseLayer], generator: Any) -> Any:
    """Return the logits, (n, classes), of (n, d) rows while learning: with dropout (Srivastava et al., 2014)."""
    import torch

    activations = {"none": lambda values: values, "relu": torch.relu, "hardswish": torch.nn.functional.hardswish}
    for (weights, bias), layer in zip(parameters, layers, strict=True):
        if layer.dropout:
            mask = torch.rand(rows.shape, generator=generator) >= layer.dropout
            rows = rows * mask / (1 - layer.dropout)
        rows = activations[layer.activation](torch.addmm(bias, rows, weights))
    return rows
