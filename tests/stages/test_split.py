"""Splits that cannot leak: whole groups, the same in any order, stable as pictures come, near the wanted shares."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Pictures
from fieldguide.errors import NotReady
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import Grouping, ImageRow, ImageState, Label, Origin, Split, Verdict
from fieldguide.settings import Settings
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split
from fieldguide.stages.split.assigning import assign
from fieldguide.stages.split.leaks import count_leaks

SHARES = {"val": 0.15, "test": 0.2}


def state(number: int, group: int, class_name: str, given_split: str = "") -> ImageState:
    return ImageState(f"{number:04}", "PNG", class_name, "kept", f"g{group:04}", "", given_split)


_row = st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.sampled_from(["", "", "train", "val", "test"]))


@st.composite
def tables(draw: st.DrawFn) -> list[ImageState]:
    return [state(number, *row) for number, row in enumerate(draw(st.lists(_row, min_size=1, max_size=60)))]


@st.composite
def plain_tables(draw: st.DrawFn) -> list[ImageState]:
    """No source gives a split, and each group is of one class."""
    groups = draw(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=3, max_size=60))
    rows = [(group, name) for group, (name, size) in enumerate(groups) for _ in range(size)]
    return [state(number, group, name) for number, (group, name) in enumerate(rows)]


def by_group(rows: Sequence[ImageState], splits: dict[str, str]) -> dict[str, set[str]]:
    by_group: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_group[row.group_id].add(splits[row.sha256])
    return by_group


@given(tables(), st.integers(0, 5))
def test_no_group_crosses_and_every_picture_is_somewhere(rows: list[ImageState], seed: int) -> None:
    splits = assign(rows, {}, SHARES, seed)
    assert set(splits) == {row.sha256 for row in rows}
    assert set(splits.values()) <= {"train", "val", "test"}
    assert all(len(names) == 1 for names in by_group(rows, splits).values())


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[ImageState], dice: random.Random) -> None:
    shuffled = list(rows)
    dice.shuffle(shuffled)
    assert assign(shuffled, {}, SHARES, 0) == assign(rows, {}, SHARES, 0)


def test_the_order_does_not_matter_where_a_group_is_of_two_classes() -> None:
    rows = [state(number, number // 2, "ab"[number % 2]) for number in range(60)]
    assert assign(rows[::-1], {}, SHARES, 0) == assign(rows, {}, SHARES, 0)
    rows = [state(2 * number, number, "a") for number in range(9)] + [
        state(2 * number + 1, number, "b") for number in range(3)
    ]
    assert assign(rows[::-1], {}, SHARES, 0) == assign(rows, {}, SHARES, 0)


@given(tables())
def test_assigning_again_changes_nothing(rows: list[ImageState]) -> None:
    splits = assign(rows, {}, SHARES, 0)
    assert assign(rows, splits, SHARES, 0) == splits


@given(tables(), tables())
def test_what_was_assigned_stays_when_pictures_are_added(rows: list[ImageState], more: list[ImageState]) -> None:
    splits = assign(rows, {}, SHARES, 0)
    fresh = [state(1000 + int(row.sha256), int(row.group_id[1:]), row.class_name, row.given_split) for row in more]
    after = assign([*rows, *fresh], splits, SHARES, 0)
    assert {name: after[name] for name in splits} == splits
    assert all(len(names) == 1 for names in by_group([*rows, *fresh], after).values())


def test_groups_that_become_one_are_put_where_they_do_no_harm() -> None:
    rows = [state(0, 0, "a"), state(1, 0, "a"), state(2, 1, "a"), state(3, 1, "a")]
    before = {"0000": "test", "0001": "train", "0002": "test", "0003": "val"}
    splits = assign(rows, before, SHARES, 0)
    assert splits == {"0000": "train", "0001": "train", "0002": "val", "0003": "val"}


@given(st.integers(3, 200), st.floats(0.02, 0.45), st.floats(0.02, 0.45), st.integers(0, 9))
def test_shares_of_single_pictures_are_as_wanted(count: int, val: float, test: float, seed: int) -> None:
    rows = [state(number, number, "ab"[number % 2]) for number in range(2 * count)]
    splits = assign(rows, {}, {"val": val, "test": test}, seed)
    for name in "ab":
        counts = Counter(splits[row.sha256] for row in rows if row.class_name == name)
        assert counts["test"] == max(1, round(test * count))
        assert counts["val"] == max(1, min(round(val * count), count - counts["test"]))
        assert counts["train"] >= 1 or count * (1 - val - test) < 1


@given(plain_tables())
def test_shares_of_groups_are_close(rows: list[ImageState]) -> None:
    splits = assign(rows, {}, SHARES, 0)
    for name in {row.class_name for row in rows}:
        mine = [row for row in rows if row.class_name == name]
        counts = Counter(splits[row.sha256] for row in mine)
        for name, share in SHARES.items():
            assert counts[name] <= max(3, round(share * len(mine)))
        if len(mine) > 40:
            assert abs(counts["test"] - 0.2 * len(mine)) <= 3


def test_another_seed_is_another_split() -> None:
    rows = [state(number, number, "ab"[number % 2]) for number in range(60)]
    assert assign(rows, {}, SHARES, 0) != assign(rows, {}, SHARES, 1)


# ---- splits that a source gave


def test_given_splits_are_kept() -> None:
    names: tuple[Split, ...] = ("train", "val", "test")
    rows = [state(number, number, "ab"[number % 2], names[number % 3]) for number in range(60)]
    splits = assign(rows, {}, SHARES, 0)
    assert splits == {row.sha256: row.given_split for row in rows}


def test_without_a_given_val_it_is_taken_from_train() -> None:
    rows = [state(number, number, "ab"[number % 2], "test" if number < 20 else "train") for number in range(100)]
    splits = assign(rows, {}, SHARES, 0)
    assert all(splits[row.sha256] == "test" for row in rows[:20])
    assert Counter(splits[row.sha256] for row in rows[20:]) == {"train": 64, "val": 16}


def test_leaks_in_given_splits_are_repaired() -> None:
    names: tuple[Split, ...] = ("train", "val", "test")
    rows = [state(number, number, "ab"[number % 2], names[number % 3]) for number in range(30)]
    rows += [state(100, 0, "a", "test"), state(101, 0, "a", "val"), state(102, 1, "b", "test")]
    assert [row.given_split for row in rows[:2]] == ["train", "val"]
    splits = assign(rows, {}, SHARES, 0)
    assert (splits["0100"], splits["0101"], splits["0102"]) == ("train", "train", "val")
    assert all(splits[row.sha256] == row.given_split for row in rows[:30])


def test_a_class_without_given_splits_is_divided_too() -> None:
    names: tuple[Split, ...] = ("train", "val", "test")
    rows = [state(number, number, "a", names[number % 3]) for number in range(30)]
    rows += [state(100 + number, 100 + number, "b") for number in range(30)]
    splits = assign(rows, {}, SHARES, 0)
    assert Counter(splits[row.sha256] for row in rows[30:]) == {"train": 20, "test": 6, "val": 4}


# ---- the stage


def fill(
    project: Project, classes: dict[str, int], *, first: int = 0, given_split: str = "", spoken: bool = True
) -> None:
    """Put rows without files into the catalogue: the split reads no pixels."""
    with project.catalog() as catalog:
        rows = []
        for name, count in classes.items():
            for number in range(first, first + count):
                sha256 = f"{name}{number:03}"
                image = ImageRow(sha256, "PNG", 1, 100, 100, "RGB", 1)
                origin = Origin(sha256, "folder", sha256, given_split=given_split)
                rows.append((image, origin, Label(sha256, name, "folder")))
        catalog.add_images(rows, "t")
        if spoken:
            names = sorted(catalog.hashes())
            verdicts = [Verdict(name, "duplicates", "keep", "", 0.0) for name in names]
            groups = [Grouping(name, names[index - index % 2], "near-copy") for index, name in enumerate(names)]
            catalog.replace_copies(verdicts, groups, "s")


def run(project: Project, settings: Settings | None = None) -> dict[str, str]:
    split(project, settings or project.settings(), progress=SilentProgress())
    with project.catalog() as catalog:
        return catalog.splits()


def test_the_stage_writes_what_it_reports(project: Project) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 10})
    report = split(project, project.settings(), progress=SilentProgress())
    with project.catalog() as catalog:
        states = catalog.states()
    assert report.counts == {
        name: dict(Counter(row.class_name for row in states if row.split == name)) for name in ("train", "val", "test")
    }
    assert report.counts["test"] == {"circle": 4, "square": 4, "triangle": 2}
    assert (report.groups, report.leaks) == (25, 0)


def test_the_stage_does_nothing_twice(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 10})
    first = split(project, project.settings(), progress=SilentProgress())
    monkeypatch.setattr("fieldguide.stages.split.assign", None)
    assert split(project, project.settings(), progress=SilentProgress()) == first


def test_the_stage_keeps_splits_when_pictures_come_and_not_when_rules_change(project: Project) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 10})
    before = run(project)
    fill(project, {"circle": 10, "triangle": 10}, first=100)
    after = run(project)
    assert {name: after[name] for name in before} == before
    assert len(after) == 70
    settings = project.settings().model_copy(update={"seed": 5})
    assert {name: run(project, settings)[name] for name in before} != before


def test_a_picture_that_is_rejected_for_a_while_comes_back_where_it_was(project: Project) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 20})
    before = run(project)
    rejected = sorted(name for name, where in before.items() if where == "test")
    with project.catalog() as catalog:
        catalog.set_verdicts([Verdict(name, "files", "reject", "too_small: x", 1.0) for name in rejected], "s")
    fill(project, {"circle": 20, "square": 20, "triangle": 20}, first=100)
    run(project)
    with project.catalog() as catalog:
        catalog.set_verdicts([Verdict(name, "files", "keep", "", 1.0) for name in rejected], "s")
    after = run(project)
    assert {name: after[name] for name in rejected} == {name: before[name] for name in rejected}


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ({}, "have not been checked"),
        ({"circle": 20, "square": 20, "triangle": 4}, "'triangle' has 2"),
        ({"circle": 20, "square": 20}, "'triangle' has 0"),
    ],
)
def test_too_little_to_divide(project: Project, classes: dict[str, int], reason: str) -> None:
    fill(project, classes)
    with pytest.raises(NotReady, match=reason) as caught:
        run(project)
    assert "fieldguide" in caught.value.hint


def test_a_class_that_lost_its_pictures_is_told_why(project: Project) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 8})
    with project.catalog() as catalog:
        lost = sorted(name for name in catalog.hashes() if name.startswith("triangle"))
        catalog.set_verdicts([Verdict(name, "files", "reject", "too_small: x", 1.0) for name in lost[:3]], "s")
        catalog.set_verdicts([Verdict(name, "names", "reject", "other_class: x", 1.0) for name in lost[:2]], "s")
        alike = [Grouping(name, lost[3], "look-alike") for name in lost[3:]]
        kept = [Verdict(name, "duplicates", "keep", "", 0.0) for name in catalog.hashes()]
        catalog.replace_copies(kept, alike, "s")
    with pytest.raises(NotReady) as caught:
        run(project)
    assert "'triangle' has 1 (5 are kept, but look alike, 3 rejected as too_small)" in caught.value.message
    assert "alike = 1" in caught.value.hint


def test_the_only_class_left_is_told_with_those_that_are_not(project: Project) -> None:
    project.settings_file.write_text("")
    fill(project, {"circle": 20, "square": 6})
    with project.catalog() as catalog:
        lost = [Verdict(name, "files", "reject", "too_small: x", 1.0) for name in catalog.hashes() if "square" in name]
        catalog.set_verdicts(lost, "s")
    with pytest.raises(NotReady, match="only 'circle'; all 6 pictures of 'square' are rejected"):
        run(project)


def test_one_class_is_none(project: Project) -> None:
    project.settings_file.write_text("")
    fill(project, {"circle": 20})
    with pytest.raises(NotReady, match="only 'circle'"):
        run(project)


def test_pictures_must_have_been_checked(project: Project) -> None:
    fill(project, {"circle": 20, "square": 20, "triangle": 20})
    fill(project, {"circle": 1}, first=500, spoken=False)
    with pytest.raises(NotReady, match="not been checked") as caught:
        run(project)
    assert "fieldguide clean" in caught.value.hint


def test_leaks_of_a_given_split_are_counted() -> None:
    rows = [state(1, 0, "a"), state(2, 0, "a"), state(3, 3, "a")]
    origins = [
        Origin("0001", "folder", "train/a/1.jpg", given_split="train"),
        Origin("0002", "folder", "test/a/2.jpg", given_split="test"),
        Origin("0003", "folder", "test/a/3.jpg", given_split="test"),
    ]
    assert count_leaks(rows, origins) == 1
    assert count_leaks(rows, origins[1:]) == 0


def test_pictures_of_a_given_train_folder_that_come_later_are_divided_as_well() -> None:
    first = [state(number, number, "a", "train") for number in range(40)]
    splits = assign(first, {}, SHARES, 0)
    later = [state(100 + number, 100 + number, "b", "train") for number in range(40)]
    after = assign([*first, *later], splits, SHARES, 0)
    assert {name: after[name] for name in splits} == splits
    assert Counter(after[row.sha256] for row in later)["test"] == 8


def test_a_class_that_came_only_as_test_is_explained(project: Project, tmp_path: Path, pictures: Pictures) -> None:
    for part in ("train", "test"):
        names = ["circle", "square"] if part == "train" else ["circle", "square", "triangle"]
        pictures(tmp_path / "tree" / part, names, 6, first=0 if part == "train" else 50)
    add(project, project.settings(), tmp_path / "tree", progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    with pytest.raises(NotReady, match="'triangle' has no picture to train on"):
        split(project, project.settings(), progress=SilentProgress())
