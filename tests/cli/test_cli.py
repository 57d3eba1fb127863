"""The command line: help, JSON for programs, nearest names, tracebacks only when asked for, a quick quiet start."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import check_two_lines, environment, ran, run, set_key, words
from conftest import Pictures
from fieldguide import __version__
from fieldguide.cli.commands import command_names
from fieldguide.project import Project


def read_json(*arguments: str | Path) -> Any:
    """Return the one JSON value that a command prints, after a check that it prints no more."""
    return json.loads(ran(*arguments, "--json"))


@pytest.mark.parametrize("command", ["", *command_names()])
def test_every_command_answers_help(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.returncode == 0 and not result.stderr
    assert f"fieldguide {command}".strip() in result.stdout
    assert "--help" in result.stdout
    if not command:
        assert all(f" {name} " in result.stdout for name in command_names())


def test_a_preset_that_is_typed_goes_before_an_own_space(tmp_path: Path) -> None:
    ran("new", tmp_path / "plants")
    set_key(tmp_path / "plants" / "fieldguide.toml", "tune", 'space = {"loop.lr" = 1}')
    own, typed = run("tune", "-C", tmp_path / "plants"), run("tune", "-C", tmp_path / "plants", "--preset", "usual")
    assert "gives nothing to choose from" in own.stderr
    assert typed.returncode and "choose from" not in typed.stderr and "split" in typed.stderr


def test_version() -> None:
    assert ran("--version") == f"fieldguide {__version__}\n"


@pytest.mark.parametrize(
    ("words_given", "nearest"),
    [
        (["biuld"], "build"), (["evalute"], "evaluate"), (["status", "--jsn"], "--json"),
        (["new", "x", "--nmes", "a,b"], "--names"), (["serve", "--prot", "1"], "--port"),
    ],
)  # fmt: skip
def test_a_word_that_does_not_exist_names_the_nearest(words_given: list[str], nearest: str) -> None:
    check_two_lines(run(*words_given), 2, nearest, "--help")


@pytest.mark.parametrize("arguments", [["new"], ["serve", "--port", "x"], ["serve", "--port", "70000"], ["predict"]])
def test_arguments_that_are_wrong(arguments: list[str]) -> None:
    check_two_lines(run(*arguments), 2, f"fieldguide {arguments[0]} --help")


def test_a_traceback_only_when_asked_for(tmp_path: Path) -> None:
    plain = run("status", "-C", tmp_path)
    check_two_lines(plain, 66)
    for result in (run("status", "-C", tmp_path, "--debug"), run("--debug", "status", "-C", tmp_path)):
        assert "Traceback" in result.stderr and "ProjectMissing" in result.stderr
        assert result.returncode == 66
        assert result.stderr.endswith(plain.stderr)
    env = {**environment(), "FIELDGUIDE_DEBUG": "1"}
    assert "Traceback" in run("status", "-C", tmp_path, env=env).stderr


def test_errors_are_json_for_programs(tmp_path: Path) -> None:
    result = run("status", "-C", tmp_path, "--json")
    assert result.returncode == 66 and not result.stdout
    error = json.loads(result.stderr)
    assert error["exit_code"] == 66 and "fieldguide.toml" in error["error"] and error["hint"]


def test_the_first_reports_are_json(tmp_path: Path, pictures: Pictures) -> None:
    place = tmp_path / "place"
    report = read_json("new", place, "--names", "circle,square,Роза")
    names = ["circle", "square", "Роза"]
    assert report == {"folder": str(place), "class_names": names, "sources": [], "recipe": "", "waiting": []}
    source = pictures(tmp_path / "source", ["circle", "square", "Роза"], per_class=3)
    (source / "circle" / "broken.png").write_bytes(b"no picture")
    added = read_json("add", source, "-C", place, "--licence", "own")
    assert added["taken"] == {"circle": 3, "square": 3, "Роза": 3}
    assert sum(added["refused"].values()) == 1
    assert read_json("clean", "-C", place)["kept"] == added["taken"]
    split = read_json("split", "-C", place)
    assert {sum(split["counts"][name].values()) for name in ("train", "val", "test")} == {3}
    status = read_json("status", "-C", place)
    assert (status["images"], status["kept"], status["next_command"]) == (9, 9, f"fieldguide build -C {place}")
    assert [stage["state"] for stage in status["stages"]] == ["done", "done", "not run", "not run", "not run"]


def test_a_new_project_shows_its_names(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Smith, John\nBaker\n", encoding="utf-8")
    told = ran("new", tmp_path / "p", "--names", tmp_path / "names.txt")
    assert "a project with 2 names: Smith, John, Baker" in told
    assert "the labels of whatever is added" in ran("new", tmp_path / "q")


def test_an_addition_says_how_it_is_taken_back(tmp_path: Path, pictures: Pictures) -> None:
    place, photos = tmp_path / "p", pictures(tmp_path / "photos", ["rose", "tulip"], per_class=2)
    ran("new", place)
    told = ran("add", photos, "-C", place)
    assert f"this is addition 1; to take it back: fieldguide add -C {place} --undo 1" in told
    next((photos / "rose").iterdir()).rename(photos / "tulip" / "moved.png")
    assert "relabelled: 1 tulip, such as tulip/moved.png: was 'rose'" in ran("add", photos, "-C", place)
    (tmp_path / "rose").mkdir()
    (tmp_path / "rose" / "mine.png").write_bytes((photos / "tulip" / "moved.png").read_bytes())
    told = ran("add", tmp_path / "rose", "--class", "rose", "-C", place)
    assert "1 known under another label, such as mine.png: known as 'tulip'" in told and "--relabel" in told
    assert read_json("add", "--undo", "-C", place)["removed"] == {"rose": 1}
    assert "addition 1 is undone" in ran("add", "--undo", "1", "-C", place)
    check_two_lines(run("add", "--undo", "1", "-C", place), 5, "no addition 1", "2 (")
    check_two_lines(run("add", "--undo", "all", "-C", place), 65, "'all'", "--undo 3")
    check_two_lines(run("add", "-C", place), 65, "nothing to add")


def test_the_later_reports_are_json(built: Project) -> None:
    place = built.root
    reports = read_json("build", "-C", place)
    assert list(reports) == ["clean", "split", "train", "evaluate", "publish"]
    for stage in reports:
        assert read_json(stage, "-C", place) == reports[stage]
    answers = read_json("predict", place / "guide" / "examples", place / "fieldguide.toml", "-C", place)
    assert len(answers) == 13
    assert all(abs(sum(answer["probs"].values()) - 1) < 1e-4 for answer in answers[:-1])
    assert answers[-1]["error"] and not answers[-1]["probs"]


def test_collect_is_json(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    place = tmp_path / "place"
    from fieldguide_charts import CLASS_NAMES

    ran("new", place, "--names", ",".join(CLASS_NAMES[:2]), "--source", "drawn")
    set_key(place / "fieldguide.toml", "collect", "per_class = 2")
    report = read_json("collect", "-C", place)
    assert report["asked"] == 2 and report["found"] == dict.fromkeys(sorted(CLASS_NAMES[:2]), 2)


def test_a_project_that_can_collect_at_once(tmp_path: Path) -> None:
    place = tmp_path / "place"
    ran("new", place, "--names", "a,b", "--source", "openverse", "--source", "cleveland", "--contact", "me@example.org")
    plan = read_json("collect", "-C", place, "--dry-run")["plan"]
    assert [line.partition(":")[0] for line in plan[1:3]] == ["openverse", "cleveland"]
    result = run("new", tmp_path / "other", "--names", "a,b", "--source", "drawn", "--source", "openverse")
    check_two_lines(result, 78, "openverse", "--contact")
    assert not (tmp_path / "other").exists()
    result = run("new", tmp_path / "other", "--names", "a,b", "--source", "opnverse")
    check_two_lines(result, 78, "opnverse", "openverse")


def test_a_reader_that_leaves_early(built: Project) -> None:
    place = built.root
    for arguments in (["--help"], ["status", "-C", place], ["status", "-C", place, "--json"],
                      ["predict", place / "guide" / "examples", "-C", place]):  # fmt: skip
        process = subprocess.Popen(
            words(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout and process.stderr
        with process:
            process.stdout.close()
            errors = process.stderr.read()
        assert "Traceback" not in errors and "Error" not in errors and "fault" not in errors, errors
        assert process.returncode in (0, 1, 141)


def test_answers_that_the_terminal_cannot_write(built: Project) -> None:
    picture = built.root / "Роза.png"
    picture.write_bytes(next((built.guide_folder / "examples").glob("*.jpg")).read_bytes())
    env = {**environment(), "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    for more in ([], ["--json"]):
        result = run("predict", picture, "-C", built.root, *more, env=env)
        assert result.returncode == 0, result.stderr


HEAVY = ("torch", "timm", "sklearn", "scipy", "onnx", "onnxruntime", "openvino", "matplotlib", "fastapi", "uvicorn")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import fieldguide", (*HEAVY, "pydantic", "numpy", "PIL", "typer", "rich")),
        ("from fieldguide.cli import main; main(['--help'])", (*HEAVY, "pydantic")),
        ("from fieldguide.cli import main; main(['train', '--help'])", HEAVY),
        ("from fieldguide.cli import main; main(['status', '-C', sys.argv[1]])", ("torch", "sklearn", "matplotlib")),
        ("import fieldguide.guide", ("torch", "sklearn", "onnx", "fastapi", "matplotlib", "pydantic", "sqlite3")),
        ("import fieldguide.stages.serve", ("torch", "sklearn", "onnx", "matplotlib", "sqlite3")),
        ("import fieldguide.stages.predict", ("torch", "sklearn", "onnx", "matplotlib", "fastapi", "sqlite3")),
        ("import fieldguide.stages.build", ("torch", "timm", "onnx", "matplotlib", "fastapi")),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(code: str, absent: tuple[str, ...], project: Project) -> None:
    program = (
        "import json, sys\n"
        f"try:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "json.dump(sorted(sys.modules), sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(project.root)], env=environment(), capture_output=True, text=True
    )
    loaded = set(json.loads(result.stderr))
    assert "fieldguide" in loaded
    assert loaded.isdisjoint(absent), sorted(loaded.intersection(absent))


# ---- Ctrl-C


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["build"], "it continues where it stopped"),
        (["train"], "the features, checkpoints and folds that are finished are kept"),
        (["evaluate"], "the features and the folds that are finished are kept"),
        (["evaluate", "photos"], "it begins anew"),
        (["predict", "photos"], "it begins anew"),
    ],
)
def test_an_interrupt_says_what_the_command_has_kept(arguments: list[str], advice: str, tmp_path: Path) -> None:
    program = """
import sys
from fieldguide import api
from fieldguide.cli import main
def interrupt(*arguments, **options):
    raise OSError(28, "No space left on device") if "--full" in sys.argv else KeyboardInterrupt
api.open_project = api.evaluate = api.predict = interrupt
main(sys.argv[2:])
"""
    for trouble in ("interrupt", "--full"):
        command = [sys.executable, "-c", program, trouble, *arguments]
        result = subprocess.run(command, env=environment(), capture_output=True, text=True, cwd=tmp_path)
        assert result.stderr.splitlines()[-1].endswith(f"run the same command again: {advice}"), result.stderr
