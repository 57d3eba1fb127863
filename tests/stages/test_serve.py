"""The server: one answer whatever the form, a reason for whatever is wrong, the same headers on all of it."""

import base64
import csv
import gc
import hashlib
import http.client
import json
import random
import re
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from command import TIMEOUT_S, check_two_lines, run, start
from conftest import CLASS_NAMES, encode, flat_jpeg, picture_bytes
from fieldguide.guide import open_guide, write_manifest
from fieldguide.guide.page import find_page
from fieldguide.project import Project
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import make_app

MAX_BYTES = 200_000
SETTINGS = ServeSettings(max_bytes=MAX_BYTES, max_pixels=1_000_000)
HOSTS = ("127.0.0.1", "::1", "localhost")
ADDRESS = "http://127.0.0.1:8000"
PICTURE = picture_bytes("circle", 33)

needs_page = pytest.mark.skipif(find_page() is None, reason="the pages are not built: make pages")


@pytest.fixture(scope="module")
def client(built_once: Path) -> Iterator[TestClient]:
    """Return a client of a server with small limits; an exception inside becomes a 500, as it would outside."""
    app = make_app(open_guide(built_once / "guide"), SETTINGS, HOSTS)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


def check_problem(reply: Any, status: int, code: str = "") -> dict[str, Any]:
    """Return the problem, after a check that it has the form of RFC 9457, a code, and no word about the inside."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert problem["status"] == status and problem["code"] and problem["detail"] and problem["title"]
    assert not code or problem["code"] == code
    assert "Traceback" not in reply.text and "/fieldguide/" not in reply.text and ".py" not in reply.text
    return problem


# ---- one answer


def test_every_form_gives_the_same_answer(client: TestClient) -> None:
    encoded = base64.b64encode(PICTURE).decode()
    replies = [
        client.post("/v1/classify", files={"file": ("x.png", PICTURE, "image/png")}),
        client.post("/v1/classify", files={"file": ("../../etc/x", PICTURE, "text/html")}, data={"note": "hello"}),
        client.post("/v1/classify", content=PICTURE, headers={"Content-Type": "image/png"}),
        client.post("/v1/classify", content=PICTURE),
        client.post("/v1/classify", content=iter([PICTURE[:100], PICTURE[100:]])),
        client.post("/v1/classify", json={"image": encoded}),
        client.post("/v1/classify", json={"image": f"data:image/png;base64,{encoded}", "more": 1}),
    ]
    answers = [reply.json() for reply in replies]
    assert [reply.status_code for reply in replies] == [200] * len(replies)
    assert all(answer == answers[0] for answer in answers)
    sureness = {"certainty", "parent", "parent_prob"}
    assert set(answers[0]) == {"class_name", "declined", "familiarity", "probs", "model", *sureness}
    assert {row["class_name"] for row in answers[0]["probs"]} == set(CLASS_NAMES)
    assert abs(sum(row["prob"] for row in answers[0]["probs"]) - 1) < 1e-4


@pytest.mark.parametrize("ending", ["\n", "\r\n", " ", "\t"])
def test_base64_as_programs_write_it(ending: str, client: TestClient) -> None:
    plain = client.post("/v1/classify", content=PICTURE).json()
    lines = base64.encodebytes(PICTURE).decode().replace("\n", ending)
    url = base64.urlsafe_b64encode(PICTURE).decode()
    assert "-" in url or "_" in url
    for text in (lines, ending + url, url.rstrip("="), f"data:image/png;base64,{ending}{lines}",
                 f"data:image/png;base64,{url}"):  # fmt: skip
        reply = client.post("/v1/classify", json={"image": text})
        assert reply.status_code == 200 and reply.json() == plain, reply.text


def test_base64_with_line_ends_has_the_same_limit_of_bytes(built_once: Path) -> None:
    noise = random.Random(0).randbytes(128 * 128 * 3)
    picture = encode(Image.frombytes("RGB", (128, 128), noise))
    settings = ServeSettings(max_bytes=len(picture))
    lines = base64.encodebytes(picture).decode().replace("\n", "\r\n")
    with TestClient(make_app(open_guide(built_once / "guide"), settings, HOSTS), base_url=ADDRESS) as client:
        assert client.post("/v1/classify", json={"image": lines}).status_code == 200
        check_problem(client.post("/v1/classify", json={"image": lines + lines}), 413)


def test_the_answer_is_that_of_python(client: TestClient, built_once: Path) -> None:
    guide = open_guide(built_once / "guide")
    for name in CLASS_NAMES:
        for number in (20, 21):
            data = picture_bytes(name, number)
            alone, served = guide.classify(data), client.post("/v1/classify", content=data).json()
            assert served["class_name"] == (alone.class_name or None)
            assert served["declined"] == alone.declined
            assert {row["class_name"]: row["prob"] for row in served["probs"]} == pytest.approx(alone.probs, abs=1e-5)


# ---- wrong pictures


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty"),
        (b"<!doctype html><script>alert(1)</script>", 415, "not_an_image"),
        (b'{"error": 404}', 415, "not_an_image"),
        (PICTURE[:-60], 422, "truncated"),
        (b"II*\x00" + bytes(100), 415, "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00", 422, ""),
        (random.Random(0).randbytes(5000), 415, "not_an_image"),
    ],
)
def test_what_is_no_picture(data: bytes, status: int, code: str, client: TestClient) -> None:
    check_problem(client.post("/v1/classify", content=data), status, code)
    check_problem(client.post("/v1/classify", files={"file": ("x.png", data)}), status, code)
    check_problem(client.post("/v1/classify", json={"image": base64.b64encode(data).decode()}), status, code)


def test_too_many_pixels_are_refused_by_the_header(client: TestClient) -> None:
    for side, status in ((1000, 200), (1001, 413)):
        reply = client.post("/v1/classify", content=encode(Image.new("L", (side, 1000))))
        assert reply.status_code == status
    check_problem(reply, 413, "too_many_pixels")


def test_too_many_bytes_stated_or_not(client: TestClient) -> None:
    large = PICTURE + bytes(MAX_BYTES)
    for reply in (
        client.post("/v1/classify", content=large),
        client.post("/v1/classify", content=iter([large[:150_000], large[150_000:]])),
        client.post("/v1/classify", files={"file": ("x.png", large)}),
        client.post("/v1/classify", json={"image": base64.b64encode(large).decode()}),
    ):
        check_problem(reply, 413, "too_many_bytes")


def test_a_stream_without_end_is_cut_off(client: TestClient) -> None:
    sent_bytes = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < 50_000_000:
            sent_bytes += 65_536
            yield bytes(65_536)

    check_problem(client.post("/v1/classify", content=endless()), 413, "too_many_bytes")


@pytest.fixture
def forms_left_open() -> Iterator[None]:
    """Collect the unparsable parts of a form: Starlette leaves them to the garbage collector, which warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.mark.usefixtures("forms_left_open")
