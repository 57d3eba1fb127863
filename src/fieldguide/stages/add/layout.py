"""How a source is laid out: which folders of a path name the class and which the split, judged by its pictures.

Pure: paths in, words out. What looks like a split and is not understood is refused, never taken for a class or left
out without a word: pictures that were held out would be trained on. Knows nothing about disks or archives.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, get_args

from fieldguide.errors import InputUnusable
from fieldguide.names import match_key
from fieldguide.stages.add.splits import (
    check_mixed_names,
    describe_unused_split,
    list_names,
    looks_like_split,
    read_splits,
    split_word,
)

Form = Literal["class", "split/class", "class/split", "flat"]
FORMS: tuple[str, ...] = ("auto", *get_args(Form))
_NUMBERED = re.compile(r"(?:fold|cv|split|part|partition|subset|set|batch) ?\d+")
_PICTURES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif",
))  # fmt: skip
_SHOWN = 8
_MANY_PICTURES = 1000


@dataclass(frozen=True)
class Layout:
    """What the folders of a path mean.

    Attributes:
        form: which folder is which; deeper ones mean nothing.
        prefix: the folder that wraps everything, with its slash, or "".
        names: those of the project: the first folder that is one of them names the class.
        split_from: what further names of folders mean.
        class_name: what every picture shows, or "".
        note: what may be wrong with it, or "".
    """

    form: Form
    prefix: str
    names: tuple[str, ...]
    split_from: Mapping[str, str]
    class_name: str
    note: str = ""

    def place(self, location: str) -> tuple[str, str]:
        """Return the class and the split that a path names; "" for either when it names none."""
        folders = list(PurePosixPath(location[len(self.prefix) :]).parts[:-1])
        split = ""
        if self.form == "split/class" and folders:
            split = split_word(folders.pop(0), self.split_from)
            while len(folders) > 1 and split_word(folders[0], self.split_from) == split:  # packed twice: train/train
                folders.pop(0)
        at = _class_at(folders, self.names)
        if self.form == "class/split" and len(folders) > at + 1:
            split = split_word(folders[at + 1], self.split_from)
        if self.class_name:
            return self.class_name, split
        if folders and self.form != "flat":
            return folders[at], split
        return _name_in(PurePosixPath(location).stem, self.names), split

    def describe(self, locations: Sequence[str]) -> list[str]:
        """Return lines that tell how the pictures among these paths are read, with an example for each class."""
        examples: dict[str, list[str]] = defaultdict(list)
        splits: dict[str, set[str]] = defaultdict(set)
        for location in _pictures(locations):
            label, split = self.place(location)
            examples[label].append(location)
            if split:
                folders = PurePosixPath(location[len(self.prefix) :]).parts
                at = 0 if self.form == "split/class" else _class_at(folders[:-1], self.names) + 1
                splits[split].add(folders[at])
        words = {"class": "a folder for each class", "split/class": "splits, and in each a folder for each class",
                 "class/split": "a folder for each class, and in each the splits", "flat": "files"}  # fmt: skip
        told = "; ".join(f"{split}: {', '.join(sorted(names))}" for split, names in sorted(splits.items()))
        lines = [f"read as {words[self.form]} (--layout {self.form})" + (f"; {told}" if told else "")]
        known = sorted(label for label in examples if label)
        for label in known[:_SHOWN]:
            lines.append(f"- {label}: {len(examples[label]):,}, such as {examples[label][0]}")
        if len(known) > _SHOWN:
            lines.append(f"- and {len(known) - _SHOWN} more classes")
        return [*lines, self.note] if self.note else lines


def read_layout(
    locations: Sequence[str], names: Sequence[str], class_name: str, form: str, split_from: Mapping[str, str]
) -> Layout:
    """Return how a source is laid out.

    Args:
        locations: the paths of its files, with forward slashes.
        names: those of the project.
        class_name: what every picture shows, or "".
        form: one of `FORMS`; "auto" to judge it by the pictures.
        split_from: what further names of folders mean: "train", "val" or "test".

    Raises:
        InputUnusable: folders look like splits, and it is not clear which they are; or the folders of classes hold
            folders that look like those, with thousands of pictures.
    """
    pictures = _pictures(locations)
    prefix = _wrapping_folder(pictures, names, split_from)
    paths = [PurePosixPath(location[len(prefix) :]).parts[:-1] for location in pictures]
    split_from = {**_find_splits(paths, names, split_from), **split_from}
    chosen: Form = _judge(paths, names, class_name, split_from) if form == "auto" else _FORMS[form]
    layout = Layout(chosen, prefix, tuple(names), dict(split_from), class_name)
    if form in ("split/class", "class/split"):
        _check_splits(paths, layout)
    if form == "auto" and chosen == "class" and not names and not class_name:
        layout = replace(layout, note=_check_level(paths))
    wrapping = PurePosixPath(prefix).parts
    seeming = next((name for name in wrapping if chosen in ("class", "flat") and looks_like_split(name)), "")
    return replace(layout, note=describe_unused_split(seeming, looks_like_split(seeming))) if seeming else layout


def _find_splits(paths: Sequence[Sequence[str]], names: Sequence[str], split_from: Mapping[str, str]) -> dict[str, str]:
    """Return the folders that are splits, at the top or below each class, by what stands beside them."""
    keys = {match_key(name) for name in names}
    beside: dict[Sequence[str], set[str]] = defaultdict(set)
    for folders in paths:
        at = _class_at(folders, names) + 1
        for place in {0, at} if len(folders) > at else {0} if folders else ():
            beside[tuple(folders[:place])].add(folders[place])
    found = [read_splits(siblings, split_from) for siblings in beside.values()]
    return {name: split for splits in found for name, split in splits.items() if match_key(name) not in keys}


def _check_level(paths: Sequence[Sequence[str]]) -> str:
    """Return a note where the folders taken for classes mostly hold folders; "" where they hold pictures.

    A class may well hold folders, such as those of years. Where each holds other ones, they look like classes.

    Raises:
        InputUnusable: they do, and thousands of pictures would go under the names of what holds them.
    """
    inside: dict[str, Counter[str]] = defaultdict(Counter)
    for folders in paths:
        if folders:
            inside[folders[0]][folders[1] if len(folders) > 1 else ""] += 1
    parted = {top: set(counts) - {""} for top, counts in inside.items() if len(set(counts) - {""}) > 1}
    deep = sum(inside[top][name] for top, names in parted.items() for name in names)
    if len(inside) < 2 or deep * 2 < len(paths):
        return ""
    common = Counter(name for names in parted.values() for name in names)
    what = f"{list_names(sorted(parted))} would be classes, and the folders in them ({list_names(sorted(common))}) not"
    if deep >= _MANY_PICTURES and len(common) * 2 > sum(common.values()) and len(parted) > 1:
        hint = "add each of them by itself, or give --layout class where they are the classes"
        raise InputUnusable(what, hint)
    return f"note: {what}; if those are the classes, take this back (add --undo) and add each folder of them by itself"


_FORMS: dict[str, Form] = {form: form for form in get_args(Form)}


def _pictures(locations: Sequence[str]) -> list[str]:
    """Return the paths that end as pictures do; all, where none does."""
    return [path for path in locations if PurePosixPath(path).suffix.lower() in _PICTURES] or list(locations)


def _wrapping_folder(locations: Sequence[str], names: Sequence[str], split_from: Mapping[str, str]) -> str:
    """Return the folder, with its slash, that wraps all pictures without being a class or split; "" for none.

    A folder wraps when it is the only one at its depth and holds folders, as archives and downloads often have.
    """
    keys = {match_key(name) for name in names}
    prefix = ""
    while True:
        rest = [PurePosixPath(location[len(prefix) :]).parts for location in locations]
        tops = {parts[0] for parts in rest if parts}
        if len(tops) != 1 or any(len(parts) < 3 for parts in rest):
            return prefix
        top = min(tops)
        if match_key(top) in keys or split_word(top, split_from):
            return prefix
        if any(split_word(parts[1], split_from) for parts in rest) and any(len(parts) == 3 for parts in rest):
            return prefix  # one class with its splits
        prefix += top + "/"


def _class_at(folders: Sequence[str], names: Sequence[str]) -> int:
    """Return the place of the folder that names the class: the first that is one of the names, else the first."""
    keys = {match_key(name) for name in names}
    return next((place for place, folder in enumerate(folders) if match_key(folder) in keys), 0)


def _name_in(stem: str, names: Sequence[str]) -> str:
    """Return the longest of the names that a file's own name begins with, or ""."""
    key = match_key(stem)
    starts = [name for name in names if key == match_key(name) or key.startswith(match_key(name) + " ")]
    return max(starts, key=len, default="")


