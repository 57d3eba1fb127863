"""What makes a guide safe to open: its manifest, its description, and a model that cannot reach outside itself.

`check_model` reads the protobuf wire format directly, so that nothing needs to be installed and nothing is built in
memory before any runtime sees the file: it looks only for tensor data kept in other files and for operators outside
the standard domains. Field numbers: onnx.proto3 of ONNX 1.17; wire format: the Protocol Buffers encoding
specification. Knows nothing about projects or pictures.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fieldguide.errors import GuideDamaged
from fieldguide.guide.page import LOGO
from fieldguide.hashing import hash_file
from fieldguide.records import Preprocessing
from fieldguide.text import plural

SCHEMA_VERSION = 1
GET_IT_AGAIN = "get the guide again from whoever made it, or make it again with: fieldguide publish"
MAX_BYTES = 500_000_000
MAX_VIEWS = 8
_MAX_JSON_BYTES = 20_000_000
_DOCUMENTS = ("README.md", "CREDITS.csv")  # which people read and nothing loads
_DEPTH = 12
_MOST = {"max_bytes": 1_000_000_000, "max_pixels": 500_000_000, "max_scans": 10_000}  # what [images] can say
_ALLOWED_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")

# message -> field -> the message that the field holds
_MESSAGES = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}
_DOMAIN_FIELDS = {"opset": 1, "node": 7, "function": 10}
_DIMS, _EXTERNAL_DATA, _DATA_LOCATION = 1, 13, 14
_MOST_VALUES_PER_BYTE = 2  # those of 4 bits


def write_manifest(folder: Path, copied_from: Path | None = None) -> None:
    """Write `MANIFEST`: the SHA-256 of every other file below the folder, in the order of their paths.

    Args:
        folder: of a guide.
        copied_from: the guide that most of it was copied from; a document that was edited there stays an edited one.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST")
    digests = {path.relative_to(folder).as_posix(): hash_file(path) for path in files}
    if copied_from is not None:
        edited = list_edited(copied_from)
        digests |= {name: digest for digest, name in _read_manifest(copied_from) if name in edited}
    lines = [f"{digests[name]}  {name}\n" for name in sorted(digests, key=PurePosixPath)]
    (folder / "MANIFEST").unlink(missing_ok=True)  # it may be a link to that of a copy
    (folder / "MANIFEST").write_text("".join(lines), encoding="utf-8")


def _read_manifest(folder: Path) -> list[tuple[str, str]]:
    """Return the SHA-256 and the path of each file that the manifest lists."""
    lines = (folder / "MANIFEST").read_text(encoding="utf-8", errors="replace").splitlines()
    return [(digest, name) for digest, _, name in (line.partition("  ") for line in lines)]


def list_edited(folder: Path) -> tuple[str, ...]:
    """Return the documents of a guide that were edited or taken away since it was published."""
    rows = _read_manifest(folder)
    return tuple(
        name
        for digest, name in rows
        if name in _DOCUMENTS and not ((folder / name).is_file() and _is_unaltered(folder / name, digest))
    )


def check_manifest(folder: Path) -> tuple[set[str], tuple[str, ...]]:
    """Check the files listed; return their names, and those of the documents that are changed or gone.

    Nothing is loaded from a document, so its owner may edit it. Text with the line ends of Windows is unaltered.

    Raises:
        GuideDamaged: another file is missing or altered, or a file is outside the folder.
    """
    listed, edited = set(), []
    for digest, name in _read_manifest(folder):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise GuideDamaged(f"the manifest of {folder} names {name!r}, outside the guide", GET_IT_AGAIN)
        path = folder / name
        there = path.is_file()
        if not there or not _is_unaltered(path, digest):
            if name not in _DOCUMENTS:
                raise GuideDamaged(f"{path} {'has been altered' if there else 'is missing'}", GET_IT_AGAIN)
            edited.append(name)
        listed.add(name)
    missing = {"guide.json", "model.onnx"} - listed
    if missing:
        raise GuideDamaged(f"the manifest of {folder} does not list {min(missing)}", GET_IT_AGAIN)
    return listed, tuple(edited)


def keep_edited(old: Path, new: Path) -> list[str]:
    """Copy the documents that were edited in a guide, now or before, into the one that replaces it, under other names.

    Returns:
        the names there of those that were edited since `old` was published.
    """
    names = []
    for digest, name in _read_manifest(old) if (old / "MANIFEST").is_file() else ():
        if name not in _DOCUMENTS:
            continue
        kept = f"{Path(name).stem}.edited{Path(name).suffix}"
        is_edited = (old / name).is_file() and not _is_unaltered(old / name, digest)
        source = old / (name if is_edited else kept)
        if source.is_file():
            shutil.copyfile(source, new / kept)
        if is_edited:
            names.append(kept)
    return names


