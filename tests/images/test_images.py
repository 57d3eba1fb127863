"""Bytes to pixels: every kind of picture made here, every reason to refuse, and that nothing warns."""

import io
import re
import struct
import threading
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, GifImagePlugin, Image, ImageCms, ImageFile

from fieldguide.engine import map_threads
from fieldguide.errors import BadImage
from fieldguide.images import Limits, copy_prints, copy_thumbnails, decode, dhash, read_header, thumbnail_jpeg

Pixels = npt.NDArray[np.uint8]
ALL = Limits(formats=("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"))


def photo(width: int = 64, height: int = 48) -> Image.Image:
    """Return a smooth picture, not symmetric in any way, so that every turn shows."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / width, 255 * y / height
    return Image.fromarray(np.stack([red, green, 255 - (red + green) / 2], -1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """Write a PNG by hand, for what Pillow does not write."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + pixels + chunk(b"IEND", b"")


def refused(data: bytes, limits: Limits = ALL) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, limits)
    assert caught.value.detail
    return caught.value.reason


def psnr(a: Pixels, b: Pixels) -> float:
    error = float(np.mean((a.astype(float) - b.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


# ---- formats


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("PNG", ".png", {}), ("BMP", ".bmp", {}), ("WEBP", ".webp", {"lossless": True}), ("TIFF", ".tif", {}),
        ("JPEG", ".jpg", {"quality": 98, "subsampling": 0}), ("AVIF", ".avif", {"quality": 98}),
    ],
)  # fmt: skip
def test_reads_each_format(kind: str, suffix: str, options: dict[str, Any]) -> None:
    data = saved(photo(), kind, **options)
    header = read_header(data, ALL)
    assert (header.format, header.width, header.height, header.suffix) == (kind, 64, 48, suffix)
    assert (header.mode, header.frames) == ("RGB", 1)
    pixels = decode(data, ALL)
    assert pixels.shape == (48, 64, 3) and pixels.dtype == np.uint8
    assert psnr(pixels, np.asarray(photo())) > (38 if kind in ("JPEG", "AVIF") else 98)


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "PPM", "ICO", "TGA", "JPEG2000", "QOI", "DDS", "SGI", "PCX", "EPS"])
def test_refuses_formats_that_were_not_named(kind: str) -> None:
    data = saved(photo(), kind)
    assert refused(data, Limits()) == "unsupported_format"
    with pytest.raises(BadImage, match=r"unsupported_format: .* is not an accepted format; accepted are JPEG"):
        read_header(data)


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_a_damaged_file_is_told_without_words_of_programmers(kind: str) -> None:
    data = saved(photo(), kind)
    for damaged in (data[:12] + b"\xff" * (len(data) - 12), data[:8], data[:20] + bytes(len(data) - 20)):
        with pytest.raises(BadImage) as caught:
            decode(damaged, ALL)
        assert not re.search(r"Error|driver|unpack|NoneType|\ba [AEIOU]", caught.value.detail), caught.value.detail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"), (b"x", "not_an_image"), (b"<!DOCTYPE html><html>404</html>", "not_an_image"),
        (b"%PDF-1.7 ...", "not_an_image"), (b"PK\x03\x04" + bytes(90), "not_an_image"),
        (b'{"error": "not found"}', "not_an_image"), (bytes(4096), "not_an_image"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "unsupported_format"), (b"8BPS\0\x01", "unsupported_format"),
        (b"\xff\xd8", "truncated"), (b"\x89PNG\r\n\x1a\n", "truncated"), (b"GIF89a", "truncated"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8 ", "truncated"),
    ],
)  # fmt: skip
def test_reasons_for_what_is_no_picture(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP"):
        lossless = {"lossless": True} if kind == "WEBP" else {}
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **lossless)
        assert read_header(data).frames == 3
        assert (decode(data) == (255, 0, 0)).all()


