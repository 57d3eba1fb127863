"""The API beyond one picture: classes, several at once, the inference protocol, metrics, ids, keys, addresses."""

import base64
import http.server
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from test_serve import ADDRESS, HOSTS, PICTURE, check_problem

from conftest import CLASS_NAMES, picture_bytes
from fieldguide.guide import open_guide
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import fetching, make_app

OTHER = picture_bytes("square", 20)
ENCODED = [base64.b64encode(data).decode() for data in (PICTURE, OTHER)]
KEYS = "0123456789abcdef fedcba9876543210"


@pytest.fixture(scope="module")
def client(built_once: Path) -> Iterator[TestClient]:
    with make_client(built_once) as client:
        yield client


def make_client(built: Path, api_key: str = "", **settings: Any) -> TestClient:
    app = make_app(open_guide(built / "guide"), ServeSettings(**settings), HOSTS, api_key)
    return TestClient(app, base_url=ADDRESS, raise_server_exceptions=False)


def test_classes_and_top_k(client: TestClient) -> None:
    classes = client.get("/v1/classes").json()["classes"]
    assert classes == client.get("/v1/guide").json()["classes"]
    assert {row["name"] for row in classes} == set(CLASS_NAMES) and all("links" in row for row in classes)
    whole = client.post("/v1/classify", content=PICTURE).json()
    for count in (1, 2, 99):
        answer = client.post(f"/v1/classify?top_k={count}", content=PICTURE).json()
        assert answer["probs"] == whole["probs"][:count] and answer["class_name"] == whole["class_name"]
    for wrong in ("0", "-1", "many", "1.5", "1e9"):
        check_problem(client.post(f"/v1/classify?top_k={wrong}", content=PICTURE), 422, "bad_parameter")


def test_several_pictures_have_an_answer_each(client: TestClient) -> None:
    alone = [client.post("/v1/classify", content=data).json() for data in (PICTURE, OTHER)]
    files = [("file", (name, data)) for name, data in (("a.png", PICTURE), ("bad", b"no picture"), ("b.jpg", OTHER))]
    rows = client.post("/v1/classify", files=files).json()["answers"]
    assert [row["file"] for row in rows] == ["a.png", "bad", "b.jpg"]
    assert [row["answer"] and row["answer"]["probs"] for row in rows] == [alone[0]["probs"], None, alone[1]["probs"]]
    assert rows[1]["problem"]["code"] == "not_an_image" and rows[0]["problem"] is None
    rows = client.post("/v1/classify?top_k=1", json={"images": ENCODED}).json()["answers"]
    assert [row["answer"]["probs"] for row in rows] == [each["probs"][:1] for each in alone]
    assert len(client.post("/v1/classify", json={"images": ENCODED[:1]}).json()["answers"]) == 1
    problem = check_problem(client.post("/v1/classify", json={"images": ["AAAA", "AAAA"]}), 415, "not_an_image")
    assert len(problem["answers"]) == 2
    for wrong in ([], ENCODED[:1] * 33, "AAAA", [5]):
        check_problem(client.post("/v1/classify", json={"images": wrong}), 422, "broken_json")


def test_the_inference_protocol(client: TestClient) -> None:
    assert client.get("/v2").json()["name"] == "fieldguide"
    assert client.get("/v2/health/live").status_code == client.get("/v2/health/ready").status_code == 200
    about = client.get("/v2/models/shapes").json()
    assert about["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    versioned = f"/v2/models/shapes/versions/{about['versions'][0]}"
    assert client.get(versioned).json() == about and client.get(f"{versioned}/ready").json()["ready"]
    tensor = {"name": "image", "shape": [2], "datatype": "BYTES", "data": ENCODED}
    reply = client.post(f"{versioned}/infer", json={"id": "7", "inputs": [tensor]}).json()
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("7", "shapes", about["versions"][0])
    outputs = {row["name"]: row for row in reply["outputs"]}
    assert {name: row["datatype"] for name, row in outputs.items()} == {
        row["name"]: row["datatype"] for row in about["outputs"]
    }
    names = about["parameters"]["class_names"]
    assert outputs["probs"]["shape"] == [2, len(names)]
    for place, data in enumerate((PICTURE, OTHER)):
        alone = client.post("/v1/classify", content=data).json()
        assert (outputs["class_name"]["data"][place] or None) == alone["class_name"]
        row = outputs["probs"]["data"][place * len(names) : (place + 1) * len(names)]
        assert dict(zip(names, row, strict=True)) == {each["class_name"]: each["prob"] for each in alone["probs"]}
    only = client.post("/v2/models/shapes/infer", json={"inputs": [tensor], "outputs": [{"name": "declined"}]}).json()
    assert [row["name"] for row in only["outputs"]] == ["declined"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "x"}, 422), ({"shape": [3]}, 422), ({"shape": []}, 422), ({"datatype": "FP32"}, 422),
        ({"data": []}, 422), ({"data": ["AAAA"], "shape": [1]}, 415), ({"data": [5], "shape": [1]}, 422),
        ({"data": ["#"], "shape": [1]}, 422),
    ],
)  # fmt: skip
def test_a_wrong_inference_has_the_protocols_error(change: dict[str, Any], status: int, client: TestClient) -> None:
    tensor = {"name": "image", "shape": [2], "datatype": "BYTES", "data": ENCODED, **change}
    problem = check_problem(client.post("/v2/models/shapes/infer", json={"inputs": [tensor]}), status)
    assert problem["error"] == problem["detail"]


