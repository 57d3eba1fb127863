"""The Python API: every line as typed in a notebook, the lock, progress, reports, and what an older version made."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from conftest import CLASS_NAMES, Pictures, draw_picture, encode
from fieldguide.cli.commands import command_names
from fieldguide.errors import (
    BadImage,
    InputMissing,
    InputUnusable,
    NamesError,
    NotReady,
    ProjectBusy,
    ProjectExists,
    ProjectMissing,
    SettingsError,
)
from fieldguide.guide import Picture
from fieldguide.progress import SilentProgress
from fieldguide.records import NewReport, Report
from fieldguide.settings import SCHEMA_VERSION

SAMPLE = Path(__file__).parent / "samples" / "project_v1.zip"
COLOUR = {"train.learner": "colour", "train.colour.families": ["svm"], "train.colour.grid": "usual", "train.folds": 2}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the project that the first version made, with its guide; read only."""
    folder = tmp_path_factory.mktemp("sample")
    zipfile.ZipFile(SAMPLE).extractall(folder)
    return folder / "shapes"


@pytest.fixture
def own_sample(tmp_path: Path) -> Path:
    """Copy it, to write to."""
    zipfile.ZipFile(SAMPLE).extractall(tmp_path)
    return tmp_path / "shapes"


def test_the_walk_as_typed(tmp_path: Path, pictures: Pictures) -> None:
    pytest.importorskip("sklearn", reason="training needs the extra [train]")
    pictures(tmp_path / "photos", ["a", "b"], 10)
    with inside(tmp_path):
        project = fg.new("p", ["a", "b"])
        assert project.add("photos", licence="own").taken == {"a": 10, "b": 10}
        assert fg.open_project("p").settings.classes.keys() == {"a", "b"}
        project.write_settings({**COLOUR, "split.features_alike": 1.0})  # drawn shapes are much alike
        assert sum(project.clean().kept.values()) == 20
        assert set(project.split().counts) == {"train", "val", "test"}
        assert {image.state for image in project.images()} == {"kept"}
        report = project.train(seed=5, set={"size": 64})
        assert (report.learner, report.seed, report.size) == ("colour", 5, 64)
        assert project.settings.train.size == "auto", "what is given holds for one run"
        reports = fg.open_project("p").build()
        assert list(reports) == ["clean", "split", "train", "evaluate", "publish"]
        assert reports["train"].seed == 0
        assert project.evaluate() == reports["evaluate"] and project.publish() == reports["publish"]
        assert project.compare().recommended
        assert project.credits().images == 20
        assert [stage.state for stage in project.status().stages] == ["done"] * 5
        assert len(project.predict("photos/a")) == 10
        assert project.predict(Path("photos/a/000.jpg"))[0].probs.keys() == {"a", "b"}
        picture = next(Path("photos/b").iterdir())
        assert fg.open_guide("p/guide").classify(str(picture)).probs == project.open_guide().classify(picture).probs


def test_pictures_are_added_relabelled_and_taken_back(tmp_path: Path, pictures: Pictures) -> None:
    pictures(tmp_path / "photos", ["a", "b"], 3)
    project = fg.new(tmp_path / "p")
    report = project.add(tmp_path / "photos" / "a", str(tmp_path / "photos" / "b"), class_name="a")
    assert (report.taken, report.number) == ({"a": 6}, 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "photos" / "b").rename(tmp_path / "other" / "b")
    assert project.add(tmp_path / "other", class_name="b").conflicts == 3
    assert project.add(undo=True).removed == {"b": 3}
    assert project.add(tmp_path / "other", class_name="b", relabel=True).relabelled == {"b": 3}
    assert [image.class_name for image in project.images()].count("b") == 3
    assert project.add(undo=1).removed == {"a": 3}
    assert {image.class_name for image in project.images()} == {"b"}
    with pytest.raises(NotReady, match="no addition 1"):
        project.add(undo=1)
    with pytest.raises(InputUnusable, match="while an addition is undone"):
        project.add(tmp_path / "other", undo=True)
    with pytest.raises(InputUnusable, match="nothing to add"):
        project.add()
    with pytest.raises(InputUnusable, match="nothing to add"):
        project.add([])
    assert project.add((tmp_path / "photos" / "a").glob("*.*"), class_name="a").taken == {"a": 3}


