"""Pictures that belong together: one group for all reasons, on no two sides of a split, however pictures come."""

import random
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from conftest import CLASS_NAMES, Pictures, draw_picture, make_project, picture_bytes
from fieldguide.errors import NotReady, SettingsError
from fieldguide.features import FeatureStore
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.decisions import Author, Choice, Decisions
from fieldguide.project.rejections import load_rejections
from fieldguide.records import Capture, Grouping, ImageRow, Label, Origin, Prints, SplitReport, Verdict
from fieldguide.settings.patterns import check_pattern, read_group
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import inputs, split
from fieldguide.stages.split.groups import Link, find_conflicts, find_linkers, join_links, members_by_group, without
from fieldguide.stages.split.links import link_neighbours, link_origins

SPLITS = ("train", "val", "test")
_names = st.integers(0, 40).map("{:02}".format)
_links = st.lists(st.builds(Link, st.lists(_names, max_size=4, unique=True).map(tuple), st.sampled_from("xyz")))
_assigned = st.dictionaries(_names, st.sampled_from(SPLITS))


def set_keys(project: Project, section: str, **values: object) -> Project:
    project.write_settings({f"{section}.{key}": value for key, value in values.items()})
    return project


def run(project: Project, *, resplit: bool = False) -> SplitReport:
    return split(project, project.settings(), progress=SilentProgress(), resplit=resplit)


def plant(
    project: Project,
    images: Mapping[str, tuple[str, Origin]],
    alike: Sequence[Grouping] = (),
    captures: Mapping[str, Capture] = MappingProxyType({}),
) -> None:
    """Put rows without files into the catalogue as if `clean` had looked at them: the split reads no pixels."""
    with project.catalog() as catalog:
        catalog.add_images(
            [
                (ImageRow(name, "PNG", 1, 100, 100, "RGB", 1), origin, Label(name, class_name, "folder"))
                for name, (class_name, origin) in images.items()
            ],
            "t",
        )
        kept = [Verdict(name, "duplicates", "keep", "", 0.0) for name in sorted(catalog.hashes())]
        catalog.replace_copies(kept, [*catalog.look_alikes(), *alike], "s")
        catalog.set_captures({name: captures[name] for name in images if name in captures})


def folder(name: str, **terms: str) -> Origin:
    return Origin(name, "folder", f"{name}.jpg", **terms)


def rows(class_name: str, count: int, first: int = 0, **terms: str) -> dict[str, tuple[str, Origin]]:
    names = [f"{class_name}{number:03}" for number in range(first, first + count)]
    return {name: (class_name, folder(name, **terms)) for name in names}


# ---- links become groups


@given(_links, st.randoms(use_true_random=False))
def test_groups_are_whatever_links_connect_in_any_order(links: list[Link], dice: random.Random) -> None:
    groups = join_links(links)
    shuffled = list(links)
    dice.shuffle(shuffled)
    assert join_links(shuffled) == groups
    ids = {group.sha256: group.group_id for group in groups}
    for link in links:
        if len(link.members) > 1:
            assert len({ids[name] for name in link.members}) == 1
    for members in members_by_group(groups).values():
        assert len(members) > 1 and min(members) == ids[members[0]]


def test_a_group_has_all_its_reasons() -> None:
    groups = join_links([Link(("a", "b"), "same page"), Link(("b", "c"), "look-alike"), Link(("d", "e"), "same page")])
    assert [(group.sha256, group.group_id, group.why) for group in groups] == [
        ("a", "a", "look-alike; same page"), ("b", "a", "look-alike; same page"), ("c", "a", "look-alike; same page"),
        ("d", "d", "same page"), ("e", "d", "same page"),
    ]  # fmt: skip


@given(_links, _assigned)
def test_without_the_pictures_set_aside_nothing_new_joins_two_splits(links: list[Link], before: dict[str, str]) -> None:
    linkers = find_linkers(links, before)
    assert not linkers.keys() & before.keys()
    known = [Link(tuple(name for name in link.members if name in before), link.why) for link in links]
    among_known = {name for members in find_conflicts(join_links(known), before) for name in members}
    rest = find_conflicts(join_links(without(links, set(linkers))), before)
    assert all(among_known & set(members) for members in rest)
    for splits in linkers.values():
        assert len(splits) > 1 and all(split in SPLITS for split in splits)


