"""What the tests of training share: a problem that is learnt in a second, and a network of a few hundred weights."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from fieldguide.learners.architectures import Network, assemble, seeded
from fieldguide.learners.loop import Examples, ResolvedLoopSettings
from fieldguide.learners.tracking import EpochRow

SIZE, CLASSES = 8, 3
QUICK = ResolvedLoopSettings(
    epochs=4, batch_size=8, accumulate=1, lr=0.02, layer_decay=1.0, warm_up=0.5, augment="none", threads=1,
    label_smoothing=0.0, weight_decay=0.01, freeze=0, unfreeze=0,
)  # fmt: skip


def change(settings: ResolvedLoopSettings, **values: Any) -> ResolvedLoopSettings:
    """Return the settings with other values, which are checked."""
    return ResolvedLoopSettings(**settings.model_dump() | values)


def coloured(count: int = 48, seed: int = 0, shares: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)) -> Examples:
    """Draw noisy squares in which one channel is brighter: its number is the class. The last third validates."""
    dice = np.random.default_rng(seed)
    labels = dice.choice(CLASSES, count, p=shares).astype(np.int64)
    squares = dice.integers(40, 200, (count, SIZE, SIZE, 3))
    for square, label in zip(squares, labels, strict=True):
        square[..., label] += 50
    split = count * 2 // 3
    return Examples(squares.astype(np.uint8), labels, np.arange(split), np.arange(split, count))


def tiny_network(seed: int = 0, *, norm: bool = True, dropout: float = 0.2) -> Network:
    """Return two convolutions and a linear head, in three stages."""
    from torch import nn

    with seeded(seed):
        body: Any = nn.Sequential()
        body.add_module("one", nn.Sequential(nn.Conv2d(3, 8, 3), *([nn.BatchNorm2d(8)] if norm else []), nn.ReLU()))
        body.add_module("two", nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU()))
        body.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        head = nn.Sequential(nn.Dropout(dropout), nn.Linear(8, CLASSES))
    stages = tuple(
        tuple(f"{name}.{parameter}" for parameter, _ in body.get_submodule(name).named_parameters())
        for name in ("one", "two")
    )
    return assemble(Network("tiny", SIZE, CLASSES, 8, (body, head), stages), (0.5,) * 3, (0.25,) * 3)


def ticking(step: float = 0.25) -> Callable[[], float]:
    """Return a clock that is a little later each time it is asked."""
    count = itertools.count()
    return lambda: next(count) * step


def without_time(history: tuple[EpochRow, ...]) -> list[tuple[Any, ...]]:
    """Return the history but for what a clock says."""
    return [(row.epoch, row.loss, row.accuracy, row.val_loss, row.val_accuracy, row.lr) for row in history]
