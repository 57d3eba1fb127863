"""What answers say beside their content: waits, opt-outs and walls."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from fieldguide.net.signs import challenge, opted_out, retry_after

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("1.5", 1.5),
        ("", 0),
        ("-5", 0),
        ("soon", 0),
        ("1e9", 0),
        ("9" * 30, 0),
        ("Wed, 01 May 2024 12:02:00 GMT", 120),
        ("Wednesday, 01-May-24 12:02:00 GMT", 120),
        ("Wed May  1 12:02:00 2024", 120),
        ("Wed, 01 May 2024 11:00:00 GMT", 0),
        ("Wed, 99 May 2024 12:02:00 GMT", 0),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(value: str, seconds: float) -> None:
    assert retry_after(headers(("Retry-After", value)), b"", lambda: NOW) == seconds


def test_a_date_is_counted_from_the_servers_own_clock() -> None:
    pairs = (("Retry-After", "Fri, 01 Jan 2010 00:01:00 GMT"), ("Date", "Fri, 01 Jan 2010 00:00:00 GMT"))
    assert retry_after(headers(*pairs), b"", lambda: NOW) == 60


def test_a_date_alone_is_no_wait_where_there_is_no_clock() -> None:
    assert retry_after({"retry-after": "Wed, 01 May 2024 12:02:00 GMT"}, b"") == 0


@pytest.mark.parametrize(
    ("words", "seconds"), [(b"try again in 2 minutes", 120), (b"Wait 1 hour", 3600), (b"at most 100 a day", 0)]
)
def test_words_count_in_any_unit(words: bytes, seconds: float) -> None:
    assert retry_after({}, words) == seconds


def test_the_words_of_a_throttled_answer_count_where_no_header_does() -> None:
    body = b'{"detail":"Request was throttled. Expected available in 42 seconds."}'
    assert retry_after(headers(), body, lambda: NOW) == 42
    assert retry_after(headers(("Retry-After", "7")), body, lambda: NOW) == 7


@pytest.mark.parametrize(
    "lines",
    [
        ["noai"],
        ["NoAI"],
        ["noimageai"],
        ["noindex, nofollow"],
        ["nofollow,noimageindex"],
        ["none"],
        ["fieldguide: noai"],
        ["Fieldguide: nofollow, noai"],
        ["*: noai"],
        ["nofollow", "noai"],
        ["googlebot: nofollow, fieldguide: noindex"],
        ["unavailable_after: 25 Jun 2035 15:00:00 PST, noindex"],
        ["max-image-preview: none, noai"],
    ],
)
def test_opt_outs(lines: list[str]) -> None:
    assert opted_out(headers(*(("X-Robots-Tag", line) for line in lines))).startswith("X-Robots-Tag: no")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["all"],
        ["nofollow"],
        ["index, follow"],
        ["googlebot: noindex, noai"],
        ["max-image-preview: none"],
        ["x:"],
    ],
)
def test_what_is_no_opt_out(lines: list[str]) -> None:
    assert opted_out(headers(*(("X-Robots-Tag", line) for line in lines))) == ""


@pytest.mark.parametrize(("value", "out"), [("1", True), (" 1 ", True), ("0", False), ("", False), ("10", False)])
def test_text_and_data_mining_reserved(value: str, out: bool) -> None:
    assert bool(opted_out(headers(("TDM-Reservation", value)))) == out


@pytest.mark.parametrize(
    ("pairs", "body", "name"),
    [
        ([("cf-mitigated", "challenge")], b"", "Cloudflare"),
        ([("x-yandex-captcha", "captcha")], b"", "Yandex"),
        ([("x-amzn-waf-action", "captcha")], b"", "AWS WAF"),
        ([], b'<script src="/_Incapsula_Resource?SWJIYLWA=1">', "Imperva"),
        ([], b'<script>window._cf_chl_opt={cvId:"3"};</script>', "Cloudflare"),
        ([], b'<script src="https://ct.captcha-delivery.com/c.js">', "DataDome"),
        ([], b'<form action="/sorry/index" method="post">', "Google"),
        ([], b'<div class="g-recaptcha" data-sitekey="x">', "a captcha"),
        ([], b'<div id="b_captcha">', "a captcha"),
        ([], b"<div class=g-recaptcha>", "a captcha"),
        ([], b"<p>Our systems have detected unusual traffic", "a captcha"),
        ([], b'<form action="https://consent.google.com/save">', "a consent page"),
        ([("x-datadome", "protected")], b"", "DataDome"),
    ],
)
def test_walls_are_known_and_named(pairs: list[tuple[str, str]], body: bytes, name: str) -> None:
    assert challenge(headers(*pairs), body, refused=True) == name


def test_a_form_with_a_captcha_in_a_page_that_was_wanted_is_no_wall() -> None:
    assert challenge(headers(), b'<div class="g-recaptcha">', refused=False) == ""
    assert challenge(headers(), b'<form action="https://consent.google.com/save">', refused=False) == ""
    assert challenge(headers(("server", "cloudflare")), b"<html>404</html>", refused=True) == ""


@pytest.mark.shared
def test_the_recorded_walls_are_known(shared: Path) -> None:
    folder = shared / "fixtures" / "antibot"
    assert challenge(headers(), (folder / "recorded_incapsula_met_issue18.html").read_bytes(), False) == "Imperva"
    assert challenge(headers(), (folder / "modelled_cloudflare_challenge.html").read_bytes(), False) == "Cloudflare"


@given(st.lists(st.tuples(st.sampled_from(["Retry-After", "Date", "X-Robots-Tag", "TDM-Reservation"]), st.text())))
def test_no_header_breaks_them(pairs: list[tuple[str, str]]) -> None:
    fields = headers(*pairs)
    assert retry_after(fields, b"", lambda: NOW) >= 0
    assert isinstance(opted_out(fields), str) and challenge(fields, b"", True) == ""
