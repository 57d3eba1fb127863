"""Collecting from sources: until N clean, the same set however it went, credits kept, trouble explained."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from command import TIMEOUT_S, check_two_lines, run, set_key, start
from conftest import Clock
from faulty import QUICK, LocalInternet
from fieldguide.errors import (
    Blocked,
    DiskFull,
    FieldguideError,
    LayoutChanged,
    NetworkDown,
    NotReady,
    RateLimited,
    SettingsError,
)
from fieldguide.images import Limits
from fieldguide.net import Client, NetRules
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.ledger import Ledger
from fieldguide.records import CollectReport, Origin
from fieldguide.records.candidates import HostLimit
from fieldguide.sources.openverse import OpenverseSource
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.collect import collect
from fieldguide.stages.collect.downloads import may_pass
from fieldguide.stages.collect.pipeline import Connect
from fieldguide.stages.collect.queries import net_rules, plan_queries, source_query
from fieldguide.stages.credits import credits
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.new import new
from fieldguide.stages.publish import publish
from fieldguide.stages.split import split
from fieldguide.stages.split.groups import join_links
from fieldguide.stages.split.links import link_origins
from fieldguide.stages.train import train
from gallery import SPOILT, Searx, internet, is_good, item, openverse, picture, serve_image

NAMES = ("rose", "桜")
EASY = {
    "api.openverse.org": {"spacing_s": 0.0, "concurrency": 8},
    "img.example.org": {"spacing_s": 0.0, "concurrency": 32},
}


def plants(folder: Path, names: tuple[str, ...] = NAMES, **changed: object) -> Project:
    """Make a project that collects from the small Openverse."""
    settings = {"sources": ["openverse"], "per_class": 30, "contact": "tests@example.org", "hosts": EASY, **changed}
    new(folder, {name: {} for name in names}, changed={"collect": settings})
    return Project(folder, Clock())


def through(net: LocalInternet) -> Connect:
    """Return what connects to the small internet under the stage's own rules, less patient."""

    def connect(rules: NetRules, stop: asyncio.Event) -> Client:
        quick = replace(
            rules, connect_s=QUICK.connect_s, read_s=QUICK.read_s, total_s=QUICK.total_s, tries=2, backoff_s=0.01
        )
        return net.client(quick, stop=stop)

    return connect


def collected(project: Project, net: LocalInternet, **how: Any) -> CollectReport:
    return collect(project, project.settings(), progress=SilentProgress(), connect=through(net), **how)


def kept_urls(project: Project) -> dict[str, set[str]]:
    """Return the addresses of what each class keeps."""
    with project.catalog() as catalog:
        labels = catalog.labels()
        urls: dict[str, set[str]] = {}
        for origin in catalog.origins():
            for name in labels[origin.sha256]:
                urls.setdefault(name, set()).add(origin.location)
    return urls


def origins(project: Project) -> list[Origin]:
    with project.catalog() as catalog:
        return catalog.origins()


# ---- until N clean


