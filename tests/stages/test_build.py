"""The walk: a second time is no work, a change redoes what hangs on it and nothing else, the test split stays shut."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from command import set_key
from conftest import CLASS_NAMES
from conftest import Pictures as DrawnPictures
from fieldguide.features import Pictures
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.stages.add import add
from fieldguide.stages.build import STAGES, build, stages_of
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.status import status
from fieldguide.stages.train import train

WALK = ["clean", "split", "train", "evaluate", "publish"]


def walk(project: Project) -> dict[str, Any]:
    """Return the reports of a build, after a check that they came in order."""
    stages: list[str] = []
    reports = build(
        project, project.settings(), progress=SilentProgress(), done=lambda name, report: stages.append(name)
    )
    assert stages == list(reports) == WALK
    return reports


def stage_times(project: Project) -> dict[str, str]:
    """Return when each stage was last finished."""
    with closing(sqlite3.connect(project.root / "catalog.db")) as database:
        return dict(database.execute("SELECT name, at FROM stage"))


def file_times(project: Project) -> dict[str, int]:
    """Return when each file of the runs, the features and the guide was written."""
    folders = (project.runs_folder, project.features_folder, project.guide_folder)
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(project.root)): path.stat().st_mtime_ns for path in paths}


def states(project: Project) -> dict[str, str]:
    """Return what `status` says of each stage."""
    return {stage.stage: stage.state for stage in status(project, project.settings()).stages}


def looks(project: Project) -> int:
    with project.catalog() as catalog:
        return catalog.count_looks("evaluate")


@contextmanager
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the hashes of the pictures whose features are asked for inside the block."""
    names: list[str] = []
    real = Pictures.embed_views

    def embed_views(self: Pictures, model: Path, views: Any, runtime: Any) -> Any:
        names.extend(name for name, _ in self.images)
        return real(self, model, views, runtime)

    with monkeypatch.context() as patch:
        patch.setattr(Pictures, "embed_views", embed_views)
        yield names


def test_the_stages_are_those_of_the_design() -> None:
    assert [stage.name for stage in STAGES] == ["collect", *WALK]


def test_a_second_build_does_nothing(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    reports, files, times, opened = walk(built), file_times(built), stage_times(built), looks(built)
    assert set(times) == set(WALK) and opened == 1
    with asked_for(monkeypatch) as names:
        assert walk(built) == reports
    assert not names
    assert (file_times(built), stage_times(built), looks(built)) == (files, times, opened)


def test_a_change_of_what_is_published_redoes_only_that(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    files, times = file_times(built), stage_times(built)
    set_key(built.settings_file, "publish", "examples = 1")
    assert states(built) == {**dict.fromkeys(WALK, "done"), "publish": "out of date"}
    assert walk(built)["publish"].examples == len(CLASS_NAMES)
    after = stage_times(built)
    assert {name for name in WALK if after[name] != times[name]} == {"publish"}
    changed = {name for name, time in file_times(built).items() if files.get(name) != time}
    assert changed and all(name.startswith("guide/") for name in changed)
    assert looks(built) == 1


def test_a_change_of_how_is_learnt_redoes_the_learning_and_what_follows(built: Project) -> None:
    files, times = file_times(built), stage_times(built)
    set_key(built.settings_file, "train", 'head = "logistic"')
    set_key(built.settings_file, "train", "strengths = [0.03]")
    assert [states(built)[name] for name in WALK[:3]] == ["done", "done", "out of date"]
    reports = walk(built)
    after = stage_times(built)
    assert {name for name in WALK if after[name] != times[name]} == {"train", "evaluate", "publish"}
    assert reports["train"].chosen["strength C"] == "0.03"
    assert reports["evaluate"].run == reports["train"].run
    assert looks(built) == 2
    earlier_files = {name: time for name, time in files.items() if not name.startswith("guide/")}
    assert {name: file_times(built).get(name) for name in earlier_files} == earlier_files, (
        "earlier runs and features stay"
    )
    assert set(states(built).values()) == {"done"}


def test_a_new_picture_redoes_what_hangs_on_it(built: Project, pictures: DrawnPictures, tmp_path: Path) -> None:
    with built.catalog() as catalog:
        before = catalog.splits()
    source = pictures(tmp_path / "more", per_class=1, first=200)
    add(built, built.settings(), source, progress=SilentProgress())
    assert states(built)["clean"] == "out of date"
    times = stage_times(built)
    reports = walk(built)
    assert set(stage_times(built).values()).isdisjoint(times.values())
    assert reports["publish"].guide == "guide" and set(states(built).values()) == {"done"}
    with built.catalog() as catalog:
        after = catalog.splits()
    assert {name: after[name] for name in before} == before, "nobody changes sides"
    assert len(after) == len(before) + 3


def test_the_same_picture_again_is_no_change(built: Project, built_once: Path) -> None:
    source = built_once.parent / "source"
    times = stage_times(built)
    report = add(built, built.settings(), source, progress=SilentProgress())
    assert report.known == 36 and not report.taken
    walk(built)
    assert {name: at for name, at in stage_times(built).items() if name in ("clean", "split", "train")} == {
        name: at for name, at in times.items() if name in ("clean", "split", "train")
    }


@pytest.mark.parametrize("lost", ["guide", "runs"])
def test_what_was_taken_away_is_made_again(lost: str, built: Project) -> None:
    (built.root / lost).rename(built.root / f"{lost}-away")
    walk(built)
    assert (built.guide_folder / "MANIFEST").is_file()
    assert list(built.runs_folder.glob("*/report.html"))


def test_training_never_asks_for_a_test_picture(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with built.catalog() as catalog:
        rows = catalog.images()
        tests = {name for name, split in catalog.splits().items() if split == "test"}
    assert tests
    for folder in built.features_folder.iterdir():
        for path in folder.iterdir():
            path.unlink()
    set_key(built.settings_file, "train", "strengths = [0.003]")
    away = built.root / "away"
    away.mkdir()
    for name in tests:
        built.image_path(name, rows[name].format).rename(away / name)
    with asked_for(monkeypatch) as names:
        train(built, built.settings(), progress=SilentProgress())
    assert names and tests.isdisjoint(names)
    for name in tests:
        (away / name).rename(built.image_path(name, rows[name].format))
    with asked_for(monkeypatch) as names:
        evaluate(built, built.settings(), progress=SilentProgress())
    assert tests <= set(names)
    assert looks(built) == 2


def test_a_project_without_a_source_has_nothing_to_collect(built: Project) -> None:
    settings = built.settings()
    assert [stage.name for stage in stages_of(settings)] == WALK
    set_key(built.settings_file, "collect", 'sources = ["drawn"]')
    assert [stage.name for stage in stages_of(built.settings())] == ["collect", *WALK]
