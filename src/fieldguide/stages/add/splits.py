"""Which names stand for a split: words for train, val and test, alone or as a part of what several are called.

Pure: names in, splits out. Knows nothing about disks, folders or tables.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from fieldguide.errors import InputUnusable
from fieldguide.names import match_key

_SPLITS = ("train", "val", "test")
_WORDS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val", "development": "val",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test",
    "trainval": "train", "unseen": "test", "holdout": "test", "hold out": "test", "heldout": "test", "held out": "test",
}  # fmt: skip
_ANY_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
# what stands beside such a word: train-set, test_images, val2017
_BESIDE = (
    r"(?: ?(?:set|sets|split|data|dataset|images?|imgs?|pictures|pics|photos|folder|samples))?(?: ?(?:19|20)\d\d)?"
)
_SPLIT = re.compile(rf"(?:(?:the|my|images?|data) )?({_ANY_WORD}){_BESIDE}")
_HOLDS_WORD = re.compile(_ANY_WORD)
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EXAMPLES = 3


def split_word(name: str, split_from: Mapping[str, str] | None = None) -> str:
    """Return "train", "val" or "test" where a folder's name, or a cell, is a word for it; "" where it is none.

    Args:
        name: such as "Training", "train-set", "test_images", "val2017", "holdout".
        split_from: what further names mean.
    """
    key = match_key(name)
    for word, split in (split_from or {}).items():
        if match_key(word) == key:
            return split
    match = _SPLIT.fullmatch(key)
    return _WORDS[match[1]] if match else ""


def looks_like_split(name: str) -> str:
    """Return the split that a name by itself may stand for, as flowers_test may; "" where it does not look so."""
    key = match_key(_CAMEL_CASE.sub(" ", name))
    whole_words = (split for (stem, side), split in _parts(name)
                   if (key.startswith(f"{stem} ") if side == "end" else key.endswith(f" {stem}")))  # fmt: skip
    return split_word(name) or next(whole_words, "")


def read_splits(names: Collection[str], split_from: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return which of the names of things beside each other stand for a split, and for which.

    A word may stand before or behind what they are all called, as in flowers_train and flowers_test: then it takes two
    of them that are different splits, and no others that are so called by something else.
    """
    splits = {name: split for name in names if (split := split_word(name, split_from))}
    alike = _named_alike(set(names) - set(splits))
    return splits | (alike[0] if len(alike) == 1 else {})


def check_mixed_names(names: Collection[str]) -> None:
    """Check that names of folders do not seem to say a split, but not all or not only that.

    Such are rose_train, rose_test, tulip_train and tulip_test, or flowers beside flowers_test.

    Raises:
        InputUnusable: they do.
    """
    alike = _named_alike(names)
    if len(alike) > 1:
        what = f"{list_names(sorted(alike[0]))} and {list_names(sorted(alike[1]))} seem to name a class and a split"
        raise InputUnusable(what, "add a table of path,label,split instead; or --layout class where all are classes")
    keys = {match_key(name): name for name in names}
    for name in sorted(names):
        for (stem, _), split in _parts(name):
            if split != "train" and stem in keys:
                hint = f"say so: --split-from {name}={split} --split-from {keys[stem]}=train; or --layout class"
                raise InputUnusable(f"'{name}' looks like a split of '{keys[stem]}'", f"{hint} where all are classes")


def _named_alike(names: Collection[str]) -> list[dict[str, str]]:
    """Return the groups of names that differ only in a word for a split, each with at least two splits."""
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name in names:
        for stem, split in _parts(name):
            groups[stem][name] = split
    return [group for group in groups.values() if len(set(group.values())) > 1]


def _parts(name: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield each rest of a name beside a word for a split at its end or beginning, and that split."""
    key = match_key(_CAMEL_CASE.sub(" ", name))
    if not _HOLDS_WORD.search(key):
        return
    for place in range(1, len(key)):
        start, end = key[:place].strip(), key[place:].strip()
        if split := split_word(end):
            yield (start, "end"), split
        if split := split_word(start):
            yield (end, "start"), split


def describe_unused_split(name: str, split: str) -> str:
    """Return a note on a name that all pictures share, and that may stand for a split."""
    return (
        f"note: '{name}' is called like a split, and its pictures are divided like all others; "
        f"to keep them as they are, take this back (add --undo) and give --split-from {name}={split}"
    )


def check_split_from(split_from: Mapping[str, str]) -> None:
    """Check that each name stands for a split.

    Raises:
        InputUnusable: it stands for something else.
    """
    for name, split in split_from.items():
        if split not in _SPLITS:
            raise InputUnusable(f"{name!r} cannot be the split {split!r}", "for example: --split-from holdout=test")


def list_names(names: Sequence[str]) -> str:
    """Return the first few names in quotes, with commas, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:_EXAMPLES])
    return f"{shown} and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else shown
