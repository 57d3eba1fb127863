"""One painted picture from a colour's name and a seed: choose shades and what is painted, paint, photograph, encode.

The dominant colour covers more of the picture than all others together: each way of painting keeps its share above a
half. What else is to be seen may have any colour, those of none of the names too. Knows nothing about why.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fieldguide.sources.painted.names import CLASS_NAMES, named_colours

_VERSION = 1
_LEAST, _MOST = 96, 256  # pixels of a side
_SHADES = 12  # in a picture of many small things

Pixels = NDArray[np.float64]  # (h, w, 3) or (h, w), 0..1
Rng = np.random.Generator


def paint(class_name: str, seed: int) -> bytes:
    """Return a JPEG or PNG file whose dominant colour is this one; the same name and seed give the same bytes.

    Raises:
        ValueError: the name is none of `CLASS_NAMES`.
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(f"unknown colour {class_name!r}; the known ones are {', '.join(CLASS_NAMES)}")
    rng = np.random.default_rng([seed, CLASS_NAMES.index(class_name), _VERSION])
    height, width = (int(rng.integers(_LEAST, _MOST + 1)) for _ in range(2))
    brush = Brush(rng, class_name, height, width)
    ways = list(_WAYS)
    picture = ways[int(rng.choice(len(ways), p=[_WAYS[way] for way in ways]))](brush)
    return _encode(rng, _photograph(rng, picture, class_name))


@dataclass(frozen=True)
class Brush:
    """What a picture is painted with.

    Attributes:
        rng: decides all chance.
        class_name: the dominant colour.
        height: pixels.
        width: pixels.
    """

    rng: Rng
    class_name: str
    height: int
    width: int

    def shade(self) -> Pixels:
        """Return a shade of the dominant colour, (3,)."""
        return _shade(self.rng, self.class_name)

    def other(self) -> Pixels:
        """Return another colour, (3,): of another name, or a grey or earthy one that has none."""
        if self.rng.random() < 0.35:
            level = self.rng.uniform(0.05, 0.95)
            return np.asarray(np.clip(level + self.rng.normal(0, 0.04, 3), 0, 1))
        others = [name for name in CLASS_NAMES if name != self.class_name]
        return _shade(self.rng, others[int(self.rng.integers(len(others)))])

    def near(self, colour: Pixels, spread: float) -> Pixels:
        """Return a colour a little lighter or darker than another, (3,)."""
        return np.asarray(np.clip(colour * np.exp(self.rng.normal(0, spread)), 0, 1))

    def clouds(self, coarse: float = 2.2) -> Pixels:
        """Return a soft random field, (h, w), mean 0 and deviation 1; a higher `coarse` has larger forms."""
        rows, columns = np.fft.fftfreq(self.height)[:, None], np.fft.rfftfreq(self.width)[None]
        reach = np.hypot(rows, columns)
        reach[0, 0] = 1.0
        waves = np.fft.rfft2(self.rng.normal(size=(self.height, self.width))) / reach ** (coarse / 2)
        waves[0, 0] = 0.0
        field = np.fft.irfft2(waves, s=(self.height, self.width))
        return np.asarray(field / max(float(field.std()), 1e-9))

    def ramp(self) -> Pixels:
        """Return a slope from 0 to 1 across the picture in any direction, (h, w)."""
        angle = self.rng.uniform(0, 2 * np.pi)
        rows, columns = np.mgrid[: self.height, : self.width]
        slope = np.cos(angle) * columns / self.width + np.sin(angle) * rows / self.height
        return np.asarray((slope - slope.min()) / max(float(np.ptp(slope)), 1e-9))

    def flat(self, colour: Pixels) -> Pixels:
        """Return a picture of one colour."""
        return np.broadcast_to(colour, (self.height, self.width, 3)).copy()

    def mask(self, draw: Callable[[ImageDraw.ImageDraw], None], soft: float = 1.0) -> Pixels:
        """Return what is drawn in white on black, (h, w), with soft edges."""
        image = Image.new("L", (self.width, self.height), 0)
        draw(ImageDraw.Draw(image))
        return np.asarray(image.filter(ImageFilter.GaussianBlur(soft)), dtype=np.float64) / 255

    def lay(self, below: Pixels, above: Pixels, mask: Pixels) -> Pixels:
        """Return one picture laid over another where the mask is 1."""
        return np.asarray(below + (above - below) * mask[..., None])


