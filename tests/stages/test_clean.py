"""Cleaning a project: reasons, copies, two labels; nothing is deleted, a second run does nothing."""

import csv
import io
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageOps

from command import ran, set_key
from command import run as run_command
from conftest import CLASS_NAMES, Pictures, draw_picture, encode, make_project, picture_bytes
from fieldguide.errors import InputUnusable, NotReady
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.records import CleanReport, ImageState
from fieldguide.settings import ClassSettings, Settings, change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean, inputs


def run(project: Project, settings: Settings | None = None) -> CleanReport:
    return clean(project, settings or project.settings(), progress=SilentProgress())


def put(project: Project, files: dict[str, bytes]) -> None:
    folder = project.root.parent / "files"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    add(project, project.settings(), folder, progress=SilentProgress())


def by_location(project: Project) -> dict[str, ImageState]:
    with project.catalog() as catalog:
        states = {state.sha256: state for state in catalog.states()}
        return {origin.location: states[origin.sha256] for origin in catalog.origins()}


def reasons(project: Project) -> dict[str, str]:
    with project.catalog() as catalog:
        where = {origin.sha256: origin.location for origin in catalog.origins()}
        return {
            where[name]: verdict.reason
            for check in ("files", "duplicates")
            for name, (verdict, _) in catalog.verdicts(check).items()
            if verdict.verdict == "reject"
        }


def test_a_project_without_pictures(project: Project) -> None:
    with pytest.raises(NotReady) as caught:
        run(project)
    assert "fieldguide add" in caught.value.hint


def test_good_pictures_are_all_kept(filled_project: Project) -> None:
    few = dict.fromkeys(("labels", "outliers"), "no class has 10 pictures")
    assert run(filled_project) == CleanReport(
        dict.fromkeys(CLASS_NAMES, 6), {}, 0, not_run=few, report="clean/report.html"
    )


