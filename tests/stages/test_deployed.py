"""What `deploy` writes, put to work: images built and run from their Dockerfiles in a Debian root, the steps of Heroku
and of Elastic Beanstalk there, and a static site in a real browser.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_deploy import KEY, check_answers, deploy, free_port, process_of, wait_until_ready
from test_serve import PICTURE

from command import check_two_lines
from containers import Image, build_image, debian_root, in_image, run_step, running, size_of
from fieldguide.exporters.web import WebExporter
from fieldguide.guide import open_guide
from fieldguide.project import Project

pytestmark = pytest.mark.slow
SLUG_LIMIT = 500_000_000  # bytes that Heroku takes
IMAGE_LIMIT = 300_000_000  # on top of what the image begins with
BUNDLE_LIMIT = 512_000_000  # that Elastic Beanstalk takes


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Debian root with Python, which nobody changes."""
    own = tmp_path_factory.getbasetemp()
    return debian_root(own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own)


@contextmanager
def serving(image: Image, variables: Mapping[str, str], guide: Path) -> Iterator[str]:
    """Run the server of an image, check that it answers as the guide does, and yield its port."""
    port = free_port()
    with running(image, {**variables, "PORT": port, "FIELDGUIDE_API_KEY": KEY}) as process:
        wait_until_ready(process, port)
        check_answers(port, guide)
        yield port


@pytest.mark.parametrize("to", ["docker", "spaces"])
def test_an_image_is_built_and_serves_as_nobody(built: Project, to: str, base: Path, tmp_path: Path) -> None:
    deploy(built, to)
    image = build_image(built.root / "deploy" / to, base, tmp_path)
    user, _, group = image.user.partition(":")
    assert user == group == ("1000" if to == "spaces" else "65532")
    assert size_of(image.root) - size_of(base) < IMAGE_LIMIT
    assert not list((image.root / "opt").rglob("torch"))
    with serving(image, {}, built.guide_folder) as port:
        healthy = subprocess.run(in_image(image, {"PORT": port}, image.health), capture_output=True, check=False)
        assert healthy.returncode == 0, healthy.stderr
        words = ("sh", "-c", "touch /srv/x || touch /opt/x || touch /x || touch /tmp/x && echo only in /tmp")
        tried = subprocess.run(in_image(image, {}, words), capture_output=True, text=True, check=False)
        assert tried.stdout == "only in /tmp\n" and tried.stderr.count("Read-only file system") == 3
    sick = subprocess.run(in_image(image, {"PORT": port}, image.health), capture_output=True, check=False)
    assert sick.returncode != 0
    refused = subprocess.run(in_image(image, {}, image.command), capture_output=True, text=True, check=False)
    check_two_lines(refused, 78, "it needs an API key")


@pytest.mark.parametrize(("to", "app"), [("heroku", "/app"), ("elastic-beanstalk", "/var/app/current")])
def test_the_steps_of_a_platform_end_in_a_server(built: Project, to: str, app: str, base: Path, tmp_path: Path) -> None:
    """Do what its documentation says it does: a clean environment, pip in the folder, the line of the Procfile."""
    folder = built.root / "deploy" / to
    deploy(built, to)
    subprocess.run(["cp", "-a", "--reflink=auto", base, tmp_path / "root"], check=True)
    place = tmp_path / "root" / app.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", folder, place], check=True)
    image = Image(tmp_path / "root", {"PATH": "/usr/bin:/bin"}, app)
    run_step(image, "python -m venv /opt/platform && /opt/platform/bin/pip install --no-cache-dir -r requirements.txt")
    taken = size_of(place) + size_of(tmp_path / "root" / "opt")
    assert taken < SLUG_LIMIT and size_of(folder) < BUNDLE_LIMIT
    image = replace(
        image, environment={"PATH": "/opt/platform/bin:/usr/bin:/bin"}, user="1000:1000",
        command=("/bin/sh", "-c", process_of(folder)),
    )  # fmt: skip
    with serving(image, {}, built.guide_folder):
        pass
    if to == "heroku":
        assert (folder / ".python-version").read_text().strip() in "3.13"
        assert json.loads((folder / "app.json").read_text())["env"]["FIELDGUIDE_API_KEY"]["generator"] == "secret"
    else:
        assert "HealthCheckPath: /health" in (folder / ".ebextensions" / "fieldguide.config").read_text()


@pytest.mark.browser
def test_a_static_site_answers_in_a_browser_as_the_guide_does(built: Project) -> None:
    report = deploy(built, "static")
    folder = built.root / "deploy" / "static"
    site, wanted = folder / "site", open_guide(built.guide_folder).classify(PICTURE)
    assert str(folder) == report.folder and (folder / "netlify.toml").is_file()
    assert "path: site" in (folder / ".github" / "workflows" / "pages.yml").read_text()
    assert "Content-Security-Policy" in (site / "_headers").read_text() and (site / ".nojekyll").is_file()
    with WebExporter().open(site) as page:
        answer = page.classify(PICTURE)
    names = open_guide(built.guide_folder).class_names
    probs = dict(zip(names, map(float, answer.probs), strict=True))
    assert probs == pytest.approx(wanted.probs, abs=1e-4) and answer.declined == wanted.declined
    assert not deploy(built, "static").written
