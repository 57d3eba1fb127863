"""Pictures from a list of addresses: CSV, plain text or Parquet, a thousand rows at a time.

Knows nothing about networks: no address is requested here.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from fieldguide.errors import BadQuery, translate_os_errors
from fieldguide.names import LABEL_COLUMNS, column_key, match_key
from fieldguide.optional import require
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import absolute_url, bad_cursor, check_options, clean_text, url_fault

_CHUNK = 1000
_KEPT_CHUNKS = 2
_MAX_LINE_BYTES = 1_000_000
# what a column may be called; the first that is there counts
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "image_url", "uri", "path", "file_name", "filename", "image", "link"),
    "label": LABEL_COLUMNS,
    "page_url": ("page", "page_url", "source"),
    "author": ("author", "creator"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "title": ("title",),
}
_BLANK = "blank"  # an empty line or a comment: nobody expects a picture of it


@dataclass(frozen=True)
class _Row:
    """One row.

    Attributes:
        cells: what its columns hold, by our names.
        fault: why it cannot be read, "" where it can.
        end: where the next row begins in the file, bytes; 0 in Parquet.
        class_key: what its label has in common with the class that it means; None where the list has no labels.
    """

    cells: Mapping[str, str]
    fault: str = ""
    end: int = 0
    class_key: str | None = None


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
        self._read_chunk = lru_cache(_KEPT_CHUNKS)(_read_chunk)  # the classes want the same rows in turn

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the candidates of the next thousand rows; the cursor is the number of rows before and their end."""
        check_options(query, ())
        path = Path(query.text)
        number, _, end = cursor.partition("@")
        if cursor and not (number.isdecimal() and (end or "0").isdecimal()):
            raise bad_cursor(self.name)
        skip = int(number or 0)
        with translate_os_errors(f"reading {path}"):
            if not path.is_file():
                raise BadQuery(f"there is no list of addresses {path}", "check the path")
            state = path.stat()
            rows = self._read_chunk(path, (state.st_size, state.st_mtime_ns), skip, int(end or 0))
        candidates, skipped = _candidates(rows, query.class_name)
        more = f"{skip + len(rows)}@{rows[-1].end}" if len(rows) == _CHUNK else ""
        return ResultPage(candidates, more, Answer(path.name, 200, {}, b""), skipped)


def _read_chunk(path: Path, _state: tuple[int, int], skip: int, end: int) -> tuple[_Row, ...]:
    rows = _read_parquet(path, skip) if path.suffix.lower() == ".parquet" else _read_text(path, skip, end)
    return tuple(islice(rows, _CHUNK))


def _candidates(rows: Iterable[_Row], class_name: str) -> tuple[tuple[Candidate, ...], Mapping[str, int]]:
    class_key = match_key(class_name)
    candidates: list[Candidate] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        address = row.cells.get("url", "").strip()
        if row.fault == _BLANK:
            continue
        if row.fault:
            skipped[row.fault] += 1
        elif row.class_key is not None and row.class_key != class_key:
            skipped["other_class" if row.cells["label"].strip() else "no_label"] += 1
        elif fault := url_fault(url := absolute_url(address)):
            skipped[fault if address else "no_address"] += 1
        else:
            candidates.append(_candidate(url, row.cells))
    return tuple(candidates), dict(skipped)


def _candidate(url: str, cells: Mapping[str, str]) -> Candidate:
    page = absolute_url(cells.get("page_url", ""))
    title, author, licence, licence_url = (
        clean_text(cells.get(name, "")) for name in ("title", "author", "licence", "licence_url")
    )
    page_url = "" if url_fault(page) else page
    return Candidate(url, page_url=page_url, title=title, author=author, licence=licence, licence_url=licence_url)


def _row(cells: Mapping[str, str], end: int = 0) -> _Row:
    fault = "not_utf8" if "\ufffd" in "".join(cells.values()) else ""
    return _Row(cells, fault, end, match_key(cells["label"]) if "label" in cells else None)