def test_every_kind_of_trouble_has_its_reason_and_nothing_is_deleted(filled_project: Project) -> None:
    circle = draw_picture("circle", 0)
    cut = encode(draw_picture("circle", 50))
    put(filled_project, {
        "circle/mirror.png": encode(ImageOps.mirror(circle)),
        "circle/larger.jpg": encode(circle.resize((circle.width * 2, circle.height * 2)), "JPEG"),
        "circle/tiny.png": encode(draw_picture("circle", 51).resize((40, 40))),
        "circle/thin.png": encode(Image.new("RGB", (300, 63), "red")),
        "circle/cut.png": cut[: len(cut) // 2],
        "square/other.png": encode(draw_picture("triangle", 1).resize((100, 100))),
        "circle/same.jpg": picture_bytes("ring", 0), "square/same.jpg": picture_bytes("ring", 0),
    })  # fmt: skip
    files = {path: path.read_bytes() for path in (filled_project.root / "images").rglob("*.*")}
    report = run(filled_project)
    assert report.rejected == {"near_copy": 2, "two_labels": 3, "too_small": 2, "truncated": 1}
    assert report.kept == {"circle": 6, "square": 6, "triangle": 5}
    assert report.groups == 2
    reason_of = reasons(filled_project)
    states = by_location(filled_project)
    assert states["circle/larger.jpg"].state == "kept"
    assert reason_of["circle/mirror.png"] == f"near_copy: of {states['circle/larger.jpg'].sha256[:12]}"
    assert reason_of["circle/000.jpg"] == reason_of["circle/mirror.png"]
    assert len({states[f"circle/{name}"].group_id for name in ("mirror.png", "000.jpg", "larger.jpg")}) == 1
    assert "40 pixels; at least 64 are needed" in reason_of["circle/tiny.png"]
    assert reason_of["square/other.png"] == reason_of["triangle/001.png"]
    assert "square, triangle" in reason_of["square/other.png"]
    assert reason_of["square/same.jpg"] == "two_labels: the same picture is labelled circle, square"
    assert {path: path.read_bytes() for path in (filled_project.root / "images").rglob("*.*")} == files


def test_the_list_says_which_pictures_and_why(filled_project: Project) -> None:
    cut = encode(draw_picture("circle", 50))
    put(filled_project, {
        "circle/larger.jpg": encode(draw_picture("circle", 0).resize((256, 256)), "JPEG"),
        "circle/tiny.png": encode(draw_picture("circle", 51).resize((40, 40))),
        "circle/cut.png": cut[: len(cut) // 2],
        "square/other.png": encode(draw_picture("triangle", 1).resize((100, 100))),
        "circle/same.jpg": picture_bytes("ring", 0), "square/same.jpg": picture_bytes("ring", 0),
    })  # fmt: skip
    report = run(filled_project)
    assert Counter(item.reason for item in report.rejections) == report.rejected
    by_place = {item.location: item for item in report.rejections}
    assert by_place["circle/000.jpg"].location_of_copy == "circle/larger.jpg"
    assert by_place["circle/000.jpg"].reason == "near_copy" and by_place["circle/000.jpg"].class_name == "circle"
    assert by_place["circle/tiny.png"].detail == "its shorter side has 40 pixels; at least 64 are needed"
    assert (by_place["circle/tiny.png"].reason, by_place["circle/tiny.png"].score) == ("too_small", 40.0)
    assert by_place["circle/cut.png"].reason == "truncated"
    assert by_place["square/other.png"].location_of_copy == "triangle/001.png"
    assert by_place["triangle/001.png"].location_of_copy == "square/other.png"
    assert by_place["circle/same.jpg; square/same.jpg"].class_name == "circle, square"
    path = filled_project.root / "clean" / "rejected.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [row["sha256"] for row in rows] == [item.sha256 for item in report.rejections]
    assert [row["reason"] for row in rows] == [item.reason for item in report.rejections]
    assert {row["location"] for row in rows} >= {"circle/000.jpg", "circle/cut.png"}
    path.unlink()
    assert run(filled_project) == report, "a second run gives the same list"
    assert path.is_file()


def without(project: Project, *names: str) -> Settings:
    """Return the settings with fewer names."""
    settings = project.settings()
    classes = {name: value for name, value in settings.classes.items() if name not in names}
    return settings.model_copy(update={"classes": classes})


def test_a_picture_with_several_faults_counts_once(filled_project: Project) -> None:
    put(filled_project, {
        "triangle/tiny.png": encode(draw_picture("ring", 51).resize((40, 40))),
        "triangle/larger.jpg": encode(draw_picture("triangle", 0).resize((256, 256)), "JPEG"),
    })  # fmt: skip
    report = run(filled_project, without(filled_project, "triangle"))
    assert report.rejected == {"other_class": 7, "too_small": 1}
    assert len(report.rejections) == len({item.sha256 for item in report.rejections}) == 8


def test_the_command_tells_which_pictures_it_sets_aside(filled_project: Project) -> None:
    put(filled_project, {f"circle/tiny-{number}.png": encode(draw_picture("ring", number).resize((40, 40 + number)))
                         for number in range(5)})  # fmt: skip
    put(filled_project, {"circle/larger.jpg": encode(draw_picture("circle", 0).resize((256, 256)), "JPEG")})
    printed = ran("clean", "-C", filled_project.root)
    assert "circle/000.jpg: like circle/larger.jpg" in printed
    assert "circle/tiny-0.png: its shorter side has 40 pixels; at least 64 are needed" in printed
    assert "tiny-4" not in printed and "and 2 more" in printed
    assert "clean/rejected.csv" in printed
    whole = json.loads(ran("clean", "-C", filled_project.root, "--json"))
    assert len(whole["rejections"]) == 6 == sum(whole["rejected"].values())
    assert {item["location"] for item in whole["rejections"]} >= {"circle/000.jpg", "circle/tiny-4.png"}


def test_where_nothing_is_kept_the_cause_is_told_with_its_numbers(project: Project) -> None:
    put(project, {f"{name}/{number}.png": encode(draw_picture(name, number).resize((60, 40 + number)))
                  for name in CLASS_NAMES for number in range(4)})  # fmt: skip
    cause = "all 12 pictures are smaller than min_side = 64; the largest is 60 x 43"
    report = run(project)
    assert report.nothing_kept == cause and "min_side = 43" in report.hint
    assert "circle/0.png: its shorter side has 40 pixels" in repr(report)
    for command in ("clean", "split", "train", "build", "credits"):
        result = run_command(command, "-C", project.root)
        told = result.stdout if command == "clean" else result.stderr
        assert cause in told and "min_side = 43" in told, command
        assert "run: fieldguide clean" not in told and (result.returncode == 0) == (command == "clean")
    assert run(project, changed(project, min_side=43)).nothing_kept == ""


def test_each_cause_for_which_nothing_is_kept(filled_project: Project) -> None:
    other = without(filled_project, *CLASS_NAMES).model_copy(update={"classes": {"ring": ClassSettings()}})
    report = run(filled_project, other)
    assert report.nothing_kept.endswith("are not among the names: they are labelled circle, square, triangle")
    assert "the names in fieldguide.toml are ring" in report.hint


def test_copies_with_two_labels_can_be_all_there_is(project: Project) -> None:
    for number in range(3):
        image = draw_picture("ring", number)
        put(project, {f"circle/{number}.png": encode(image), f"square/{number}.png": encode(image.resize((100, 100)))})
    put(project, {"circle/tiny.png": encode(draw_picture("circle", 1).resize((30, 30)))})
    report = run(project)
    assert report.nothing_kept == "none of 7 pictures is kept: 6 are copies of pictures with another label; 1 too_small"
    assert "clean/rejected.csv" in report.hint


def test_pictures_that_differ_in_colour_alone_are_kept(tmp_path: Path) -> None:
    colours = ("red", "blue", "green")
    project = make_project(tmp_path / "colours", colours)
    for colour in colours:
        for number in range(4):
            shape = Image.new("RGB", (120, 120), "white")
            ImageDraw.Draw(shape).regular_polygon((60, 60, 30 + 5 * number), 3 + number, fill=colour)
            plain = Image.new("RGB", (100 + number, 100), colour)
            put(project, {f"{colour}/{number}.png": encode(shape), f"{colour}/plain-{number}.png": encode(plain)})
    report = run(project)
    assert (report.kept, report.rejected, report.groups) == (dict.fromkeys(sorted(colours), 8), {}, 0)


def test_a_grey_version_is_kept_in_the_same_split(filled_project: Project) -> None:
    colour = Image.new("RGB", (120, 120), "white")
    ImageDraw.Draw(colour).regular_polygon((50, 70, 40), 5, fill="red")
    grey = colour.convert("L").convert("RGB")
    put(filled_project, {"circle/colour.png": encode(colour), "circle/grey.png": encode(grey)})
    assert run(filled_project).rejected == {}
    states = by_location(filled_project)
    assert states["circle/colour.png"].group_id == states["circle/grey.png"].group_id


def test_a_picture_of_another_class_takes_no_copy_with_it(filled_project: Project) -> None:
    put(filled_project, {"triangle/larger.jpg": encode(draw_picture("circle", 0).resize((256, 256)), "JPEG")})
    report = run(filled_project, without(filled_project, "triangle"))
    assert report.rejected == {"other_class": 7} and report.kept == {"circle": 6, "square": 6}


def test_a_project_cleaned_before_colour_counted_is_looked_at_again(filled_project: Project) -> None:
    report = run(filled_project)
    with closing(sqlite3.connect(filled_project.root / "catalog.db")) as file, file:
        file.execute("UPDATE fingerprint SET colour = x''")
        file.execute("UPDATE verdict SET settings = 'older'")
    assert run(filled_project) == report
    with filled_project.catalog() as catalog:
        assert all(prints.colour for prints in catalog.fingerprints().values())


def test_of_equal_copies_the_one_with_the_freer_licence_is_kept(project: Project, tmp_path: Path) -> None:
    terms = {"reserved": "", "open": "CC-BY-4.0", "closed": "CC-BY-NC-ND-4.0"}
    for number, (name, licence) in enumerate(terms.items()):
        path = tmp_path / name / "circle" / f"{name}.png"
        path.parent.mkdir(parents=True)
        brighter = [min(255, value + number) for value in range(256)] * 3
        path.write_bytes(encode(draw_picture("circle", 0).point(brighter)))
        given = Terms(licence=licence, licence_url="https://example.org/terms" if licence else "")
        add(project, project.settings(), tmp_path / name, terms=given, progress=SilentProgress())
    report = run(project)
    assert report.rejected == {"near_copy": 2}
    assert {item.location_of_copy for item in report.rejections} == {"circle/open.png"}


def test_a_second_run_looks_at_nothing(filled_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    report = run(filled_project)
    monkeypatch.setattr("fieldguide.stages.clean.map_guarded", None)
    assert run(filled_project) == report


def test_only_what_is_new_is_looked_at(
    filled_project: Project, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(filled_project)
    source = pictures(tmp_path / "more", ["circle"], per_class=2, first=30)
    add(filled_project, filled_project.settings(), source, progress=SilentProgress())
    totals: list[int] = []

    class Counting(SilentProgress):
        def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
            totals.append(total if total is not None else -1)

    report = clean(filled_project, filled_project.settings(), progress=Counting())
    assert totals == [2, -1]
    assert report.kept["circle"] == 8
    clean(filled_project, changed(filled_project, min_side=65), progress=Counting())
    assert totals[2:] == [20, -1], "another least side is another look"


def changed(project: Project, **values: float) -> Settings:
    settings = project.settings()
    return settings.model_copy(update={"clean": settings.clean.model_copy(update=values)})


def test_an_interrupted_run_goes_on(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    add(project, project.settings(), pictures(tmp_path / "source", per_class=24), progress=SilentProgress())

    class Stop(SilentProgress):
        done = 0

        def advance(self, steps: int = 1, part: str = "") -> None:
            self.done += steps
            if self.done == 70:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean(project, project.settings(), progress=Stop())
    with project.catalog() as catalog:
        assert len(catalog.verdicts("files")) == 64, "verdicts are written a batch at a time"
        assert catalog.finished("clean") is None
    assert sum(run(project).kept.values()) == 72


def test_settings_decide_and_undo(filled_project: Project) -> None:
    assert sum(run(filled_project).kept.values()) == 18
    strict = run(filled_project, changed(filled_project, min_side=10_000))
    assert (strict.kept, strict.rejected) == ({}, {"too_small": 18})
    assert sum(run(filled_project).kept.values()) == 18


def test_limits_that_are_corrected_are_followed(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source, usual = pictures(tmp_path / "source", per_class=4), project.settings()
    strict = change_settings(usual, {"images.max_pixels": 10_000})
    with pytest.raises(InputUnusable, match="too_many_pixels"):
        add(project, strict, source, progress=SilentProgress())
    assert sum(add(project, usual, source, progress=SilentProgress()).taken.values()) == 12
    assert run(project, strict).rejected == {"too_many_pixels": 12}
    with project.catalog() as catalog:
        assert inputs(catalog, usual) != inputs(catalog, strict)
    assert sum(run(project, usual).kept.values()) == 12


def test_an_original_that_was_taken_away_is_a_reason(filled_project: Project) -> None:
    state = by_location(filled_project)["circle/000.jpg"]
    filled_project.image_path(state.sha256, state.format).unlink()
    assert run(filled_project).rejected == {"unreadable": 1}
    assert "No such file" in reasons(filled_project)["circle/000.jpg"]


def test_what_it_depends_on(filled_project: Project, pictures: Pictures, tmp_path: Path) -> None:
    settings = filled_project.settings()
    with filled_project.catalog() as catalog:
        before = inputs(catalog, settings)
        assert inputs(catalog, changed(filled_project, copy_distance=3)) != before
        assert inputs(catalog, settings.model_copy(update={"seed": 9})) == before
    run(filled_project)
    with filled_project.catalog() as catalog:
        assert inputs(catalog, settings) == before, "its own verdicts are no reason to run again"
    source = pictures(tmp_path / "more", ["circle"], per_class=1, first=30)
    add(filled_project, settings, source, progress=SilentProgress())
    with filled_project.catalog() as catalog:
        assert inputs(catalog, settings) != before


def test_the_order_of_adding_does_not_matter(tmp_path: Path) -> None:
    copies = {f"circle/{side}.png": encode(draw_picture("circle", 1).resize((side, side))) for side in (90, 120, 150)}
    locations = set()
    for number, names in enumerate((sorted(copies), sorted(copies, reverse=True))):
        project = make_project(tmp_path / f"{number}" / "project")
        for name in names:
            put(project, {name: copies[name]})
        run(project)
        locations |= {where for where, state in by_location(project).items() if state.state == "kept"}
    assert locations == {"circle/150.png"}


def test_pictures_that_look_alike_are_kept_together(project: Project, tmp_path: Path, pictures: Pictures) -> None:
    folder = pictures(tmp_path / "photos", per_class=3)
    scene = draw_picture("circle", 50)
    (folder / "circle" / "scene-1.png").write_bytes(encode(scene))
    changed_scene = scene.copy()
    changed_scene.paste((30, 30, 30), (0, 0, scene.width // 4, scene.height // 5))  # something came into the picture
    (folder / "circle" / "scene-2.png").write_bytes(encode(changed_scene))
    set_key(project.settings_file, "clean", "alike = 0.6")
    set_key(project.settings_file, "clean", "copy_likeness = 0.999")
    add(project, project.settings(), folder, progress=SilentProgress())
    report = clean(project, project.settings(), progress=SilentProgress())
    assert "near_copy" not in report.rejected
    with project.catalog() as catalog:
        groups = [{origin.location for origin in catalog.origins() if origin.sha256 in members}
                  for members in families(catalog)]  # fmt: skip
    assert {"circle/scene-1.png", "circle/scene-2.png"} in groups


def families(catalog: Catalog) -> list[set[str]]:
    """Return the groups of two or more."""
    groups: dict[str, set[str]] = {}
    for state in catalog.states():
        groups.setdefault(state.group_id, set()).add(state.sha256)
    return [members for members in groups.values() if len(members) > 1]


def test_a_passing_trouble_is_looked_at_again(filled_project: Project) -> None:
    project = filled_project
    with project.catalog() as catalog:
        row = next(iter(catalog.images().values()))
    path = project.image_path(row.sha256, row.format)
    away = path.with_name("away")
    path.rename(away)
    assert clean(project, project.settings(), progress=SilentProgress()).rejected == {"unreadable": 1}
    away.rename(path)
    assert clean(project, project.settings(), progress=SilentProgress()).rejected == {}
