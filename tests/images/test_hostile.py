"""Bombs, scans and damage made here, and every hostile file of the collection beside the checkout.

What is asked of the collection is a rule, never a list of files: see the table `allowed`.
"""

import csv
import os
import struct
import warnings
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import GifImagePlugin, Image, ImageFile, WebPImagePlugin
from test_images import ALL, chunk, photo, png, refused, saved

from fieldguide.engine import Crash, map_guarded
from fieldguide.errors import BadImage
from fieldguide.images import Limits, decode, read_header

SHARED = Path(os.environ.get("FIELDGUIDE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
HOSTILE = SHARED / "hostile"

needs_collection = pytest.mark.skipif(
    not (HOSTILE / "labels.csv").exists(), reason=f"no collection of hostile files at {HOSTILE}"
)

# ---- limits


def test_the_pixel_cap_is_from_the_header() -> None:
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF"):
        data = saved(photo(), kind)
        assert refused(data, Limits(formats=ALL.formats, max_pixels=64 * 48 - 1)) == "too_many_pixels"
        decode(data, Limits(formats=ALL.formats, max_pixels=64 * 48))
    huge = png(30_000, 30_000, 8, 2, b"")
    assert refused(huge) == "too_many_pixels"


def test_sizes_over_pillows_own_warning_do_not_warn() -> None:
    data = saved(Image.new("1", (10_000, 9_500)), "PNG")
    assert refused(data) == "too_many_pixels"
    assert read_header(data, Limits(max_pixels=10**8)).width == 10_000
    assert decode(data, Limits(max_pixels=10**8)).shape == (9_500, 10_000, 3)


def refuse_to_open(*_: object) -> None:
    raise OSError("opened")


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_cap_comes_before_decoders_that_take_memory_to_open(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lossless = {"lossless": True} if kind == "WEBP" else {}
    files = [
        saved(image, kind, **options)
        for image in (photo(), photo().convert("RGBA"))
        for options in ({}, lossless, {"save_all": True, "append_images": [Image.new("RGB", (64, 48))]})
    ]
    opener = GifImagePlugin.GifImageFile if kind == "GIF" else WebPImagePlugin.WebPImageFile
    monkeypatch.setattr(opener, "__init__", refuse_to_open)
    for data in files:
        assert refused(data, Limits(max_pixels=64 * 48 - 1)) == "too_many_pixels"
        assert refused(data, Limits(max_pixels=64 * 48)) == "damaged"


def test_odd_tiff_tags_do_not_warn() -> None:
    data = bytearray(saved(photo(), "TIFF", dpi=(72, 72)))
    at = data.index(struct.pack("<HHI", 282, 5, 1))
    data[at + 8 : at + 12] = struct.pack("<I", 0x7FFFFFFF)
    assert np.array_equal(decode(bytes(data), ALL), np.asarray(photo()))


def test_a_gif_frame_may_not_be_larger_than_the_cap_either() -> None:
    data = bytearray(saved(Image.new("P", (20, 10)), "GIF"))
    at = data.index(b",", 13)
    data[at + 5 : at + 9] = struct.pack("<HH", 65_000, 65_000)
    assert refused(bytes(data)) == "too_many_pixels"


def test_no_side_is_over_65535() -> None:
    assert refused(png(65_536, 1, 8, 0, bytes(65_537))) == "too_many_pixels"
    assert decode(png(65_535, 1, 8, 0, bytes(65_536))).shape == (1, 65_535, 3)


def test_the_byte_cap() -> None:
    data = saved(photo(), "PNG")
    assert refused(data, Limits(max_bytes=len(data) - 1)) == "too_many_bytes"
    decode(data, Limits(max_bytes=len(data)))


def test_a_text_that_unpacks_without_end() -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000)))
    assert refused(png(1, 1, 8, 0, b"\0\0", text)) == "too_many_bytes"


