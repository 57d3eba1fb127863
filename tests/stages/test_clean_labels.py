"""Pictures that look like another class: suspected by `clean`, until a person has decided on them."""

import shutil
from pathlib import Path

import pytest

from conftest import Pictures, make_project
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.decisions import Author, Choice, Decisions
from fieldguide.records import CleanReport
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean

pytest.importorskip("torch", reason="features need the extra [train]")


@pytest.fixture
def mislabelled(tmp_path: Path, pictures: Pictures) -> Project:
    """Make a project of circles, squares and a circle among the squares."""
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=16)
    shutil.move(source / "circle" / "003.png", source / "square" / "wrong.png")
    project = make_project(tmp_path / "project", ["circle", "square"])
    add(project, project.settings(), source, progress=SilentProgress())
    return project


def run(project: Project) -> CleanReport:
    return clean(project, project.settings(), progress=SilentProgress())


def decide(project: Project, choice: Choice) -> None:
    with project.catalog() as catalog:
        assert Decisions(catalog).decide([choice], Author("me", "2026-01-01"), ["circle", "square"]).saved


def test_a_wrong_label_is_suspected_until_a_person_has_kept_it(mislabelled: Project) -> None:
    report = run(mislabelled)
    assert report.suspected == {"other_label": 1} and report.kept == {"circle": 15, "square": 17}
    (suspect,) = report.suspicions
    assert (suspect.location, suspect.detail) == ("square/wrong.png", "it looks like circle")
    decide(mislabelled, Choice(suspect.sha256, "keep"))
    after = run(mislabelled)
    assert not after.suspected and not after.suspicions and after.kept == report.kept


def test_a_wrong_label_that_a_person_corrected_is_no_longer_suspected(mislabelled: Project) -> None:
    (suspect,) = run(mislabelled).suspicions
    decide(mislabelled, Choice(suspect.sha256, "relabel", "circle"))
    after = run(mislabelled)
    assert not after.suspicions and after.kept == {"circle": 16, "square": 16}


def test_a_dropped_picture_is_not_learnt_from(mislabelled: Project) -> None:
    (suspect,) = run(mislabelled).suspicions
    decide(mislabelled, Choice(suspect.sha256, "drop"))
    after = run(mislabelled)
    assert not after.suspicions and after.kept == {"circle": 15, "square": 16}
    with mislabelled.catalog() as catalog:
        assert suspect.sha256 not in catalog.verdicts("labels")
