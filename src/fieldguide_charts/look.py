"""The look of one drawing: its size, colours, letters and how much stands around the marks.

Knows nothing about the data shown or the library that draws it.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

from fieldguide_charts.data import axis_title, title
from fieldguide_charts.rng import Rng, chance, choice, integer, uniform


@dataclass(frozen=True)
class Look:
    """How one drawing is dressed; colours are `#rrggbb`, sizes are pixels."""

    name: str
    width: int
    height: int
    paper: str
    plot: str
    ink: str
    faint: str
    colours: tuple[str, ...]
    letters: str
    text_px: float
    title: str
    subtitle: str
    x_title: str
    y_title: str
    legend: str
    grid: str
    axes: str

    @property
    def dark(self) -> bool:
        """Return whether light marks stand on a dark ground."""
        return sum(_rgb(self.paper)) < 1.2


# name, paper, plot, ink, faint, grid, axes; grid: x, y, xy or empty; axes: box, corner, base or empty
_THEMES = [
    ("plain", "#ffffff", "#ffffff", "#000000", "#dddddd", "", "box"),
    ("corner", "#ffffff", "#ffffff", "#222222", "#e5e5e5", "", "corner"),
    ("d3", "#ffffff", "#ffffff", "#000000", "#e0e0e0", "", "corner"),
    ("observable", "#ffffff", "#ffffff", "#1b1e23", "#e8e8e8", "y", "base"),
    ("highcharts", "#ffffff", "#ffffff", "#333333", "#e6e6e6", "y", "base"),
    ("sheet", "#ffffff", "#ffffff", "#595959", "#d9d9d9", "y", "base"),
    ("google", "#ffffff", "#ffffff", "#222222", "#cccccc", "y", "base"),
    ("chartjs", "#ffffff", "#ffffff", "#666666", "#e5e5e5", "xy", "corner"),
    ("plotly", "#ffffff", "#e5ecf6", "#2a3f5f", "#ffffff", "xy", ""),
    ("ggplot", "#ffffff", "#ebebeb", "#333333", "#ffffff", "xy", ""),
    ("minimal", "#ffffff", "#ffffff", "#444444", "#ebebeb", "xy", ""),
    ("bw", "#ffffff", "#ffffff", "#333333", "#ebebeb", "xy", "box"),
    ("economist", "#d5e4eb", "#d5e4eb", "#111111", "#ffffff", "y", "base"),
    ("newspaper", "#fff1e5", "#fff1e5", "#33302e", "#ccc1b7", "y", "base"),
    ("cream", "#f9f5e9", "#f9f5e9", "#3c3836", "#ddd6c1", "y", ""),
    ("538", "#f0f0f0", "#f0f0f0", "#3c3c3c", "#cbcbcb", "xy", ""),
    ("card", "#ffffff", "#fafafa", "#4a5568", "#edf2f7", "y", ""),
    ("grey panel", "#f2f2f2", "#ffffff", "#333333", "#dddddd", "xy", "box"),
    ("old sheet", "#ffffff", "#c0c0c0", "#000000", "#000000", "y", "box"),
    ("night", "#1e1e2f", "#1e1e2f", "#dddddd", "#3a3a4f", "y", ""),
    ("black", "#000000", "#000000", "#ffffff", "#444444", "xy", "box"),
    ("slate", "#2b2b2b", "#333333", "#cccccc", "#555555", "xy", "corner"),
    ("blue night", "#0b1e3b", "#0b1e3b", "#cfe3ff", "#274472", "y", "base"),
]
_THEME_WEIGHTS = [4, 4, 5, 4, 5, 4, 3, 4, 2, 3, 3, 2, 1, 1, 1, 1, 2, 1, 0.7, 1, 0.8, 0.7, 0.7]
_PALETTES = [
    "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 7f7f7f bcbd22 17becf",
    "4e79a7 f28e2b e15759 76b7b2 59a14f edc948 b07aa1 ff9da7 9c755f bab0ac",
    "636efa ef553b 00cc96 ab63fa ffa15a 19d3f3 ff6692 b6e880 ff97ff fecb52",
    "7cb5ec 434348 90ed7d f7a35c 8085e9 f15c80 e4d354 2b908f f45b5b 91e8e1",
    "2caffe 544fc5 00e272 fe6a35 6b8abc d568fb 2ee0ca fa4b42 feb56a 91e8e1",
    "4472c4 ed7d31 a5a5a5 ffc000 5b9bd5 70ad47 264478 9e480e 636363 997300",
    "4f81bd c0504d 9bbb59 8064a2 4bacc6 f79646 2c4d75 772c2a 5f7530 4d3b62",
    "3366cc dc3912 ff9900 109618 990099 0099c6 dd4477 66aa00 b82e2e 316395",
    "36a2eb ff6384 ff9f40 ffcd56 4bc0c0 9966ff c9cbcf 7bc043 ee4035 0392cf",
    "5470c6 91cc75 fac858 ee6666 73c0de 3ba272 fc8452 9a60b4 ea7ccc 2f4554",
    "f8766d 7cae00 00bfc4 c77cff e58700 00ba38 619cff f564e3 b79f00 00c0af",
    "4c72b0 dd8452 55a868 c44e52 8172b3 937860 da8bc3 8c8c8c ccb974 64b5cd",
    "66c2a5 fc8d62 8da0cb e78ac3 a6d854 ffd92f e5c494 b3b3b3 8dd3c7 bebada",
    "8dd3c7 ffffb3 bebada fb8072 80b1d3 fdb462 b3de69 fccde5 d9d9d9 bc80bd",
    "e41a1c 377eb8 4daf4a 984ea3 ff7f00 ffff33 a65628 f781bf 999999 66c2a5",
    "1b9e77 d95f02 7570b3 e7298a 66a61e e6ab02 a6761d 666666 1f78b4 b2df8a",
    "a6cee3 1f78b4 b2df8a 33a02c fb9a99 e31a1c fdbf6f ff7f00 cab2d6 6a3d9a",
    "98abc5 8a89a6 7b6888 6b486b a05d56 d0743c ff8c00 cccc88 88aacc aa8888",
    "4269d0 efb118 ff725c 6cc5b0 3ca951 ff8ab7 a463f2 97bbf5 9c6b4e 9498a0",
    "264653 2a9d8f e9c46a f4a261 e76f51 457b9d 1d3557 a8dadc e63946 f1faee",
    "0000ff 008000 ff0000 00bfbf bf00bf bfbf00 000000 808080 ffa500 800080",
    "9999ff 993366 ffffcc ccffff 660066 ff8080 0066cc ccccff 000080 ff00ff",
    "67b7dc 6794dc 6771dc 8067dc a367dc c767dc dc67ce dc67ab dc6788 dc6967",
    "ef476f ffd166 06d6a0 118ab2 073b4c f78c6b 83d483 0cb0a9 7768ae c5d86d",
    "003f5c 58508d bc5090 ff6361 ffa600 2f4b7c 665191 a05195 d45087 f95d6a",
    "222222 888888 bbbbbb 555555 dddddd 333333 999999 666666 cccccc 444444",
]
_RAMPS = [
    "f7fbff 6baed6 08306b", "fff5f0 fb6a4a 67000d", "f7fcf5 74c476 00441b", "fff5eb fd8d3c 7f2704",
    "fcfbfd 9e9ac8 3f007d", "ffffcc fd8d3c 800026", "ffffd9 41b6c4 081d58", "edf8fb 66c2a4 005824",
    "440154 21918c fde725", "0d0887 cc4778 f0f921", "f7f4f9 df65b0 67001f", "67001f f7f7f7 053061",
    "a50026 ffffbf 006837", "543005 f5f5f5 003c30", "d73027 ffffbf 4575b4", "eeeeee 999999 222222",
    "e0f3db 7bccc4 084081", "fff7bc fe9929 662506", "00007f 7fff7f 7f0000", "deebf7 9ecae1 3182bd",
]  # fmt: skip


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def hex_of(red: float, green: float, blue: float) -> str:
    """Return the colour as `#rrggbb`; parts are 0 to 1."""
    parts = np.clip(np.round(np.array([red, green, blue]) * 255), 0, 255).astype(int)
    return "#{:02x}{:02x}{:02x}".format(*parts.tolist())


def mix(first: str, second: str, share: float) -> str:
    """Return the colour that lies this share of the way from the first to the second."""
    parts = [a + (b - a) * share for a, b in zip(_rgb(first), _rgb(second), strict=True)]
    return hex_of(*parts)


def ramp(rng: Rng) -> tuple[str, ...]:
    """Return three colours of a scale from low over middle to high, either way round."""
    stops = tuple(f"#{part}" for part in choice(rng, _RAMPS).split())
    return stops if chance(rng, 0.8) else stops[::-1]


def _palette(rng: Rng) -> tuple[str, ...]:
    kind = rng.random()
    if kind < 0.72:
        colours = [f"#{part}" for part in choice(rng, _PALETTES).split()]
        if chance(rng, 0.35):
            shift = integer(rng, 1, 9)
            colours = colours[shift:] + colours[:shift]
        return tuple(colours)
    hue, step = rng.random(), choice(rng, [0.618, 0.1, 0.05])
    light, strength = uniform(rng, 0.35, 0.7), uniform(rng, 0.35, 0.95)
    if kind < 0.86:
        parts = [colorsys.hls_to_rgb((hue + i * step) % 1, light, strength) for i in range(12)]
        return tuple(hex_of(*part) for part in parts)
    base = hex_of(*colorsys.hls_to_rgb(hue, light, strength))
    return tuple(mix(base, "#ffffff", 0.08 * i) for i in (0, 5, 3, 7, 1, 8, 4, 2, 6, 0))


def _seen_on(ground: str, ink: str, colour: str) -> str:
    """Return the colour, moved towards the ink when it could hardly be seen on the ground."""
    apart = max(abs(a - b) for a, b in zip(_rgb(ground), _rgb(colour), strict=True))
    return colour if apart > 0.22 else mix(colour, ink, 0.35)


def _size(rng: Rng, square: bool) -> tuple[int, int]:
    long = integer(rng, 260, 700)
    shape = uniform(rng, 0.85, 1.0) if square else uniform(rng, 0.45, 1.0)
    short = max(190, round(long * shape))
    return (short, long) if chance(rng, 0.12 if not square else 0.3) else (long, short)


def make_look(rng: Rng, square: bool = False) -> Look:
    """Return a random look; a square one suits round charts and maps without axes."""
    theme, paper, plot, ink, faint, grid, axes = choice(rng, _THEMES, _THEME_WEIGHTS)
    width, height = _size(rng, square)
    if chance(rng, 0.25):
        grid = choice(rng, ["", "x", "y", "xy"])
    if chance(rng, 0.2):
        axes = choice(rng, ["box", "corner", "base", ""])
    titled = chance(rng, 0.5)
    return Look(
        name=theme,
        width=width,
        height=height,
        paper=paper,
        plot=plot,
        ink=ink,
        faint=faint,
        colours=tuple(_seen_on(plot, ink, colour) for colour in _palette(rng)),
        letters=choice(rng, ["sans", "serif", "mono", "dejavu"], [8, 1.5, 0.7, 2]),
        text_px=uniform(rng, 9, 15) * (1 if chance(rng, 0.85) else 1.4),
        title=title(rng) if titled else "",
        subtitle=title(rng) if titled and chance(rng, 0.2) else "",
        x_title=axis_title(rng) if chance(rng, 0.4) else "",
        y_title=axis_title(rng) if chance(rng, 0.4) else "",
        legend=choice(rng, ["", "right", "bottom", "top", "inside"], [3, 2, 2, 1, 1]),
        grid=grid,
        axes=axes,
    )
