"""Pictures of 48 to 200 megapixels: what decoding costs decides, and it stays within bounds."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_images import photo, refused, saved

from conftest import flat_jpeg
from fieldguide.errors import BadImage
from fieldguide.images import Limits, decode, read_header

_MEASURE = """
import resource, sys
from pathlib import Path
from fieldguide.images import decode
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(*decode(data, at_least=448).shape)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def progressive_jpeg(width: int, height: int, subsampling: int = 2) -> bytes:
    """Return a progressive JPEG header of any size with the scans of a small one, which end too early."""
    data = bytearray(saved(photo(), "JPEG", progressive=True, subsampling=subsampling))
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(("width", "height"), [(8064, 6048), (8192, 6144), (12000, 9000), (16320, 12240)])
def test_pictures_of_phones_are_taken_in_little_memory(width: int, height: int, tmp_path: Path) -> None:
    data = flat_jpeg(width, height)
    assert (read_header(data).width, read_header(data).height) == (width, height)
    (tmp_path / "phone.jpg").write_bytes(data)
    command = [sys.executable, "-c", _MEASURE, str(tmp_path / "phone.jpg")]
    shape, grown_kb = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert shape == f"{-(-height // 8)} {-(-width // 8)} 3"
    assert int(grown_kb) < 100_000


def test_a_progressive_one_takes_the_memory_of_its_coefficients(tmp_path: Path) -> None:
    image = Image.fromarray(np.asarray(photo())).resize((8192, 6144))
    (tmp_path / "phone.jpg").write_bytes(saved(image, "JPEG", progressive=True))
    command = [sys.executable, "-c", _MEASURE, str(tmp_path / "phone.jpg")]
    shape, grown_kb = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert shape == "768 1024 3"
    assert int(grown_kb) < 400_000


def test_progressive_ones_are_refused_by_the_memory_that_they_need() -> None:
    assert read_header(progressive_jpeg(12000, 9000)).width == 12000  # 324 MB
    for data in (progressive_jpeg(12000, 9000, subsampling=0), progressive_jpeg(16320, 12240)):
        with pytest.raises(BadImage, match=r"too_many_pixels.*progressive"):
            read_header(data)


def test_channels_in_scans_of_their_own_count_as_progressive() -> None:
    data = bytearray(flat_jpeg(12000, 9000)[:4000])
    read_header(bytes(data))
    start = data.index(b"\xff\xda")
    data[start : start + 14] = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    channels = data.index(b"\xff\xc0") + 11
    data[channels] = 0x11  # 4:4:4
    with pytest.raises(BadImage, match=r"too_many_pixels.*progressive"):
        read_header(bytes(data))


def test_more_pixels_may_have_fewer_scans() -> None:
    data = progressive_jpeg(9600, 9600)
    scans = data.count(b"\xff\xda")
    limits = Limits(max_scans=2 * scans - 1, max_pixels=9600 * 9600 // 2)
    with pytest.raises(BadImage, match="too_many_scans"):
        read_header(data, limits)
    assert read_header(data, Limits(max_scans=2 * scans, max_pixels=9600 * 9600 // 2)).width == 9600


@pytest.mark.parametrize(("width", "height"), [(20000, 10001), (65535, 3060), (60000, 1000), (65535, 65535)])
def test_what_no_scale_makes_small_is_refused(width: int, height: int) -> None:
    assert refused(flat_jpeg(width, height)[:2000], Limits()) == "too_many_pixels"


def test_what_is_taken_is_decoded_at_every_size_of_a_model() -> None:
    data = flat_jpeg(16_384, 3_000)
    read_header(data, Limits(max_pixels=16_384 * 3_000 // 4))
    assert decode(data, Limits(max_pixels=16_384 * 3_000 // 4), at_least=1462).shape == (1500, 8192, 3)


def test_others_are_decoded_whole_and_so_limited_by_pixels() -> None:
    for kind in ("PNG", "WEBP", "GIF", "BMP"):
        file = io.BytesIO()
        photo(128, 96).save(file, kind)
        with pytest.raises(BadImage, match="too_many_pixels"):
            decode(file.getvalue(), Limits(max_pixels=128 * 96 - 1), at_least=8)


def test_heic_is_refused_with_the_way_to_a_jpeg() -> None:
    with pytest.raises(BadImage, match="Most Compatible"):
        read_header(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
