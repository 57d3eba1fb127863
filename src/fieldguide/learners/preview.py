"""What augmentation does, shown to a person before a network sees it.

Knows nothing about projects or files: squares and names in, a sheet out, the same for the same seed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.augment import Augmentation, augment, find_preset, mix
from fieldguide.learners.sheets import SheetRow, draw_rows, encode_png, spell

__all__ = ["draw_preview", "preview"]

_VERSIONS = 5
_WAYS = ("mixup", "cutmix")
_SEEN, _TRIES = 0.1, 20  # the least share that is seen; steps that are looked at for each that is shown


def preview(
    squares: NDArray[np.uint8], class_names: Sequence[str], preset: str, seed: int, versions: int = _VERSIONS
) -> bytes:
    """The PNG of `draw_preview`.

    Raises:
        SettingsError: there is no such preset.
        ValueError: there are no squares, or not a name for each.
    """
    return encode_png(draw_preview(squares, class_names, preset, seed, versions))


def draw_preview(
    squares: NDArray[np.uint8], class_names: Sequence[str], preset: str, seed: int, versions: int = _VERSIONS
) -> NDArray[np.uint8]:
    """A sheet, (h, w, 3) uint8 RGB: each square beside what as many epochs would make of it, its class beside the row.

    Where the preset mixes squares, a row for mixup and one for CutMix follow: the first square mixed with others, and
    under each what it counts as.

    Args:
        squares: (n, size, size, 3) uint8 RGB, at least one.
        class_names: for each square.
        preset: a key of `augment.PRESETS`.
        seed: what the dice follow from.
        versions: changed squares beside each.

    Raises:
        SettingsError: there is no such preset.
        ValueError: there are no squares, or not a name for each.
    """
    chosen = find_preset(preset)
    if not len(squares) or len(squares) != len(class_names):
        raise ValueError(f"{len(squares)} squares and {len(class_names)} names")
    names = [spell(name, number) for number, name in enumerate(class_names, 1)]
    rows = []
    for index, (square, name) in enumerate(zip(squares, names, strict=True)):
        changed = [augment(square, chosen, (seed, epoch, index)) for epoch in range(versions)]
        rows.append(SheetRow(name, np.stack([square, *changed])))
    for way in _WAYS:
        if getattr(chosen, way) > 0 and len(squares) > 1:
            alone = {one: getattr(chosen, one) if one == way else 0.0 for one in _WAYS}
            only = replace(chosen, mixup=alone["mixup"], cutmix=alone["cutmix"])
            rows.append(_mixed(squares, names, only, (way, seed, versions)))
    return draw_rows(["as it is", *(f"epoch {epoch + 1}" for epoch in range(versions))], rows)


def _mixed(
    squares: NDArray[np.uint8], names: Sequence[str], preset: Augmentation, at: tuple[str, int, int]
) -> SheetRow:
    """A row of the first square, each time changed and mixed with another; under each what it counts as.

    Most of mixup's shares are next to 0 or 1, and a square may meet itself: a step whose mixture cannot be seen is
    passed over, as long as there are others.

    Args:
        squares: (n, size, size, 3) uint8 RGB, at least two.
        names: of the class of each, as they are written.
        preset: it mixes in one way.
        at: that way, the seed, how many.
    """
    way, seed, versions = at
    shown, words = [squares[0]], [(f"100% {names[0]}", "")]
    targets = np.eye(len(names), dtype=np.float32)
    for step in range(_TRIES * versions):
        shares = mix(squares, targets, preset, (seed, step, 0))[1][0]
        if shares.max() > 1 - _SEEN and _TRIES * versions - step > versions + 1 - len(shown):
            continue
        changed = np.stack([augment(square, preset, (seed, step, index)) for index, square in enumerate(squares)])
        shown.append(mix(changed, targets, preset, (seed, step, 0))[0][0])
        first, second = np.argsort(-shares, kind="stable")[:2]
        words.append((f"{shares[first]:.0%} {names[first]}", f"{shares[second]:.0%} {names[second]}"))
        if len(shown) > versions:
            break
    return SheetRow(way, np.stack(shown), tuple(words))