def _shade(rng: Rng, class_name: str) -> Pixels:
    """Return a shade that goes by a name, (3,): one of the survey's, moved a little, and often duller or darker.

    The survey showed colours of a screen, which are purer than those of most things.
    """
    if class_name == "black":
        return np.asarray(np.clip(rng.uniform(0, 0.2) + rng.normal(0, 0.012, 3), 0, 1))
    if class_name == "white":
        cast = rng.normal(0, 0.03) * np.array([-1.0, 0.1, 1.0])  # in the shade white is bluish, by lamplight yellowish
        return np.asarray(np.clip(rng.uniform(0.66, 1.0) + cast + rng.normal(0, 0.012, 3), 0, 1))
    colours = named_colours()[class_name]
    rgb = np.array(colours[int(rng.integers(len(colours)))][1]) + rng.normal(0, 0.025, 3)
    grey = rgb @ np.array([0.3, 0.59, 0.11])
    dull, dark = (_BRIGHT if class_name in ("orange", "pink", "yellow") else _ANY)[int(rng.integers(3))]
    rgb = grey + (rgb - grey) * (1 - rng.uniform(0, dull))
    return np.asarray(np.clip(rgb * (1 - rng.uniform(0, dark)), 0, 1))


# how much duller and darker a shade gets at most; darker, the bright colours have other names
_ANY = ((0.0, 0.0), (0.35, 0.1), (0.5, 0.3))
_BRIGHT = ((0.0, 0.0), (0.2, 0.05), (0.35, 0.1))


# ---- ways of painting


def _surface(brush: Brush) -> Pixels:
    """Paint a wall, a skin or a cloth: one shade under uneven light, with a grain."""
    rng, light = brush.rng, 1 + brush.rng.uniform(0.02, 0.14) * brush.clouds(_coarseness(brush.rng))
    picture = brush.flat(brush.shade()) * light[..., None]
    if rng.random() < 0.5:
        picture *= (1 + rng.uniform(-0.35, 0.35) * (brush.ramp() - 0.5))[..., None]
    if rng.random() < 0.4:
        rows, columns = np.mgrid[: brush.height, : brush.width]
        step = rng.uniform(2, 9)
        weave = np.sin(2 * np.pi * rows / step) + np.sin(2 * np.pi * columns / (step * rng.uniform(0.7, 1.4)))
        picture *= (1 + rng.uniform(0.02, 0.1) * weave)[..., None]
    return picture


def _coarseness(rng: Rng) -> float:
    """Return how coarse the forms of a field are: a fine grain to broad folds."""
    return float(rng.uniform(0.6, 3.4))


def _folds(brush: Brush) -> Pixels:
    """Paint folded cloth or creased leather, with gloss on the ridges and shadow in the folds."""
    rng = brush.rng
    folds = np.sin(rng.uniform(2, 6) * np.pi * brush.ramp() + rng.uniform(0.4, 1.6) * brush.clouds(3.0))
    picture = brush.flat(brush.shade()) * (1 + rng.uniform(0.08, 0.28) * folds)[..., None]
    gloss = np.clip(folds - rng.uniform(0.75, 0.98), 0, 1) * rng.uniform(0, 1.6)
    return np.asarray(picture + (1 - picture) * gloss[..., None])


def _blend(brush: Brush) -> Pixels:
    """Paint one shade that runs into another of the same name, as a sky does."""
    first = brush.shade()
    second = brush.near(first, 0.25) if brush.rng.random() < 0.5 else brush.shade()
    mix = np.clip(brush.ramp() + brush.rng.uniform(0, 0.2) * brush.clouds(3.2), 0, 1)
    return brush.lay(brush.flat(first), brush.flat(second), mix)


