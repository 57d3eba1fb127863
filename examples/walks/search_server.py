"""A search engine of one's own over a folder of pictures: it answers as a SearXNG does, on this machine alone.

`fieldguide collect` asks it like any other, with the source `searxng`, so a whole walk needs no network.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

PAGE = 20


class SearchServer:
    """Gives the pictures of `found[query]`, twenty to a page, at `http://127.0.0.1:<port>`."""

    def __init__(self, found: Mapping[str, Sequence[Path]]) -> None:
        pictures = sorted({path for paths in found.values() for path in paths})
        numbers = {path: number for number, path in enumerate(pictures)}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/search":
                    query = parse_qs(parts.query)
                    page, paths = int(query["pageno"][0]), found.get(query["q"][0], ())
                    base = f"http://{self.headers['Host']}"
                    results = [
                        {
                            "img_src": f"{base}/{numbers[path]}",
                            "url": f"{base}/page/{numbers[path]}",
                            "title": path.stem,
                        }
                        for path in paths[(page - 1) * PAGE : page * PAGE]
                    ]
                    body = {"results": results, "number_of_results": len(paths), "unresponsive_engines": []}
                    self._answer(json.dumps(body).encode(), "application/json")
                elif parts.path.strip("/").isdecimal():
                    self._answer(pictures[int(parts.path.strip("/"))].read_bytes(), "image/*")
                else:
                    self.send_error(404)

            def _answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Write nothing: the program says what it fetched."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "SearchServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settings(self) -> dict[str, object]:
        """Return what fieldguide.toml has to say so that `collect` asks this server, and may."""
        return {
            "collect.sources": ["searxng"],
            "collect.licences": "any",  # a search engine states none
            "collect.hosts": {"127.0.0.1": {"private": True, "ports": [self.port], "spacing_s": 0.0, "concurrency": 8}},
            "collect.options": {"searxng": {"base_url": f"http://127.0.0.1:{self.port}"}},
        }