def test_a_project_without_names(tmp_path: Path) -> None:
    with inside(tmp_path):
        assert fg.new("p").settings.classes == {}
        assert repr(fg.open_project("p")) == "Project('p')"
    project = fg.new(
        tmp_path / "q", {"rose": "It has thorns.", "tulip": {"links": ["https://a.example"]}}, about="Plants."
    )
    assert project.settings.about == "Plants."
    assert project.settings.classes["rose"].about == "It has thorns."
    assert [link.url for link in project.settings.classes["tulip"].links] == ["https://a.example"]
    (tmp_path / "names.csv").write_text("name\nrose\ntulip\n")
    for names in ("rose, tulip", tmp_path / "names.csv", ("rose", "tulip"), (name for name in ("rose", "tulip"))):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        assert list(fg.new(folder, names).settings.classes) == ["rose", "tulip"]
    chosen = fg.new(tmp_path / "r", ["a", "b"], sources=["openverse"], contact="me@example.org").settings.collect
    assert (chosen.sources, chosen.contact) == (("openverse",), "me@example.org")
    assert fg.open_project(tmp_path / "r").collect(dry_run=True).plan


def test_what_cannot_be_is_refused_in_words(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(ProjectExists):
        fg.new(sample)
    with pytest.raises(NamesError):
        fg.new(tmp_path / "a", ["rose", "Rose"])
    with pytest.raises(SettingsError, match="opnverse"):
        fg.new(tmp_path / "b", ["rose", "tulip"], sources=["opnverse"])
    assert not (tmp_path / "b").exists()
    with pytest.raises(ProjectMissing) as missing:
        fg.open_project(tmp_path)
    assert "--project" not in missing.value.hint
    with pytest.raises(InputMissing) as absent:
        fg.open_project(tmp_path / "absent")
    assert "--project" not in absent.value.hint
    with pytest.raises(SettingsError, match="how to reach you"):
        fg.new(tmp_path / "b", ["rose", "tulip"], sources=["openverse"])
    with pytest.raises(InputMissing):
        fg.open_guide(tmp_path / "guide")
    with pytest.raises(NotReady) as caught:
        fg.new(tmp_path / "c").predict("x.jpg")
    assert isinstance(caught.value, fg.FieldguideError) and caught.value.hint == "run: fieldguide build"
    with pytest.raises(SettingsError, match="'epochs'"):
        fg.open_project(sample).train(set={"loop.epoch": 3})
    with pytest.raises(AttributeError, match="opne_guide"):
        fg.opne_guide  # noqa: B018


def test_every_command_is_a_method_and_every_method_says_what_it_does() -> None:
    for name in command_names():
        holder = fg if name in ("new", "demo") else fg.Project
        assert getattr(holder, name.replace("-", "_")).__doc__, name
    assert set(fg.__all__) <= set(dir(fg))
    assert all(getattr(fg, name) is not None for name in fg.__all__)


def test_a_picture_in_any_form(sample: Path, tmp_path: Path) -> None:
    guide = fg.open_guide(sample / "guide")
    image = draw_picture("circle", 50)
    (tmp_path / "x.png").write_bytes(encode(image))
    forms: list[Picture] = [tmp_path / "x.png", str(tmp_path / "x.png"), encode(image), image, np.asarray(image)]
    probs = guide.classify(encode(image)).probs
    assert next(iter(probs)) == "circle" and sum(probs.values()) == pytest.approx(1, abs=1e-4)
    for form in forms:
        assert guide.classify(form).probs == probs
    assert [answer.probs for answer in guide.classify(forms)] == [probs] * 5
    assert guide.classify(tmp_path / "x.png").path == str(tmp_path / "x.png")
    turned = image.rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        assert guide.classify(opened).probs == probs, "an opened picture is turned upright, as its file is"


def test_what_is_no_picture(sample: Path, tmp_path: Path) -> None:
    guide = fg.open_guide(sample / "guide")
    wrongs: list[Any] = [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), 7]
    for wrong in wrongs:
        with pytest.raises(InputUnusable, match="is not a picture") as caught:
            guide.classify(wrong)
        assert "uint8 RGB array" in caught.value.hint
    with pytest.raises(InputMissing):
        guide.classify(tmp_path / "none.jpg")
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(BadImage):
        guide.classify(tmp_path / "x.jpg")


def test_the_lock_is_taken(own_sample: Path) -> None:
    from fieldguide.project import find_project

    with find_project(own_sample).lock("other"), pytest.raises(ProjectBusy, match="other"):
        fg.open_project(own_sample).clean()


class Steps(SilentProgress):
    """Remembers what work it was told of."""

    def __init__(self) -> None:
        self.works: list[str] = []

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        self.works.append(what)


