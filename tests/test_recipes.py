"""The recipes: each makes a project that goes on at once; they can be listed, changed and written by anyone."""

import json
from collections import Counter
from pathlib import Path

import pytest

import fieldguide as fg
from command import check_two_lines, ran, run
from conftest import Pictures
from fieldguide.errors import InputMissing, InputUnusable, SettingsError
from fieldguide.settings import list_recipes, read_recipe
from fieldguide_charts import CLASS_NAMES

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(path.parent.name for path in ROOT.glob("recipes/*/fieldguide.toml"))


def test_they_are_listed_with_what_they_make() -> None:
    listed = ran("new", "--recipe")
    as_json = json.loads(ran("new", "--recipe", "--json"))["recipes"]
    assert list(as_json) == NAMES
    assert {"plots", "rooms", "plants", "handbags"} <= set(NAMES)
    for name, about in as_json.items():
        assert about and any(name in line and about in line for line in listed.splitlines())
        assert f"]({name}/README.md)" in (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_makes_a_project_whose_next_command_works(name: str, tmp_path: Path) -> None:
    project = fg.new(tmp_path / "mine", recipe=name, contact="you@example.org")
    settings = project.settings
    assert len(settings.classes) >= 2 and settings.about
    assert all(entry.about for entry in settings.classes.values())
    report = project.collect(dry_run=True)
    assert report.plan and not report.found
    text = (tmp_path / "mine" / "fieldguide.toml").read_text(encoding="utf-8")
    assert text.startswith("# ") and "you@example.org" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_link_is_an_address_with_a_label_and_none_is_the_same_for_all(name: str) -> None:
    recipe = read_recipe(name)
    links = [[link.url for link in entry.links] for entry in recipe.settings.classes.values()]
    assert all(link.label for entry in recipe.settings.classes.values() for link in entry.links)
    assert all(url.startswith("https://") for urls in links for url in urls)
    assert not any(links) or not set.intersection(*map(set, links))


def test_sources_wait_until_they_can_be_told_whom_to_reach(tmp_path: Path, pictures: Pictures) -> None:
    made = ran("new", "mine", "--recipe", "rooms", cwd=tmp_path)
    assert "2 names: clean, messy" in made and "set contact and sources" in made and "add FOLDER" in made
    text = (tmp_path / "mine" / "fieldguide.toml").read_text(encoding="utf-8")
    assert "sources = []  # and, once contact is set: openverse, wikimedia" in text
    told = ran("new", "theirs", "--recipe", "rooms", "--contact", "you@example.org", cwd=tmp_path)
    assert "set contact" not in told and "collect --dry-run" in told
    project = fg.new(tmp_path / "ours", recipe="rooms")
    project.add(pictures(tmp_path / "photos", ["clean", "messy"], 4), licence="own")
    assert project.review(page=False).rules == read_recipe("rooms").settings.review.rules != ()
    assert project.status().next_command.startswith("fieldguide build")
    assert next(stage.stage for stage in project.status().stages) == "clean"


def test_what_is_given_stands_in_place_of_what_the_recipe_says(tmp_path: Path) -> None:
    project = fg.new(tmp_path / "x", name="My charts", sources=["openverse"], contact="me@example.org", recipe="plots")
    usual = read_recipe("plots")
    assert (project.settings.name, project.settings.collect.sources) == ("My charts", ("openverse",))
    assert project.settings.classes == usual.settings.classes
    assert usual.settings.train == project.settings.train
    with pytest.raises(InputUnusable, match="names of its own"):
        fg.new(tmp_path / "y", ["a", "b"], recipe="plots")
    with pytest.raises(SettingsError, match="has to be told"):
        fg.new(tmp_path / "y", sources=["openverse"], recipe="plots")
    assert not (tmp_path / "y").exists()


def test_each_chart_that_is_drawn_has_a_card_with_links_to_draw_it() -> None:
    classes = read_recipe("plots").settings.classes
    assert tuple(classes) == CLASS_NAMES
    for entry in classes.values():
        assert all(word in entry.about for word in ("Use it ", "Not "))
        assert len(entry.queries) >= 3
        urls = [link.url for link in entry.links]
        assert len(set(urls)) == len(urls) >= 3
    every = [link.url for entry in classes.values() for link in entry.links]
    assert max(Counter(every).values()) <= 3  # the pages of pies and of points serve two or three kinds


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_s_page_tells_what_an_earlier_system_had_and_what_was_wrong(name: str) -> None:
    text = (ROOT / "recipes" / name / "README.md").read_text(encoding="utf-8")
    assert "fieldguide new" in text and f"--recipe {name}" in text
    had, _, wrong = text.partition("| it had |")[2].partition("| defect |")
    for table, least in ((had, 15), *([(wrong, 4)] if wrong else [])):
        rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:] if line.startswith("|")]
        assert len(rows) >= least
        assert all(len(row) == 2 and all(cell.strip() for cell in row) for row in rows)


def test_a_folder_of_one_s_own_is_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = fg.new("first", ["cat", "dog"], about="Cats and dogs.")
    first.write_settings({"train.seed": 7})
    second = fg.new("second", recipe="./first")
    assert list(second.settings.classes) == ["cat", "dog"]
    assert (second.settings.about, second.settings.train.seed) == ("Cats and dogs.", 7)
    with pytest.raises(InputMissing, match=r"no fieldguide\.toml"):
        fg.new("third", recipe="./nowhere")


def test_a_wrong_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    check_two_lines(run("new", tmp_path / "x", "--recipe", "plot"), 67, "no recipe 'plot'", "perhaps you mean plots")
    check_two_lines(run("new", "--names", "a,b"), 2, "DIR")
    assert not (tmp_path / "x").exists()


def test_the_list_in_the_documentation_is_current() -> None:
    text = (ROOT / "docs" / "new.md").read_text(encoding="utf-8")
    shown = text.partition("$ fieldguide new --recipe\n")[2].partition("```")[0]
    assert [line.rstrip() for line in ran("new", "--recipe").rstrip().splitlines()] == shown.rstrip().splitlines()
    assert set(list_recipes()) == set(NAMES)
