"""The documentation: references are current, commands in the README run, exit codes are the real ones."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from conftest import Pictures
from fieldguide import errors

ROOT = Path(__file__).resolve().parents[1]


def test_references_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_exit_codes_are_written_down() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    named = [kind for kind in kinds if issubclass(kind, errors.FieldguideError) and kind is not errors.FieldguideError]
    for kind in named:
        assert f"| {kind.exit_code} | `{kind.__name__}`" in text
    assert len({kind.exit_code for kind in named}) == len(named)


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_are_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_the_walk_in_the_readme_runs(tmp_path: Path, pictures: Pictures) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- run by tests/test_docs.py -->")[2]
    commands = text.split("```")[1].strip().splitlines()
    assert commands[-1].startswith("fieldguide serve")  # it would not end: tests/test_serve.py runs it
    pictures(tmp_path / "photos", ["rose", "tulip", "iris"], 6)
    for command in commands[:-1]:
        words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", "fieldguide", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (tmp_path / "plants" / "guide" / "model.onnx").is_file()
