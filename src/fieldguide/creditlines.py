"""Who is to be named for a picture: the lines of CREDITS.csv and of the page of credits.

Knows nothing about projects, catalogues or guides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fieldguide.csvtext import write_csv
from fieldguide.licences import Licence, one_line, read_licence, web_address
from fieldguide.records import Origin

__all__ = ["CreditLine", "credit_lines", "credit_table"]

_HEADING = (
    "sha256", "file", "class_name", "title", "author", "licence", "licence_url", "licence_raw", "source", "page",
    "location",
)  # fmt: skip


@dataclass(frozen=True)
class CreditLine:
    """One origin of one picture, as it is credited.

    Attributes:
        file: the picture's place, relative to the folder that CREDITS.csv is in; "" where it is not there.
        licence_raw: what the source said of the licence, in its own words; "" where it said nothing.
        page: an address of the web where a person finds the picture, or "".
        location: where in the source the picture was.
    """

    sha256: str
    file: str
    class_name: str
    title: str
    author: str
    author_url: str
    licence: Licence
    licence_raw: str
    source: str
    page: str
    location: str


def credit_lines(sha256: str, file: str, class_name: str, origins: Iterable[Origin]) -> list[CreditLine]:
    """A line for each origin that says anything of author or terms, those with a known licence and author first.

    Where none does, the first origin has a line all the same: a picture without credits is not left out.
    """
    lines = [_line(sha256, file, class_name, origin) for origin in origins]
    speaking = [line for line in lines if line.author or line.licence.raw or line.licence.url]
    speaking.sort(key=lambda line: (not line.licence.spdx, not line.author, not line.page))
    return speaking or lines[:1]


def _line(sha256: str, file: str, class_name: str, origin: Origin) -> CreditLine:
    """The line of one origin."""
    return CreditLine(
        sha256=sha256,
        file=file,
        class_name=class_name,
        title=one_line(origin.title),
        author=one_line(origin.author),
        author_url=web_address(origin.author_url),
        licence=read_licence(origin.licence or origin.licence_raw, origin.licence_url),
        licence_raw=one_line(origin.licence_raw),
        source=origin.source,
        page=web_address(origin.page) or web_address(origin.location),
        location=origin.location,
    )


def credit_table(lines: Iterable[CreditLine]) -> str:
    """The text of CREDITS.csv; a licence that is not understood is given in its own words."""
    return write_csv(_HEADING, (_cells(line) for line in lines))


def _cells(line: CreditLine) -> list[str]:
    """The row of one line, in the order of the heading."""
    licence = line.licence.spdx or one_line(line.licence.raw) or "unknown"
    return [
        line.sha256, line.file, line.class_name, line.title, line.author, licence, line.licence.url,
        line.licence_raw, line.source, line.page, line.location,
    ]  # fmt: skip
