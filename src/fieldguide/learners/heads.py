"""A head on a backbone: what turns its features into logits.

Knows nothing about where the backbone's weights come from or how it is trained.
"""

from dataclasses import dataclass
from typing import Any

from fieldguide.errors import SettingsError
from fieldguide.exporters.layers import Activation
from fieldguide.learners.architectures import Network, assemble, seeded
from fieldguide.learners.weights import Backbone

__all__ = ["HEADS", "DenseLayer", "attach_head", "list_layers"]

HEADS = ("linear", "mlp-1024", "mlp-halving")


def attach_head(backbone: Backbone, head: str, classes: int, seed: int) -> Network:
    """The backbone with a new head.

    Args:
        backbone: what gives the features; it is used, not copied.
        head: one of `HEADS`; `list_layers` says what each is.
        classes: how many.
        seed: what the head's weights follow from.

    Raises:
        SettingsError: there is no such head.
    """
    with seeded(seed):
        module = _build(head, backbone.width, classes)
    name = f"{backbone.name} + {head}"
    parts = Network(name, backbone.size, classes, backbone.width, (backbone.module, module), backbone.stages)
    return assemble(parts, backbone.mean, backbone.std)


@dataclass(frozen=True)
class DenseLayer:
    """One layer of a head: dropout on what comes in, a product, an activation.

    Attributes:
        inputs: how many numbers come in.
        outputs: how many go out.
        activation: what is done to them.
        dropout: share of the numbers coming in that is left out while training, 0..1.
    """

    inputs: int
    outputs: int
    activation: Activation = "none"
    dropout: float = 0.0


def list_layers(head: str, width: int, classes: int) -> tuple[DenseLayer, ...]:
    """The layers of a head on so many features.

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
    return (
        DenseLayer(width, half, "relu", 0.2),
        DenseLayer(half, quarter, "hardswish", 0.2),
        DenseLayer(quarter, classes),
    )


def _build(head: str, width: int, classes: int) -> Any:
    """The head as a torch module."""
    from torch import nn

    activations: dict[Activation, list[Any]] = {"none": [], "relu": [nn.ReLU], "hardswish": [nn.Hardswish]}
    parts: list[Any] = []
    for layer in list_layers(head, width, classes):
        parts += [nn.Dropout(layer.dropout)] if layer.dropout else []
        parts.append(nn.Linear(layer.inputs, layer.outputs))
        parts += [kind() for kind in activations[layer.activation]]
    return nn.Sequential(*parts)
