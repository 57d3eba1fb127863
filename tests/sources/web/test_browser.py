"""The source `browser` drives a real browser over search pages."""

import asyncio
import os
import shutil
import ssl
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, MissingExtra, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, Request, ResultPage
from fieldguide.sources.web.browser import BrowserSource
from fieldguide.sources.web.specs import load_spec

pytestmark = pytest.mark.browser


PAGES = Path(__file__).parents[2] / "samples" / "pages"
SPEC = """
name = "own"
hosts = ["%s"]
url = "https://%s/{q}"
enabled = false
find = [{ select = "img", fields = { url = "@src" } }]
markers = { ok = ["img"] }
"""
ROBOTS = "User-agent: *\nDisallow: /private\n"


class QuietServer(ThreadingHTTPServer):
    """A server that says nothing of a browser that leaves in the middle of a handshake."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Engines:
    """A server on loopback that answers for every host by its table, over TLS, and writes down what was asked."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.pages: dict[str, str | bytes] = {}
        self.statuses: dict[str, int] = {}
        self.redirects: dict[str, str] = {}
        self.log: list[str] = []
        self.agents: set[str] = set()
        engines = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                place = f"{self.headers['Host']}{parts.path}"
                engines.log.append(f"{place}?{parts.query}")
                engines.agents.add(self.headers.get("User-Agent", ""))
                first = parse_qs(parts.query).get("first", [""])[0]
                body = engines.pages.get(f"{place}#{first}", engines.pages.get(place, ""))
                if place in engines.redirects:
                    self.send_response(302)
                    self.send_header("Location", engines.redirects[place])
                else:
                    self.send_response(engines.statuses.get(place, 200 if body else 404))
                data = body if isinstance(body, bytes) else (PAGES / body).read_bytes() if body else b""
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = QuietServer((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("*.example.test").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.address, self.port = address, self.server.server_address[1]

    async def resolve(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        """Return this server for every host but those that end in .nowhere."""
        return [] if host.endswith(".nowhere") else [(self.address, self.port)]


@contextmanager
def running(address: str = "127.0.0.1") -> Iterator[Engines]:
    """Run a server that answers for every host, as long as the block."""
    engines = Engines(address)
    thread = threading.Thread(target=engines.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield engines
    engines.server.shutdown()
    engines.server.server_close()
    thread.join()


@pytest.fixture
def engines() -> Iterator[Engines]:
    """Run a server that answers for every host."""
    with running() as engines:
        yield engines


@pytest.fixture
def chromium() -> None:
    """Skip where there is no Chromium."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no Chromium with its driver here")


def asking(robots: str = ROBOTS, status: int = 200) -> tuple[Ask, list[Request]]:
    """Return what answers for robots.txt, and the list of its requests."""
    requests: list[Request] = []

    async def ask(request: Request) -> Answer:
        requests.append(request)
        return Answer(request.url, status, {}, robots.encode())

    return ask, requests


def source_of(engines: Engines, appear_s: float = 10.0) -> BrowserSource:
    return BrowserSource(engines.resolve, flags=["--ignore-certificate-errors"], appear_s=appear_s)


def query_of(spec: str, text: str = "heron", **options: str) -> Query:
    values = {"spec": spec, "allow": "true", "allow_networks": "127.0.0.0/8", "click_seconds": "1", **options}
    return Query("browser", "heron", text, values)


def run(work: Coroutine[Any, Any, ResultPage]) -> ResultPage:
    return asyncio.run(work)


def numbers(page: ResultPage) -> list[str]:
    return [candidate.url.rpartition("/")[2].removesuffix(".jpg") for candidate in page.candidates]


def no_browser_is_left() -> bool:
    """Tell whether no process of ours has a profile of a session; looked up in the system's own table.

    Other workers of the same tests have browsers of their own: a process of ours has our worker in its environment.
    """
    worker = f"PYTEST_XDIST_WORKER={os.environ.get('PYTEST_XDIST_WORKER', '')}\0".encode()
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            line = (folder / "cmdline").read_bytes()
            ours = alone or worker in (folder / "environ").read_bytes()
            if ours and b"/fieldguide-" in line and b"--headless" in line:
                return False
    return True


class TestEngines:
    @pytest.fixture(autouse=True)
    def _needs(self, chromium: None) -> None:
        pass

    def test_bing_loads_by_scrolling_and_by_its_button_and_pages_on(self, engines: Engines) -> None:
        engines.pages = {
            "www.bing.com/images/search": "bing.html",
            "www.bing.com/images/async#4": "bing_more.html",
            "www.bing.com/images/async#7": "bing_last.html",
            "www.bing.com/images/async#8": "bing_empty.html",
        }
        ask, requests = asking()
        source = source_of(engines)
        page = run(source.search(query_of("bing", "grey heron & chick"), "", ask))
        assert numbers(page) == ["1", "2", "3", "4", "5", "6", "7"]
        assert page.skipped == {"no_record": 1}
        assert page.candidates[0] == Candidate(
            url="https://pictures.example/1.jpg", item_id="M1", page_url="https://site.example/1",
            thumb_url="https://ts1.mm.bing.net/th?id=1", title='a "heron" 1', width=801, height=601,
        )  # fmt: skip
        assert page.cursor == "7"
        assert page.answer.status == 200
        assert b"pictures.example/7.jpg" in page.answer.body
        assert [request.url for request in requests] == ["https://www.bing.com/robots.txt"]
        assert "www.bing.com/images/search?q=grey%20heron%20%26%20chick&safeSearch=Strict" in engines.log
        assert all("Headless" in agent for agent in engines.agents)  # nothing is disguised
        last = run(source.search(query_of("bing"), page.cursor, ask))
        assert (last.candidates, last.cursor) == ((), "")
        assert any("first=8" in line for line in engines.log)
        assert no_browser_is_left()

    def test_google_gives_its_originals_away_by_clicks(self, engines: Engines) -> None:
        engines.pages = {"www.google.com/search": "google.html"}
        ask, requests = asking("User-agent: *\nDisallow: /search")
        page = run(source_of(engines).search(query_of("google", ignore_robots="true"), "", ask))
        assert requests == []
        assert numbers(page) == ["1", "2", "3", "images?q=4", "5"]
        assert [candidate.is_thumb for candidate in page.candidates] == [False, False, False, True, False]
        assert [candidate.page_url for candidate in page.candidates] == [
            f"https://site.example/{i}" for i in range(1, 6)
        ]
        assert page.cursor == ""

    def test_yandex_by_its_state_its_button_and_its_similar_pictures(self, engines: Engines) -> None:
        engines.pages = {"yandex.com/images/search": "yandex.html"}
        source = source_of(engines)
        page = run(source.search(query_of("yandex", "цапля"), "", asking("", 404)[0]))
        assert numbers(page) == ["1", "2-big", "3"]
        assert page.candidates[0].title == "цапля 1"
        like = run(source.similar(query_of("yandex"), page.candidates[1], "", asking()[0]))
        assert numbers(like) == ["1", "2-big", "3"]
        assert any("cbir_page=similar&url=https%3A%2F%2Fpictures.example%2F2-big.jpg" in line for line in engines.log)
        engines.pages = {"yandex.com/images/search": "yandex_bem.html", "yandex.com/more": "yandex_more.html"}
        assert numbers(run(source.search(query_of("yandex"), "", asking()[0]))) == ["1-big", "2", "3", "4", "5"]

    def test_arts_waits_for_lazy_pictures(self, engines: Engines) -> None:
        engines.pages = {"artsandculture.google.com/color": "google_arts.html"}
        page = run(source_of(engines).search(query_of("google_arts", "TEAL"), "", asking()[0]))
        assert len(page.candidates) == 120
        assert not page.skipped
        assert page.candidates[0].url == "https://lh3.example/ci/0=s1024"
        assert page.candidates[0].page_url == "https://artsandculture.google.com/asset/work-0"
        # Chromium asks for nothing on its own account
        assert {line.partition("/")[0] for line in engines.log} == {"artsandculture.google.com", "lh3.example"}

    @pytest.mark.shared
    @pytest.mark.parametrize(
        ("spec", "pages", "count", "originals"),
        [
            ("google", {"search": "google_images/modelled_udm2_js"}, 40, 36),
            ("google_arts", {"color": "google_arts/modelled_color"}, 180, 180),
            ("yandex", {"images/search": "yandex_images/modelled_datastate_2025"}, 30, 30),
            (
                "bing",
                {
                    "images/search": "bing_images/modelled_search",
                    "images/async#36": "bing_images/modelled_async_page2",
                    "images/async#71": "bing_images/modelled_async_page3",
                },
                82,
                82,
            ),
        ],
    )
    def test_modelled_pages(
        self, engines: Engines, shared: Path, spec: str, pages: dict[str, str], count: int, originals: int
    ) -> None:
        host = urlsplit(load_spec(spec).url).hostname
        for path, name in pages.items():
            engines.pages[f"{host}/{path}"] = (shared / "fixtures" / f"{name}.html").read_bytes()
        page = run(source_of(engines).search(query_of(spec, "red panda", click_seconds="0.5"), "", asking()[0]))
        assert len(page.candidates) == count
        assert sum(not candidate.is_thumb for candidate in page.candidates) == originals

    def test_it_stops_where_enough_is_there(self, engines: Engines) -> None:
        engines.pages = {"artsandculture.google.com/color": "google_arts.html"}
        page = run(source_of(engines).search(query_of("google_arts", "TEAL", most_items="10"), "", asking()[0]))
        assert len(page.candidates) == 10

    @pytest.mark.parametrize(
        ("body", "status", "error"),
        [
            ("google_consent.html", 200, Blocked),
            (b"<html><body>Nothing that anybody knows", 200, LayoutChanged),
            (b"<html><body>slow down", 429, RateLimited),
            (b"<html><body>no", 403, Blocked),
            (b"<html><body>ill", 503, NetworkDown),
        ],
    )
    def test_a_wall_is_not_climbed(
        self, engines: Engines, body: str | bytes, status: int, error: type[Exception]
    ) -> None:
        engines.pages = {"www.google.com/search": body}
        engines.statuses = {"www.google.com/search": status}
        with pytest.raises(error):
            run(source_of(engines, appear_s=1.0).search(query_of("google"), "", asking()[0]))
        assert no_browser_is_left()

    def test_it_does_not_follow_to_another_site(self, engines: Engines) -> None:
        engines.redirects = {"www.google.com/search": "https://consent.google.com/m"}
        engines.pages = {"consent.google.com/m": "google.html"}
        with pytest.raises(Blocked, match=r"consent\.google\.com"):
            run(source_of(engines).search(query_of("google"), "", asking()[0]))

    def test_the_page_cannot_reach_private_addresses(self, engines: Engines) -> None:
        links = ("https://127.0.0.1/a.html", "https://localhost/b.html", "https://intern.example/c.html")
        frames = "".join(f"<img src='{link}'><iframe src='{link}'></iframe>" for link in links)
        body = (PAGES / "google_arts.html").read_text(encoding="utf-8").replace("<div id", f"{frames}<div id")
        with running("127.0.0.2") as beside:
            engines.pages = {"artsandculture.google.com/color": body.encode()}

            async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
                return await (engines if host.startswith("arts") else beside).resolve(host, port)

            source = BrowserSource(resolve, flags=["--ignore-certificate-errors"])
            for opened, reached in (("127.0.0.1/32", False), ("127.0.0.1/32, 127.0.0.2/32", True)):
                query = query_of("google_arts", "TEAL", allow_networks=opened, most_items="40")
                assert run(source.search(query, "", asking()[0])).candidates
                assert bool(beside.log) == reached

    def test_cancelling_ends_the_browser_first(self, engines: Engines) -> None:
        engines.pages = {"artsandculture.google.com/color": b"<html><body>Never known"}

        async def cut() -> None:
            query = query_of("google_arts", "TEAL", most_seconds="500")
            work = source_of(engines, appear_s=500.0).search(query, "", asking()[0])
            task = asyncio.create_task(work)
            while not engines.log:
                await asyncio.sleep(0.05)
            assert not no_browser_is_left()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(asyncio.wait_for(cut(), 60))
        assert no_browser_is_left()


class TestGate:
    """What is refused before a browser is started: the server sees nothing of it."""

    @pytest.fixture(autouse=True)
    def _finds_a_browser(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fieldguide.sources.web.browser.find_chromium", lambda: ("", ""))

    @pytest.mark.parametrize("spec", ["google", "google_wml", "bing", "yandex", "google_arts"])
    def test_off_by_default(self, engines: Engines, spec: str) -> None:
        ask, requests = asking()
        with pytest.raises(Blocked, match="is off"):
            run(source_of(engines).search(query_of(spec, allow="false"), "", ask))
        assert (engines.log, requests) == ([], [])

    def test_robots_are_obeyed(self, engines: Engines) -> None:
        ask, requests = asking("User-agent: *\nDisallow: /search\n")
        with pytest.raises(Blocked, match=r"robots\.txt of www\.google\.com"):
            run(source_of(engines).search(query_of("google"), "", ask))
        assert [request.url for request in requests] == ["https://www.google.com/robots.txt"]
        with pytest.raises(NetworkDown, match="robots"):
            run(source_of(engines).search(query_of("google"), "", asking("", 503)[0]))
        assert engines.log == []

    def test_private_and_unknown_hosts_are_refused(self, engines: Engines, tmp_path: Path) -> None:
        with pytest.raises(Blocked, match="private network"):
            run(source_of(engines).search(query_of("bing", allow_networks="192.168.0.0/16"), "", asking()[0]))
        text = (SPEC % ("own.nowhere", "own.nowhere")).replace("enabled = false", "enabled = true")
        (tmp_path / "own.toml").write_text(text, encoding="utf-8")
        with pytest.raises(NetworkDown, match=r"own\.nowhere has no address"):
            run(source_of(engines).search(query_of(str(tmp_path / "own.toml"), allow="false"), "", asking()[0]))
        assert engines.log == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"spec": ""}, "needs a page spec"),
            ({"spec": "bong"}, "no page spec 'bong'"),
            ({"most_items": "0"}, "most_items = '0'"),
            ({"most_seconds": "many"}, "most_seconds = 'many'"),
            ({"click_seconds": "nan"}, "click_seconds"),
            ({"allow": "yes"}, "neither true nor false"),
            ({"allow_networks": "home"}, "allow_networks"),
            ({"ignore_robot": "true"}, "ignore_robot"),
        ],
    )
    def test_options_that_cannot_be(self, engines: Engines, options: dict[str, str], message: str) -> None:
        with pytest.raises(BadQuery, match=message):
            run(source_of(engines).search(query_of(**{"spec": "bing", **options}), "", asking()[0]))
        with pytest.raises(BadQuery, match="similar"):
            run(source_of(engines).similar(query_of("bing"), Candidate("https://a.example/1.jpg"), "", asking()[0]))


def test_without_a_browser_it_says_what_to_install(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingExtra, match="Chromium") as caught:
        run(source_of(engines).search(query_of("bing"), "", asking()[0]))
    assert "chromium-driver" in caught.value.hint