def _thing(brush: Brush) -> Pixels:
    """Paint a thing that fills most of the picture, before something else; or such a ground with small things on it."""
    rng, width, height = brush.rng, brush.width, brush.height
    own, behind = _filled(brush), _background(brush)
    if rng.random() < 0.5:
        share = rng.uniform(0.62, 0.92)  # of the picture, as the thing's box would fill it
        w, h = width * np.sqrt(share) * 1.06, height * np.sqrt(share) * 1.06
        left, top = rng.uniform(0, max(width - w, 1)), rng.uniform(0, max(height - h, 1))
        box = (left, top, left + w, top + h)
        is_round = rng.random() < 0.4 and share > 0.75  # an ellipse fills 0.79 of its box
        corner = rng.uniform(2, 40)
        return brush.lay(behind, own, brush.mask(
            lambda pen: pen.ellipse(box, 255) if is_round else pen.rounded_rectangle(box, corner, 255), 1.5
        ))  # fmt: skip
    picture = own
    for _ in range(int(rng.integers(1, 5))):
        size = rng.uniform(0.08, 0.3) * min(width, height)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        spot = (x - size / 2, y - size / 2, x + size / 2, y + size * rng.uniform(0.3, 0.8))
        mask = brush.mask(partial(ImageDraw.ImageDraw.ellipse, xy=spot, fill=255), rng.uniform(0.5, 3))
        picture = brush.lay(picture, brush.flat(brush.other()), mask)
    return picture


def _filled(brush: Brush) -> Pixels:
    return _PLAIN[int(brush.rng.integers(len(_PLAIN)))](brush)


def _background(brush: Brush) -> Pixels:
    """Return what stands behind a thing: one colour or two, uneven."""
    first, second = brush.other(), brush.other()
    field = brush.clouds(_coarseness(brush.rng))
    mix = np.clip(0.5 + brush.rng.uniform(0, 0.8) * field, 0, 1)
    return brush.lay(brush.flat(first), brush.flat(second), mix)


def _leaves(brush: Brush) -> Pixels:
    """Paint leaves, petals or stones upon each other, light and dark, with gaps and a few other things between."""
    rng, scale = brush.rng, 2  # drawn larger, so that edges are smooth
    ground = brush.near(brush.shade(), 0.1) * rng.uniform(0.25, 0.8)
    if brush.class_name == "white":
        ground = brush.shade() * rng.uniform(0.8, 0.95)
    image = Image.new("RGB", (brush.width * scale, brush.height * scale), _ink(ground))
    pen, size = ImageDraw.Draw(image), rng.uniform(0.06, 0.3) * min(image.size)
    base, stray = brush.shade(), rng.uniform(0, 0.16)
    shades, others = [brush.shade() for _ in range(_SHADES)], [brush.other() for _ in range(_SHADES)]
    count = int(min(300, 3.2 * image.width * image.height / (size * size * 0.5)))
    darkest = 0.12 if brush.class_name in ("yellow", "orange", "white", "pink") else 0.3
    for _ in range(count):
        own = rng.random() >= stray
        shade = base if rng.random() < 0.7 else shades[int(rng.integers(_SHADES))]
        colour = brush.near(shade, darkest) if own else others[int(rng.integers(_SHADES))]
        _draw_leaf(pen, rng, _ink(colour), size * (1.0 if own else 0.6), image.size)
    image = image.resize((brush.width, brush.height), Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.float64) / 255


def _draw_leaf(
    pen: ImageDraw.ImageDraw, rng: Rng, ink: tuple[int, int, int], size: float, canvas: tuple[int, int]
) -> None:
    """Draw a pointed leaf of any direction at any place."""
    angle, slim = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.9)
    turn = np.linspace(0, 2 * np.pi, 14)
    along, across = np.cos(turn) * size / 2, np.sin(turn) * np.abs(np.sin(turn / 2 + 0.2)) * size * slim / 2
    x, y = rng.uniform(0, canvas[0]), rng.uniform(0, canvas[1])
    xs = x + along * np.cos(angle) - across * np.sin(angle)
    ys = y + along * np.sin(angle) + across * np.cos(angle)
    pen.polygon(list(zip(xs.tolist(), ys.tolist(), strict=True)), ink)


def _ink(colour: Pixels) -> tuple[int, int, int]:
    red, green, blue = np.round(np.clip(colour, 0, 1) * 255).astype(int).tolist()
    return red, green, blue