def test_the_frames_of_a_long_gif_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    still, next_one = Image.new("RGB", (500, 500), "red"), Image.new("RGB", (500, 500), "blue")
    gif = saved(still, "GIF", save_all=True, append_images=[next_one], duration=40)
    body = gif[gif.rindex(b"!\xf9") : -1]
    data = gif[:-1] + body * 20_000 + b";"
    monkeypatch.delattr(GifImagePlugin.GifImageFile, "n_frames")
    monkeypatch.delattr(GifImagePlugin.GifImageFile, "seek")
    assert read_header(data).frames == 20_002
    assert (decode(data) == (255, 0, 0)).all()


def test_an_mpo_is_a_jpeg() -> None:
    data = saved(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    assert read_header(data).format == "JPEG"
    assert psnr(decode(data), np.asarray(photo())) > 28


def test_what_is_wrong_with_an_animation_does_not_matter() -> None:
    rows = b"\0\xff\0\0" * 1
    empty_control = chunk(b"acTL", struct.pack(">II", 0, 0))
    assert decode(png(1, 1, 8, 2, rows, empty_control, empty_control)).tolist() == [[[255, 0, 0]]]
    early = chunk(b"fdAT", bytes(8))
    assert decode(png(1, 1, 8, 2, rows, chunk(b"acTL", struct.pack(">II", 2, 0)), early)).tolist() == [[[255, 0, 0]]]


# ---- upright

TURNS = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a),
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    quality = {"quality": 98} if kind in ("JPEG", "AVIF", "WEBP") else {}
    pixels = decode(saved(photo(), kind, exif=exif, **quality), ALL)
    upright = TURNS[orientation](np.asarray(photo()))
    assert pixels.shape == upright.shape
    assert psnr(pixels, upright) > 30


def test_big_endian_exif_and_one_behind_the_pixels() -> None:
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    data = saved(photo(), "PNG")
    late = data[:-12] + chunk(b"eXIf", tiff) + data[-12:]
    assert decode(late).shape == (64, 48, 3)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0\xff\xff"]))
def test_damaged_exif_neither_warns_nor_refuses(body: bytes, magic: bytes) -> None:
    data = saved(photo(8, 6), "JPEG", exif=b"Exif\0\0" + magic + body)
    assert sorted(decode(data).shape) == [3, 6, 8]
    assert read_header(data).width == 8


# ---- colour


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    exact = np.round(values / 257).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        pixels = decode(saved(Image.fromarray(values), kind), ALL)
        assert np.array_equal(pixels, np.repeat(exact[..., None], 3, 2))
        assert abs(float(pixels.mean()) - 127.5) < 0.5
    big = saved(Image.frombytes("I;16B", (64, 48), values.astype(">u2").tobytes()), "TIFF")
    assert np.array_equal(decode(big, ALL)[..., 0], exact)
    wide = saved(Image.fromarray(values.astype(np.int32)), "TIFF")
    assert np.array_equal(decode(wide, ALL)[..., 0], exact)


def test_numbers_without_a_defined_white_are_refused() -> None:
    assert refused(saved(Image.new("F", (4, 4), 0.5), "TIFF")) == "unsupported_format"
    assert refused(saved(Image.new("I", (4, 4), 70_000), "TIFF")) == "unsupported_format"


def test_hidden_colour_under_alpha_is_white() -> None:
    hidden = np.zeros((10, 10, 4), np.uint8)
    hidden[..., 0] = 255
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        assert (decode(saved(Image.fromarray(hidden), kind, **options), ALL) == 255).all()


def test_half_alpha_is_half_white() -> None:
    half = Image.new("RGBA", (4, 4), (0, 100, 200, 128))
    assert decode(saved(half, "PNG"))[0, 0].tolist() == [127, 177, 227]
    assert decode(saved(Image.new("LA", (4, 4), (0, 128)), "PNG"))[0, 0].tolist() == [127] * 3


