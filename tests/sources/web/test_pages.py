"""Saved pages: by a spec or without one, single files, folders and HARs."""

import asyncio
import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, SourceError
from fieldguide.records.candidates import Answer, Query, Request, ResultPage
from fieldguide.sources.web.pages import PageSource
from nested import nested

PAGES = Path(__file__).parents[2] / "samples" / "pages"


async def nobody(request: Request) -> Answer:
    raise AssertionError(f"asked for {request.url}")


def search(path: Path, cursor: str = "", **options: str) -> ResultPage:
    return asyncio.run(PageSource().search(Query("page", "heron", str(path), options), cursor, nobody))


def names(page: ResultPage) -> list[str]:
    return [candidate.url.rpartition("/")[2] for candidate in page.candidates]


def entry(url: str, body: str | bytes, kind: str = "text/html; charset=utf-8") -> dict[str, object]:
    """An answer as a HAR holds it."""
    content: dict[str, object] = {"mimeType": kind, "size": len(body)}
    if isinstance(body, bytes):
        content |= {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    else:
        content["text"] = body
    return {"request": {"method": "GET", "url": url}, "response": {"status": 200, "content": content}}


def har(path: Path, *entries: object) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}), encoding="utf-8")
    return path


def sample(name: str) -> str:
    return (PAGES / f"{name}.html").read_text(encoding="utf-8")


def test_every_picture_of_a_page_without_a_spec() -> None:
    page = search(PAGES / "plain.html")
    assert [(candidate.url, candidate.title) for candidate in page.candidates] == [
        ("https://birds.example/share/heron.jpg", "Herons of the pond"),
        ("https://birds.example/pond/grey.jpg", "grey heron"),
        ("https://birds.example/late/purple.png", "purple heron"),
        ("https://birds.example/pond/night-1600.jpg", "night heron"),
        ("https://birds.example/pond/big/white.JPEG?size=full", "white heron"),
    ]
    assert {candidate.page_url for candidate in page.candidates} == {"https://birds.example/pond/herons"}
    assert page.candidates[3].thumb_url == "https://birds.example/pond/night-200.jpg"
    assert page.skipped == {"data_uri": 1, "not_a_url": 1}
    assert page.answer.url == "plain.html"
    assert page.answer.body == (PAGES / "plain.html").read_bytes()


def test_where_a_page_came_from(tmp_path: Path) -> None:
    path = tmp_path / "own.html"
    path.write_text("<img src='a/1.jpg'>", encoding="utf-8")
    assert search(path).skipped == {"not_a_url": 1}
    assert search(path, base_url="https://b.example/x/").candidates[0].url == "https://b.example/x/a/1.jpg"
    path.write_text("<base href='/deep/'><img src='1.jpg'>", encoding="utf-8")
    assert search(path, base_url="https://b.example/x/").candidates[0].url == "https://b.example/deep/1.jpg"


def test_a_page_without_a_picture_is_no_empty_result(tmp_path: Path) -> None:
    path = tmp_path / "consent.html"
    path.write_text("<html><body><p>Before you continue</p></body></html>", encoding="utf-8")
    with pytest.raises(LayoutChanged, match="no picture"):
        search(path)


def test_a_folder_whose_names_are_no_text(tmp_path: Path) -> None:
    for number, name in enumerate((b"a\xff.html", b"b c.html")):
        page = f"<img src='https://a.example/{number}.jpg'>".encode()
        (tmp_path / os.fsdecode(name)).write_bytes(page)
    results = search(tmp_path)
    assert results.cursor.encode() and results.answer.url.encode("utf-8")
    assert names(search(tmp_path, results.cursor)) == ["1.jpg"]


def test_a_page_by_its_spec() -> None:
    assert names(search(PAGES / "bing.html", spec="bing")) == ["1.jpg", "2.jpg", "3.jpg"]
    arts = search(PAGES / "google_arts_saved.html", spec="google_arts")
    assert arts.candidates[1].page_url == "https://artsandculture.google.com/asset/two"
    with pytest.raises(Blocked):
        search(PAGES / "google_consent.html", spec="google")
    with pytest.raises(LayoutChanged):
        search(PAGES / "plain.html", spec="bing")


