"""The stage that serves a guide on this computer: an API and a plain page to try it.

Knows nothing about projects. Listens on 127.0.0.1 unless told otherwise, keeps no picture, and never takes more
than it can hold.
"""

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from fieldguide.errors import NoPermission, PortBusy, SettingsError
from fieldguide.guide import open_guide
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.app import make_app

__all__ = ["make_app", "serve"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(guide_folder: Path, settings: ServeSettings, *, ready: Callable[[str], None]) -> None:
    """Nothing; answers until it is interrupted.

    Args:
        guide_folder: a published guide.
        settings: address, port and limits.
        ready: told the address of the page once the server answers and an interrupt ends it in order.

    Raises:
        InputMissing: there is no guide there.
        GuideDamaged: it is altered or unsafe.
        PortBusy: something else listens on that port.
        NoPermission: the port may not be opened.
        SettingsError: there is no such address here.
    """
    guide = open_guide(guide_folder, threads=1)  # a picture on each core, not one on all
    listener = _listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    hosts = (*_LOOPBACK, settings.host) if settings.host not in ("0.0.0.0", "::") else ("*",)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    config = uvicorn.Config(
        make_app(guide, settings, hosts), log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=5, limit_concurrency=256, timeout_graceful_shutdown=10, lifespan="off",
    )  # fmt: skip
    _Server(config, lambda: ready(address)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells when it answers; from then on the first interrupt ends it in order and the second at once, both quietly."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """An open listening socket.

    Raises:
        PortBusy: something else listens there.
        NoPermission: the port may not be opened.
        SettingsError: there is no such address here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use"
            raise PortBusy(message, "end what listens there, or give --port 0 for a free one") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NoPermission(f"port {port} may not be opened", "give --port 8000 or another above 1023") from error
        raise SettingsError(f"cannot listen on {host}: {error.strerror}", "give --host 127.0.0.1") from error
    return listener