def test_forms_and_json_that_are_broken(client: TestClient) -> None:
    form = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    for content, kind in [
        (b"", form), (b"no form", form), (part, form), (part + PICTURE, form), (b"--x--\r\n", form),
        (part + PICTURE + b"\r\n--x--\r\n", "multipart/form-data"),
        (b"".join(part + b"x\r\n" for _ in range(33)) + b"--x--\r\n", form),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n', form),
        (b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--x--\r\n', form),
        (b"--x\r\nX\x00: y\r\n\r\n\r\n--x--\r\n", form),
        (part.replace(b"form-data;", b"") + b"x\r\n--x--\r\n", form),
        (b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(99)), form),
    ]:  # fmt: skip
        reply = client.post("/v1/classify", content=content, headers={"Content-Type": kind})
        assert reply.status_code in (400, 413, 415, 422), (content[:60], reply.text)
        check_problem(reply, reply.status_code)
    for text in ("", "{", "[]", "5", "null", "{}", '{"image": 5}', '{"image": null}', '{"image": ["x"]}',
                 '{"image": "###"}', '{"image": "ab\\u00e9"}', '{"image": "data:"}', "\udcff", "[" * 100_000,
                 '{"image": ' + "9" * 5000 + "}"):  # fmt: skip
        data = text.encode("utf-8", "surrogateescape")
        reply = client.post("/v1/classify", content=data, headers={"Content-Type": "application/json"})
        check_problem(reply, 422)