def test_other_models_are_not_here(client: TestClient) -> None:
    for path in ("/v2/models/other", "/v2/models/shapes/versions/9", "/v2/models/other/ready"):
        assert check_problem(client.get(path), 404)["error"]
    check_problem(client.post("/v2/models/other/infer", json={}), 404)
    check_problem(client.post("/v2/models/shapes/infer", content=b"{"), 422)


def test_metrics_as_prometheus_reads_them(client: TestClient) -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="reading metrics needs the extra [dev]")

    def read() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        reply = client.get("/metrics")
        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = [*parser.text_string_to_metric_families(reply.text)]
        assert all(family.documentation and family.type != "unknown" for family in families)
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    before = read()
    assert client.post("/v1/classify", content=PICTURE).status_code == 200
    check_problem(client.post("/v1/classify", content=b"x"), 415)
    client.get("/no such/address")
    after = read()

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert grown("fieldguide_requests_total", route="/v1/classify", status="200") == 1
    assert grown("fieldguide_requests_total", route="/v1/classify", status="415") == 1
    assert grown("fieldguide_requests_total", route="other", status="404") == 1
    assert grown("fieldguide_pictures_total", outcome="not_an_image") == 1
    assert grown("fieldguide_model_seconds_count") == grown("fieldguide_model_seconds_bucket", le="+Inf") == 1
    assert grown("fieldguide_request_seconds_count") == 4
    assert after["fieldguide_pictures_waiting", ()] == 0 and after["fieldguide_requests_in_flight", ()] == 1
    assert after["process_start_time_seconds", ()] > 1_700_000_000 and after["process_open_fds", ()] > 3
    assert len(after) < 200


