"""What the learners that train a network share: a network that is built, trained and measured, as a model.

Knows nothing about which network: whatever builds it comes in.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature
from fieldguide.errors import NotReady
from fieldguide.exporters.onnx import export_network
from fieldguide.features import Extractor, Pictures
from fieldguide.learners.architectures import Network, count_parameters, list_layers
from fieldguide.learners.augment import augment, find_preset
from fieldguide.learners.checkpoint import pack, unpack
from fieldguide.learners.contract import (
    FitResult,
    Fold,
    Model,
    Outputs,
    Scalar,
    TrainingData,
    check_classes,
    group_folds,
)
from fieldguide.learners.devices import on_device
from fieldguide.learners.loop import (
    Callbacks,
    Examples,
    ResolvedLoopSettings,
    Squares,
    TrainingResult,
    predict,
    train_network,
)
from fieldguide.learners.sampling import balance_csv
from fieldguide.learners.tracking import EpochRow, TensorBoardWriter, history_csv, history_curves
from fieldguide.metrics import confusion_matrix
from fieldguide.optional import require
from fieldguide.records import LayerSummary, Preprocessing
from fieldguide.settings import LoopSettings, TrainSettings

_SAMPLES, _SAMPLE_EPOCHS = 6, 7


def resolve_loop(settings: LoopSettings, seed: int, defaults: Mapping[str, float]) -> ResolvedLoopSettings:
    """Return the settings with a learner's defaults where they say "auto".

    Args:
        settings: as in fieldguide.toml.
        seed: all randomness follows from it.
        defaults: `epochs`, `lr`, `layer_decay`, `batch_size` and `accumulate` of the learner. Whoever sets a
            `batch_size` means it for the whole step, unless `accumulate` is set too.
    """
    chosen = settings.model_dump()
    if settings.batch_size != "auto" and settings.accumulate == "auto":
        chosen["accumulate"] = 1
    chosen |= {name: value for name, value in defaults.items() if chosen[name] == "auto"}
    return ResolvedLoopSettings(**chosen, seed=seed)


@dataclass(frozen=True)
class NetworkModel:
    """A trained network."""

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

    def layers(self) -> list[LayerSummary]:
        """Return its layers that learn or pool."""
        return list_layers(self.network)

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """Return its logits and features of pictures; they are always exact."""
        extractor = Extractor(f"network-{self._digest}", self.runtime, lambda: self._run)
        rows = pictures.compute(extractor, self.preprocessing)
        classes = self.network.classes
        return Outputs(rows[:, :classes].astype(np.float64), rows[:, classes:])

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def _run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate(predict(self.network, batch, np.arange(len(batch)), self.batch_size), axis=1)

    @property
    def answer_views(self) -> tuple[Preprocessing, ...]:
        """How a picture is seen for an answer: once."""
        return (self.preprocessing,)

    def answering(self, views: int) -> "NetworkModel":
        """Return the model, which answers by one view whatever is asked for."""
        return self

    def export(self) -> bytes:
        """Return the network's graph."""
        return export_network(self.network.module, self.preprocessing.size, self.temperature)

    def to_bytes(self) -> bytes:
        """Return the weights and the temperature as a safetensors file."""
        import torch

        temperature = torch.tensor(self.temperature, dtype=torch.float64)
        return pack({**self.network.module.state_dict(), "temperature": temperature})


