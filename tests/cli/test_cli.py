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
    """The one JSON value that a command prints, and nothing beside it."""
    return json.loads(ran(*arguments, "--json"))


@pytest.mark.parametrize("command", ["", *command_names()])
def test_every_command_answers_help(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0 and not done.stderr
    assert f"fieldguide {command}".strip() in done.stdout
    assert "--help" in done.stdout
    if not command:
        assert all(f" {name} " in done.stdout for name in command_names())


def test_a_preset_that_is_typed_goes_before_an_own_space(tmp_path: Path) -> None:
    ran("new", tmp_path / "plants")
    set_key(tmp_path / "plants" / "fieldguide.toml", "tune", 'space = {"loop.lr" = 1}')
    own, typed = run("tune", "-C", tmp_path / "plants"), run("tune", "-C", tmp_path / "plants", "--preset", "usual")
    assert "gives nothing to choose from" in own.stderr
    assert typed.returncode and "choose from" not in typed.stderr and "split" in typed.stderr


def test_no_arguments_show_the_help() -> None:
    done = run()
    assert "fieldguide [OPTIONS] COMMAND" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


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
    for asked in (run("status", "-C", tmp_path, "--debug"), run("--debug", "status", "-C", tmp_path)):
        assert "Traceback" in asked.stderr and "ProjectMissing" in asked.stderr
        assert asked.returncode == 66
        assert asked.stderr.endswith(plain.stderr)
    env = {**environment(), "FIELDGUIDE_DEBUG": "1"}
    assert "Traceback" in run("status", "-C", tmp_path, env=env).stderr


def test_errors_are_json_for_programs(tmp_path: Path) -> None:
    done = run("status", "-C", tmp_path, "--json")
    assert done.returncode == 66 and not done.stdout
    said = json.loads(done.stderr)
    assert said["exit_code"] == 66 and "fieldguide.toml" in said["error"] and said["hint"]


def test_the_first_reports_are_json(tmp_path: Path, pictures: Pictures) -> None:
    place = tmp_path / "place"
    made = read_json("new", place, "--names", "circle,square,Роза")
    assert made == {"folder": str(place), "class_names": ["circle", "square", "Роза"], "sources": []}
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


def test_the_later_reports_are_json(built: Project) -> None:
    place = built.root
    reports = read_json("build", "-C", place)
    assert list(reports) == ["clean", "split", "train", "evaluate", "publish"]
    for stage in reports:
        assert read_json(stage, "-C", place) == reports[stage]
    answers = read_json("predict", place / "guide" / "examples", place / "fieldguide.toml", "-C", place)
    assert len(answers) == 13
    assert all(abs(sum(one["probs"].values()) - 1) < 1e-4 for one in answers[:-1])
    assert answers[-1]["error"] and not answers[-1]["probs"]


def test_collect_is_json(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    place = tmp_path / "place"
    from fieldguide_charts import CLASS_NAMES

    ran("new", place, "--names", ",".join(CLASS_NAMES[:2]), "--source", "drawn")
    set_key(place / "fieldguide.toml", "collect", "per_class = 2")
    found = read_json("collect", "-C", place)
    assert found["asked"] == 2 and found["found"] == dict.fromkeys(sorted(CLASS_NAMES[:2]), 2)


def test_a_project_that_can_collect_at_once(tmp_path: Path) -> None:
    place = tmp_path / "place"
    ran("new", place, "--names", "a,b", "--source", "openverse", "--source", "cleveland", "--contact", "me@example.org")
    plan = read_json("collect", "-C", place, "--dry-run")["plan"]
    assert [line.partition(":")[0] for line in plan[1:3]] == ["openverse", "cleveland"]
    done = run("new", tmp_path / "other", "--names", "a,b", "--source", "opnverse")
    check_two_lines(done, 78, "opnverse", "openverse")


def test_a_reader_that_leaves_early(built: Project) -> None:
    place = built.root
    for arguments in (["--help"], ["status", "-C", place], ["status", "-C", place, "--json"],
                      ["predict", place / "guide" / "examples", "-C", place]):  # fmt: skip
        started = subprocess.Popen(
            words(*arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert started.stdout and started.stderr
        with started:
            started.stdout.close()
            said = started.stderr.read()
        assert "Traceback" not in said and "Error" not in said and "fault" not in said, said
        assert started.returncode in (0, 1, 141)


def test_answers_that_the_terminal_cannot_write(built: Project) -> None:
    picture = built.root / "Роза.png"
    picture.write_bytes(next((built.guide_folder / "examples").glob("*.jpg")).read_bytes())
    env = {**environment(), "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    for more in ([], ["--json"]):
        done = run("predict", picture, "-C", built.root, *more, env=env)
        assert done.returncode == 0, done.stderr


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
    done = subprocess.run(
        [sys.executable, "-c", program, str(project.root)], env=environment(), capture_output=True, text=True
    )
    loaded = set(json.loads(done.stderr))
    assert "fieldguide" in loaded
    assert loaded.isdisjoint(absent), sorted(loaded.intersection(absent))