def _judge(
    paths: Sequence[Sequence[str]], names: Sequence[str], class_name: str, split_from: Mapping[str, str]
) -> Form:
    """Return the form of these folders of pictures.

    A split holds folders of classes, a class holds pictures; a folder that is called as one of the names is a class.
    """
    keys = {match_key(name) for name in names}
    tops: dict[str, bool] = {}  # whether there are folders in it
    for folders in paths:
        if folders:
            tops[folders[0]] = tops.get(folders[0], False) or len(folders) > 1
    if not tops:
        return "flat"
    splits = {top: split_word(top, split_from) for top, has_folders in tops.items()
              if match_key(top) not in keys or has_folders}  # fmt: skip
    understood = {top: split for top, split in splits.items() if split}
    unknown = sorted(set(tops) - set(understood))
    if understood and not unknown:
        return "split/class"
    numbered = [top for top in unknown if _NUMBERED.fullmatch(match_key(top)) and match_key(top) not in keys]
    held_out = [top for top, split in understood.items() if split != "train" or tops[top]]
    check_mixed_names([top for top in unknown if match_key(top) not in keys])
    for top in unknown:
        if tops[top] and match_key(top) not in keys and looks_like_split(top) in ("val", "test"):
            _refuse(f"'{top}' looks like a split", top)
    if held_out:
        _refuse(f"{list_names(held_out)} looks like a split, and beside it {list_names(unknown)} does not", unknown[0])
    if numbered and all(tops[top] for top in numbered):
        _refuse(f"{list_names(numbered)} may be splits", numbered[0])
    return _judge_below(paths, names, class_name, split_from)


