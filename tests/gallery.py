"""A small internet to collect from: an Openverse with a few hundred pictures, and a SearXNG over plain http.

Each class has its own pictures, drawn from a seed, some of them spoilt; which one shows what is decided by its number
alone, so that a test can say what must be collected.
"""

import asyncio
import io
import json
import threading
import time
from collections.abc import Callable
from functools import cache
from urllib.parse import quote

import numpy as np
from aiohttp import web
from PIL import Image

from faulty import LocalInternet, Threaded

PAGE = 20
SPOILT = {3: "missing", 5: "html", 7: "copy", 11: "small", 13: "cut", 17: "closed"}


@cache
def picture(name: str, number: int, side: int = 96) -> bytes:
    """Draw a JPEG unlike any other: a coarse pattern of its own."""
    seed = int.from_bytes(f"{name}/{number}".encode(), "big")
    cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def is_good(number: int) -> bool:
    """Tell whether the picture of that number can be kept under the policy `open`."""
    return number not in SPOILT


def item(name: str, number: int) -> dict[str, object]:
    """Return what the Openverse says of a picture."""
    closed = SPOILT.get(number) == "closed"
    return {
        "id": f"{name}-{number}",
        "title": f"{name} no. {number}",
        "url": f"https://img.example.org/{quote(name)}/{number}.jpg",
        "foreign_landing_url": f"https://www.example.org/{quote(name)}/{number}",
        "creator": f"Author {number % 5}",
        "creator_url": "https://www.example.org/authors",
        "license": "by-nc" if closed else "by",
        "license_version": "4.0",
        "license_url": f"https://creativecommons.org/licenses/{'by-nc' if closed else 'by'}/4.0/",
        "source": "example",
        "width": 96,
        "height": 96,
        "related_url": f"https://api.openverse.org/v1/images/{quote(name)}-{number}/related/",
    }


def image_answer(name: str, number: int) -> web.Response:
    """Return the picture, or whatever spoils it."""
    match SPOILT.get(number):
        case "missing":
            return web.Response(status=404)
        case "html":
            return web.Response(text="<!doctype html><title>no picture</title>", content_type="image/jpeg")
        case "copy":
            return web.Response(body=picture(name, number - 1), content_type="image/jpeg")
        case "small":
            return web.Response(body=picture(name, number, 40), content_type="image/jpeg")
        case "cut":
            return web.Response(body=picture(name, number)[:400], content_type="image/jpeg")
        case _:
            return web.Response(body=picture(name, number), content_type="image/jpeg")


async def serve_image(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the picture whose name and number are the path."""
    name, _, number = request.path.strip("/").rpartition("/")
    return image_answer(name, int(number.removesuffix(".jpg")))


def openverse(total: int = 100, related: int = 6) -> Callable[[web.BaseRequest], object]:
    """Return a handler that knows so many pictures of any query, and so many like each of them."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/related/"):
            name, _, parent = request.path.split("/")[3].rpartition("-")
            results = [item(f"like {name} {parent}", index) for index in range(20, 20 + related)]
            return web.json_response({"result_count": related, "results": results})
        page, name = int(request.query["page"]), request.query["q"]
        results = [item(name, index) for index in range((page - 1) * PAGE, min(page * PAGE, total))]
        return web.json_response(
            {"result_count": total, "page_count": 5, "page_size": PAGE, "page": page, "results": results}
        )

    return answer


def internet(**more: object) -> LocalInternet:
    """Return the whole of it."""
    handlers = {"api.openverse.org": openverse(), "img.example.org": serve_image, **more}
    return LocalInternet(handlers)  # type: ignore[arg-type]


class Searx(Threaded):
    """A SearXNG and its pictures at `http://127.0.0.1:<port>`, which writes down what it is asked for."""

    def __init__(self, total: int = 60, slow_s: float = 0.0) -> None:
        self.total = total
        self.slow_s = slow_s
        self.gives_pictures = threading.Event()  # while it is not set, who asks for a picture waits
        self.gives_pictures.set()
        self.log: list[tuple[float, str]] = []
        self.port = 0

    async def start(self) -> None:
        """Start to listen."""
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End the server."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.log.append((time.monotonic(), request.path_qs))
        if request.path == "/robots.txt":
            return web.Response(status=404)
        if request.path == "/search":
            page, name = int(request.query["pageno"]), request.query["q"]
            numbers = range((page - 1) * PAGE, min(page * PAGE, self.total))
            base = f"http://127.0.0.1:{self.port}"
            results = [
                {"img_src": f"{base}/{quote(name)}/{index}.jpg", "url": base, "title": f"{index}"} for index in numbers
            ]
            body = {"results": results, "number_of_results": self.total, "unresponsive_engines": []}
            return web.Response(text=json.dumps(body), content_type="application/json")
        await asyncio.sleep(self.slow_s)
        while not self.gives_pictures.is_set():
            await asyncio.sleep(0.02)
        name, _, number = request.path.strip("/").rpartition("/")
        return image_answer(name, int(number.removesuffix(".jpg")))