def test_the_first_good_ones_in_order_with_their_credits(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants")
    with internet() as net:
        report = collected(project, net)
    assert report.found == {"rose": 30, "桜": 30}
    assert not report.short
    good_numbers = [number for number in range(100) if is_good(number)][:30]
    for name in NAMES:
        assert kept_urls(project)[name] == {str(item(name, number)["url"]) for number in (*good_numbers, 7)}, (
            "7 has the bytes of 6"
        )
        reasons = report.reasons[name]
        assert reasons["licence"] == reasons["http_404"] == reasons["not_image"] == 1
        assert reasons["copy"] == reasons["too_small"] == reasons["truncated"] == 1
        assert report.offered[name] == 40
        assert report.fetched[name] == 30 + 5
    origin = next(origin for origin in origins(project) if origin.location.endswith("rose/0.jpg"))
    assert (origin.source, origin.author, origin.title) == ("openverse", "Author 0", "rose no. 0")
    assert (origin.licence, origin.licence_url) == ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/")
    assert (origin.page, origin.query) == ("https://www.example.org/rose/0", "rose")
    with project.catalog() as catalog:
        for image in catalog.images().values():
            assert project.read_image(image.sha256, image.format)


def test_no_more_is_fetched_than_is_missing(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    with internet() as net:
        collected(project, net)
        first_hits = net.hits("img.example.org")
        assert len(first_hits) == len(set(first_hits)) == 35
        assert collected(project, net).found == {"rose": 30}
        assert net.hits("img.example.org") == first_hits, "a finished class asks for nothing"
        set_key(project.settings_file, "collect", "per_class = 34")
        assert collected(project, net).found == {"rose": 34}
        later = net.hits("img.example.org")[len(first_hits) :]
        assert len(later) == 4 and not set(later) & set(first_hits)
        pages = [hit for hit in net.hits("api.openverse.org")]
        assert len(pages) == len(set(pages)) == 2


def test_sources_that_have_no_more_are_said(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    with internet(**{"api.openverse.org": openverse(total=25)}) as net:
        report = collected(project, net)
    assert report.found == {"rose": 25 - len(SPOILT)}
    assert report.short == {"rose": f"{30 - 25 + len(SPOILT)} missing: the sources have no more"}


def test_queries_take_turns(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), queries=["{name} flower", "{name} bush"], per_class=40)
    with internet() as net:
        collected(project, net)
        queries = [hit.partition("q=")[2].partition("&")[0] for hit in net.hits("api.openverse.org")]
    assert queries == ["rose+flower", "rose+bush", "rose+flower"]
    assert {origin.query for origin in origins(project)} == {"rose flower", "rose bush"}


def test_synonyms_and_what_a_source_is_asked_instead(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), per_class=60)
    text = project.settings_file.read_text(encoding="utf-8")
    line = '"rose" = {queries = ["Rosa", "バラ"]}'
    project.settings_file.write_text(text.replace('"rose" = {}', line), encoding="utf-8")
    with internet() as net:
        collected(project, net)
    assert {origin.query for origin in origins(project)} == {"Rosa", "バラ"}
    project.settings_file.write_text(
        text.replace('"rose" = {}', '"rose" = {at = {openverse = ["Rosa canina"]}}'), encoding="utf-8"
    )
    with internet() as net:
        collected(project, net)
        assert not net.hits("api.openverse.org"), "sixty are there"


def test_pictures_that_were_added_count(tmp_path: Path) -> None:
    own = tmp_path / "own" / "rose"
    own.mkdir(parents=True)
    for number in (0, 2):
        (own / f"{number}.jpg").write_bytes(picture("rose", number))
    project = plants(tmp_path / "plants", ("rose",), per_class=10)
    add(project, project.settings(), own.parent, terms=Terms(licence="own"), progress=SilentProgress())
    with internet() as net:
        report = collected(project, net)
    assert report.found == {"rose": 10}
    assert report.reasons["rose"]["copy"] == 3, "numbers 0 and 2 are there, and number 7 is a copy of 6"
    with project.catalog() as catalog:
        assert len(catalog.hashes()) == 10
        assert len(catalog.origins()) == 2 + 8 + 3, "a copy's origin is known too"


def test_a_picture_under_two_names_is_kept_for_both_and_said(tmp_path: Path) -> None:
    async def same(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=picture("shared", int(request.path.rpartition("/")[2].removesuffix(".jpg"))))

    project = plants(tmp_path / "plants", per_class=5)
    with internet(**{"img.example.org": same}) as net:
        report = collected(project, net)
    assert report.found == {"rose": 5, "桜": 5}
    assert report.shared == 5


@pytest.mark.parametrize(("policy", "fetched"), [("open", 0), ("modify", 1), ("any", 1)])
def test_the_policy_decides_before_anything_is_fetched(tmp_path: Path, policy: str, fetched: int) -> None:
    project = plants(tmp_path / "plants", ("rose",), licences=policy, per_class=25)
    with internet() as net:
        report = collected(project, net)
        assert sum(hit.endswith("/17.jpg") for hit in net.hits("img.example.org")) == fetched
    assert report.reasons["rose"].get("licence", 0) == 1 - fetched


def test_a_policy_that_changes_is_followed(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), licences="any", per_class=10)
    with internet() as net:
        collected(project, net)
        set_key(project.settings_file, "collect", 'licences = "open"')
        set_key(project.settings_file, "collect", "per_class = 15")
        report = collected(project, net)
        assert report.reasons["rose"]["licence"] == 1 and not any("/17." in url for url in kept_urls(project)["rose"])
        with pytest.raises(SettingsError, match="no download failed with 'licence'"):
            collected(project, net, retry=["licence"])
        set_key(project.settings_file, "collect", 'licences = "any"')
        set_key(project.settings_file, "collect", "per_class = 16")
        assert "licence" not in collected(project, net).reasons["rose"]
    assert any("/17." in url for url in kept_urls(project)["rose"])


