"""Candidates from the HTML of a page: by a spec, or without one every picture that it shows or links to.

The one extractor for what a browser shows, a saved page and a HAR. Knows nothing about where the page came from. Any
bytes at all give candidates or one of the errors named: a page is other people's text.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from fieldguide.errors import Blocked, LayoutChanged
from fieldguide.net.signs import challenge
from fieldguide.records.candidates import Candidate
from fieldguide.sources.inputs import absolute_url, clean_text, host_of, url_fault
from fieldguide.sources.web.specs import (
    MAX_MATCHED_CHARS,
    Find,
    PageSpec,
    Result,
    fill,
    json_values,
    node_value,
    parse_pixels,
)

_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")
PageKind = Literal["ok", "empty", "blocked", "unknown"]

_MAX_RECORDS = 10_000
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".jp2", ".heic")
_SNIFFED_CHARS = 4096
# Chromium and others: <!-- saved from url=(0026)https://example.org/page -->
_SAVED_FROM = re.compile(r"<!--\s*saved from url=\(\d{1,6}\)(https?://[^\s>]{1,2000})")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_ENCODINGS = re.compile(r"utf_?8|iso8859_\d+|cp\d+|koi8_[ru]|shift_jis\w*|euc_\w+|gb\w+|big5\w*", re.IGNORECASE)


@dataclass(frozen=True)
class PageResults:
    """What a page holds.

    Attributes:
        candidates: in the page's order, each address once.
        skipped: reason to how many results held no usable address.
    """

    candidates: tuple[Candidate, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)


# By a spec


def extract(html: bytes | str, spec: PageSpec, base_url: str) -> PageResults:
    """Return the candidates of a result page; none where the engine itself says that there are none."""
    tree = _parse_html(html)
    kind = _classify(tree, spec)
    if kind == "blocked":
        raise Blocked(
            f"{spec.name} shows a challenge, a consent page or a refusal instead of results",
            "open the page in your own browser, save it, and use the source `page`",
        )
    if kind == "empty":
        return PageResults(())
    if kind == "unknown":
        raise LayoutChanged(
            f"nothing that the page spec {spec.name} knows is in this page",
            "the engine may have changed: correct a copy of the spec, or use another source",
        )
    candidates, skipped = _candidates(tree, spec, base_url)
    if not candidates and not skipped and _any_there(tree, spec.markers.empty):
        return PageResults(())
    if not candidates:
        counts = ", ".join(f"{number} x {reason}" for reason, number in skipped.items()) or "no result at all"
        raise LayoutChanged(
            f"this page of {spec.name} gave no address of a picture: {counts}",
            "saved pages may hold only small versions: click each picture before saving, or correct a copy of the spec",
        )
    return PageResults(tuple(candidates), dict(skipped))


def classify_page(html: bytes | str, spec: PageSpec) -> PageKind:
    """Return what a page is: results, the engine's "nothing found", a challenge or consent page, or unknown."""
    return _classify(_parse_html(html), spec)


def is_small(url: str, spec: PageSpec) -> bool:
    """Return whether an address lies on a host that only holds small versions."""
    return any(fnmatchcase(host_of(url), pattern) for pattern in spec.thumb_hosts)


def _classify(tree: LexborHTMLParser, spec: PageSpec) -> PageKind:
    if _any_there(tree, spec.markers.blocked):
        return "blocked"
    if _any_there(tree, spec.markers.ok):
        return "ok"
    if _any_there(tree, spec.markers.empty):
        return "empty"
    return "blocked" if challenge({}, (tree.html or "").encode("utf-8", "replace"), refused=True) else "unknown"


def _any_there(tree: LexborHTMLParser, selectors: tuple[str, ...]) -> bool:
    return any(tree.css_first(selector) is not None for selector in selectors)


def _candidates(tree: LexborHTMLParser, spec: PageSpec, base_url: str) -> tuple[list[Candidate], Counter[str]]:
    """Return the candidates by the first rule that gives any, and why its other results hold none."""
    all_skipped: Counter[str] = Counter()
    for rule in spec.find:
        skipped: Counter[str] = Counter()
        by_url: dict[str, Candidate] = {}
        for node, record in _records(tree, rule, skipped):
            candidate = _candidate(Result(node, record), rule, spec, base_url)
            if isinstance(candidate, str):
                skipped[candidate] += 1
            elif candidate.url in by_url:
                skipped["same_address"] += 1
            else:
                by_url[candidate.url] = candidate
        if by_url:
            return list(by_url.values()), skipped
        all_skipped += skipped
    return [], all_skipped


def _candidate(result: Result, rule: Find, spec: PageSpec, base_url: str) -> Candidate | str:
    fields = rule.fields
    url = absolute_url(result.read(fields.url), base_url)
    if not url:
        return "no_address"
    for pattern, replacement in spec.rewrite:
        url = re.sub(pattern, replacement, url, count=1) if len(url) <= MAX_MATCHED_CHARS else url
    fault = url_fault(url)
    if fault:
        return fault
    thumb, page = (absolute_url(result.read(value), base_url) for value in (fields.thumb, fields.page))
    return Candidate(
        url=url,
        item_id=clean_text(result.read(fields.item_id), 200),
        page_url="" if url_fault(page) else page,
        thumb_url="" if url_fault(thumb) else thumb,
        title=clean_text(result.read(fields.title)),
        author=clean_text(result.read(fields.author)),
        width=parse_pixels(result.read(fields.width)),
        height=parse_pixels(result.read(fields.height)),
        is_thumb=is_small(url, spec),
        similar_url=fill(spec.similar, image_url=url, q="", offset=0, page=0) if spec.similar else "",
    )


