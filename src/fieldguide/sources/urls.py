"""Pictures from a list of addresses: CSV, plain text or Parquet, a thousand rows at a time.

Knows nothing about networks: no address is asked here.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fieldguide.errors import BadQuery, translate_os_errors
from fieldguide.names import match_key
from fieldguide.optional import require
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import absolute_url, check_options, clean_text, url_fault

__all__ = ["UrlsSource"]

_CHUNK = 1000
_KEPT_CHUNKS = 2
_MAX_LINE_BYTES = 1_000_000
# what a column may be called, the first that is there counts
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "image_url", "uri"),
    "label": ("label", "class_name", "class"),
    "page_url": ("page", "page_url", "source"),
    "author": ("author", "creator"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "title": ("title",),
}
_BLANK = "blank"  # an empty line or a comment: nobody expects a picture of it


@dataclass(frozen=True)
class _Row:
    """One row: what its columns hold by our names, or why it cannot be read; and where the next one begins."""

    cells: Mapping[str, str]
    fault: str = ""
    after: int = 0

    def __post_init__(self) -> None:
        if not self.fault and "\ufffd" in "".join(self.cells.values()):
            object.__setattr__(self, "fault", "not_utf8")

    @cached_property
    def class_key(self) -> str | None:
        """What a label has in common with the class that it means; None where the list has none."""
        return match_key(self.cells["label"]) if "label" in self.cells else None


class UrlsSource:
    """Candidates from a file of addresses.

    `query.text` is the path of a CSV (columns `url` or `image_url`, and any of label, page, author, licence,
    licence_url, title), of a Parquet file with the same columns (extra [parquet]), or of a text with an address on
    each line, where "#" begins a comment. Where there is a label, only rows of the query's class count.
    """

    name = "urls"
    facts = SourceFacts(
        about="your own list of addresses (CSV, text or Parquet)", terms_url="", licence_fields=True, page_size=_CHUNK
    )

    def __init__(self) -> None:
        self._chunks: dict[tuple[Path, int, int, int, int], Sequence[_Row]] = {}

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The candidates of the next thousand rows; the cursor is the number of rows before and where they end.

        Raises:
            BadQuery: no such file, no column of addresses, not UTF-8, no sound Parquet, an option.
            MissingExtra: a Parquet file without pyarrow.
            NoPermission: it cannot be read.
        """
        check_options(query, ())
        path = Path(query.text)
        skip, place = _parse_cursor(cursor)
        with translate_os_errors(f"reading {path}"):
            if not path.is_file():
                raise BadQuery(f"there is no list of addresses {path}", "check the path")
            chunk = self._read(path, skip, place)
        candidates, skipped = _candidates(chunk, query.class_name)
        more = f"{skip + len(chunk)}@{chunk[-1].after}" if len(chunk) == _CHUNK else ""
        return ResultPage(candidates, more, Answer(path.name, 200, {}, b""), skipped)

    def _read(self, path: Path, skip: int, place: int) -> Sequence[_Row]:
        """The next thousand rows; the classes ask for the same ones in turn, so the last ones read are kept."""
        there = path.stat()
        asked = (path, there.st_size, there.st_mtime_ns, skip, place)
        if asked not in self._chunks:
            rows = _parquet(path, skip) if path.suffix.lower() == ".parquet" else _lines(path, skip, place)
            while len(self._chunks) >= _KEPT_CHUNKS:
                del self._chunks[next(iter(self._chunks))]
            self._chunks[asked] = list(islice(rows, _CHUNK))
        return self._chunks[asked]


def _parse_cursor(cursor: str) -> tuple[int, int]:
    """How many rows were read, and the place in the file after them.

    Raises:
        BadQuery: it is no cursor of this source.
    """
    number, _, place = cursor.partition("@")
    if not cursor:
        return 0, 0
    if not number.isdecimal() or not (place or "0").isdecimal():
        raise BadQuery(f"{cursor[:40]!r} is no place in a list", "begin it anew")
    return int(number), int(place or 0)


def _candidates(rows: Iterable[_Row], class_name: str) -> tuple[tuple[Candidate, ...], Mapping[str, int]]:
    """The candidates of rows, and why others hold none."""
    wanted = match_key(class_name)
    found: list[Candidate] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        cells = row.cells
        if row.fault == _BLANK:
            continue
        if row.fault:
            skipped[row.fault] += 1
        elif row.class_key is not None and row.class_key != wanted:
            skipped["other_class" if cells["label"].strip() else "no_label"] += 1
        elif fault := url_fault(url := absolute_url(cells.get("url", ""))):
            skipped[fault if cells.get("url", "").strip() else "no_address"] += 1
        else:
            found.append(_candidate(url, cells))
    return tuple(found), dict(skipped)