# ---- similar pictures


def test_the_like_of_the_first_ones_form_families(tmp_path: Path) -> None:
    project = plants(
        tmp_path / "plants", ("rose",), per_query=4, similar_seeds=2, similar_each=5, similar_share=0.9, per_class=12
    )
    with internet() as net:
        report = collected(project, net)
    assert report.found == {"rose": 3 + 5 + 5 - 1}, "three of the first four, then five like each of two, twelve in all"
    families = Counter(origin.parent for origin in origins(project) if origin.parent)
    assert families == {item("rose", 0)["url"]: 5, item("rose", 1)["url"]: 4}
    clean(project, project.settings(), progress=SilentProgress())
    with project.catalog() as catalog:
        classes = {state.sha256: state.class_name for state in catalog.states()}
        links = link_origins(catalog.origins(), classes, "")
        groups = {group.sha256: group.group_id for group in join_links(links)}
        by_family: dict[str, set[str]] = {}
        for origin in catalog.origins():
            if origin.parent or origin.location in families:
                by_family.setdefault(origin.parent or origin.location, set()).add(groups[origin.sha256])
    assert all(len(group_ids) == 1 for group_ids in by_family.values()), "a family is one group, its parent with it"
    assert len(by_family) == 2


def test_similar_pictures_stay_a_share(tmp_path: Path) -> None:
    project = plants(
        tmp_path / "plants", ("rose",), per_query=4, similar_seeds=3, similar_each=6, similar_share=0.5, per_class=10
    )
    with internet() as net:
        report = collected(project, net)
    assert sum(bool(origin.parent) for origin in origins(project)) == 5
    assert report.found == {"rose": 8} and report.short["rose"].startswith("2 missing")


# ---- trouble with a source


def answering(response: Callable[[], web.Response]) -> Callable[[web.BaseRequest], object]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return response()

    return answer


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (lambda: web.json_response({"results": [{"strange": 1}], "result_count": 1}), LayoutChanged),
        (lambda: web.Response(text="<html>hello</html>", content_type="text/html"), LayoutChanged),
        (lambda: web.Response(status=403, text="challenge", headers={"cf-mitigated": "challenge"}), Blocked),
        (lambda: web.Response(status=429, headers={"Retry-After": "86000"}), RateLimited),
        (lambda: web.Response(status=429, text='{"detail":"Expected available in 86000 seconds."}'), RateLimited),
    ],
)
def test_a_source_that_gives_nothing_is_an_error(
    tmp_path: Path, response: Callable[[], web.Response], error: type[FieldguideError]
) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    with (
        internet(**{"api.openverse.org": answering(response)}) as net,
        pytest.raises(error) as caught,
    ):
        collected(project, net)
    assert caught.value.hint


def test_a_page_that_is_not_understood_is_kept(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    strange = answering(lambda: web.json_response({"results": [{"strange": 1}], "result_count": 1}))
    with internet(**{"api.openverse.org": strange}) as net, pytest.raises(LayoutChanged) as caught:
        collected(project, net)
    path = project.root / "answers" / "openverse.txt"
    assert str(path) in caught.value.hint and b"strange" in path.read_bytes()
    with project.catalog() as catalog:
        ((body,),) = catalog.rows("SELECT body FROM page")
        assert b"strange" in zlib.decompress(body)
    with internet() as net:
        assert collected(project, net).found == {"rose": 30}, "the next run asks again"


def test_one_source_of_two_may_fail(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), sources=["cleveland", "openverse"])
    with internet() as net:  # nobody answers for Cleveland
        report = collected(project, net)
    assert report.found == {"rose": 30} and not report.short


def test_pages_that_repeat_are_the_end(tmp_path: Path) -> None:
    async def same(request: web.BaseRequest) -> web.StreamResponse:
        results = [item("rose", number) for number in range(20)]
        return web.json_response(
            {"result_count": 240, "page_count": 20, "page_size": 20, "page": 1, "results": results}
        )

    project = plants(tmp_path / "plants", ("rose",))
    with internet(**{"api.openverse.org": same}) as net:
        report = collected(project, net)
        assert len(net.hits("api.openverse.org")) == 2
    assert report.found == {"rose": 20 - len(SPOILT)} and report.short


