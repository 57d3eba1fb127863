"""What happens to a drawn chart before somebody finds it: cropping, pages around it, rescaling, printing, encoding.

Knows nothing about charts or drawing libraries: pictures in, bytes out.
"""

import io

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from fieldguide_charts.look import hex_of
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform

_LANCZOS = Image.Resampling.LANCZOS


def finish(rng: Rng, drawn: Image.Image) -> tuple[Image.Image, str]:
    """Return the RGB picture after its travels, and a word on them ("clean" for most); takes RGBA, all opaque."""
    picture = drawn.convert("RGB")
    paper = hex_of(*(np.asarray(picture)[1, 1] / 255).tolist())
    word = choice(rng, ["clean", "tight", "margin", "page", "window", "print"], [6, 3, 1.5, 0.8, 0.6, 0.5])
    if chance(rng, 0.06):
        _add_note(rng, picture)
    if word == "tight":
        picture = _crop_tight(rng, picture, paper)
    elif word == "margin":
        picture = _add_margin(rng, picture, paper)
    elif word == "page":
        picture = _set_in_page(rng, picture)
    elif word == "window":
        picture = _set_in_window(rng, picture, paper)
    elif word == "print":
        picture = _print(rng, picture)
    return _rescale(rng, picture), word


def _crop_tight(rng: Rng, picture: Image.Image, paper: str) -> Image.Image:
    blank = Image.new("RGB", picture.size, paper)
    box = ImageChops.difference(picture, blank).getbbox()
    if not box or box[2] - box[0] < 60 or box[3] - box[1] < 60:
        return picture
    edge = integer(rng, 0, 12)
    left, top, right, bottom = box
    return picture.crop(
        (max(left - edge, 0), max(top - edge, 0), min(right + edge, picture.width), min(bottom + edge, picture.height))
    )


def _add_margin(rng: Rng, picture: Image.Image, paper: str) -> Image.Image:
    sides = tuple(int(uniform(rng, 0.02, 0.2) * size) for size in (*picture.size, *picture.size))
    colour = paper if chance(rng, 0.6) else "#ffffff"
    return ImageOps.expand(picture, sides, colour)


