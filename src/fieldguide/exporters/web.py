"""The form `web`: a static folder whose page classifies on the reader's own device, with the network off too.

The page is built from `web/guide` and comes with the package; its model is the guide's own, run by ONNX Runtime Web,
and its preprocessing is that of docs/preprocessing.md in TypeScript. It is proved in headless Chromium, through the
code that its readers run. Knows nothing about how the page works inside, but for its promise `window.fieldguide`.
"""

import base64
import hashlib
import json
import re
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fieldguide.chromium import find_chromium, open_chromium
from fieldguide.errors import BadImage, ParityError
from fieldguide.exporters.contract import Answer, FormFacts, Source
from fieldguide.guide.page import LOGO, NOT_BUILT, built_page, find_page, page_title, put_title
from fieldguide.hashing import hash_file

_SCRIPT_S = 600.0
_NOT_KEPT = ("sw.js", "_headers", ".nojekyll")  # the service worker does not hold itself, nor what is for hosts alone
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}
_POLICY = re.compile(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"')
# The page fetches the picture from the server that it came from, and answers as it does for a person who chose it.
_ASK = """
const [address, done] = arguments;
(async () => {
  const classifier = await window.fieldguide;
  const file = await (await fetch(address, { cache: "no-store" })).blob();
  const answer = await classifier.classify(file, { withSquares: true });
  const parts = [];
  for (let at = 0; at < answer.squares.length; at += 0x8000) {
    parts.push(String.fromCharCode(...answer.squares.subarray(at, at + 0x8000)));
  }
  return { ...answer, squares: btoa(parts.join("")) };
})().then(done, (error) => done({ reason: error.reason ?? "", message: String(error.message ?? error) }));
"""


class WebExporter:
    """Puts the guide into the built page."""

    name = "web"
    facts = FormFacts(
        "a static folder with a page that answers in the browser, offline too",
        # Python decodes a large JPEG at a smaller scale, which the page computes: docs/export-web.md
        most_pixel_difference=0.25,
        most_probe_difference=0.05,  # alpha may be a level apart
        most_difference_otherwise=0.1,
    )

    def unsuitable(self, source: Source) -> str:
        """Return that the page is not built, or ""."""
        return "" if find_page() else NOT_BUILT

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write the page, the model, the description, the credits and the examples."""
        shutil.copytree(built_page(), folder, dirs_exist_ok=True)
        origin, about = source.guide.folder, source.guide.about
        for name in ("model.onnx", "CREDITS.csv"):
            shutil.copyfile(origin / name, folder / name)
        forms = {name: row for name, row in source.guide.forms.items() if name != self.name}
        description = json.dumps({**about, **({"forms": forms} if forms else {})}, ensure_ascii=False)
        (folder / "guide.json").write_text(f"{description}\n", encoding="utf-8")
        (folder / "examples").mkdir()
        for example in (example for row in about["classes"] for example in row["examples"]):
            shutil.copyfile(origin / example["file"], folder / example["file"])
        if "logo" in about.get("branding", {}):
            shutil.copyfile(origin / LOGO, folder / LOGO)
        _write_names(folder, about)
        _write_release(folder)
        return {"runtime": "ONNX Runtime Web"}

    def cannot_run(self) -> str:
        """Return "": Chromium runs on whatever makes it.

        Raises:
            MissingExtra: it is not installed.
        """
        find_chromium()
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator["ChromiumRuntime"]:
        """Serve the folder below a path of this machine, and open it in headless Chromium."""
        with serve_page(folder) as server, open_chromium(()) as driver:
            driver.set_script_timeout(_SCRIPT_S)
            driver.get(server.address)
            yield ChromiumRuntime(driver, server, folder)


class ChromiumRuntime:
    """The page in headless Chromium, asked one picture after the other."""

    def __init__(self, driver: Any, server: "PageServer", folder: Path) -> None:
        """Take over a page that is open.

        Args:
            driver: the browser, in which the page is loaded.
            server: what the page came from.
            folder: what it serves.
        """
        self._driver, self._server, self._shape = driver, server, _square_shape(folder)

    def classify(self, data: bytes) -> Answer:
        """Classify a picture from its file's bytes.

        Raises:
            BadImage: the page refuses it.
            ParityError: the page fails.
        """
        answer = self._ask(data)
        square = np.frombuffer(base64.b64decode(answer["squares"]), np.uint8).reshape(self._shape)
        probs, familiarity = np.array(answer["probs"], np.float32), float(answer["familiarity"])
        latency_ms = float(answer["decodeMs"] + answer["modelMs"])
        return Answer(probs, familiarity, bool(answer["declined"]), latency_ms, square)

    def measure(self, data: bytes) -> tuple[float, float]:
        """Return how many milliseconds preparing a picture takes, and the model."""
        answer = self._ask(data)
        return float(answer["decodeMs"]), float(answer["modelMs"])

    def _ask(self, data: bytes) -> dict[str, Any]:
        self._server.picture = data
        answer: dict[str, Any] = self._driver.execute_async_script(_ASK, self._server.picture_address)
        if "probs" in answer:
            return answer
        if answer["reason"]:
            raise BadImage(answer["reason"], answer["message"])
        raise ParityError(f"the page fails in Chromium: {answer['message'][:200]}", "report it")


# What is written


def _write_names(folder: Path, about: Mapping[str, Any]) -> None:
    """Write the title where browsers look for it before any script has run: in the title and in the manifest."""
    page = put_title((folder / "index.html").read_text(encoding="utf-8"), about)
    (folder / "index.html").write_text(page, encoding="utf-8")
    sizes = (("icon.svg", "any", "image/svg+xml"), ("icon-192.png", "192x192", "image/png"))
    icons = [{"src": f"./{file}", "sizes": size, "type": kind} for file, size, kind in sizes]
    icons += [{"src": "./icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": "any maskable"}]
    name = page_title(about)
    manifest = {
        "id": "./", "name": name, "short_name": name[:30], "description": str(about["about"]),
        "start_url": "./", "scope": "./", "display": "standalone",
        "background_color": "#f7f6f1", "theme_color": "#f7f6f1", "icons": icons,
    }  # fmt: skip
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / "manifest.webmanifest").write_text(f"{text}\n", encoding="utf-8")
    # for hosts that read it (Netlify, Cloudflare Pages): the page's own policy also holds for its worker then
    match = _POLICY.search(page)
    assert match, "the page has a policy"
    headers = f"/*\n  Content-Security-Policy: {match[1]}\n  X-Content-Type-Options: nosniff\n"
    (folder / "_headers").write_text(headers, encoding="utf-8")
    (folder / ".nojekyll").touch()  # GitHub Pages would leave out or change some files otherwise


def _write_release(folder: Path) -> None:
    """Tell the service worker what the folder holds; another content is another version."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_KEPT)
    hashes = {path.relative_to(folder).as_posix(): hash_file(path) for path in paths}
    text = json.dumps(hashes)
    worker = (folder / "sw.js").read_text(encoding="utf-8")
    version = hashlib.sha256((text + worker).encode()).hexdigest()[:16]
    (folder / "sw.js").write_text(
        f'self.release = {{"version": "{version}", "files": {text}}};\n{worker}', encoding="utf-8"
    )


def _square_shape(folder: Path) -> tuple[int, ...]:
    about = json.loads((folder / "guide.json").read_text(encoding="utf-8"))
    views = about.get("views", [about["preprocessing"]])
    side = int(views[0]["size"])
    return (len(views), side, side, 3) if len(views) > 1 else (side, side, 3)


# A static host, as far as a proof needs one


class PageServer(ThreadingHTTPServer):
    """Serves a folder below a path, and beside it the one picture that is asked about.

    Attributes:
        picture: the bytes of its file.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.prefix = f"/{secrets.token_hex(8)}/guide/"  # below a path, as a page of many hosts is
        self.picture = b""
        headers = (folder / "_headers").read_text(encoding="utf-8").splitlines()[1:]
        self.headers = [tuple(line.strip().split(": ", 1)) for line in headers]
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}{self.prefix}"

    @property
    def picture_address(self) -> str:
        """Where the picture is; not below the page, whose service worker would ask for it."""
        return f"{self.prefix.removesuffix('guide/')}picture"


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the files of the folder, as a static host does, and with the picture."""

    server: PageServer

    def do_GET(self) -> None:
        """Answer."""
        if self.path == self.server.picture_address:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.picture)))
            self.end_headers()
            self.wfile.write(self.server.picture)
        elif self.path.startswith(self.server.prefix):
            self.path = "/" + self.path.removeprefix(self.server.prefix)
            super().do_GET()
        else:
            self.send_error(404)

    def guess_type(self, path: str | PathLike[str]) -> str:
        """Return a file's media type, whatever this machine has been told of it."""
        return _TYPES.get(Path(path).suffix) or super().guess_type(path)

    def end_headers(self) -> None:
        """Send the headers that the folder asks its host for."""
        for name, value in self.server.headers:
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serve_page(folder: Path) -> Iterator[PageServer]:
    """Serve a folder on this machine for the time of the block."""
    with PageServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
