"""Runs benchmarks and keeps what they print: `docs/measured.md` shows it as it stands.

`python benchmarks/run.py` runs them all, `run.py accuracy start` some, `run.py learners -- rooms handbags` one with
arguments. What a run prints is kept in `benchmarks/results/` with its date and commit, and the page is written anew.
Run it on a quiet machine: the load stands beside the figures.
"""

import argparse
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
GENERATE = FOLDER.parent / "docs" / "generate.py"


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def run_benchmark(name: str, arguments: Sequence[str]) -> str:
    """Run a benchmark, pass on what it prints as it comes, and return it.

    Raises:
        SystemExit: it failed.
    """
    lines = []
    command = [sys.executable, str(FOLDER / f"bench_{name}.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
    if child.returncode:
        raise SystemExit(f"{name} failed; {RESULTS / name}.md is as it was")
    return "".join(lines)


def describe_run(name: str, arguments: Sequence[str], seconds: float) -> str:
    """Return the line above the figures: the command, the day, the commit, and how long it took."""
    words = ["git", "-C", str(FOLDER), "describe", "--always", "--dirty", "--exclude=*"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    commit = finished.stdout.strip() or "unknown"
    command = shlex.join([f"bench_{name}.py", *arguments])
    return f"`{command}`, {date.today().isoformat()}, commit {commit}, {seconds:.0f} s in all:"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(benchmark_names()))
    words = sys.argv[1:]
    arguments = words[words.index("--") + 1 :] if "--" in words else []
    names = parser.parse_args(words[: words.index("--")] if "--" in words else words).names or benchmark_names()
    if unknown := [name for name in names if name not in benchmark_names()]:
        parser.error(f"there is no benchmark called {', '.join(unknown)}")
    if arguments and len(names) != 1:
        parser.error("arguments behind -- are those of one benchmark")
    for name in names:
        sys.stdout.write(f"== {name}\n")
        start = time.perf_counter()
        printed = run_benchmark(name, arguments)
        if "--small" in arguments or re.search("^skipped:", printed, re.MULTILINE):
            continue  # those figures mean nothing
        heading = describe_run(name, arguments, time.perf_counter() - start)
        (RESULTS / f"{name}.md").write_text(f"{heading}\n\n```text\n{printed.strip()}\n```\n", encoding="utf-8")
        subprocess.run([sys.executable, str(GENERATE)], check=True)


if __name__ == "__main__":
    main()
