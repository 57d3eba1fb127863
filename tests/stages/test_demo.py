"""The demo: names, drawings, a guide, all of it offline; a second time goes on and does nothing anew."""

import json
from pathlib import Path

import pytest

from command import check_two_lines, ran, run
from fieldguide.guide import open_guide
from fieldguide.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo of ten charts of each kind."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    place = tmp_path_factory.mktemp("demo") / "demo"
    shown = ran("demo", place, "--per-class", "10")
    steps = [line.split()[0] for line in shown.splitlines() if not line.startswith((" ", str(place)))]
    assert steps == ["collect", "clean", "split", "train", "evaluate", "publish"]
    assert sum(line.startswith(str(place / "fresh")) for line in shown.splitlines()) == 14
    return place


def test_the_demo_ends_with_a_guide(drawn: Path) -> None:
    from fieldguide_charts import CLASS_NAMES

    guide = open_guide(drawn / "guide")
    assert set(guide.class_names) == set(CLASS_NAMES)
    assert all(one["about"] and one["links"] and one["examples"] for one in guide.about["classes"])
    assert all(link.startswith("https://") for one in guide.about["classes"] for link in one["links"])
    answers = json.loads(ran("predict", drawn / "guide" / "examples", "--guide", drawn / "guide", "--json"))
    assert len(answers) == sum(len(one["examples"]) for one in guide.about["classes"])
    assert (drawn / "guide" / "CREDITS.csv").read_text().count("CC0-1.0") >= 10 * len(CLASS_NAMES) * 0.5


def test_a_second_demo_does_nothing_anew(drawn: Path) -> None:
    def files() -> dict[str, int]:
        paths = [path for path in drawn.rglob("*") if path.is_file() and not path.name.startswith((".lock", "catalog"))]
        return {str(path): path.stat().st_mtime_ns for path in paths}

    before = files()
    shown = ran("demo", drawn, "--per-class", "10")
    assert files() == before
    assert "new " not in shown and "publish" in shown
    with Project(drawn).catalog() as catalog:
        assert catalog.count_looks() == 2  # by evaluate, and by publish for what it promises


def test_a_demo_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    check_two_lines(run("demo", tmp_path), 73, "already holds files")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    check_two_lines(run("demo", tmp_path / "x", "--per-class", "5"), 2, "10")