def test_progress_is_silent_here_and_goes_to_whoever_asks(own_sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = fg.open_project(own_sample)
    (own_sample / "guide" / "MANIFEST").unlink()
    steps = Steps()
    project.build(progress=steps)
    assert steps.works
    project.predict(own_sample / "guide" / "examples", progress=None)
    project.predict(own_sample / "guide" / "examples")
    assert capsys.readouterr() == ("", ""), "no bar where there is neither a terminal nor a notebook"


def test_stages_that_wait_for_a_network_work_where_a_loop_is_running(tmp_path: Path) -> None:
    project = fg.new(tmp_path / "p", ["a", "b"], sources=["drawn"])

    async def cell() -> None:
        with pytest.raises(fg.FieldguideError):
            project.collect()  # it draws charts, and a and b are none
        other = fg.new(tmp_path / "q", ["a", "b"], sources=["openverse"], contact="me@example.org")
        assert other.collect(dry_run=True).plan

    asyncio.run(cell())


class Interrupting(Steps):
    """Presses Ctrl-C once the first pictures are there."""

    def advance(self, steps: int = 1, part: str = "") -> None:
        if not self.works or self.works[-1] != "interrupted":
            self.works.append("interrupted")
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_where_a_loop_is_running_ends_the_work_and_it_goes_on_later(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    from fieldguide_charts import CLASS_NAMES as CHARTS

    project = fg.new(tmp_path / "p", CHARTS[:2], sources=["drawn"])
    project.write_settings({"collect.per_class": 12})
    progress = Interrupting()

    async def cell() -> None:
        with pytest.raises(KeyboardInterrupt):
            project.collect(progress=progress)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(cell())
    loop.close()
    assert "interrupted" in progress.works
    assert sum(project.collect().found.values()) == 24


def test_a_report_can_be_read_and_its_html_is_escaped(sample: Path) -> None:
    status = fg.open_project(sample).status()
    lines = repr(status).splitlines()
    assert lines[0] == "StatusReport"
    assert any(line.split() == ["images", "36"] for line in lines)
    assert any("train: done" in line for line in lines)
    report = NewReport("<script>", ("a & b",))
    assert "<script>" in repr(report)
    html = report._repr_html_()
    assert "&lt;script&gt;" in html and "a &amp; b" in html and "<script>" not in html
    answer = fg.open_guide(sample / "guide").classify(draw_picture("square", 51))
    assert (isinstance(answer, Report) and "square: 0." in repr(answer)) or "square: 1" in repr(answer)
    assert replace(report, folder="x") != report


def test_what_the_first_version_made_opens_and_is_up_to_date(own_sample: Path) -> None:
    project = fg.open_project(own_sample)
    settings = project.settings
    assert settings.schema_version == SCHEMA_VERSION
    assert (settings.train.size, settings.train.seed, settings.tune.trials, settings.tune.pruning) == (
        "auto", "auto", "auto", True,
    )  # fmt: skip
    assert settings.collect.hosts["img.example.org"].private is True
    assert settings.train.loop.compile is False and settings.train.loop.freeze == "auto"
    states = {stage.stage: stage.state for stage in project.status().stages}
    assert (states["clean"], states["split"], states["train"]) == ("done", "done", "done")
    runs = set((own_sample / "runs").iterdir())
    report = project.train()
    assert set((own_sample / "runs").iterdir()) == runs, "the run that it has is still good"
    assert json.loads((own_sample / "runs" / report.run / "run.json").read_text())["report"]["run"] == report.run
    compared = project.compare(use=report.run)
    assert [row.name for row in compared.rows if row.learner == "colour"] == [report.run]
    assert project.settings == settings, "nothing of it is new to the settings"


def test_a_guide_that_the_first_version_made_answers(sample: Path) -> None:
    guide = fg.open_guide(sample / "guide")
    assert guide.class_names == CLASS_NAMES
    for name in CLASS_NAMES:
        assert guide.classify(draw_picture(name, 60)).class_name == name


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import fieldguide", ("numpy", "pydantic", "rich", "typing_extensions")),
        ("import fieldguide as fg; fg.open_guide(sys.argv[1]).classify(sys.argv[2])", ("pydantic", "torch", "rich")),
        ("import fieldguide as fg; fg.open_project(sys.argv[3]).settings", ("torch", "sklearn", "onnx", "fastapi")),
    ],
)
def test_nothing_is_loaded_before_it_is_used(code: str, absent: tuple[str, ...], sample: Path) -> None:
    picture = next((sample / "guide" / "examples").iterdir())
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    arguments = [sys.executable, "-c", program, str(sample / "guide"), str(picture), str(sample)]
    loaded = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded).isdisjoint(absent)
