"""A recipe from its names to a guide that is served, by the public commands alone; what the walks of all recipes share.

Each walk takes a folder with a folder of pictures for each class: real ones, or drawn ones for a short form. A search
server on this machine offers them, so that collecting is done as it is from the web. The recipe's own names are taken
where the folders have them; else the folders' names stand in for them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fieldguide as fg
from search_server import SearchServer

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
# of a short form: the same stages, each with little to do
SHORT = {
    "clean.labels": "off",
    "clean.outliers": "off",
    "split.features_alike": 1.0,
    "train.depth": "top",
    "train.fit": "squash",
    "train.views": 1,
    "train.folds": 3,
    "train.strengths": [0.01, 0.1],
    "evaluate.folds": 3,
    "evaluate.saliency": 0,
    "evaluate.robustness": 0,
    "evaluate.growth": False,
}


@dataclass
class Walk:
    """One walk: where its project is, and how it is run."""

    recipe: str
    pictures: Path
    folder: Path
    short: bool = False
    changed: dict[str, object] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The project folder."""
        return self.folder / self.recipe

    def run(self, *words: object) -> str:
        """Run a command in the project, show it, and return its report as JSON."""
        command = ["fieldguide", *map(str, words), "-C", str(self.project)]
        print("$", *command, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", *command, "--json"], stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False
        )
        if done.returncode:
            sys.exit(f"it ended with {done.returncode}")
        return done.stdout

    def report(self, *words: object) -> dict[str, Any]:
        """Run a command and return its report."""
        report: dict[str, Any] = json.loads(self.run(*words))
        return report


def read_arguments(recipe: str, about: str) -> Walk:
    """Return the walk that the command line asks for."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("pictures", type=Path, help="a folder with a folder of pictures for each class")
    parser.add_argument("folder", type=Path, help="where the project is made")
    parser.add_argument("--short", action="store_true", help="the same stages, each with little to do")
    given = parser.parse_args()
    return Walk(recipe, given.pictures.resolve(), given.folder.resolve(), given.short)


def make(walk: Walk, per_class: int) -> None:
    """Make the project and collect its pictures from a search server on this machine."""
    names = sorted(path.name for path in walk.pictures.iterdir() if path.is_dir())
    recipe = _recipe_with(walk, names)
    project = fg.new(walk.project, recipe=recipe)
    print(f"$ fieldguide new {walk.project} --recipe {recipe}", flush=True)
    files = {
        name: sorted(path for path in (walk.pictures / name).iterdir() if path.suffix.lower() in PICTURES)
        for name in names
    }
    with SearchServer(_share_out(project, files)) as server:
        settings = {**server.settings(), "collect.contact": "you@example.org", "collect.per_class": per_class}
        project.write_settings({**settings, **(SHORT if walk.short else {}), **walk.changed})
        walk.run("collect", "--dry-run")
        found = walk.report("collect")["found"]
    print(f"collected {sum(found.values())} pictures of {len(found)} classes")


def _recipe_with(walk: Walk, names: Sequence[str]) -> str:
    """Return the recipe; where the folders have other names, one of one's own with those."""
    own = fg.new(walk.folder / "names", recipe=walk.recipe).settings.classes
    if set(names) <= set(own):
        return walk.recipe
    text = (RECIPES / walk.recipe / "fieldguide.toml").read_text(encoding="utf-8").partition("\n[classes.")[0]
    classes = "\n".join(f"[classes.{json.dumps(name, ensure_ascii=False)}]" for name in names)
    folder = walk.folder / f"my-{walk.recipe}"
    folder.mkdir(parents=True)
    (folder / "fieldguide.toml").write_text(f"{text}\n{classes}\n", encoding="utf-8")
    return str(folder)


def _share_out(project: fg.Project, files: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
    """Return which pictures each query finds: those of its class, each by two of its queries where there are more."""
    settings, found = project.settings, {}
    for class_name, entry in settings.classes.items():
        words = entry.queries or (class_name,)
        queries = [template.format(name=word) for template in settings.collect.queries for word in words]
        pictures = files.get(class_name, [])
        for number, query in enumerate(queries):
            own = [path for place, path in enumerate(pictures) if (place - number) % len(queries) < 2]
            found[query] = own
    return found


def review(walk: Walk) -> None:
    """Drop the picture that looks worst, as a person would in the studio, and take it back."""
    worst = walk.report("review")["pictures"][:1]
    for picture in worst:
        walk.run("decide", "--drop", picture["sha256"])
        walk.run("decide", "--undo")


def ask(walk: Walk) -> dict[str, Any]:
    """Serve the guide, ask it about a picture over HTTP, and return the answer."""
    command = [sys.executable, "-m", "fieldguide", "serve", "--port", "0", "-C", str(walk.project)]
    print("$ fieldguide serve", flush=True)
    picture = next(path for path in sorted(walk.pictures.rglob("*")) if path.suffix.lower() in PICTURES)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stderr is not None
            address = next(word for line in server.stderr for word in line.split() if word.startswith("http://"))
            request = urllib.request.Request(
                f"{address.rstrip('/')}/v1/classify", picture.read_bytes(), {"Content-Type": "image/jpeg"}
            )
            with urllib.request.urlopen(request, timeout=120) as reply:
                answer: dict[str, Any] = json.load(reply)
        finally:
            server.terminate()
    return answer


def finish(walk: Walk, forms: Sequence[str]) -> None:
    """Evaluate, publish, export, make a folder to deploy, ask the guide, and say how good it is."""
    started = time.monotonic()
    evaluated = walk.report("evaluate")
    walk.run("publish")
    for form in forms:
        walk.run("export", "--to", form)
    walk.run("export-data", "--to", "csv")
    walk.run("deploy", "--to", "heroku")
    walk.run("predict", walk.pictures)
    print("served:", json.dumps(ask(walk))[:200])
    for name in ("accuracy", "grouped", "careless"):
        if evaluated.get(name):
            share, low, high = evaluated[name]
            print(f"{name}: {share:.1%} (95 %: {low:.1%} to {high:.1%})")
    print(f"done in {time.monotonic() - started:.0f} s; the report: {evaluated['report']}")
