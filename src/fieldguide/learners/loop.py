"""The training loop: a network, pictures and settings in; the best weights by validation and a history out.

From the top: `train_network`, an epoch, a step, the end of an epoch, checkpoints; then the parts they use: batches, the
optimiser, learning rates, prediction. Knows nothing about projects, files of pictures or test splits. Everything random
follows from the seed and the position, so there is no random state to lose: on a processor a training that was killed
ends, once resumed, with the same bytes as one that was not.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fieldguide.engine import core_count, map_threads
from fieldguide.errors import InputUnusable, OutOfMemory, SettingsError, TrainingDiverged
from fieldguide.learners.architectures import Network
from fieldguide.learners.augment import augment, find_preset, mix
from fieldguide.learners.checkpoint import Checkpoint, load_checkpoint, pack, save_checkpoint
from fieldguide.learners.devices import (
    Hardware,
    choose_hardware,
    deterministic,
    is_out_of_memory,
    keep_freed_memory,
    lean_activations,
)
from fieldguide.learners.sampling import ClassBalance, class_balance, epoch_order
from fieldguide.learners.tracking import EpochRow, describe_epoch
from fieldguide.learners.weights import import_timm
from fieldguide.progress import Progress, SilentProgress
from fieldguide.settings import LoopSettings

Squares = NDArray[np.uint8] | Callable[[int], NDArray[np.uint8]]

_MIXING, _DROPOUT = 1, 2  # so that no two random streams follow from one key
_MAY_DIFFER = {"device", "threads", "checkpoint_s", "compile"}  # between a training and the one that resumes it
_DIGESTS = "first weights", "pictures"  # whose values tell a person nothing


class ResolvedLoopSettings(LoopSettings):
    """Loop settings in which a learner has filled in what "auto" left to it, and the seed."""

    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=4096)
    accumulate: int = Field(ge=1, le=1024)
    lr: float = Field(gt=0, le=1000)
    layer_decay: float = Field(gt=0, le=1)
    seed: int = Field(0, ge=0)


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
        """Check that there are pictures to learn from, none of them among those to validate with."""
        if not len(self.train):
            raise ValueError("there are no pictures to learn from")
        if len(np.intersect1d(self.train, self.val)):
            raise ValueError("a picture is both learnt from and validated with")

    def square(self, index: int) -> NDArray[np.uint8]:
        """Return one square, (size, size, 3) uint8 RGB."""
        return self.squares(index) if callable(self.squares) else self.squares[index]


@dataclass(frozen=True)
class Callbacks:
    """Whom a training tells how it goes.

    Attributes:
        progress: told of each picture learnt from, of each step and epoch, and of checkpoints that were damaged or
            resumed from.
        on_epoch: called with each epoch, first once more with those from before where a training is resumed; whatever
            it raises ends the training, with its checkpoint kept.
        clock: seconds, for rates and for `checkpoint_s`.
        title: what the training is called.
    """

    progress: Progress = field(default_factory=SilentProgress)
    on_epoch: Callable[[EpochRow], None] = lambda row: None
    clock: Callable[[], float] = time.perf_counter
    title: str = "training"


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a training; the network holds the best weights.

    Attributes:
        state: the best weights by validation, tensors by name; the last where nothing is validated.
        history: a row for each epoch.
        best_epoch: from 1; where `state` is from.
        stopped: why it ended: "all epochs" or "no better for N epochs".
        notes: what a person should know, such as a checkpoint that was damaged.
        balance: for each class.
        hardware: what it ran on.
    """

    state: dict[str, Any]
    history: tuple[EpochRow, ...]
    best_epoch: int
    stopped: str
    notes: tuple[str, ...]
    balance: tuple[ClassBalance, ...]
    hardware: Hardware


