"""docs/in-an-hour.md: its commands run in their order, collecting from servers on this machine."""

import json
import os
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

import fieldguide as fg
from command import environment, ran
from conftest import Pictures

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "in-an-hour.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_lead_from_names_to_a_guide(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "walks"))
    server_of = import_module("search_server").SearchServer
    (csv,) = re.findall(r"^```csv\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "names.csv").write_text(csv, encoding="utf-8")
    names = [line.partition(",")[0] for line in csv.splitlines()[1:]]
    drawn = dict(zip(names, ("circle", "square", "triangle"), strict=True))
    source = pictures(tmp_path / "web", list(drawn.values()), 16)
    found = {name: sorted((source / shape).iterdir()) for name, shape in drawn.items()}
    commands = re.findall(r"^\$ (fieldguide .*)$", PAGE, re.MULTILINE)
    assert [command.split()[1] for command in commands] == [
        "new", "collect", "collect", "clean", "review", "build", "predict", "credits", "export"]  # fmt: skip
    before = {**environment(), "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    with server_of(found) as server:
        for command in commands:
            words = shlex.split(command)[1:]
            if words[0] == "predict":  # a search engine states no licence, so the guide shows no examples
                words[1] = str(source)
            ran(*words, cwd=tmp_path, env=before)
            if words[0] == "new":
                quick = {"split.features_alike": 1.0, "train.depth": "top", "train.views": 1, "train.folds": 3,
                         "evaluate.folds": 3, "evaluate.saliency": 0, "evaluate.robustness": 0,
                         "evaluate.growth": False, "collect.per_class": 16}  # fmt: skip
                fg.open_project(tmp_path / "flowers").write_settings({**server.settings(), **quick})
    project = fg.open_project(tmp_path / "flowers")
    assert set(project.open_guide().class_names) == set(names)
    assert (tmp_path / "flowers" / "exports" / "web" / "index.html").is_file()
    assert json.loads(ran("status", "-C", project.folder, "--json"))["next_command"].startswith("fieldguide serve")
    again = fg.new(tmp_path / "others", recipe=str(tmp_path / "flowers"))
    assert again.settings.classes == project.settings.classes
