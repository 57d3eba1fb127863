"""The pictures in a request, read under limits of bytes, of time and of what all uploads hold together.

Knows nothing about guides: the limits are handed in, and bytes come out.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect

from fieldguide.serving import Problem

MOST_PICTURES = 32
_BEGIN_S = 10.0  # within which a body has to begin, and then come at no less than the rate
_BYTES_PER_S = 10_000
_AT_ONCE_BYTES = 1_000_000  # a longer text is decoded in a thread: others would wait for it
_URL_ALPHABET = str.maketrans("-_", "+/")  # of base64, RFC 4648, section 5


@dataclass(frozen=True)
class Sent:
    """What a request holds.

    Attributes:
        pictures: the bytes of each, with the name of its file, "" where it has none.
        many: whether it is a list, even of one.
        url: the address of a picture that the server should fetch, or "".
    """

    pictures: tuple[tuple[str, bytes], ...]
    many: bool = False
    url: str = ""


class Uploads:
    """Counts the bytes of all uploads that are held at once, and refuses more than there is room for."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held_bytes = 0

    @contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Yield what takes room for so many more bytes of one upload; the room is given back at the end."""
        own_bytes = 0

        def hold(size_bytes: int) -> None:
            nonlocal own_bytes
            if self._held_bytes + size_bytes > self._most_bytes:
                raise Problem(503, "busy", "too many uploads at once; try again in a second")
            self._held_bytes += size_bytes
            own_bytes += size_bytes

        try:
            yield hold
        finally:
            self._held_bytes -= own_bytes


def media_type(request: Request) -> str:
    """Return what a request says that its body is, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def most_body_bytes(kind: str, max_bytes: int) -> int:
    """Return how long a body of a media type may be that holds a picture of so many bytes."""
    if kind == "application/json":
        return 4096 + max_bytes * 3 // 2  # base64 with line ends
    return max_bytes + (MOST_PICTURES * 4096 if kind == "multipart/form-data" else 4096)


async def read_body(request: Request, max_bytes: int, hold: Callable[[int], None]) -> bytes:
    """Return the body of a request that holds pictures of so many bytes.

    Args:
        request: its body is read as it arrives, never more than allowed.
        max_bytes: the largest picture.
        hold: asked for room before a piece is kept.

    Raises:
        Problem: it is too long, too slow or cut off.
    """
    most_bytes = most_body_bytes(media_type(request), max_bytes)
    too_large = Problem(413, "too_many_bytes", f"the picture is larger than {max_bytes:,} bytes")
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > most_bytes:
        raise too_large
    body = bytearray()
    start_s = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(_BEGIN_S) as limit:
            async for chunk in request.stream():
                if len(body) + len(chunk) > most_bytes:
                    raise too_large
                hold(len(chunk))
                body += chunk
                limit.reschedule(start_s + _BEGIN_S + len(body) / _BYTES_PER_S)
    except ClientDisconnect as error:
        raise Problem(400, "cut_off", "the picture did not arrive whole") from error
    except TimeoutError as error:
        raise Problem(408, "too_slow", f"the picture came at less than {_BYTES_PER_S:,} bytes a second") from error
    return bytes(body)


async def read_pictures(request: Request, max_bytes: int, hold: Callable[[int], None]) -> Sent:
    """Return the pictures of a form's fields `file`, of JSON `{"image": base64}`, or the body itself.

    Args:
        request: see `read_body`.
        max_bytes: the largest picture; several may have so many bytes together.
        hold: see `read_body`.

    Raises:
        Problem: see `read_body`; or there is no picture in it.
    """
    body = await read_body(request, max_bytes, hold)
    kind = media_type(request)
    if kind == "multipart/form-data":
        return await _from_form(request, body)
    if kind == "application/json":
        return await asyncio.to_thread(_from_json, body) if len(body) > _AT_ONCE_BYTES else _from_json(body)
    return Sent((("", body),))


async def _from_form(request: Request, body: bytes) -> Sent:
    """Return the files of the form's fields `file`."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form(max_files=MOST_PICTURES, max_fields=16) as form:
            files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
            if not files:
                raise Problem(422, "no_file", "send the picture as the form's field 'file'")
            pictures = [(each.filename or "", await each.read()) for each in files]
    except (MultiPartException, HTTPException, KeyError, ValueError) as error:
        raise Problem(400, "broken_form", f"the form cannot be read, or has over {MOST_PICTURES} pictures") from error
    return Sent(tuple(pictures), many=len(pictures) > 1)


def _from_json(body: bytes) -> Sent:
    """Return what `{"image": …}`, `{"images": […]}` or `{"url": …}` holds."""
    try:
        fields = json.loads(body)
        if "image" in fields:
            return Sent((("", decode_base64(fields["image"])),))
        if "images" in fields:
            texts = fields["images"]
            if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_PICTURES:
                raise ValueError
            return Sent(tuple(("", decode_base64(text)) for text in texts), many=True)
        url = fields["url"]
        if not isinstance(url, str) or not url:
            raise ValueError
        return Sent((), url=url)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        detail = f'send {{"image": "base64 of the picture"}}, or up to {MOST_PICTURES} of them as {{"images": […]}}'
        raise Problem(422, "broken_json", detail) from error


def decode_base64(text: str) -> bytes:
    """Return the bytes of a data: address, or of base64 in either alphabet, with or without line ends.

    Raises:
        ValueError: it is not base64.
        AttributeError: it is no text.
    """
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    encoded = "".join(encoded.split()).translate(_URL_ALPHABET).rstrip("=")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
