"""Where a guide is served: the socket and its delay, who is let in, and the addresses that are printed."""

import asyncio
import base64
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from command import check_two_lines, environment, run, start
from conftest import picture_bytes
from fieldguide.errors import SettingsError
from fieldguide.guide import open_guide
from fieldguide.guide.page import find_page
from fieldguide.serving.listening import accepted_hosts, listen, page_addresses
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import make_app

KEY = "0123456789abcdef:/+"
WITH_KEY = {**environment(), "FIELDGUIDE_API_KEY": KEY}
OPEN_HOSTS = ("0.0.0.0", "::")


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_connections_do_not_wait_for_nagle() -> None:
    """Nagle's delay is off on what asyncio accepts, or each answer on a kept connection would come 40 ms late."""

    async def accept() -> int:
        delays: asyncio.Queue[int] = asyncio.Queue()

        def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            delays.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(ServeSettings(port=0), "")
        async with await asyncio.start_server(note, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            nodelay = await delays.get()
            writer.close()
            await writer.wait_closed()
        return nodelay

    assert asyncio.run(accept())


# ---- which addresses


@pytest.mark.parametrize("host", ["", " ", "[]"])
def test_an_empty_host_is_refused(host: str, built_once: Path) -> None:
    with pytest.raises(SettingsError, match="empty"):
        listen(ServeSettings(host=host, port=0, insecure=True), KEY)


def test_an_empty_host_is_two_lines(built_once: Path) -> None:
    check_two_lines(run("serve", "--guide", built_once / "guide", "--host", ""), 78, "empty", "--host 127.0.0.1")


@pytest.mark.parametrize("host", ["no such name", "a" * 300, "1.2.3.4.5", "\u00fc" * 70, "a\0b"])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen on"):
        listen(ServeSettings(host=host, port=0), "")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "localhost", "::1", "[::1]"])
def test_the_loopback_needs_no_key(host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with listen(ServeSettings(host=host, port=0), "") as listener:
        assert len(page_addresses(listener)) == 1


@pytest.mark.parametrize("host", OPEN_HOSTS)
def test_an_address_that_others_reach_needs_a_key(host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with pytest.raises(SettingsError, match="needs an API key") as caught:
        listen(ServeSettings(host=host, port=0), "")
    assert "FIELDGUIDE_API_KEY" in caught.value.hint and "--insecure" in caught.value.hint
    for settings, key in (
        (ServeSettings(host=host, port=0), KEY),
        (ServeSettings(host=host, port=0, insecure=True), ""),
    ):
        listen(settings, key).close()


@pytest.mark.parametrize("key", ["secret", "fifteen-letters", "not only of ascii: \u00e9", "with a blank inside"])
def test_a_key_that_cannot_be_sent_or_is_short_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="16 or more") as caught:
        listen(ServeSettings(port=0), key)
    assert key not in f"{caught.value} {caught.value.hint}"


def test_a_short_key_is_two_lines(built_once: Path) -> None:
    short = run("serve", "--guide", built_once / "guide", env={**environment(), "FIELDGUIDE_API_KEY": "secret"})
    check_two_lines(short, 78, "16 or more", "FIELDGUIDE_API_KEY")


def test_serving_to_others_says_what_it_means_and_where(built_once: Path) -> None:
    refused = run("serve", "--guide", built_once / "guide", "--host", "0.0.0.0", "--port", "0")
    check_two_lines(refused, 78, "0.0.0.0", "API key", "--insecure")
    server = start("serve", "--guide", built_once / "guide", "--host", "0.0.0.0", "--port", "0", "--insecure")
    try:
        assert server.stderr
        warning, address = server.stderr.readline(), server.stderr.readline()
        assert "insecure" in warning and "no key" in warning and "unencrypted" in warning
        opened = re.match(r"(http://127\.0\.0\.1:\d+/) ", address)
        assert opened, address
        assert httpx.get(f"{opened[1]}health").status_code == 200
    finally:
        server.kill()
        server.communicate()


def test_every_address_that_is_printed_is_one_to_open() -> None:
    with listen(ServeSettings(host="0.0.0.0", port=0, insecure=True), "") as listener:
        addresses = page_addresses(listener)
        assert addresses[0].startswith("http://127.0.0.1:") and not any("0.0.0.0" in each for each in addresses)
        assert len(set(addresses)) == len(addresses)
        for address in addresses:
            socket.create_connection((httpx.URL(address).host, httpx.URL(address).port), timeout=60).close()


# ---- which names


def hosts_of(**settings: object) -> tuple[str, ...]:
    chosen = ServeSettings.model_validate({"port": 0, "insecure": True, **settings})
    with listen(chosen, "") as listener:
        return accepted_hosts(listener, chosen)


def test_the_names_that_are_answered() -> None:
    assert "*" not in hosts_of() and {"127.0.0.1", "localhost"} <= set(hosts_of())
    assert "*" in hosts_of(host="0.0.0.0")
    named = hosts_of(host="0.0.0.0", allowed_hosts=["Guide.Example.org"])
    assert "*" not in named and {"guide.example.org", "127.0.0.1"} <= set(named)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("guide.example.org", 200), ("GUIDE.example.org:443", 200), ("a.charts.example", 200), ("LOCALHOST", 200),
        ("charts.example", 400), ("xcharts.example", 400), ("guide.example.org.evil.example", 400), ("", 400),
    ],
)  # fmt: skip
def test_a_proxy_passes_the_names_that_are_allowed(host: str, status: int, built_once: Path) -> None:
    names = hosts_of(allowed_hosts=["guide.example.org", "*.charts.example"])
    app = make_app(open_guide(built_once / "guide"), ServeSettings(), names)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        reply = client.get("/health", headers={"Host": host})
        assert reply.status_code == status
        assert status == 200 or "allowed_hosts" in reply.json()["detail"]