def train_network(
    network: Network,
    examples: Examples,
    settings: ResolvedLoopSettings,
    checkpoints: Path | None = None,
    callbacks: Callbacks | None = None,
) -> TrainingResult:
    """Train a network; afterwards its module holds the best weights, on the processor, ready for use.

    Args:
        network: its weights are where the training starts.
        examples: what it learns from and is validated with.
        settings: how.
        checkpoints: the folder for checkpoints; None keeps none. A folder with some resumes from them.
        callbacks: whom it tells how it goes.

    Raises:
        TrainingDiverged: the loss, a gradient or a weight is no longer a number; the last good checkpoint stays.
        OutOfMemory: the memory is not enough; the last good checkpoint stays.
        InputUnusable: the folder's checkpoints are of another training.
    """
    callbacks = callbacks or Callbacks()
    hardware = choose_hardware(settings)
    if hardware.device == "cpu":
        keep_freed_memory()
    checkpoint, damaged = load_checkpoint(checkpoints) if checkpoints else (None, ())
    if checkpoint:
        hardware = hardware._replace(threads=checkpoint.state["threads"])
    lean = nullcontext() if settings.compile else lean_activations(network.module)  # a compiler sees to it by itself
    with deterministic(hardware), lean:
        training = _Training(network, examples, settings, checkpoints, callbacks, hardware)
        training.notes.extend(damaged)
        try:
            if checkpoint:
                training.resume(checkpoint)
            for note in training.notes:
                callbacks.progress.say(note)
            return training.run()
        finally:
            network.module.to("cpu").eval()


@dataclass
class _Totals:
    """The sums of an epoch so far."""

    loss: float = 0.0
    weight: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0


