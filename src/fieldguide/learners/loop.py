"""The training loop: a network, squares and labels in; the best weights by validation and a history out.

Knows nothing about projects, files of pictures or test splits. Everything random follows from the seed and the
position, so there is no random state to lose: on a processor a training that was killed ends, once resumed, with the
same bytes as one that was not.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count
from fieldguide.errors import InputUnusable, OutOfMemory, SettingsError, TrainingDiverged
from fieldguide.learners.architectures import Network
from fieldguide.learners.checkpoint import Checkpoint, load_checkpoint, pack, save_checkpoint
from fieldguide.learners.devices import choose_device, choose_precision, exact, is_out_of_memory, keep_memory
from fieldguide.learners.loop_records import EpochRow, Examples, LoopSettings, Trained
from fieldguide.learners.optimiser import Average, Stepper
from fieldguide.learners.passes import Batch, Passes, cut, load_batches
from fieldguide.learners.sampling import class_balance, epoch_order
from fieldguide.learners.schedule import lr_factor
from fieldguide.learners.tracking import describe_epoch
from fieldguide.progress import Progress, SilentProgress

__all__ = ["Keeping", "train_network"]

_NO_MATTER = {"device", "threads", "checkpoint_s", "compile"}
_DIGESTS = "first weights", "pictures"  # tell a person nothing


def _ignore(row: EpochRow) -> None:
    """Nothing."""


@dataclass(frozen=True)
class Keeping:
    """Where a training tells and keeps how it stands.

    Attributes:
        folder: for checkpoints; None keeps none. A folder with some goes on from them.
        progress: told of each picture learnt from, how it goes after each step and each epoch, and of checkpoints that
            were damaged or gone on from.
        watch: told of each epoch, first once more of those that came before where a training goes on; whatever it
            raises ends the training, with its checkpoint kept.
        clock: seconds, for rates and for `checkpoint_s`.
    """

    folder: Path | None = None
    progress: Progress = field(default_factory=SilentProgress)
    watch: Callable[[EpochRow], None] = _ignore
    clock: Callable[[], float] = time.perf_counter


def train_network(network: Network, examples: Examples, settings: LoopSettings, keeping: Keeping) -> Trained:
    """What came of the training; the network's module holds the best weights, on the processor, ready for use.

    Args:
        network: what is trained; its weights are where it starts.
        examples: what it learns from and is validated with.
        settings: how.
        keeping: where it tells and keeps how it stands.

    Raises:
        SettingsError: a device that is not there, or batches of one picture that the network cannot normalise.
        TrainingDiverged: the loss, a gradient or a weight is no longer a number; the last good checkpoint stays.
        OutOfMemory: the memory is not enough; the last good checkpoint stays.
        InputUnusable: the folder's checkpoints are of another training.
        DiskFull: no space for a checkpoint; the ones before stay.
        NoPermission: the folder cannot be written.
    """
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    if device == "cpu":
        keep_memory()
    found = load_checkpoint(keeping.folder) if keeping.folder else None
    kept = found.checkpoint if found else None
    threads = int(kept.said["threads"]) if kept else settings.threads
    with exact(device, threads) as count:
        run = _Run(network, examples, settings, keeping, (device, precision, count))
        run.notes.extend(found.damaged if found else ())
        try:
            if kept:
                run.resume(kept)
            for note in run.notes:
                keeping.progress.say(note)
            return run.go_on()
        finally:
            network.module.to("cpu").eval()


@dataclass
class _Sums:
    """What an epoch has added up so far."""

    loss: float = 0.0
    weight: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0


class _Run:
    """One training on its way."""

    def __init__(
        self, network: Network, examples: Examples, settings: LoopSettings, keeping: Keeping, on: tuple[str, str, int]
    ) -> None:
        import torch

        self.network, self.examples, self.settings, self.keeping, self.on = network, examples, settings, keeping, on
        self.labels: NDArray[np.int64] = examples.labels[examples.train]
        self.balance = class_balance(self.labels, network.classes, settings.imbalance)
        self.said = self._fingerprint()
        network.module.to(on[0], memory_format=torch.channels_last)
        self.passes = Passes(network, settings, on, np.array([one.weight for one in self.balance], np.float32))
        self.stepper = Stepper(network, settings)
        self.average = Average(network.module, settings.ema) if settings.ema else None
        group = settings.batch_size * settings.accumulate
        self.steps = len(cut(sum(one.shown for one in self.balance), group))
        self.epoch, self.step, self.number, self.best_epoch = 0, 0, 0, 0
        self.rows: list[EpochRow] = []
        self.notes: list[str] = []
        self.sums = _Sums()
        self.best: dict[str, Any] = {}
        self.saved = keeping.clock()
        self.loaders = 1 if on[0] == "cpu" else core_count()  # a processor's cores are the network's

    def go_on(self) -> Trained:
        """What came of it, from wherever it stands."""
        settings, progress = self.settings, self.keeping.progress
        progress.start("training", settings.epochs * sum(one.shown for one in self.balance))
        progress.advance(self.epoch * sum(one.shown for one in self.balance) + self.sums.seen)
        for row in self.rows:
            self.keeping.watch(row)
        while self.epoch < settings.epochs and not self._tired():
            self._learn()
            self._finish_epoch()
        self.network.module.load_state_dict(self.best)
        stopped = f"no better for {settings.patience} epochs" if self._tired() else "all epochs"
        history, notes = tuple(self.rows), tuple(self.notes)
        return Trained(self.best, history, self.best_epoch, stopped, notes, self.balance, *self.on)

    def _tired(self) -> bool:
        """Whether validation has not become better for as many epochs as it may."""
        patience = self.settings.patience
        return bool(patience and len(self.examples.val) and self.epoch - self.best_epoch >= patience)

    def _learn(self) -> None:
        """Nothing; the rest of the epoch has been learnt from."""
        settings, keeping = self.settings, self.keeping
        self.network.module.train()
        thawed = bool(settings.unfreeze) and self.epoch >= settings.unfreeze
        self.stepper.freeze(0 if thawed else settings.freeze)
        order = epoch_order(self.labels, settings.imbalance, settings.seed, self.epoch)
        begun = keeping.clock()
        at = self.network.classes, self.epoch, self.step
        for batch in load_batches(self.examples, order, settings, at, self.loaders):
            self._take_step(batch)
            self.step += 1
            now = keeping.clock()
            self.sums.seconds, begun = self.sums.seconds + now - begun, now
            keeping.progress.advance(len(batch.labels))
            keeping.progress.note(self._describe_step())
            if keeping.folder and now - self.saved >= settings.checkpoint_s and self.step < self.steps:
                self._save()
                begun = keeping.clock()

    def _describe_step(self) -> str:
        """How it goes in this epoch, and what validation said after the one before."""
        sums, last = self.sums, self.rows[-1].val_accuracy if self.rows else None
        validated = "" if last is None else f"; val {last:.1%}"
        shown = f"loss {sums.loss / sums.weight:.3f}, {sums.right / sums.seen:.1%} right"
        return f"epoch {self.epoch + 1} of {self.settings.epochs}: {shown}{validated}"

    def _take_step(self, batch: Batch) -> None:
        """Nothing; the weights have changed once.

        Raises:
            TrainingDiverged: the loss or the gradient is no number.
            OutOfMemory: the memory is not enough.
            SettingsError: batches of one picture, which this network cannot normalise.
        """
        settings = self.settings
        done = self.epoch * self.steps + self.step
        with self._enough_memory():
            try:
                loss, weight, right = self.passes.learn(batch, (settings.seed, self.epoch, self.step))
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                message = f"this network cannot learn from one picture at a time at {self.network.size} pixels"
                raise SettingsError(message, "set batch_size = 2 or more, or a larger size") from error
            if not math.isfinite(loss):
                raise self._lost("the loss is", self.step + 1)
            if not math.isfinite(self.stepper.length(settings.clip)):
                raise self._lost("the gradient is", self.step + 1)
            warm_up = round(settings.warm_up * self.steps)
            self.stepper.step(settings.lr * lr_factor(settings.schedule, done, settings.epochs * self.steps, warm_up))
            if self.average:
                self.average.update(self.network.module, done + 1)
        self.sums.loss, self.sums.weight = self.sums.loss + loss * weight, self.sums.weight + weight
        self.sums.right, self.sums.seen = self.sums.right + right, self.sums.seen + len(batch.labels)

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """Nothing; inside the block a lack of memory is told with the size of batches that would fit.

        Raises:
            OutOfMemory: the memory is not enough.
        """
        short: BaseException | None = None
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            short = error.with_traceback(None)  # its frames hold what memory there is
        if short is not None:
            self.stepper.clear()
            fits = self.passes.largest_fitting(self.settings.batch_size)
            message = f"batch_size = {self.settings.batch_size} needs more memory than there is"
            raise OutOfMemory(message, fits) from short

    def _lost(self, what: str, step: int) -> TrainingDiverged:
        """The error for numbers that are none, met after so many steps of the epoch were begun."""
        kept = "; the last good checkpoint is kept" if self.number else ""
        return TrainingDiverged(
            f"{what} not a number in epoch {self.epoch + 1}, step {step} of {self.steps}",
            f"lower lr = {self.settings.lr:g}, or set clip = 1{kept}",
        )

    def _finish_epoch(self) -> None:
        """Nothing; the epoch is validated, written down and kept.

        Raises:
            TrainingDiverged: the weights are not numbers.
        """
        settings, keeping, sums = self.settings, self.keeping, self.sums
        begun = keeping.clock()
        state = self._state()
        with self._enough_memory():
            val_loss, val_accuracy = self.passes.validate(self.examples, self.average.state if self.average else None)
        rate = settings.lr * lr_factor(
            settings.schedule, (self.epoch + 1) * self.steps - 1, settings.epochs * self.steps,
            round(settings.warm_up * self.steps),
        )  # fmt: skip
        seconds = sums.seconds + keeping.clock() - begun
        speed = sums.seen / sums.seconds if sums.seconds > 0 else 0.0
        accuracy = sums.right / sums.seen
        row = EpochRow(self.epoch + 1, sums.loss / sums.weight, accuracy, val_loss, val_accuracy, rate, speed, seconds)
        if self._is_better(row):
            self.best_epoch, self.best = row.epoch, {name: value.cpu().clone() for name, value in state.items()}
        self.rows.append(row)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, _Sums()
        if keeping.folder:
            self._save()
        keeping.progress.say(describe_epoch(row, settings.epochs))
        keeping.watch(row)

    def _is_better(self, row: EpochRow) -> bool:
        """Whether an epoch is the best so far: more right, then a lower loss; the last where nothing is validated."""
        if row.val_loss is None or row.val_accuracy is None or not self.best_epoch:
            return True
        best = self.rows[self.best_epoch - 1]
        assert best.val_loss is not None and best.val_accuracy is not None
        return (row.val_accuracy, -row.val_loss) > (best.val_accuracy, -best.val_loss)

    def _state(self) -> dict[str, Any]:
        """The weights that count: the moving average where there is one.

        Raises:
            TrainingDiverged: they are not numbers.
        """
        state: dict[str, Any] = self.average.state if self.average else self.network.module.state_dict()
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise self._lost("a weight is", self.step)
        return state

    def _fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must agree with, by name."""
        said = {name: value for name, value in asdict(self.settings).items() if name not in _NO_MATTER}
        state = self.network.module.state_dict()
        examples = self.examples
        arrays = [np.ascontiguousarray(one) for one in (self.labels, examples.labels[examples.val])]
        arrays += [np.asarray(one, np.int64) for one in (examples.train, examples.val)]
        pictures = hashlib.sha256(b"".join(hashlib.sha256(one.tobytes()).digest() for one in arrays)).hexdigest()
        start = hashlib.sha256(pack(state)).hexdigest()
        return said | {"network": self.network.name, "first weights": start, "pictures": pictures}

    def _save(self) -> None:
        """Nothing; a checkpoint is in the folder.

        Raises:
            TrainingDiverged: the weights are not numbers, and are not kept.
        """
        assert self.keeping.folder is not None
        self._state()
        self.number += 1
        said = {
            "made by": self.said, "threads": self.on[2], "epoch": self.epoch, "step": self.step,
            "best_epoch": self.best_epoch, "history": [asdict(row) for row in self.rows], "sums": asdict(self.sums),
        }  # fmt: skip
        parts = {"model": self.network.module.state_dict(), "optimiser": self.stepper.pack(), "best": self.best}
        if self.average:
            parts["average"] = self.average.state
        save_checkpoint(self.keeping.folder, Checkpoint(self.number, said, parts))
        self.saved = self.keeping.clock()

    def resume(self, kept: Checkpoint) -> None:
        """Nothing; everything stands as when the checkpoint was made.

        Raises:
            InputUnusable: it is of another training.
        """
        made_by = json.loads(json.dumps(self.said))
        differs = [name for name in made_by if kept.said["made by"].get(name) != made_by[name]]
        if differs:
            was, now = kept.said["made by"].get(differs[0]), made_by[differs[0]]
            told = "" if differs[0] in _DIGESTS else f": {was}, not {now}"
            raise InputUnusable(
                f"{self.keeping.folder} holds a training with another {differs[0]}{told}",
                "go on with what it began with, or delete that folder to begin anew",
            )
        self.number, self.epoch, self.step = kept.number, kept.said["epoch"], kept.said["step"]
        self.best_epoch, self.sums = kept.said["best_epoch"], _Sums(**kept.said["sums"])
        self.rows = [EpochRow(**row) for row in kept.said["history"]]
        self.network.module.load_state_dict(kept.parts["model"])
        self.stepper.unpack(dict(kept.parts["optimiser"]))
        self.best = dict(kept.parts["best"])
        if self.average:
            for name, value in kept.parts["average"].items():
                self.average.state[name].copy_(value)
        if self.epoch < self.settings.epochs:
            self.notes.append(f"went on from epoch {self.epoch + 1}, step {self.step + 1}")
