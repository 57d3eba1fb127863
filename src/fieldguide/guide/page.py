"""The page of a guide, as it was built from web/guide: where it lies, and its title.

The same page answers in the browser alone, from a static folder, and asks a server where it came from one. Knows
nothing about how it works inside.
"""

import html
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from fieldguide.errors import MissingExtra

LOGO = "logo.png"  # of a guide whose branding has one
NOT_BUILT = "this Fieldguide was installed without its pages (build them with: make pages)"

PAGE_KINDS = {
    ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png",
    ".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm", ".woff2": "font/woff2",
}  # fmt: skip
_NOT_SERVED = {"index.html", "sw.js"}  # the one has a name put in; the other is for static folders


def find_page() -> Path | None:
    """Return the folder of the built page, None where it was not built."""
    folder = Path(str(files("fieldguide").joinpath("web", "guide")))
    return folder if (folder / "index.html").is_file() and (folder / "sw.js").is_file() else None


def built_page() -> Path:
    """Return the folder of the built page.

    Raises:
        MissingExtra: it was not built.
    """
    folder = find_page()
    if folder is None:
        raise MissingExtra("the page of the guide is not built", "build it with: make pages")
    return folder


def page_files() -> dict[str, Path]:
    """Return the files of the built page that are the same for every guide, by their addresses below it."""
    folder = find_page()
    if folder is None:
        return {}
    paths = [path for path in folder.rglob("*") if path.suffix in PAGE_KINDS and path.name not in _NOT_SERVED]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def page_title(about: Mapping[str, Any]) -> str:
    """Return what the page of a guide is called: the title that its branding gives it, else the guide's name."""
    return str(about.get("branding", {}).get("title") or about["name"])


def put_title(page: str, about: Mapping[str, Any]) -> str:
    """Return index.html with the title of a guide's page, where it is seen before any script has run."""
    return page.replace("<title>Guide</title>", f"<title>{html.escape(page_title(about))}</title>", 1)
