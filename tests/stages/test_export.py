"""Forms of a guide: proved or not written, whole or not there, made again only where something changed."""

import errno
import json
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_kill import end_early
from test_publish import files_of
from typer.main import get_command

import fieldguide as fg
from command import check_two_lines, ran, run
from fieldguide.cli.commands import app
from fieldguide.errors import DiskFull, MissingExtra, NotReady, ParityError, ProjectExists
from fieldguide.exporters import known_exporters
from fieldguide.exporters.onnx_form import OnnxExporter
from fieldguide.guide import open_guide
from fieldguide.project import Project
from fieldguide.records import ExportReport


def export(project: Project, to: str = "onnx", **options: object) -> ExportReport:
    return fg.open_project(project.root).export(to, progress=None, **options)  # type: ignore[arg-type]


@contextmanager
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the form `onnx` give the answers of another model: one whose classes are turned round."""
    real = OnnxExporter.open

    @contextmanager
    def turned(self: OnnxExporter, folder: Path) -> Iterator[object]:
        from dataclasses import replace

        with real(self, folder) as runtime:
            ask = runtime.ask
            yield replace(runtime, ask=lambda squares: (ask(squares)[0][:, ::-1], ask(squares)[1]))

    with monkeypatch.context() as patch:
        patch.setattr(OnnxExporter, "open", turned)
        yield


def test_a_form_is_proved_and_written_down(built: Project) -> None:
    out = ran("export", "--to", "onnx", "-C", built.root)
    assert "the guide's first answer for 100.00% of 72 pictures that it has not learnt" in out
    folder = built.root / "exports" / "onnx"
    copy = open_guide(folder)
    assert copy.class_names == open_guide(built.guide_folder).class_names and not copy.forms
    guide = open_guide(built.guide_folder)
    row = guide.forms["onnx"]
    assert row["agreement"] == 1.0 and row["max_difference"] < 1e-6 and row["bytes"] > 1_000_000
    card = (built.guide_folder / "README.md").read_text()
    assert card.count("| onnx |") == 1 and not guide.edited
    assert card.index("## Forms") < card.index("## How to use it")


def test_the_second_time_nothing_is_done(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = export(built)
    before, guide = files_of(built.root / "exports"), files_of(built.guide_folder)
    monkeypatch.setattr(OnnxExporter, "export", lambda *arguments: pytest.fail("it was made again"))
    assert export(built) == first
    assert files_of(built.root / "exports") == before and files_of(built.guide_folder) == guide
    monkeypatch.undo()
    (built.root / "exports" / "onnx" / "model.onnx").write_bytes(b"broken")
    assert export(built).bytes == first.bytes
    assert files_of(built.root / "exports")["onnx/model.onnx"] == guide["model.onnx"]


def test_a_table_of_forms_that_was_lost_is_written_again(built: Project) -> None:
    export(built)
    (built.guide_folder / "MANIFEST").unlink()
    fg.open_project(built.root).publish(progress=None)
    assert not open_guide(built.guide_folder).forms
    export(built)
    assert set(open_guide(built.guide_folder).forms) == {"onnx"}


def test_a_form_that_answers_otherwise_is_not_written(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    export(built)
    before = files_of(built.root)
    with spoilt(monkeypatch):
        with pytest.raises(ParityError, match=r"first answer for \d+\.\d+% of 72 pictures") as caught:
            export(built, out=built.root / "exports" / "other")
        assert "--allow-disagreement" in caught.value.hint
        after = files_of(built.root)
        assert {name: after[name] for name in after if name != ".lock"} == {
            name: before[name] for name in before if name != ".lock"
        }
        report = export(built, out=built.root / "exports" / "other", allow_disagreement=True)
    assert report.doubts and report.agreement is not None and report.agreement < 0.999
    assert open_guide(built.guide_folder).forms["onnx"]["doubts"]
    assert not export(built, out=built.root / "exports" / "other").doubts, "what was accepted once is not for ever"


def test_an_edited_card_stays_as_it_is(built: Project) -> None:
    card = built.guide_folder / "README.md"
    card.write_text("My own words.\n")
    export(built)
    guide = open_guide(built.guide_folder)
    assert card.read_text() == "My own words.\n" and guide.edited == ("README.md",) and guide.forms
    shutil.rmtree(built.root / "exports")
    card.unlink()
    export(built, "onnx")
    assert open_guide(built.guide_folder).edited == ("README.md",) and not card.exists()


def test_what_cannot_be_exported(built: Project, filled_project: Project, tmp_path: Path) -> None:
    check_two_lines(run("export", "--to", "onxx", "-C", built.root), 65, "'onxx' is no form", "did you mean 'onnx'")
    check_two_lines(run("export", "--to", "onnx", "-C", filled_project.root), 5, "nothing has been trained")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    check_two_lines(run("export", "--to", "onnx", "-C", built.root, "--out", full), 73, "no export wrote")
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    for place in (built.root, built.guide_folder / "x", built.root.parent):
        check_two_lines(run("export", "--to", "onnx", "-C", built.root, "--out", place), 65, "keeps its own files")


def test_files_of_your_own_in_an_export_are_kept(built: Project) -> None:
    export(built)
    mine = built.root / "exports" / "onnx" / "notes.txt"
    mine.write_text("mine")
    with pytest.raises(ProjectExists, match="did not write"):
        export(built)
    assert mine.read_text() == "mine"


def test_a_guide_of_another_run_is_out_of_date(built: Project) -> None:
    fg.open_project(built.root).train(seed=5, progress=None)
    with pytest.raises(NotReady, match="out of date") as caught:
        export(built)
    assert caught.value.hint
    shutil.rmtree(built.guide_folder)
    with pytest.raises(NotReady, match="no guide yet"):
        export(built)


def test_what_is_not_installed_is_named(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra) as caught:
        export(built, "openvino")
    assert "fieldguide[openvino]" in caught.value.hint
    assert not list((built.root / "exports").iterdir())


def test_help_names_every_form() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    (option,) = (option for option in commands["export"].params if option.name == "to")
    for name in known_exporters():
        assert name in option.help


def test_the_api_tells_of_the_forms(built: Project) -> None:
    from fastapi.testclient import TestClient

    from fieldguide.settings import ServeSettings
    from fieldguide.stages.serve import make_app

    def described() -> dict[str, object]:
        app = make_app(open_guide(built.guide_folder), ServeSettings(), ["testserver"])
        body: dict[str, object] = TestClient(app).get("/v1/guide").json()
        return body

    assert "forms" not in described()
    export(built)
    assert described()["forms"] == json.loads((built.guide_folder / "forms.json").read_text())["forms"]


def test_a_full_disk_leaves_what_was_there(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    export(built)
    shutil.rmtree(built.root / "exports" / "onnx")
    before = files_of(built.root)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fieldguide.exporters.onnx_form.write_manifest", full)
        with pytest.raises(DiskFull) as caught:
            export(built)
    assert caught.value.hint and files_of(built.root) == before
    assert not list((built.root / "exports").iterdir())


def test_a_full_disk_at_the_table_of_forms_leaves_the_guide(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(built.guide_folder)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fieldguide.stages.export.forms.write_manifest", full)
        with pytest.raises(DiskFull):
            export(built)
    assert files_of(built.guide_folder) == before and not open_guide(built.guide_folder).forms
    export(built)
    assert set(open_guide(built.guide_folder).forms) == {"onnx"}


@pytest.mark.slow
def test_kills_leave_no_half_made_form(built: Project, tmp_path: Path) -> None:
    calm = files_of(Path(export(built, out=tmp_path / "calm").folder))
    folder, dice, killed = built.root / "exports" / "onnx", random.Random(3), 0
    for _ in range(8):
        code = end_early(dice, 1.0, tmp_path / "log", "export", "--to", "onnx", "-C", built.root)
        killed += code == -signal.SIGKILL
        if folder.exists():  # then it is whole
            assert set(files_of(folder)) == set(calm)
            open_guide(folder)
            shutil.rmtree(folder)
        open_guide(built.guide_folder)
    assert killed, "no kill came in time"
    ran("export", "--to", "onnx", "-C", built.root)
    assert files_of(folder)["model.onnx"] == calm["model.onnx"]
    assert not list(built.root.rglob("*.tmp"))
