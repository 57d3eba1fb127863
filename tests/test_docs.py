"""The documentation: references are current, commands in the README run, exit codes are the real ones."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
import test_sources as contract

from command import ran, set_key
from conftest import Pictures
from fieldguide import errors, sources
from fieldguide.errors import BadQuery
from fieldguide.learners.augment import PRESETS
from fieldguide.net import REASONS, TRANSIENT
from fieldguide.records.candidates import Answer, DrawingSource, Query, Request, Source, SourceFacts
from fieldguide.settings import change_settings, parse_settings
from fieldguide.settings.models import FEW_PICTURES
from fieldguide.sources import draws, known_sources, open_source
from fieldguide.sources.web.extraction import extract
from fieldguide.sources.web.specs import Drive, Fields, Find, Markers, PageSpec, load_spec, parse_spec, shipped_specs
from fieldguide.stages.tune.space import Choices, choose_preset
from sourcescript import Script, Step, search

ROOT = Path(__file__).resolve().parents[1]


def test_references_are_current() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_exit_codes_are_written_down() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    named = [kind for kind in kinds if issubclass(kind, errors.FieldguideError) and kind is not errors.FieldguideError]
    for kind in named:
        assert f"| {kind.exit_code} | `{kind.__name__}`" in text
    assert len({kind.exit_code for kind in named}) == len(named)


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "recipes").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_are_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_the_walk_in_the_readme_runs(tmp_path: Path, pictures: Pictures) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- run by tests/test_docs.py -->")[2]
    commands = text.split("```")[1].strip().splitlines()
    assert commands[-1].startswith("fieldguide serve")  # it would not end: tests/test_serve.py runs it
    after = text.partition("<!-- run after it -->")[2].split("```")[1].strip().splitlines()
    assert "--minutes 30" in after[0]
    after[0] = after[0].replace("--minutes 30", "--trials 2")
    pictures(tmp_path / "photos", ["rose", "tulip", "iris"], 6)
    for command in [*commands[:-1], *after]:
        words = shlex.split(command)
        result = subprocess.run(
            [sys.executable, "-m", "fieldguide", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{command}\n{result.stderr}"
    assert (tmp_path / "plants" / "guide" / "model.onnx").is_file()
    assert (tmp_path / "plants" / "tune" / "report.html").is_file()
    assert (tmp_path / "plants" / "compare" / "report.html").is_file()


def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (change,) = blocks("tutorial", "toml")
    for block in blocks("tutorial", "console"):
        for part in block.split("$ ")[1:]:
            command, *expected = part.splitlines()
            printed = ran(*shlex.split(command)[1:], cwd=tmp_path).splitlines()
            assert [shape(line) for line in expected or printed] == [shape(line) for line in printed], command
            if command.startswith("fieldguide new"):
                set_key(tmp_path / "charts" / "fieldguide.toml", "collect", change.strip())
    assert text.count("```console") == len(blocks("tutorial", "console"))


def shape(line: str) -> str:
    """Return how a line of output begins, without its figures, which differ from machine to machine."""
    return re.sub(r"[\d.,%-]+", "#", " ".join(line.split()[:3]))


def hand_part(name: str) -> str:
    """Return what a person wrote of a page."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").partition("<!-- from here on")[0]