def _judge_below(
    paths: Sequence[Sequence[str]], names: Sequence[str], class_name: str, split_from: Mapping[str, str]
) -> Form:
    """Return whether the folders below the classes are splits."""
    keys = {match_key(name) for name in names}
    below = {folders[at] for folders in paths if len(folders) > (at := _class_at(folders, names) + 1)}
    understood = sorted(name for name in below if split_word(name, split_from) and match_key(name) not in keys)
    unknown = sorted(below - set(understood))
    if understood and unknown:
        _refuse(
            f"below the classes {list_names(understood)} looks like a split, and {list_names(unknown)} does not",
            unknown[0],
        )
    if not understood and below and all(_NUMBERED.fullmatch(match_key(name)) for name in below):
        _refuse(f"below the classes {list_names(unknown)} may be splits", unknown[0])
    return "class/split" if understood else "class"


def _check_splits(paths: Sequence[Sequence[str]], layout: Layout) -> None:
    """Check that the folders where splits must stand are splits."""
    unknown = set()
    for folders in paths:
        at = 0 if layout.form == "split/class" else _class_at(folders, layout.names) + 1
        if len(folders) > at and not split_word(folders[at], layout.split_from):
            unknown.add(folders[at])
    if unknown:
        _refuse(f"{list_names(sorted(unknown))} is not a word for a split that is known", min(unknown))


def _refuse(what: str, name: str) -> None:
    hint = f"say what it is: --split-from {name}=test (or train, val); or --layout class where all are classes"
    raise InputUnusable(what, hint)
