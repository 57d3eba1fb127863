"""A head on a backbone: what turns its features into logits.

Knows nothing about where the backbone's weights come from or how it is trained.
"""

from typing import Any

from fieldguide.errors import SettingsError
from fieldguide.learners.networks import Network, assemble, seeded
from fieldguide.learners.weights import Backbone

__all__ = ["HEADS", "attach_head"]

HEADS = ("linear", "seed000", "seed003")


def attach_head(backbone: Backbone, head: str, classes: int, seed: int) -> Network:
    """The backbone with a new head.

    - `linear`: dropout 0.2 and one layer.
    - `seed000`: the charts' script, 1024, 1024 and 512 with ReLU.
    - `seed003`: the plants' script for DenseNets, dropout 0.2, 3 layers with ReLU and Hardswish between.

    Args:
        backbone: what gives the features; it is used, not copied.
        head: one of `HEADS`.
        classes: how many.
        seed: what the head's weights follow from.

    Raises:
        SettingsError: there is no such head.
    """
    if head not in HEADS:
        raise SettingsError(f"there is no head {head!r}", f"choose one of {', '.join(HEADS)}")
    with seeded(seed):
        module = _build(head, backbone.width, classes)
    name = f"{backbone.name} + {head}"
    parts = Network(name, backbone.size, classes, backbone.width, (backbone.module, module), backbone.stages)
    return assemble(parts, backbone.mean, backbone.std)


def _build(head: str, width: int, classes: int) -> Any:
    """The head's layers."""
    from torch import nn

    if head == "linear":
        return nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes))
    if head == "seed000":
        inner = [nn.Linear(width, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU()]
        return nn.Sequential(*inner, nn.Linear(512, classes))
    half, quarter = max(classes, width // 2), max(classes, width // 4)
    return nn.Sequential(
        nn.Dropout(0.2), nn.Linear(width, half), nn.ReLU(),
        nn.Dropout(0.2), nn.Linear(half, quarter), nn.Hardswish(),
        nn.Linear(quarter, classes),
    )  # fmt: skip