def test_no_network(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    with LocalInternet({}) as net, pytest.raises(NetworkDown) as caught:
        collected(project, net)
    assert caught.value.hint


def test_without_a_network_a_list_waits_for_the_next_run(tmp_path: Path) -> None:
    own = {"sources": ["urls"], "licences": "any", "options": {"urls": {"query": "list.txt"}}, "per_class": 12}
    project = plants(tmp_path / "plants", ("rose",), **own)
    good = [number for number in range(100) if is_good(number)][:12]
    addresses = [str(item("rose", number)["url"]) for number in good]
    (project.root / "list.txt").write_text("\n".join(addresses), encoding="utf-8")
    with LocalInternet({}) as net, pytest.raises(NotReady, match="12 pictures left for the next run"):
        collected(project, net)
    with internet() as net:
        assert collected(project, net).found == {"rose": 12}


def test_the_daily_budget_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = plants(tmp_path / "plants", ("rose",), per_class=90)
    monkeypatch.setattr(OpenverseSource, "facts", replace(OpenverseSource.facts, per_day=2))
    with internet() as net:
        report = collected(project, net)
        assert len(net.hits("api.openverse.org")) == 2
        assert "2 requests a day" in report.short["rose"]
        collected(project, net)
        assert len(net.hits("api.openverse.org")) == 2, "another run knows"


def test_a_source_that_asks_to_wait_is_asked_again(tmp_path: Path) -> None:
    turn = iter([True, False])
    real = openverse()

    async def once_busy(request: web.BaseRequest) -> web.StreamResponse:
        if next(turn, False):
            return web.Response(status=429, text='{"detail":"Request was throttled. Expected available in 1 second."}')
        return await real(request)  # type: ignore[misc, no-any-return]

    project = plants(tmp_path / "plants", ("rose",), per_class=10)
    with internet(**{"api.openverse.org": once_busy}) as net:
        assert collected(project, net).found == {"rose": 10}


def test_what_timed_out_can_be_tried_again(tmp_path: Path) -> None:
    slow = True

    async def images(request: web.BaseRequest) -> web.StreamResponse:
        if slow and request.path.endswith("/2.jpg"):
            await asyncio.sleep(5)
        return web.Response(body=picture("rose", int(request.path.rpartition("/")[2].removesuffix(".jpg"))))

    project = plants(tmp_path / "plants", ("rose",), per_class=5)
    with internet(**{"img.example.org": images}) as net:
        first_report = collected(project, net)
        assert first_report.found == {"rose": 5} and first_report.reasons["rose"]["timeout"] == 1
        slow = False
        set_key(project.settings_file, "collect", "per_class = 6")
        report = collected(project, net, retry=["timeout"])
    assert report.found == {"rose": 6} and "timeout" not in report.reasons["rose"]
    assert any(url.endswith("/2.jpg") for url in kept_urls(project)["rose"])


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    count = 0
    real = Project.store_image

    def store(self: Project, data: bytes, suffix: str, **how: bool) -> str:
        nonlocal count
        count += 1
        if count > 12:
            raise DiskFull("no space left while writing images", "free some space")
        return real(self, data, suffix, **how)

    with internet() as net:
        with monkeypatch.context() as patch, pytest.raises(DiskFull):
            patch.setattr(Project, "store_image", store)
            collected(project, net)
        assert collected(project, net).found == {"rose": 30}
        hits = [hit for hit in net.hits("img.example.org")]
    whole = plants(tmp_path / "whole", ("rose",))
    with internet() as net:
        collected(whole, net)
    assert kept_urls(project) == kept_urls(whole)
    assert len(hits) >= 35


# ---- real pictures


def exhibiting(folder: Path) -> LocalInternet:
    """Return an Openverse with the pictures of a folder of folders, each found by its folder's name."""
    files = {
        class_folder.name: sorted(path for path in class_folder.iterdir() if path.is_file())
        for class_folder in sorted(folder.iterdir())
    }

    async def api(request: web.BaseRequest) -> web.StreamResponse:
        name, page = request.query["q"], int(request.query["page"])
        numbers = range((page - 1) * 20, min(page * 20, len(files[name])))
        results = [{**item(name, number), "width": None, "height": None} for number in numbers]
        return web.json_response({"result_count": len(files[name]), "page_count": 9, "page": page, "results": results})

    async def images(request: web.BaseRequest) -> web.StreamResponse:
        name, _, number = request.path.strip("/").rpartition("/")
        return web.Response(body=files[name][int(number.removesuffix(".jpg"))].read_bytes())

    return LocalInternet({"api.openverse.org": api, "img.example.org": images})


@pytest.mark.shared
@pytest.mark.slow
def test_from_the_names_of_handbags_to_a_guide_that_knows_them(tmp_path: Path, shared: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    source = shared / "data" / "handbags"
    names = tuple(sorted(path.name for path in source.iterdir()))
    project = plants(tmp_path / "bags", names, licences="any", per_class=12)
    with exhibiting(source) as net:
        report = collected(project, net)
    assert report.found == dict.fromkeys(names, 12)
    how: dict[str, Any] = {"progress": SilentProgress()}
    cleaned = clean(project, project.settings(), **how)
    split(project, project.settings(), **how)
    train(project, project.settings(), **how)
    grouped = evaluate(project, project.settings(), **how).grouped
    assert grouped and grouped[0] >= 0.9
    assert publish(project, project.settings(), **how).agreement == 1.0
    credits(project, project.settings(), progress=SilentProgress())
    text = (project.root / "CREDITS.csv").read_text(encoding="utf-8")
    assert text.count("img.example.org") == sum(cleaned.kept.values())


def test_a_disk_that_fills_while_nobody_waits_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = plants(tmp_path / "plants", ("rose",))
    full = DiskFull("no space left while writing catalog.db", "free some space")
    refused = threading.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        while not request.path.endswith("/0.jpg") and not refused.is_set():
            await asyncio.sleep(0.02)
        return web.Response(body=picture("rose", int(request.path.rpartition("/")[2].removesuffix(".jpg"))))

    def refuse(self: Ledger, *_: object) -> None:
        refused.set()
        raise full

    with internet(**{"img.example.org": slow}) as net, monkeypatch.context() as patch, pytest.raises(DiskFull):
        patch.setattr(Ledger, "add_fetches", refuse)
        collected(project, net)


# ---- long runs


def test_a_host_that_asks_to_wait_burns_no_offers(tmp_path: Path) -> None:
    """Pictures that nobody was asked for are no failures: they wait, and the class says so."""

    async def busy(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "7000"})

    few = {**EASY, "img.example.org": {"spacing_s": 0.0, "concurrency": 2}}
    project = plants(tmp_path / "plants", ("rose",), hosts=few)
    with internet(**{"img.example.org": busy}) as net, pytest.raises(NotReady, match="asks to wait") as caught:
        collected(project, net)
    assert "left for the next run" in caught.value.message
    assert len(net.hits("api.openverse.org")) == 2, "no page is asked for in vain"
    request_count = len(net.hits("img.example.org"))
    assert request_count < 10
    with project.catalog() as catalog:
        assert sum(Ledger(catalog).count_fetched().values()) <= request_count
    with internet() as net:
        report = collected(project, net, retry=["rate_limited"])
    assert report.found == {"rose": 30}


def test_a_source_that_never_stops_asking_to_wait_is_left_alone(tmp_path: Path) -> None:
    async def busy(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, text='{"detail":"Expected available in 1 second."}')

    project = plants(tmp_path / "plants", ("rose",), max_wait_s=30.0)
    with internet(**{"api.openverse.org": busy}) as net, pytest.raises(RateLimited):
        collected(project, net)


def test_a_policy_made_stricter_rejects_what_is_there(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), licences="any", per_class=25)
    with internet() as net:
        collected(project, net)
        assert clean(project, project.settings(), progress=SilentProgress()).kept == {"rose": 25}
        set_key(project.settings_file, "collect", 'licences = "open"')
        cleaned = clean(project, project.settings(), progress=SilentProgress())
        assert cleaned.kept == {"rose": 24} and cleaned.rejected["licence"] == 1
        assert collected(project, net).found == {"rose": 25}, "what is rejected makes room for more"


