"""What the learners that train a network share: the training as a training, the network as a model.

Knows nothing about which network: what builds it comes in.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity, fit_temperature
from fieldguide.errors import MissingExtra, NotReady
from fieldguide.exporters.network import export_network
from fieldguide.features import Pictures, Runner, Squares, Way
from fieldguide.learners.architectures import Network, count_parameters
from fieldguide.learners.checkpoint import pack, unpack
from fieldguide.learners.contract import FitResult, Fold, Model, Outputs, Scalar, TrainingData, check_classes
from fieldguide.learners.devices import placed
from fieldguide.learners.headfit import group_folds
from fieldguide.learners.loop import Keeping, train_network
from fieldguide.learners.loop_records import EpochRow, Examples, LoopSettings, Trained
from fieldguide.learners.passes import predict
from fieldguide.learners.preview import draw_preview
from fieldguide.learners.tracking import Board, balance_csv, history_csv, history_curves
from fieldguide.metrics import confusion_matrix
from fieldguide.records import Preprocessing
from fieldguide.settings import LoopSettings as LoopTable

__all__ = ["NetworkModel", "Plan", "hold_out_network", "learn_network", "load_network", "loop_settings"]

_AUTO = ("epochs", "lr", "layer_decay")
_AUTO_NUMBERS = {"freeze": -1, "threads": 0}  # what the loop calls it
_SAMPLES = 6


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        build: makes the network, for so many classes; the same each time.
        loop: how it is trained.
        preprocessing: how pictures are fitted to its square.
        crosses: whether a training is made for each fold too, of so many pictures.
        backbone: what the network was built on; "" for nothing.
    """

    build: Callable[[int], Network]
    loop: LoopSettings
    preprocessing: Preprocessing
    crosses: Callable[[int], bool]
    backbone: str = ""


def loop_settings(said: LoopTable, seed: int, usual: dict[str, Any]) -> LoopSettings:
    """The settings of the loop; where `said` is "auto", what is usual.

    Raises:
        SettingsError: a value that cannot be.
    """
    given = said.model_dump()
    given |= {name: number for name, number in _AUTO_NUMBERS.items() if given[name] == "auto"}
    given |= {name: usual[name] for name in _AUTO if given[name] == "auto"}
    given |= {name: value for name, value in usual.items() if name not in _AUTO}
    return LoopSettings(**given | {"seed": seed})


@dataclass(frozen=True)
class NetworkModel:
    """A trained network.

    Attributes:
        network: with its weights.
        preprocessing: how pictures are fitted to its square.
        temperature: what its logits are divided by.
        batch_size: pictures in one pass.
    """

    network: Network
    preprocessing: Preprocessing
    temperature: float
    batch_size: int

    runtime = "torch"
    file_name = "learnt.safetensors"

    @property
    def parameters(self) -> int:
        """How many numbers it learnt."""
        return count_parameters(self.network)

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """What it says of pictures; it is always exact.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original is no longer the picture that it was.
            DiskFull: no space for what is computed.
            NoPermission: the project cannot be written.
        """
        rows = pictures.compute(Way(f"network-{self._digest}", self.runtime, lambda: self._run), self.preprocessing)
        classes = self.network.classes
        return Outputs(rows[:, :classes].astype(np.float64), rows[:, classes:])

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def _run(self) -> Runner:
        def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            found = predict(self.network, batch, np.arange(len(batch)), self.batch_size)
            return np.concatenate([found.logits, found.features], axis=1)

        return run

    def export(self, familiarity: Familiarity) -> bytes:
        """The bytes of `model.onnx`.

        Raises:
            MissingExtra: torch or onnx is not installed.
        """
        return export_network(self.network.module, self.preprocessing.size, self.temperature, familiarity)

    def to_bytes(self) -> bytes:
        """The weights and the temperature as a safetensors file."""
        import torch

        temperature = torch.tensor(self.temperature, dtype=torch.float64)
        return pack({**self.network.module.state_dict(), "temperature": temperature})


def load_network(data: bytes, preprocessing: Preprocessing, build: Callable[[], Network], batch_size: int) -> Model:
    """The model in a file.

    Raises:
        NotReady: the file is not whole, or is of another network.
        MissingExtra: torch is not installed.
    """
    try:
        network = build()
        state = unpack(data)
        temperature = float(state.pop("temperature"))
        network.module.load_state_dict(state)
    except ImportError as error:
        raise MissingExtra("training needs the extra [train]", "pip install 'fieldguide[train]'") from error
    except (RuntimeError, KeyError, ValueError) as error:
        raise NotReady("the network's weights are not whole", "run: fieldguide train") from error
    network.module.eval()
    return NetworkModel(network, preprocessing, temperature, batch_size)


