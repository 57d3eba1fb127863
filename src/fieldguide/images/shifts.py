"""What happens to pictures between a camera and a guide: turned, blurred, compressed, photographed from a screen.

Knows nothing about models. Lengths are shares of a picture's sides, because a large JPEG may be decoded smaller. The
same picture gives the same result, whatever comes before or after it.
"""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

_SIDE = 640  # up to which a picture is changed at its own size: more is slow, and is made smaller for a model anyway
_ROTATION_DEGREES = 20
_BLUR, _JPEG_QUALITY, _BRIGHTER, _DARKER = 0.012, 30, 1.6, 0.55
_CROP, _RESCALED_SIDE = 0.7, 96


def _rotate(image: Image.Image) -> Image.Image:
    """Turn it by 20 degrees and cut out what is whole."""
    turned = image.rotate(_ROTATION_DEGREES, Image.Resampling.BICUBIC)
    angle = np.radians(_ROTATION_DEGREES)
    ratio = max(image.size) / min(image.size)
    share = 1 / (np.cos(angle) + ratio * np.sin(angle))  # of both sides: a box of the same shape that fits inside
    return _middle(turned, float(share))


def _middle(image: Image.Image, share: float) -> Image.Image:
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _blur(image: Image.Image) -> Image.Image:
    """Blur it as a shake or a missed focus does: by 1.2 % of its shorter side."""
    return image.filter(ImageFilter.GaussianBlur(_BLUR * min(image.size)))


def _compress(image: Image.Image) -> Image.Image:
    """Save it as a JPEG of quality 30."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def _brighten(image: Image.Image) -> Image.Image:
    """Make it brighter by 60 %."""
    return ImageEnhance.Brightness(image).enhance(_BRIGHTER)


def _darken(image: Image.Image) -> Image.Image:
    """Make it darker by 45 %."""
    return ImageEnhance.Brightness(image).enhance(_DARKER)


def _crop(image: Image.Image) -> Image.Image:
    """Cut 70 % of both sides out of a corner."""
    return image.crop((0, 0, max(1, round(image.width * _CROP)), max(1, round(image.height * _CROP))))


def _grey(image: Image.Image) -> Image.Image:
    """Take its colours away."""
    return image.convert("L").convert("RGB")


def _rescale(image: Image.Image) -> Image.Image:
    """Make it as small as a thumbnail, 96 pixels, and large again."""
    scale = _RESCALED_SIDE / min(image.size)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _photograph_screen(image: Image.Image) -> Image.Image:
    """Show it on a screen and photograph that from the side: stripes of its pixels beating, a tilt, a glare, noise.

    A simulation, not a measurement of any screen: the grid of a screen, sampled by a camera's, leaves stripes of a few
    percent of the picture's width; the lamp is a soft white spot; black is never black.
    """
    width, height = image.size
    dice = np.random.default_rng(width * 10_000 + height)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    pixels = np.asarray(image, np.float32)
    phase = 2 * np.pi * (38 * across + 5 * down)
    moire = np.stack([np.sin(phase + shift) for shift in (0.0, 2.1, 4.2)], axis=-1) * 0.06
    moire += np.sin(2 * np.pi * (3 * across + 41 * down))[..., None] * 0.05
    glare = np.exp(-(((across - 0.72) / 0.18) ** 2 + ((down - 0.25) / 0.22) ** 2))[..., None] * 110
    seen = 18 + pixels * (0.86 + moire) * np.array([0.96, 1.0, 1.05], np.float32)
    seen += glare * (1 - seen / 300) + dice.normal(0, 5, (height, width, 1))
    screen = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    # corners of what is seen of it, upper left first, against the clock
    corners = (0.0, 0.0, -0.04 * width, 1.03 * height, 0.98 * width, 0.95 * height, 1.05 * width, 0.06 * height)
    tilted = screen.transform((width, height), Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return tilted.filter(ImageFilter.GaussianBlur(0.002 * min(width, height)))


def _at_most(change: Callable[[Image.Image], Image.Image]) -> Callable[[Image.Image], Image.Image]:
    """Return the change for pictures of any size, larger ones made smaller first."""

    def changed(image: Image.Image) -> Image.Image:
        if min(image.size) > _SIDE:
            scale = _SIDE / min(image.size)
            size = round(image.width * scale), round(image.height * scale)
            image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        return change(image)

    return changed


SHIFTS: Mapping[str, Callable[[Image.Image], Image.Image]] = MappingProxyType(
    {
        name: _at_most(change)
        for name, change in {
            "rotated": _rotate,
            "blurred": _blur,
            "JPEG 30": _compress,
            "brighter": _brighten,
            "darker": _darken,
            "cropped": _crop,
            "grey": _grey,
            "rescaled": _rescale,
            "photographed from a screen": _photograph_screen,
        }.items()
    }
)