@pytest.mark.usefixtures("forms_left_open")
def test_fuzzed_requests_never_break_the_server(client: TestClient) -> None:
    dice = random.Random(0)
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' \
        + PICTURE[:600] + b"\r\n--x--\r\n"  # fmt: skip
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(min(len(data), 160))] = dice.randrange(256)
        kind = dice.choice(["multipart/form-data; boundary=x", "application/json", "image/png"])
        reply = client.post("/v1/classify", content=bytes(data), headers={"Content-Type": kind})
        assert reply.status_code == 200 or 400 <= reply.status_code < 500, (bytes(data[:200]), reply.text)


@pytest.mark.shared
def test_hostile_pictures_are_never_a_fault_of_the_server(built_once: Path, shared: Path) -> None:
    folder = shared / "hostile"
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(name for name in rows[0] if (folder / rows[0][name]).is_file())
    files = sorted({folder / row[column] for row in rows})
    chosen = {path for path in files if "synthetic" in path.parts} | set(random.Random(0).sample(files, 200))
    assert len(chosen) > 200
    app = make_app(open_guide(built_once / "guide"), ServeSettings(), HOSTS)
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        for path in sorted(chosen):
            reply = client.post("/v1/classify", content=path.read_bytes())
            if reply.status_code != 200:
                assert 400 <= reply.status_code < 500, (path.name, reply.text)
                check_problem(reply, reply.status_code)


# ---- pages, headers, hosts


def test_the_page_and_the_descriptions(client: TestClient, built_once: Path) -> None:
    about = client.get("/v1/guide").json()
    assert about == json.loads((built_once / "guide" / "guide.json").read_text())
    assert client.get("/health").json() == {"status": "ok", "guide": "shapes"}
    schema = client.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.") and "/v1/classify" in schema["paths"]
    assert set(schema["paths"]["/v1/classify"]["post"]["requestBody"]["content"]) >= {
        "multipart/form-data", "application/json"
    }  # fmt: skip
    for row in about["classes"]:
        for example in row["examples"]:
            reply = client.get("/" + example["file"])
            assert reply.headers["content-type"] == "image/jpeg" and reply.content.startswith(b"\xff\xd8")


@needs_page
@pytest.mark.parametrize("below", ["", "/charts/guide"])
def test_the_page_has_all_that_it_needs_below_any_path(below: str, built_once: Path) -> None:
    guide = open_guide(built_once / "guide")
    guide = replace(guide, about={**guide.about, "branding": {"title": "Shapes & forms"}})
    app = Starlette(routes=[Mount(below, app=make_app(guide, SETTINGS, HOSTS))])
    with TestClient(app, base_url=ADDRESS) as client:
        page = client.get(f"{below}/")
        assert page.headers["content-type"].startswith("text/html") and "<title>Shapes &amp; forms</title>" in page.text
        assert "<script>" not in page.text and " style=" not in page.text and "onclick" not in page.text
        about = client.get(urljoin(str(page.url), "guide.json")).json()
        served = about.pop("served")
        assert about == guide.about and served["feedback"] is False
        parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        parts += [example["file"] for row in about["classes"] for example in row["examples"]]
        parts += [served["model"], "CREDITS.csv"]
        for part in parts:
            assert not re.match(r"/|[a-z]+:", part), "the page needs no network, and works below any path"
            assert client.get(urljoin(str(page.url), part)).status_code == 200, part
        model = client.get(urljoin(str(page.url), served["model"]))
        assert model.content == (built_once / "guide" / "model.onnx").read_bytes()
        check_problem(client.get(f"{below}/model/{'0' * 64}.onnx"), 404)
        for path in ("examples/", "health/", "assets/", "logo.png", "assets/none.js", "index.html", "sw.js"):
            check_problem(client.get(f"{below}/{path}", follow_redirects=False), 404)