def _is_unaltered(path: Path, digest: str) -> bool:
    """Tell whether a file has the SHA-256 of the manifest, or a text file would have it with other line ends."""
    if hash_file(path) == digest:
        return True
    is_text = path.suffix in (".json", ".md", ".csv") and path.stat().st_size <= _MAX_JSON_BYTES
    return is_text and hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest() == digest


def read_description(path: Path) -> dict[str, Any]:
    """Read a guide.json.

    Raises:
        GuideDamaged: it is not a JSON object, is too large, or needs a newer Fieldguide.
    """
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise GuideDamaged(f"{path} is too large", GET_IT_AGAIN)
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version = int(about["schema_version"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise GuideDamaged(f"{path} cannot be read: {error}", GET_IT_AGAIN) from error
    if version > SCHEMA_VERSION:
        raise GuideDamaged(
            f"{path} has schema version {version}; this Fieldguide reads up to {SCHEMA_VERSION}",
            "install a newer Fieldguide",
        )
    return dict(about)


def check_description(about: Mapping[str, Any], listed: set[str]) -> None:
    """Check that what the page and the API will show is there, and that every example is listed in the manifest.

    Raises:
        KeyError: something is missing.
        TypeError: something is of the wrong type.
        ValueError: a name is empty or given twice, or an example is not a file of the guide.
    """
    names = [row["name"] for row in about["classes"]]
    texts = [about["name"], about["about"], *names, *(row["about"] for row in about["classes"])]
    texts += [row.get("parent", "") for row in about["classes"]]
    links = [link for row in about["classes"] for link in row["links"]]
    for link in links:  # an address alone, in a guide from before they had labels
        texts += [link] if isinstance(link, str) else [link["label"], link["url"]]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, text or link is not text")
    if not names or len(set(names)) < len(names) or not all(names):
        raise ValueError("a class has no name, or two have the same")
    for example in (example for row in about["classes"] for example in row["examples"]):
        if example["file"] not in listed:
            raise ValueError(f"the example {example['file']!r} is not in the manifest")
    limits = about.get("limits", {})
    if (
        not isinstance(limits, dict)
        or not limits.keys() <= _MOST.keys()
        or any(type(limits[key]) is not int for key in limits)
    ):
        raise TypeError("the limits on pictures are not numbers")
    if any(not 1 <= limits[key] <= _MOST[key] for key in limits):
        raise ValueError("the limits on pictures are out of bounds")
    if not 0 < float(about.get("unsure_below", 0.6)) <= 1:
        raise ValueError("the probability under which a class is unsure is out of bounds")
    data = about.get("data", {})
    if not isinstance(data, dict):
        raise TypeError("what it was learnt from is not a table")
    if [type(number) for number in data.get("learnt_per_class", [0, 0])] != [int, int]:
        raise ValueError("how many pictures a class was learnt from is not two numbers")
    if len([float(part) for part in about["scores"]["accuracy"]]) != 3:
        raise ValueError("the accuracy has no interval")
    _check_additions(about, listed)


def _check_additions(about: Mapping[str, Any], listed: set[str]) -> None:
    """Check what guides of earlier versions don't have: names in languages, counts, neighbours and branding.

    Raises:
        KeyError: something is missing.
        TypeError: something is of the wrong type.
        ValueError: counts are not in pairs, or the logo is not a file of the guide.
    """
    branding = about.get("branding", {})
    tables = [branding, *(row.get(key, {}) for row in about["classes"] for key in ("names", "images"))]
    if not all(isinstance(table, dict) for table in tables):
        raise TypeError("names in other languages, numbers of pictures, or the branding, are not tables")
    names = [text for row in about["classes"] for pair in row.get("names", {}).items() for text in pair]
    if not all(isinstance(text, str) for text in [*names, *branding.values()]):
        raise TypeError("a name in another language, or the branding, is not text")
    if "logo" in branding and (branding["logo"] != LOGO or LOGO not in listed):
        raise ValueError(f"the logo is not {LOGO}, or not in the manifest")
    for row in about["classes"]:
        numbers = list(row.get("images", {}).values())
        if not isinstance(row.get("neighbours", []), list):
            raise TypeError("the neighbours of a class are not a list")
        for other in row.get("neighbours", []):
            if not isinstance(other["name"], str) or not isinstance(other["measured_on"], str):
                raise TypeError("the name of a neighbour is not text")
            numbers += [number for way in ("taken_for_it", "it_taken_for_this") for number in _pair(other[way])]
        if any(type(number) is not int for number in numbers):
            raise TypeError("how many pictures there are is not a number")


def _pair(values: Sequence[Any]) -> Sequence[Any]:
    if len(values) != 2:
        raise ValueError("how often a class is taken for another is not two numbers")
    return values


def check_views(views: Sequence[Preprocessing], threshold: float) -> None:
    """Check that a picture can be fitted to the squares, all of one size, and that the threshold is a number.

    Raises:
        ValueError: a number of views, a size, a way to fit or the threshold is impossible.
    """
    if not 1 <= len(views) <= MAX_VIEWS or len({view.size for view in views}) > 1:
        raise ValueError(f"there are {len(views)} views, or they differ in size")
    for view in views:
        sizes = (view.size, view.resize_shorter)
        if any(type(size) is not int for size in sizes) or not 1 <= sizes[0] <= sizes[1] <= 4096:
            raise ValueError(f"the sizes are {sizes}")
        if view.fit not in ("crop", "squash", "pad") or view.interpolation != "bicubic":
            raise ValueError(f"pictures cannot be fitted by {view.fit!r} and {view.interpolation!r}")
    if threshold != threshold:
        raise ValueError("the threshold is not a number")


def check_shapes(session: Any, views: Sequence[Preprocessing], classes: int) -> None:
    """Check that the model's inputs and outputs are those that the guide states.

    Raises:
        ValueError: they are not.
    """
    inputs = {node.name: (node.type, list(node.shape)[1:]) for node in session.get_inputs()}
    outputs = {node.name: list(node.shape)[1:] for node in session.get_outputs()}
    size = views[0].size
    shape = [len(views), size, size, 3] if len(views) > 1 else [size, size, 3]
    if inputs != {"image": ("tensor(uint8)", shape)}:
        raise ValueError(f"the model's inputs are {inputs}")
    answered = outputs.get("probs", [])
    if len(answered) == 1 and isinstance(answered[0], int) and answered[0] != classes:
        raise ValueError(f"it names {plural(classes, 'class')}, and its model answers with {answered[0]}")
    if answered != [classes] or "familiarity" not in outputs or "features" not in outputs:
        raise ValueError(f"the model's outputs are {outputs}")


def check_model(data: bytes) -> None:
    """Check that an ONNX file holds all its data and uses only standard operators.

    Raises:
        GuideDamaged: it does not, is larger than 500 MB, or is not an ONNX file.
    """
    check_size(len(data))
    try:
        _check_message(memoryview(data), "model", 0)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise GuideDamaged(f"the model is not an ONNX file: {error}", GET_IT_AGAIN) from error


def check_size(size_bytes: int) -> None:
    """Check that a model is no larger than 500 MB.

    Raises:
        GuideDamaged: it is larger.
    """
    if size_bytes > MAX_BYTES:
        raise GuideDamaged(f"the model has {size_bytes:,} bytes; at most {MAX_BYTES:,} are allowed", GET_IT_AGAIN)


def _check_message(data: memoryview, message: str, depth: int) -> None:
    """Check a message and those inside it; a ValueError or IndexError says that the bytes are not protobuf."""
    if depth > _DEPTH:
        raise GuideDamaged("the model's graphs are nested too deeply", GET_IT_AGAIN)
    values = 1
    for field, value in _fields(data):
        if message == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
            if field == _EXTERNAL_DATA or value != 0:
                raise GuideDamaged("the model keeps data in other files", GET_IT_AGAIN)
        elif field == _DOMAIN_FIELDS.get(message) and isinstance(value, memoryview):
            domain = bytes(value).decode()
            if domain not in _ALLOWED_DOMAINS:
                raise GuideDamaged(f"the model uses operators of {domain[:60]!r}", GET_IT_AGAIN)
        elif message == "tensor" and field == _DIMS:
            for size in _numbers(value):
                values *= size
        inner = _MESSAGES[message].get(field)
        if inner and isinstance(value, memoryview):
            _check_message(value, inner, depth + 1)
    if message == "tensor" and values > _MOST_VALUES_PER_BYTE * len(data):  # a runtime may make room for all of them
        raise GuideDamaged(f"the model states {values:,} values of which it holds few", GET_IT_AGAIN)


def _numbers(value: int | memoryview) -> Iterator[int]:
    """Yield the numbers of a field that holds one, or many behind each other."""
    if isinstance(value, int):
        yield value
        return
    place = 0
    while place < len(value):
        number, place = _varint(value, place)
        yield number


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield each field's number and value: a number, or the bytes of a string or message."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            number, place = _varint(data, place)
            yield tag >> 3, number
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + length > len(data):
            raise ValueError("cut short")
        yield tag >> 3, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return a base-128 number and the place behind it."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ValueError("a number is too long")