def test_a_list_that_has_grown_is_read_again(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), sources=["urls"], options={"urls": {"query": "list.csv"}})
    rows = [f"https://img.example.org/rose/{number}.jpg,CC-BY-4.0" for number in range(40)]
    (project.root / "list.csv").write_text("\n".join(["url,licence", *rows[:4]]), encoding="utf-8")
    with internet() as net:
        assert collected(project, net).found == {"rose": 3}
        (project.root / "list.csv").write_text("\n".join(["url,licence", *rows]), encoding="utf-8")
        assert collected(project, net).found == {"rose": 30}
        hits = net.hits("img.example.org")
    assert len(hits) == len(set(hits))


def test_what_was_collected_before_colours_counted_is_measured_again(tmp_path: Path) -> None:
    kept = []
    for name in ("older", "newer"):
        project = plants(tmp_path / name, ("rose",), sources=["urls"], options={"urls": {"query": "list.csv"}})
        rows = [f"https://img.example.org/rose/{number}.jpg,CC-BY-4.0" for number in range(40)]
        (project.root / "list.csv").write_text("\n".join(["url,licence", *rows[:12]]), encoding="utf-8")
        with internet() as net:
            collected(project, net)
            if name == "older":
                clean(project, project.settings(), progress=SilentProgress())
                with closing(sqlite3.connect(project.root / "catalog.db")) as file, file:
                    file.execute("UPDATE fetch SET colour = x''")
                    file.execute("UPDATE fingerprint SET colour = x''")
            (project.root / "list.csv").write_text("\n".join(["url,licence", *rows, *rows[:4]]), encoding="utf-8")
            collected(project, net)
        kept.append(kept_urls(project))
    assert kept[0] == kept[1] and len(kept[0]["rose"]) >= 30