@needs_page
def test_a_first_visit_is_small_and_only_the_worker_may_run_a_model(client: TestClient) -> None:
    folder = find_page()
    assert folder
    first, policies = 0, {}
    for path in sorted((folder / "assets").iterdir()):
        reply = client.get(f"/assets/{path.name}", headers={"Accept-Encoding": "gzip"})
        assert reply.content == path.read_bytes() and "immutable" in reply.headers["cache-control"]
        policies[path.name] = reply.headers["content-security-policy"]
        if path.name.startswith("index-"):
            first += int(reply.headers["content-length"])
        plain = client.get(f"/assets/{path.name}", headers={"Accept-Encoding": "identity"})
        assert plain.content == reply.content and "content-encoding" not in plain.headers
    assert 0 < first < 300_000
    described = [client.get("/guide.json", headers={"Accept-Encoding": kind}) for kind in ("gzip", "identity")]
    assert described[0].json() == described[1].json()
    assert int(described[0].headers["content-length"]) < int(described[1].headers["content-length"]) / 2
    assert {name.split("-")[0] for name, policy in policies.items() if "wasm-unsafe-eval" in policy} == {"worker"}


def test_the_model_can_be_kept_back(built_once: Path) -> None:
    settings = ServeSettings(browser_model=False)
    with TestClient(make_app(open_guide(built_once / "guide"), settings, HOSTS), base_url=ADDRESS) as client:
        assert client.get("/guide.json").json()["served"]["model"] is None
        digest = hashlib.sha256((built_once / "guide" / "model.onnx").read_bytes()).hexdigest()
        check_problem(client.get(f"/model/{digest}.onnx"), 404)


def test_head_is_answered_wherever_get_is(client: TestClient, built_once: Path) -> None:
    example = next(iter((built_once / "guide" / "examples").iterdir())).name
    for path in ("/", "/icon.svg", "/docs.css", "/guide.json", "/health", "/v1/guide", "/openapi.json",
                 f"/examples/{example}", "/none", "/examples/none.jpg", "/v1/classify"):  # fmt: skip
        get, head = (client.request(how, path, headers={"X-Request-ID": "7"}) for how in ("GET", "HEAD"))
        assert head.status_code == get.status_code and dict(head.headers) == dict(get.headers), path
    with serving(built_once / "guide") as (_, port):
        page, empty = (httpx.request(how, f"http://127.0.0.1:{port}/") for how in ("GET", "HEAD"))
        assert empty.status_code == 200 and not empty.content
        assert empty.headers["content-length"] == page.headers["content-length"]


def test_an_example_that_is_gone_is_a_problem(built: Project) -> None:
    examples = sorted((built.guide_folder / "examples").iterdir())
    with TestClient(make_app(open_guide(built.guide_folder), SETTINGS, HOSTS), base_url=ADDRESS) as client:
        for path in examples[:2]:
            assert client.get(f"/examples/{path.name}").status_code == 200
        examples[0].unlink()
        examples[1].unlink()
        examples[1].mkdir()
        for path in examples[:2]:
            check_problem(client.get(f"/examples/{path.name}"), 404, "gone")


