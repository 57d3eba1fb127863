"""Asking a guide about files and folders, through the program."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from command import check_two_lines, ran, run
from conftest import CLASS_NAMES, Pictures, picture_bytes
from fieldguide.errors import InputMissing, InputUnusable
from fieldguide.guide import open_guide
from fieldguide.progress import SilentProgress
from fieldguide.stages.predict import predict


def ask(guide: Path, *paths: Path) -> list[dict[str, Any]]:
    """Return the program's answers."""
    answers: list[dict[str, Any]] = json.loads(ran("predict", *paths, "--guide", guide, "--json"))
    return answers


def test_files_and_folders_in_order(built_once: Path, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", per_class=7, first=100)
    (source / ".hidden.png").write_bytes(b"not seen")
    single = source / "square" / "103.png"
    answers = ask(built_once / "guide", single, source)
    expected = [single, *sorted(path for path in source.rglob("*") if path.is_file() and path.name != ".hidden.png")]
    assert [answer["path"] for answer in answers] == [str(path) for path in expected]
    assert all(abs(sum(answer["probs"].values()) - 1) < 1e-4 and not answer["error"] for answer in answers)
    right = [next(iter(answer["probs"])) == Path(answer["path"]).parent.name for answer in answers]
    assert sum(right) >= 0.8 * len(right)
    guide = open_guide(built_once / "guide")
    for answer in answers:
        alone = guide.classify(Path(answer["path"]).read_bytes())
        assert max(abs(alone.probs[name] - answer["probs"][name]) for name in CLASS_NAMES) < 1e-4
        assert answer["declined"] == alone.declined


def test_bad_files_are_answers_and_stop_nothing(built_once: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture_bytes("circle", 1))
    (tmp_path / "b.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "d.png").write_bytes(picture_bytes("circle", 1)[:-50])
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**12)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(picture_bytes("square", 1))
    paths = [tmp_path, tmp_path / "pipe.png", Path("/dev/zero")]
    answers = {Path(answer["path"]).name: answer for answer in ask(built_once / "guide", *paths)}
    assert {name: answer["error"].partition(":")[0] for name, answer in answers.items()} == {
        "a.png": "", "caf\ufffd.png": "", "b.jpg": "not_an_image", "c.png": "empty", "d.png": "truncated",
        "huge.png": "too_many_bytes", "pipe.png": "not_an_image", "zero": "not_an_image",
    }  # fmt: skip
    output = ran("predict", tmp_path, "--guide", built_once / "guide")
    assert "not readable" in output and "circle" in output


def test_markup_in_names_is_shown_as_it_is(built_once: Path, tmp_path: Path) -> None:
    path = tmp_path / "[bold]x[red].png"
    path.write_bytes(picture_bytes("circle", 1))
    assert "[bold]x[red].png" in ran("predict", path.name, "--guide", built_once / "guide", cwd=tmp_path)


def test_a_guide_that_declines_says_so(built_once: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noise.png"
    Image.effect_noise((200, 200), 100).convert("RGB").save(noise)
    (answer,) = ask(built_once / "guide", noise)
    assert answer["declined"] and answer["class_name"] == ""
    assert "none of these" in ran("predict", noise, "--guide", built_once / "guide")


def test_nothing_to_ask_about(built_once: Path, tmp_path: Path) -> None:
    guide = built_once / "guide"
    with pytest.raises(InputUnusable, match="holds no files"):
        predict(guide, [tmp_path], progress=SilentProgress())
    with pytest.raises(InputMissing, match="nothing at"):
        predict(guide, [tmp_path / "gone.png"], progress=SilentProgress())
    assert run("predict", tmp_path / "gone.png", "--guide", guide).returncode == 67


def test_what_is_missing_among_many_is_a_row_and_an_exit_code(built_once: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture_bytes("circle", 1))
    paths: list[str | Path] = ["https://example.org/b.png", tmp_path / "gone.png", tmp_path / "a.png"]
    result = run("predict", *paths, "--guide", built_once / "guide", "--json")
    address, missing, answer = json.loads(result.stdout)
    assert address["error"].startswith("missing: an address") and missing["error"].startswith("missing: there is no")
    assert answer["class_name"] == "circle" and result.returncode == 67
    check_two_lines(run("predict", paths[0], "--guide", built_once / "guide"), 67, "addresses", "save the pictures")


def test_nothing_readable_is_an_exit_code(built_once: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    result = run("predict", tmp_path, "--guide", built_once / "guide", "--json")
    assert json.loads(result.stdout)[0]["error"].startswith("not_an_image") and result.returncode == 65


def test_linked_folders_are_read_and_closed_ones_are_told(
    built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("real", "elsewhere", "photos/closed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.png").write_bytes(picture_bytes("circle", 1))
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed, linked = predict(built_once / "guide", [tmp_path / "photos"], progress=SilentProgress())
    assert closed.path.endswith("closed") and closed.error == "unreadable: Permission denied"
    assert linked.path.endswith("linked/a.png") and not linked.error
    paths = [tmp_path / "photos" / "closed", tmp_path / "elsewhere" / "a.png"]
    closed, answer = predict(built_once / "guide", paths, progress=SilentProgress())
    assert closed.error == "unreadable: Permission denied" and answer.class_name == "circle"


def test_patterns_that_no_shell_has_read(built_once: Path, pictures: Pictures, tmp_path: Path) -> None:
    pictures(tmp_path / "photos", per_class=2, first=100)
    (tmp_path / "photos" / "[1].png").write_bytes(picture_bytes("circle", 1))
    guide = built_once / "guide"

    def found(*patterns: str) -> list[str]:
        paths = [tmp_path / "photos" / pattern for pattern in patterns]
        answers = predict(guide, paths, progress=SilentProgress())
        return [answer.path.removeprefix(f"{tmp_path}/photos/") for answer in answers if not answer.error]

    assert found("*/100.jpg") == ["circle/100.jpg", "square/100.jpg", "triangle/100.jpg"]
    assert len(found("**/*.jpg")) == 3 and len(found("**")) == 7 and len(found("c*")) == 2
    assert found("[1].png") == ["[1].png"], "a file of that very name"
    result = run("predict", tmp_path / "photos" / "*.gif", tmp_path / "photos" / "[1].png", "--guide", guide, "--json")
    missing, answer = json.loads(result.stdout)
    assert missing["error"] == "missing: nothing matches this pattern" and answer["class_name"] == "circle"
    assert result.returncode == 67
    with pytest.raises(InputMissing, match="nothing at"):
        predict(guide, [tmp_path / "*.gif"], progress=SilentProgress())


def test_the_answers_as_a_table(built_once: Path, tmp_path: Path) -> None:
    (tmp_path / "=a.png").write_bytes(picture_bytes("circle", 1))
    (tmp_path / "b.txt").write_text("no picture")
    Image.effect_noise((200, 200), 100).convert("RGB").save(tmp_path / "c.png")
    files, guide = ["=a.png", "b.txt", "c.png"], built_once / "guide"
    shown = ran("predict", *files, "--guide", guide, "--csv", tmp_path / "answers.csv", "--top-k", "2", cwd=tmp_path)
    assert "none of these" in shown and "not readable" in shown
    text = (tmp_path / "answers.csv").read_text(encoding="utf-8")
    circle, notes, noise = csv.DictReader(io.StringIO(text))
    assert list(circle) == ["path", "answer", "class_1", "prob_1", "class_2", "prob_2", "familiarity", "error"]
    assert circle["path"] == "'=a.png" and circle["answer"] == circle["class_1"] == "circle"
    assert float(circle["prob_1"]) > float(circle["prob_2"]) and not circle["error"]
    assert not notes["answer"] and not notes["class_1"] and notes["error"].startswith("not_an_image")
    assert noise["answer"] == "none of these" and noise["class_1"] in CLASS_NAMES
    printed = ran("predict", "=a.png", "--guide", guide, "--csv", "-", cwd=tmp_path)
    assert printed.splitlines()[0].count("class_") == 3 and len(printed.splitlines()) == 2
    answers = json.loads(ran("predict", "=a.png", "--guide", guide, "--json", "--top-k", "1", cwd=tmp_path))
    assert list(answers[0]["probs"]) == ["circle"]
    check_two_lines(run("predict", "x", "--guide", guide, "--csv", tmp_path / "no" / "a.csv"), 67, "no folder")
