"""When and with what a picture was taken: read where it stands, and nothing where the block is broken or lies."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fieldguide.images import decode_photo
from fieldguide.images.exif import read_capture, read_orientation
from fieldguide.records import NO_CAPTURE, Capture


def exif_of(taken: str = "2015:07:02 10:20:30", fraction: str = "", camera: tuple[str, str] = ("", "")) -> Image.Exif:
    """Return a block that says when and with what a picture was taken."""
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    details[0x9003] = taken
    for directory, tag, text in ((details, 0x9291, fraction), (exif, 0x010F, camera[0]), (exif, 0x0110, camera[1])):
        if text:
            directory[tag] = text
    return exif


def big_endian(taken: bytes) -> bytes:
    """Write a block by hand, as a camera with the other order of bytes does."""
    first = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 26, 0)
    details = struct.pack(">HHHIII", 1, 0x9003, 2, len(taken), 44, 0)
    return b"MM\0*\0\0\0\x08" + first + details + taken


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_time_fraction_and_camera_are_read(kind: str) -> None:
    file = io.BytesIO()
    exif = exif_of(fraction="045", camera=("Canon\0", " EOS 5D "))
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), "red").save(file, kind, exif=exif)
    image, capture = decode_photo(file.getvalue())
    assert capture == Capture("2015-07-02T10:20:30.045000", "Canon EOS 5D")
    assert image.size == (30, 40), "it is upright as before"


def test_either_order_of_bytes() -> None:
    assert read_capture(big_endian(b"2015:07:02 10:20:30\0")) == Capture("2015-07-02T10:20:30", "")


@pytest.mark.parametrize(
    "taken",
    ["", "0000:00:00 00:00:00", "    :  :     :  :  ", "2015:13:02 10:20:30", "2015:07:02 24:00:00", "today"],
)
def test_a_time_that_is_none_is_nothing(taken: str) -> None:
    assert read_capture(exif_of(taken, "45", ("Canon", "EOS")).tobytes()) == NO_CAPTURE


@pytest.mark.parametrize("fraction", ["", "   ", "x", "999999999"])
def test_an_odd_fraction_costs_no_time(fraction: str) -> None:
    assert read_capture(exif_of(fraction=fraction).tobytes()).taken_at.startswith("2015-07-02T10:20:30")


@pytest.mark.parametrize("exif", [None, "text", b"", b"Exif\0\0", b"Exif\0\0II*\0", b"II*\0\xff\xff\xff\xff\0\0"])
def test_no_block_says_nothing(exif: object) -> None:
    assert (read_capture(exif), read_orientation(exif)) == (NO_CAPTURE, 1)


_WHOLE = exif_of(fraction="5", camera=("Canon", "EOS")).tobytes()
_changes = st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=8)


@given(st.integers(0, len(_WHOLE)), _changes)
def test_a_damaged_block_raises_nothing(length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(_WHOLE)
    for place, value in changes:
        data[place] = value
    taken_at, camera = read_capture(bytes(data[:length]))
    assert len(taken_at) in (0, 19, 26) and (camera + taken_at).isprintable()
    assert 1 <= read_orientation(bytes(data[:length])) <= 8


@given(st.sampled_from([b"II*\0", b"MM\0*"]), st.binary(max_size=200))
def test_any_bytes_raise_nothing(order: bytes, body: bytes) -> None:
    assert len(read_capture(b"Exif\0\0" + order + body).taken_at) in (0, 19, 26)
