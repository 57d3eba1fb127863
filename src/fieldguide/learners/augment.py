"""Squares changed at random, so that a network learns what does not matter: turned, cut, tinted, mixed.

Knows nothing about networks, epochs' order or files: squares in, squares out. What happens to a square follows from
its key alone, never from which thread or batch it is in, as the byte-exact resume needs: torchvision's transforms draw
from a stream that a kill loses. All geometry is one projective map, and so one resampling where theirs are several.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from fieldguide.errors import SettingsError

Square = NDArray[np.uint8]
_GREY = 128
_ASPECT = math.log(4 / 3)  # a resized crop is between 3:4 and 4:3, as in Szegedy et al., CVPR 2015


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a square. Each value at its default leaves the square as it is.

    Attributes:
        flip: chance of a mirror image, left to right.
        rotation: degrees, drawn between minus and plus this.
        shift: share of the side, each way.
        shear: tangent of the angle, each way.
        zoom: each side is shown this much larger, drawn between the two for width and height apart.
        crop: share of the area that is cut out and shown whole, drawn between the two.
        perspective: how far each corner moves inwards, as a share of half the side.
        perspective_chance: how often.
        brightness: factor drawn between 1 minus and 1 plus this; likewise `contrast` and `saturation`.
        contrast: see `brightness`.
        saturation: see `brightness`.
        hue: share of the colour circle, each way.
        sharpness: factor, 1 leaves as is.
        sharpness_chance: how often.
        erase: share of the area that is painted grey, drawn between the two.
        erase_chance: how often.
        mixup: alpha of the Beta distribution that two squares are blended with; 0 never.
        cutmix: alpha of the Beta distribution of the area taken from another square; 0 never.
    """

    flip: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    crop: tuple[float, float] = (1.0, 1.0)
    perspective: float = 0.0
    perspective_chance: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    sharpness: float = 1.0
    sharpness_chance: float = 1.0
    erase: tuple[float, float] = (0.0, 0.0)
    erase_chance: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0


PRESETS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "none": Augmentation(),
        "light": Augmentation(flip=0.5, rotation=8, crop=(0.6, 1.0), brightness=0.15, contrast=0.15, saturation=0.15),
        # the plants' script: HFlip, ColorJitter, AdjustSharpness, Rotation, Perspective, RandomResizedCrop, Erasing
        "perspective-colour": Augmentation(
            flip=0.5, rotation=45, crop=(0.2, 1.0), perspective=0.6, brightness=0.9, contrast=0.7, saturation=0.9,
            sharpness=1.85, sharpness_chance=0.15, erase=(0.01, 0.2), erase_chance=0.3,
        ),
        # the handbags' script: shear and zoom of 0.2, horizontal flip
        "shear-zoom": Augmentation(flip=0.5, shear=0.2, zoom=(0.8, 1.2)),
        "strong": Augmentation(
            flip=0.5, rotation=20, shift=0.08, shear=0.1, crop=(0.3, 1.0), perspective=0.3, perspective_chance=0.4,
            brightness=0.4, contrast=0.4, saturation=0.4, hue=0.03, sharpness=1.8, sharpness_chance=0.2,
            erase=(0.02, 0.2), erase_chance=0.25, mixup=0.2, cutmix=1.0,
        ),
    }
)  # fmt: skip