def test_palettes_and_colour_keys() -> None:
    index = Image.new("P", (2, 1))
    index.putpalette([255, 0, 0, 0, 0, 255])
    index.putpixel((1, 0), 1)
    assert decode(saved(index, "PNG"))[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert decode(saved(index, "PNG", transparency=0))[0].tolist() == [[255, 255, 255], [0, 0, 255]]
    assert decode(saved(index, "PNG", transparency=b"\xff\x80"))[0].tolist() == [[255, 0, 0], [127, 127, 255]]
    assert decode(saved(index, "GIF", transparency=0))[0].tolist() == [[255, 255, 255], [0, 0, 255]]
    keyed = png(2, 1, 8, 2, b"\0\x01\x02\x03\x01\x02\x04", chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
    assert decode(keyed)[0].tolist() == [[255, 255, 255], [1, 2, 4]]
    grey = png(2, 1, 8, 0, b"\0\x07\x08", chunk(b"tRNS", struct.pack(">H", 7)))
    assert decode(grey)[0].tolist() == [[255] * 3, [8] * 3]
    deep = png(2, 1, 16, 0, b"\0\x12\x34\x12\x35", chunk(b"tRNS", b"\x12\x34"))
    assert decode(deep)[0].tolist() == [[255] * 3, [18] * 3]
    bits = png(8, 1, 1, 0, b"\0\x0f", chunk(b"tRNS", b"\0\0"))
    assert (decode(bits) == 255).all()


def test_one_bit_and_grey() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "BMP", "TIFF"):
        assert decode(saved(image, kind), ALL)[0].tolist() == [[0] * 3, [255] * 3]
    assert (decode(saved(Image.new("L", (9, 9), 77), "JPEG")) == 77).all()


def test_cmyk_of_adobe() -> None:
    """Pillow writes CMYK with Adobe's inverted inks; the colours must come back as colours."""
    for kind in ("JPEG", "TIFF"):
        data = saved(photo().convert("CMYK"), kind, **({"quality": 98} if kind == "JPEG" else {}))
        assert read_header(data, ALL).mode == "CMYK"
        assert psnr(decode(data, ALL), np.asarray(photo())) > 30


def test_lab_and_ycbcr() -> None:
    white = Image.new("LAB", (4, 4), (255, 128, 128))
    assert decode(saved(white, "TIFF"), ALL).min() >= 250
    assert psnr(decode(saved(photo().convert("YCbCr"), "TIFF"), ALL), np.asarray(photo())) > 30


def swapped_profile() -> bytes:
    """Return an sRGB profile whose red and green primaries have changed places, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_profile_is_followed(kind: str) -> None:
    red = Image.new("RGB", (16, 16), (250, 10, 10))
    profile = swapped_profile()
    pixels = decode(saved(red, kind, icc_profile=profile), ALL)
    assert pixels[8, 8, 1] > 240 and pixels[8, 8, 0] < 40


def test_the_profile_leaves_alpha_alone() -> None:
    clear = Image.new("RGBA", (4, 4), (250, 10, 10, 0))
    assert (decode(saved(clear, "PNG", icc_profile=swapped_profile())) == 255).all()


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 200, swapped_profile()[:200]])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    pixels = decode(saved(photo(), "PNG", icc_profile=profile))
    assert np.array_equal(pixels, np.asarray(photo()))


def test_a_profile_of_another_kind_is_ignored() -> None:
    grey = saved(photo().convert("L"), "PNG", icc_profile=swapped_profile())
    assert np.array_equal(decode(grey)[..., 0], np.asarray(photo().convert("L")))


# ---- threads


def test_changes_nothing_global_and_works_in_threads() -> None:
    files = [saved(photo(300, 200), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")] * 8
    alone = [decode(data, ALL) for data in files]
    state = (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, threading.active_count())
    together = list(map_threads(lambda data: decode(data, ALL), files, workers=6))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert state == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, threading.active_count())


# ---- scaled


@pytest.mark.parametrize(("at_least", "scale"), [(None, 1), (601, 1), (600, 1), (300, 2), (299, 2), (75, 8), (1, 8)])
def test_a_jpeg_is_decoded_smaller_but_not_too_small(at_least: int | None, scale: int) -> None:
    data = saved(
        photo(801, 600),
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 274, 3, 1, 6, 0, 0),
    )
    pixels = decode(data, at_least=at_least)
    assert pixels.shape == (-(-801 // scale), -(-600 // scale), 3)


def test_others_are_decoded_whole() -> None:
    assert decode(saved(photo(), "PNG"), at_least=4).shape == (48, 64, 3)


# ---- small pictures


def test_thumbnails() -> None:
    pixels = np.asarray(photo(300, 200))
    for side, shape in ((100, (67, 100, 3)), (400, (200, 300, 3)), (1, (1, 1, 3))):
        data = thumbnail_jpeg(pixels, side)
        assert decode(data).shape == shape
    image = Image.open(io.BytesIO(thumbnail_jpeg(np.zeros((1, 60_000, 3), np.uint8), 64)))
    assert image.size == (64, 1) and not image.getexif()
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert len(thumbnail_jpeg(pixels, 300, 20)) < len(thumbnail_jpeg(pixels, 300, 90))


def hash_by_hand(pixels: Pixels) -> int:
    """Compute it by the definition, on a picture whose cells are whole numbers of pixels."""
    grey = (pixels.astype(int) @ np.array([19595, 38470, 7471]) + 32768) >> 16
    rows, columns = grey.shape[0] // 8, grey.shape[1] // 9
    across = np.floor(grey.reshape(-1, 9, columns).mean(2) + 0.5)
    cells = np.floor(across.reshape(8, rows, 9).mean(1) + 0.5)
    bits = "".join("1" if cells[y, x] < cells[y, x + 1] else "0" for y in range(8) for x in range(8))
    return int(bits, 2)


def test_dhash_by_its_definition() -> None:
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 36, 3), dtype=np.uint8)
        mine, mirrored = dhash(pixels)
        assert mine == hash_by_hand(pixels)
        assert mirrored == dhash(pixels[:, ::-1])[0]
    assert dhash(np.full((50, 50, 3), 9, np.uint8)) == (0, 0)


def test_near_copies_are_near_and_others_are_not() -> None:
    rng = np.random.default_rng(3)
    blotches = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    unlike = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)).resize(
        (700, 600), Image.Resampling.BICUBIC
    )
    big = blotches.resize((700, 600), Image.Resampling.BICUBIC)
    copy = decode(saved(big.resize((331, 280)), "JPEG", quality=60))
    hashes = dhash(np.asarray(big))
    assert (hashes[0] ^ dhash(copy)[0]).bit_count() <= 3
    assert (hashes[1] ^ dhash(copy[:, ::-1])[0]).bit_count() <= 3
    assert (hashes[0] ^ dhash(np.asarray(unlike))[0]).bit_count() > 12
    likeness = np.corrcoef(copy_thumbnails(np.asarray(big))[0].ravel(), copy_thumbnails(copy)[0].ravel())[0, 1]
    assert likeness > 0.99


def test_thumbnails_that_copies_are_compared_by() -> None:
    grey, colour = copy_thumbnails(np.full((99, 7, 3), (255, 0, 0), np.uint8))
    assert grey.shape == (32, 32) and grey.dtype == np.uint8 and (grey == 76).all()
    assert colour.shape == (8, 8, 2) and colour.dtype == np.uint8 and (colour == (84, 255)).all()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    cells = pixels.reshape(8, 8, 8, 12, 3).mean(axis=(1, 3))
    red, green, blue = cells[..., 0], cells[..., 1], cells[..., 2]
    by_hand = np.stack([128 - 0.168736 * red - 0.331264 * green + 0.5 * blue,
                        128 + 0.5 * red - 0.418688 * green - 0.081312 * blue], axis=-1)  # fmt: skip
    grey, colour = copy_thumbnails(pixels)
    assert np.abs(colour - by_hand).max() < 2
    assert np.abs(grey.reshape(8, 4, 8, 4).mean(axis=(1, 3)) - cells @ [0.299, 0.587, 0.114]).max() < 2
    prints = copy_prints(Image.fromarray(pixels))
    assert prints.grey == grey.tobytes() and prints.colour == colour.tobytes()
    assert (int.from_bytes(prints.dhash), int.from_bytes(prints.mirror)) == dhash(pixels)


def test_small_pictures_refuse_other_arrays() -> None:
    for pixels in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(ValueError, match="pixels must be"):
            dhash(pixels)
    assert dhash(memoryview(bytearray(48)).cast("B", (4, 4, 3))) == (0, 0)
