"""What a person sees of a network's training: lines, tables, curves, and a board of TensorBoard events.

Knows nothing about how training is done, and changes nothing in it: the weights are the same with and without.
"""

import contextlib
import copy
import io
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.errors import translate_os_errors
from fieldguide.learners.architectures import Network
from fieldguide.learners.preview import draw_confusion
from fieldguide.optional import require
from fieldguide.plots import draw_curves
from fieldguide.text import write_csv

_EVENTS = "events.out.tfevents.*"
_TAGS = {
    "loss": "loss/train",
    "val_loss": "loss/val",
    "accuracy": "accuracy/train",
    "val_accuracy": "accuracy/val",
    "lr": "lr",
    "images_per_s": "images_per_s",
}


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


def describe_epoch(row: EpochRow, epochs: int) -> str:
    """Return a line such as "epoch 3 of 20: loss 0.412, accuracy 88.3%; val 0.510, 85.0%; 96 images/s".

    Args:
        row: the epoch.
        epochs: how many there are to be.
    """
    text = f"epoch {row.epoch} of {epochs}: loss {row.loss:.3f}, accuracy {row.accuracy:.1%}"
    if row.val_loss is not None and row.val_accuracy is not None:
        text += f"; val {row.val_loss:.3f}, {row.val_accuracy:.1%}"
    left_s = round(row.seconds * (epochs - row.epoch))
    left = f"; {left_s // 60}:{left_s % 60:02d} left" if left_s else ""
    return f"{text}; {row.images_per_s:,.0f} images/s{left}"


def history_csv(history: Sequence[EpochRow]) -> str:
    """Return the text of history.csv: a row for each epoch; empty cells where nothing was validated."""
    columns = [column.name for column in fields(EpochRow)]
    rows = (["" if value is None else f"{value}" for value in asdict(row).values()] for row in history)
    return write_csv(columns, rows)


def history_curves(history: Sequence[EpochRow]) -> dict[str, bytes]:
    """Return "loss.png" and "accuracy.png" by name: training beside validation, over epochs.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    charts = {}
    for name in ("loss", "accuracy"):
        lines = {
            label: [(float(row.epoch), float(value)) for row in history if (value := getattr(row, key)) is not None]
            for label, key in (("training", name), ("validation", f"val_{name}"))
        }
        drawn = {label: points for label, points in lines.items() if points}
        charts[f"{name}.png"] = draw_curves(drawn, title=name.capitalize(), x="epoch", y=name)
    return charts


class TensorBoardWriter:
    """Writes TensorBoard's events of one training, in a folder of its own; a context manager.

    It starts afresh each time it is opened, and a training that is resumed tells it the epochs from before once more:
    so each epoch stands there once, wherever the training was killed.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Prepare a writer that is not open yet.

        Args:
            folder: for event files alone; made where it is not there.
            clock: seconds since 1970. An epoch's time is that of opening and what the training has taken since.
        """
        self._folder, self._clock = folder, clock
        self._writer: Any = None
        self._opened_at = self._elapsed_s = 0.0
        self._last_epoch = 0

    def __enter__(self) -> "TensorBoardWriter":
        """Open it, empty.

        Raises:
            MissingExtra: tensorboard is not installed.
        """
        require("torch.utils.tensorboard", extra="train")
        from torch.utils.tensorboard import SummaryWriter

        with translate_os_errors(f"writing {self._folder}"):
            for path in self._folder.glob(_EVENTS):
                path.unlink(missing_ok=True)
            self._writer = SummaryWriter(str(self._folder))
        self._opened_at, self._elapsed_s, self._last_epoch = self._clock(), 0.0, 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translate_os_errors(f"writing {self._folder}"):
            self._writer.close()

    def add_epoch(self, row: EpochRow) -> None:
        """Write an epoch's numbers, once however often they are told: give it to `Callbacks.on_epoch`."""
        if row.epoch <= self._last_epoch:
            return
        self._last_epoch, self._elapsed_s = row.epoch, self._elapsed_s + row.seconds
        values = asdict(row)
        with translate_os_errors(f"writing {self._folder}"):
            for name, tag in _TAGS.items():
                if values[name] is not None:
                    walltime = self._opened_at + self._elapsed_s
                    self._writer.add_scalar(tag, values[name], row.epoch, walltime=walltime)
            self._writer.flush()  # only a kill in this moment cuts it

    def add_graph(self, network: Network) -> bool:
        """Draw the network; return whether torch could trace it.

        It is a copy that is traced: the network, its mode and torch's random state stay as they are.
        """
        import torch

        traced = copy.deepcopy(network.module).to("cpu").eval()
        pixels = torch.zeros(1, 3, network.size, network.size)
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # torch warns of its own way of tracing
            try:
                with translate_os_errors(f"writing {self._folder}"):
                    self._writer.add_graph(traced, pixels)
                    self._writer.flush()
            except RuntimeError:  # after saying on standard output what it could not trace
                return False
        return True

    def add_confusion(self, counts: NDArray[np.integer], class_names: Sequence[str]) -> None:
        """Draw a confusion matrix.

        Args:
            counts: (classes, classes); rows are true classes, columns predicted ones.
            class_names: for each row.
        """
        picture = Image.open(io.BytesIO(draw_confusion(counts, class_names))).convert("RGB")
        self._add_images("confusion", np.asarray(picture)[None])

    def add_samples(self, squares: NDArray[np.uint8]) -> None:
        """Show pictures as the network saw them, eight in a row.

        Args:
            squares: (n, size, size, 3) uint8 RGB.
        """
        self._add_images("samples", squares)

    def _add_images(self, tag: str, pictures: NDArray[np.uint8]) -> None:
        """Show pictures, (n, h, w, 3) uint8 RGB, at the last epoch."""
        walltime = self._opened_at + self._elapsed_s
        with translate_os_errors(f"writing {self._folder}"):
            self._writer.add_images(tag, pictures, self._last_epoch, walltime=walltime, dataformats="NHWC")
            self._writer.flush()
