"""Real pictures, and a web server of them on loopback that is fast enough not to be what is measured.

nginx where it is installed; else, and wherever an answer is to take its time, a small aiohttp server in a process of
its own that holds the pictures in memory.
"""

import asyncio
import io
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aiohttp import web
from PIL import Image, ImageEnhance

from common import shared_data

LEAST_SIDE = 192  # smaller ones are thumbnails, not what a source offers

_NGINX = """
daemon off; worker_processes 1; pid {own}/nginx.pid; error_log {own}/error.log; {user}
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
    types {{ image/jpeg jpg; }}
    client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def make_pictures(folder: Path, count: int) -> str:
    """Write so many JPEGs, named by number, and return in words what they are."""
    folder.mkdir()
    base = shared_data("flowers17").parent
    chance = random.Random(0)
    real = sorted(path for path in base.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png", ".webp"))
    real = [path for path in real if min(Image.open(path).size) >= LEAST_SIDE]
    chance.shuffle(real)
    real = real[:count]
    size = pixels = 0
    for number in range(count):
        path = real[number % len(real)]
        as_is = number < len(real) and Image.open(path).format == "JPEG"
        data = path.read_bytes() if as_is else _make_jpeg(path, chance if number >= len(real) else None)
        (folder / f"{number}.jpg").write_bytes(data)
        width, height = Image.open(io.BytesIO(data)).size
        size, pixels = size + len(data), pixels + width * height
    jpegs = sum(path.suffix in (".jpg", ".jpeg") for path in real)
    return (
        f"{count} JPEGs from shared/{base.name}: {jpegs} as they are, {len(real) - jpegs} once PNG or WebP, "
        f"{count - len(real)} crops of these, brighter or darker, enlarged again; "
        f"mean {size / count / 1000:.0f} kB, {pixels / count / 1e6:.2f} MP"
    )


def _make_jpeg(path: Path, chance: random.Random | None) -> bytes:
    """Return a JPEG of the picture; with `chance`, of half to two thirds of each side, as large as the whole."""
    image = Image.open(path).convert("RGB")
    if chance is not None:
        share = chance.uniform(0.5, 0.67)
        width, height = (round(share * side) for side in image.size)
        left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
        crop = image.crop((left, top, left + width, top + height)).resize(image.size, Image.Resampling.BICUBIC)
        image = ImageEnhance.Brightness(crop).enhance(chance.uniform(0.8, 1.2))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


@contextmanager
def serving(folder: Path, server_folder: Path, latency_s: float = 0.0) -> Iterator[tuple[str, int]]:
    """Serve a folder, and yield the server's name and its port on 127.0.0.1; it ends with the block.

    Args:
        folder: whose files are served.
        server_folder: an empty folder for its own files.
        latency_s: how long each answer waits before it begins.
    """
    server_folder.mkdir(parents=True, exist_ok=True)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nginx = "" if latency_s else shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""
    if nginx:
        user = "user root;" if Path.home() == Path("/root") else ""
        conf = server_folder / "nginx.conf"
        conf.write_text(_NGINX.format(own=server_folder, folder=folder, port=port, user=user), encoding="utf-8")
        command = [nginx, "-p", str(server_folder), "-c", str(conf), "-e", str(server_folder / "error.log")]
    else:
        command = [sys.executable, __file__, str(folder), str(port), str(latency_s)]
    with subprocess.Popen(command) as server:
        try:
            _wait_for(port, server)
            yield "nginx" if nginx else "aiohttp", port
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there.

    Raises:
        SystemExit: nobody does after ten seconds.
    """
    for _ in range(200):
        with closing(socket.socket()) as client:
            if not client.connect_ex(("127.0.0.1", port)):
                return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("the picture server did not start")


async def _serve(folder: Path, port: int, latency_s: float) -> None:
    pictures = {f"/{path.name}": path.read_bytes() for path in folder.iterdir() if path.suffix == ".jpg"}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(latency_s)
        if request.path not in pictures:
            return web.Response(status=404)
        return web.Response(body=pictures[request.path], content_type="image/jpeg")

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
