"""The kept pictures as arrays that line up, and the copies that a careless script would have kept."""

import numpy as np
import pytest

from fieldguide.errors import NotReady
from fieldguide.project import Project
from fieldguide.project.dataset import load_copies, load_dataset
from fieldguide.records import Grouping, ImageRow, Label, Origin, Verdict


@pytest.fixture
def mixed(project: Project) -> Project:
    """Five pictures: two kept and split, a near-copy, one that is too small, one with two labels."""
    with project.catalog() as catalog:
        for name, class_name in (("e", "square"), ("a", "circle"), ("b", "circle"), ("c", "square"), ("d", "circle")):
            image = ImageRow(name, "PNG" if name == "a" else "JPEG", 1, 9, 9, "RGB", 1)
            catalog.add_images([(image, Origin(name, "folder", name), Label(name, class_name, "folder"))], "t")
        catalog.add_images([(ImageRow("d", "JPEG", 1, 9, 9, "RGB", 1), Origin("d", "folder", "x"),
                             Label("d", "square", "folder"))], "t")  # fmt: skip
        catalog.set_verdicts([Verdict("c", "files", "reject", "too_small: x", 0.0)], "s")
        reasons = {"a": "", "b": "near_copy: of a", "d": "two_labels: x", "e": ""}
        verdicts = [
            Verdict(name, "duplicates", "reject" if reason else "keep", reason, 0.0) for name, reason in reasons.items()
        ]
        catalog.replace_copies(verdicts, [Grouping("a", "a", "w"), Grouping("b", "a", "w")], "s")
        catalog.replace_splits({"a": "train", "e": "test"})
    return project


def test_only_kept_pictures_in_the_order_of_their_hashes(mixed: Project) -> None:
    with mixed.catalog() as catalog:
        data = load_dataset(catalog)
    assert list(data.images.items()) == [("a", "PNG"), ("e", "JPEG")]
    assert data.class_names == ("circle", "square")
    assert data.labels.tolist() == [0, 1]
    assert data.labels.dtype == np.int64
    assert (data.groups, data.splits.tolist()) == (("a", "e"), ["train", "test"])


def test_copies_are_those_rejected_only_for_being_copies(mixed: Project) -> None:
    with mixed.catalog() as catalog:
        images, labels = load_copies(catalog, ("circle", "square"))
        assert (images, labels.tolist()) == ({"b": "JPEG"}, [0])
        assert load_copies(catalog, ("square",))[0] == {}


def test_nothing_is_split_yet(project: Project, mixed: Project) -> None:
    with mixed.catalog() as catalog:
        catalog.replace_splits({"a": "train"})
        with pytest.raises(NotReady, match="not split") as caught:
            load_dataset(catalog)
        assert "fieldguide" in caught.value.hint


def test_an_empty_project_is_not_ready(project: Project) -> None:
    with project.catalog() as catalog, pytest.raises(NotReady):
        load_dataset(catalog)


def test_parts_line_up(built: Project) -> None:
    with built.catalog() as catalog:
        data = load_dataset(catalog)
        truth = {state.sha256: state for state in catalog.states()}
    assert len(data.images) == len(data.labels) == len(data.groups) == len(data.splits) == 36
    for part in (data, data.where("train"), data.where("val", "test"), data.take([5, 0, 3]), data.where()):
        assert len(part.images) == len(part.labels) == len(part.groups) == len(part.splits)
        for place, (name, kind) in enumerate(part.images.items()):
            state = truth[name]
            assert (kind, part.groups[place], part.splits[place]) == (state.format, state.group_id, state.split)
            assert part.class_names[part.labels[place]] == state.class_name
    names = list(data.images)
    assert list(data.take([5, 0, 3]).images) == [names[5], names[0], names[3]]
    assert {*data.where("train").images, *data.where("val", "test").images} == set(names)
    assert set(data.where("train").splits) == {"train"}
