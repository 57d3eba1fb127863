"""decide: by hash, by path, from a table; all of a call or nothing; what depends on it is out of date."""

import csv
import hashlib
import json
from pathlib import Path

import pytest

import fieldguide as fg
from command import check_two_lines, ran, run
from conftest import Pictures, draw_picture, encode
from fieldguide.errors import InputMissing, InputUnusable, NotReady


@pytest.fixture
def project(tmp_path: Path, pictures: Pictures) -> "fg.Project":
    pictures(tmp_path / "photos", ("circle", "square"))
    project = fg.new(tmp_path / "project", ["circle", "square"])
    project.add(tmp_path / "photos", progress=None)
    project.clean(progress=None)
    return project


def states(project: "fg.Project") -> dict[str, tuple[str, str]]:
    return {image.sha256: (image.state, image.class_name) for image in project.images()}


def test_keep_drop_and_relabel(project: "fg.Project") -> None:
    first, second, third = list(states(project))[:3]
    old = states(project)[third][1]
    new = "square" if old == "circle" else "circle"
    report = project.decide(drop=[first], keep=[second[:12]], relabel={third: new}, progress=None)
    assert (report.dropped, report.kept, report.relabelled) == (1, 1, {new: 1})
    after = states(project)
    assert after[first][0] == "rejected" and after[second][0] == "kept" and after[third] == ("kept", new)
    undone = project.decide(undo=True, progress=None)
    assert (undone.undone, undone.restored) == (1, 3)
    assert states(project)[third] == ("kept", old)
    with pytest.raises(NotReady, match="no decision to undo"):
        project.decide(undo=True, progress=None)


def test_all_of_a_call_or_nothing(project: "fg.Project") -> None:
    before, first = states(project), next(iter(states(project)))
    with pytest.raises(InputUnusable, match="'nowhere' is no picture"):
        project.decide(drop=[first, "nowhere"], progress=None)
    with pytest.raises(InputUnusable, match="'horse' is not among the classes"):
        project.decide(drop=[first], relabel={list(before)[1]: "horse"}, progress=None)
    with pytest.raises(InputUnusable, match="nothing is decided"):
        project.decide(progress=None)
    assert states(project) == before


def test_the_list_of_the_rejected_can_be_handed_back_with_decisions(project: "fg.Project", tmp_path: Path) -> None:
    first = next(iter(states(project)))
    project.decide(drop=[first], progress=None)
    project.clean(progress=None)
    listed = list(csv.DictReader((project.folder / "clean" / "rejected.csv").read_text("utf-8").splitlines()))
    assert [(row["sha256"], row["reason"]) for row in listed] == [(first, "dropped")]
    table = tmp_path / "decisions.csv"
    row = listed[0] | {"decision": "relabel", "class": "square" if listed[0]["class_name"] == "circle" else "circle"}
    table.write_text("\n".join([",".join(row), ",".join(row.values())]), "utf-8")
    assert project.decide(table=table, progress=None).relabelled == {row["class"]: 1}
    assert states(project)[first] == ("kept", row["class"])
    project.decide(undo=True, progress=None)
    table.write_text(
        f"path;decision;class\n{listed[0]['location']};keep;\n\n{list(states(project))[1]};;\n", "utf-8-sig"
    )
    assert project.decide(table=table, progress=None).kept == 1
    assert states(project)[first][0] == "kept"
    table.write_text("name,decision\na,keep\n")
    with pytest.raises(InputUnusable, match="not the right columns"):
        project.decide(table=table, progress=None)
    table.write_text(f"sha256,decision\n{first},maybe\n")
    with pytest.raises(InputUnusable, match=r"line 2 of .*'maybe' is no decision"):
        project.decide(table=table, progress=None)
    with pytest.raises(InputMissing):
        project.decide(table=tmp_path / "none.csv", progress=None)


def test_what_depends_on_it_is_out_of_date(project: "fg.Project") -> None:
    project.split(progress=None)
    stages = {stage.stage: stage.state for stage in project.status().stages}
    assert (stages["clean"], stages["split"]) == ("done", "done")
    first = next(iter(states(project)))
    project.decide(drop=[first], progress=None)
    stages = {stage.stage: stage.state for stage in project.status().stages}
    assert stages["split"] == "out of date"
    counts = project.clean(progress=None)
    assert sum(counts.kept.values()) == 7 and counts.rejected == {"dropped": 1}
    assert sum(sum(count.values()) for count in project.split(progress=None).counts.values()) == 7


def test_a_kept_picture_that_is_too_small_is_grouped_with_its_copies(project: "fg.Project") -> None:
    project.write_settings({"clean.min_side": 4096})
    assert not project.clean(progress=None).kept
    names = list(states(project))
    project.decide(keep=names, progress=None)
    report = project.clean(progress=None)
    assert sum(report.kept.values()) == len(names)
    assert sum(sum(count.values()) for count in project.split(progress=None).counts.values()) == len(names)


def test_the_command(project: "fg.Project") -> None:
    first, second = list(states(project))[:2]
    where = ("-C", project.folder)
    assert "decide    2 dropped" in ran("decide", "--drop", first, second[:10], *where)
    assert json.loads(ran("decide", "--undo", *where, "--json"))["restored"] == 2
    check_two_lines(run("decide", "--undo", *where), 5, "no decision to undo")
    check_two_lines(run("decide", first, *where), 65, "pictures need one decision")
    check_two_lines(run("decide", "--drop", "--keep", first, *where), 65, "one decision")
    check_two_lines(run("decide", "--drop", *where), 65, "a decision needs pictures")
    check_two_lines(run("decide", "--drop", "abcdefabcdef", *where), 65, "no picture of this project")


# ---- copies


def test_copies_of_what_is_dropped_stay_out_and_are_told(project: "fg.Project", tmp_path: Path) -> None:
    small = draw_picture("circle", 0).resize((100, 100))
    (tmp_path / "photos" / "circle" / "small.png").write_bytes(encode(small))
    (tmp_path / "photos" / "circle" / "tiny.png").write_bytes(encode(small.resize((80, 80))))
    project.add(tmp_path / "photos", progress=None)
    project.clean(progress=None)
    names = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "photos" / "circle").iterdir()
    }
    copy, where = names["small"], ("-C", project.folder)
    shown = ran("decide", "--drop", "circle/000.jpg", *where)
    assert "2 near-copies of what is dropped stay set aside too" in shown and f"--keep {copy[:12]}" in shown
    assert "clean    out of date" in ran("status", *where)
    assert "like circle/000.jpg, which a person left out" in ran("clean", *where)
    assert states(project)[copy][0] == "rejected", "what is wrong with a picture is wrong with its copies"
    assert "near-cop" not in ran("decide", "--keep", copy[:12], *where)
    project.clean(progress=None)
    assert {name for name in (copy, names["tiny"]) if states(project)[name][0] == "kept"} == {copy}


def test_dropping_the_wrong_label_of_two_settles_the_right_one(project: "fg.Project", tmp_path: Path) -> None:
    both = {"circle": draw_picture("circle", 30), "square": draw_picture("circle", 30).resize((100, 100))}
    for name, picture in both.items():
        (tmp_path / "photos" / name / "both.png").write_bytes(encode(picture))
    project.add(tmp_path / "photos", progress=None)
    assert project.clean(progress=None).rejected == {"two_labels": 2}
    assert project.decide(drop=["square/both.png"], progress=None).copies == ()
    assert project.clean(progress=None).rejected == {"dropped": 1}