@given(_links)
def test_where_nothing_is_assigned_nothing_is_set_aside(links: list[Link]) -> None:
    assert find_linkers(links, {}) == {}


def test_only_the_picture_that_links_is_set_aside() -> None:
    links = [Link(("a", "new"), "x"), Link(("b", "new"), "x"), Link(("a", "near-a"), "x")]
    assert find_linkers(links, {"a": "train", "b": "test"}) == {"new": {"train": "a", "test": "b"}}


# ---- reasons


def test_sources_say_what_belongs_together() -> None:
    origins = [
        Origin("a", "inaturalist", "u1", family="inaturalist:1"),
        Origin("b", "inaturalist", "u2", family="inaturalist:1"),
        Origin("c", "table", "c.jpg", family="patient 7"),
        Origin("d", "table", "d.jpg", family="patient 7"),
        Origin("e", "brave", "u5"),
        Origin("f", "brave", "u6", parent="u5"),
        Origin("g", "brave", "u7", page="https://example.org/p"),
        Origin("h", "brave", "u8", page="https://example.org/p"),
    ]
    classes = dict.fromkeys("abcdefgh", "rose")
    links = {(link.members, link.why) for link in link_origins(origins, classes, "")}
    assert links == {
        (("a", "b"), "one subject"), (("c", "d"), "group in a table"), (("e", "f"), "found by likeness"),
        (("g", "h"), "same page"),
    }  # fmt: skip


def test_a_page_that_lists_many_or_of_two_classes_joins_nothing() -> None:
    many = [Origin(f"{number:02}", "brave", f"u{number}", page="https://example.org/list") for number in range(9)]
    assert link_origins(many, {origin.sha256: "rose" for origin in many}, "") == []
    two = many[:2]
    assert link_origins(two, {"00": "rose", "01": "tulip"}, "") == []
    assert len(link_origins(two, {"00": "rose", "01": "rose"}, "")) == 1


@pytest.mark.parametrize(
    ("pattern", "path", "group"),
    [
        ("{group}_*.jpg", "rose/p01_3.jpg", "p01"),
        ("{group}_*.jpg", "rose/p01.jpg", ""),
        ("{group}_*.jpg", "rose/_3.jpg", ""),
        ("patient_{group}_*", "patient_01_2.png", "01"),
        ("*_{group}.jpg", "a_b_c.jpg", "b_c"),
        ("{group}/*", "rose/camera 1/x.jpg", "camera 1"),
        ("*/{group}/*", "rose/camera 1/x.jpg", "camera 1"),
        ("{group}/*", "x.jpg", ""),
        ("IMG{group}.jpg", "IMG.jpg", ""),
        ("{group}", "whole.jpg", "whole.jpg"),
    ],
)  # fmt: skip
def test_a_pattern_reads_the_group_in_a_path(pattern: str, path: str, group: str) -> None:
    assert read_group(check_pattern(pattern), path) == group


def test_a_pattern_takes_no_longer_for_a_name_that_almost_matches() -> None:
    assert read_group("*a{group}a*a*a*a*b", "a" * 100_000) == ""  # as a regular expression this would take for ever


@pytest.mark.parametrize("pattern", ["*.jpg", "{group}{group}_", "*{group}.jpg", "{group}*", "**{group}"])
def test_a_pattern_that_says_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="group"):
        check_pattern(pattern)


