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
    """What a started program sees: this checkout, and one thread per library so that tests do not fight for cores."""
    kept = {key: value for key, value in os.environ.items() if key != "FIELDGUIDE_DEBUG"}
    source = str(Path(fieldguide.__file__).resolve().parents[1])
    path = os.pathsep.join([source, *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def words(*arguments: str | Path) -> list[str]:
    """The command line that runs the program."""
    return [sys.executable, "-m", "fieldguide", *map(str, arguments)]


def run(*arguments: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """The finished program: its exit code, output and errors."""
    how = {"env": environment(), "timeout": TIMEOUT_S, "stdin": subprocess.DEVNULL, **how}
    return subprocess.run(words(*arguments), capture_output=True, text=True, encoding="utf-8", **how)


def start(*arguments: str | Path, **how: Any) -> subprocess.Popen[str]:
    """The running program, its output and errors readable; whoever starts it ends it."""
    how = {
        "env": environment(),
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **how,
    }
    return subprocess.Popen(words(*arguments), text=True, encoding="utf-8", **how)


def ran(*arguments: str | Path, **how: Any) -> str:
    """The output of a run that went well."""
    done = run(*arguments, **how)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
    return done.stdout


def check_two_lines(done: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """Check that the program ended with that code and two lines that hold these words, after progress alone."""
    lines = done.stderr.splitlines()
    assert done.returncode == code, f"exit code {done.returncode}, wanted {code}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert len(lines) >= 2, done.stderr
    problem, hint = lines[-2:]
    assert problem.startswith("fieldguide: ") and len(problem) > len("fieldguide: "), done.stderr
    assert hint.startswith("  ") and hint.strip(), done.stderr
    assert not any(line.startswith(("fieldguide:", "  ")) for line in lines[:-2]), done.stderr
    for one in said:
        assert one in problem + hint, f"{one!r} is not in:\n{done.stderr}"


def set_key(settings: Path, section: str, line: str) -> None:
    """Set a line of a section of fieldguide.toml, whatever its key was before."""
    key = line.partition("=")[0].strip()
    found: Sequence[str] = settings.read_text(encoding="utf-8").splitlines()
    kept, at = [], ""
    for one in found:
        if one.startswith("["):
            at = one.partition("]")[0].strip("[")
        if at == section and one.partition("=")[0].strip() == key:
            continue
        kept.append(one)
        if one.startswith(f"[{section}]"):
            kept.append(line)
    if f"[{section}]" not in "".join(one.partition("]")[0] + "]" for one in found if one.startswith("[")):
        kept += [f"[{section}]", line]
    settings.write_text("\n".join(kept) + "\n", encoding="utf-8")
