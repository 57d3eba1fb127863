"""A set of real pictures as a project: added, cleaned and split by the public commands."""

from pathlib import Path

from common import fieldguide, shared_data
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset, load_dataset

__all__ = ["gather_set"]


def gather_set(name: str, base: Path) -> tuple[Project, Dataset]:
    """A project below `base` with a set of real pictures, and those that `clean` keeps, divided by `split`."""
    project = Project(base / name)
    fieldguide("new", project.root)
    fieldguide("add", shared_data(name), "-C", project.root)
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", project.root)
    with project.catalog() as catalog:
        return project, load_dataset(catalog)
