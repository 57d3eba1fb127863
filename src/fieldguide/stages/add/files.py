"""A file that may be a picture. Opens nothing by itself."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class InputFile:
    """A file that may be a picture: where it is, what its place names, and how to read it.

    Attributes:
        location: its path inside what is added, with forward slashes.
        label: the class that its place names, or "".
        given_split: "train", "val", "test" or "".
        size_bytes: its size.
        read: returns the bytes; may raise OSError.
        group: what it must not be separated from, by a name of the person's own, or "".
        form: its format where it is not an ordinary picture, such as a swatch; else "".
    """

    location: str
    label: str
    given_split: str
    size_bytes: int
    read: Callable[[], bytes]
    group: str = ""
    form: str = ""


def refuse_reading(location: str) -> bytes:
    """Raise the error of a link, a socket or a pipe, which must not be opened."""
    raise OSError(f"{location} is not an ordinary file")