class _Training:
    """One training on its way; `epoch` and `step` say where it stands."""

    def __init__(
        self, network: Network, examples: Examples, settings: ResolvedLoopSettings, checkpoints: Path | None,
        callbacks: Callbacks, hardware: Hardware,
    ) -> None:  # fmt: skip
        import torch

        self.network, self.module, self.examples, self.settings = network, network.module, examples, settings
        self.checkpoints, self.callbacks, self.hardware = checkpoints, callbacks, hardware
        self.labels: NDArray[np.int64] = examples.labels[examples.train]
        self.balance = class_balance(self.labels, network.classes, settings.imbalance)
        self.shown = sum(row.shown for row in self.balance)
        self.fingerprint = self._fingerprint()
        self.module.to(hardware.device, memory_format=torch.channels_last)
        self.forward = torch.compile(self.module) if settings.compile else self.module
        self.class_weights = torch.tensor([row.weight for row in self.balance]).to(hardware.device)
        self.optimiser = Optimiser(network, settings)
        self.average = _average_weights(self.module, settings.ema) if settings.ema else None
        self.steps = len(split_batches(self.shown, settings.batch_size * settings.accumulate))
        self.rates = learning_rates(settings, self.steps)
        self.epoch, self.step, self.number, self.best_epoch = 0, 0, 0, 0
        self.history: list[EpochRow] = []
        self.notes: list[str] = []
        self.totals = _Totals()
        self.best: dict[str, Any] = {}
        self.saved_at = callbacks.clock()

    def run(self) -> TrainingResult:
        """Train from wherever it stands to the end."""
        settings, progress = self.settings, self.callbacks.progress
        progress.start(self.callbacks.title, settings.epochs * self.shown)
        progress.advance(self.epoch * self.shown + self.totals.seen)
        for row in self.history:
            self.callbacks.on_epoch(row)
        while self.epoch < settings.epochs and not self._stops_early():
            self._train_epoch()
            self._end_epoch()
        self.module.load_state_dict(self.best)
        stopped = f"no better for {settings.patience} epochs" if self._stops_early() else "all epochs"
        history, notes = tuple(self.history), tuple(self.notes)
        return TrainingResult(self.best, history, self.best_epoch, stopped, notes, self.balance, self.hardware)

    def _stops_early(self) -> bool:
        patience = self.settings.patience
        return bool(patience and len(self.examples.val) and self.epoch - self.best_epoch >= patience)

    def _train_epoch(self) -> None:
        """Learn from the rest of the epoch."""
        settings, callbacks, totals = self.settings, self.callbacks, self.totals
        self.module.train()
        thawed = bool(settings.unfreeze) and self.epoch >= settings.unfreeze
        self.optimiser.freeze(0 if thawed else settings.freeze)
        workers = 1 if self.hardware.device == "cpu" else core_count()  # a processor's cores are the network's
        started = callbacks.clock()
        for batch in load_batches(self.examples, settings, self.network.classes, self.epoch, self.step, workers):
            with self._explaining_memory_errors():
                self._train_step(batch)
            self.step += 1
            now = callbacks.clock()
            totals.seconds, started = totals.seconds + now - started, now
            callbacks.progress.advance(len(batch.labels))
            callbacks.progress.note(self._describe_step())
            if self.checkpoints and now - self.saved_at >= settings.checkpoint_s and self.step < self.steps:
                self._save_checkpoint()
                started = callbacks.clock()

    def _train_step(self, batch: "Batch") -> None:
        """Change the weights once."""
        settings, totals = self.settings, self.totals
        done = self.epoch * self.steps + self.step
        try:
            loss, weight, right = self._backward(batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            message = f"this network cannot learn from one picture at a time at {self.network.size} pixels"
            raise SettingsError(message, "set batch_size = 2 or more, or a larger size") from error
        if not math.isfinite(loss):
            raise self._diverged("the loss is", self.step + 1)
        if not math.isfinite(self.optimiser.clip_gradient(settings.clip)):
            raise self._diverged("the gradient is", self.step + 1)
        self.optimiser.step(self.rates[done])
        if self.average:
            self.average.update(self.module, step=done + 1)
        totals.loss, totals.weight = totals.loss + loss * weight, totals.weight + weight
        totals.right, totals.seen = totals.right + right, totals.seen + len(batch.labels)

    def _backward(self, batch: "Batch") -> tuple[float, float, int]:
        """Leave the gradients; return the mean loss, the weight of the pictures, and how many were right.

        The mean is over the whole step however many passes it takes, so that accumulating changes nothing.
        """
        import torch
        from torch.nn.functional import cross_entropy

        settings = self.settings
        key = np.random.SeedSequence([settings.seed, self.epoch, self.step, 0, _DROPOUT]).generate_state(2)
        torch.manual_seed(int(key[0]) << 31 | int(key[1]) >> 1)
        targets = torch.from_numpy(batch.targets).to(self.hardware.device)
        weights = targets @ self.class_weights
        weight = float(weights.sum())
        loss, right = 0.0, 0
        for part in split_batches(len(targets), settings.batch_size):
            logits = self._logits(batch.squares[part])
            losses = cross_entropy(logits, targets[part], reduction="none", label_smoothing=settings.label_smoothing)
            share = (losses * weights[part]).sum() / weight
            share.backward()  # type: ignore[no-untyped-call]
            loss += float(share.detach())
            right += int((logits.argmax(1) == targets[part].argmax(1)).sum())
        return loss, weight, right

    def _logits(self, squares: NDArray[np.uint8]) -> Any:
        import torch

        device, half = self.hardware.device, self.hardware.precision == "bf16"
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = self.forward(_to_pixels(squares, device))
        return logits.float()

    def _describe_step(self) -> str:
        totals, last = self.totals, self.history[-1].val_accuracy if self.history else None
        validation = "" if last is None else f"; val {last:.1%}"
        shown = f"loss {totals.loss / totals.weight:.3f}, accuracy {totals.right / totals.seen:.1%}"
        return f"epoch {self.epoch + 1} of {self.settings.epochs}: {shown}{validation}"

    @contextmanager
    def _explaining_memory_errors(self) -> Iterator[None]:
        """Turn a lack of memory inside the block into an error that says which size of batches fits."""
        shortage: BaseException | None = None
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            shortage = error.with_traceback(None)  # its frames hold what memory there is
        if shortage is not None:
            self.optimiser.zero_grad()
            message = f"batch_size = {self.settings.batch_size} needs more memory than there is"
            raise OutOfMemory(message, self._suggest_batch_size()) from shortage

    def _suggest_batch_size(self) -> str:
        """Try half, a quarter and so on of `batch_size`; return in words the largest that there is memory for."""
        batch_size, size = self.settings.batch_size, self.network.size
        count = batch_size // 2
        while count >= 1:
            try:
                self._logits(np.zeros((count, size, size, 3), np.uint8)).sum().backward()
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            finally:
                self.optimiser.zero_grad()
            count //= 2
        if not count:
            return "not even one picture fits: choose a smaller size or network"
        accumulate = -(-batch_size // count) * self.settings.accumulate
        return f"batch_size = {count} fits; with accumulate = {accumulate} a step sees as many pictures as before"

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        kept = "; the last good checkpoint is kept" if self.number else ""
        return TrainingDiverged(
            f"{what} not a number in epoch {self.epoch + 1}, step {step} of {self.steps}",
            f"lower lr = {self.settings.lr:g}, or set clip = 1{kept}",
        )

    def _end_epoch(self) -> None:
        """Validate, keep the weights if they are the best, and save a checkpoint."""
        settings, callbacks, totals = self.settings, self.callbacks, self.totals
        started = callbacks.clock()
        state = self._validated_state()
        with self._explaining_memory_errors():
            val_loss, val_accuracy = self._validate()
        row = EpochRow(
            epoch=self.epoch + 1,
            loss=totals.loss / totals.weight,
            accuracy=totals.right / totals.seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            lr=self.rates[(self.epoch + 1) * self.steps - 1],
            images_per_s=totals.seen / totals.seconds if totals.seconds > 0 else 0.0,
            seconds=totals.seconds + callbacks.clock() - started,
        )
        if self._is_best(row):
            self.best_epoch, self.best = row.epoch, {name: value.cpu().clone() for name, value in state.items()}
        self.history.append(row)
        self.epoch, self.step, self.totals = self.epoch + 1, 0, _Totals()
        if self.checkpoints:
            self._save_checkpoint()
        callbacks.progress.say(describe_epoch(row, settings.epochs))
        callbacks.on_epoch(row)

    def _validate(self) -> tuple[float | None, float | None]:
        """Return the mean loss and the accuracy on the validation pictures; None, None where there are none."""
        import torch

        examples = self.examples
        if not len(examples.val):
            return None, None
        network = replace(self.network, module=self.average.module) if self.average else self.network
        logits = torch.from_numpy(predict(network, examples.squares, examples.val, self.settings.batch_size).logits)
        labels = torch.from_numpy(np.ascontiguousarray(examples.labels[examples.val]))
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return float(loss), float((logits.argmax(1) == labels).double().mean())

    def _is_best(self, row: EpochRow) -> bool:
        """Return whether an epoch is the best so far: by accuracy, then loss; the last where nothing is validated."""
        if row.val_loss is None or row.val_accuracy is None or not self.best_epoch:
            return True
        best = self.history[self.best_epoch - 1]
        assert best.val_loss is not None and best.val_accuracy is not None
        return (row.val_accuracy, -row.val_loss) > (best.val_accuracy, -best.val_loss)

    def _validated_state(self) -> dict[str, Any]:
        """Return the weights that are validated and kept: their moving average where there is one."""
        state: dict[str, Any] = (self.average.module if self.average else self.module).state_dict()
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise self._diverged("a weight is", self.step)
        return state

    def _fingerprint(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with, by name."""
        examples = self.examples
        arrays = [np.ascontiguousarray(labels) for labels in (self.labels, examples.labels[examples.val])]
        arrays += [np.asarray(indices, np.int64) for indices in (examples.train, examples.val)]
        pictures = hashlib.sha256(b"".join(hashlib.sha256(array.tobytes()).digest() for array in arrays)).hexdigest()
        weights = hashlib.sha256(pack(self.module.state_dict())).hexdigest()
        settings = self.settings.model_dump(mode="json", exclude=_MAY_DIFFER)
        return settings | {"network": self.network.name, "first weights": weights, "pictures": pictures}

    def _save_checkpoint(self) -> None:
        assert self.checkpoints is not None
        self._validated_state()  # weights that are not numbers are never kept
        self.number += 1
        state = {
            "made by": self.fingerprint, "threads": self.hardware.threads, "epoch": self.epoch, "step": self.step,
            "best_epoch": self.best_epoch, "history": [asdict(row) for row in self.history],
            "sums": asdict(self.totals),
        }  # fmt: skip
        tensors = {"model": self.module.state_dict(), "optimiser": self.optimiser.state_dict(), "best": self.best}
        if self.average:
            tensors["average"] = self.average.module.state_dict()
        save_checkpoint(self.checkpoints, Checkpoint(self.number, state, tensors))
        self.saved_at = self.callbacks.clock()

    def resume(self, checkpoint: Checkpoint) -> None:
        """Put everything back as it was when the checkpoint was made."""
        state, made_by = checkpoint.state, checkpoint.state["made by"]
        for name, value in json.loads(json.dumps(self.fingerprint)).items():
            if made_by.get(name) != value:
                values = "" if name in _DIGESTS else f": {made_by.get(name)}, not {value}"
                raise InputUnusable(
                    f"{self.checkpoints} holds a training with another {name}{values}",
                    "continue it with the settings it was started with, or delete that folder to start over",
                )
        self.number, self.epoch, self.step = checkpoint.number, state["epoch"], state["step"]
        self.best_epoch, self.totals = state["best_epoch"], _Totals(**state["sums"])
        self.history = [EpochRow(**row) for row in state["history"]]
        self.module.load_state_dict(checkpoint.tensors["model"])
        self.optimiser.load_state_dict(checkpoint.tensors["optimiser"])
        self.best = dict(checkpoint.tensors["best"])
        if self.average:
            self.average.module.load_state_dict(checkpoint.tensors["average"])
        if self.epoch < self.settings.epochs:
            self.notes.append(f"resumed at epoch {self.epoch + 1}, step {self.step + 1}")


@dataclass(frozen=True)
class Batch:
    """Pictures of one step: (b, size, size, 3) uint8, (b,) classes, (b, classes) targets whose rows sum to 1."""

    squares: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]


def split_batches(count: int, size: int) -> list[slice]:
    """Return slices of a size that cover `count` items, the last shorter; a single item left over joins the one before.

    A batch of one has no variance, so that batch normalisation cannot learn from it.
    """
    starts = list(range(0, count, size))
    if size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    ends = [*starts[1:], count]
    return [slice(*pair) for pair in zip(starts, ends, strict=False)]


def load_batches(
    examples: Examples, settings: ResolvedLoopSettings, classes: int, epoch: int, first_step: int = 0, workers: int = 1
) -> Iterator[Batch]:
    """Yield the batches of an epoch from a step on, one for each step of the optimiser; threads load ahead.

    What is loaded depends neither on `workers` nor on the step at which the epoch is entered.
    """
    preset = find_preset(settings.augment)
    step_size = settings.batch_size * settings.accumulate
    order = epoch_order(examples.labels[examples.train], settings.imbalance, settings.seed, epoch)
    remaining = order[first_step * step_size :]

    def load(pair: NDArray[np.intp]) -> NDArray[np.uint8]:
        index = int(examples.train[pair[0]])
        return augment(examples.square(index), preset, (settings.seed, epoch, index, int(pair[1])))

    squares = map_threads(load, remaining, workers=workers, ahead=2 * step_size)
    for step, part in enumerate(split_batches(len(remaining), step_size), first_step):
        pairs = remaining[part]
        labels = examples.labels[examples.train[pairs[:, 0]]]
        stacked = np.stack([next(squares) for _ in pairs])
        targets = np.eye(classes, dtype=np.float32)[labels]
        mixed, shares = mix(stacked, targets, preset, (settings.seed, epoch, step, 0, _MIXING))
        yield Batch(mixed, labels, shares)


class Optimiser:
    """A network's optimiser, whose stages learn at their own rates or not at all; the groups are timm's."""

    def __init__(self, network: Network, settings: ResolvedLoopSettings) -> None:
        self._module, self._stages = network.module, network.stages
        self._parameters = dict(network.module.named_parameters())
        torch_defaults = {"alpha": 0.99, "momentum": 0.0} if settings.optimiser == "rmsprop" else {}
        self._optimiser = import_timm("timm.optim").create_optimizer_v2(
            network.module, settings.optimiser, lr=settings.lr, weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay, **torch_defaults,
        )  # fmt: skip

    def freeze(self, stages: int | Literal["auto"]) -> None:
        """Freeze the first `stages` stages, "auto" for all but the head, and let the others learn.

        Modules whose parameters are all frozen are put in evaluation mode: norms keep their means, dropout lets all
        through. Call it whenever the module was put in training mode.
        """
        before_head = len(self._stages) - 1
        count = before_head if stages == "auto" else min(stages, before_head)
        frozen = {name for names in self._stages[:count] for name in names}
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name not in frozen)
        for module in self._module.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()

    def step(self, lr: float) -> None:
        """Take one step at this learning rate, that of the head, and clear the gradients."""
        for group in self._optimiser.param_groups:
            group["lr"] = lr * group["lr_scale"]
        self._optimiser.step()
        self.zero_grad()

    def zero_grad(self) -> None:
        """Clear the gradients."""
        self._optimiser.zero_grad(set_to_none=True)

    def clip_gradient(self, max_norm: float) -> float:
        """Clip the gradient to a norm, 0 for none; return the norm it had before."""
        from torch.nn.utils import clip_grad_norm_

        return float(clip_grad_norm_(self._parameters.values(), max_norm or math.inf))

    def state_dict(self) -> dict[str, Any]:
        """Return its state: tensors by the name of the parameter, a slash, and the key."""
        state = self._optimiser.state
        return {
            f"{name}/{key}": value
            for name, parameter in self._parameters.items()
            for key, value in state.get(parameter, {}).items()
            if value is not None
        }

    def load_state_dict(self, packed: Mapping[str, Any]) -> None:
        """Put a state back, in the order of memory that it would have had: torch's own gives other last bits."""
        import torch

        self._optimiser.state.clear()
        for full_name, value in packed.items():
            name, _, key = full_name.rpartition("/")
            parameter = self._parameters[name]
            same_shape = value.shape == parameter.shape
            tensor = torch.empty_like(parameter).copy_(value).detach() if same_shape else value.clone()
            self._optimiser.state[parameter][key] = tensor


def _average_weights(module: Any, decay: float) -> Any:
    """Return timm's moving average of a module's weights, which follows faster at first."""
    return import_timm("timm.utils").ModelEmaV3(module, decay=decay, use_warmup=True)


def learning_rates(settings: ResolvedLoopSettings, steps: int) -> list[float]:
    """Return the learning rate of every step of a training, `steps` in each epoch.

    They are computed once, by timm's and torch's schedulers, so that there is no state to resume. `cosine` (Loshchilov
    and Hutter, "SGDR", ICLR 2017, without restarts) and `constant` rise in a straight line over the warm-up;
    `one-cycle` (Smith and Topin, "Super-Convergence", 2018) warms up by itself.
    """
    import torch

    total, lr = settings.epochs * steps, settings.lr
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    if settings.schedule == "one-cycle":
        if total == 1:
            return [lr]
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=total, cycle_momentum=False)
        rates = [float(cycle.get_last_lr()[0])]
        for _ in range(total - 1):
            optimiser.step()
            cycle.step()
            rates.append(float(cycle.get_last_lr()[0]))
        return rates
    warm_up = min(round(settings.warm_up * steps), total - 1)
    scheduler = import_timm("timm.scheduler").CosineLRScheduler(
        optimiser, max(2, total - warm_up), lr_min=lr if settings.schedule == "constant" else 0.0, warmup_t=warm_up,
        warmup_lr_init=lr / (warm_up + 1), warmup_prefix=True, t_in_epochs=False,
    )  # fmt: skip
    rates = []
    for step in range(total):
        scheduler.step_update(step)
        rates.append(float(optimiser.param_groups[0]["lr"]))
    return rates


class Predictions(NamedTuple):
    """A network's answers: (n, classes) logits and (n, width) features, float32."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def predict(network: Network, squares: Squares, indices: NDArray[np.intp], batch_size: int) -> Predictions:
    """Return logits and features of pictures, in order, as in use: no dropout, no augmentation, fp32.

    Args:
        network: it stays on its device, in the mode in which it was.
        squares: (n, size, size, 3) uint8 RGB, or a function from an index to one square.
        indices: which.
        batch_size: pictures in one pass.
    """
    import torch

    module = network.module
    device = next(module.parameters()).device.type
    modes = {part: part.training for part in module.modules()}
    module.eval()
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(indices), batch_size):
            part = indices[start : start + batch_size]
            pictures = np.stack([squares(int(index)) for index in part]) if callable(squares) else squares[part]
            outputs = module.features(_to_pixels(pictures, device))
            features.append(outputs.cpu().numpy())
            logits.append(module.head(outputs).cpu().numpy())
    for part, mode in modes.items():
        part.training = mode
    if not logits:
        return Predictions(np.zeros((0, network.classes), np.float32), np.zeros((0, network.width), np.float32))
    return Predictions(np.concatenate(logits), np.concatenate(features))


def _to_pixels(squares: NDArray[np.uint8], device: str) -> Any:
    """Return squares as a network takes them, channels last in memory: (b, 3, size, size) float32 of 0..255."""
    import torch

    return torch.from_numpy(squares).to(device).permute(0, 3, 1, 2).float()
