"""What answers say beside their content: wait, keep out, prove that you are human. Pure functions.

Knows nothing about sockets. Nothing is solved or disguised: a challenge is recognised in order to go away.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from multidict import CIMultiDictProxy
from yarl import URL

Headers = CIMultiDictProxy[str]
_AGENTS = ("", "*", "fieldguide")
_OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
# Directives that carry a value after a colon, so that they are not taken for a crawler's name; see
# https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
# Openverse says "available in 30 seconds" (Django REST framework) and sends no Retry-After.
_IN_WORDS = re.compile(rb"\b(?:in|after|wait(?: for)?) (\d{1,9}) ?(second|minute|hour|day)s?\b", re.IGNORECASE)
_UNIT_S = {b"second": 1, b"minute": 60, b"hour": 3600, b"day": 86_400}
# In a page of any status: these stand in nothing but the challenge itself.
_CHALLENGES = (
    ("Imperva", re.compile(rb"_Incapsula_Resource|Incapsula incident ID", re.IGNORECASE)),
    ("Cloudflare", re.compile(rb"_cf_chl_opt|/cdn-cgi/challenge-platform/|challenge-error-text")),
    ("DataDome", re.compile(rb"(geo|ct)\.captcha-delivery\.com")),
    ("HUMAN", re.compile(rb'id="px-captcha"|window\._pxAppId')),
    ("Google", re.compile(rb'action="(/sorry/)?(index|CaptchaRedirect)"[^>]*>|google\.com/sorry/|/httpservice/retry/')),
    ("AWS WAF", re.compile(rb"awsWafCookieDomainList|\.token\.awswaf\.com")),
    ("Anubis", re.compile(rb'id="anubis_challenge"')),
)
# In a page that came instead of a picture or with a refusal: a page of its own may carry one beside a form.
_CAPTCHA = re.compile(
    rb"""class=["']?[^"'>]*(g-recaptcha|h-captcha|cf-turnstile|CheckboxCaptcha)|id=["']?(b_)?captcha"""
    rb"|px-block|unusual traffic",
    re.IGNORECASE,
)
_CONSENT = re.compile(rb"""action=["']?https?://consent\.""", re.IGNORECASE)


def challenge(headers: Mapping[str, str], body: bytes, refused: bool) -> str:
    """Return whose challenge this is, such as "Cloudflare"; "" for none.

    Args:
        headers: of the answer, their names in lower case or found in any case.
        body: its beginning; empty where it is known to be no page.
        refused: whether the page stands where something else was asked for.
    """
    if headers.get("cf-mitigated", "").lower() == "challenge":
        return "Cloudflare"
    if headers.get("x-yandex-captcha"):
        return "Yandex"
    if headers.get("x-amzn-waf-action", "").lower() in ("challenge", "captcha"):
        return "AWS WAF"
    if headers.get("x-datadome", "").lower() == "protected":
        return "DataDome"
    head = body[:65_536]
    for name, pattern in _CHALLENGES:
        if pattern.search(head):
            return name
    if refused and _CONSENT.search(head):
        return "a consent page"
    return "a captcha" if refused and _CAPTCHA.search(head) else ""


def opted_out(headers: Headers) -> str:
    """Return the line by which the owner keeps a picture from such use, such as "X-Robots-Tag: noai"; "" for none."""
    if headers.get("tdm-reservation", "").strip() == "1":  # https://www.w3.org/community/reports/tdmrep/
        return "tdm-reservation: 1"
    for agent, directive in _directives(headers.getall("x-robots-tag", ())):
        if agent in _AGENTS and directive in _OPT_OUTS:
            return f"X-Robots-Tag: {directive}"
    return ""


def _directives(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each directive with the crawler that it is for, "" for all, both in lower case."""
    for line in lines:
        agent = ""
        for part in line.lower().split(","):
            name, colon, rest = (text.strip() for text in part.partition(":"))
            if colon and name not in _WITH_VALUE:
                agent, name = name, rest
            yield agent, name


def retry_after(headers: Mapping[str, str], body: bytes, now: Callable[[], datetime] | None = None) -> float:
    """Return the seconds to wait as the answer asks (RFC 9110, 10.2.3: seconds or a date), 0 where it does not say.

    A date is counted from the server's own `Date` where it is there, since clocks differ; else from `now`.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    until = _date(value)
    if until is not None:
        since = _date(headers.get("date", "")) or (now() if now else until)
        return max(0.0, (until - since).total_seconds())
    wait = _IN_WORDS.search(body[:4096])
    return float(wait[1]) * _UNIT_S[wait[2].lower()] if wait else 0.0


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def challenge_address(here: URL, there: URL) -> str:
    """Return what a redirect leads to instead of an answer, such as "a consent page"; "" for any other redirect."""
    before, after = here.host or "", there.host or ""
    if after.startswith("consent.") and not before.startswith("consent."):
        return "a consent page"
    if ("google." in after and there.path.startswith("/sorry/")) or there.path.startswith("/showcaptcha"):
        return "a captcha"
    return ""