def test_a_guide_s_brand_is_served_with_it(client: TestClient, built: Project) -> None:
    check_problem(client.get("/logo.png"), 404, "not_found")
    folder = built.guide_folder
    Image.new("RGB", (30, 30), "blue").save(folder / "logo.png")
    about = json.loads((folder / "guide.json").read_text(encoding="utf-8"))
    about["branding"] = {"title": "Shapes & <b>more</b>", "logo": "logo.png"}
    (folder / "guide.json").write_text(json.dumps(about), encoding="utf-8")
    write_manifest(folder)
    with TestClient(make_app(open_guide(folder), SETTINGS, HOSTS), base_url=ADDRESS) as branded:
        logo = branded.get("/logo.png")
        assert logo.headers["content-type"] == "image/png" and logo.content == (folder / "logo.png").read_bytes()
        assert branded.get("/guide.json").json()["branding"] == about["branding"]
        if find_page():
            assert "<title>Shapes &amp; &lt;b&gt;more&lt;/b&gt;</title>" in branded.get("/").text


def test_a_fault_of_the_server_is_a_problem_too(built_once: Path) -> None:
    broken = replace(open_guide(built_once / "guide"), session=None)
    with TestClient(make_app(broken, SETTINGS, HOSTS), base_url=ADDRESS, raise_server_exceptions=False) as client:
        reply = client.post("/v1/classify", content=PICTURE)
        check_problem(reply, 500, "fault")
        assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_every_reply_has_the_headers(client: TestClient) -> None:
    replies = [
        client.get("/"), client.get("/icon.svg"), client.get("/docs.css"), client.get("/health"),
        client.get("/guide.json"),
        client.get("/v1/guide"), client.get("/openapi.json"), client.get("/nothing"), client.get("/examples/none.jpg"),
        client.get("/v1/classify"), client.put("/"), client.post("/v1/classify", content=PICTURE),
        client.post("/v1/classify", content=b"x"), client.get("/", headers={"Host": "evil.example"}),
        client.head("/"), client.options("/"),
    ]  # fmt: skip
    assert {reply.status_code for reply in replies} >= {200, 404, 405, 415, 400}
    for reply in replies:
        if reply.status_code >= 400 and reply.content:
            check_problem(reply, reply.status_code)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "localhost.", "a b"]
)
def test_a_foreign_host_gets_nothing(host: str, client: TestClient) -> None:
    for reply in (
        client.get("/", headers={"Host": host}), client.get("/v1/guide", headers={"Host": host}),
        client.post("/v1/classify", content=PICTURE, headers={"Host": host}),
    ):  # fmt: skip
        assert reply.status_code in (400, 403) and "circle" not in reply.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1234", "[::1]:8000", "[::1]"])
def test_our_own_hosts_are_answered(host: str, client: TestClient) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../model.onnx", "..%2fguide.json", "%2e%2e/MANIFEST", "%2e%2e%2fguide.json", "..%5cguide.json",
        "....//guide.json", "%2fetc%2fpasswd", "//etc/passwd", "..%00.jpg", "%00", "a/../../MANIFEST",
        "..%252fguide.json", "%c0%ae%c0%ae%2fguide.json", "MANIFEST", "",
    ],
)  # fmt: skip
def test_nothing_beside_the_examples_can_be_had(path: str, client: TestClient) -> None:
    reply = client.get(f"/examples/{path}")
    assert reply.status_code in (307, 404), reply.text
    assert "schema_version" not in reply.text and "root:" not in reply.text


