"""Pictures for a person to look at: what augmentation does, and which classes were taken for which.

Knows nothing about projects, files or networks: arrays and names in, PNG bytes out, the same for the same seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.augment import Augmentation, augment, find_preset, mix
from fieldguide.plots import clean_label, open_figure

_VERSIONS = 5
_MIXES = ("mixup", "cutmix")
_MIN_SHARE, _TRIES = 0.1, 20  # the least share that can be seen; steps looked at for each that is shown
_ROW_IN = 1.35
_MAX_COUNTS, _MAX_NAMES = 25, 60  # classes, so that a cell has room for its count, a row for its name


@dataclass(frozen=True)
class PreviewRow:
    """A square and what augmentation makes of it.

    Attributes:
        name: written beside it.
        squares: (1 + versions, size, size, 3) uint8 RGB; the first as it is.
        captions: written under each square; empty for none.
    """

    name: str
    squares: NDArray[np.uint8]
    captions: tuple[str, ...] = ()


def augment_rows(
    squares: NDArray[np.uint8], class_names: Sequence[str], preset: str, seed: int, versions: int = _VERSIONS
) -> list[PreviewRow]:
    """Return a row for each square, with what as many epochs would make of it.

    Where the preset mixes squares, a row for mixup and one for CutMix follow: the first square mixed with others, and
    under each its target.

    Args:
        squares: (n, size, size, 3) uint8 RGB, at least one.
        class_names: for each square.
        preset: a key of `augment.PRESETS`.
        seed: of the random numbers.
        versions: augmented squares in each row.

    Raises:
        SettingsError: there is no such preset.
        ValueError: there are no squares, or not a name for each.
    """
    augmentation = find_preset(preset)
    if not len(squares) or len(squares) != len(class_names):
        raise ValueError(f"{len(squares)} squares and {len(class_names)} names")
    rows = []
    for index, (square, name) in enumerate(zip(squares, class_names, strict=True)):
        augmented = [augment(square, augmentation, (seed, epoch, index)) for epoch in range(versions)]
        rows.append(PreviewRow(name, np.stack([square, *augmented])))
    for kind in _MIXES:
        if getattr(augmentation, kind) > 0 and len(squares) > 1:
            alone = replace(augmentation, cutmix=0.0) if kind == "mixup" else replace(augmentation, mixup=0.0)
            rows.append(_mixed_row(squares, class_names, alone, kind, seed, versions))
    return rows


def _mixed_row(
    squares: NDArray[np.uint8], names: Sequence[str], augmentation: Augmentation, kind: str, seed: int, versions: int
) -> PreviewRow:
    """Return the first square, each time augmented and mixed with another; under each its target.

    Most of mixup's shares are next to 0 or 1, and a square may meet itself: a step whose mixture cannot be seen is
    passed over, as long as there are others.
    """
    shown, captions = [squares[0]], [f"100% {names[0]}"]
    targets = np.eye(len(names), dtype=np.float32)
    for step in range(_TRIES * versions):
        shares = mix(squares, targets, augmentation, (seed, step, 0))[1][0]
        if shares.max() > 1 - _MIN_SHARE and _TRIES * versions - step > versions + 1 - len(shown):
            continue
        augmented = [augment(square, augmentation, (seed, step, index)) for index, square in enumerate(squares)]
        shown.append(mix(np.stack(augmented), targets, augmentation, (seed, step, 0))[0][0])
        first, second = np.argsort(-shares, kind="stable")[:2]
        captions.append(f"{shares[first]:.0%} {names[first]}\n{shares[second]:.0%} {names[second]}")
        if len(shown) > versions:
            break
    return PreviewRow(kind, np.stack(shown), tuple(captions))


def draw_preview(rows: Sequence[PreviewRow]) -> bytes:
    """Return the rows as a PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    columns = max(len(row.squares) for row in rows)
    with open_figure(0.4 + _ROW_IN * len(rows)) as (figure, out):
        grid = figure.subplots(len(rows), columns, squeeze=False)
        for row, line in zip(rows, grid, strict=True):
            line[0].set_ylabel(clean_label(row.name), rotation="horizontal", ha="right", va="center")
            for place, (axes, square) in enumerate(zip(line, row.squares, strict=False)):
                axes.imshow(square, interpolation="nearest" if len(square) <= 128 else "antialiased")
                if row.captions:
                    axes.set_xlabel("\n".join(map(clean_label, row.captions[place].split("\n"))), fontsize=7)
        for place, axes in enumerate(grid[0]):
            axes.set_title(f"epoch {place}" if place else "original", fontsize=9, loc="center")
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    return out.getvalue()


def draw_confusion(counts: NDArray[np.integer], class_names: Sequence[str]) -> bytes:
    """Return a confusion matrix as a PNG, drawn by scikit-learn.

    Args:
        counts: (classes, classes); rows are true classes, columns predicted ones.
        class_names: for each row.

    Raises:
        MissingExtra: scikit-learn or matplotlib is not installed.
        ValueError: there are not as many names as rows and columns.
    """
    classes = len(class_names)
    if counts.shape != (classes, classes) or not classes:
        raise ValueError(f"a table of {classes} classes is not {counts.shape}")
    with open_figure(8.0) as (figure, out):
        from matplotlib.colors import PowerNorm
        from sklearn.metrics import ConfusionMatrixDisplay

        axes = figure.add_subplot()
        norm: Any = PowerNorm(0.25, 0, max(1, counts.max()))  # a single mistake among thousands must be seen
        display = ConfusionMatrixDisplay(counts, display_labels=[clean_label(name) for name in class_names])
        display.plot(include_values=classes <= _MAX_COUNTS, cmap="Blues", xticks_rotation="vertical", ax=axes,
                     colorbar=False, im_kw={"norm": norm})  # fmt: skip
        axes.grid(visible=False)
        if classes > _MAX_NAMES:
            axes.set(xticks=[], yticks=[])
        for text, count in zip(() if display.text_ is None else display.text_.flat, counts.flat, strict=False):
            text.set_color("white" if float(norm(count)) > 0.5 else "black")
    return out.getvalue()
