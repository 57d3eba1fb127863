"""A server with too much to do: a full queue, slow pictures, idle connections, restarts; and the client of the docs."""

import io
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image
from test_serve import PICTURE, check_problem, serving
from test_serve_running import HAND_OVER, count, load, wait_for, wait_for_more, workers_of

from command import TIMEOUT_S, environment, words

ROOT = Path(__file__).resolve().parents[2]
Running = tuple[subprocess.Popen[str], int]


@pytest.fixture(scope="module")
def server(built_once: Path) -> Iterator[Running]:
    with serving(built_once / "guide", "--workers", "1", "--max-bytes", "1000000") as running:
        yield running


def classify(port: int, picture: bytes = PICTURE) -> httpx.Response:
    # without certificates, which take longer to read than an answer takes
    return httpx.post(f"http://127.0.0.1:{port}/v1/classify", content=picture, timeout=TIMEOUT_S, verify=False)


def stop(pid: int) -> None:
    """Stop a process, and wait until it stands still."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")


def waiting(port: int) -> float:
    return count(port, "fieldguide_pictures_waiting")


def test_who_would_wait_too_long_is_told_when_to_come_back(server: Running) -> None:
    process, port = server
    (worker,) = workers_of(process.pid)
    address = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{address}/ready").status_code == 200
    head = (
        f"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
    )
    clients: list[socket.socket] = []
    stop(worker)
    try:
        for _ in range(200):
            clients.append(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S))
            clients[-1].sendall(head.encode() + PICTURE)
        assert select.select(clients, [], [], TIMEOUT_S)[0]  # some are told while all others wait
        check_problem(httpx.get(f"{address}/ready"), 503, "not_ready")
    finally:
        os.kill(worker, signal.SIGCONT)
    replies = []
    for client in clients:
        with client, client.makefile("rb") as answer:
            replies.append(answer.read())
    refused = [reply for reply in replies if reply.startswith(b"HTTP/1.1 503")]
    assert 100 < len(refused) < 200
    assert sum(reply.startswith(b"HTTP/1.1 200") for reply in replies) == len(replies) - len(refused)
    assert all(b'"code":"busy"' in reply and b"retry-after: 1" in reply.lower() for reply in refused)
    assert httpx.get(f"{address}/ready").status_code == 200


@pytest.mark.parametrize("slow", ["many pixels", "whole", "in passes"])
def test_slow_pictures_keep_nobody_waiting(slow: str, server: Running) -> None:
    process, port = server
    buffer = io.BytesIO()
    if slow == "in passes":
        Image.new("RGB", (2400, 1800), "green").save(buffer, "JPEG", progressive=True)
    else:
        Image.new("L", (5000, 4000) if slow == "many pixels" else (2400, 1800)).save(buffer, "PNG")
    assert classify(port, buffer.getvalue()).status_code == 200  # whoever looks at those is there from now on
    usual, aside = sorted(workers_of(process.pid), key=lambda pid: os.getpriority(os.PRIO_PROCESS, pid))
    assert os.getpriority(os.PRIO_PROCESS, aside) > os.getpriority(os.PRIO_PROCESS, usual)
    stop(aside)
    try:
        with ThreadPoolExecutor(11) as pool:
            asked = [pool.submit(classify, port, buffer.getvalue()) for _ in range(11)]
            wait_for(lambda: sum(each.done() for each in asked) == 3)  # 8 may wait
            assert [classify(port).status_code for _ in range(5)] == [200] * 5
            assert waiting(port) == 8
            os.kill(aside, signal.SIGCONT)
            replies = [each.result() for each in asked]
        assert sorted({reply.status_code for reply in replies}) == [200, 503]
        assert all("Retry-After" in reply.headers for reply in replies if reply.status_code == 503)
    finally:
        os.kill(aside, signal.SIGCONT)


def test_connections_that_ask_nothing_keep_nobody_out(server: Running) -> None:
    process, port = server
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (400, before[1]))
    idle: list[socket.socket] = []
    try:
        for _ in range(500):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S))
            idle[-1].sendall(b"POST /v1/cl")
        assert classify(port).status_code == 200
    finally:
        for connection in idle:
            connection.close()
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)


def test_a_long_body_in_pieces_is_refused_before_it_ends_and_fills_no_memory(server: Running) -> None:
    process, port = server

    def peak_kb() -> int:
        (line,) = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        return int(line)

    classify(port)
    before, piece = peak_kb(), b"100000\r\n" + bytes(0x100000) + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            connection.sendall(piece)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
        sent = 4
        try:
            while sent < 300:
                connection.sendall(piece)
                sent += 1
        except OSError:  # the server has closed it
            pass
    assert peak_kb() - before < 30_000, sent
    assert classify(port).status_code == 200


def test_the_client_in_the_docs_classifies(server: Running, tmp_path: Path) -> None:
    _, port = server
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    code = re.search(r"In Python, with nothing to install:\n\n((?:    .*\n|\n)+)", page)
    assert code
    lines = [line[4:] for line in code[1].rstrip().splitlines()]
    assert sum(bool(line) for line in lines) <= 10
    client = tmp_path / "client.py"
    client.write_text("\n".join(lines) + "\n\nimport sys\nprint(next(iter(classify(*sys.argv[1:]).items())))\n")
    picture = tmp_path / "picture.png"
    picture.write_bytes(PICTURE)
    printed = subprocess.run(
        [sys.executable, str(client), str(picture), f"http://127.0.0.1:{port}"], capture_output=True, text=True
    )
    first = classify(port).json()["probs"][0]
    assert printed.stdout == f"{(first['class_name'], first['prob'])}\n", printed.stderr


RESTARTS, RELOADS_EACH = 5, 6


def wait_for_reloads(port: int, number: int) -> None:
    wait_for(lambda: count(port, 'fieldguide_reloads_total{outcome="done"}') == number)


@pytest.mark.slow
def test_no_request_of_thousands_fails_while_servers_restart_and_reload(built_once: Path, tmp_path: Path) -> None:
    folder = tmp_path / "guide"
    shutil.copytree(built_once / "guide", folder)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        command = [sys.executable, "-c", HAND_OVER, str(held.fileno()), *words("serve", "--guide", folder)]

        def begin() -> subprocess.Popen[str]:
            started = subprocess.Popen(
                command, pass_fds=[held.fileno()], env=environment(), stderr=subprocess.PIPE, text=True
            )
            assert started.stderr and started.stderr.readline().startswith("http")
            return started

        server = begin()
        try:
            with load(port) as (statuses, failures):
                for _ in range(RESTARTS):
                    for number in range(1, RELOADS_EACH + 1):
                        wait_for_more(statuses, 5)
                        server.send_signal(signal.SIGHUP)
                        wait_for_reloads(port, number)
                    server.terminate()
                    server.communicate(timeout=TIMEOUT_S)
                    server = begin()
                wait_for(lambda: len(statuses) >= 2000)
            assert not failures and set(statuses) == {200}
        finally:
            server.kill()
            server.communicate()