def _records(tree: LexborHTMLParser, rule: Find, skipped: Counter[str]) -> Iterator[tuple[LexborNode, Any]]:
    """Yield each element with its record; one that cannot be decoded is counted."""
    count = 0
    for node in tree.css(rule.select):
        records = list(_decode_record(node_value(node, rule.record), rule)) if rule.record else [None]
        if not records:
            skipped["no_record"] += 1
        for record in records:
            count += 1
            if count > _MAX_RECORDS:
                skipped["too_many"] += 1
                return
            yield node, record


def _decode_record(text: str, rule: Find) -> Iterator[Any]:
    """Yield the records in a text; none where it is not what it should be."""
    try:
        if rule.decode == "json":
            yield from json_values(json.loads(text), rule.path)
        elif rule.decode == "query":
            yield dict(parse_qsl(urlsplit(text).query, errors="replace", max_num_fields=200))
        elif text:
            yield {"": text}
    except (ValueError, RecursionError):
        return


# Without a spec


def extract_pictures(html: bytes | str, base_url: str = "") -> PageResults:
    """Return every picture that a page shows or links to.

    Args:
        html: the page.
        base_url: where the page came from; a `<base>` or the note of the browser that saved it take precedence.
    """
    tree = _parse_html(html)
    base_url = find_base_url(html, base_url)
    by_url: dict[str, Candidate] = {}
    skipped: Counter[str] = Counter()
    heading = tree.css_first("title")
    title = clean_text(heading.text() if heading is not None else "")
    for address, small, description in _pictures(tree):
        url = absolute_url(address, base_url)
        fault = url_fault(url)
        if fault:
            skipped[fault] += 1
        elif url not in by_url:
            thumb = absolute_url(small, base_url)
            by_url[url] = Candidate(
                url=url,
                page_url=base_url,
                title=clean_text(description) or title,
                thumb_url="" if thumb == url or url_fault(thumb) else thumb,
            )
    return PageResults(tuple(by_url.values()), dict(skipped))


def _pictures(tree: LexborHTMLParser) -> Iterator[tuple[str, str, str]]:
    """Yield address, small version and description of each picture, in the page's order but for what the head says."""
    for node in tree.css('meta[property="og:image"], meta[name="twitter:image"]'):
        yield node.attributes.get("content") or "", "", ""
    linked: set[int] = set()
    for node in tree.css("a[href], img"):
        attributes = {name: value or "" for name, value in node.attributes.items()}
        if node.tag == "a":
            address = attributes["href"]
            if not address.partition("?")[0].partition("#")[0].lower().endswith(_IMAGE_SUFFIXES):
                continue
            image = node.css_first("img")
            inner = dict(image.attributes) if image is not None else {}
            if image is not None:
                linked.add(image.mem_id)
            yield address, inner.get("src") or "", attributes.get("title") or inner.get("alt") or ""
        elif node.mem_id not in linked:
            plain, lazy = attributes.get("src", ""), attributes.get("data-src", "")
            largest = _largest_of_set(attributes.get("srcset") or attributes.get("data-srcset", ""))
            address = largest or (lazy if not plain or plain.startswith("data:") else plain) or plain
            if address:
                yield address, plain, attributes.get("alt", "")


def _largest_of_set(text: str) -> str:
    """Return the address of the largest picture of a `srcset`, "" for none (https://html.spec.whatwg.org, "srcset")."""
    largest, largest_size, address = "", 0.0, ""
    for word in [*text[:20_000].split(), "1w"]:
        descriptor = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)[wx],?", word)
        size = float(descriptor[1]) if descriptor else 0.5
        if address and size > largest_size:
            largest, largest_size = address, size
        address = "" if descriptor else word.rstrip(",")
    return largest


# The text of a page


def decode_html(data: bytes) -> str:
    """Return the text of a page: by its byte order mark, else its `<meta charset>`, else as UTF-8; never fails."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    stated = _CHARSET.search(data[:_SNIFFED_CHARS])
    if stated:
        try:
            name = codecs.lookup(stated[1].decode("ascii")).name.replace("-", "_")
        except LookupError:
            name = ""
        # a page that can be read as far as its charset is not UTF-16, whatever it says
        if _ENCODINGS.fullmatch(name):
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")


def find_base_url(html: bytes | str, base_url: str) -> str:
    """Return what relative addresses of a page begin with, as the page itself says it; else the given address."""
    text = decode_html(html) if isinstance(html, bytes) else html
    saved = _SAVED_FROM.search(text[:_SNIFFED_CHARS])
    base_url = saved[1] if saved else base_url
    element = _parse_html(text).css_first("base[href]")
    stated = absolute_url(element.attributes.get("href") or "", base_url) if element is not None else ""
    return base_url if not stated or url_fault(stated) else stated


def _parse_html(html: bytes | str) -> LexborHTMLParser:
    """Return the tree of a page; lone surrogates, which no parser takes, become question marks."""
    text = decode_html(html) if isinstance(html, bytes) else html.encode("utf-8", "replace").decode("utf-8")
    return LexborHTMLParser(text)
