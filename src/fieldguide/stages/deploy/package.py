"""Fieldguide itself, as a deployment carries it: a wheel of what is installed here, and the versions it runs with.

The wheel is made from the installed files, so that a deployment answers with the very code that answers here, whether
that came from an index, a checkout or an archive, and takes nothing from whoever else may hold its name on an index.
pip writes wheels only from a source tree; the installed package has none. Knows nothing about guides.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fieldguide.errors import MissingExtra

PYTHON = "3.13"  # what the platforms are told to run: each of them has it, and so has every library below
_NAME = "fieldguide"
_PACKAGES = ("fieldguide", "fieldguide_charts")
_PAGE = "fieldguide/web/guide/index.html"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive
# The platforms are Linux, whatever this computer is: PEP 508
_ENVIRONMENT = {
    "python_version": PYTHON, "python_full_version": f"{PYTHON}.0", "os_name": "posix", "sys_platform": "linux",
    "platform_system": "Linux", "implementation_name": "cpython", "platform_python_implementation": "CPython",
    "extra": "",
}  # fmt: skip


@cache
def build_wheel() -> tuple[str, bytes]:
    """Return the name and the bytes of a wheel of the Fieldguide that runs: PEP 427.

    Raises:
        MissingExtra: it was installed without its pages.
    """
    installed = metadata.distribution(_NAME)
    info = f"{_NAME}-{installed.version}.dist-info"
    contents = dict(_package_files())
    if _PAGE not in contents:
        raise MissingExtra("this Fieldguide was installed without its pages", "build them with: make pages")
    for name in ("METADATA", "entry_points.txt"):
        contents[f"{info}/{name}"] = (installed.read_text(name) or "").encode()
    for path in installed.files or ():
        if "licenses" in path.parts:
            contents[f"{info}/licenses/{path.name}"] = path.read_binary()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: fieldguide\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in sorted(contents.items())]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return f"{_NAME}-{installed.version}-py3-none-any.whl", packed.getvalue()


def _package_files() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the packages, the built pages among them, by their names in the wheel."""
    for package in _PACKAGES:
        root = Path(str(files(package)))
        for path in root.rglob("*"):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
                yield "/".join((package, *parts)), path.read_bytes()


def _digest(content: bytes) -> str:
    """Return a hash as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def pin_requirements() -> list[str]:
    """Return what Fieldguide needs on a platform, at the versions that are installed here.

    What only the platform needs, and is not installed here, stands without a version.
    """
    pins: dict[str, str] = {}
    waiting = [canonicalize_name(_NAME)]
    while waiting:
        name = waiting.pop()
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            pins[name] = name
            continue
        pins[name] = f"{name}=={installed.version.partition('+')[0]}"  # a local build is on no index
        for text in installed.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate(_ENVIRONMENT):
                waiting += [other for other in [canonicalize_name(needed.name)] if other not in pins]
    del pins[canonicalize_name(_NAME)]
    return sorted(pins.values())
