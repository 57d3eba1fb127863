"""A server under load: processes killed, a guide published anew or damaged, clients that never end, hostile files."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image
from test_serve import PICTURE, check_problem, serving

from command import TIMEOUT_S, environment, words
from conftest import encode, picture_bytes
from fieldguide.guide import write_manifest

ASKERS = 4


def workers_of(pid: int) -> list[int]:
    """Return the processes that a server has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("processes are not listed here")
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(each) for thread in threads for each in (thread / "children").read_text().split()]


def count(port: int, name: str) -> float:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=TIMEOUT_S, verify=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def wait_for(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def load(port: int) -> Iterator[tuple[list[int], list[str]]]:
    """Ask without pause, each time over a new connection and never twice; yield what was answered and what failed."""
    statuses: list[int] = []
    failures: list[str] = []
    ending = threading.Event()

    def ask() -> None:
        while not ending.is_set():
            try:
                # without certificates, which take longer to read than an answer takes
                reply = httpx.post(
                    f"http://127.0.0.1:{port}/v1/classify", content=PICTURE, timeout=TIMEOUT_S, verify=False
                )
                statuses.append(reply.status_code)
                if reply.status_code != 200:
                    failures.append(reply.text)
            except httpx.HTTPError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses, failures
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_nobody_is_refused_while_processes_die_and_guides_change(built_once: Path, tmp_path: Path) -> None:
    folder = tmp_path / "guide"
    shutil.copytree(built_once / "guide", folder)
    with serving(folder, "--workers", "2") as (server, port):
        with load(port) as (statuses, failures):
            wait_for(lambda: len(statuses) > 20)
            os.kill(workers_of(server.pid)[0], signal.SIGKILL)
            wait_for(lambda: count(port, "fieldguide_worker_restarts_total") == 1)
            server.send_signal(signal.SIGHUP)
            wait_for(lambda: count(port, 'fieldguide_reloads_total{outcome="done"}') == 1)
            (folder / "examples" / "note.txt").write_text("published anew", encoding="utf-8")
            write_manifest(folder)
            wait_for(lambda: count(port, 'fieldguide_reloads_total{outcome="done"}') == 2)
            with (folder / "guide.json").open("a", encoding="utf-8") as file:
                file.write("x")
            server.send_signal(signal.SIGHUP)
            wait_for(lambda: count(port, 'fieldguide_reloads_total{outcome="failed"}') == 1)
            many = len(statuses)
            wait_for(lambda: len(statuses) > many + 40)
        assert not failures and set(statuses) == {200}
        wait_for(lambda: len(workers_of(server.pid)) == 2)


def test_clients_that_never_end_a_request_are_let_go(built_once: Path) -> None:
    with serving(built_once / "guide", "--workers", "1") as (_, port):
        slow = [socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) for _ in range(3)]
        slow[1].sendall(b"POST /v1/classify HTTP/1.1\r\nHost: loc")
        slow[2].sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        assert httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=PICTURE, timeout=TIMEOUT_S).is_success
        answers = []
        for connection in slow:
            answers.append(connection.recv(4096))
            connection.close()
        assert answers[:2] == [b"", b""] and answers[2].startswith(b"HTTP/1.1 408")


def test_a_body_of_300_megabytes_is_refused_before_it_is_sent(built_once: Path) -> None:
    with serving(built_once / "guide", "--workers", "1", "--max-bytes", "1000000") as (_, port):
        connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
        connection.close()


def test_a_picture_that_takes_too_long_ends_its_process_alone(built_once: Path, tmp_path: Path) -> None:
    settings = "[serve]\nmax_cpu_s = 0.4\n"
    project = tmp_path / "project"
    shutil.copytree(built_once, project)
    file = project / "fieldguide.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("[serve]\n", settings), encoding="utf-8")

    large = encode(Image.effect_noise((7000, 7000), 90))
    with serving(None, "-C", str(project), "--workers", "1") as (_, port):
        address = f"http://127.0.0.1:{port}/v1/classify"
        check_problem(httpx.post(address, content=large, timeout=TIMEOUT_S), 422, "too_slow")
        assert httpx.post(address, content=picture_bytes("circle", 20), timeout=TIMEOUT_S).status_code == 200


# runs the server as systemd would: the socket is its file 3
HAND_OVER = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])"""


def test_a_socket_that_is_held_outlives_the_server(built_once: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port, number = held.getsockname()[1], str(held.fileno())
        command = words("serve", "--guide", built_once / "guide", "--workers", "1")

        def begin() -> subprocess.Popen[str]:
            started = subprocess.Popen(
                [sys.executable, "-c", HAND_OVER, number, *command], pass_fds=[held.fileno()], env=environment(),
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert started.stderr and started.stderr.readline().startswith("http")
            return started

        server = begin()
        try:
            with load(port) as (statuses, failures):
                for _ in range(2):
                    wait_for_more(statuses, 10)
                    server.terminate()
                    server.communicate(timeout=TIMEOUT_S)
                    server = begin()
                wait_for_more(statuses, 10)
            assert not failures
        finally:
            server.kill()
            server.communicate()


def wait_for_more(statuses: list[int], count: int) -> None:
    before = len(statuses)
    wait_for(lambda: len(statuses) > before + count)
