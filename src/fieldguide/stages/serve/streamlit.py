"""Starts the Streamlit page of a guide in a process of its own, on this computer, and ends it.

Knows nothing about what the page shows: that is `streamlit_page`, which Streamlit runs.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from fieldguide.errors import PortBusy, SettingsError
from fieldguide.guide import open_guide
from fieldguide.optional import require
from fieldguide.progress import Progress
from fieldguide.serving.listening import listen, page_addresses
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.service import limits_of

_PAGE = Path(__file__).with_name("streamlit_page.py")
_OPTIONS = {
    "server.headless": "true",  # no question for an address, and no browser opened
    "browser.gatherUsageStats": "false",
    "server.fileWatcherType": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "logger.level": "error",
}
_INSECURE = "insecure: whoever can reach this computer's port can use the page, unencrypted"
_LOOK_EVERY_S = 0.1
_END_S = 10.0


def serve_page(folder: Path, settings: ServeSettings, *, progress: Progress, ready: Callable[[str], None]) -> None:
    """Serve the Streamlit page of a guide until interrupted.

    Args:
        folder: a published guide.
        settings: address, port and limits.
        progress: told what the person should know.
        ready: called with each address of the page, once it answers.

    Raises:
        MissingExtra: Streamlit is not installed.
        InputMissing: there is no guide in the folder.
        GuideDamaged: the guide is altered or unsafe.
        PortBusy: the port is in use.
        SettingsError: others could use it, which has to be asked for, since the page knows no key.
    """
    require("streamlit", extra="streamlit")
    guide = open_guide(folder, threads=1)
    limits = limits_of(guide, settings)
    host = settings.host.strip("[] ")
    if not settings.insecure and not _is_loopback(host):
        message = f"the Streamlit page knows no API key, and {host} can be reached from the network"
        raise SettingsError(message, "leave out --host, or add --insecure to let anybody use the page")
    if settings.insecure:
        progress.say(_INSECURE)
    with listen(settings.model_copy(update={"insecure": True}), "") as listener:  # whether it can be had
        port, addresses = listener.getsockname()[1], page_addresses(listener)
    options = {
        **_OPTIONS, "server.address": host, "server.port": str(port),
        "server.maxUploadSize": str(max(1, -(-limits.max_bytes // 2**20))),
    }  # fmt: skip
    command = [sys.executable, "-m", "streamlit", "run", str(_PAGE)]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [*command, "--", str(folder.resolve()), json.dumps(asdict(limits))],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,  # Ctrl-C is for this process
    )  # fmt: skip
    try:
        _wait_until_it_answers(process, addresses[0])
        for address in addresses:
            ready(address)
        process.wait()
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        process.kill()
        process.wait()


def _is_loopback(host: str) -> bool:
    """Tell whether only this computer reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", address: str) -> None:
    """Wait until the page can be opened.

    Raises:
        PortBusy: it has ended instead, after a line of its own.
    """
    opener = build_opener(ProxyHandler({}))
    while process.poll() is None:
        with suppress(URLError, ConnectionError, TimeoutError), opener.open(f"{address}_stcore/health", timeout=5):
            return
        time.sleep(_LOOK_EVERY_S)
    raise PortBusy("the Streamlit page has ended as it began", "give --port 0 for a free port, and read what it said")