def test_rows_that_hold_nothing_usable_are_said(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), sources=["urls"], options={"urls": {"query": "list.csv"}})
    (project.root / "list.csv").write_text("url,label\nhttps://img.example.org/rose/0.jpg,Tulpe\n", encoding="utf-8")
    with internet() as net, pytest.raises(NotReady, match="1 other_class"):
        collected(project, net)


@pytest.mark.parametrize(
    ("address", "reason", "decision"),
    [
        ("https://img.example.org/rose/{}.jpg", "robots", '{spacing_s = 0.0, robots = "ignore"}'),
        ("https://img.example.org:8443/rose/{}.jpg", "refused_port", "{spacing_s = 0.0, ports = [8443]}"),
        ("http://127.0.0.1:80/rose/{}.jpg", "refused_address", "{spacing_s = 0.0, private = true}"),
    ],
)
def test_what_a_corrected_host_allows_is_asked_for(tmp_path: Path, address: str, reason: str, decision: str) -> None:
    options = {"urls": {"query": "list.csv"}}
    project = plants(tmp_path / "plants", ("rose",), sources=["urls"], options=options, hosts={})
    host = URL(address).host
    rows = [f"{address.format(number)},CC-BY-4.0" for number in range(4)]
    (project.root / "list.csv").write_text("\n".join(["url,licence", *rows]), encoding="utf-8")
    robots = {"img.example.org": "User-agent: *\nDisallow: /\n"} if reason == "robots" else {}
    with LocalInternet({"img.example.org": serve_image}, robots) as net:

        def connect(rules: NetRules, stop: asyncio.Event) -> Client:
            return Client(replace(rules, tries=1), resolver=net.resolver(), ssl=net.trust(), stop=stop)

        def collect_through(connect: Connect) -> str:
            try:
                collect(project, project.settings(), progress=SilentProgress(), connect=connect)
            except NotReady as error:
                key = decision.strip("{}").split(", ")[-1].split(" = ")[0]
                assert reason not in str(error) or f'[collect.hosts."HOST"] {key} =' in error.hint
            with project.catalog() as catalog:
                return ", ".join(Ledger(catalog).failures())

        through_guard = connect if reason == "refused_address" else through(net)
        assert collect_through(through_guard) == reason
        assert collect_through(through_guard) == reason, "nothing has been corrected"
        set_key(project.settings_file, "collect", f'hosts = {{"{host}" = {decision}}}')
        assert reason not in collect_through(through_guard)


