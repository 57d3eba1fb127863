"""Where a project stands, and the command that is named next, at each step of the walk."""

from pathlib import Path

from command import ran, set_key
from conftest import CLASS_NAMES, Pictures, make_project
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.decisions import Author, Choice, Decisions
from fieldguide.records import Verdict
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split
from fieldguide.stages.status import status


def test_from_nothing_to_a_split(tmp_path: Path, pictures: Pictures) -> None:
    project = make_project(tmp_path / "place")
    settings = project.settings()
    report = status(project, settings)
    assert (report.images, report.kept, report.next_command) == (0, 0, f"fieldguide add -C {project.root} FOLDER")
    assert {stage.state for stage in report.stages} == {"not run"}
    printed = ran("status", "-C", project.root)
    assert "evaluate not run" in printed and f"next: {report.next_command}\n" in printed
    add(project, settings, pictures(tmp_path / "source", per_class=4), progress=SilentProgress())
    report = status(project, settings)
    assert (report.images, report.kept, report.next_command) == (12, 0, f"fieldguide build -C {project.root}")
    clean(project, settings, progress=SilentProgress())
    split(project, settings, progress=SilentProgress())
    report = status(project, settings)
    assert (report.images, report.kept) == (12, 12)
    assert [stage.state for stage in report.stages[:3]] == ["done", "done", "not run"]
    assert report.stages[0].summary == "12 kept, 0 rejected"
    assert "train" in report.stages[1].summary


def test_what_is_worth_a_look_is_said_and_stands_in_nobodys_way(filled_project: Project) -> None:
    project = filled_project
    assert status(project, project.settings()).suggestion == ""
    clean(project, project.settings(), progress=SilentProgress())
    with project.catalog() as catalog:
        names = sorted(catalog.hashes())
        catalog.set_verdicts([Verdict(name, "quality", "suspect", "dark: x", 0.9) for name in names[:4]], "s")
        catalog.set_verdicts([Verdict(name, "duplicates", "reject", "two_labels: x", 1.0) for name in names[3:6]], "s")
    report = status(project, project.settings())
    assert report.to_review == {"suspected": 3, "two_labels": 3}
    assert report.suggestion == (
        f"6 pictures worth a look, if you like (3 suspected, 3 with two labels): fieldguide review -C {project.root}"
    )
    assert report.next_command == f"fieldguide build -C {project.root}"
    lines = ran("status", "-C", project.root).splitlines()
    assert "worth a look" in lines[-2] and "fieldguide build" in lines[-1]
    with project.catalog() as catalog:
        Decisions(catalog).decide([Choice(name, "drop") for name in names[:5]], Author("me", "t"), CLASS_NAMES)
    assert status(project, project.settings()).to_review == {"two_labels": 1}


def test_a_report_of_the_split_that_is_gone_is_made_again(filled_project: Project) -> None:
    clean(filled_project, filled_project.settings(), progress=SilentProgress())
    split(filled_project, filled_project.settings(), progress=SilentProgress())
    assert status(filled_project, filled_project.settings()).stages[1].state == "done"
    (filled_project.root / "split" / "report.html").unlink()
    assert status(filled_project, filled_project.settings()).stages[1].state == "out of date"


def test_a_source_to_collect_from_is_a_stage(project: Project) -> None:
    set_key(project.settings_file, "collect", 'sources = ["drawn"]')
    report = status(project, project.settings())
    assert report.stages[0].stage == "collect" and report.next_command == f"fieldguide build -C {project.root}"


def test_a_built_project(built: Project) -> None:
    report = status(built, built.settings())
    assert {stage.state for stage in report.stages} == {
        "done"
    } and report.next_command == f"fieldguide serve -C {built.root}"
    output = ran("status", "-C", built.root)
    assert "36 pictures, 36 kept" in output and "fieldguide serve" in output.splitlines()[-1]
    assert [line.split()[0] for line in output.splitlines()[1:-1]] == ["clean", "split", "train", "evaluate", "publish"]
    set_key(built.settings_file, "clean", "min_side = 100")
    assert "out of date" in ran("status", "-C", built.root)


def test_looking_changes_nothing(built: Project) -> None:
    def files() -> dict[Path, bytes]:
        """Read every file but those that SQLite keeps while the catalogue is open."""
        paths = (path for path in built.root.rglob("*") if path.is_file() and not path.name.startswith("catalog.db-"))
        return {path: path.read_bytes() for path in paths}

    before = files()
    status(built, built.settings())
    ran("status", "-C", built.root)
    assert files() == before
