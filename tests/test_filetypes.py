"""What bytes are: real heads of real formats, pages under a picture's name, and noise."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import picture_bytes
from fieldguide.filetypes import is_picture, picture_format, sniff

PAGES = {
    "text/html": [
        b"<!DOCTYPE html><html>", b"  \n<html>", b"<HTML lang=en>", b"\xef\xbb\xbf<!doctype HTML>", b"<!-- x --><html>",
        b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', b"<script>1</script>", b"<h1>404</h1>",
        "\ufeff<html><body>".encode("utf-16-le"),
    ],
    "application/json": [b'{"error": 1}', b"[]", b"{}", b' [{"a": 1}]', b'{\n"a"', b"[1,2]"],
    "image/svg+xml": [
        b"<svg xmlns='http://www.w3.org/2000/svg'>", b'<?xml version="1.0"?>\n<!-- drawn --><svg width="1">',
        b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "x"><svg>', b"<svg:svg xmlns:svg='x'>",
    ],
    "application/xml": [b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', b"<Error><Code>NoSuchKey"],
    "application/pdf": [b"%PDF-1.7\n", b"\n%PDF-1.4"],
    "application/zip": [b"PK\x03\x04aaaa"],
    "video/mp4": [b"\0\0\0\x18ftypmp42\0\0", b"\0\0\0\x18ftypisom"],
    "text/plain": [b"Not found\n", b"error code: 1010", b"BMW builds cars"],
    "": [b"", b"\0\0\0\0", bytes(range(128, 256)), b"   "],
}  # fmt: skip


@pytest.mark.parametrize(("expected", "data"), [(name, data) for name, many in PAGES.items() for data in many])
def test_what_is_no_picture_is_told_by_its_bytes(expected: str, data: bytes) -> None:
    assert sniff(data, "image/jpeg") == expected
    assert is_picture(sniff(data, "image/jpeg")) == (expected == "")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_pictures_are_pictures_whatever_the_server_says(form: str) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(picture_bytes("circle", 1))).save(file, form)
    assert sniff(file.getvalue(), "text/html") == f"image/{form.lower()}"
    assert is_picture(sniff(file.getvalue(), "text/html"))
    assert picture_format(file.getvalue()) == form


@given(st.binary(max_size=2000), st.text(max_size=20))
def test_no_bytes_break_it(data: bytes, content_type: str) -> None:
    assert isinstance(sniff(data, content_type), str)


def test_long_openings_take_no_time() -> None:
    for data in (b"<!--" * 500, b"<?xml " * 300, b" " * 2000, b"<!DOCTYPE " * 200, b"-->" * 500):
        sniff(data, "")


@pytest.mark.shared
def test_no_file_that_is_accepted_as_a_picture_is_taken_for_something_else(shared: Path) -> None:
    with (shared / "hostile" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    accepted = [row for row in rows if row["expect"].startswith("accept")]
    assert len(accepted) > 300
    for row in accepted:
        with (shared / "hostile" / row["path"]).open("rb") as file_there:
            content_type = sniff(file_there.read(2000), "")
        assert is_picture(content_type), f"{row['path']}: {content_type}"
