"""What a person sees: on terminals of 80 and 40 columns, in a pipe, with closed streams, with odd names."""

import re
import subprocess
from pathlib import Path

import pytest

from command import TIMEOUT_S, environment, ran, run, words
from conftest import Pictures, picture_bytes
from fieldguide.cli.commands import command_names
from fieldguide.project import Project
from terminal import run_on_terminal

BAR = "━"
ODD = ":rose: [bold]<b>"


@pytest.mark.parametrize("columns", [80, 40])
def test_a_bar_is_erased_before_a_report(tmp_path: Path, pictures: Pictures, columns: int) -> None:
    place = tmp_path / "place"
    ran("new", place, "--names", "circle,square")
    ran("add", pictures(tmp_path / "source", ["circle"], per_class=6), "-C", place)
    code, lines = run_on_terminal("build", "-C", place, columns=columns)  # which cleans, and then cannot split
    assert code == 5
    assert not [line for line in lines if BAR in line or "looking for copies" in line], lines
    assert lines[0].startswith("clean     6 pictures kept"), lines
    assert [line for line in lines if line.startswith("fieldguide: ")], lines


@pytest.mark.parametrize("columns", [80, 40])
def test_lines_break_at_words(built: Project, tmp_path: Path, columns: int) -> None:
    for name, place in (("status", built.root), ("build", built.root), ("split", tmp_path / "missing")):
        arguments = name, "-C", place
        result = run(*arguments)
        code, lines = run_on_terminal(*arguments, columns=columns)
        assert code == result.returncode
        shown = " ".join(lines).split()
        short = [word for word in (result.stdout + result.stderr).split() if len(word) < columns - 24]
        assert not [word for word in short if word not in shown and word != "splitting"], lines


def test_a_narrow_table_of_runs_can_be_read(built: Project) -> None:
    code, lines = run_on_terminal("compare", "-C", built.root, columns=40)
    assert not code and not [line for line in lines if "…" in line], lines
    assert any(next(built.runs_folder.iterdir()).name in line for line in lines)


def test_odd_names_are_shown_as_they_are(built: Project, tmp_path: Path) -> None:
    place, picture = tmp_path / "place", picture_bytes("circle", 1)
    ran("new", place, "--names", f"{ODD},circle")
    (tmp_path / "source" / ODD.replace("/", "")).mkdir(parents=True)
    (tmp_path / "source" / ODD / "a.png").write_bytes(picture)
    code, lines = run_on_terminal("add", tmp_path / "source", "-C", place)
    assert not code and any(ODD in line for line in lines), lines
    names = ["new\nline", "tab\tbed", "a  b", "\x1b[31mred", "\u202egnp.a", "وردة", "🌹", ":rose:[bold]"]
    for name in names:
        (tmp_path / f"{name}.png").write_bytes(picture)
    paths = [tmp_path / f"{name}.png" for name in names]
    rows = [line.split("\t") for line in ran("predict", *paths, "-C", built.root).splitlines()]
    wanted = [r"new\nline", r"tab\tbed", "a  b", r"\x1b[31mred", r"\u202egnp.a", "وردة", "🌹", ":rose:[bold]"]
    assert [row[0] for row in rows] == [str(tmp_path / f"{name}.png") for name in wanted]
    assert {len(row) for row in rows} == {4}
    code, lines = run_on_terminal("predict", *paths, "-C", built.root, columns=250)
    assert not code and len(lines) == 1 + len(names), lines
    assert all(f"{name}.png" in line for name, line in zip(wanted[2:], lines[3:], strict=True) if name.isascii())


def test_a_long_name_in_a_file_is_in_one_line(tmp_path: Path) -> None:
    name = "very " * 20 + "long"
    place = tmp_path / "place"
    ran("new", place, "--names", f"{name},circle")
    (tmp_path / "source" / name).mkdir(parents=True)
    (tmp_path / "source" / name / "a.png").write_bytes(picture_bytes("circle", 1))
    assert f" {name} " in ran("add", tmp_path / "source", "-C", place)


def test_the_program_alone_shows_its_help() -> None:
    result = run()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == run("--help").stdout


@pytest.mark.parametrize("command", ["", *command_names()])
def test_help_speaks_no_code(command: str) -> None:
    text = ran(*command.split(), "--help")
    assert "  --help" in text and not re.search(r"<[a-z]", text), text
    assert not re.search(r"\w\.\.\.", text), "a summary is cut off"


def test_help_keeps_the_names_of_tables() -> None:
    assert "[tune.space]" in ran("tune", "--help") and "[train]" in ran("train", "--help")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(project: Project, tmp_path: Path, closed: str) -> None:
    def run_closed(*arguments: str | Path) -> tuple[int, str, str]:
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", *words(*arguments)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=TIMEOUT_S)
        return result.returncode, result.stdout, result.stderr

    code, output, errors = run_closed("status", "-C", project.root, "--json")
    assert (code, errors, bool(output)) == (0, "", closed == "2>&-")
    code, output, errors = run_closed("status", "-C", tmp_path / "missing")
    assert (code, output) == (67, "") and ("no folder" in errors) == (closed == ">&-")
    assert run_closed("clean", "-C", project.root)[0] == 5  # as with all streams: there are no pictures
    project.catalog().hashes()


def test_a_reader_that_has_gone_ends_it_quietly(built: Project) -> None:
    process = subprocess.Popen(
        words("status", "-C", built.root), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stderr
    with process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_hints_name_the_project_that_was_given(project: Project) -> None:
    place = project.root.rename(project.root.parent / "my plants")
    for arguments in (["clean"], ["split"], ["train"], ["evaluate"], ["publish"], ["tune"], ["compare"], ["credits"],
                      ["predict", "x.png"], ["serve"], ["collect"]):  # fmt: skip
        result = run(*arguments, "-C", place)
        hint = result.stderr.splitlines()[-1]
        assert result.returncode, arguments
        assert re.search(rf"fieldguide [a-z]+ -C '{re.escape(str(place))}'", hint), result.stderr
        assert hint.count("-C") == hint.count("fieldguide ")
    assert f"-C '{place}'" in run("split", f"--project={place}", "--json").stderr
    hint = run("split", cwd=place).stderr.splitlines()[-1]
    assert "fieldguide clean" in hint and "-C" not in hint, hint
