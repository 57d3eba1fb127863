"""Pictures of pages that a person saved in their own browser: .html or .har files, or a folder of them.

A HAR is the record of a browser's network panel (http://www.softwareishard.com/blog/har-12-spec/). Nothing is
requested and no browser is started: what a person may look at, they may save. Knows nothing about networks.
"""

import base64
import binascii
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, SourceError, translate_os_errors
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import check_options
from fieldguide.sources.web.extraction import PageResults, extract, extract_pictures, find_base_url
from fieldguide.sources.web.specs import PageSpec, load_spec
from fieldguide.text import readable

_MAX_BYTES = 200_000_000
_SUFFIXES = (".html", ".htm", ".xhtml", ".har")
_PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/xml", "application/xml", "text/plain")
_JSON_TYPES = ("application/json", "text/json", "application/javascript", "text/javascript")
_MAX_FRAGMENTS = 1000


class PageSource:
    """Candidates from saved pages, one file a step.

    `query.text` is the path of a file or a folder. Options: `spec`, a page spec's name or path, without which every
    picture and every link to one counts; `base_url`, where the page came from, for addresses relative to it.
    """

    name = "page"
    facts = SourceFacts(
        about="pages that you saved in your own browser (.html or .har)",
        terms_url="",
        licence_fields=False,
        page_size=10_000,
    )

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the candidates of the next file; the cursor is the name of the file before it.

        In a folder, a file without results is counted in `skipped`; alone, it is an error.
        """
        check_options(query, ("spec", "base_url"))
        spec = load_spec(query.options["spec"]) if query.options.get("spec") else None
        root = Path(query.text)
        with translate_os_errors(f"reading {root}"):
            files = _files(root)
            later = [file for file in files if not cursor or _name_in(root, file) > cursor]
            if not later:
                return ResultPage((), "", Answer(readable(root.name), 200, {}, b""))
            file = later[0]
            data = _read(file)
        try:
            results = _extract_file(file, data, spec, query.options.get("base_url", ""))
        except SourceError as error:
            if len(files) == 1:
                raise
            results = PageResults((), {_reason(error): 1})  # the other files of a folder may hold results
        following = _name_in(root, file) if len(later) > 1 else ""
        return ResultPage(results.candidates, following, Answer(readable(file.name), 200, {}, data), results.skipped)


def _files(root: Path) -> list[Path]:
    """Return the saved pages at a path, in the order of their names."""
    if root.is_dir():
        pages = (path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
        files = sorted(pages, key=lambda path: _name_in(root, path))
        if not files:
            raise BadQuery(f"{root} holds no saved page", f"their names end in one of {', '.join(_SUFFIXES)}")
        return files
    if not root.is_file():
        raise BadQuery(f"there is no saved page {root}", "check the path")
    if root.suffix.lower() not in _SUFFIXES:
        raise BadQuery(f"{root} is not a saved page", f"its name must end in one of {', '.join(_SUFFIXES)}")
    return [root]


def _name_in(root: Path, file: Path) -> str:
    """Return the file's name as text from which its bytes can be told, in the order of the names."""
    name = file.name if file == root else file.relative_to(root).as_posix()
    return quote(os.fsencode(name), safe="/ ")


def _read(file: Path) -> bytes:
    if file.stat().st_size > _MAX_BYTES:
        raise BadQuery(f"{file} is larger than {_MAX_BYTES // 1_000_000} MB", "save fewer pages into one file")
    return file.read_bytes()


def _reason(error: SourceError) -> str:
    """Return the reason under which a page without candidates is counted."""
    if isinstance(error, BadQuery):
        return "not_a_har"
    return "page_blocked" if isinstance(error, Blocked) else "page_without_results"


def _extract_file(file: Path, data: bytes, spec: PageSpec | None, base_url: str) -> PageResults:
    if file.suffix.lower() != ".har":
        return _extract_page(data, spec, find_base_url(data, base_url or (spec.url if spec else "")))
    pages = _har_pages(data, file.name)
    if not pages:
        raise LayoutChanged(
            f"{file.name} holds no page",
            "open the network panel before loading the page, and save the HAR with its content",
        )
    return _extract_har(pages, spec)


def _extract_page(html: bytes | str, spec: PageSpec | None, url: str) -> PageResults:
    if spec:
        return extract(html, spec, url)
    results = extract_pictures(html, url)
    if not results.candidates and not results.skipped:  # a consent page, or pictures that a script would have brought
        hint = "save it again once its pictures can be seen, or use a spec"
        raise LayoutChanged("the saved page shows no picture", hint)
    return results


def _extract_har(pages: Iterable[tuple[str, bytes | str]], spec: PageSpec | None) -> PageResults:
    """Return the candidates of all pages of a HAR, each address once; the pages without results are counted."""
    by_url: dict[str, Candidate] = {}
    skipped: Counter[str] = Counter()
    errors: list[SourceError] = []
    read = 0
    for url, html in pages:
        try:
            results = _extract_page(html, spec, url)
        except (Blocked, LayoutChanged) as error:
            errors.append(error)
            skipped[_reason(error)] += 1
            continue
        read += 1
        skipped.update(results.skipped)
        for candidate in results.candidates:
            if candidate.url in by_url:
                skipped["same_address"] += 1
            by_url.setdefault(candidate.url, candidate)
    if not read:
        raise next((error for error in errors if isinstance(error, Blocked)), errors[0])
    return PageResults(tuple(by_url.values()), dict(skipped))


def _har_pages(data: bytes, name: str) -> list[tuple[str, bytes | str]]:
    """Return the address and HTML of each page, and of each piece of HTML in a JSON answer, of a HAR in its order."""
    try:
        entries = json.loads(data)["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadQuery(f"{name} is not a HAR file", "save it again from the browser's network panel") from error
    if not isinstance(entries, list):
        raise BadQuery(f"{name} is not a HAR file: its log has no entries", "save it again from the network panel")
    pages = (page for entry in entries for page in _entry_pages(entry))
    return [(url, html) for url, html in pages if url.startswith(("http://", "https://"))]


def _entry_pages(entry: Any) -> Iterator[tuple[str, bytes | str]]:
    """Yield the pages of one entry; nothing for an entry of another form."""
    try:
        url, content = str(entry["request"]["url"]), entry["response"]["content"]
        media_type = str(content.get("mimeType") or "").partition(";")[0].strip().lower()
        body = _har_body(content)
    except (AttributeError, KeyError, TypeError):
        return
    if not body:
        return
    if media_type in _PAGE_TYPES:
        yield url, body
    elif media_type in _JSON_TYPES:
        yield from ((url, fragment) for fragment in _html_in_json(body))


def _har_body(content: dict[str, Any]) -> bytes | str:
    text = content.get("text")
    if not isinstance(text, str):
        return ""
    if content.get("encoding") != "base64":
        return text
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return ""


def _html_in_json(body: bytes | str) -> Iterator[str]:
    """Yield the texts in a JSON answer that are HTML."""
    try:
        waiting: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return
    count = 0
    while waiting and count < _MAX_FRAGMENTS:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, str) and "<" in value and ">" in value:
            count += 1
            yield value