def test_a_folder_goes_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.HTM").write_text("<img src='https://a.example/2.jpg'>", encoding="utf-8")
    (tmp_path / "a.html").write_text("<img src='https://a.example/1.jpg'>", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("<img src='https://a.example/9.jpg'>", encoding="utf-8")
    har(tmp_path / "c.har", entry("https://a.example/", "<img src='/3.jpg'>"))
    pages = [search(tmp_path)]
    while pages[-1].cursor:
        pages.append(search(tmp_path, pages[-1].cursor))
    assert [names(page) for page in pages] == [["1.jpg"], ["2.jpg"], ["3.jpg"]]
    assert [page.cursor for page in pages] == ["a.html", "b/two.HTM", ""]
    assert search(tmp_path, "zzz").candidates == ()


def test_a_strange_file_in_a_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("google_consent", "plain", "bing"):
        (tmp_path / f"{name}.html").write_text(sample(name), encoding="utf-8")
    (tmp_path / "broken.har").write_bytes(b"{")
    pages = [search(tmp_path, spec="bing")]
    while pages[-1].cursor:
        pages.append(search(tmp_path, pages[-1].cursor, spec="bing"))
    assert [(len(page.candidates), page.skipped) for page in pages] == [
        (3, {"no_record": 1}), (0, {"not_a_har": 1}), (0, {"page_blocked": 1}), (0, {"page_without_results": 1}),
    ]  # fmt: skip


def test_a_har_is_replayed_without_a_browser(tmp_path: Path) -> None:
    path = har(
        tmp_path / "bing.har",
        entry("https://www.bing.com/images/search?q=heron", sample("bing").encode()),
        entry("https://www.bing.com/images/async?q=heron&first=4", sample("bing_more")),
        entry("https://www.bing.com/images/async?q=heron&first=7",
              json.dumps({"parts": ["no page", {"html": sample("bing_last")}]}), "application/json"),
        entry("https://www.bing.com/images/async?q=heron&first=1", sample("bing")),
        entry("https://ads.example/", "<h1>buy"),
        entry("https://pictures.example/1.jpg", b"\xff\xd8", "image/jpeg"),
        entry("data:text/html,x", "<p>"),
        {"request": None},
        "no entry",
    )  # fmt: skip
    page = search(path, spec="bing")
    assert names(page) == [f"{i}.jpg" for i in range(1, 8)]
    assert page.skipped == {"no_record": 2, "same_address": 3, "page_without_results": 1}


def test_a_har_of_walls_or_of_nothing(tmp_path: Path) -> None:
    wall = entry("https://www.google.com/sorry", sample("google_consent"))
    with pytest.raises(Blocked):
        search(har(tmp_path / "a.har", entry("https://x.example/", "<h1>"), wall), spec="google")
    with pytest.raises(LayoutChanged, match="no page"):
        search(har(tmp_path / "b.har"), spec="google")
    with pytest.raises(LayoutChanged):
        search(har(tmp_path / "c.har", entry("https://x.example/", "<h1>")), spec="google")
    empty = entry("https://www.bing.com/images/async", sample("bing_empty"))
    assert search(har(tmp_path / "d.har", empty), spec="bing").candidates == ()


@pytest.mark.shared
def test_modelled_pages_as_a_har(tmp_path: Path, shared: Path) -> None:
    folder = shared / "fixtures" / "bing_images"
    pages = [folder / "modelled_search.html", *sorted(folder.glob("modelled_async_page*.html"))]
    path = har(
        tmp_path / "bing.har", *(entry(f"https://www.bing.com/{page.stem}", page.read_bytes()) for page in pages)
    )
    page = search(path, spec="bing")
    assert len(page.candidates) == 82
    assert page.skipped == {"same_address": 35}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("gone.html", None, "there is no saved page"),
        ("folder", "folder", "holds no saved page"),
        ("page.pdf", b"%PDF-", "is not a saved page"),
        ("a.har", b"", "is not a HAR"),
        ("b.har", b"[]", "is not a HAR"),
        ("c.har", b'{"log": {"entries": 3}}', "is not a HAR"),
        ("d.har", b"[" * 100_000, "is not a HAR"),
    ],
)
def test_what_is_no_saved_page(tmp_path: Path, name: str, data: bytes | str | None, message: str) -> None:
    if isinstance(data, bytes):
        (tmp_path / name).write_bytes(data)
    elif data:
        (tmp_path / name).mkdir()
    with pytest.raises(BadQuery, match=message):
        search(tmp_path / name, spec="bing")


def test_what_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "huge.har").open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(BadQuery, match="200 MB"):
        search(tmp_path / "huge.har")
    with pytest.raises(BadQuery, match="colour"):
        search(PAGES / "plain.html", colour="red")


JSON = nested(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["<img src=x>", "https://a.example/"]),
    st.sampled_from(["request", "response", "url", "content", "text", "encoding", "mimeType", "status"]),
)


@given(st.lists(JSON, max_size=3), st.sampled_from([{}, {"spec": "bing"}]))
def test_any_har_gives_candidates_or_a_source_error(
    tmp_path_factory: pytest.TempPathFactory, entries: list[object], options: dict[str, str]
) -> None:
    path = har(tmp_path_factory.getbasetemp() / "any.har", *entries)
    try:
        search(path, **options)
    except SourceError:
        return