@dataclass(frozen=True)
class NetworkLearner:
    """A network trained from the weights with which it is built.

    Attributes:
        settings: of the run.
        loop: of its training, resolved.
        preprocessing: how pictures are fitted to its square.
        build: makes the network, for so many classes; the same each time.
        build_empty: the same, with any weights.
        backbone: what the network was built on; "" for nothing.
    """

    settings: TrainSettings
    loop: ResolvedLoopSettings
    preprocessing: Preprocessing
    build: Callable[[int], Network]
    build_empty: Callable[[int], Network]
    backbone: str = ""

    def fit(self, training: TrainingData) -> FitResult:
        """Train on the train split, the epoch chosen by val, and measure."""
        check_classes(training)
        val = training.where("val")
        crosses = self.settings.crosses(len(training.labels)) or not len(val)
        squares = training.pictures.squares(self.preprocessing, () if crosses else training.where("train"))
        folds = group_folds(training.labels, training.groups, training.folds, training.seed) if crosses else []
        network = self.build(len(training.class_names))
        board = training.keep / "board" if training.keep else None
        with ExitStack() as stack:
            writer = stack.enter_context(TensorBoardWriter(board)) if board else None
            result = self._train(training, network, squares, writer, len(folds))
            logits = self._predict(network, squares, val)
            if writer:
                self._show(writer, training, squares, logits)
        if crosses:
            last = result.history[-1]
            # a step that is known changes nothing: it only gives whoever watches a chance to end the training
            tick = partial(training.watch, last.epoch, last.val_accuracy or 0.0)
            held_out = self._hold_out(training, folds, squares, tick)
            measured_by = "grouped cross-validation"
        else:
            held_out, measured_by = np.full((len(training.labels), network.classes), np.nan), "validation split"
            held_out[val] = logits
        known = np.flatnonzero(~np.isnan(held_out[:, 0]))
        temperature = fit_temperature(held_out[known], training.labels[known])
        model = NetworkModel(network, self.preprocessing, temperature, self.loop.batch_size)
        files = history_curves(result.history) | {
            "history.csv": history_csv(result.history).encode(),
            "balance.csv": balance_csv(result.balance, training.class_names).encode(),
        }
        folders = {"board": board} if board else {}
        chosen = self._describe(network, result)
        return FitResult(model, held_out, measured_by, self.backbone, chosen, files=files, folders=folders)

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by a network trained without its fold; NaN where no fold has it.

        Nothing chooses the epoch: each training runs to its end, so what is held out decides nothing.
        """
        squares = training.pictures.squares(self.preprocessing)
        training.pictures.progress.say(f"{len(folds)} trainings of {self.loop.epochs} epochs, one for each fold")
        return self._hold_out(training, folds, squares)

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file."""
        require("torch", extra="train")
        try:
            network = self.build_empty(classes)
            state = unpack(data)
            temperature = float(state.pop("temperature"))
            network.module.load_state_dict(state)
        except (RuntimeError, KeyError, ValueError) as error:
            raise NotReady("the network's weights are not whole", "run: fieldguide train") from error
        network.module.eval()
        return NetworkModel(network, preprocessing, temperature, self.loop.batch_size)

    def _train(
        self, training: TrainingData, network: Network, squares: Squares, writer: TensorBoardWriter | None, folds: int
    ) -> TrainingResult:
        """Train on the train split; the writer is told of every epoch, those from before a kill too.

        Where a training for each of so many folds follows, the person is told so first, and how long all may take as
        soon as an epoch has been timed.
        """
        progress, epochs = training.pictures.progress, self.loop.epochs
        if writer:
            writer.add_graph(network)
        if folds:
            progress.say(
                f"{1 + folds} trainings of {epochs} epochs: one for the model, then one for each of {folds} folds, "
                'which measure it; with cross_validate = "never" only the first'
            )

        def on_epoch(row: EpochRow) -> None:
            if folds and row.epoch == 1:
                all_s = round(row.seconds * epochs * (1 + folds))
                progress.say(f"all {1 + folds} together: about {all_s // 60}:{all_s % 60:02d}")
            if writer:
                writer.add_epoch(row)
            if row.val_accuracy is not None:
                training.watch(row.epoch, row.val_accuracy)

        examples = Examples(squares, training.labels, training.where("train"), training.where("val"))
        callbacks = Callbacks(progress, on_epoch)
        return train_network(network, examples, self.loop, _checkpoints(training, "whole"), callbacks)

    def _show(
        self, writer: TensorBoardWriter, training: TrainingData, squares: Squares, logits: NDArray[np.float32]
    ) -> None:
        """Write a confusion matrix of val, and pictures as they are and as the network saw them."""
        names, labels = training.class_names, training.labels[training.where("val")]
        writer.add_confusion(confusion_matrix(labels, logits.argmax(axis=1), len(names)), names)
        preset, samples = find_preset(self.loop.augment), []
        for index in training.where("train")[:_SAMPLES].tolist():
            square = squares(index) if callable(squares) else squares[index]
            samples += [square, *(augment(square, preset, (training.seed, e, index)) for e in range(_SAMPLE_EPOCHS))]
        writer.add_samples(np.stack(samples))

    def _describe(self, network: Network, result: TrainingResult) -> dict[str, Scalar]:
        """Return what a person would ask of a training."""
        return {
            "network": network.name,
            "epochs": len(result.history),
            "best epoch": result.best_epoch,
            "stopped": result.stopped,
            "lr": self.loop.lr,
            "batch size": self.loop.batch_size,
            "augmentation": self.loop.augment,
            "imbalance": self.loop.imbalance,
            "device": f"{result.hardware.device}, {result.hardware.precision}",
        }

    def _hold_out(
        self, training: TrainingData, folds: Sequence[Fold], squares: Squares, tick: Callable[[], None] = lambda: None
    ) -> NDArray[np.float64]:
        """Return what `predict_held_out` returns, with the squares at hand; `tick` is called after every epoch."""
        loop = self.loop.model_copy(update={"patience": 0})
        logits = np.full((len(training.labels), len(training.class_names)), np.nan)
        for number, (train, held) in enumerate(folds, 1):
            title = f"training, fold {number} of {len(folds)}"
            callbacks = Callbacks(training.pictures.progress, lambda row: tick(), title=title)
            network = self.build(len(training.class_names))
            examples = Examples(squares, training.labels, train, np.zeros(0, np.intp))
            train_network(network, examples, loop, _checkpoints(training, f"fold-{number}"), callbacks)
            logits[held] = self._predict(network, squares, held)
        return logits

    def _predict(self, network: Network, squares: Squares, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the logits of these pictures, (n, classes), computed where the network was trained."""
        with on_device(network.module, self.loop.device):
            return predict(network, squares, indices, self.loop.batch_size).logits


def _checkpoints(training: TrainingData, name: str) -> Path | None:
    return training.keep / name if training.keep else None
