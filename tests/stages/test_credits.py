"""Credits: exactly the kept pictures, every origin that has terms, and nothing from outside that runs."""

import csv
import io
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conftest import Pictures, make_project
from fieldguide.errors import NotReady
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CreditsReport, ImageRow, ImageState, Label, Origin, Verdict
from fieldguide.stages.clean import clean
from fieldguide.stages.credits import credits

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
BY_SA = "https://creativecommons.org/licenses/by-sa/3.0/de/"


def run(project: Project) -> CreditsReport:
    return credits(project, project.settings(), progress=SilentProgress())


def rows_of(project: Project) -> list[dict[str, str]]:
    text = (project.root / "CREDITS.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def page_of(project: Project) -> str:
    return (project.root / "credits.html").read_text(encoding="utf-8")


class ParsedPage(HTMLParser):
    """The tags of a page, its links, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def put(project: Project, origins: Mapping[str, list[Origin]], rejected: tuple[str, ...] = ()) -> None:
    """Put a checked picture for each class name, with these origins, into the catalogue."""
    with project.catalog() as catalog:
        for number, (class_name, class_origins) in enumerate(origins.items()):
            sha256 = f"{number:064x}"
            image = ImageRow(sha256, "JPEG", 10, 5, 5, "RGB", 1)
            for origin in class_origins:
                located = Origin(**{**origin.__dict__, "sha256": sha256})
                catalog.add_images([(image, located, Label(sha256, class_name, "query"))], "2025-01-01")
            verdict = Verdict(sha256, "duplicates", "reject" if class_name in rejected else "keep", "", 0.0)
            catalog.set_verdicts([verdict], "")


def web(number: int, **terms: str) -> Origin:
    return Origin("", "openverse", f"https://pictures.example/{number}.jpg", **terms)


def test_nothing_kept_is_nothing_to_credit(project: Project, filled_project: Project) -> None:
    with pytest.raises(NotReady, match="kept") as caught:
        run(filled_project)
    assert caught.value.hint == "run: fieldguide clean"
    assert not (filled_project.root / "CREDITS.csv").exists() and not (filled_project.root / "credits.html").exists()


def test_exactly_the_kept_pictures_are_credited(filled_project: Project, pictures: Pictures, tmp_path: Path) -> None:
    clean(filled_project, filled_project.settings(), progress=SilentProgress())
    with filled_project.catalog() as catalog:
        rejected = catalog.states()[0]
        catalog.set_verdicts([Verdict(rejected.sha256, "files", "reject", "truncated", 0.0)], "")
        kept_states: dict[str, ImageState] = {
            state.sha256: state for state in catalog.states() if state.state == "kept"
        }
    assert kept_states and rejected.sha256 not in kept_states
    report = run(filled_project)
    assert report == CreditsReport(str(filled_project.root), len(kept_states), 0, {"own": len(kept_states)})
    rows = rows_of(filled_project)
    assert sorted(row["sha256"] for row in rows) == sorted(kept_states)
    for row in rows:
        assert (filled_project.root / row["file"]).is_file() and row["sha256"] in row["file"]
        assert row["class_name"] == kept_states[row["sha256"]].class_name
        assert (row["author"], row["licence"], row["source"]) == ("the tests", "own", "folder")
        assert row["page"] == "" and row["location"]
        assert row["file"] in page_of(filled_project)
    assert rejected.sha256 not in page_of(filled_project)


def test_a_second_run_follows_the_catalogue(filled_project: Project) -> None:
    clean(filled_project, filled_project.settings(), progress=SilentProgress())
    before = run(filled_project)
    files = [(filled_project.root / name).read_bytes() for name in ("CREDITS.csv", "credits.html")]
    (filled_project.root / "CREDITS.csv").unlink()
    assert run(filled_project) == before
    assert [(filled_project.root / name).read_bytes() for name in ("CREDITS.csv", "credits.html")] == files
    with filled_project.catalog() as catalog:
        rejected = catalog.states()[0].sha256
        catalog.set_verdicts([Verdict(rejected, "files", "reject", "truncated", 0.0)], "")
    assert run(filled_project).images == before.images - 1
    assert rejected not in {row["sha256"] for row in rows_of(filled_project)} and rejected not in page_of(
        filled_project
    )


def test_a_line_says_title_author_licence_source_and_page(project: Project) -> None:
    terms = {"title": "A  blue\ncircle", "author": "Ana Lima", "author_url": "https://people.example/ana",
             "licence": "CC-BY-SA-3.0", "licence_url": BY_SA, "licence_raw": "CC BY-SA 3.0 de",
             "page": "https://pictures.example/works/7"}  # fmt: skip
    put(project, {"circle": [web(7, **terms)]})
    assert run(project).licences == {"CC-BY-SA-3.0": 1}
    sha256 = f"{0:064x}"
    assert rows_of(project) == [
        {"sha256": sha256, "file": f"images/00/{sha256}.jpeg", "class_name": "circle", "title": "A blue circle",
         "author": "Ana Lima", "licence": "CC-BY-SA-3.0", "licence_url": BY_SA,
         "licence_raw": "CC BY-SA 3.0 de", "source": "openverse",
         "page": "https://pictures.example/works/7", "location": "https://pictures.example/7.jpg"}
    ]  # fmt: skip
    page = ParsedPage(page_of(project))
    assert page.links == ["https://pictures.example/works/7", "https://people.example/ana", BY_SA]
    assert "“A blue circle” by Ana Lima, CC BY-SA 3.0 DE" in page.text


def test_each_origin_with_terms_has_a_line_the_best_known_first(project: Project) -> None:
    origins = [
        Origin("", "folder", "a/without-terms.jpg"),
        web(1, author="Someone", licence_raw="ask the curator"),
        web(2, licence="CC-BY-2.0"),
        web(3, author="Ana", licence="CC-BY-4.0"),
    ]
    put(project, {"circle": origins, "square": [Origin("", "folder", "b.jpg")], "triangle": [web(4, author="Bo")]})
    report = run(project)
    assert (report.images, report.unknown, report.licences) == (3, 2, {"CC-BY-4.0": 1})
    rows = [(row["class_name"], row["licence"], row["location"].rsplit("/", 1)[-1]) for row in rows_of(project)]
    assert rows == [
        ("circle", "CC-BY-4.0", "3.jpg"), ("circle", "CC-BY-2.0", "2.jpg"), ("circle", "ask the curator", "1.jpg"),
        ("square", "unknown", "b.jpg"), ("triangle", "unknown", "4.jpg"),
    ]  # fmt: skip
    text = ParsedPage(page_of(project)).text
    assert text.count("also “Untitled”") == 2 and "Licence unknown: 2." in text


def test_all_that_was_reserved_stays_unknown(project: Project) -> None:
    origin = web(
        1, author="Ana", licence_raw="All rights reserved", licence_url="https://creativecommons.org/licenses/by/4.0/"
    )
    put(project, {"circle": [origin]})
    assert run(project) == CreditsReport(str(project.root), 1, 1, {})
    assert rows_of(project)[0]["licence"] == "All rights reserved"
    assert "CC BY 4.0" not in page_of(project)


def test_rejected_and_unchecked_pictures_are_left_out(project: Project) -> None:
    put(project, {"circle": [web(1, licence="CC0-1.0")], "square": [web(2, licence="CC0-1.0")]}, rejected=("square",))
    with project.catalog() as catalog:
        sha256 = "f" * 64
        row = (ImageRow(sha256, "PNG", 1, 1, 1, "RGB", 1), Origin(sha256, "folder", "x.png", licence="own"))
        catalog.add_images([(*row, Label(sha256, "triangle", "folder"))], "2025-01-01")
    assert run(project).images == 1
    assert {row["class_name"] for row in rows_of(project)} == {"circle"}
    assert "square" not in page_of(project) and "triangle" not in page_of(project)


@pytest.mark.parametrize("field", ["title", "author", "licence_raw", "author_url", "page", "licence_url"])
def test_text_from_outside_never_becomes_a_page(project: Project, field: str) -> None:
    put(project, {"circle": [web(1, **{"author": "x", field: EVIL})]})
    run(project)
    page = ParsedPage(page_of(project))
    assert not page.tags & {"img", "script", "iframe"} and "onerror" not in page.attributes
    if field in ("title", "author", "licence_raw"):
        assert EVIL in page.text
    assert all(link.startswith("https://pictures.example/") for link in page.links)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x.example", "JavaScript:x", " "]
)
def test_only_addresses_of_the_web_are_linked(project: Project, address: str) -> None:
    terms = {
        "author": "Ana",
        "author_url": address,
        "page": address,
        "licence_raw": "see there",
        "licence_url": address,
    }
    put(project, {"circle": [Origin("", "page", "saved.html", **terms)]})
    run(project)
    assert ParsedPage(page_of(project)).links == []
    assert rows_of(project)[0]["page"] == "" and rows_of(project)[0]["licence_url"] == ""


def test_a_spreadsheet_takes_nothing_for_a_formula(project: Project) -> None:
    put(project, {"circle": [web(1, author="=HYPERLINK(1)", title="@x", licence_raw="+1")]})
    run(project)
    (row,) = rows_of(project)
    assert (row["author"], row["title"], row["licence"]) == ("'=HYPERLINK(1)", "'@x", "'+1")


def test_the_page_needs_no_network_and_speaks_every_script(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", ["ねこ", "كلب"])
    put(
        project,
        {"ねこ": [web(1, author="田中\u202e", licence="CC0-1.0")], "كلب": [web(2, author="سارة", licence="own")]},
    )
    run(project)
    page = page_of(project)
    assert "default-src 'none'" in page and "<link" not in page and "\u202e" not in page
    assert {"ねこ", "كلب"} <= set(ParsedPage(page).text.split()) and "سارة" in page
    assert {row["author"] for row in rows_of(project)} == {"田中", "سارة"}


def test_the_progress_counts_pictures(filled_project: Project) -> None:
    clean(filled_project, filled_project.settings(), progress=SilentProgress())
    calls: list[int] = []

    class Counting(SilentProgress):
        def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
            calls.append(-(total or 0))

        def advance(self, steps: int = 1, part: str = "") -> None:
            calls.append(steps)

    report = credits(filled_project, filled_project.settings(), progress=Counting())
    assert calls[0] == -report.images and sum(calls[1:]) == report.images
