"""Lists of addresses: what a row becomes, what is skipped and why, and going on where it stopped."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Answer, Candidate, Query, Request, ResultPage
from fieldguide.sources.urls import UrlsSource


async def nobody(request: Request) -> Answer:
    raise AssertionError(f"asked for {request.url}")


def search(path: Path, cursor: str = "", class_name: str = "Grey heron", **options: str) -> ResultPage:
    return asyncio.run(UrlsSource().search(Query("urls", class_name, str(path), options), cursor, nobody))


def all_of(path: Path) -> list[ResultPage]:
    pages = [search(path)]
    while pages[-1].cursor:
        pages.append(search(path, pages[-1].cursor))
    return pages


def test_a_list_is_read_once_for_all_classes_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("url,label\nhttps://a.example/1,heron\nhttps://a.example/2,stork\n", encoding="utf-8")
    source, opened, open_path = UrlsSource(), [], Path.open

    def watch_open(self: Path, *how: Any, **more: Any) -> Any:
        opened.append(self)
        return open_path(self, *how, **more)

    def urls_of(class_name: str) -> list[str]:
        page = asyncio.run(source.search(Query("urls", class_name, str(path)), "", nobody))
        return [candidate.url for candidate in page.candidates]

    monkeypatch.setattr(Path, "open", watch_open)
    assert (urls_of("heron"), urls_of("stork")) == (["https://a.example/1"], ["https://a.example/2"])
    assert len(opened) == 1
    path.write_text("url,label\nhttps://a.example/1,heron\nhttps://a.example/23,stork\n", encoding="utf-8")
    assert urls_of("stork") == ["https://a.example/23"]


def test_a_csv_row_becomes_a_candidate_with_its_credits(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "\ufeffImage_URL,Label,page,author,licence,license_url,title\n"
        "https://a.example/ä b.jpg,grey_heron,https://a.example/1,Ann,CC BY 4.0,https://cc.example/by,One\n"
        "https://a.example/2.jpg,Night heron,,,,,\n"
        'https://a.example/3.jpg,GREY HERON,javascript:x,"Bo, the\nsecond",,,\n'
        "https://a.example/4.jpg,,,,,,\n"
        "data:image/png;base64;AAAA,Grey heron,,,,,\n"
        "ftp://a.example/5.jpg,Grey heron,,,,,\n"
        "heron.jpg,Grey heron,,,,,\n"
        "http://[broken,Grey heron,,,,,\n"
        ",Grey heron,,,,,\n"
        "\n",
        encoding="utf-8",
    )
    page = search(path)
    assert page.candidates == (
        Candidate(
            url="https://a.example/%C3%A4%20b.jpg", page_url="https://a.example/1", title="One", author="Ann",
            licence="CC BY 4.0", licence_url="https://cc.example/by",
        ),
        Candidate(url="https://a.example/3.jpg", author="Bo, the second"),
    )  # fmt: skip
    assert page.skipped == {
        "other_class": 1, "no_label": 1, "data_uri": 1, "scheme": 1, "not_a_url": 2, "no_address": 1,
    }  # fmt: skip
    assert page.cursor == ""
    assert page.answer == Answer("list.csv", 200, {}, b"")


def test_a_text_holds_an_address_a_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"# herons\r\nhttps://a.example/1.jpg # the first\r\n\r\nhttps://a.example/2.jpg#part\r\nno\xff\n")
    page = search(path)
    assert [candidate.url for candidate in page.candidates] == [
        "https://a.example/1.jpg",
        "https://a.example/2.jpg#part",
    ]
    assert page.skipped == {"not_utf8": 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_have_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    rows = (("class", "url"), ("grey heron", "https://a.example/1.jpg"), ("robin", "https://a.example/2.jpg"))
    path.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    assert [candidate.url for candidate in search(path).candidates] == ["https://a.example/1.jpg"]


def test_columns_are_called_as_in_a_table_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "\ufefffile_name;Class Name\nhttps://a.example/1.jpg;grey_heron\n", encoding="utf-8"
    )
    assert [candidate.url for candidate in search(tmp_path / "a.csv").candidates] == ["https://a.example/1.jpg"]


@pytest.mark.parametrize("kind", ["csv", "txt", "parquet"])
def test_it_goes_on_where_it_stopped(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"list.{kind}"
    urls = [f"https://a.example/{number}.jpg" for number in range(2500)]
    if kind == "parquet":
        arrow = pytest.importorskip("pyarrow", reason="Parquet needs the extra [parquet]")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table({"url": urls, "n": range(2500)}), path, row_group_size=700)
    else:
        path.write_text("\n".join((["url"] if kind == "csv" else []) + urls), encoding="utf-8")
    pages = all_of(path)
    assert [len(page.candidates) for page in pages] == [1000, 1000, 500]
    assert [candidate.url for page in pages for candidate in page.candidates] == urls
    assert pages[1].cursor.startswith("2000@")


def test_a_list_that_grew_at_its_head_is_counted_again(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    lines = [f"https://a.example/{number}.jpg" for number in range(1500)]
    path.write_text("\n".join(["url", *lines]), encoding="utf-8")
    cursor = search(path).cursor
    path.write_text("\n".join(["url,title", *lines]), encoding="utf-8")
    assert [candidate.url for candidate in search(path, cursor).candidates] == lines[1000:]


def test_a_row_that_is_no_csv_harms_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"url\nhttps://a.example/1.jpg\n{'x' * 140_000}\nhttps://a.example/2.jpg\n", encoding="utf-8")
    page = search(path)
    assert [candidate.url for candidate in page.candidates] == ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert page.skipped == {"not_csv": 1}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("gone.csv", None, "there is no list"),
        ("folder.csv", "folder", "there is no list"),
        ("wide.csv", "url\nhttps://a.example/1.jpg".encode("utf-16"), "not UTF-8"),
        ("empty.csv", b"", "no column url"),
        ("bare.csv", b"https://a.example/1.jpg\nhttps://a.example/2.jpg\n", "no column url"),
        ("broken.parquet", b"PAR1 and nothing more", "cannot be read as Parquet"),
    ],
)
def test_files_that_are_no_lists(tmp_path: Path, name: str, data: bytes | str | None, message: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs the extra [parquet]")
    if isinstance(data, bytes):
        (tmp_path / name).write_bytes(data)
    elif data:
        (tmp_path / name).mkdir()
    with pytest.raises(BadQuery, match=message) as caught:
        search(tmp_path / name)
    assert caught.value.hint


def test_options_and_cursors_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("https://a.example/1.jpg", encoding="utf-8")
    with pytest.raises(BadQuery, match="colour"):
        search(tmp_path / "list.txt", colour="red")
    for cursor in ("x", "3@x", "-1", "@"):
        with pytest.raises(BadQuery, match="cannot continue"):
            search(tmp_path / "list.txt", cursor)


@given(st.binary(max_size=600), st.sampled_from(["csv", "tsv", "txt"]))
def test_any_bytes_give_a_page_or_a_bad_query(tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{kind}"
    path.write_bytes((b"url,label\n" if kind == "csv" else b"") + data)
    try:
        page = search(path)
    except BadQuery:
        return
    assert all(candidate.url.startswith(("http://", "https://")) for candidate in page.candidates)