@pytest.mark.parametrize(
    ("key", "strict", "right", "reason"),
    [
        ("max_pixels", 5000, 50_000_000, "too_many_pixels"),
        ("max_bytes", 1000, 50_000_000, "too_large"),
        ("formats", ["PNG"], ["PNG", "JPEG"], "unsupported_format"),
    ],
)
def test_what_corrected_limits_allow_is_fetched_again(
    tmp_path: Path, key: str, strict: object, right: object, reason: str
) -> None:
    project = plants(tmp_path / "plants", ("rose",), sources=["urls"], options={"urls": {"query": "list.csv"}})
    rows = [f"https://img.example.org/rose/{number}.jpg,CC-BY-4.0" for number in (0, 1, 2, 4)]
    (project.root / "list.csv").write_text("\n".join(["url,licence", *rows]), encoding="utf-8")
    project.write_settings({f"images.{key}": strict})
    with internet() as net:
        for _ in range(2):
            with pytest.raises(NotReady, match=f"4 {reason}"):
                collected(project, net)
        assert len(net.hits("img.example.org")) == 4, "nothing has been corrected"
        project.write_settings({f"images.{key}": right})
        assert collected(project, net).found == {"rose": 4}
        assert len(net.hits("img.example.org")) == 8


def test_only_wider_limits_let_a_picture_pass() -> None:
    assert not may_pass("too_many_pixels", "", Limits()), "an earlier version, which wrote none, had the usual ones"
    assert may_pass("too_many_pixels", "", Limits(max_pixels=60_000_000))
    assert not may_pass("too_many_pixels", "", Limits(max_pixels=40_000_000, max_bytes=60_000_000))
    assert may_pass("unsupported_format", "", Limits(formats=("JPEG", "AVIF")))
    assert not may_pass("unsupported_format", "", Limits(formats=("JPEG",)))


# ---- the plan


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", per_class=200)
    with internet() as net:
        report = collected(project, net, dry_run=True)
        assert not net.log
    assert not report.found
    plan = "\n".join(report.plan)
    assert "2 classes x 200 = 400 pictures" in plan
    assert "at least 20 requests" in plan
    with project.catalog() as catalog:
        assert catalog.finished("collect") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sources = []", "no source"),
        ('sources = ["opnverse"]', "no source called 'opnverse'"),
        ('contact = ""', "how to reach you"),
        ('queries = ["{colour} {name}"]', "not a valid template"),
        ('options = {brave = {count = "3"}}', "brave"),
        ('sources = ["searxng"]', "states no licences"),
        ('queries = ["{name.colour}"]', "not a valid template"),
    ],
)
def test_settings_that_cannot_be_are_explained(tmp_path: Path, change: str, message: str) -> None:
    project = plants(tmp_path / "plants")
    set_key(project.settings_file, "collect", change)
    with pytest.raises(SettingsError, match=message):
        collect(project, project.settings(), progress=SilentProgress())


def test_a_host_keeps_the_limits_that_nobody_changed(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", hosts={"api.openverse.org": {"concurrency": 3}, "www.bing.com": {}})
    plan = plan_queries(project.settings(), project.root)
    rules = net_rules(project.settings(), plan.sources)
    assert rules.limit("api.openverse.org") == HostLimit(OpenverseSource.facts.hosts["api.openverse.org"].spacing_s, 3)
    assert rules.asks_robots("www.bing.com") and not rules.asks_robots("api.openverse.org")


def test_a_browser_is_allowed_for_each_host_only(tmp_path: Path) -> None:
    project = plants(
        tmp_path / "plants", sources=["browser"], licences="any", options={"browser": {"spec": "bing"}},
        hosts={"www.bing.com": {"browser": True}},
    )  # fmt: skip
    plan = plan_queries(project.settings(), project.root)
    query = source_query(plan.queries["rose"][0], project.root)
    assert query.options == {"spec": "bing", "allow": "true", "ignore_robots": "false"}
    assert net_rules(project.settings(), plan.sources).asks_robots("www.bing.com")
    set_key(project.settings_file, "collect", 'options = {browser = {spec = "bing", allow = "true"}}')
    with pytest.raises(SettingsError, match="'allow' cannot be set"):
        plan_queries(project.settings(), project.root)


# ---- the program


def searching(folder: Path, searx: Searx, concurrency: int = 16) -> Path:
    """Make a project that asks a SearXNG on this machine."""
    base = f"http://127.0.0.1:{searx.port}"
    settings: dict[str, object] = {
        "sources": ["searxng"],
        "per_class": 40,
        "licences": "any",
        "contact": "tests@example.org",
        "hosts": {"127.0.0.1": {"spacing_s": 0.0, "concurrency": concurrency, "private": True, "ports": [searx.port]}},
        "options": {"searxng": {"base_url": base}},
    }
    new(folder, {"rose": {}, "tulip": {}}, changed={"collect": settings})
    return folder


def test_the_program_collects_and_says_what_it_did(tmp_path: Path) -> None:
    with Searx() as searx:
        folder = searching(tmp_path / "plants", searx)
        result = run("collect", "-C", folder)
    assert result.returncode == 0, result.stderr
    assert "80 good pictures of 2 classes" in result.stdout
    assert "http_404" in result.stdout and "40" in result.stdout
    assert "2 classes x 40 = 80 pictures" in result.stderr


def test_ctrl_c_drains_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with Searx(slow_s=0.15) as searx:
        folder = searching(tmp_path / "plants", searx)
        process = start("collect", "-C", folder)
        _wait_for(lambda: sum("jpg" in path for _, path in searx.log) > 12)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT_S)
        result = subprocess.CompletedProcess([], process.returncode, output, errors)
        check_two_lines(result, 130, "stopped", "continues where it stopped")
        before = Counter(path for _, path in searx.log if "jpg" in path)
        with Project(folder).catalog() as catalog:
            assert len(catalog.hashes()) > 0
        searx.slow_s = 0
        assert run("collect", "-C", folder).returncode == 0
        after = Counter(path for _, path in searx.log if "jpg" in path)
    assert max(before.values()) == 1
    assert max(after.values()) == 1, "what was under way when Ctrl-C came was waited for"


