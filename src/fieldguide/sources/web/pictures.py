"""Every picture that a page shows or links to, without a spec.

Knows nothing about engines: what looks like a picture's address is a candidate.
"""

import re
from collections import Counter
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser

from fieldguide.records.candidates import Candidate
from fieldguide.sources.inputs import absolute_url, clean_text, url_fault
from fieldguide.sources.web.extraction import Extracted
from fieldguide.sources.web.htmltext import own_base, parse_html

__all__ = ["pictures_in"]

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".tif", ".tiff", ".jp2", ".heic")


def pictures_in(html: bytes | str, base_url: str = "") -> Extracted:
    """Every picture that a page shows or links to, without a spec.

    Args:
        html: the page.
        base_url: where the page came from; a `<base>` or the note of the browser that saved it go before.
    """
    tree = parse_html(html)
    base_url = own_base(html, base_url)
    found: dict[str, Candidate] = {}
    skipped: Counter[str] = Counter()
    heading = tree.css_first("title")
    title = clean_text(heading.text() if heading is not None else "")
    for address, small, said in _shown(tree):
        url = absolute_url(address, base_url)
        reason = url_fault(url)
        if reason:
            skipped[reason] += 1
        elif url not in found:
            thumb = absolute_url(small, base_url)
            found[url] = Candidate(
                url=url,
                page_url=base_url,
                title=clean_text(said) or title,
                thumb_url="" if thumb == url or url_fault(thumb) else thumb,
            )
    return Extracted(tuple(found.values()), dict(skipped))


def _shown(tree: LexborHTMLParser) -> Iterator[tuple[str, str, str]]:
    """Address, small version and description of each picture, in the page's order but for what the head says."""
    for node in tree.css('meta[property="og:image"], meta[name="twitter:image"]'):
        yield node.attributes.get("content") or "", "", ""
    linked: set[int] = set()
    for node in tree.css("a[href], img"):
        said = node.attributes
        if node.tag == "a":
            address = said.get("href") or ""
            if _names_a_picture(address):
                inner = node.css_first("img")
                if inner is not None:
                    linked.add(inner.mem_id)
                small = (inner.attributes.get("src") or "") if inner is not None else ""
                yield (
                    address,
                    small,
                    said.get("title") or (inner.attributes.get("alt") if inner is not None else "") or "",
                )
        elif node.mem_id not in linked:
            address = _largest_of_set(said.get("srcset") or said.get("data-srcset") or "")
            plain = said.get("src") or ""
            late = said.get("data-src") or ""
            address = address or (late if not plain or plain.startswith("data:") else plain) or plain
            if address:
                yield address, plain, said.get("alt") or ""


def _names_a_picture(address: str) -> bool:
    """Whether a link ends like a picture's file."""
    return address.partition("?")[0].partition("#")[0].lower().endswith(_IMAGE_SUFFIXES)


def _largest_of_set(text: str) -> str:
    """The address of the largest picture of a `srcset`, "" for none; https://html.spec.whatwg.org, "srcset"."""
    best, size, address = "", 0.0, ""
    for word in [*text[:20_000].split(), "1w"]:
        said = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)[wx],?", word)
        here = float(said[1]) if said else 0.5
        if address and here > size:
            best, size = address, here
        address = "" if said else word.rstrip(",")
    return best