def with_scans(extra: int) -> bytes:
    """Return a progressive JPEG with its last scan repeated again and again."""
    data = saved(photo(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * extra + b"\xff\xd9"


def test_scans_are_counted_before_decoding() -> None:
    usual = with_scans(0).count(b"\xff\xda")
    decode(with_scans(0), Limits(max_scans=usual))
    assert refused(with_scans(0), Limits(max_scans=usual - 1)) == "too_many_scans"
    assert refused(with_scans(100_000)) == "too_many_scans"


def test_scans_inside_thumbnails_and_behind_the_end_do_not_count() -> None:
    data = saved(photo(), "JPEG")
    mark = b"\xff\xda" * 200
    inside = data[:2] + b"\xff\xe5" + struct.pack(">H", len(mark) + 2) + mark + data[2:]
    assert np.array_equal(decode(inside), decode(data))
    assert np.array_equal(decode(data + mark), decode(data))


# ---- damage


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_cut_file_is_truncated(kind: str, share: float) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    noise = Image.merge("RGB", [Image.effect_noise((90, 70), 80) for _ in range(3)])
    data = saved(noise if kind != "GIF" else noise.convert("P"), kind, **options)
    assert refused(data[: max(2, int(len(data) * share))]) == "truncated"


def test_a_wrong_checksum_is_damage() -> None:
    data = bytearray(saved(photo(), "PNG"))
    data[20] ^= 1
    assert refused(bytes(data)) == "damaged"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_damage_gives_pixels_or_a_reason(kind: str, draw: st.DataObject) -> None:
    data = bytearray(saved(photo(24, 18), kind))
    for _ in range(draw.draw(st.integers(1, 6))):
        data[draw.draw(st.integers(4, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        pixels = decode(bytes(data), Limits(formats=ALL.formats, max_pixels=1_000_000))
    except BadImage as error:
        assert error.reason in REASONS
    else:
        assert pixels.ndim == 3 and pixels.dtype == np.uint8


REASONS = {
    "empty", "not_an_image", "unsupported_format", "too_many_bytes", "too_many_pixels", "too_many_scans",
    "truncated", "damaged",
}  # fmt: skip


@pytest.mark.parametrize("error", [MemoryError, NotImplementedError, RuntimeError, KeyError, struct.error, EOFError])
def test_whatever_a_decoder_raises_is_a_reason(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise error("odd")

    data = saved(photo(), "BMP")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    expected = {MemoryError: "too_many_pixels", EOFError: "truncated"}.get(error, "damaged")
    assert refused(data) == expected


def test_ctrl_c_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise KeyboardInterrupt

    data = saved(photo(), "BMP")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(KeyboardInterrupt):
        decode(data)


# ---- the collection

Outcome = tuple[str, tuple[int, ...]]
TAKEN = set(Limits().formats) | {"MPO"}


def outcome(path: str, limits: Limits) -> Outcome:
    """Return "accepted" and a shape, or the reason; any warning is a mistake and so raised."""
    warnings.simplefilter("error")
    data = Path(path).read_bytes()
    try:
        header = read_header(data, limits)
    except BadImage as error:
        header_says = error.reason
    else:
        header_says = "accepted"
        assert header.format in limits.formats and header.frames >= 1
    try:
        pixels = decode(data, limits)
        decode(data, limits, at_least=64)
    except BadImage as error:
        assert header_says in ("accepted", error.reason)
        return error.reason, ()
    assert header_says == "accepted"
    assert sorted(pixels.shape[:2]) == sorted((header.width, header.height))
    return "accepted", pixels.shape


def usual(path: str) -> Outcome:
    return outcome(path, Limits())


def everything(path: str) -> Outcome:
    return outcome(path, Limits(formats=(*Limits().formats, "TIFF", "AVIF")))


NO_PICTURE = "synthetic/broken_bitflip.png"


@cache
def rows() -> list[dict[str, str]]:
    with (HOSTILE / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def outcomes(more_formats: bool) -> list[Outcome]:
    paths = [str(HOSTILE / row["path"]) for row in rows()]
    function = everything if more_formats else usual
    limits = {"workers": 2, "cpu_s": 5.0, "memory_bytes": 400_000_000}
    by_place = dict(map_guarded(function, paths, **limits))  # type: ignore[arg-type]
    assert len(by_place) == len(paths)
    results = []
    for i, path in enumerate(paths):
        result = by_place[i]
        assert not isinstance(result, Crash), f"{path}: {result}"
        results.append(result)
    return results


def allowed(row: dict[str, str]) -> set[str]:
    """Return the right answers with the usual formats, by what the collection says of a file."""
    expect, kind = row["expect"], row["format"]
    refusals = {"empty", "not_an_image", "unsupported_format", "too_many_bytes", "truncated", "damaged"}
    if kind and kind not in TAKEN:
        # Of a format that is not taken, whatever else is wrong with it.
        return {"unsupported_format", "not_an_image"}
    return {
        "accept": {"accepted"},
        "accept_damaged": {"accepted", "truncated", "damaged"},
        "truncated": {"truncated", "damaged", "too_many_bytes"},
        "unsupported_format": {"unsupported_format"},
        "bomb": {"too_many_pixels", "too_many_bytes", "unsupported_format"},
        "archive": {"not_an_image"},
        "valid_elsewhere": {"accepted", "unsupported_format"},
        "reject": refusals | {"too_many_pixels", "too_many_scans"},
    }[expect]


@pytest.mark.shared
@needs_collection
def test_there_are_as_many_as_were_counted() -> None:
    assert len(rows()) == 1305


@pytest.mark.shared
@needs_collection
def test_every_good_picture_is_accepted() -> None:
    pairs = zip(rows(), outcomes(False), strict=True)
    accepted = [(row["path"], answer) for row, (answer, _) in pairs if row["expect"] == "accept"]
    assert len(accepted) == 383
    assert [path for path, answer in accepted if answer != "accepted"] == [NO_PICTURE]


@pytest.mark.shared
@needs_collection
def test_what_is_labelled_good_and_refused_holds_no_picture() -> None:
    """Its one IDAT fails its CRC and is no zlib stream (PNG, third edition, 10.1): no decoder can make pixels of it."""
    data = (HOSTILE / NO_PICTURE).read_bytes()
    place = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[place - 4 : place])
    packed, (sum_,) = data[place + 4 : place + 4 + length], struct.unpack_from(">I", data, place + 4 + length)
    assert data.count(b"IDAT") == 1 and zlib.crc32(b"IDAT" + packed) != sum_
    with pytest.raises(zlib.error):
        zlib.decompress(packed)


@pytest.mark.shared
@needs_collection
def test_nothing_that_must_be_refused_is_accepted() -> None:
    must = {"reject", "bomb", "archive", "truncated", "unsupported_format"}
    wrong = [
        row["path"]
        for row, (answer, _) in zip(rows(), outcomes(False), strict=True)
        if row["expect"] in must and answer == "accepted"
    ]
    assert wrong == []


@pytest.mark.shared
@needs_collection
def test_the_reasons_are_right() -> None:
    wrong = [
        (row["expect"], row["path"], answer)
        for row, (answer, _) in zip(rows(), outcomes(False), strict=True)
        if answer not in allowed(row)
    ]
    assert wrong == [("accept", NO_PICTURE, "damaged")]


@pytest.mark.shared
@needs_collection
def test_pictures_come_out_upright() -> None:
    for row, (answer, shape) in zip(rows(), outcomes(False), strict=True):
        if answer == "accepted" and row["width"]:
            size = int(row["height"]), int(row["width"])
            lying = row["orientation"] in ("5", "6", "7", "8")
            assert shape[:2] == (size[::-1] if lying else size), row["path"]


@pytest.mark.shared
@needs_collection
def test_with_tiff_and_avif_nothing_crashes_and_bombs_are_refused() -> None:
    counts = Counter((row["expect"], answer) for row, (answer, _) in zip(rows(), outcomes(True), strict=True))
    assert counts["bomb", "accepted"] == counts["reject", "accepted"] == counts["archive", "accepted"] == 0
    assert counts["unsupported_format", "accepted"] >= 75
