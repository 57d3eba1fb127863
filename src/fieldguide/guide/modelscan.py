"""Refuses an ONNX file that could reach outside itself, before any runtime sees it.

Reads the protobuf wire format directly, so that nothing needs to be installed and nothing is built in memory: it
looks only for tensor data kept in other files and for operators outside the standard domains.
Field numbers: onnx.proto3 of ONNX 1.17; wire format: the Protocol Buffers encoding specification.
"""

from collections.abc import Iterator

from fieldguide.errors import GuideDamaged

__all__ = ["check_model", "check_size"]

MAX_BYTES = 500_000_000
_DEPTH = 12
_ALLOWED_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_HINT = "get the guide again from whoever made it, or publish it anew"

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
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def check_model(data: bytes) -> None:
    """Nothing; the model holds all its data and uses only standard operators.

    Raises:
        GuideDamaged: it does not, is larger than 500 MB, or is no ONNX file.
    """
    check_size(len(data))
    try:
        _check(memoryview(data), "model", 0)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise GuideDamaged(f"the model is not an ONNX file: {error}", _HINT) from error


def check_size(size_bytes: int) -> None:
    """Nothing; the model is no larger than 500 MB.

    Raises:
        GuideDamaged: it is.
    """
    if size_bytes > MAX_BYTES:
        raise GuideDamaged(f"the model has {size_bytes:,} bytes; {MAX_BYTES:,} are the most", _HINT)


def _check(data: memoryview, message: str, depth: int) -> None:
    """Nothing; this message and those inside it are harmless.

    Raises:
        GuideDamaged: one is not.
        ValueError: the bytes are no protobuf.
    """
    if depth > _DEPTH:
        raise GuideDamaged("the model's graphs are nested too deep", _HINT)
    for field, value in _fields(data):
        if message == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
            if field == _EXTERNAL_DATA or value != 0:
                raise GuideDamaged("the model keeps data in other files", _HINT)
        elif field == _DOMAIN_FIELDS.get(message) and isinstance(value, memoryview):
            domain = bytes(value).decode()
            if domain not in _ALLOWED_DOMAINS:
                raise GuideDamaged(f"the model uses operators of {domain[:60]!r}", _HINT)
        inner = _MESSAGES[message].get(field)
        if inner and isinstance(value, memoryview):
            _check(value, inner, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number and value: a number, or the bytes of a string or message.

    Raises:
        ValueError: a length points outside, or a wire type is unknown.
        IndexError: a number is cut short.
    """
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
    """A base-128 number and the place behind it.

    Raises:
        IndexError: the bytes end.
        ValueError: it is longer than 64 bits.
    """
    number = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ValueError("a number is too long")
