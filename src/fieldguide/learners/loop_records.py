"""What goes into the training loop and what comes out: small frozen records.

Knows nothing about how training is done, and imports no training library.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import SettingsError
from fieldguide.learners.augment import find_preset
from fieldguide.learners.schedule import Schedule

__all__ = [
    "ClassBalance",
    "Device",
    "EpochRow",
    "Examples",
    "Imbalance",
    "LoopSettings",
    "Optimiser",
    "Squares",
    "Trained",
]

Squares = NDArray[np.uint8] | Callable[[int], NDArray[np.uint8]]
Optimiser = Literal["adamw", "adam", "sgd", "rmsprop"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Imbalance = Literal["none", "weights", "oversample"]
_AT_LEAST_ONE = ("epochs", "batch_size", "accumulate")
_AT_LEAST_ZERO = (
    "weight_decay",
    "warm_up",
    "patience",
    "freeze",
    "unfreeze",
    "clip",
    "threads",
    "checkpoint_s",
    "seed",
)

_HIGHEST_LR = 1000.0


@dataclass(frozen=True)
class LoopSettings:
    """How a network is trained.

    Attributes:
        epochs: passes over the training pictures.
        batch_size: pictures in one forward pass.
        accumulate: forward passes in one step of the optimiser.
        optimiser: which; `sgd` has a Nesterov momentum of 0.9.
        lr: the highest learning rate, that of the head.
        weight_decay: for matrices and kernels; biases and norms have none. Decoupled for `adamw`.
        schedule: see `lr_factor`.
        warm_up: epochs, also parts of one.
        label_smoothing: share of each target that is spread over all classes.
        ema: decay of the moving average of the weights, which is then what is validated and kept; 0 without.
        clip: longest gradient; 0 without.
        precision: `auto` is bf16 on a CUDA device that has it, else fp32.
        patience: epochs without a better validation before it stops; 0 never stops.
        imbalance: `weights` counts each class alike in the loss, `oversample` shows each class as often.
        augment: a key of `augment.PRESETS`.
        layer_decay: what the learning rate is multiplied with at each stage down from the head.
        freeze: how many of the first stages do not learn; -1 is all but the head.
        unfreeze: after how many epochs they do learn; 0 never.
        device: `auto` is CUDA, then MPS, then the processor.
        compile: let torch compile the network; pays on a GPU, not here.
        threads: of torch on the processor; 0 is one for each core. Part of what makes runs equal to the bit.
        checkpoint_s: seconds between checkpoints inside an epoch; there is always one after it.
        seed: all randomness follows from it.
    """

    epochs: int = 20
    batch_size: int = 32
    accumulate: int = 1
    optimiser: Optimiser = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.05
    schedule: Schedule = "cosine"
    warm_up: float = 1.0
    label_smoothing: float = 0.1
    ema: float = 0.0
    clip: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    patience: int = 0
    imbalance: Imbalance = "none"
    augment: str = "light"
    layer_decay: float = 1.0
    freeze: int = 0
    unfreeze: int = 0
    device: Device = "auto"
    compile: bool = False
    threads: int = 0
    checkpoint_s: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Nothing.

        Raises:
            SettingsError: a value that cannot be.
        """
        least = dict.fromkeys(_AT_LEAST_ONE, 1.0) | dict.fromkeys(_AT_LEAST_ZERO, 0.0) | {"freeze": -1.0}
        for name, bound in least.items():
            if not bound <= getattr(self, name) < math.inf:
                raise SettingsError(f"{name} = {getattr(self, name)} cannot be", f"give at least {bound:g}")
        if not 0 < self.lr <= _HIGHEST_LR:
            raise SettingsError(f"lr = {self.lr} cannot be", "give more than 0 and at most 1000, such as 0.001")
        if not (0 <= self.label_smoothing < 1 and 0 <= self.ema < 1 and 0 < self.layer_decay <= 1):
            raise SettingsError(
                f"label_smoothing {self.label_smoothing}, ema {self.ema}, layer_decay {self.layer_decay} cannot be",
                "the first two are at least 0 and below 1, layer_decay is above 0 and at most 1",
            )
        find_preset(self.augment)


@dataclass(frozen=True)
class Examples:
    """Pictures to learn from and to validate with. There is no place here for test pictures.

    Attributes:
        squares: (n, size, size, 3) uint8 RGB, or a function from an index to one square that threads may call.
        labels: (n,) classes 0..c-1.
        train: indices to learn from.
        val: indices to validate with; may be empty.
    """

    squares: Squares
    labels: NDArray[np.int64]
    train: NDArray[np.intp]
    val: NDArray[np.intp]

    def __post_init__(self) -> None:
        """Nothing.

        Raises:
            ValueError: a picture is on both sides, or there are none to learn from.
        """
        if not len(self.train):
            raise ValueError("there are no pictures to learn from")
        if len(np.intersect1d(self.train, self.val)):
            raise ValueError("a picture is both learnt from and validated with")

    def square(self, index: int) -> NDArray[np.uint8]:
        """One square, (size, size, 3) uint8 RGB."""
        return self.squares(index) if callable(self.squares) else self.squares[index]


@dataclass(frozen=True)
class EpochRow:
    """A row of the history; `accuracy` is on training pictures as they were shown, None is for no validation."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    lr: float
    images_per_s: float
    seconds: float


@dataclass(frozen=True)
class ClassBalance:
    """What was done about a class's number of pictures: how many there are, are shown each epoch, and count as."""

    label: int
    pictures: int
    shown: int
    weight: float


@dataclass(frozen=True)
class Trained:
    """What came of a training; the network holds the best weights.

    Attributes:
        state: the best weights by validation, tensors by name; the last where nothing is validated.
        history: a row for each epoch.
        best_epoch: from 1; where `state` is from.
        stopped: why it ended: "all epochs" or "no better for N epochs".
        notes: what a person should know, such as a checkpoint that was damaged.
        balance: for each class.
        device: what it ran on.
        precision: fp32 or bf16.
        threads: of torch.
    """

    state: dict[str, Any]
    history: tuple[EpochRow, ...]
    best_epoch: int
    stopped: str
    notes: tuple[str, ...]
    balance: tuple[ClassBalance, ...]
    device: str
    precision: str
    threads: int
