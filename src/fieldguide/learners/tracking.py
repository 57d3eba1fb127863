"""What a person sees of a network's training: lines, tables, curves, and a board of TensorBoard events.

Knows nothing about how training is done, and changes nothing in it: the weights are the same with and without.
"""

import contextlib
import copy
import io
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import translate_os_errors
from fieldguide.learners.architectures import Network
from fieldguide.learners.loop_records import ClassBalance, EpochRow
from fieldguide.learners.sheets import draw_confusion
from fieldguide.optional import require
from fieldguide.plots import curves
from fieldguide.text import write_csv

__all__ = ["Board", "balance_csv", "balance_table", "describe_epoch", "history_csv", "history_curves"]

_EVENTS = "events.out.tfevents.*"
_TAGS = {
    "loss": "loss/train",
    "val_loss": "loss/val",
    "accuracy": "accuracy/train",
    "val_accuracy": "accuracy/val",
    "lr": "lr",
    "images_per_s": "images_per_s",
}


class Board:
    """TensorBoard's events of one training, in a folder of its own; a context manager.

    It begins anew each time it is opened, and a training that goes on tells it the epochs from before once more: so
    each epoch stands there once, wherever the training was killed.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """A board that is not open yet.

        Args:
            folder: for event files alone; made where it is not there.
            clock: seconds since 1970. An epoch's time is that of opening and what the training has taken since.
        """
        self._folder, self._clock = folder, clock
        self._writer: Any = None
        self._began = self._taken = 0.0
        self._last = 0

    def __enter__(self) -> "Board":
        """The board, empty.

        Raises:
            MissingExtra: tensorboard is not installed.
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        require("torch.utils.tensorboard", extra="train")
        from torch.utils.tensorboard import SummaryWriter

        with translate_os_errors(f"writing {self._folder}"):
            for path in self._folder.glob(_EVENTS):
                path.unlink(missing_ok=True)
            self._writer = SummaryWriter(str(self._folder))
        self._began, self._taken, self._last = self._clock(), 0.0, 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translate_os_errors(f"writing {self._folder}"):
            self._writer.close()

    def epoch(self, row: EpochRow) -> None:
        """Nothing; the epoch's numbers are on the disk, once however often they are told: give it to `Keeping.watch`.

        Raises:
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        if row.epoch <= self._last:
            return
        self._last, self._taken = row.epoch, self._taken + row.seconds
        values = asdict(row)
        for name, tag in _TAGS.items():
            if values[name] is not None:
                self._write("add_scalar", tag, values[name], row.epoch, walltime=self._began + self._taken)
        self._flush()

    def graph(self, network: Network) -> bool:
        """Whether the network is drawn there: torch cannot trace every one.

        It is a copy that is traced: the network, its mode and torch's random state stay as they are.

        Raises:
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        import torch

        traced = copy.deepcopy(network.module).to("cpu").eval()
        pixels = torch.zeros(1, 3, network.size, network.size)
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # torch warns of its own way of tracing
            try:
                self._write("add_graph", traced, pixels)
            except RuntimeError:  # after saying on standard output what it could not trace
                return False
        self._flush()
        return True

    def confusion(self, counts: NDArray[np.integer], class_names: Sequence[str]) -> None:
        """Nothing; what was taken for what is there as a picture.

        Args:
            counts: (classes, classes); rows are what pictures show, columns what was answered.
            class_names: for each row.

        Raises:
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        self._show("confusion", draw_confusion(counts, class_names))

    def samples(self, sheet: NDArray[np.uint8]) -> None:
        """Nothing; a sheet of pictures as the network saw them is there, such as `draw_preview` gives.

        Args:
            sheet: (h, w, 3) uint8 RGB.

        Raises:
            DiskFull: no space.
            NoPermission: the folder cannot be written.
        """
        self._show("samples", sheet)

    def _show(self, tag: str, picture: NDArray[np.uint8]) -> None:
        """Nothing; the picture is there, at the last epoch."""
        walltime = self._began + self._taken
        self._write("add_image", tag, picture, self._last, walltime=walltime, dataformats="HWC")
        self._flush()

    def _write(self, how: str, *what: Any, **more: Any) -> None:
        """Nothing; the writer was told."""
        with translate_os_errors(f"writing {self._folder}"):
            getattr(self._writer, how)(*what, **more)

    def _flush(self) -> None:
        """Nothing; what was told is on the disk: only a kill in this moment cuts it."""
        self._write("flush")


def describe_epoch(row: EpochRow, epochs: int) -> str:
    """A line for a person, such as "epoch 3 of 20: loss 0.412, 88.3% right; val 0.510, 85.0%; 96 images/s".

    Args:
        row: the epoch.
        epochs: how many there are to be.
    """
    said = f"epoch {row.epoch} of {epochs}: loss {row.loss:.3f}, {row.accuracy:.1%} right"
    if row.val_loss is not None and row.val_accuracy is not None:
        said += f"; val {row.val_loss:.3f}, {row.val_accuracy:.1%}"
    left_s = round(row.seconds * (epochs - row.epoch))
    left = f"; {left_s // 60}:{left_s % 60:02d} left" if left_s else ""
    return f"{said}; {row.images_per_s:,.0f} images/s{left}"


def history_csv(history: Sequence[EpochRow]) -> str:
    """The text of history.csv: a row for each epoch; empty cells where nothing was validated."""
    names = [field.name for field in fields(EpochRow)]
    cells = (["" if value is None else f"{value}" for value in asdict(row).values()] for row in history)
    return write_csv(names, cells)


def history_curves(history: Sequence[EpochRow]) -> dict[str, bytes]:
    """PNGs by the names of their files, "loss.png" and "accuracy.png": training beside validation, over epochs.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    found = {}
    for name in ("loss", "accuracy"):
        series = {
            label: [(float(row.epoch), float(value)) for row in history if (value := getattr(row, key)) is not None]
            for label, key in (("training", name), ("validation", f"val_{name}"))
        }
        drawn = {label: points for label, points in series.items() if points}
        found[f"{name}.png"] = curves(drawn, title=name.capitalize(), x="epoch", y=name)
    return found


def balance_table(balance: Sequence[ClassBalance], class_names: Sequence[str]) -> list[dict[str, str | int | float]]:
    """What was done about unequal classes, a row for each with its name, pictures, shown and weight; share is in 0..1.

    `share` is the class's part of all that the loss counts in an epoch: alike for all where weights or oversampling
    made up for the numbers.

    Args:
        balance: of a training.
        class_names: by label.
    """
    whole = sum(one.shown * one.weight for one in balance)
    return [
        {
            "class_name": class_names[one.label],
            "pictures": one.pictures,
            "shown": one.shown,
            "weight": one.weight,
            "share": one.shown * one.weight / whole if whole else 0.0,
        }
        for one in balance
    ]


def balance_csv(balance: Sequence[ClassBalance], class_names: Sequence[str]) -> str:
    """The text of a CSV of `balance_table`."""
    rows = balance_table(balance, class_names)
    heading = ["class_name", "pictures", "shown", "weight", "share"]
    return write_csv(heading, ([f"{row[name]:.6g}" if isinstance(row[name], float) else str(row[name])
                                for name in heading] for row in rows))  # fmt: skip