def _candidate(url: str, cells: Mapping[str, str]) -> Candidate:
    page = absolute_url(cells.get("page_url", ""))
    return Candidate(
        url=url,
        page_url="" if url_fault(page) else page,
        title=clean_text(cells.get("title", "")),
        author=clean_text(cells.get("author", "")),
        licence=clean_text(cells.get("licence", "")),
        licence_url=clean_text(cells.get("licence_url", "")),
    )


def _lines(path: Path, skip: int, place: int) -> Iterator[_Row]:
    """The rows of a CSV or a text after the first `skip`."""
    with path.open("rb") as file:
        start = file.read(4096)
        if b"\0" in start:
            raise BadQuery(f"{path} is not UTF-8 text", "save it as UTF-8")
        file.seek(3 if start.startswith(b"\xef\xbb\xbf") else 0)
        if path.suffix.lower() not in (".csv", ".tsv"):
            rows = _text_rows(file, _jump(file, skip, place))
        else:
            heading = file.readline(_MAX_LINE_BYTES).decode("utf-8", "replace")
            delimiter = max(",;\t", key=heading.count)
            try:
                columns = next(csv.reader([heading], delimiter=delimiter), [])
            except csv.Error as error:
                raise BadQuery(f"the first line of {path} is no CSV: {error}", "begin it with: url,label") from error
            names = _named(columns, path)
            rows = _csv_rows(file, names, delimiter, _jump(file, skip, place))
        yield from rows


def _jump(file: BinaryIO, skip: int, place: int) -> int:
    """How many rows are still to be skipped, once the file stands where the rows before ended, if it still can."""
    here = file.tell()
    if skip and place > here:
        file.seek(place - 1)
        if file.read(1) == b"\n":
            return 0
        file.seek(here)  # the list was changed since: count the rows again
    return skip


def _text_rows(file: BinaryIO, skip: int) -> Iterator[_Row]:
    """An address a line."""
    for number, line in enumerate(_decoded(file)):
        if number >= skip:
            text = line.partition(" #")[0].strip()
            fault = _BLANK if not text or text.startswith("#") else ""
            yield _Row({"url": text}, fault, file.tell())


def _csv_rows(file: BinaryIO, names: Mapping[str, int], delimiter: str, skip: int) -> Iterator[_Row]:
    """The rows below the heading; one that is no CSV is a fault of its own, and reading goes on after it."""
    reader = csv.reader(_decoded(file), delimiter=delimiter)
    number = -1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            if number >= skip:
                yield _Row({}, "not_csv", file.tell())
            continue
        if number >= skip:
            found = {ours: cells[at].strip() if at < len(cells) else "" for ours, at in names.items()}
            yield _Row(found, "" if any(cells) else _BLANK, file.tell())


def _decoded(file: BinaryIO) -> Iterator[str]:
    """The lines as text; no more of the file is read than the line that is asked for, so that `tell` is its end."""
    while line := file.readline(_MAX_LINE_BYTES):
        yield line.decode("utf-8", "replace")


def _named(columns: Iterable[Any], path: Path) -> dict[str, int]:
    """Our names of the columns that are there, each with its place.

    Raises:
        BadQuery: none holds addresses.
    """
    given = [str(one).strip().lower().replace(" ", "_") for one in columns]
    names = {ours: given.index(known) for ours, all_known in _COLUMNS.items() for known in reversed(all_known)
             if known in given}  # fmt: skip
    if "url" not in names:
        shown = ", ".join(given)[:80]
        raise BadQuery(f"{path} has no column url or image_url", f"its columns are: {shown}; begin it with: url,label")
    return names


def _parquet(path: Path, skip: int) -> Iterator[_Row]:
    """The rows of a Parquet file after the first `skip`; whole row groups are passed over unread.

    Raises:
        BadQuery: no column of addresses, or no sound Parquet.
        MissingExtra: pyarrow is not installed.
    """
    require("pyarrow.parquet", extra="parquet")
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with path.open("rb") as opened, ParquetFile(opened) as file:
            columns = file.schema_arrow.names
            names = {ours: columns[at] for ours, at in _named(columns, path).items()}
            first, before = 0, 0
            while first < file.num_row_groups and before + file.metadata.row_group(first).num_rows <= skip:
                before += file.metadata.row_group(first).num_rows
                first += 1
            groups = list(range(first, file.num_row_groups))
            drop = skip - before
            for batch in file.iter_batches(_CHUNK, row_groups=groups, columns=sorted(set(names.values()))):
                for row in batch.to_pylist()[drop:]:
                    yield _Row({ours: "" if row[at] is None else str(row[at]) for ours, at in names.items()})
                drop = max(0, drop - batch.num_rows)
    except (ArrowException, ValueError, OSError) as error:  # which of them depends on where it is damaged
        raise BadQuery(f"{path} is not a sound Parquet file", "check the file") from error