def rows(name: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table with this heading, each under what its first cell names."""
    table = re.search(rf"^{re.escape(heading)}.*\n\|[-|]+\|\n((?:\|.*\n)+)", hand_part(name), re.MULTILINE)
    assert table, heading
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]
    return {row[0].strip("| `"): row for row in cells}


def blocks(name: str, language: str) -> list[str]:
    """Return the pieces of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", hand_part(name), re.MULTILINE | re.DOTALL)


def facts_without_keys(name: str, monkeypatch: pytest.MonkeyPatch) -> SourceFacts:
    for variable in ("FIELDGUIDE_OPENVERSE_TOKEN", "FLICKR_API_KEY", "BRAVE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return open_source(name).facts


def test_every_source_has_a_row_and_no_row_is_of_none() -> None:
    assert set(rows("sources", "| source | holds |")) == set(known_sources())


@pytest.mark.parametrize("name", known_sources())
def test_a_source_s_row_is_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_without_keys(name, monkeypatch)
    _, _, licences, key, per_query, per_day, terms = rows("sources", "| source | holds |")[name]
    assert licences == ("yes" if facts.licence_fields else "no")
    match = re.fullmatch(r"`(\w+)` (needed|raises its limits)", key)
    assert (match[1] if match else "") == facts.key
    assert bool(match and match[2] == "needed") == facts.key_needed
    assert per_query == (f"{facts.per_query:,}" if facts.per_query else "–")  # noqa: RUF001 - a dash, as in print
    assert per_day == (f"{facts.per_day:,}" if facts.per_day else "–")  # noqa: RUF001
    assert (f"({facts.terms_url})" in terms) if facts.terms_url else "](" not in terms


def test_the_keys_are_those_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {facts_without_keys(name, monkeypatch).key for name in known_sources()} - {""}
    assert keys == set(re.findall(r"export (\w+)=", hand_part("sources")))


@pytest.mark.parametrize("name", [name for name in known_sources() if not draws(name)])
def test_a_source_s_options_are_told(name: str) -> None:
    async def nobody(request: Request) -> Answer:
        raise AssertionError(f"asked for {request.url}")

    source = open_source(name)
    assert not isinstance(source, DrawingSource)
    with pytest.raises(BadQuery) as caught:
        asyncio.run(source.search(Query(name, "rose", "rose", {"xxxxxxxxxx": "1"}), "", nobody))
    known = set(caught.value.hint.removeprefix("it knows ").split(", ")) - {"no options"}
    row = rows("sources", "| source | options |").get(name)
    documented = set(re.findall(r"`(\w+)`", row[1])) if row else set()
    assert documented == known
    assert row or f"`{name}`" in hand_part("sources").partition("## Options")[2]


def test_the_sources_that_know_similar_pictures_are_named() -> None:
    match = re.search(r"Similar pictures are known to (.*)\.", hand_part("sources"))
    assert match
    known = {name for name in known_sources() if hasattr(open_source(name), "similar")}
    assert set(re.findall(r"`(\w+)`", match[1])) == known


def test_every_spec_that_ships_is_in_the_table() -> None:
    table = rows("specs", "| spec | reads |")
    assert sorted(table) == sorted(shipped_specs())
    for name, (_, about, similar, terms) in table.items():
        spec = load_spec(name)
        assert (about, similar) == (spec.about, "yes" if spec.similar else "no")
        assert f"({spec.terms_url})" in terms


def test_every_key_of_a_spec_is_told() -> None:
    documented = set(re.findall(r"`(\w+)`", hand_part("specs").partition("## Keys")[2]))
    for model in (PageSpec, Find, Fields, Markers, Drive):
        assert not set(model.model_fields) - documented - {"find", "markers", "drive"}


def test_the_example_spec_reads_the_example_page() -> None:
    spec = parse_spec(blocks("specs", "toml")[0], "birds.toml")
    (candidate,) = extract(blocks("specs", "html")[0], spec, "https://birds.example/search").candidates
    assert candidate.url == "https://birds.example/l/heron.jpg"
    assert candidate.page_url == "https://birds.example/photo/17"
    assert (candidate.title, candidate.author) == ("grey heron", "A. Person")
    assert (candidate.width, candidate.height, candidate.is_thumb) == (1600, 1200, False)


def test_the_settings_shown_are_possible() -> None:
    tables = [tomllib.loads(text) for name in ("collect", "sources", "specs") for text in blocks(name, "toml")]
    relevant = [table for table in tables if {"collect", "classes"} & set(table)]
    assert len(relevant) == 6
    for table in relevant:
        settings = parse_settings(table, Path("fieldguide.toml"))
        assert set(settings.collect.options) <= set(settings.collect.sources) <= set(known_sources())


def test_every_reason_is_explained() -> None:
    text = hand_part("collect").partition("| reason | meaning |")[2].partition("\n\n")[0]
    documented = {word for line in text.splitlines() for word in re.findall(r"`(\w+)`", line.split(" | ")[0])}
    decoding = {"not_an_image", "unsupported_format", "too_many_bytes", "too_many_pixels", "too_many_scans", "damaged"}
    judging = {"licence", "too_small", "copy", "near_copy", "enough_similar"}
    assert documented - {"http_404", "http_410"} == {*REASONS, *decoding, *judging}
    retried = hand_part("collect").partition("`--retry REASON`")[2].partition(". What was")[0]
    assert set(re.findall(r"`(\w+)`", retried)) - {"http_500"} == TRANSIENT - {"stopped"}


TILE = {
    "id": "7",
    "title": "Blue tile",
    "maker": "A. Person",
    "page": "https://tiles.example/7",
    "rights": "CC BY 4.0",
    "rights_url": "https://creativecommons.org/licenses/by/4.0/",
    "image": {"url": "https://img.tiles.example/7.jpg", "width": 900, "height": 900},
}


def tiles(skip: int, count: int, total: int) -> Step:
    """Return a page of the museum in the example."""
    records = [
        TILE | {"id": str(number), "image": {**TILE["image"], "url": f"https://img.tiles.example/{number}.jpg"}}  # type: ignore[dict-item]
        for number in range(skip, skip + count)
    ]
    parameters = ("q=kettle", f"skip={skip}", "limit=2")
    return Step(
        "https://api.tiles.example/v1/tiles", parameters, sample=json.dumps({"tiles": records, "total": total}).encode()
    )


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> contract.Case:
    """Install the source in docs/sources.md through its entry point."""
    (program,) = blocks("sources", "python")
    module = ModuleType("tile_museum")
    exec(compile(program, "docs/sources.md", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "tile_museum", module)
    packaging = tomllib.loads(blocks("sources", "toml")[-1])["project"]["entry-points"][sources.GROUP]
    entries = [EntryPoint(name, place, sources.GROUP) for name, place in packaging.items()]
    monkeypatch.setattr(sources, "entry_points", lambda group: entries if group == sources.GROUP else [])
    return contract.Case(
        make=lambda environ: cast(Source, open_source("tiles")),
        query=Query("tiles", "kettle", "kettle"),
        steps=(tiles(0, 2, 3), tiles(2, 1, 3)),
        counts=(2, 1),
        skipped={},
        nothing=(tiles(0, 0, 0),),
        wrong_option=("color", "colour"),
    )


def test_the_example_source_passes_the_contract(example: contract.Case) -> None:
    rules = contract.TestContract()
    rules.test_it_says_what_it_is(example)
    rules.test_it_pages_to_the_end_and_asks_only_hosts_that_it_names(example)
    rules.test_its_candidates_can_be_fetched_and_kept(example)
    rules.test_it_goes_on_from_any_cursor(example)
    rules.test_the_same_answers_give_the_same_page(example)
    rules.test_nothing_found_is_an_empty_last_page(example)
    rules.test_a_changed_answer_is_a_typed_error_or_is_counted(example)
    rules.test_it_says_how_long_to_wait(example)
    rules.test_errors_of_asking_pass_through(example)
    rules.test_an_unknown_option_names_the_nearest(example)
    for kind in contract.OTHER_BODIES:
        rules.test_another_kind_of_answer_is_a_changed_layout(example, kind)
    for cursor in ("-1", "x", "1e3"):
        rules.test_a_wrong_cursor_is_refused_unasked(example, cursor)
    first = search(example.source(), example.query, Script(example.steps)).candidates[0]
    assert (first.title, first.author, first.licence, first.width) == ("Blue tile", "A. Person", "CC BY 4.0", 900)


def test_the_example_learner_passes_the_contract(tmp_path: Path) -> None:
    program, test = blocks("learners", "python")
    project = tomllib.loads(blocks("learners", "toml")[0])["project"]
    (tmp_path / "grid_learner.py").write_text(program, encoding="utf-8")
    (tmp_path / "test_grid.py").write_text(test, encoding="utf-8")
    packaged = tmp_path / f"fieldguide_grid-{project['version']}.dist-info"  # as pip would install it
    packaged.mkdir()
    (packaged / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    ((group, entries),) = project["entry-points"].items()
    (packaged / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))
    match = re.search(
        r"^    PYTHONPATH=\.\./fieldguide/tests:\.\./fieldguide/tests/learners (pytest .*)$",
        hand_part("learners"),
        re.MULTILINE,
    )
    assert match
    paths = os.pathsep.join(
        [str(tmp_path), str(ROOT / "tests"), str(ROOT / "tests" / "learners"), *filter(None, sys.path)]
    )
    result = subprocess.run(
        [sys.executable, "-m", *shlex.split(match[1]), "-W", "error"], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    assert " 11 passed" in result.stdout


def test_every_backbone_has_a_row_that_is_right() -> None:
    from fieldguide.learners.weights import BACKBONE_NAMES, find_width, is_embedded

    table = rows("train", "| backbone | parameters, millions |")
    assert list(table) == list(BACKBONE_NAMES)
    for name, (_, _, width, _, weights) in table.items():
        assert width == f"{find_width(name, 224):,}"
        where = "torchvision's server" if BACKBONE_NAMES[name].startswith("torchvision") else "the hub"
        assert weights.rstrip(" |") == ("come with the extra `[train]`" if is_embedded(name) else where)


def test_what_suits_a_learner_is_told() -> None:
    from fieldguide.learners import cnn, colour, frozen, transfer

    table = rows("train", "| key | `cnn` |")
    assert [float(cell.rstrip(" |")) for cell in table["size"][1:4]] == [
        cnn.DEFAULT_SIDE,
        transfer.DEFAULT_SIDE,
        transfer.DEFAULT_SIDE,
    ]
    assert table["size"][4].startswith(f"{frozen.DEFAULT_SIDE};")
    assert table["size"][5].rstrip(" |") == str(colour.DEFAULT_SIDE)
    for key in ("epochs", "batch_size", "accumulate", "lr", "layer_decay"):
        usual = [cnn.DEFAULTS[key], transfer.DEFAULTS[key], transfer.DEFAULTS[key]]
        assert [float(cell) for cell in table[f"loop.{key}"][1:4]] == usual
    assert f"{FEW_PICTURES} pictures in train and val or fewer" in hand_part("train")


def test_every_preset_of_augmentation_has_a_row() -> None:
    assert set(rows("train", "| preset | what happens |")) == set(PRESETS)


def test_the_search_shown_is_possible() -> None:
    tables = [tomllib.loads(text) for text in blocks("tune", "toml")]
    assert tables
    for table in tables:
        settings = parse_settings(table, Path("fieldguide.toml"))
        for name, domain in choose_preset(settings.tune).space.domains.items():
            value = domain.values[0] if isinstance(domain, Choices) else domain.low
            change_settings(settings, {f"train.{name}": value})