def learn_network(training: TrainingData, plan: Plan) -> FitResult:
    """What came of training on the train split, the epoch chosen by val.

    Raises:
        SettingsError: the settings cannot be.
        TrainingDiverged: the loss is no longer a number; the last good checkpoint is kept.
        OutOfMemory: the memory is not enough.
        InputUnusable: there is only one class, or checkpoints of another training.
        MissingExtra: something optional is not installed.
        DiskFull: no space for a checkpoint; the ones before stay.
        NoPermission: the folder cannot be written.
    """
    check_classes(training)
    squares = training.pictures.squares(plan.preprocessing)
    val = training.where("val")
    network = plan.build(len(training.class_names))
    with ExitStack() as stack:
        board = stack.enter_context(Board(training.keep / "board")) if training.keep else None
        trained = _train(training, plan, network, squares, board)
        answers = _predict(network, squares, val, plan.loop)
        if board:
            _show(board, training, plan, squares, answers)
    if plan.crosses(len(training.labels)) or not len(val):
        folds = group_folds(training.labels, training.groups, training.folds, training.seed)
        last = trained.history[-1]
        # a step that is known changes nothing: it only gives whoever watches a chance to end the training
        tick = partial(training.watch, last.epoch, last.val_accuracy or 0.0)
        held_out, measured_by = _hold_out(training, folds, plan, squares, tick), "grouped cross-validation"
    else:
        held_out, measured_by = np.full((len(training.labels), network.classes), np.nan), "validation split"
        held_out[val] = answers
    known = np.flatnonzero(~np.isnan(held_out[:, 0]))
    temperature = fit_temperature(held_out[known], training.labels[known])
    model = NetworkModel(network, plan.preprocessing, temperature, plan.loop.batch_size)
    files = history_curves(trained.history) | {
        "history.csv": history_csv(trained.history).encode(),
        "balance.csv": balance_csv(trained.balance, training.class_names).encode(),
    }
    folders = {"board": training.keep / "board"} if training.keep else {}
    chosen = _chosen(network, trained, plan.loop)
    return FitResult(model, held_out, measured_by, plan.backbone, chosen, files=files, folders=folders)


def _train(training: TrainingData, plan: Plan, network: Network, squares: Squares, board: Board | None) -> Trained:
    """What came of the training; the board has heard of every epoch, those from before a kill too."""
    examples = Examples(squares, training.labels, training.where("train"), training.where("val"))
    keeping = _keeping(training, "whole")
    if not board:
        return train_network(network, examples, plan.loop, keeping)
    board.graph(network)

    def watch(row: EpochRow) -> None:
        board.epoch(row)
        keeping.watch(row)

    return train_network(network, examples, plan.loop, replace(keeping, watch=watch))


def _show(board: Board, training: TrainingData, plan: Plan, squares: Squares, answers: NDArray[np.float32]) -> None:
    """Nothing; the board has a confusion matrix of val, and pictures as the network saw them."""
    labels = training.labels[training.where("val")]
    board.confusion(confusion_matrix(labels, answers.argmax(axis=1), len(training.class_names)), training.class_names)
    some = training.where("train")[:_SAMPLES]
    shown = np.stack([squares(int(index)) if callable(squares) else squares[index] for index in some])
    names = [training.class_names[label] for label in training.labels[some]]
    board.samples(draw_preview(shown, names, plan.loop.augment, training.seed))


def _chosen(network: Network, trained: Trained, loop: LoopSettings) -> dict[str, Scalar]:
    """What a person would ask of a training."""
    return {
        "network": network.name,
        "epochs": len(trained.history),
        "best epoch": trained.best_epoch,
        "stopped": trained.stopped,
        "lr": loop.lr,
        "batch size": loop.batch_size,
        "augmentation": loop.augment,
        "imbalance": loop.imbalance,
        "device": f"{trained.device}, {trained.precision}",
    }


def hold_out_network(training: TrainingData, folds: Sequence[Fold], plan: Plan) -> NDArray[np.float64]:
    """(n, classes) logits, each picture's by a network trained without its fold; NaN where no fold has it.

    Nothing chooses the epoch: each training runs to its end, so what is held out decides nothing.

    Raises:
        SettingsError: the settings cannot be.
        TrainingDiverged: the loss is no longer a number.
        OutOfMemory: the memory is not enough.
        DiskFull: no space for a checkpoint.
        NoPermission: the folder cannot be written.
    """
    return _hold_out(training, folds, plan, training.pictures.squares(plan.preprocessing))


def _hold_out(
    training: TrainingData, folds: Sequence[Fold], plan: Plan, squares: Squares, tick: Callable[[], None] = lambda: None
) -> NDArray[np.float64]:
    """As `hold_out_network`, with the squares at hand; `tick` is called after every epoch."""
    loop = replace(plan.loop, patience=0)
    found = np.full((len(training.labels), len(training.class_names)), np.nan)
    nobody = np.zeros(0, np.intp)
    for number, (train, held) in enumerate(folds, 1):
        network = plan.build(len(training.class_names))
        keeping = replace(_keeping(training, f"fold-{number}"), watch=lambda row: tick())
        train_network(network, Examples(squares, training.labels, train, nobody), loop, keeping)
        found[held] = _predict(network, squares, held, loop)
    return found


def _predict(network: Network, squares: Squares, indices: NDArray[np.intp], loop: LoopSettings) -> NDArray[np.float32]:
    """Logits of these pictures, (n, classes), computed where the network was trained."""
    with placed(network.module, loop.device):
        return predict(network, squares, indices, loop.batch_size).logits


def _keeping(training: TrainingData, name: str) -> Keeping:
    """Where a training of the training keeps its checkpoints, and whom it tells."""

    def watch(row: EpochRow) -> None:
        if row.val_accuracy is not None:
            training.watch(row.epoch, row.val_accuracy)

    return Keeping(training.keep / name if training.keep else None, training.pictures.progress, watch)
