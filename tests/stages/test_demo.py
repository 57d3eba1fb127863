"""The demo: names, drawings, a guide, all of it offline; a second time goes on and does nothing anew."""

import json
from pathlib import Path

import pytest

from command import check_two_lines, ran, run
from fieldguide.guide import open_guide
from fieldguide.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo_folder(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a demo of ten charts of each kind; return its folder."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    place = tmp_path_factory.mktemp("demo") / "demo"
    output = ran("demo", place, "--per-class", "10")
    steps = [line.split()[0] for line in output.splitlines() if not line.startswith((" ", str(place)))]
    assert steps == ["collect", "clean", "split", "train", "evaluate", "publish"]
    assert sum(line.startswith(str(place / "fresh")) for line in output.splitlines()) == 14
    return place


def test_the_demo_ends_with_a_guide(demo_folder: Path) -> None:
    from fieldguide_charts import CLASS_NAMES

    guide = open_guide(demo_folder / "guide")
    assert set(guide.class_names) == set(CLASS_NAMES)
    assert all(entry["about"] and entry["links"] and entry["examples"] for entry in guide.about["classes"])
    assert all(
        link["label"] and link["url"].startswith("https://")
        for entry in guide.about["classes"]
        for link in entry["links"]
    )
    answers = json.loads(ran("predict", demo_folder / "guide" / "examples", "--guide", demo_folder / "guide", "--json"))
    assert len(answers) == sum(len(entry["examples"]) for entry in guide.about["classes"])
    assert (demo_folder / "guide" / "CREDITS.csv").read_text().count("CC0-1.0") >= 10 * len(CLASS_NAMES) * 0.5


def test_a_second_demo_does_nothing_anew(demo_folder: Path) -> None:
    def files() -> dict[str, int]:
        paths = [
            path for path in demo_folder.rglob("*") if path.is_file() and not path.name.startswith((".lock", "catalog"))
        ]
        return {str(path): path.stat().st_mtime_ns for path in paths}

    before = files()
    output = ran("demo", demo_folder, "--per-class", "10")
    assert files() == before
    assert "new " not in output and "publish" in output
    with Project(demo_folder).catalog() as catalog:
        assert catalog.count_looks() == 1  # by evaluate: publish reads its answers


def test_a_demo_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    check_two_lines(run("demo", tmp_path), 73, "already holds files")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    check_two_lines(run("demo", tmp_path / "x", "--per-class", "5"), 2, "10")