def _read_text(path: Path, skip: int, end: int) -> Iterator[_Row]:
    """Yield the rows of a CSV or a text after the first `skip`, which ended at that byte."""
    with path.open("rb") as file:
        start = file.read(4096)
        if b"\0" in start:
            raise BadQuery(f"{path} is not UTF-8 text", "save it as UTF-8")
        file.seek(3 if start.startswith(b"\xef\xbb\xbf") else 0)
        if path.suffix.lower() not in (".csv", ".tsv"):
            yield from _text_rows(file, _skip_rows(file, skip, end))
            return
        heading = file.readline(_MAX_LINE_BYTES).decode("utf-8", "replace")
        delimiter = max(",;\t", key=heading.count)
        try:
            names = next(csv.reader([heading], delimiter=delimiter), [])
        except csv.Error as error:
            raise BadQuery(f"the first line of {path} is not CSV: {error}", "begin it with: url,label") from error
        columns = _find_columns(names, path)
        yield from _csv_rows(file, columns, delimiter, _skip_rows(file, skip, end))


def _skip_rows(file: BinaryIO, skip: int, end: int) -> int:
    """Go where the rows before ended, and return how many rows are still to be skipped from there."""
    here = file.tell()
    if skip and end > here:
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return 0
        file.seek(here)  # the list was changed since: count the rows again
    return skip


def _text_rows(file: BinaryIO, skip: int) -> Iterator[_Row]:
    for line in islice(_lines(file), skip, None):
        address = line.partition(" #")[0].strip()
        blank = not address or address.startswith("#")
        yield _Row({}, _BLANK, file.tell()) if blank else _row({"url": address}, file.tell())


def _csv_rows(file: BinaryIO, columns: Mapping[str, int], delimiter: str, skip: int) -> Iterator[_Row]:
    """Yield the rows below the heading; one that is no CSV is a fault of its own, and reading goes on after it."""
    reader = csv.reader(_lines(file), delimiter=delimiter)
    number = 0
    while True:
        try:
            cells = next(reader)
            texts = {name: cells[place].strip() if place < len(cells) else "" for name, place in columns.items()}
            row = _row(texts, file.tell()) if any(cells) else _Row({}, _BLANK, file.tell())
        except StopIteration:
            return
        except csv.Error:
            row = _Row({}, "not_csv", file.tell())
        number += 1
        if number > skip:
            yield row


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield the lines as text; no more of the file is read than the next line, so that `tell` is its end."""
    while line := file.readline(_MAX_LINE_BYTES):
        yield line.decode("utf-8", "replace")


def _find_columns(names: Iterable[object], path: Path) -> dict[str, int]:
    """Return the place of each column that is there, by our name of it."""
    there = [column_key(name) for name in names]
    places = {
        ours: next(there.index(name) for name in known if name in there)
        for ours, known in _COLUMNS.items()
        if set(known) & set(there)
    }
    if "url" not in places:
        hint = f"its columns are: {', '.join(there)[:80]}; begin it with: url,label"
        raise BadQuery(f"{path} has no column url or image_url", hint)
    return places


def _read_parquet(path: Path, skip: int) -> Iterator[_Row]:
    """Yield the rows of a Parquet file after the first `skip`; whole row groups are passed over unread."""
    require("pyarrow.parquet", extra="parquet")
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with path.open("rb") as opened, ParquetFile(opened) as file:
            names = file.schema_arrow.names
            columns = {ours: names[place] for ours, place in _find_columns(names, path).items()}
            first, before = 0, 0
            while first < file.num_row_groups and before + file.metadata.row_group(first).num_rows <= skip:
                before += file.metadata.row_group(first).num_rows
                first += 1
            groups = range(first, file.num_row_groups)
            batches = file.iter_batches(_CHUNK, row_groups=list(groups), columns=sorted(set(columns.values())))
            values = (row for batch in batches for row in batch.to_pylist())
            for row in islice(values, skip - before, None):
                yield _row({ours: "" if row[name] is None else str(row[name]) for ours, name in columns.items()})
    except (ArrowException, ValueError, OSError) as error:  # which of them depends on where it is damaged
        raise BadQuery(f"{path} cannot be read as Parquet", "check the file") from error
