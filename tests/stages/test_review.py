"""The review server over HTTP: who is let in, what is listed, what is saved, and that nothing saved is lost."""

import io
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from subprocess import Popen
from threading import Timer
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

import fieldguide as fg
from command import TIMEOUT_S, check_two_lines, environment, ran, run, start
from conftest import CLASS_NAMES, Pictures, picture_bytes
from fieldguide.errors import NotReady
from fieldguide.project import Project
from fieldguide.stages.review import app as review_app
from fieldguide.stages.review.access import Access
from fieldguide.stages.review.app import make_app

ADDRESS = "http://127.0.0.1:8765"
ORIGIN = {"Origin": ADDRESS}
TOKEN = "a-token-of-this-start"
PAGE = {"index.html": "<!doctype html><title>Review</title>", "assets/index-1.js": "1", ".sources": "secret"}


@pytest.fixture(scope="session")
def reviewed_once(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cleaned project: a picture under two labels, two copies, a broken file; only to be copied."""
    folder = tmp_path_factory.mktemp("review")
    photos = pictures(folder / "photos")
    shutil.copy(photos / "circle" / "000.jpg", photos / "square" / "again.jpg")
    Image.open(io.BytesIO(picture_bytes("triangle", 0))).save(photos / "triangle" / "copy.jpg", quality=70)
    project = fg.new(folder / "project", CLASS_NAMES)
    project.add(photos, author="the tests", licence="own", progress=None)
    broken = next(image for image in project.images() if image.class_name == "square" and image.format == "PNG")
    path = project.folder / "images" / broken.sha256[:2] / f"{broken.sha256}.png"
    path.write_bytes(path.read_bytes()[:200])
    project.clean(progress=None)
    return project.folder


@pytest.fixture
def folder(reviewed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reviewed_once, tmp_path / "project"))


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a page of three files where the built one would lie."""
    built = tmp_path / "built"
    for name, text in PAGE.items():
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_text(text)
    monkeypatch.setattr(review_app, "page_folder", lambda: built)
    return built


@pytest.fixture
def outside(folder: Path, page: Path) -> Iterator[TestClient]:
    """Return a browser that has not been let in."""
    project = Project(folder)
    app = make_app(project, project.settings(), Access(("127.0.0.1", "localhost"), 8765, TOKEN))
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(outside: TestClient) -> TestClient:
    """Return a browser that opened the start address, and a page that sends what a browser sends."""
    outside.get("/", params={"token": TOKEN})
    outside.headers.update(ORIGIN)
    return outside


def check_problem(reply: Any, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = reply.json()
    assert (problem["status"], problem["code"]) == (status, code) and problem["detail"]
    assert "Traceback" not in reply.text and "/fieldguide/" not in reply.text
    return problem


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    reply = client.get(path, params=parameters)
    assert reply.status_code == 200, reply.text
    return reply.json()


def decide(client: TestClient, *choices: tuple[str, str, int], by: str = "ann", view: str = "worst") -> Any:
    """Send decisions, each a hash, keep, drop or a class name, and a revision."""
    decisions = [
        {"sha256": sha256, "revision": revision}
        | ({"decision": what} if what in ("keep", "drop") else {"decision": "relabel", "class_name": what})
        for sha256, what, revision in choices
    ]
    return client.post("/api/decisions", json={"by": by, "view": view, "decisions": decisions})


def all_pictures(client: TestClient, **filters: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = get(client, "/api/pictures", limit=500, **filters)["pictures"]
    return listed


# ---- who is let in


def test_the_start_address_lets_a_browser_in_once_and_for_all(outside: TestClient) -> None:
    check_problem(outside.get("/api/state"), 401, "token_needed")
    check_problem(outside.get("/", params={"token": "another"}), 401, "token_needed")
    reply = outside.get("/", params={"token": TOKEN, "order": "audit"})
    assert (reply.status_code, reply.headers["location"]) == (303, "/?order=audit"), "the token leaves the address"
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "fieldguide_review_8765=" in cookie
    assert outside.get("/api/state").status_code == 200


def test_a_program_brings_the_token_in_a_header(outside: TestClient) -> None:
    outside.headers["Authorization"] = f"Bearer {TOKEN}"
    assert outside.get("/api/state").status_code == 200
    assert outside.post("/api/undo", json={"by": "script"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:8765"])
def test_a_foreign_host_is_refused_everywhere(host: str, client: TestClient) -> None:
    for path in ("/", "/api/state", "/assets/index-1.js", f"/?token={TOKEN}"):
        check_problem(client.get(path, headers={"Host": host}), 400, "foreign_host")
    check_problem(client.post("/api/undo", json={"by": "a"}, headers={"Host": host}), 400, "foreign_host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
def test_another_page_changes_nothing(headers: dict[str, str], client: TestClient) -> None:
    del client.headers["Origin"]
    sha256 = all_pictures(client)[0]["sha256"]
    body = {"by": "evil", "decisions": [{"sha256": sha256, "decision": "drop", "revision": 0}]}
    for path in ("/api/decisions", "/api/undo", "/api/redo"):
        check_problem(client.post(path, json=body, headers=headers), 403, "foreign_origin")
    assert get(client, f"/api/pictures/{sha256}")["history"] == []


def test_a_form_of_another_page_is_no_json(client: TestClient) -> None:
    check_problem(
        client.post("/api/undo", content='{"by": "a"}', headers={"Content-Type": "text/plain"}), 415, "not_json"
    )


def test_every_answer_has_the_headers(client: TestClient) -> None:
    sha256 = all_pictures(client)[0]["sha256"]
    for path in ("/", "/api/state", "/nowhere", "/assets/index-1.js", f"/api/pictures/{sha256}/thumbnail"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_the_page_is_a_fixed_list_of_files(client: TestClient) -> None:
    assert client.get("/").text == PAGE["index.html"]
    script = client.get("/assets/index-1.js")
    assert "javascript" in script.headers["content-type"] and "immutable" in script.headers["cache-control"]
    for path in ("/.sources", "/assets/../.sources", "/assets/%2e%2e/.sources", "/catalog.db", "/%2e%2e/catalog.db"):
        assert client.get(path).status_code == 404, path


def test_reading_changes_nothing(client: TestClient, folder: Path) -> None:
    sha256 = all_pictures(client)[0]["sha256"]

    def content() -> dict[str, Any]:
        with sqlite3.connect(f"file:{folder / 'catalog.db'}?mode=ro", uri=True) as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}

    before = content()
    for path in ("/", "/api/state", "/api/pictures", f"/api/pictures/{sha256}", f"/api/pictures/{sha256}/neighbours",
                 f"/api/pictures/{sha256}/thumbnail", "/api/decisions", "/api/undo", "/api/redo"):  # fmt: skip
        client.get(path), client.head(path)
    assert content() == before


# ---- what is listed


def test_the_worst_come_first(client: TestClient) -> None:
    listed = all_pictures(client)
    assert listed[0]["labels"] == ["circle", "square"] and listed[0]["class_name"] == ""
    assert listed[0]["verdicts"][0]["reason"] == "two_labels"
    kept, copy = listed[1:3]
    assert copy["verdicts"][0]["reason"] == "near_copy" and copy["verdicts"][0]["copy_of"] == kept["sha256"]
    assert kept["group"] == copy["group"] and (kept["state"], copy["state"]) == ("kept", "rejected")
    assert listed[3]["readable"] is False and listed[3]["state"] == "rejected"
    assert all(not picture["verdicts"] for picture in listed[4:])


def test_the_frame_counts_everything(client: TestClient) -> None:
    state = get(client, "/api/state", by="ann")
    assert state["total"] == 13 and state["classes"] == list(CLASS_NAMES) and state["rules"] == []
    assert state["counts"]["state"] == {"kept": 10, "rejected": 3}
    assert state["counts"]["reason"] == {"two_labels": 1, "near_copy": 1, "changed": 1}
    assert state["counts"]["source"] == {"folder": 13} and state["counts"]["decision"] == {"": 13}
    assert (state["can_undo"], state["can_redo"]) == (False, False)
    assert state["audit"]["line"].startswith("looked at 0 of 10; look at some in random order")


@pytest.mark.parametrize("order", ["worst", "audit", "class"])
@pytest.mark.parametrize(
    "filters", [{}, {"state": "kept"}, {"class_name": "circle"}, {"source": "folder", "split": ""}]
)
def test_pages_follow_each_other(order: str, filters: dict[str, str], client: TestClient) -> None:
    whole = all_pictures(client, order=order, **filters)
    assert get(client, "/api/pictures", order=order, **filters)["total"] == len(whole)
    pages: list[Any] = []
    page = get(client, "/api/pictures", order=order, limit=3, **filters)
    while True:
        pages += page["pictures"]
        assert (
            get(client, "/api/pictures", order=order, limit=3, offset=len(pages) - 1, **filters)["pictures"][0]
            == pages[-1]
        )
        if page["next"] is None:
            break
        page = get(client, "/api/pictures", order=order, limit=3, after=page["next"], **filters)
    assert pages == whole


def test_filters(client: TestClient) -> None:
    assert [picture["labels"] for picture in all_pictures(client, class_name="")] == [["circle", "square"]]
    assert {picture["class_name"] for picture in all_pictures(client, class_name="square")} == {"square"}
    assert len(all_pictures(client, reason="near_copy")) == 1
    assert len(all_pictures(client, reason="near_copy", state="kept")) == 0
    assert len(all_pictures(client, source="openverse")) == 0
    assert len(all_pictures(client, order="audit")) == 10, "what is rejected is not in the data"
    check_problem(client.get("/api/pictures", params={"order": "best"}), 422, "unusable")
    check_problem(client.get("/api/pictures", params={"limit": 501}), 422, "unusable")
    check_problem(client.get("/api/pictures", params={"after": "e30="}), 422, "unusable")


def test_one_picture(client: TestClient) -> None:
    listed = all_pictures(client)
    picture = get(client, f"/api/pictures/{listed[1]['sha256']}")
    assert picture["origins"][0]["author"] == "the tests" and picture["origins"][0]["location"].startswith("triangle/")
    assert [copy["sha256"] for copy in picture["copies"]] == [listed[2]["sha256"]]
    assert picture["history"] == []
    answer = get(client, f"/api/pictures/{listed[1]['sha256']}/neighbours", limit=3)
    assert answer["neighbours"][0]["sha256"] == listed[2]["sha256"] and answer["neighbours"][0]["similarity"] > 0.98
    check_problem(client.get(f"/api/pictures/{'0' * 64}"), 404, "not_found")


def test_addresses_of_another_kind_are_not_handed_on(client: TestClient, folder: Path) -> None:
    with Project(folder).catalog() as catalog:
        catalog.write(
            "UPDATE provenance SET page = ?, author_url = ?", [("javascript:alert(1)", "https://example.org/a")]
        )
    origin = get(client, f"/api/pictures/{all_pictures(client)[0]['sha256']}")["origins"][0]
    assert (origin["page"], origin["author_url"]) == ("", "https://example.org/a")


def test_pictures_are_made_anew(client: TestClient, folder: Path) -> None:
    listed = all_pictures(client)
    path = f"/api/pictures/{listed[1]['sha256']}"
    thumbnail, preview = client.get(f"{path}/thumbnail"), client.get(f"{path}/preview")
    for reply in (thumbnail, preview):
        assert reply.headers["content-type"] == "image/jpeg" and "immutable" in reply.headers["cache-control"]
        image = Image.open(io.BytesIO(reply.content))
        assert image.format == "JPEG" and max(image.size) == max(listed[1]["width"], listed[1]["height"])
    original = folder / "images" / listed[1]["sha256"][:2]
    assert all(thumbnail.content != file.read_bytes() for file in original.iterdir())
    for file in original.iterdir():
        file.unlink()
    assert client.get(f"{path}/thumbnail").content == thumbnail.content, "made once, kept in the project"
    check_problem(client.get(f"{path}/preview"), 404, "not_found")
    check_problem(client.get(f"/api/pictures/{listed[3]['sha256']}/thumbnail"), 422, "unreadable")
    check_problem(client.get(f"/api/pictures/{'0' * 64}/thumbnail"), 404, "not_found")


# ---- what is saved


def test_decisions_are_saved_and_seen(client: TestClient, folder: Path) -> None:
    two, _, copy, broken, fine = (picture["sha256"] for picture in all_pictures(client)[:5])
    answer = decide(client, (two, "square", 0), (copy, "keep", 0), (fine, "drop", 0)).json()
    assert [(item["state"], item["class_name"]) for item in answer["saved"][:1]] == [("kept", "square")]
    assert [item["state"] for item in answer["saved"]] == ["kept", "kept", "rejected"]
    assert (answer["stale"], answer["refused"], answer["can_undo"]) == ([], [], True)
    assert {image.sha256: image.state for image in fg.open_project(folder).images()}[fine] == "rejected"
    assert get(client, "/api/state")["counts"]["decision"] == {"": 10, "keep": 1, "drop": 1, "relabel": 1}
    assert [item["decision"] for item in get(client, f"/api/pictures/{two}")["history"]] == ["relabel"]
    problem = check_problem(
        decide(client, (broken, "keep", 0), (fine, "keep", answer["saved"][2]["revision"])), 422, "unusable"
    )
    assert [item["sha256"] for item in problem["refused"]] == [broken] and "cannot be read" in problem["refused"][0][
        "detail"
    ]
    assert [item["sha256"] for item in problem["saved"]] == [fine], "the others are saved"


def test_two_tabs_and_a_stale_decision(client: TestClient) -> None:
    sha256 = all_pictures(client)[4]["sha256"]
    mine = decide(client, (sha256, "drop", 0), by="tab-1").json()["saved"][0]
    problem = check_problem(decide(client, (sha256, "keep", 0), by="tab-2"), 409, "stale")
    (now,) = problem["stale"]
    assert (now["state"], now["decision"], now["revision"]) == ("rejected", "drop", mine["revision"])
    assert problem["saved"] == []
    again = decide(client, (sha256, "keep", now["revision"]), by="tab-2")
    assert again.status_code == 200 and again.json()["saved"][0]["state"] == "kept"
    history = get(client, f"/api/pictures/{sha256}")["history"]
    assert [(item["by"], item["decision"]) for item in history] == [("tab-1", "drop"), ("tab-2", "keep")]
    problem = check_problem(client.post("/api/undo", json={"by": "tab-1"}), 409, "stale")
    assert problem["stale"][0]["decision"] == "keep", "an undo leaves what others decided since"


def test_of_many_at_once_one_decides_and_the_others_are_told(client: TestClient) -> None:
    names = [picture["sha256"] for picture in all_pictures(client)[4:8]]

    def send(number: int) -> list[int]:
        what = "drop" if number % 2 else "keep"
        return [decide(client, (sha256, what, 0), by=f"tab-{number}").status_code for sha256 in names]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    for place, sha256 in enumerate(names):
        assert sorted(statuses[place] for statuses in answers) == [200] + [409] * 7
        (event,) = get(client, f"/api/pictures/{sha256}")["history"]
        assert answers[int(event["by"].removeprefix("tab-"))][place] == 200, "the one that was told so has decided"


def test_undo_and_redo(client: TestClient) -> None:
    first, second = (picture["sha256"] for picture in all_pictures(client)[4:6])
    decide(client, (first, "drop", 0), (second, "drop", 0))
    for _ in range(2):
        undone = client.post("/api/undo", json={"by": "ann"}).json()
        assert {item["sha256"]: (item["state"], item["decision"]) for item in undone["saved"]} == {
            first: ("kept", ""), second: ("kept", ""),
        }  # fmt: skip
        assert (undone["can_undo"], undone["can_redo"]) == (False, True)
        redone = client.post("/api/redo", json={"by": "ann"}).json()
        assert {item["state"] for item in redone["saved"]} == {"rejected"}
    assert client.post("/api/redo", json={"by": "ann"}).json()["action"] is None
    assert client.post("/api/undo", json={"by": "ben"}).json()["action"] is None, "each tab undoes what it did"
    assert [item["undo"] for item in get(client, f"/api/pictures/{first}")["history"]] == [
        False,
        True,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "{", '{"by": "a"}', '{"by": "a", "decisions": []}', '{"by": "<b>", "decisions": [{}]}',
        '{"by": "a", "decisions": [{"sha256": "x", "decision": "drop", "revision": 0}]}',
        '{"by": "a", "decisions": [{"sha256": "%s", "decision": "burn", "revision": 0}]}' % ("0" * 64),
        '{"by": "a", "decisions": [{"sha256": "%s", "decision": "drop", "revision": "0"}]}' % ("0" * 64),
        '{"by": "a", "more": 1, "decisions": [{"sha256": "%s", "decision": "drop", "revision": 0}]}' % ("0" * 64),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_broken_body_is_a_problem(body: str, client: TestClient) -> None:
    reply = client.post("/api/decisions", content=body, headers={"Content-Type": "application/json"})
    check_problem(reply, 422, "unusable")


def test_too_much_at_once(client: TestClient) -> None:
    reply = client.post("/api/decisions", content=b" " * 4_000_001, headers={"Content-Type": "application/json"})
    check_problem(reply, 413, "too_many")


def test_the_random_sample_tells_how_many_are_wrong(client: TestClient) -> None:
    sample = all_pictures(client, order="audit")
    wrong = "square" if sample[0]["class_name"] != "square" else "circle"
    decide(client, (sample[0]["sha256"], wrong, 0), view="audit")
    for picture in sample[1:5]:
        decide(client, (picture["sha256"], "keep", 0), view="audit")
    decide(client, (all_pictures(client)[0]["sha256"], "drop", 0))
    audit = get(client, "/api/state")["audit"]
    assert (audit["looked_at"], audit["total"], audit["sampled"], audit["wrong"]) == (5, 10, 5, 1)
    assert 0 <= audit["low_percent"] <= audit["left_percent"] <= audit["high_percent"] <= 50
    assert re.fullmatch(r"looked at 5 of 10; about [\d.]+ % \([\d.]+ to [\d.]+\) wrong labels left", audit["line"])
    assert [picture["sha256"] for picture in all_pictures(client, order="audit")] == [
        picture["sha256"] for picture in sample
    ], "the order stays, and what was looked at stays in it"


def test_a_clean_elsewhere_makes_a_new_list(client: TestClient, folder: Path) -> None:
    before = get(client, "/api/state")
    sha256 = all_pictures(client)[4]["sha256"]
    decide(client, (sha256, "drop", 0))
    project = fg.open_project(folder)
    project.write_settings({"clean.min_side": 4096})
    project.clean(progress=None)
    after = get(client, "/api/state")
    assert after["version"] > before["version"] and after["counts"]["reason"]["too_small"] > 5
    assert get(client, f"/api/pictures/{sha256}")["decision"] == "drop", "decisions survive"


# ---- the command


@contextmanager
def serving(folder: Path, **how: Any) -> Iterator[tuple[Popen[str], httpx.Client]]:
    """Start the command and yield its process, and a browser that it let in."""
    with start("review", "-C", folder, "--no-browser", "--port", "0", **how) as server:
        try:
            assert server.stderr
            lines = iter(server.stderr.readline, "")
            match = next(
                found for line in lines if (found := re.search(r"(http://127\.0\.0\.1:\d+)/\?token=\S+", line))
            )
            with httpx.Client(base_url=match[1], headers={"Origin": match[1]}, timeout=60) as browser:
                browser.get(match[0])
                yield server, browser
        finally:
            server.kill()


@pytest.fixture
def built_page(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a started program that finds a built page, whether or not this checkout has one."""
    hook = tmp_path / "hook"
    (hook / "page").mkdir(parents=True)
    (hook / "page" / "index.html").write_text(PAGE["index.html"])
    (hook / "sitecustomize.py").write_text(
        "import pathlib\n"
        "import fieldguide.stages.review as review\n"
        f"review.page_folder = review.app.page_folder = lambda: pathlib.Path({str(hook / 'page')!r})\n"
    )
    variables = environment()
    return {**variables, "PYTHONPATH": os.pathsep.join([str(hook), variables["PYTHONPATH"]])}


def test_what_was_answered_survives_a_kill(folder: Path, built_page: dict[str, str]) -> None:
    answered: dict[str, str] = {}
    with serving(folder, env=built_page) as (server, browser):
        names = [picture["sha256"] for picture in browser.get("/api/pictures").json()["pictures"]]
        for number, sha256 in enumerate(names[4:]):
            what = "drop" if number % 2 else "keep"
            decision = {"sha256": sha256, "decision": what, "revision": 0}
            reply = browser.post("/api/decisions", json={"by": "ann", "decisions": [decision]})
            answered[reply.json()["saved"][0]["sha256"]] = what
        server.kill()
    with serving(folder, env=built_page) as (server, browser):
        listed = {picture["sha256"]: picture["decision"] for picture in browser.get("/api/pictures").json()["pictures"]}
        assert {name: listed[name] for name in answered} == answered and len(answered) == 9
        undone = browser.post("/api/undo", json={"by": "ann"}).json()["saved"][0]
        assert undone["decision"] == "", "undo goes on after a restart"
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=TIMEOUT_S)
        assert server.returncode == 0 and "Traceback" not in errors
        assert "4 kept, 4 dropped by hand" in output


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another program's limits are set on Linux alone")
def test_a_full_disk_is_a_problem_and_the_server_stays(folder: Path, built_page: dict[str, str]) -> None:
    with serving(folder, env=built_page) as (server, browser):
        sha256 = browser.get("/api/pictures").json()["pictures"][4]["sha256"]
        body = {"by": "ann", "decisions": [{"sha256": sha256, "decision": "drop", "revision": 0}]}
        limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, limits[1]))  # nothing it writes has a place
        for _ in range(2):
            problem = check_problem(browser.post("/api/decisions", json=body), 507, "disk_full")
            assert "no space left" in problem["detail"] and "same command" not in problem["detail"]
        for path in ("/", "/api/state", "/api/pictures", f"/api/pictures/{sha256}/thumbnail"):
            assert browser.get(path).status_code == 200, path
        assert browser.get(f"/api/pictures/{sha256}").json()["history"] == []
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)
        assert browser.post("/api/decisions", json=body).status_code == 200
        server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.communicate(timeout=TIMEOUT_S)[1]


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_answered(folder: Path, built_page: dict[str, str]) -> None:
    answered: dict[str, str] = {}
    total = 0
    for number in range(12):
        with serving(folder, env=built_page) as (server, browser):
            names = [picture["sha256"] for picture in browser.get("/api/pictures?class_name=circle").json()["pictures"]]
            for sha256, what in answered.items():
                assert browser.get(f"/api/pictures/{sha256}").json()["decision"] == what
            with suppress(httpx.HTTPError):
                for turn in count():
                    sha256, what = names[turn % len(names)], ("keep", "drop")[(turn + number) % 2]
                    revision = browser.get(f"/api/pictures/{sha256}").json()["revision"]
                    body = [{"sha256": sha256, "decision": what, "revision": revision}]
                    answered.pop(sha256, None)  # until it is answered, either may hold
                    if turn == 3:  # from here on it may end at any moment
                        Timer(0.003 * number, server.kill).start()
                    browser.post("/api/decisions", json={"by": "ann", "decisions": body}).raise_for_status()
                    answered[sha256], total = what, total + 1
    assert total >= 3 * 12


def test_where_the_page_is_not_built(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fieldguide.stages import review

    monkeypatch.setattr(review, "page_folder", lambda: tmp_path / "none")
    with pytest.raises(NotReady, match="page is not built") as error:
        fg.open_project(folder).review(progress=None, browser=False)
    assert "make pages" in error.value.hint


def test_the_list_for_programs(folder: Path, tmp_path: Path, built_page: dict[str, str]) -> None:
    listed = json.loads(ran("review", "--json", "-C", folder))
    assert [picture["verdicts"][0]["reason"] for picture in listed["pictures"]][:2] == ["two_labels", "near_copy"]
    assert listed["total"] == 13 and listed["audit"]["total"] == 10
    assert len(fg.open_project(folder).review(page=False, progress=None).pictures) == 3
    fg.new(tmp_path / "empty", ["a", "b"])
    check_two_lines(run("review", "--no-browser", "-C", tmp_path / "empty", env=built_page), 5, "no pictures yet")