def scattered(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return features that are as unlike as those of pictures of one class are."""
    features = np.random.default_rng(seed).random((count, 64)).astype(np.float32)
    return np.asarray(features**4)


def test_features_join_what_is_very_alike_and_no_whole_class() -> None:
    names = [f"{number:03}" for number in range(200)]
    chain = np.cumsum(np.random.default_rng(0).uniform(0.0, 0.3, (200, 64)) ** 6, axis=0).astype(np.float32)
    groups = members_by_group(join_links(link_neighbours(names, ["rose"] * 200, chain, 0.9)))
    assert groups and max(map(len, groups.values())) <= 12
    twins = np.concatenate([scattered(5), scattered(5) * 1.01])
    pairs = link_neighbours(names[:10], ["rose"] * 10, twins, 0.92)
    assert {link.members for link in pairs} == {(names[place], names[place + 5]) for place in range(5)}
    assert link_neighbours(names[:10], ["rose"] * 5 + ["tulip"] * 5, twins, 0.92) == []


def test_features_of_a_class_whose_pictures_are_alike_anyway_join_few() -> None:
    features = (1 + scattered(40) / 10).astype(np.float32)  # a cosine of 0.99 and more between any two
    links = link_neighbours([f"{number:02}" for number in range(40)], ["rose"] * 40, features, 0.92)
    assert len(join_links(links)) < 10


def test_likeness_in_features_moves_no_picture() -> None:
    twins = np.concatenate([scattered(5), scattered(5) * 1.01])
    names = [f"{number:02}" for number in range(10)]
    before = {"00": "train", "05": "test", "01": "train", "06": "train", "02": "val"}
    links = link_neighbours(names, ["rose"] * 10, twins, 0.92, (), before)
    assert {link.members for link in links} == {("01", "06"), ("02", "07"), ("03", "08"), ("04", "09")}


@given(st.integers(0, 99), st.randoms(use_true_random=False))
def test_links_by_features_do_not_depend_on_the_order_of_the_rows(seed: int, dice: random.Random) -> None:
    features = np.random.default_rng(seed).random((24, 6)).astype(np.float32)
    names, order = [f"{number:02}" for number in range(24)], list(range(24))
    dice.shuffle(order)
    links = link_neighbours(names, ["a"] * 24, features, 0.97)
    shuffled = link_neighbours([names[place] for place in order], ["a"] * 24, features[order], 0.97)
    assert join_links(shuffled) == join_links(links)


# ---- planted sets: no group on two sides


class Planted(NamedTuple):
    """Two lots of pictures with their classes and origins, the look-alikes among the first, times, and `test`."""

    lots: list[dict[str, tuple[str, Origin]]]
    alike: list[Grouping]
    captures: dict[str, Capture]
    test: float | int


@st.composite
def planted(draw: st.DrawFn) -> Planted:
    """Draw pictures that come in two lots, with families, pages, groups, bursts and look-alikes among them."""
    lots: list[dict[str, tuple[str, Origin]]] = [{}, {}]
    captures: dict[str, Capture] = {}
    key = st.sampled_from(["", "", "", "1", "2", "3", "4", "5", "6"])
    for class_name in "ab":
        for number in range(24):
            name = f"{class_name}{number:02}"
            source = draw(st.sampled_from(["folder", "table", "brave"]))
            page = draw(key)
            origin = Origin(
                name, source, f"{draw(key)}_{name}.jpg", family=draw(key),
                page=f"https://example.org/{class_name}{page}" if page else "",
                given_split=draw(st.sampled_from(["", "", "", "train", "test"])),
            )  # fmt: skip
            lots[number % 2][name] = (class_name, origin)
            if day := draw(st.integers(0, 9)):
                captures[name] = Capture(f"2015-06-{day:02}T12:00:{number:02}", draw(st.sampled_from(["", "Canon"])))
    # the singles that make sure that each class has enough
    for class_name in "ab":
        for number in range(24, 40):
            name = f"{class_name}{number:02}"
            lots[0][name] = (class_name, Origin(name, "folder", f"alone{name}_0.jpg"))
    names = sorted(lots[0])
    alike = [
        Grouping(name, first, "look-alike")
        for first in draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
        for name in (first, draw(st.sampled_from(names)))
    ]
    chosen = {group.sha256: group for group in alike}
    return Planted(lots, list(chosen.values()), captures, draw(st.sampled_from([0.2, 3, 5])))


@settings(max_examples=25)
@given(planted())
def test_no_group_of_a_planted_set_is_on_two_sides_and_nothing_moves(
    tmp_path_factory: pytest.TempPathFactory, drawn: Planted
) -> None:
    lots = drawn.lots
    project = make_project(tmp_path_factory.mktemp("planted") / "project", names=("a", "b"))
    set_keys(project, "split", group_pattern="{group}_*.jpg", test=drawn.test)
    plant(project, lots[0], drawn.alike, drawn.captures)
    run(project)
    with project.catalog() as catalog:
        before = catalog.splits()
    assert_no_group_crosses(project, drawn)
    plant(project, lots[1], (), drawn.captures)
    report = run(project)
    assert_no_group_crosses(project, drawn)
    with project.catalog() as catalog:
        after, states = catalog.splits(), catalog.states()
    assert {name: after[name] for name in before} == before and report.joined == 0
    aside = {state.sha256 for state in states if state.state == "rejected"}
    assert aside == {item.sha256 for item in report.set_aside} and aside <= set(lots[1])
    assert all(state.split for state in states if state.state == "kept")


def assert_no_group_crosses(project: Project, drawn: Planted) -> None:
    """Check the reasons by themselves, whatever the catalogue says of groups."""
    with project.catalog() as catalog:
        kept = {state.sha256: state.split for state in catalog.states() if state.state == "kept"}
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    on_page: dict[str, set[str]] = defaultdict(set)
    bursts: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for lot in drawn.lots:
        for name, (class_name, origin) in lot.items():
            if capture := drawn.captures.get(name):
                bursts[class_name, capture.taken_at[:10], capture.camera].append(name)
            if name not in kept:
                continue
            on_page[origin.page].add(name)
            for key in (("family" + str(origin.source == "table"), origin.family), ("page", origin.page)):
                if key[1]:
                    sides[key].add(kept[name])
            if group := origin.location.partition("_")[0]:
                sides["pattern", group if "_" in origin.location else ""].add(kept[name])
    for grouping in drawn.alike:
        if grouping.sha256 in kept:
            sides["alike", grouping.group_id].add(kept[grouping.sha256])
    for burst, names in bursts.items():
        if len(names) <= 5:  # a fifth of the 28 pictures that a class has at first: more are a session
            sides["burst", "".join(burst)] = {kept[name] for name in names if name in kept}
    crossing = {key for key, splits in sides.items() if len(splits) > 1 and key[1]}
    assert not {key for key in crossing if key[0] != "page" or len(on_page[key[1]]) <= 8}


# ---- the stage


def test_a_new_picture_that_links_train_and_test_is_set_aside_or_joins_them_in_train(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        plant(project, rows(name, 20))
    run(project)
    with project.catalog() as catalog:
        before = catalog.splits()
    train, test = (
        next(name for name in sorted(before) if before[name] == side and name.startswith("circle"))
        for side in ("train", "test")
    )
    plant(project, rows("circle", 2, first=100))
    new = "circle100"
    with project.catalog() as catalog:
        kept = [Verdict(name, "duplicates", "keep", "", 0.0) for name in sorted(catalog.hashes())]
        catalog.replace_copies(kept, [Grouping(name, train, "look-alike") for name in (train, test, new)], "s")
    report = run(project)
    assert [item.sha256 for item in report.set_aside] == [new]
    assert report.set_aside[0].reason == "links_splits"
    detail = f"links train and test: it belongs with {train}.jpg (train) and {test}.jpg (test)"
    assert report.set_aside[0].detail == detail
    with project.catalog() as catalog:
        after = catalog.splits()
    assert {name: after[name] for name in before} == before and new not in after and "circle101" in after
    assert run(project) == report
    joined = run(project, resplit=True)
    assert joined.set_aside == () and joined.joined == 1
    with project.catalog() as catalog:
        resplit = catalog.splits()
    assert (resplit[train], resplit[test], resplit[new]) == ("train", "train", "train")
    assert {name: resplit[name] for name in before if name != test} == {
        name: split for name, split in before.items() if name != test
    }


def marked(corner: int) -> Image.Image:
    """Draw a picture with a dark square in a corner: like the one without it, but unlike that with another corner."""
    image = draw_picture("circle", 500)
    side = image.width * 5 // 40
    x, y = ((0, 0), (image.width - side, image.height - side))[corner]
    ImageDraw.Draw(image).rectangle((x, y, x + side, y + side), fill=(90, 90, 90))
    return image


def test_of_real_pictures_only_the_one_that_links_is_set_aside(
    project: Project, pictures: Pictures, tmp_path: Path
) -> None:
    source = pictures(tmp_path / "source", per_class=7)
    for corner in (0, 1):
        marked(corner).save(source / "circle" / f"corner{corner}.png")
    add(project, project.settings(), source, progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    for seed in range(100):
        set_keys(project, "split", val=0.1, test=0.4, features_alike=1.0)  # to which the corners are alike
        project.write_settings({"seed": seed})
        run(project)
        if {split_of(project)[f"circle/corner{corner}.png"] for corner in (0, 1)} == {"train", "test"}:
            break
    before = split_of(project)
    more = tmp_path / "more" / "circle"
    more.mkdir(parents=True)
    draw_picture("circle", 500).save(more / "links.png")
    marked(0).resize((100, 100)).save(more / "copy.png")
    (more / "other.png").write_bytes(picture_bytes("circle", 77))
    add(project, project.settings(), tmp_path / "more", progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    report = run(project)
    assert [item.location for item in report.set_aside] == ["circle/links.png"]
    assert "links train and test" in report.set_aside[0].detail and "corner" in report.set_aside[0].detail
    after = split_of(project)
    assert {place: after[place] for place in before} == before
    assert after["circle/copy.png"] == before["circle/corner0.png"]
    assert "links.png" in (project.root / "split" / "report.html").read_text("utf-8")
    assert "links.png" in next(item for item in load_rejected(project) if "links" in item)
    assert run(project, resplit=True).joined == 1
    assert {split_of(project)[f"circle/{name}.png"] for name in ("links", "corner0", "corner1")} == {"train"}


def split_of(project: Project) -> dict[str, str]:
    with project.catalog() as catalog:
        places = {origin.sha256: origin.location for origin in catalog.origins()}
        return {places[state.sha256]: state.split for state in catalog.states()}


def load_rejected(project: Project) -> list[str]:
    with project.catalog() as catalog:
        return [f"{item.location} {item.reason}" for item in load_rejections(catalog)]


def test_the_column_group_of_a_table_keeps_pictures_together(
    project: Project, pictures: Pictures, tmp_path: Path
) -> None:
    source = pictures(tmp_path / "source", per_class=12)
    lines = ["path,label,Patient ID"]
    for place in sorted(source.glob("*/*")):
        patient = "" if int(place.stem) > 7 else f"p{int(place.stem) // 4}"
        lines.append(f"{place.relative_to(source)},{place.parent.name},{patient}")
    (source / "list.csv").write_text("\n".join(lines))
    add(project, project.settings(), source / "list.csv", progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    report = run(project)
    assert report.reasons["group in a table"] == 2
    with project.catalog() as catalog:
        split_of = {state.sha256: state.split for state in catalog.states()}
        groups = defaultdict(set)
        for origin in catalog.origins():
            groups[origin.family].add(split_of[origin.sha256])
    assert len(groups["p0"]) == len(groups["p1"]) == 1 and len(groups[""]) > 1


def test_a_pattern_over_file_names_keeps_pictures_together(project: Project) -> None:
    images = {
        f"{name}{number:03}": (name, Origin(f"{name}{number:03}", "folder", f"{name}/cam{number % 9}_{number}.jpg"))
        for name in ("circle", "square", "triangle")
        for number in range(27)
    }
    plant(project, images)
    set_keys(project, "split", group_pattern="{group}_*")
    report = run(project)
    assert report.groups == 9 and report.reasons == {"group_pattern": 9}
    with project.catalog() as catalog:
        splits = catalog.splits()
    by_camera = defaultdict(set)
    for name, (_, origin) in images.items():
        by_camera[origin.location.split("/")[1].partition("_")[0]].add(splits[name])
    assert all(len(sides) == 1 for sides in by_camera.values())
    assert set().union(*by_camera.values()) == set(SPLITS)
    set_keys(project, "split", group_pattern="{group}-*")
    with pytest.raises(SettingsError, match=r"matches none of 81 paths, such as 'circle/cam0_0\.jpg'"):
        run(project)


def test_a_class_in_too_few_groups_is_told_why(project: Project) -> None:
    images = {
        f"{name}{number:03}": (name, Origin(f"{name}{number:03}", "table", f"{name}{number}", family=f"p{number % 2}"))
        for name in ("circle", "square", "triangle")
        for number in range(10)
    }
    plant(project, images)
    with pytest.raises(NotReady, match=r"'circle' has 2 \(10 are kept, but belong together \(group in a table\)\)"):
        run(project)


def test_numbers_of_pictures_per_class(project: Project) -> None:
    for name, count in (("circle", 50), ("square", 40), ("triangle", 36)):
        plant(project, rows(name, count))
    set_keys(project, "split", test=30, val=5)
    report = run(project)
    assert report.counts["test"] == {"circle": 30, "square": 30, "triangle": 30}
    assert report.counts["val"] == {"circle": 5, "square": 5, "triangle": 5}
    assert report.counts["train"] == {"circle": 15, "square": 5, "triangle": 1}
    set_keys(project, "split", val=6)
    with pytest.raises(NotReady, match=r"val = 6 and test = 30 leaves nothing to train on: 'triangle' has 36"):
        run(project)


def test_large_groups_leave_no_split_of_a_class_empty(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        images = {}
        for number in range(40):
            images[f"{name}{number:03}"] = (name, folder(f"{name}{number:03}", family=f"{name} {number // 10}"))
        plant(project, images)
    counts = run(project).counts
    assert all(counts[side] == {"circle": 10, "square": 10, "triangle": 10} for side in ("val", "test"))


def test_leaks_of_the_own_split_are_shown_with_pictures(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "tree" / "train", per_class=6)
    pictures(tmp_path / "tree" / "test", per_class=3, first=20)
    copy = tmp_path / "tree" / "test" / "circle" / "copy <b>.png"
    draw_picture("circle", 2).resize((100, 100)).save(copy)
    (copy.parent / "same.jpg").write_bytes((source / "circle" / "004.jpg").read_bytes())
    add(project, project.settings(), tmp_path / "tree", progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    set_keys(project, "split", features_alike=1.0)  # drawn shapes are much alike
    report = run(project)
    pairs = {(pair.location, pair.split, pair.other_location, pair.other_split, pair.why) for pair in report.leaking}
    assert report.leaks == 2
    assert pairs == {
        ("test/circle/copy <b>.png", "test", "train/circle/002.jpg", "train", "look-alike"),
        ("test/circle/same.jpg", "test", "train/circle/004.jpg", "train", "the same file"),
    }
    page = (project.root / "split" / "report.html").read_text("utf-8")
    assert "copy &lt;b&gt;.png" in page and "copy <b>.png" not in page
    assert page.count("data:image/jpeg;base64,") >= 4 and "not readable" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert run(project) == report


def test_a_picture_that_is_gone_does_not_stop_the_report(project: Project, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "tree" / "train", per_class=6)
    pictures(tmp_path / "tree" / "test", per_class=3, first=20)
    (tmp_path / "tree" / "test" / "circle" / "same.jpg").write_bytes((source / "circle" / "004.jpg").read_bytes())
    add(project, project.settings(), tmp_path / "tree", progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    for original in (project.root / "images").glob("*/*"):
        original.unlink()
    assert run(project).leaks == 1
    assert "not readable" in (project.root / "split" / "report.html").read_text("utf-8")


def test_what_a_split_by_chance_would_cut(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        images = {}
        for number in range(20):
            images[f"{name}{number:03}"] = (name, folder(f"{name}{number:03}", family=f"{name} {number // 2}"))
        plant(project, images)
    report = run(project)
    assert report.several == 30
    assert report.cut == pytest.approx(30 * (1 - 0.2**2 - 0.15**2 - 0.65**2), abs=0.01)
    assert report.careless_test == pytest.approx(12)
    assert report.careless_linked == pytest.approx(60 * 0.2 * 0.65, abs=0.01)
    assert len(report.pairs) == 30 and report.pairs[0].why == "one subject"


def test_settings_of_earlier_versions_keep_their_split(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        plant(project, rows(name, 20))
    assert run(project).rules == '{"val":0.15,"test":0.2} seed 0'


def test_what_a_person_decides_to_keep_is_not_set_aside(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        plant(project, rows(name, 20))
    run(project)
    with project.catalog() as catalog:
        before = catalog.splits()
        train, test = (min(name for name in before if before[name] == side) for side in ("train", "test"))
    plant(project, rows("circle", 1, first=100))
    with project.catalog() as catalog:
        kept = [Verdict(name, "duplicates", "keep", "", 0.0) for name in sorted(catalog.hashes())]
        catalog.replace_copies(kept, [Grouping(name, train, "look-alike") for name in (train, test, "circle100")], "s")
    assert [item.sha256 for item in run(project).set_aside] == ["circle100"]
    with project.catalog() as catalog:
        catalog.set_fingerprints({"circle100": Prints(bytes(8), bytes(8), bytes(1024), bytes(128))})
        Decisions(catalog).decide([Choice("circle100", "keep")], Author("me", "t"), ("circle",))
    report = run(project)
    assert (report.set_aside, report.joined) == ((), 1)
    with project.catalog() as catalog:
        splits = catalog.splits()
    assert {splits[name] for name in (train, test, "circle100")} == {"train"}


def test_features_count_what_belongs_together_already() -> None:
    names = [f"{number:02}" for number in range(40)]
    features = scattered(40)
    features[:16] = features[0]
    alone = [Link(tuple(names[:13]), "look-alike")]
    links = [*alone, *link_neighbours(names, ["rose"] * 40, features, 0.92, alone)]
    assert sorted(map(len, members_by_group(join_links(links)).values())) == [3, 13]


def test_features_that_are_kept_say_how_much_a_split_by_chance_flatters(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="features need the extra [train]")
    source = tmp_path / "source"
    for name in ("circle", "square", "triangle"):
        (source / name).mkdir(parents=True)
        for number in range(12):
            (source / name / f"{number}.png").write_bytes(picture_bytes(name, number))
    add(project, project.settings(), source, progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    report = run(project)
    assert report.careless and report.honest and report.difference
    assert report.difference[0] == pytest.approx(report.careless[0] - report.honest[0])
    page = (project.root / "split" / "report.html").read_text("utf-8")
    assert f"{report.difference[0] * 100:+.1f} points" in page and f": {report.careless_claim}." in page
    shutil.rmtree(project.features_folder)
    (project.root / "split" / "report.html").unlink()
    without_features = run(project)
    assert without_features.careless is None
    assert "Not measured" in (project.root / "split" / "report.html").read_text("utf-8")


def test_features_that_clean_has_compared_divide_again_and_no_others_do(project: Project) -> None:
    for name in CLASS_NAMES:
        plant(project, rows(name, 20))
    run(project)
    assert is_current(project)
    with project.catalog() as catalog:
        before = catalog.splits()
    names = sorted(name for name in before if name.startswith("circle"))
    twins = [name for name in names if before[name] == "train"][:2]
    features = scattered(20)
    features[names.index(twins[1])] = features[names.index(twins[0])]
    FeatureStore(project.features_folder / "usual").write(names, np.hstack([features, 9 * scattered(20, 1)]))
    assert is_current(project), "a training keeps features too"
    with project.catalog() as catalog:
        catalog.replace_features(names, "usual", 64)
    assert not is_current(project)
    assert run(project).reasons == {"alike in features": 1} and is_current(project)
    with project.catalog() as catalog:
        assert catalog.splits() == before
        assert {group.sha256 for group in catalog.groups()} == set(twins)
    set_keys(project, "train", backbone="resnet18")
    assert is_current(project), "it is not what clean compares by"
    set_keys(project, "split", features_alike=1.0)
    assert not is_current(project)


def is_current(project: Project) -> bool:
    with project.catalog() as catalog:
        done = catalog.finished("split")
        return done is not None and done.inputs == inputs(catalog, project.settings())


def test_a_class_whose_pictures_look_alike_is_told_which_setting_helps(project: Project) -> None:
    for name in ("circle", "square", "triangle"):
        plant(project, rows(name, 6))
    with project.catalog() as catalog:
        kept = [Verdict(name, "duplicates", "keep", "", 0.0) for name in sorted(catalog.hashes())]
        alike = [Grouping(f"circle00{number}", "circle000", "look-alike") for number in range(6)]
        catalog.replace_copies(kept, alike, "s")
    with pytest.raises(NotReady, match="'circle' has 1") as caught:
        run(project)
    assert "[clean] alike = 1" in caught.value.hint and "features_alike" not in caught.value.hint