def find_preset(name: str) -> Augmentation:
    """Return the preset of that name.

    Raises:
        SettingsError: there is none.
    """
    if name not in PRESETS:
        raise SettingsError(f"there is no augmentation {name!r}", f"choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def augment(square: Square, preset: Augmentation, key: Sequence[int]) -> Square:
    """Return the square as this key changes it, (size, size, 3) uint8 RGB; itself where nothing changes.

    Args:
        square: (size, size, 3) uint8 RGB.
        preset: what may happen.
        key: of the random numbers, such as (seed, epoch, index); numbers of at least 0.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))
    return _erase(_jitter_colours(_warp(square, preset, rng), preset, rng), preset, rng)


def _warp(square: Square, preset: Augmentation, rng: np.random.Generator) -> Square:
    """Return the square seen through one projective map; every number is drawn whether it is used or not."""
    draw = rng.uniform(-1.0, 1.0, 6)
    zoom = rng.uniform(*preset.zoom, 2)
    area, aspect = rng.uniform(*preset.crop), math.exp(_ASPECT * rng.uniform(-1.0, 1.0))
    corners = rng.uniform(0.0, preset.perspective, (4, 2))
    flipped, tilted = rng.uniform() < preset.flip, rng.uniform() < preset.perspective_chance
    turn = math.radians(preset.rotation * draw[0])
    # from the corners of the output, (-1..1), to where they lie in the input
    width, height = (
        (1.0, 1.0) if area >= 1.0 else (min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect)))
    )
    steps = np.diag([-1.0 if flipped else 1.0, 1.0, 1.0])
    if tilted and preset.perspective > 0:
        steps = steps @ _perspective(corners)
    steps = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1.0]]) @ steps
    steps = np.array([[1.0, preset.shear * draw[1], 0], [0, 1, 0], [0, 0, 1]]) @ steps
    steps = np.diag([width / zoom[0], height / zoom[1], 1.0]) @ steps
    middle = np.array([(1 - width) * draw[2], (1 - height) * draw[3]]) + 2 * preset.shift * draw[4:6]
    steps = np.array([[1.0, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1]]) @ steps
    if np.array_equal(steps, np.eye(3)):
        return square
    if np.array_equal(steps, np.diag([-1.0, 1.0, 1.0])):
        return np.ascontiguousarray(square[:, ::-1])
    return _project(square, steps)


def _perspective(inwards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the projective map that takes four corners, moved inwards by so much, to the corners of the square."""
    to = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    rows, values = [], []
    for (x, y), (u, v) in zip(to * (1 - inwards), to, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def _project(square: Square, steps: NDArray[np.float64]) -> Square:
    """Return the square under a map from output to input, both -1..1; beyond its edges it is mirrored, then grey."""
    side = len(square)
    corners = steps @ np.array([[-1.0, 1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
    reach = float(np.abs(corners[:2] / corners[2]).max())
    margin = min(side - 1, math.ceil((reach - 1) * side / 2) + 1) if reach > 1 else 0
    source = np.pad(square, ((margin, margin), (margin, margin), (0, 0)), mode="reflect") if margin else square
    half = side / 2
    to_input = np.array([[half, 0, half + margin], [0, half, half + margin], [0, 0, 1]])
    from_output = np.array([[1 / half, 0, -1], [0, 1 / half, -1], [0, 0, 1]])
    full = to_input @ steps @ from_output
    data = (full / full[2, 2]).ravel()[:8].tolist()
    image = Image.fromarray(source).transform(
        (side, side), Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR, fillcolor=(_GREY, _GREY, _GREY)
    )
    return np.array(image)


def _jitter_colours(square: Square, preset: Augmentation, rng: np.random.Generator) -> Square:
    """Return the square with other brightness, contrast, saturation, hue and sharpness."""
    factors = 1.0 + np.array([preset.brightness, preset.contrast, preset.saturation]) * rng.uniform(-1.0, 1.0, 3)
    turn = round(255 * preset.hue * rng.uniform(-1.0, 1.0))
    sharper = preset.sharpness != 1.0 and rng.uniform() < preset.sharpness_chance
    if not (np.any(factors != 1.0) or turn or sharper):
        return square
    image = Image.fromarray(square)
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind, factor in zip(kinds, factors.tolist(), strict=True):
        image = kind(image).enhance(max(0.0, factor)) if factor != 1.0 else image
    if turn:
        hue, saturation, value = image.convert("HSV").split()
        turned = Image.fromarray(np.asarray(hue) + np.uint8(turn % 256))
        image = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    if sharper:
        image = ImageEnhance.Sharpness(image).enhance(preset.sharpness)
    return np.array(image)


def _erase(square: Square, preset: Augmentation, rng: np.random.Generator) -> Square:
    """Return the square, perhaps with a grey rectangle (Zhong et al., "Random Erasing", AAAI 2020)."""
    chance, area, aspect, x, y = rng.uniform(size=5)
    if chance >= preset.erase_chance:
        return square
    low, high = preset.erase
    share, ratio = low + (high - low) * area, math.exp(math.log(3.3) * (2 * aspect - 1))
    rows, columns = _box(len(square), (math.sqrt(share / ratio), math.sqrt(share * ratio)), (x, y))
    erased = square.copy()
    erased[rows, columns] = _GREY
    return erased


def _box(side: int, share: tuple[float, float], at: tuple[float, float]) -> tuple[slice, slice]:
    """Return rows and columns of a rectangle of that share of height and width, somewhere inside."""
    height, width = (min(side, max(0, round(side * part))) for part in share)
    top, left = round((side - height) * at[1]), round((side - width) * at[0])
    return slice(top, top + height), slice(left, left + width)


def mix(
    squares: NDArray[np.uint8], targets: NDArray[np.float32], preset: Augmentation, key: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Blend or paste squares in pairs, and their targets in the same shares; rows of targets still sum to 1.

    Mixup: Zhang et al., ICLR 2018. CutMix: Yun et al., ICCV 2019. Where a preset has both, each is as likely.

    Args:
        squares: (n, size, size, 3) uint8 RGB.
        targets: (n, classes), each row a distribution.
        preset: its `mixup` and `cutmix`.
        key: of the random numbers, such as (seed, epoch, step).
    """
    kinds = [name for name in ("mixup", "cutmix") if getattr(preset, name) > 0]
    if not kinds or len(squares) < 2:
        return squares, targets
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key))))
    kind = kinds[int(rng.integers(len(kinds)))]
    others = rng.permutation(len(squares))
    alpha = getattr(preset, kind)
    kept = float(rng.beta(alpha, alpha))
    if kind == "mixup":
        blended = squares * np.float32(kept) + squares[others] * np.float32(1 - kept)
        mixed = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
    else:
        side = squares.shape[1]
        cut = math.sqrt(1 - kept)
        rows, columns = _box(side, (cut, cut), (float(rng.uniform()), float(rng.uniform())))
        mixed = squares.copy()
        mixed[:, rows, columns] = squares[others, rows, columns]
        kept = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / side**2
    share = np.float32(kept)
    return mixed, (targets * share + targets[others] * (np.float32(1) - share)).astype(np.float32)
