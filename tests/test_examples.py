"""The notebooks in examples/: their cells run, in order, in one namespace, and say what they promise."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

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
