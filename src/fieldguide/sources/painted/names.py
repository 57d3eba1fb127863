"""The eleven colours, and which of the named colours of the public XKCD survey belong to each.

In the survey (R. Munroe, "Color Survey Results", 2010; CC0) people named colours that they were shown; matplotlib ships
the 949 commonest names with the middle of what they were given to. A name belongs to a colour where its words say that
one and no other: "dark sky blue" is blue, "reddish orange" is left out, and what is both blue and green is teal.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

CLASS_NAMES: tuple[str, ...] = (
    "black", "blue", "brown", "green", "orange", "pink", "purple", "red", "teal", "white", "yellow"
)  # fmt: skip

Rgb = tuple[float, float, float]

# words that say a colour, endings such as -ish and -y taken away
_WORDS: Mapping[str, tuple[str, ...]] = {
    "black": ("black",),
    "blue": ("blue", "blu", "navy", "azure", "cobalt", "cerulean"),
    "brown": ("brown", "chocolate", "coffee", "sienna", "umber", "cocoa", "chestnut", "tan", "caramel"),
    "green": ("green", "gree", "emerald", "grass", "leaf", "moss", "forest", "avocado", "olive"),
    "orange": ("orange", "orang", "tangerine", "pumpkin"),
    "pink": ("pink", "bubblegum"),
    "purple": ("purple", "purpl", "violet", "lavender", "lilac", "plum", "eggplant", "aubergine", "grape"),
    "red": ("red", "redd", "crimson", "scarlet", "maroon", "burgundy", "cherry", "ruby", "blood", "tomato"),
    "teal": ("teal", "turquoise", "bluegreen", "greenblue"),
    "white": ("white",),
    "yellow": ("yellow", "lemon", "gold", "golden", "sunflower", "mustard"),
}
# words after which a colour is hardly itself, or another
_UNSURE = {
    "very", "almost", "grey", "gray", "greyish", "grayish", "greish", "greeny", "off", "magenta", "sand", "sandy",
    "khaki", "peach", "salmon", "mud", "muddy", "puke", "poop", "puce", "dirty", "wine", "cream", "mint", "seafoam",
    "tiffany", "eggshell", "robin", "robin's",
}  # fmt: skip
_SEEM_OTHERWISE = ("navy green", "light tan")  # whose words say one thing and whose colour another
_ENDINGS = ("ish", "y")
_DARKEST, _PALEST = 0.22, 0.8  # beyond these a colour is hardly more than black, or white


@cache
def named_colours() -> Mapping[str, tuple[tuple[str, Rgb], ...]]:
    """Return for each of the eleven the survey's names and their red, green and blue, 0..1, in order of the names."""
    from matplotlib.colors import XKCD_COLORS, to_rgb

    known: dict[str, list[tuple[str, Rgb]]] = {name: [] for name in CLASS_NAMES}
    for key, code in sorted(XKCD_COLORS.items()):
        name = key.removeprefix("xkcd:")
        rgb = to_rgb(code)
        class_name = read_colour(name)
        pale, dark = min(rgb) > _PALEST and class_name != "pink", max(rgb) < _DARKEST
        if class_name in ("black", "white") or (class_name and not pale and not dark):
            known[class_name].append((name, rgb))
    return MappingProxyType({name: tuple(colours) for name, colours in known.items()})


def read_colour(name: str) -> str:
    """Return which of the eleven a colour's name says; "" where it says none, or several that make none."""
    words = name.replace("/", " ").split()
    if _UNSURE & set(words) or name in _SEEM_OTHERWISE:
        return ""
    meant = {class_name for word in words if (class_name := _read_word(word))}
    if meant in ({"blue", "green"}, {"teal", "blue"}, {"teal", "green"}):
        return "teal"
    return meant.pop() if len(meant) == 1 else ""


def _read_word(word: str) -> str:
    stems = {word, *(word.removesuffix(ending) for ending in _ENDINGS)}
    return next((class_name for class_name, words in _WORDS.items() if stems & set(words)), "")