def test_a_request_keeps_its_id_where_it_is_a_word(client: TestClient) -> None:
    reply = client.post("/v1/classify", content=b"x", headers={"X-Request-ID": "order-7.b"})
    problem = check_problem(reply, 415, "not_an_image")
    assert problem["request_id"] == reply.headers["X-Request-ID"] == "order-7.b"
    assert problem["reason"] == problem["detail"]
    for wrong in ("a b", "x" * 65, "<b>", "\u00e9", ""):
        given = client.get("/health", headers={b"X-Request-ID": wrong.encode()}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", given)


def test_the_docs_need_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page.text
    assert {*re.findall(r'(?:src|href)="([^"#]+)"', page.text)} == {"docs.css", "openapi.json"}
    assert "<script" not in page.text and " style=" not in page.text


def test_every_answer_and_error_is_described(client: TestClient) -> None:
    about = client.get("/openapi.json").json()
    responses = about["paths"]["/v1/classify"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503"} <= set(responses)
    for path, methods in about["paths"].items():
        for row in methods.values():
            assert row["description"], path
            for status, answer in row["responses"].items():
                assert status == "200" or list(answer["content"]) == ["application/problem+json"], (path, status)
    schema = json.dumps(about)
    for name in re.findall(r'"#/components/schemas/([^"]+)"', schema):
        assert name in about["components"]["schemas"]


def test_one_of_several_keys_and_the_open_addresses(built_once: Path) -> None:
    with make_client(built_once, KEYS) as client:
        for key in KEYS.split():
            for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
                assert client.get("/v1/classes", headers=headers).status_code == 200
        for wrong in ("", "0123456789abcde", KEYS):
            check_problem(client.get("/metrics", headers={"X-API-Key": wrong}), 401, "key_needed")
        for path in ("/health", "/ready", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
        headers = {"X-API-Key": KEYS.split()[0]}
        assert client.get("/openapi.json", headers=headers).json()["components"]["securitySchemes"]


def test_who_asks_too_often_is_told_when_to_come_back(built_once: Path) -> None:
    with make_client(built_once, rate_limit=0.5) as client:
        assert client.post("/v1/classify", content=PICTURE).status_code == 200
        reply = client.post("/v1/classify", content=PICTURE)
        check_problem(reply, 429, "too_many")
        assert reply.headers["Retry-After"]
        assert client.get("/").status_code == 200


def test_other_websites_only_where_named(built_once: Path, client: TestClient) -> None:
    asks = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    with make_client(built_once, KEYS, cors_origins=("https://example.org",)) as named:
        reply = named.options("/v1/classify", headers=asks)
        assert reply.status_code == 200 and reply.headers["access-control-allow-origin"] == "https://example.org"
        for origin in ("null", "https://example.org.evil.example", "http://example.org", "https://evil.example"):
            reply = named.get("/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in reply.headers
        assert "access-control-allow-credentials" not in reply.headers
    assert "access-control-allow-origin" not in client.get("/health", headers=asks).headers


def test_only_named_websites_may_show_it_in_a_frame(built_once: Path) -> None:
    with make_client(built_once, frame_origins=("https://example.org", "https://example.com")) as named:
        policy = named.get("/").headers["content-security-policy"]
        assert policy.endswith("; frame-ancestors https://example.org https://example.com")
        assert policy.startswith("default-src 'none'; ")
    for origin in ("*", "example.org", "https://a.org; script-src *", "'self'"):
        with pytest.raises(ValueError, match="frame_origins"):
            ServeSettings(frame_origins=(origin,))


@pytest.mark.parametrize("origin", ["*", "null", "example.org", "https://example.org/path", "https://*.org"])
def test_an_origin_is_exact(origin: str) -> None:
    with pytest.raises(ValueError):
        ServeSettings(cors_origins=(origin,))


def test_below_a_path_whether_the_proxy_takes_it_away_or_not(built_once: Path) -> None:
    with make_client(built_once, KEYS, root_path="/plants") as client:
        for path in ("/health", "/plants/health"):
            assert client.get(path).status_code == 200
        headers = {"X-API-Key": KEYS.split()[1]}
        for path in ("/v1/classify", "/plants/v1/classify"):
            assert client.post(path, content=PICTURE, headers=headers).status_code == 200
        assert client.get("/plants/openapi.json", headers=headers).json()["servers"] == [{"url": "/plants"}]


def test_the_log_has_no_picture_and_no_secret(built_once: Path, caplog: pytest.LogCaptureFixture) -> None:
    with make_client(built_once, KEYS) as client, caplog.at_level(logging.INFO, "fieldguide.serve"):
        key = KEYS.split()[0]
        files = {"file": ("secret-name.png", PICTURE)}
        client.post("/v1/classify?top_k=1&q=secret-query", files=files, headers={"X-API-Key": key, "X-Request-ID": "7"})
        client.post("/v1/classify", content=b"secret-bytes", headers={"X-API-Key": key})
        client.get("/secret-path", headers={"X-API-Key": "secret-key"})
    rows = [json.loads(record.getMessage()) for record in caplog.records if record.name == "fieldguide.serve"]
    assert [row["status"] for row in rows] == [200, 415, 401]
    assert rows[0]["request_id"] == "7" and rows[0]["route"] == "/v1/classify" and rows[0]["ms"] > 0
    assert rows[1]["code"] == "not_an_image" and rows[2]["code"] == "key_needed"
    assert "secret" not in caplog.text and key not in caplog.text


def test_addresses_are_fetched_only_where_allowed_and_never_from_here(
    built_once: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, make_client(built_once, allow_urls=True) as allowed:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        monkeypatch.setattr(fetching, "RULES", replace(fetching.RULES, ports=frozenset({80, 443, port})))
        url = f"http://127.0.0.1:{port}/x.png"
        check_problem(client.post("/v1/classify", json={"url": url}), 403, "urls_off")
        for each in (url, f"http://[::1]:{port}/x", f"http://0.0.0.0:{port}/", f"http://2130706433:{port}/",
                     "http://169.254.169.254/", "file:///etc/passwd", "no address"):  # fmt: skip
            problem = check_problem(allowed.post("/v1/classify", json={"url": each}), 422)
            assert problem["code"].startswith(("url_refused", "url_bad_url"))
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_picture_at_an_address(built_once: Path, monkeypatch: pytest.MonkeyPatch, client: TestClient) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/picture.png"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(PICTURE) if found else 0))
            self.end_headers()
            self.wfile.write(PICTURE if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        rules = replace(fetching.RULES, ports=frozenset({port}), allow_networks=("127.0.0.0/8",))
        monkeypatch.setattr(fetching, "RULES", rules)
        with make_client(built_once, allow_urls=True) as allowed:
            address = f"http://127.0.0.1:{port}"
            answer = allowed.post("/v1/classify", json={"url": f"{address}/picture.png"})
            assert answer.json() == client.post("/v1/classify", content=PICTURE).json()
            check_problem(allowed.post("/v1/classify", json={"url": f"{address}/none.png"}), 422, "url_http_404")
        server.shutdown()
        thread.join()
