"""Heads of several layers fitted on features that lie ready: those of `heads`, learnt in seconds.

Knows nothing about pictures, or where features come from. Everything follows from the seed: one thread computes, and
the order of the pictures and the dropout come from a generator of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.exporters.layers import Layer
from fieldguide.learners.headfit import Head, hold_out_head, root
from fieldguide.learners.heads import DenseLayer, list_layers
from fieldguide.learners.logistic import NEVER, Fold
from fieldguide.optional import require

__all__ = ["fit_deep_head", "hold_out_deep_head"]

_BATCH = 128
_EPOCHS = 12
_LEAST_STEPS, _MOST_STEPS = 300, 1500
_LR = 1e-3
_WEIGHT_DECAY = 0.05
_WARM_UP = 0.1  # share of the steps in which the rate rises

Parameters = list[tuple[Any, Any]]


def fit_deep_head(features: NDArray[np.float32], labels: NDArray[np.int64], kind: str, seed: int, classes: int) -> Head:
    """The head fitted on all that is given, its temperature 1.

    AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) on the standardised roots of the
    features, the rate rising and then falling to nothing along a cosine.

    Args:
        features: (n, d).
        labels: (n,) classes; those of 0..classes-1 that are absent are never the answer.
        kind: one of `heads.HEADS`.
        seed: of the weights, the order of the pictures and the dropout.
        classes: how many.

    Raises:
        SettingsError: there is no such head.
        MissingExtra: torch is not installed.
    """
    torch = require("torch", extra="train")
    layers = list_layers(kind, features.shape[1], classes)
    rows = root(features)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    rows = (rows - mean) / scale
    with _one_thread():
        chance = torch.Generator().manual_seed(seed)
        learnt = _learn(torch.from_numpy(rows), torch.from_numpy(labels), layers, chance)
    arrays = [(weights.double().numpy(), bias.double().numpy()) for weights, bias in learnt]
    weights, bias = arrays[0]
    arrays[0] = weights / scale[:, None], bias - (mean / scale) @ weights
    absent = np.setdiff1d(np.arange(classes), labels)
    arrays[-1][0][:, absent], arrays[-1][1][absent] = 0.0, NEVER
    made = [Layer(*pair, layer.activation) for pair, layer in zip(arrays, layers, strict=True)]
    return Head(tuple(made), 1.0, 0.0)


def hold_out_deep_head(
    features: NDArray[np.float32], labels: NDArray[np.int64], folds: Sequence[Fold], kind: str, seed: int
) -> NDArray[np.float64]:
    """(n, classes) logits, each picture's from a head that never saw its fold.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        kind: one of `heads.HEADS`.
        seed: as in `fit_deep_head`, the same for every fold.

    Raises:
        SettingsError: there is no such head.
        MissingExtra: torch is not installed.
    """
    fit = partial(fit_deep_head, kind=kind, seed=seed, classes=int(labels.max()) + 1)
    with _one_thread():  # out here too, so that the threads of the folds begin with one
        return hold_out_head(features, labels, folds, fit)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Nothing; inside the block torch computes in one thread: sums do not depend on how many cores there are.

    Raises:
        MissingExtra: torch is not installed.
    """
    torch = require("torch", extra="train")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn(rows: Any, labels: Any, layers: Sequence[DenseLayer], chance: Any) -> Parameters:
    """Weights (in, out) and bias (out,) of each layer, learnt from (n, d) rows."""
    import torch

    parameters = [_draw(layer, chance) for layer in layers]
    flat = [one for pair in parameters for one in pair]
    optimiser = torch.optim.AdamW(flat, lr=_LR, weight_decay=_WEIGHT_DECAY, fused=True)
    each = -(-len(rows) // _BATCH)
    steps = min(max(each * _EPOCHS, _LEAST_STEPS), _MOST_STEPS)
    order = torch.cat([torch.randperm(len(rows), generator=chance) for _ in range(-(-steps // each))])
    batch = min(_BATCH, len(rows))
    for step in range(steps):
        chosen = order[step * batch % (len(order) - batch + 1) :][:batch]
        for group in optimiser.param_groups:
            group["lr"] = _LR * _pace(step / steps)
        logits = _answer(rows[chosen], parameters, layers, chance)
        optimiser.zero_grad()
        loss: Any = torch.nn.functional.cross_entropy(logits, labels[chosen])
        loss.backward()
        optimiser.step()
    return [(weights.detach(), bias.detach()) for weights, bias in parameters]


def _pace(done: float) -> float:
    """What the rate is multiplied by when a share of the steps is done."""
    if done < _WARM_UP:
        return (done + 1e-3) / _WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _draw(layer: DenseLayer, chance: Any) -> tuple[Any, Any]:
    """Weights and bias as torch's own `Linear` begins with them, up to the root of 1 / inputs."""
    import torch

    most = layer.inputs**-0.5
    weights = torch.rand((layer.inputs, layer.outputs), generator=chance) * (2 * most) - most
    bias = torch.rand(layer.outputs, generator=chance) * (2 * most) - most
    return weights.requires_grad_(), bias.requires_grad_()


def _answer(rows: Any, parameters: Parameters, layers: Sequence[DenseLayer], chance: Any) -> Any:
    """Logits, with dropout (Srivastava et al., 2014)."""
    import torch

    activations = {"none": lambda seen: seen, "relu": torch.relu, "hardswish": torch.nn.functional.hardswish}
    for (weights, bias), layer in zip(parameters, layers, strict=True):
        if layer.dropout:
            kept = torch.rand(rows.shape, generator=chance) >= layer.dropout
            rows = rows * kept / (1 - layer.dropout)
        rows = activations[layer.activation](torch.addmm(bias, rows, weights))
    return rows