def test_a_class_name_is_never_markup(built_once: Path) -> None:
    guide = open_guide(built_once / "guide")
    evil = '"><img src=x onerror=alert(1)>'
    about = {**guide.about, "name": evil, "about": f"</p>{evil}"}
    about["classes"] = [{**row, "name": f"{evil}{place}"} for place, row in enumerate(guide.about["classes"])]
    changed = type(guide)(
        guide.folder, about, tuple(row["name"] for row in about["classes"]), guide.views, guide.threshold,
        guide.formats, guide.session,
    )  # fmt: skip
    with TestClient(make_app(changed, SETTINGS, HOSTS), base_url=ADDRESS) as client:
        if find_page():
            page = client.get("/").text
            assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
        for address in ("/v1/guide", "/guide.json", "/openapi.json"):
            assert client.get(address).headers["content-type"] == "application/json"
        reply = client.post("/v1/classify", content=PICTURE)
        assert reply.headers["content-type"] == "application/json"
        assert reply.json()["probs"][0]["class_name"].startswith(evil)


# ---- a real server


@contextmanager
def serving(guide: Path | None, *more: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a server of a guide, or of the project that is named, and yield it and its port."""
    server = start("serve", *(("--guide", guide) if guide else ()), "--port", "0", *more)
    try:
        assert server.stderr
        line = server.stderr.readline()
        match = re.match(r"http://(?:127\.0\.0\.1|\[::1\]):(\d+)/", line)
        assert match, line + (server.stderr.read() if server.poll() is not None else "")
        yield server, int(match[1])
    finally:
        server.kill()
        server.communicate()


def test_a_real_server_from_start_to_end(built_once: Path) -> None:
    with serving(built_once / "guide", "--max-bytes", "25000000") as (server, port):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            answer = client.post("/v1/classify", files={"file": ("x.png", PICTURE)})
            assert answer.status_code == 200 and answer.json()["probs"]
            assert "server" not in answer.headers
            check_problem(client.post("/v1/classify", content=b"x"), 415)
            assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
            check_problem(client.post("/v1/classify", content=(bytes(100_000) for _ in range(300))), 413)
        for lie in (b"Content-Length: 99999999999", b"Content-Length: -5", b"Transfer-Encoding: chunked\r\n\r\nzz"):
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as raw:
                raw.sendall(
                    b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lie + b"\r\n\r\n"
                )
                assert raw.recv(100).split()[1] in (b"413", b"400")
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as raw:
            raw.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        connection.request("GET", "/examples/../guide.json")
        assert connection.getresponse().status == 404
        connection.close()
        server.send_signal(signal.SIGINT)
        _, stderr = server.communicate(timeout=TIMEOUT_S)
        assert server.returncode == 0
        assert "Traceback" not in stderr and "Error" not in stderr, stderr


def hold_half_a_picture(port: int, sent_bytes: int = 4) -> socket.socket:
    """Open a connection that has sent half of a request, so many bytes of a picture."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    head = f"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: {sent_bytes + 1000}\r\n\r\n"
    connection.sendall(head.encode() + bytes(sent_bytes))
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200  # so the half has been read too
    return connection


def wait_until_closed(port: int) -> None:
    """Wait until the port takes no connections any more."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    raise AssertionError("the server still listens")


def test_a_server_that_ends_tells_those_it_waits_for_no_longer(built_once: Path) -> None:
    with serving(built_once / "guide") as (server, port):
        connection = hold_half_a_picture(port)
        server.send_signal(signal.SIGINT)
        _, stderr = server.communicate(timeout=TIMEOUT_S)
        answer = connection.recv(2000)
        connection.close()
        assert server.returncode == 0
        assert "Traceback" not in stderr and "Exception" not in stderr, stderr
        assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 503")) and b"application/problem+json" in answer


def test_a_second_interrupt_prints_no_traceback(built_once: Path) -> None:
    with serving(built_once / "guide") as (server, port):
        connection = hold_half_a_picture(port)
        server.send_signal(signal.SIGINT)
        wait_until_closed(port)
        server.send_signal(signal.SIGINT)
        _, stderr = server.communicate(timeout=TIMEOUT_S)
        connection.close()
        assert server.returncode in (0, 130)
        assert "Traceback" not in stderr, stderr


def test_a_server_asked_to_end_ends_quietly(built_once: Path) -> None:
    with serving(built_once / "guide") as (server, _):
        server.send_signal(signal.SIGTERM)
        _, stderr = server.communicate(timeout=TIMEOUT_S)
        assert "Traceback" not in stderr, stderr
        assert server.returncode in (0, -signal.SIGTERM)


def test_the_limits_can_be_said_when_it_starts(built_once: Path) -> None:
    picture = picture_bytes("circle", 0)
    with serving(built_once / "guide", "--max-pixels", "2000", "--max-bytes", str(len(picture) + 1)) as (_, port):
        address = f"http://127.0.0.1:{port}/v1/classify"
        answer = httpx.post(address, files={"file": ("a.jpg", picture)})
        assert answer.status_code >= 400 and "pixels" in answer.text
        assert httpx.post(address, files={"file": ("a.jpg", picture + bytes(9000))}).status_code == 413
    check_two_lines(run("serve", "--guide", built_once / "guide", "--max-bytes", "1"), 78, "max_bytes")


def test_what_predict_takes_is_taken_by_a_server_too(built: Project) -> None:
    large = [flat_jpeg(8064, 6048) + bytes(26_000_000), flat_jpeg(12_000, 9_000), flat_jpeg(16_320, 12_240),
             encode(Image.new("L", (7_000, 5_000)))]  # fmt: skip
    with serving(built.guide_folder) as (_, port):
        address = f"http://127.0.0.1:{port}/v1/classify"
        for picture in large:
            answer = httpx.post(address, files={"file": ("phone.jpg", picture)}, timeout=TIMEOUT_S)
            assert answer.status_code == 200, answer.text
    about = json.loads((built.guide_folder / "guide.json").read_text())
    about["limits"] |= {"max_bytes": 100_000, "max_pixels": 10_000}
    (built.guide_folder / "guide.json").write_text(json.dumps(about))
    write_manifest(built.guide_folder)
    app = make_app(open_guide(built.guide_folder), ServeSettings(), HOSTS)
    with TestClient(app, base_url=ADDRESS) as client:
        check_problem(client.post("/v1/classify", content=flat_jpeg(640, 480)), 413, "too_many_pixels")
        problem = check_problem(client.post("/v1/classify", content=bytes(110_000)), 413, "too_many_bytes")
        assert "100,000 bytes" in problem["detail"]


def test_many_uploads_at_once_do_not_fill_the_memory(built: Project) -> None:
    limits = "[serve]\nmax_bytes = 400_000\nmax_held_bytes = 1_000_000\n"
    built.settings_file.write_text(built.settings_file.read_text().replace("[serve]\n", limits))
    with serving(None, "-C", str(built.root)) as (_, port):
        held = [hold_half_a_picture(port, 400_000) for _ in range(2)]
        address = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{address}/v1/classify", content=PICTURE + bytes(350_000))
        check_problem(answer, 503, "busy")
        assert answer.headers["Retry-After"] == "1"
        assert httpx.post(f"{address}/v1/classify", content=PICTURE).status_code == 200  # there is room for small ones
        held.pop().close()
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline and answer.status_code == 503:
            answer = httpx.post(f"{address}/v1/classify", content=PICTURE + bytes(350_000))
        assert answer.status_code == 200, answer.text
        held.pop().close()


def test_a_server_on_the_other_loopback(built_once: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with serving(built_once / "guide", "--host", "::1") as (_, port):
        assert httpx.get(f"http://[::1]:{port}/health").status_code == 200


def test_a_port_that_is_taken(built_once: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = run("serve", "--guide", built_once / "guide", "--port", port)
        check_two_lines(result, 69, f"port {port}", "--port 0")
        assert len(result.stderr.splitlines()) == 2


def test_an_address_that_is_not_here(built_once: Path) -> None:
    check_two_lines(run("serve", "--guide", built_once / "guide", "--host", "192.0.2.1"), 78, "192.0.2.1", "127.0.0.1")