def _wait_for(condition: Callable[[], bool], seconds: float = TIMEOUT_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_second_collect_is_told_who_is_first(tmp_path: Path) -> None:
    with Searx() as searx:
        searx.gives_pictures.clear()  # the first one waits for them until it is killed
        folder = searching(tmp_path / "plants", searx)
        process = start("collect", "-C", folder)
        _wait_for(lambda: any("jpg" in path for _, path in searx.log))
        check_two_lines(run("collect", "-C", folder), 75, "collect")
        assert "a plan" in run("collect", "-C", folder, "--dry-run").stdout, (
            "a plan writes nothing, so it need not wait"
        )
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=TIMEOUT_S)
        searx.gives_pictures.set()


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    """Kill -9 at random moments: nothing acknowledged is lost or fetched twice, and the final set is the same."""
    chance = random.Random(5)
    with Searx() as searx:
        whole = Project(searching(tmp_path / "whole", searx, concurrency=16))
        assert run("collect", "-C", whole.root).returncode == 0
        searx.slow_s = 0.15
        kills = 0
        while kills < 20:
            project = Project(searching(tmp_path / f"killed {kills}", searx, concurrency=2))
            kills += _kill_until_done(project, searx, chance)
            assert kept_urls(project) == kept_urls(whole)
            assert not list(project.root.rglob("*.tmp"))


def _kill_until_done(project: Project, searx: Searx, chance: random.Random) -> int:
    """Return how often collecting was killed before it came to its end."""
    kills = 0
    while True:
        finished = _fetched(project)
        mark = len(searx.log)
        running = start("collect", "-C", project.root)
        last = mark + chance.randrange(0, 25)  # so many requests are let through
        while len(searx.log) < last and running.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.3))
        running.kill()
        running.communicate(timeout=TIMEOUT_S)
        assert running.returncode in (0, -signal.SIGKILL)
        repeated = {path for _, path in searx.log[mark:]} & finished
        assert not repeated, "a finished address was fetched twice"
        if running.returncode == 0:
            return kills
        kills += 1


def _fetched(project: Project) -> set[str]:
    """Return the paths of every address that the ledger says is fetched."""
    with project.catalog() as catalog:
        rows = catalog.rows("SELECT url FROM fetch")
    return {"/" + row[0].split("/", 3)[3] for row in rows}


def test_the_thread_that_collects_need_not_be_the_first(tmp_path: Path) -> None:
    project = plants(tmp_path / "plants", ("rose",), per_class=3)
    reports: list[CollectReport] = []
    with internet() as net:
        thread = threading.Thread(target=lambda: reports.append(collected(project, net)))
        thread.start()
        thread.join(TIMEOUT_S)
    assert reports[0].found == {"rose": 3}