def _strokes(brush: Brush) -> Pixels:
    """Paint with visible strokes as a painter does: most of them in shades of the colour, the rest in others."""
    rng = brush.rng
    image = Image.new("RGB", (brush.width, brush.height), _ink(brush.shade()))
    pen, share = ImageDraw.Draw(image), rng.uniform(0.68, 0.95)
    flow, wide = brush.clouds(3.4), rng.uniform(0.015, 0.06) * min(image.size)
    shades = [brush.shade() for _ in range(_SHADES)]
    others = [brush.other() for _ in range(int(rng.integers(1, 4)))]
    place = brush.clouds(3.0)  # others come together in patches
    limit = float(np.quantile(place, share))
    for _ in range(int(rng.integers(200, 500))):
        x, y = int(rng.integers(brush.width)), int(rng.integers(brush.height))
        colour = shades[int(rng.integers(_SHADES))] if place[y, x] < limit else others[int(rng.integers(len(others)))]
        angle, length = flow[y, x] * 1.3, wide * rng.uniform(2, 6)
        end = (x + np.cos(angle) * length, y + np.sin(angle) * length)
        pen.line([(x, y), end], _ink(brush.near(colour, 0.12)), max(1, round(wide)))
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6)))
    return np.asarray(soft, dtype=np.float64) / 255


def _scene(brush: Brush) -> Pixels:
    """Paint bands one above the other, as sky, sea and shore: the widest has the colour."""
    rng = brush.rng
    own = rng.uniform(0.6, 0.88)
    edges = np.cumsum([0.0, own, *rng.dirichlet(np.ones(int(rng.integers(1, 3)))) * (1 - own)])
    above = rng.random() < 0.5
    rows = np.linspace(0, 1, brush.height)[:, None] + 0.02 * brush.clouds(3.0)
    if not above:
        rows = 1 - rows
    picture = _filled(brush)
    for start in edges[1:-1]:
        picture = brush.lay(picture, _background(brush), np.clip((rows - start) * brush.height / 3, 0, 1))
    return picture


def _framed(brush: Brush) -> Pixels:
    """Paint a picture in a frame, or on a mount, whose border has another colour."""
    rng, edge = brush.rng, brush.rng.uniform(0.03, 0.11)
    inside = _WAYS_INSIDE[int(rng.integers(len(_WAYS_INSIDE)))](brush)
    x, y = edge * brush.width, edge * brush.height
    border = brush.flat(brush.other()) * (1 + 0.05 * brush.clouds(1.0))[..., None]
    mask = brush.mask(lambda pen: pen.rectangle((x, y, brush.width - x, brush.height - y), 255), 0.6)
    return brush.lay(border, inside, mask)


def _striped(brush: Brush) -> Pixels:
    """Paint stripes, checks or dots of another colour on the dominant one."""
    rng = brush.rng
    rows, columns = np.mgrid[: brush.height, : brush.width]
    step, share = rng.uniform(8, 60), rng.uniform(0.05, 0.3)
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    along = (columns * np.cos(angle) + rows * np.sin(angle)) / step % 1
    across = (rows * np.cos(angle) - columns * np.sin(angle)) / step % 1
    kind = int(rng.integers(3))
    if kind == 0:
        lines = along < share
    elif kind == 1:
        lines = (along < share / 2) | (across < share / 2)
    else:
        lines = np.hypot(along - 0.5, across - 0.5) < np.sqrt(share / np.pi)
    return brush.lay(_filled(brush), brush.flat(brush.other()), lines.astype(np.float64))


_PLAIN: tuple[Callable[[Brush], Pixels], ...] = (_surface, _folds, _blend, _leaves)
_WAYS_INSIDE = (_surface, _leaves, _strokes, _scene, _thing)
_WAYS: dict[Callable[[Brush], Pixels], float] = {
    _surface: 0.18, _folds: 0.12, _blend: 0.08, _thing: 0.16, _leaves: 0.18, _strokes: 0.1, _scene: 0.08, _framed: 0.05,
    _striped: 0.05,
}  # fmt: skip


# ---- from a painting to a file


def _photograph(rng: Rng, picture: Pixels, class_name: str) -> Image.Image:
    """Return the painting as a camera would give it: its light, its white, its blur and its noise."""
    exposure = float(np.exp(rng.normal(0, 0.06)))
    if class_name == "black":
        exposure = min(exposure, 1.05)
    picture = np.clip(picture, 0, 1) * exposure * np.exp(rng.normal(0, 0.035, 3))
    picture = picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    pixels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(float(rng.choice([0, 0, 0.7, 1.5]))))


def _encode(rng: Rng, image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    if rng.random() < 0.2:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=int(rng.integers(60, 96)))
    return buffer.getvalue()
