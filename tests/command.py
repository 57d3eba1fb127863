"""The program in a process of its own, as a person runs it, and what is asked of its errors."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fieldguide

TIMEOUT_S = 800


def environment() -> dict[str, str]:
    """Return what a started program sees: this checkout, and one thread per library, as tests share the cores."""
    variables = {key: value for key, value in os.environ.items() if key != "FIELDGUIDE_DEBUG"}
    source = str(Path(fieldguide.__file__).resolve().parents[1])
    path = os.pathsep.join([source, *filter(None, [variables.get("PYTHONPATH")])])
    return {**variables, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def words(*arguments: str | Path) -> list[str]:
    """Return the command line that runs the program."""
    return [sys.executable, "-m", "fieldguide", *map(str, arguments)]


def run(*arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; return its exit code, output and errors."""
    how = {"env": environment(), "timeout": TIMEOUT_S, "stdin": subprocess.DEVNULL, **how}
    return subprocess.run(words(*arguments), capture_output=True, text=True, encoding="utf-8", **how)


def start(*arguments: str | Path, **how: Any) -> subprocess.Popen[str]:
    """Start the program, its output and errors readable; whoever starts it ends it."""
    how = {
        "env": environment(),
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **how,
    }
    return subprocess.Popen(words(*arguments), text=True, encoding="utf-8", **how)


def ran(*arguments: str | Path, **how: Any) -> str:
    """Run the program, check that it went well, and return its output."""
    result = run(*arguments, **how)
    assert result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stderr}"
    return result.stdout


def check_two_lines(result: subprocess.CompletedProcess[str], code: int, *expected: str) -> None:
    """Check that the program ended with that code and two lines that hold these words, after progress alone."""
    lines = result.stderr.splitlines()
    assert result.returncode == code, f"exit code {result.returncode}, wanted {code}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    assert len(lines) >= 2, result.stderr
    problem, hint = lines[-2:]
    assert problem.startswith("fieldguide: ") and len(problem) > len("fieldguide: "), result.stderr
    assert hint.startswith("  ") and hint.strip(), result.stderr
    assert not any(line.startswith(("fieldguide:", "  ")) for line in lines[:-2]), result.stderr
    for text in expected:
        assert text in problem + hint, f"{text!r} is not in:\n{result.stderr}"


def set_key(settings: Path, section: str, line: str) -> None:
    """Set a line of a section of fieldguide.toml, whatever its key was before."""
    key = line.partition("=")[0].strip()
    old_lines: Sequence[str] = settings.read_text(encoding="utf-8").splitlines()
    new_lines, at = [], ""
    for old_line in old_lines:
        if old_line.startswith("["):
            at = old_line.partition("]")[0].strip("[")
        if at == section and old_line.partition("=")[0].strip() == key:
            continue
        new_lines.append(old_line)
        if old_line.startswith(f"[{section}]"):
            new_lines.append(line)
    if f"[{section}]" not in "".join(
        old_line.partition("]")[0] + "]" for old_line in old_lines if old_line.startswith("[")
    ):
        new_lines += [f"[{section}]", line]
    settings.write_text("\n".join(new_lines) + "\n", encoding="utf-8")
