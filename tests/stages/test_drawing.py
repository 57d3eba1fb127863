"""Collecting from a source that draws, ours and another package's: as many as asked, resumable, always the same set."""

import io
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image

from command import set_key
from conftest import Clock
from fieldguide import sources
from fieldguide.errors import SettingsError
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records.candidates import SourceFacts
from fieldguide.stages.collect import collect
from fieldguide.stages.new import new

NAMES = ("pie", "vertical bar")


def charts(folder: Path, per_class: int, names: tuple[str, ...] = NAMES) -> Project:
    changed: dict[str, dict[str, object]] = {"collect": {"sources": ["drawn"], "per_class": per_class}}
    new(folder, {name: {} for name in names}, changed=changed)
    return Project(folder, Clock())


def hashes(project: Project) -> set[str]:
    with project.catalog() as catalog:
        return catalog.hashes()


def test_collects_as_many_as_asked_with_their_licence(tmp_path: Path) -> None:
    project = charts(tmp_path / "charts", 3)
    report = collect(project, project.settings(), progress=SilentProgress())
    assert report.found == {"pie": 3, "vertical bar": 3}
    with project.catalog() as catalog:
        assert {origin.licence for origin in catalog.origins()} == {"CC0-1.0"}
        assert all(project.image_path(image.sha256, image.format).is_file() for image in catalog.images().values())


def test_a_dry_run_plans_the_drawings(tmp_path: Path) -> None:
    project = charts(tmp_path / "charts", 2)
    plan = collect(project, project.settings(), progress=SilentProgress(), dry_run=True)
    assert not hashes(project) and not plan.found
    assert plan.plan == ["2 classes x 2 = 4 pictures, drawn by 'drawn'; 4 are still to be drawn"]
    collect(project, project.settings(), progress=SilentProgress())
    plan = collect(project, project.settings(), progress=SilentProgress(), dry_run=True)
    assert plan.plan == ["2 classes x 2 = 4 pictures, drawn by 'drawn'; 0 are still to be drawn"]
    with pytest.raises(SettingsError, match="cannot draw"):
        other = charts(tmp_path / "other", 2, ("pie", "rose"))
        collect(other, other.settings(), progress=SilentProgress(), dry_run=True)


def test_more_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    project = charts(tmp_path / "charts", 2)
    collect(project, project.settings(), progress=SilentProgress())
    first_hashes = hashes(project)
    text = project.settings_file.read_text(encoding="utf-8").replace("per_class = 2", "per_class = 3")
    project.settings_file.write_text(text, encoding="utf-8")
    report = collect(project, project.settings(), progress=SilentProgress())
    assert report.found == {"pie": 3, "vertical bar": 3}
    assert first_hashes < hashes(project)
    whole = charts(tmp_path / "whole", 3)
    collect(whole, whole.settings(), progress=SilentProgress())
    assert hashes(whole) == hashes(project)


class NothingToDo(SilentProgress):
    """A progress that must not be told of any work."""

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        raise AssertionError(f"{what}: {total}")


def test_a_second_run_draws_nothing(tmp_path: Path) -> None:
    project = charts(tmp_path / "charts", 2)
    before = collect(project, project.settings(), progress=SilentProgress())
    assert collect(project, project.settings(), progress=NothingToDo()) == before
    set_key(project.settings_file, "collect", "contact = 'me@example.org'")
    assert collect(project, project.settings(), progress=NothingToDo()) == before, "other settings, the same drawings"


class Dots:
    """Another package's source that draws: one dot, of a colour that follows from the seed."""

    name = "dots"
    facts = SourceFacts(about="dots", terms_url="", licence_fields=True)
    class_names = ("red", "blue")
    author = "A. Person"
    licence = "CC-BY-4.0"
    licence_url = "https://creativecommons.org/licenses/by/4.0/"

    def check(self) -> None:
        """Need no other package."""

    def draw(self, class_name: str, seed: int) -> bytes:
        file = io.BytesIO()
        colour = (200, seed % 256, 0) if class_name == "red" else (0, seed % 256, 200)
        Image.new("RGB", (64, 64), colour).save(file, "PNG")
        return file.getvalue()


def test_another_package_joins_with_a_source_that_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint("dots", "test_drawing:Dots", sources.GROUP)]
    monkeypatch.setattr(sources, "entry_points", lambda group: entries if group == sources.GROUP else [])
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where the workers find it
    new(tmp_path / "dots", {"red": {}, "blue": {}}, changed={"collect": {"sources": ["dots"], "per_class": 3}})
    project = Project(tmp_path / "dots", Clock())
    report = collect(project, project.settings(), progress=SilentProgress())
    assert report.found == {"red": 3, "blue": 3}
    with project.catalog() as catalog:
        assert {(origin.source, origin.author, origin.licence) for origin in catalog.origins()} == {
            ("dots", "A. Person", "CC-BY-4.0")
        }


def test_another_process_draws_the_same(tmp_path: Path) -> None:
    first = charts(tmp_path / "one", 2)
    collect(first, first.settings(), progress=SilentProgress())
    second = charts(tmp_path / "two", 2)
    subprocess.run([sys.executable, "-m", "fieldguide", "collect", "-C", str(second.root)], check=True)
    assert hashes(first) == hashes(second)


def test_what_cannot_be_drawn_is_explained(tmp_path: Path) -> None:
    project = charts(tmp_path / "charts", 1, ("pie", "rose"))
    with pytest.raises(SettingsError, match="cannot draw 'rose'"):
        collect(project, project.settings(), progress=SilentProgress())
    set_key(project.settings_file, "collect", 'sources = ["drawn", "openverse"]')
    with pytest.raises(SettingsError, match="cannot be combined"):
        collect(project, project.settings(), progress=SilentProgress())
