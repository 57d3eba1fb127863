"""A set of real pictures as a project: added, cleaned and split by the public commands."""

import re
from pathlib import Path

from common import fieldguide
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset, load_dataset


def make_project(folder: Path, root: Path) -> tuple[Project, Dataset]:
    """Make a project of a folder of pictures, and return it with those that `clean` keeps, divided by `split`."""
    fieldguide("new", root)
    settings = root / "fieldguide.toml"  # the photographs of cifar10 are small
    settings.write_text(re.sub("^# min_side = .*", "min_side = 32", settings.read_text(), flags=re.MULTILINE))
    fieldguide("add", folder, "-C", root)
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", root)
    project = Project(root)
    with project.catalog() as catalog:
        return project, load_dataset(catalog)
