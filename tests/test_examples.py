"""The notebooks in examples/: their cells run, in order, in one namespace, and say what they promise."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import environment
from conftest import Pictures

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run_notebook(path: Path) -> dict[str, Any]:
    """Run the cells of a notebook and return what they define; `_results` holds the value of each cell's last line."""
    space: dict[str, Any] = {"_results": []}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"] and cell["execution_count"] is None, "a notebook is kept without its outputs"
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, path.name, "exec"), space)
        if isinstance(last, ast.Expr):
            space["_results"].append(eval(compile(ast.Expression(last.value), path.name, "eval"), space))
    return space


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="training needs the extra [train]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    space = run_notebook(path)
    if path.name == "first_guide.ipynb":
        evaluated, answers = space["reports"]["evaluate"], space["_results"][-1]
        assert evaluated.accuracy[0] > 0.9
        assert "<table>" in evaluated._repr_html_()
        assert answers == list(space["COLOURS"])
    if path.name == "colours.ipynb":
        answers = space["_results"][-1]
        assert sum(name == answer for name, answer in answers.items()) >= len(answers) - 1
        assert space["evaluated"].accuracy[0] > 0.6 and space["published"].agreement == 1
        assert len(space["weighed"]) == 18 and {row["family"] for row in space["families"]} == {"svm", "logistic"}


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("recipes/*.ipynb")), ids=lambda path: path.name)
def test_a_recipe_s_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    space = run_notebook(path)
    assert space["project"].guide_folder.is_dir()
    match path.stem:
        case "rooms":
            assert [answer.class_name for answer in space["answers"]] == ["clean", "messy", "clean", "messy"]
        case "plants":
            genera = {name.split()[0] for name in space["FLOWERS"]}
            assert {answer.parent for answer in space["answers"]} <= {"", *genera}
        case "handbags":
            assert space["pretrained"].accuracy[0] > space["scratch"].accuracy[0] - 0.2
            page, picture = tmp_path / "page.html", tmp_path / "bag.png"
            space["draw_bag"]("Chanel").save(picture)
            explain = [sys.executable, EXAMPLES / "explain_network.py", space["project"].guide_folder, picture, page]
            subprocess.run(explain, env=environment(), check=True)
            text = page.read_text(encoding="utf-8")
            for heading in ("Pixels", "Convolution and ReLU", "Pooling", "The dense layer, and dropout", "Softmax"):
                assert f"<h2>{heading}</h2>" in text
            assert "Chanel" in text and "<script" not in text and "http" not in text
        case "plots":
            assert all(answer.probs for answer in space["answers"].values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["handbags", "plants", "plots", "rooms"])
def test_a_walk_through_a_recipe_ends_with_a_guide_that_answers(name: str, tmp_path: Path, pictures: Pictures) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    names = {"rooms": ["clean", "messy"], "plots": ["pie", "line"]}.get(name, ["circle", "square", "ring"])
    source = pictures(tmp_path / "pictures", names, 12)
    script = EXAMPLES / "walks" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, script, source, tmp_path / "work", "--short"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "served: " in done.stdout and "accuracy: " in done.stdout
    assert (tmp_path / "work" / name / "guide" / "MANIFEST").is_file()
    assert (tmp_path / "work" / name / "exports" / "web").is_dir()
