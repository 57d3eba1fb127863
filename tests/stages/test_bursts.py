"""Pictures taken shortly after each other by one author: together, but no session or broken clock swallows a class."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import CLASS_NAMES, draw_picture
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import Capture, SplitReport
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split
from fieldguide.stages.split.groups import join_links, members_by_group
from fieldguide.stages.split.links import link_bursts
from fieldguide.stages.status import status

NOON = datetime(2015, 7, 2, 12)


def captures_at(seconds: Sequence[float], camera: str = "Canon", start: datetime = NOON) -> dict[str, Capture]:
    return {
        f"{number:03}": Capture((start + timedelta(seconds=second)).isoformat(), camera)
        for number, second in enumerate(seconds)
    }


def groups_of(
    captures: Mapping[str, Capture],
    classes: Mapping[str, str] | None = None,
    authors: Mapping[str, set[str]] | None = None,
    before: Mapping[str, str] | None = None,
) -> list[list[str]]:
    classes = classes or dict.fromkeys(captures, "rose")
    return list(members_by_group(join_links(link_bursts(captures, authors or {}, classes, 60, before or {}))).values())


def lone(count: int) -> list[float]:
    """Return times a day apart."""
    return [86_400.0 * (number + 1) for number in range(count)]


def test_what_follows_within_a_minute_is_together() -> None:
    assert groups_of(captures_at([0, 60, 120, 180.5, *lone(20)])) == [["000", "001", "002"]]


def test_a_burst_is_whole_whatever_becomes_of_a_picture_in_it() -> None:
    captures = captures_at([0, 50, 100, *lone(20)])
    links = link_bursts(captures, {}, dict.fromkeys(captures, "rose"), 60, {"000": "test"})
    assert [link.members for link in links] == [("000", "001", "002")]


def test_another_author_camera_or_class_is_another_burst() -> None:
    captures = captures_at([0, 1, *lone(20)])
    assert groups_of(captures) == [["000", "001"]]
    assert groups_of(captures, authors={"000": {"Ann"}, "001": {"Ann", "Bob"}}) == [["000", "001"]]
    assert groups_of(captures, authors={"000": {"Ann"}, "001": {"Bob"}}) == []
    assert groups_of({**captures, "001": captures["001"]._replace(camera="Nikon")}) == []
    assert groups_of(captures, dict.fromkeys(captures, "rose") | {"001": "tulip"}) == []


def test_a_session_is_cut_at_its_longest_pauses_and_swallows_no_class() -> None:
    session = [10.0 * number + (20.0 * (number // 5)) for number in range(50)]  # ten cups, five shots of each
    groups = groups_of(captures_at(session))
    assert max(map(len, groups)) <= 10 and len(groups) >= 5
    cups = [{f"{5 * cup + shot:03}" for shot in range(5)} for cup in range(10)]
    assert all(any(cup <= set(group) for group in groups) for cup in cups)
    assert max(map(len, groups_of(captures_at(range(1000))))) == 30


def test_a_clock_that_was_never_set_and_times_that_many_share_say_nothing() -> None:
    unset = datetime(2000, 1, 1, 0, 1)
    assert groups_of(captures_at([0, 10, 20, *lone(20)], start=unset)) == []
    assert groups_of(captures_at([0.0] * 500)) == []
    few = groups_of(captures_at([0.0] * 4 + lone(20)))
    assert list(map(len, few)) == [4]


def test_times_move_no_picture_and_what_lies_between_two_splits_links_them() -> None:
    captures = captures_at([0, 40, 80, *lone(20)])
    assert groups_of(captures, before={"000": "train", "001": "test"}) == [["001", "002"]]
    links = link_bursts(captures, {}, dict.fromkeys(captures, "rose"), 60, {"000": "train", "002": "test"})
    assert sorted(link.members for link in links) == [("000", "001"), ("001", "002")]


_times = st.lists(st.integers(0, 2000), max_size=60)


@given(_times, st.randoms(use_true_random=False))
def test_bursts_do_not_depend_on_the_order_and_are_never_large(times: list[int], dice: random.Random) -> None:
    captures = captures_at(times)
    shuffled = list(captures.items())
    dice.shuffle(shuffled)
    groups = groups_of(captures)
    assert groups_of(dict(shuffled)) == groups
    assert all(1 < len(members) <= max(1, len(captures) // 5) for members in groups)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 59)), min_size=40, max_size=60))
def test_every_burst_that_is_no_session_is_whole(shots: list[tuple[int, int]]) -> None:
    captures = captures_at([86_400 * day + second for day, second in shots])
    days: dict[int, set[str]] = defaultdict(set)
    for name, (day, _) in zip(captures, shots, strict=True):
        days[day].add(name)
    bursts = sorted(sorted(names) for names in days.values() if 1 < len(names) <= len(captures) // 5)
    groups = sorted(groups_of(captures))
    assert [group for group in groups if group in bursts] == bursts


# ---- from files to splits


def photograph(path: Path, class_name: str, number: int, taken: datetime) -> None:
    exif = Image.Exif()
    exif[0x0110] = "EOS 5D"
    exif.get_ifd(0x8769)[0x9003] = taken.strftime("%Y:%m:%d %H:%M:%S")
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(class_name, number).save(path, exif=exif)


@pytest.fixture
def photographed(project: Project, tmp_path: Path) -> Project:
    """Make a project of 15 pictures of each class, taken in five bursts of three by one person."""
    for class_name in CLASS_NAMES:
        for number in range(15):
            taken = NOON + timedelta(days=number // 3, seconds=20 * (number % 3))
            photograph(tmp_path / "photos" / class_name / f"{number:02}.jpg", class_name, number, taken)
    project.write_settings({"split.features_alike": 1.0, "clean.labels": "off", "clean.outliers": "off"})
    project.write_settings({"clean.copy_reframed": 1.0})  # so that nothing has to compute features
    add(project, project.settings(), tmp_path / "photos", terms=Terms(author="Ann"), progress=SilentProgress())
    clean(project, project.settings(), progress=SilentProgress())
    return project


def run(project: Project) -> SplitReport:
    return split(project, project.settings(), progress=SilentProgress())


def state_of(project: Project, stage: str) -> str:
    return next(item.state for item in status(project, project.settings()).stages if item.stage == stage)


def test_bursts_of_files_are_read_and_stay_together(photographed: Project) -> None:
    report = run(photographed)
    assert report.reasons == {"burst": 15} and report.groups == 15
    with photographed.catalog() as catalog:
        sides: dict[tuple[str, str], set[str]] = defaultdict(set)
        days = {name: capture.taken_at[:10] for name, capture in catalog.captures().items()}
        for state in catalog.states():
            sides[state.class_name, days[state.sha256]].add(state.split)
    assert len(sides) == 15 and all(len(splits) == 1 for splits in sides.values())
    photographed.write_settings({"split.burst_s": 0})
    assert state_of(photographed, "split") == "out of date"
    assert run(photographed).reasons == {}


def test_a_time_that_was_read_anew_divides_again_and_moves_nothing(photographed: Project) -> None:
    with photographed.catalog() as catalog:
        captures = catalog.captures()
        catalog.set_captures(dict.fromkeys(captures, Capture()))  # as an earlier version left them
    assert run(photographed).reasons == {} and state_of(photographed, "split") == "done"
    with photographed.catalog() as catalog:
        before = catalog.splits()
        catalog.set_captures(captures)
    assert state_of(photographed, "split") == "out of date"
    report = run(photographed)
    with photographed.catalog() as catalog:
        assert catalog.splits() == before
    assert report.reasons["burst"] and (report.joined, report.set_aside) == (0, ())
