"""robots.txt: asked once, obeyed, and a no where it cannot be read."""

import asyncio
import dataclasses

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from faulty import JPEG, QUICK, FaultServer, Handler, LocalInternet
from fieldguide.errors import Blocked
from fieldguide.net import Fetched, NetRules
from fieldguide.net.robots import MAX_BYTES, Robots
from fieldguide.net.rules import Reply, RequestFailed
from fieldguide.records.candidates import Request

RULES = """
User-agent: *
Disallow: /

User-agent: Fieldguide
Disallow: /private
Allow: /private/open$
Disallow: /*.gif
"""


async def pictures(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=JPEG, content_type="image/jpeg")


def fetch_all(internet: LocalInternet, *urls: str, rules: NetRules = QUICK) -> list[Fetched]:
    async def run() -> list[Fetched]:
        async with internet.client(rules) as client:
            return await asyncio.gather(*map(client.fetch, urls))

    return asyncio.run(run())


def test_disallowed_addresses_are_never_asked_and_the_file_is_read_once() -> None:
    with LocalInternet({"a.example": pictures}, robots={"a.example": RULES}) as internet:
        paths = ("/b.jpg", "/private/c.jpg", "/private/open", "/d.gif", "/e.gif?x=1", "/f.jpg")
        reasons = [result.reason for result in fetch_all(internet, *(f"https://a.example{path}" for path in paths))]
        assert reasons == ["", "robots", "", "robots", "robots", ""]
        assert sorted(internet.hits("a.example")) == ["/b.jpg", "/f.jpg", "/private/open"]
        assert [hit.path_qs for hit in internet.log].count("/robots.txt") == 1
        assert internet.log[0].headers["User-Agent"].startswith("Fieldguide/")


def test_a_question_to_a_closed_address_is_refused_with_a_hint() -> None:
    with LocalInternet({"a.example": pictures}, robots={"a.example": RULES}) as internet:

        async def run() -> None:
            async with internet.client() as client:
                await client.ask(Request("https://a.example/private/api"))

        with pytest.raises(Blocked, match=r"robots\.txt") as caught:
            asyncio.run(run())
        assert caught.value.hint and internet.hits("a.example") == []


def test_each_hop_of_a_redirect_is_asked_for() -> None:
    async def away(request: web.BaseRequest) -> web.StreamResponse:
        raise web.HTTPFound("https://b.example/private/x.jpg")

    with LocalInternet({"a.example": away, "b.example": pictures}, robots={"b.example": RULES}) as internet:
        (fetched,) = fetch_all(internet, "https://a.example/x.jpg")
        assert (fetched.reason, fetched.final_url) == ("robots", "https://b.example/private/x.jpg")
        assert internet.hits("b.example") == []


@pytest.mark.parametrize("exempt", ["a.example", "*.example"])
def test_an_exempt_host_is_not_asked_for_robots(exempt: str) -> None:
    rules = dataclasses.replace(QUICK, robots_exempt=frozenset({exempt}))
    with LocalInternet({"a.example": pictures}, robots={"a.example": RULES}) as internet:
        (fetched,) = fetch_all(internet, "https://a.example/private/x.jpg", rules=rules)
        assert fetched.reason == "" and internet.log[0].path_qs == "/private/x.jpg"


def says(status: int, text: str = "", location: str = "") -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/robots.txt":
            headers = {"Location": location} if location else {}
            return web.Response(status=status, text=text, headers=headers)
        return await pictures(request)

    return handler


@pytest.mark.parametrize(
    ("status", "text", "reason", "passing"),
    [
        (200, "", "", False),
        (200, "<html>not here</html>", "", False),
        (401, "no", "", False),
        (403, "no", "", False),
        (404, RULES, "", False),
        (410, "", "", False),
        (429, "", "rate_limited", True),
        (500, "", "robots", True),
        (503, "", "robots", True),
        (501, "", "robots", True),
        (200, "User-agent: *\nDisallow: /", "robots", False),
        (200, "\ufeffUser-agent: *\nDisallow: /", "robots", False),
        (200, "#" * MAX_BYTES + "\nUser-agent: *\nDisallow: /", "", False),
    ],
)
def test_what_an_answer_to_robots_means(status: int, text: str, reason: str, passing: bool) -> None:
    with LocalInternet({"a.example": says(status, text)}, own_robots=True) as internet:
        fetched = fetch_all(internet, "https://a.example/x.jpg", "https://a.example/y.jpg")
        assert {(result.reason, result.transient) for result in fetched} == {(reason, passing)}
        assert len(internet.hits("a.example")) == (0 if reason else 2)


def test_robots_behind_a_redirect_are_read_there_and_count_here() -> None:
    handlers = {"a.example": says(301, "", "https://b.example/robots.txt"), "b.example": says(200, RULES)}
    with LocalInternet(handlers, own_robots=True) as internet:
        fetched = fetch_all(internet, "https://a.example/private/x.jpg", "https://a.example/x.jpg")
        assert [result.reason for result in fetched] == ["robots", ""]


def test_robots_of_an_unreachable_host_name_the_real_trouble() -> None:
    with LocalInternet({"a.example": pictures}) as internet:
        (fetched,) = fetch_all(internet, "https://nobody.example/x.jpg")
        assert (fetched.reason, fetched.transient) == ("dns", True) and "robots.txt" in fetched.detail


def test_robots_are_not_asked_where_the_rules_say_so() -> None:
    with FaultServer() as server:
        asyncio.run(server.fetch("good"))
        assert server.log == ["good"]


def reply(body: bytes) -> Reply:
    return Reply(URL("https://a.example/robots.txt"), 200, CIMultiDictProxy(CIMultiDict()), body)


@given(
    st.binary(max_size=300),
    st.sampled_from(["https://a.example/", "https://a.example/%zz?a=[&b=%ff", "https://a.example/é*$"]),
)
def test_no_robots_text_breaks_the_reader(body: bytes, url: str) -> None:
    async def run() -> None:
        async def read(_: URL) -> Reply:
            return reply(b"User-agent: *\n" + body)

        robots = Robots(read, lambda *_: None)
        try:
            await robots.check(URL(url))
        except RequestFailed as failure:
            assert failure.reason == "robots"

    asyncio.run(run())


def test_a_crawl_delay_slows_the_client_down() -> None:
    slowed: list[tuple[str, float]] = []

    async def run() -> None:
        async def read(_: URL) -> Reply:
            return reply(b"User-agent: Fieldguide\nCrawl-delay: 7\nDisallow:")

        await Robots(read, lambda *delay: slowed.append(delay)).check(URL("https://a.example/x"))

    asyncio.run(run())
    assert slowed == [("a.example", 7.0)]
