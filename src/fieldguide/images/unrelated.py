"""Pictures of nothing that anybody would ask about, drawn here: what "none of these" is tried on first.

Knows nothing about models. The same kind, number and seed give the same picture.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 320
_WORDS = ("total", "file", "invoice", "meeting", "edit", "view", "2031", "settings", "name", "page", "the", "of", "and",
          "send", "reply", "subject", "amount", "draft", "search", "open", "next", "error", "42.50", "ok")  # fmt: skip
Dice = np.random.Generator


def draw_unrelated(kind: str, number: int, seed: int) -> Image.Image:
    """Draw a picture of a kind in `KINDS`, RGB, about 320 pixels wide and high."""
    dice = np.random.default_rng([seed, number, *kind.encode()])
    return KINDS[kind](dice, (SIDE + int(dice.integers(0, 120)), SIDE + int(dice.integers(0, 120))))


def _colour(dice: Dice) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in dice.integers(0, 256, 3))
    return red, green, blue


def _draw_noise(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """Draw coloured or grey noise, fine or coarse."""
    grain, channels = int(dice.choice([1, 2, 4, 8])), int(dice.choice([1, 3]))
    shape = (size[1] // grain + 1, size[0] // grain + 1, channels)
    levels = np.clip(dice.normal(dice.integers(60, 200), dice.integers(20, 90), shape), 0, 255).astype(np.uint8)
    noise = Image.fromarray(np.broadcast_to(levels, (*shape[:2], 3)).copy())
    return noise.resize(size, Image.Resampling.NEAREST if dice.random() < 0.5 else Image.Resampling.BICUBIC)


def _draw_blank(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """Draw one colour, with the little noise of a covered lens: dark, white or any."""
    level = dice.choice([0, 1, 2])
    colour = np.array([(8, 8, 10), (250, 250, 248), _colour(dice)][int(level)])
    pixels = colour + dice.normal(0, dice.uniform(0, 4), (size[1], size[0], 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _draw_gradient(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """Draw a soft passage between a few colours, as of a sky or a wall out of focus."""
    few = dice.integers(0, 256, (int(dice.integers(1, 4)) + 1, int(dice.integers(1, 4)) + 1, 3), dtype=np.uint8)
    return Image.fromarray(few).resize(size, Image.Resampling.BICUBIC)


def _draw_text(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """Draw a screen of text: a bar, lines of words, a button."""
    light = dice.random() < 0.7
    paper, ink = ((250, 250, 252), (30, 32, 36)) if light else ((24, 26, 30), (220, 224, 228))
    image = Image.new("RGB", size, paper)
    pen, letters = ImageDraw.Draw(image), int(dice.integers(10, 20))
    font = ImageFont.load_default(letters)
    pen.rectangle((0, 0, size[0], 2 * letters), fill=_colour(dice))
    y = 3 * letters
    while y < size[1] - letters:
        words = " ".join(str(word) for word in dice.choice(_WORDS, int(dice.integers(2, 9))))
        pen.text((letters, y), words, fill=ink, font=font)
        y += int(letters * dice.choice([1.4, 1.4, 2.6]))
    left, top = int(size[0] * 0.6), size[1] - 3 * letters
    pen.rounded_rectangle((left, top, size[0] - letters, size[1] - letters), letters // 2, fill=_colour(dice))
    return image


def _draw_drawing(dice: Dice, size: tuple[int, int]) -> Image.Image:
    """Draw lines and shapes, as on paper or in a drawing program."""
    image = Image.new("RGB", size, (255, 255, 255) if dice.random() < 0.7 else _colour(dice))
    pen = ImageDraw.Draw(image)
    for _ in range(int(dice.integers(4, 14))):
        xs, ys = np.sort(dice.integers(0, size[0], 2)), np.sort(dice.integers(0, size[1], 2))
        box = (int(xs[0]), int(ys[0]), int(xs[1]) + 1, int(ys[1]) + 1)
        fill, width = (_colour(dice) if dice.random() < 0.5 else None), int(dice.integers(1, 7))
        shape = int(dice.integers(0, 4))
        if shape == 0:
            pen.ellipse(box, fill=fill, outline=_colour(dice), width=width)
        elif shape == 1:
            pen.rectangle(box, fill=fill, outline=_colour(dice), width=width)
        else:
            points = [(int(x), int(y)) for x, y in dice.integers(0, size, (int(dice.integers(2, 7)), 2))]
            pen.line(points, fill=_colour(dice), width=width, joint="curve")
    return image


KINDS: Mapping[str, Callable[[Dice, tuple[int, int]], Image.Image]] = MappingProxyType(
    {
        "noise": _draw_noise,
        "blank": _draw_blank,
        "gradients": _draw_gradient,
        "screens of text": _draw_text,
        "drawings": _draw_drawing,
    }
)