def test_names_come_from_the_command_line_too(built_once: Path) -> None:
    server = start("serve", "--guide", built_once / "guide", "--port", "0", "--allowed-host", "guide.example.org")
    try:
        assert server.stderr
        address = server.stderr.readline().split()[0]
        for host, status in (("guide.example.org", 200), ("other.example.org", 400)):
            assert httpx.get(f"{address}health", headers={"Host": host}).status_code == status
    finally:
        server.kill()
        server.communicate()


# ---- the key


@pytest.fixture(scope="module")
def locked(built_once: Path) -> Iterator[TestClient]:
    """Return a client of a server that wants a key."""
    app = make_app(open_guide(built_once / "guide"), ServeSettings(), ("127.0.0.1",), KEY)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer  {KEY} "}, {"X-API-Key": KEY},
        {"Authorization": basic("", KEY)}, {"Authorization": basic("anybody", KEY)},
    ],
)  # fmt: skip
def test_the_key_opens_everything(headers: dict[str, str], locked: TestClient) -> None:
    for path in ("/", "/v1/guide", "/openapi.json", "/guide.json"):
        assert locked.get(path, headers=headers).status_code == 200
    assert locked.post("/v1/classify", content=picture_bytes("circle", 33), headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": f"Bearer {KEY[:-1]}"}, {"Authorization": f"Bearer {KEY}x"}, {"X-API-Key": ""},
        {"Authorization": basic(KEY, "")}, {"Authorization": "Basic %%%"}, {"Authorization": "Basic /w=="},
        {"Authorization": "Bearer"}, {"X-API-Key": "x", "Authorization": f"Bearer {KEY}"},
    ],
)  # fmt: skip
def test_without_the_key_nothing_is_told(headers: dict[str, str], locked: TestClient) -> None:
    replies = [
        locked.get(path, headers=headers) for path in ("/", "/v1/guide", "/openapi.json", "/none", "/none/health")
    ]
    replies.append(locked.post("/v1/classify", content=picture_bytes("circle", 33), headers=headers))
    for reply in replies:
        assert reply.status_code == 401 and reply.json()["code"] == "key_needed"
        assert reply.headers["www-authenticate"].startswith("Basic ")
        assert "circle" not in reply.text and KEY not in reply.text
        assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert locked.get("/health", headers=headers).status_code == 200, "a health check needs no key"


def test_the_page_asks_for_the_key_and_gets_a_cookie_for_it(locked: TestClient, built_once: Path) -> None:
    if not find_page():
        pytest.skip("the pages are not built: make pages")
    browser = {"Accept": "text/html,*/*;q=0.8"}
    page = locked.get("/", headers=browser)
    assert page.status_code == 401 and page.headers["content-type"].startswith("text/html")
    assert "shapes" not in page.text and "www-authenticate" not in page.headers
    for part in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert locked.get(part).status_code == 200, "the page's own files tell nothing of the guide"
    own = {"X-Fieldguide-Page": "1"}
    for headers in ({}, {"X-API-Key": KEY[:-1]}):
        refused = locked.post("/v1/session", headers={**own, **headers})
        assert refused.status_code == 401 and "set-cookie" not in refused.headers
        assert refused.headers["www-authenticate"].startswith("Bearer "), "the browser does not ask too"
    with TestClient(make_app(open_guide(built_once / "guide"), ServeSettings(), ("127.0.0.1",), KEY),
                    base_url="http://127.0.0.1") as visitor:  # fmt: skip
        given = visitor.post("/v1/session", headers={**own, "X-API-Key": KEY})
        assert given.status_code == 204 and KEY not in given.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert word in given.headers["set-cookie"]
        about = visitor.get("/guide.json").json()
        assert visitor.get("/", headers=browser).status_code == 200
        assert visitor.get(f"/{about['classes'][0]['examples'][0]['file']}").status_code == 200
        picture = picture_bytes("circle", 33)
        assert visitor.post("/v1/classify", content=picture).status_code == 200
        for site in ("cross-site", "same-site"):
            assert visitor.post("/v1/classify", content=picture, headers={"Sec-Fetch-Site": site}).status_code == 401
        assert visitor.get("/guide.json", headers={"X-API-Key": "x"}).status_code == 401


def test_the_key_comes_from_the_environment(built_once: Path) -> None:
    server = start("serve", "--guide", built_once / "guide", "--host", "0.0.0.0", "--port", "0", env=WITH_KEY)
    try:
        assert server.stderr
        address = server.stderr.readline().split()[0]
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, auth=("", KEY)).status_code == 200
    finally:
        server.kill()
        _, stderr = server.communicate()
    assert KEY not in stderr and "FIELDGUIDE_API_KEY" not in os.environ