def _add_text_lines(rng: Rng, page: Image.Image, box: tuple[int, int, int, int]) -> None:
    """Return grey strokes that read as lines of small text from far away."""
    pen = ImageDraw.Draw(page)
    left, top, right, bottom = box
    step = integer(rng, 7, 12)
    ink = choice(rng, ["#555555", "#888888", "#333333"])
    for y in range(top, bottom - step, step):
        x, end = left, right if chance(rng, 0.85) else (left + right) // 2
        while x < end:
            long = integer(rng, 5, 34)
            pen.rectangle((x, y, min(x + long, end), y + step // 3), fill=ink)
            x += long + 4


def _add_note(rng: Rng, picture: Image.Image) -> None:
    """Return a box of small text somewhere over the chart, as a pointer resting on a mark brings up."""
    wide, tall = min(integer(rng, 50, 120), picture.width // 2), min(integer(rng, 24, 50), picture.height // 2)
    x, y = integer(rng, 0, picture.width - wide), integer(rng, 0, picture.height - tall)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((x, y, x + wide, y + tall), fill=choice(rng, ["#ffffff", "#f8f8f8", "#333333"]), outline="#999999")
    _add_text_lines(rng, picture, (x + 6, y + 6, x + wide - 6, y + tall - 2))


def _set_in_page(rng: Rng, picture: Image.Image) -> Image.Image:
    edge = integer(rng, 10, 30)
    above, below = (integer(rng, 0, picture.height // 4) for _ in range(2))
    size = (picture.width + 2 * edge, picture.height + above + below + 2 * edge)
    page = Image.new("RGB", size, "#ffffff")
    page.paste(picture, (edge, edge + above))
    _add_text_lines(rng, page, (edge, edge // 2, size[0] - edge, above + edge // 2))
    _add_text_lines(rng, page, (edge, edge + above + picture.height + 8, size[0] - edge, size[1] - 4))
    return page


def _set_in_window(rng: Rng, picture: Image.Image, paper: str) -> Image.Image:
    bar = integer(rng, 18, 40)
    side = choice(rng, [0, 0, integer(rng, 40, 120)])
    frame = choice(rng, ["#e8e8e8", "#dfe3e8", "#2d333b", "#3b5998", "#f6f6f6"])
    window = Image.new("RGB", (picture.width + side + 8, picture.height + bar + 8), frame)
    window.paste(picture, (side + 4, bar + 4))
    pen = ImageDraw.Draw(window)
    for i, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        pen.ellipse((8 + 16 * i, bar // 2 - 5, 18 + 16 * i, bar // 2 + 5), fill=colour)
    if chance(rng, 0.6):
        pen.rectangle((70, bar // 4, window.width - 20, bar * 3 // 4), fill=paper)
    if side:
        _add_text_lines(rng, window, (8, bar + 14, side - 4, window.height - 20))
    return window


def _print(rng: Rng, picture: Image.Image) -> Image.Image:
    """Return the picture as scanned from paper: grey or faded, a little turned, noisy."""
    if chance(rng, 0.6):
        picture = ImageOps.grayscale(picture).convert("RGB")
    if chance(rng, 0.6):
        picture = picture.rotate(uniform(rng, -1.8, 1.8), Image.Resampling.BICUBIC, expand=False, fillcolor="#f4f4f0")
    levels = np.asarray(picture, dtype=np.float64)
    levels = levels * uniform(rng, 0.8, 0.97) + uniform(rng, 0, 20) + rng.normal(0, uniform(rng, 1, 7), levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def _rescale(rng: Rng, picture: Image.Image) -> Image.Image:
    kind = choice(rng, ["as is", "smaller", "thumbnail", "there and back"], [7, 2, 0.8, 1])
    if kind == "there and back":
        share = uniform(rng, 0.45, 0.8)
        small = picture.resize((round(picture.width * share), round(picture.height * share)), _LANCZOS)
        picture = small.resize(picture.size, Image.Resampling.BICUBIC)
        if chance(rng, 0.2):
            picture = picture.filter(ImageFilter.GaussianBlur(uniform(rng, 0.3, 0.9)))
    elif kind != "as is":
        long = integer(rng, 110, 200) if kind == "thumbnail" else integer(rng, 200, 500)
        picture.thumbnail((long, long), _LANCZOS)
    picture.thumbnail((900, 900), _LANCZOS)
    return picture


def encode(rng: Rng, picture: Image.Image) -> tuple[bytes, str]:
    """Return the picture as file bytes and their suffix: png (some with a clear ground), jpg or webp."""
    suffix = choice(rng, ["png", "jpg", "webp"], [6, 3, 1])
    stream = io.BytesIO()
    if suffix == "jpg":
        picture.save(stream, "JPEG", quality=integer(rng, 40, 95))
    elif suffix == "webp":
        picture.save(stream, "WEBP", quality=integer(rng, 50, 95), method=1)
    else:
        shown = _clear_white(picture) if chance(rng, 0.15) else picture
        shown.save(stream, "PNG", compress_level=3)
    return stream.getvalue(), suffix


def _clear_white(picture: Image.Image) -> Image.Image:
    """Return RGBA in which white has become clear; laid on white it is the same picture again."""
    levels = np.asarray(picture, dtype=np.float32) / 255
    alpha = 1 - levels.min(axis=2, keepdims=True)
    colour = np.where(alpha > 0, (levels - (1 - alpha)) / np.maximum(alpha, 1e-6), 0)
    parts = np.concatenate([colour, alpha], axis=2)
    return Image.fromarray(np.round(np.clip(parts, 0, 1) * 255).astype(np.uint8), "RGBA")
