"""Makes the picture of the studio that the README and `review.md` show, on charts that this program draws.

`python docs/pictures.py` writes `docs/studio.png`. It needs Chromium and the built pages (`make pages`).
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import fieldguide as fg
from fieldguide_charts import draw

TARGET = Path(__file__).parent / "studio.png"
CLASSES = ("area", "box", "line", "pie", "radar", "scatter")
PER_CLASS = 30
MISTAKEN = {"area": "line", "pie": "radar", "scatter": "box", "line": "scatter"}  # a folder, and where two of it are
WIDTH, HEIGHT = 1280, 800


def make_project(folder: Path) -> fg.Project:
    """Make a project of drawn charts: some lie in the wrong folder, some in two, some are there twice."""
    photos = folder / "charts"
    for place, name in enumerate(CLASSES):
        (photos / name).mkdir(parents=True)
        for number in range(PER_CLASS):
            drawing = draw(name, 1000 * place + number)
            (photos / name / f"{number:03}.{drawing.suffix}").write_bytes(drawing.data)
    for name, other in MISTAKEN.items():
        first, second, third, fourth = sorted((photos / name).iterdir())[:4]
        for path in (first, second):
            shutil.move(path, photos / other / f"{name}-{path.name}")
        shutil.copy(third, photos / other / f"again-{third.name}")
        with Image.open(fourth) as image:
            smaller = image.convert("RGB").reduce(2)
        smaller.save(photos / name / "smaller.jpg")
    project = fg.new(folder / "charts-to-review", CLASSES, name="Kinds of chart")
    project.add(photos, licence="own")
    project.clean()
    return project


def decide_some(project: fg.Project) -> None:
    """Decide on a few, as a person would: what lies in the wrong folder goes back, or away."""
    mistaken = {name: sorted((project.folder.parent / "charts").glob(f"*/{name}-*")) for name in MISTAKEN}
    back = {str(path.relative_to(path.parents[1])): name for name in ("pie", "line") for path in mistaken[name]}
    project.decide(relabel=back, drop=[str(path.relative_to(path.parents[1])) for path in mistaken["scatter"]])


def photograph(project: fg.Project, target: Path) -> None:
    """Start the studio, let a browser draw it, and keep it in 256 colours."""
    command = [sys.executable, "-m", "fieldguide", "review", "-C", str(project.folder), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            links = (re.search(r"http://\S+token=\S+", line) for line in server.stderr)
            link = next(match[0] for match in links if match)
            flags = ["headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars", "virtual-time-budget=20000"]
            flags += [f"window-size={WIDTH},{HEIGHT}", f"screenshot={target}"]
            browser = ["chromium", *(f"--{flag}" for flag in flags), link]
            subprocess.run(browser, check=True, stderr=subprocess.DEVNULL)
        finally:
            server.terminate()
    with Image.open(target) as image:
        image.convert("RGB").quantize(256).save(target, optimize=True)


def main() -> None:
    """Make the picture."""
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        decide_some(project)
        photograph(project, TARGET)


if __name__ == "__main__":
    main()
