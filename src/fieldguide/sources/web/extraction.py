"""Candidates from the HTML of a page, by a spec.

The one extractor for what a browser shows, a saved page and a HAR. Knows nothing about where the page came from.
Any bytes at all give a result or one of the errors named: a page is other people's text.
"""

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
from fieldguide.records.candidates import Candidate
from fieldguide.sources.inputs import absolute_url, clean_text, host_of, url_fault
from fieldguide.sources.web.htmltext import parse_html
from fieldguide.sources.web.places import MAX_MATCHED_CHARS, Result, at, in_page, pixels
from fieldguide.sources.web.specs import Find, PageSpec, fill

__all__ = ["Extracted", "Verdict", "extract", "is_small", "judge"]

Verdict = Literal["ok", "empty", "blocked", "unknown"]

_MAX_RECORDS = 10_000
# walls that stand before any site; a spec names those of its own engine
_WALLS = (
    "#challenge-error-text",
    'script[src*="/cdn-cgi/challenge-platform/"]',
    'iframe[src*="_Incapsula_Resource"]',
    'iframe[src*="captcha-delivery.com"]',
    "#px-captcha",
    "form#captcha-form",
    ".g-recaptcha",
    ".h-captcha",
    ".cf-turnstile",
    'form[action*="consent."]',
)


@dataclass(frozen=True)
class Extracted:
    """What a page holds.

    Attributes:
        candidates: in the page's order, each address once.
        skipped: reason to how many results held no usable address.
    """

    candidates: tuple[Candidate, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)


def extract(html: bytes | str, spec: PageSpec, base_url: str) -> Extracted:
    """The candidates of a result page; none where the engine itself says that there are none.

    Raises:
        Blocked: a challenge, a consent page or a refusal stands in its place.
        LayoutChanged: nothing of what the spec knows is there, or results are and none has an address.
    """
    tree = parse_html(html)
    verdict = _judge(tree, spec)
    if verdict == "blocked":
        raise Blocked(
            f"{spec.name} shows a challenge, a consent page or a refusal instead of results",
            "nothing is solved or disguised: open the page in your own browser, save it, and use the source `page`",
        )
    if verdict == "empty":
        return Extracted(())
    if verdict == "unknown":
        raise LayoutChanged(
            f"nothing that the page spec {spec.name} knows is in this page",
            "the engine may have changed: mend a copy of the spec, or use another source",
        )
    found, skipped = _candidates(tree, spec, base_url)
    if not found and not skipped and any(tree.css_first(one) is not None for one in spec.markers.empty):
        return Extracted(())
    if not found:
        counted = ", ".join(f"{number} x {reason}" for reason, number in skipped.items()) or "no result at all"
        raise LayoutChanged(
            f"this page of {spec.name} gave no address of a picture: {counted}",
            "a saved page may hold small versions only: click each picture before saving, or mend a copy of the spec",
        )
    return Extracted(tuple(found), dict(skipped))


def judge(html: bytes | str, spec: PageSpec) -> Verdict:
    """What the page is by the spec's markers: results, the engine's "nothing found", a wall, or nothing known."""
    return _judge(parse_html(html), spec)


def is_small(url: str, spec: PageSpec) -> bool:
    """Whether an address lies on a host that only holds small versions."""
    return any(fnmatchcase(host_of(url), pattern) for pattern in spec.thumb_hosts)


def _judge(tree: LexborHTMLParser, spec: PageSpec) -> Verdict:
    def seen(selectors: tuple[str, ...]) -> bool:
        return any(tree.css_first(selector) is not None for selector in selectors)

    if seen(spec.markers.blocked):
        return "blocked"
    if seen(spec.markers.ok):
        return "ok"
    if seen(spec.markers.empty):
        return "empty"
    return "blocked" if seen(_WALLS) else "unknown"


def _candidates(tree: LexborHTMLParser, spec: PageSpec, base_url: str) -> tuple[list[Candidate], Counter[str]]:
    """The candidates by the first way that finds results, and why others of these results hold none."""
    all_skipped: Counter[str] = Counter()
    for way in spec.find:
        skipped: Counter[str] = Counter()
        found: dict[str, Candidate] = {}
        for node, record in _records(tree, way, skipped):
            candidate, reason = _candidate(Result(node, record), way, spec, base_url)
            if candidate is None:
                skipped[reason] += 1
            elif candidate.url in found:
                skipped["same_address"] += 1
            else:
                found[candidate.url] = candidate
        if found:
            return list(found.values()), skipped
        all_skipped += skipped
    return [], all_skipped


def _candidate(result: Result, way: Find, spec: PageSpec, base_url: str) -> tuple[Candidate | None, str]:
    """The candidate of a result, or none and why."""
    fields = way.fields
    url = absolute_url(result.value(fields.url), base_url)
    if not url:
        return None, "no_address"
    for pattern, replacement in spec.rewrite:
        url = re.sub(pattern, replacement, url, count=1) if len(url) <= MAX_MATCHED_CHARS else url
    reason = url_fault(url)
    if reason:
        return None, reason
    thumb, page = (absolute_url(result.value(one), base_url) for one in (fields.thumb, fields.page))
    candidate = Candidate(
        url=url,
        item_id=clean_text(result.value(fields.item_id), 200),
        page_url="" if url_fault(page) else page,
        thumb_url="" if url_fault(thumb) else thumb,
        title=clean_text(result.value(fields.title)),
        author=clean_text(result.value(fields.author)),
        width=pixels(result.value(fields.width)),
        height=pixels(result.value(fields.height)),
        is_thumb=is_small(url, spec),
        similar_url=fill(spec.similar, image_url=url, q="", offset=0, page=0) if spec.similar else "",
    )
    return candidate, ""


def _records(tree: LexborHTMLParser, way: Find, skipped: Counter[str]) -> Iterator[tuple[LexborNode, Any]]:
    """Each element with its record; one that cannot be decoded is counted."""
    given = 0
    for node in tree.css(way.select):
        if not way.record:
            records = [None]
        else:
            records = list(_decoded(in_page(node, way.record), way))
            if not records:
                skipped["no_record"] += 1
        for record in records:
            given += 1
            if given > _MAX_RECORDS:
                skipped["too_many"] += 1
                return
            yield node, record


def _decoded(text: str, way: Find) -> Iterator[Any]:
    """The records in a text; none where it is not what it should be."""
    if way.decode == "json":
        try:
            yield from at(json.loads(text), way.path)
        except (ValueError, RecursionError):
            return
    elif way.decode == "query":
        try:
            yield dict(parse_qsl(urlsplit(text).query, errors="replace", max_num_fields=200))
        except ValueError:
            return
    elif text:
        yield {"": text}
