"""Builds and runs what a Dockerfile describes where there is no Docker: a Debian root stands for the base image, each
step runs in it by chroot, and the server runs in it as its user, on a root that is read-only.

Only what the Dockerfiles of `fieldguide deploy` use is known; anything else is an error.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import pytest

from command import TIMEOUT_S

SUITE = "trixie"  # that of the base image
_PYTHON = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
_TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")  # how this machine reaches an index, and nothing else
_FROM_HERE = ("/etc/resolv.conf", "/etc/hosts")


def debian_root(folder: Path) -> Path:
    """Return a Debian root with Python, made once for all tests that run at once, or skip where none can be made.

    FIELDGUIDE_DEBIAN_ROOT names one that is there already.
    """
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "chroot"))):
        pytest.skip("a root file system is for the superuser of Linux")
    if ready := os.environ.get("FIELDGUIDE_DEBIAN_ROOT"):
        return Path(ready)
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed")
    root = folder / "debian"
    with (folder / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "made").exists():
            made = subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={_PYTHON}", SUITE, root],
                capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
            if made.returncode:
                pytest.skip(f"debootstrap cannot make a root: {made.stdout[-200:]}")
            (root / "made").touch()
    return root


@dataclass(frozen=True)
class Image:
    """What a Dockerfile made.

    Attributes:
        root: its files.
        environment: its variables.
        folder: where its processes run.
        user: as whom, as uid:gid.
        command: what it runs.
        health: what tells whether it is well.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


def build_image(folder: Path, base: Path, place: Path) -> Image:
    """Build what the Dockerfile in a folder describes; `base` stands for the images that it begins with."""
    stages: dict[str, Image] = {}
    image, name = Image(base), ""
    for word, rest in _steps((folder / "Dockerfile").read_text()):
        if word == "FROM":
            assert re.fullmatch(rf"python:3\.13-slim-{SUITE}( AS \w+)?", rest), rest
            name = rest.partition(" AS ")[2] or "last"
            subprocess.run(["cp", "-a", "--reflink=auto", base, place / name], check=True)
            image = Image(place / name, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
        elif word == "COPY":
            _copy(rest, folder, image, stages)
        elif word == "RUN":
            run_step(image, rest)
        else:
            image = _set(image, word, rest)
        stages[name] = image
    return image


def _steps(text: str) -> Iterator[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            yield word, rest


def _set(image: Image, word: str, rest: str) -> Image:
    """Return the image after a step that changes no file of it but a folder."""
    match word:
        case "WORKDIR":
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            return replace(image, folder=rest)
        case "ENV":
            pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
            return replace(image, environment={**image.environment, **pairs})
        case "USER":
            return replace(image, user=rest)
        case "CMD":
            return replace(image, command=tuple(json.loads(rest)))
        case "HEALTHCHECK":
            return replace(image, health=tuple(json.loads(rest.partition(" CMD ")[2])))
        case "EXPOSE":
            return image
    raise AssertionError(f"{word} is not known here")


def _copy(rest: str, folder: Path, image: Image, stages: Mapping[str, Image]) -> None:
    """Copy files, of the folder only those that .dockerignore lets through."""
    words = rest.split()
    source, within = folder, _context(folder)
    if words[0].startswith("--from="):
        source, within = stages[words.pop(0).removeprefix("--from=")].root, lambda name: True
    *names, target = words
    place = image.root / (target if target.startswith("/") else f"{image.folder}/{target}").lstrip("/")
    for name in names:
        path = source / name.lstrip("/")
        assert within(name) and path.exists(), f"{name} is not in what is built from"
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(path, place / path.name if target.endswith("/") else place)


def _context(folder: Path) -> Callable[[str], bool]:
    """Return what tells whether a name at the top of the folder is sent to the builder."""
    rules = (folder / ".dockerignore").read_text().split()
    assert rules[0] == "*"
    return lambda name: any(fnmatch(name, rule[1:]) for rule in rules[1:])


def run_step(image: Image, command: str) -> None:
    """Run a step as the superuser, with the network of this machine and its trust; neither stays in the image."""
    mounts = []
    for name in {*_FROM_HERE, *(os.environ[key] for key in _TRUST if key in os.environ)}:
        if Path(name).is_file():
            mounts.append(f"touch {image.root}{name} && mount --bind {shlex.quote(name)} {image.root}{name}")
    trust = {key: os.environ[key] for key in _TRUST if key in os.environ}
    script = " && ".join([*_mounts(image.root), *mounts, _chroot(image, "0:0", trust, ("/bin/sh", "-c", command))])
    done = subprocess.run(_alone(script), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def _mounts(root: Path) -> list[str]:
    return [f"mount -t proc proc {root}/proc", f"mount -t tmpfs tmpfs {root}/dev/shm",
            f"mount -t tmpfs tmpfs {root}/tmp"]  # fmt: skip


def _alone(script: str) -> list[str]:
    """Return the command line of a script whose mounts nobody else sees, and which end with it."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]


def _chroot(image: Image, user: str, variables: Mapping[str, str], command: tuple[str, ...]) -> str:
    known = {"HOME": "/", **image.environment, **variables}
    inside = f"cd {image.folder} && exec {shlex.join(command)}"
    words = ["exec", "chroot", f"--userspec={user}", str(image.root), "/usr/bin/env", "-i"]
    return shlex.join([*words, *(f"{key}={value}" for key, value in known.items()), "/bin/sh", "-c", inside])


def in_image(image: Image, variables: Mapping[str, str], command: tuple[str, ...]) -> list[str]:
    """Return the command line of a process in a container: as its user, with no capability, the root read-only."""
    script = [f"mkdir -p {image.root}/dev/shm", f"mount --bind {image.root} {image.root}", *_mounts(image.root),
              f"mount -o remount,ro,bind {image.root}", _chroot(image, image.user, variables, command)]  # fmt: skip
    return _alone(" && ".join(script))


@contextmanager
def running(image: Image, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run an image's command inside the block, with these variables too."""
    process = subprocess.Popen(
        in_image(image, variables, image.command), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
        process.terminate()  # it alone, as a platform does: whatever it began has to end with it
        process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=TIMEOUT_S)


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder, each once."""
    files = {(row.st_dev, row.st_ino): row.st_size for row in map(Path.lstat, folder.rglob("*"))}
    return sum(files.values())
