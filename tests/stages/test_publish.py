"""What is published: only with its proof, only what a licence allows, and nothing that a stranger can run."""

import csv
import html
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image

import fieldguide.exporters.onnx as exporter
from command import check_two_lines, ran, run, set_key
from conftest import CLASS_NAMES, draw_picture
from fieldguide.errors import NotReady, ParityError
from fieldguide.features import Pictures
from fieldguide.guide import open_guide
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.records import PublishReport
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.clean import clean
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.new import new
from fieldguide.stages.publish import publish
from fieldguide.stages.split import split
from fieldguide.stages.train import train
from fieldguide.text import render

PLAIN_SCORE = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2.0}
EARLIER = ("run", "accuracy", "macro_f1", "ece", "grouped", "careless", "per_class", "test_images", "report")
EVIL = '"><img src=x onerror=alert(1)>'
PLACE = "Museum <b>of</b> 'shapes'"


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def press(project: Project) -> PublishReport:
    return publish(project, project.settings(), progress=SilentProgress())


# ---- the proof


def test_a_guide_that_answers_otherwise_is_not_published(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(built.guide_folder)
    real = exporter.export_model

    def turn_head(backbone: bytes, head: Any, *rest: Any, **more: Any) -> bytes:
        (layer,) = head
        turned = type(layer)(np.roll(layer.weights, 1, axis=1), np.roll(layer.bias, 1))
        return real(backbone, (turned,), *rest, **more)

    set_key(built.settings_file, "publish", "examples = 3")
    with monkeypatch.context() as patch:
        patch.setattr("fieldguide.learners.frozen.export_model", turn_head)
        with pytest.raises(ParityError, match="differ from the trained") as caught:
            press(built)
    assert caught.value.exit_code == 7 and caught.value.hint
    assert files_of(built.guide_folder) == before
    assert not list(built.root.glob(".guide*"))
    report = press(built)
    assert report.agreement == 1.0 and report.max_difference < 1e-4 and report.examples == 9


def test_the_program_says_that_the_proof_failed(built: Project) -> None:
    before = files_of(built.guide_folder)
    for path in built.features_folder.rglob("*.npz"):
        with np.load(path, allow_pickle=False) as shard:
            names, features = shard["sha256"], shard["features"]
        np.savez(path, sha256=names, features=np.roll(features, 1, axis=0))
    set_key(built.settings_file, "publish", "examples = 3")
    check_two_lines(run("publish", "-C", built.root), 7, "differ from the trained", "features/")
    assert files_of(built.guide_folder) == before


def test_the_proof_is_written_down(built: Project) -> None:
    about = json.loads((built.guide_folder / "guide.json").read_text())
    with built.catalog() as catalog:
        vals = [state for state in catalog.states() if state.state == "kept" and state.split == "val"]
    assert about["parity"]["compared"] == len(vals)
    assert about["parity"]["agreement"] == 1.0
    assert about["data"]["images"] == sum(about["data"][name] for name in ("train", "val", "test"))


@pytest.mark.parametrize("views", [2, 4])
def test_a_guide_averages_as_many_views_as_the_settings_say(built: Project, views: int) -> None:
    set_key(built.root / "fieldguide.toml", "train", 'mirror = "always"')
    set_key(built.root / "fieldguide.toml", "train", "views = 4")
    set_key(built.root / "fieldguide.toml", "publish", f"views = {views}")
    for stage in (train, evaluate, publish):
        report = stage(built, built.settings(), progress=SilentProgress())
    assert isinstance(report, PublishReport) and report.max_difference < 1e-5
    about = json.loads((built.guide_folder / "guide.json").read_text())
    assert len(about["views"]) == views and about["views"][0] == about["preprocessing"]
    assert about["views"][1] == {**about["preprocessing"], "mirrored": True}
    guide = open_guide(built.guide_folder)
    picture = draw_picture("circle", 60)
    probs = guide.classify(picture).probs
    mirrored = guide.classify(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).probs
    assert probs == pytest.approx(mirrored, abs=1e-4), "both views are in the mean"


def test_of_many_val_pictures_only_some_are_asked_about(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldguide.stages.publish.MAX_COMPARED", 1)
    shutil.rmtree(built.guide_folder)
    assert press(built).compared == 1


def test_publishing_needs_an_evaluated_run(filled_project: Project) -> None:
    with pytest.raises(NotReady):
        press(filled_project)


def test_publishing_does_not_open_the_test_split_again(built: Project) -> None:
    with built.catalog() as catalog:
        test, looks = load_dataset(catalog).where("test"), catalog.count_looks()
    accepted = press(built).true_accept
    shutil.rmtree(built.guide_folder)
    shutil.rmtree(built.features_folder)
    for name, kind in test.images.items():
        built.image_path(name, kind).unlink()
    report = press(built)
    with built.catalog() as catalog:
        assert catalog.count_looks() == looks == 1
    assert report.true_accept == accepted and report.test_images == len(test.labels)
    right = round(accepted * report.test_images)
    assert report.true_accept_interval == pytest.approx(wilson_interval(right, report.test_images))


def test_a_run_that_an_earlier_version_evaluated_is_published(built: Project) -> None:
    accepted = press(built).true_accept
    shutil.rmtree(built.guide_folder)
    next(built.runs_folder.glob("*/test-predictions.csv")).unlink()
    with built.catalog() as catalog:
        done = catalog.finished("evaluate")
        assert done
        known = {key: value for key, value in done.report.items() if key in EARLIER}
        known["per_class"] = {name: dict(PLAIN_SCORE) for name in CLASS_NAMES}
        catalog.finish("evaluate", done.inputs, known, built.now())
    assert press(built).true_accept == accepted
    with built.catalog() as catalog:
        assert catalog.count_looks("publish") == 1, "no answers to read: the test split is opened, and counted"
    assert open_guide(built.guide_folder).about["scores"]["macro_f1"]


# ---- what the guide shows


@pytest.fixture(scope="module")
def stranger(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Build a project whose names, authors and places are hostile, and whose pictures have GPS data."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    base = tmp_path_factory.mktemp("stranger")
    names = (EVIL, "=cmd|'calc'!A0")
    changed: dict[str, dict[str, Any]] = {
        "features": {"runtime": "onnxruntime"},
        "train": {"fit": "squash", "strengths": [0.01], "folds": 2},
        "evaluate": {"folds": 2},
        "publish": {"examples": 2},
    }
    new(base / "place", {name: {"about": f"about {EVIL}"} for name in names}, about=f"A {EVIL}", changed=changed)
    project = Project(base / "place")
    settings = project.settings()
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = "SECRET-DESCRIPTION", "SECRET-COMMENT"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0), 29: "SECRET-DATE"})
    for place, (name, shape) in enumerate(zip(names, CLASS_NAMES, strict=False)):
        for number in range(8):
            licence = "own" if number < 5 else ("", "all rights reserved", "CC-BY-NC-4.0")[number % 3]
            folder = base / f"{place}-{number}" / f"+{number}"
            folder.mkdir(parents=True)
            path = folder / f"=HYPERLINK({number}).jpg"
            draw_picture(shape, number, side=400).save(path, "JPEG", exif=exif, comment=b"SECRET-JFIF")
            terms = Terms(name, f"@{PLACE}", licence, "-1+1" if licence else "")
            add(project, settings, folder.parent, terms=terms, progress=SilentProgress())
    twin, small = base / "twin" / "=copy.png", base / "small" / "tiny.png"
    for path, side in ((twin, 400), (small, 40)):
        path.parent.mkdir()
        draw_picture(CLASS_NAMES[0], 0, side=side).save(path)
        add(project, settings, path.parent, terms=Terms(names[0], "", "own"), progress=SilentProgress())
    build(project, settings, progress=SilentProgress(), done=lambda name, report: None)
    return project


def test_examples_only_under_licences_that_allow_it(stranger: Project) -> None:
    about = json.loads((stranger.guide_folder / "guide.json").read_text(encoding="utf-8"))
    examples = [example for row in about["classes"] for example in row["examples"]]
    assert len(examples) == 4 and {example["licence"] for example in examples} == {"own"}
    assert {example["author"] for example in examples} == {f"@{PLACE}"}
    files = {f"examples/{path.name}" for path in (stranger.guide_folder / "examples").iterdir()}
    assert files == {example["file"] for example in examples}
    with stranger.catalog() as catalog:
        allowed = {origin.sha256[:16] for origin in catalog.origins() if origin.licence == "own"}
    assert {Path(name).stem for name in files} <= allowed


def test_a_licence_that_is_not_allowed_any_more_hides_the_examples(built: Project) -> None:
    set_key(built.settings_file, "publish", 'example_licences = ["CC0-1.0"]')
    assert "no examples" in ran("publish", "-C", built.root)
    assert not list((built.guide_folder / "examples").iterdir())
    open_guide(built.guide_folder)


def test_nothing_published_carries_what_cameras_write(stranger: Project) -> None:
    originals = list((stranger.root / "images").rglob("*.jp*g"))
    assert originals and all(b"SECRET-DESCRIPTION" in path.read_bytes() for path in originals)
    for path in (stranger.guide_folder / "examples").iterdir():
        with Image.open(path) as image:
            assert image.format == "JPEG" and max(image.size) <= 320
            assert not image.getexif() and "exif" not in image.info and "comment" not in image.info
    pages = files_of(stranger.guide_folder) | files_of(stranger.runs_folder)
    assert not [name for name, data in pages.items() if b"SECRET" in data or b"Exif\x00" in data]


def test_credits_name_every_kept_picture_and_no_other(stranger: Project) -> None:
    with stranger.catalog() as catalog:
        kept_classes = {state.sha256: state.class_name for state in catalog.states() if state.state == "kept"}
        assert len(kept_classes) < len(catalog.hashes())
    text = (stranger.guide_folder / "CREDITS.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["sha256"] for row in rows} == set(kept_classes)
    assert {row["licence"] for row in rows} >= {"own", "unknown"}
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(cell == "'=cmd|'calc'!A0" for cell in cells) and any(cell == f"'@{PLACE}" for cell in cells)
    assert any("=HYPERLINK" in row["location"] for row in rows)


def test_the_card_is_in_the_form_that_sites_read(stranger: Project) -> None:
    text = (stranger.guide_folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\n")
    head = text.split("---\n")[1].splitlines()
    values = dict(line.split(": ", 1) for line in head if ": " in line)
    assert values["pipeline_tag"] == "image-classification" and values["license"] == "other"
    assert "library_name" in values and "- onnx" in head
    assert "<img" not in text and "SECRET" not in text
    assert "# place" in text and "fieldguide predict" in text


def test_the_card_counts_where_the_pictures_came_from_and_what_was_left_out(stranger: Project) -> None:
    about = json.loads((stranger.guide_folder / "guide.json").read_text(encoding="utf-8"))
    data = about["data"]
    with stranger.catalog() as catalog:
        kept = [state for state in catalog.states() if state.state == "kept"]
        rejected = [state for state in catalog.states() if state.state == "rejected"]
    assert data["by_source"] == {"folder": len(kept)} and data["searched"] == 0
    assert sum(data["by_licence"].values()) >= len(kept) and {"own", "unknown", "CC-BY-NC-4.0"} <= set(
        data["by_licence"]
    )
    assert sum(data["excluded"].values()) == len(rejected) == 2 and data["excluded"]["too_small"] == 1
    page = MarkdownIt("commonmark").enable("table").render((stranger.guide_folder / "README.md").read_text("utf-8"))
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    for table in ("by_source", "by_licence"):
        for name, count in data[table].items():
            assert [name, str(count)] in [[html.unescape(cell) for cell in row] for row in cells]
    for words in (
        "Intended use",
        "has not said what it is meant for",
        "Limits",
        "1 too_small",
        "none was searched for",
    ):
        assert words in page


def test_the_card_has_the_owners_own_words_and_labels_of_links(built: Project) -> None:
    built.write_settings({
        "publish.intended_use": "Sorting shapes for **children**.",
        "publish.limitations": "Not for triangles on the moon.",
        "classes.circle.links": [
            {"label": "All | about circles", "url": "https://example.org/a|b"}, "http://plain.example/x",
        ],
    })  # fmt: skip
    press(built)
    row = open_guide(built.guide_folder).about["classes"][0]
    assert row["links"] == [
        {"label": "All | about circles", "url": "https://example.org/a|b"},
        {"label": "plain.example: x", "url": "http://plain.example/x"},
    ]
    page = MarkdownIt("commonmark").enable("table").render((built.guide_folder / "README.md").read_text("utf-8"))
    assert '<a href="https://example.org/a%7Cb">All | about circles</a>' in page
    assert "Sorting shapes for **children**." in page and "Not for triangles on the moon." in page
    assert "has not said" not in page


def test_classes_are_told_in_other_languages_counted_and_set_beside_those_like_them(built: Project) -> None:
    built.write_settings({"classes.circle.names": {"de": "Kreis", "es": "círculo"}})
    press(built)
    rows = {row["name"]: row for row in open_guide(built.guide_folder).about["classes"]}
    assert rows["circle"]["names"] == {"de": "Kreis", "es": "círculo"} and "names" not in rows["square"]
    with built.catalog() as catalog:
        kept = [(state.class_name, state.split) for state in catalog.states() if state.state == "kept"]
    for name, row in rows.items():
        assert row["images"] == {split: kept.count((name, split)) for split in ("train", "val", "test")}
        counted = sum(row["images"].values())
        for other in row["neighbours"]:
            assert other["name"] in rows and other["name"] != name and other["measured_on"] == "cross-validation"
            assert other["taken_for_it"][1] == counted and other["taken_for_it"][0] <= counted


def test_a_guide_has_the_branding_of_the_settings_and_a_logo_that_is_only_pixels(built: Project) -> None:
    assert "branding" not in json.loads((built.guide_folder / "guide.json").read_text())
    logo = Image.new("RGBA", (600, 300), (255, 0, 0, 0))
    logo.paste((0, 0, 255, 255), (0, 0, 300, 300))
    exif = Image.Exif()
    exif[0x010E] = "secret"
    logo.save(built.root / "mark.png", exif=exif)
    built.write_settings({"branding.logo": "mark.png", "branding.colour": "#7a2e8e", "branding.title": EVIL})
    press(built)
    about = open_guide(built.guide_folder).about
    assert about["branding"] == {"logo": "logo.png", "colour": "#7a2e8e", "title": EVIL}
    data = (built.guide_folder / "logo.png").read_bytes()
    shown = Image.open(io.BytesIO(data))
    assert (shown.format, shown.size, shown.mode) == ("PNG", (256, 128), "RGBA") and b"secret" not in data
    pixels = np.asarray(shown)
    assert pixels[10, 10].tolist() == [0, 0, 255, 255] and pixels[10, 250, 3] == 0
    Image.new("RGB", (40, 40), "green").save(built.root / "mark.png")
    press(built)
    newer = (built.guide_folder / "logo.png").read_bytes()
    assert Image.open(io.BytesIO(newer)).size == (40, 40), "another file is another guide"


@pytest.mark.parametrize("name", ["mark.svg", "../mark.png", "absent.png"])
def test_a_logo_is_a_picture_of_the_project(built: Project, name: str) -> None:
    (built.root / "mark.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    Image.new("RGB", (40, 40)).save(built.root.parent / "mark.png")
    set_key(built.settings_file, "branding", f'logo = "{name}"')
    check_two_lines(run("publish", "-C", built.root), 78, "branding.logo", "PNG")


def test_no_name_breaks_the_tables_of_the_card(built_once: Path) -> None:
    about = json.loads((built_once / "guide" / "guide.json").read_text(encoding="utf-8"))
    names = ["a|b", "<b>bold</b> & [link](https://example.org)", "**x** `|` :rose: ~~y~~ $1$ \\"]
    scores = list(about["scores"]["per_class"].values())
    about["scores"]["per_class"] = dict(zip(names, scores, strict=True))
    about["classes"] = [{**row, "name": name} for row, name in zip(about["classes"], names, strict=True)]
    about["name"] = "plain | *not*"
    card = render("card.md", {**about, "careless_claim": ""}).split("---\n", 2)[2]
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(card)
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    assert [html.unescape(row[0]) for row in rows if len(row) == 5] == ["class", *names]
    assert [html.unescape(row[0]) for row in rows if len(row) == 3][:4] == ["class", *names]
    assert "<h1>plain | *not*</h1>" in page and "<b>" not in page
    assert {link.rpartition("/")[0] for link in re.findall('<a href="([^"]+)"', page)} == {"https://example.org"}
    assert ", ".join(names) in html.unescape(page)


def test_the_report_escapes_whatever_comes_from_outside(stranger: Project) -> None:
    (page,) = stranger.runs_folder.glob("*/report.html")
    text = page.read_text(encoding="utf-8")
    assert "<img src=x" not in text and "&lt;img src=x onerror=alert(1)&gt;" in text
    assert text.count("<script") == 1 and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in text and "script-src 'sha256-" in text, "it runs the script that has this hash"
    for attribute in (" onerror=", " onload=", " onclick="):
        assert attribute not in text.replace("src=x onerror=alert", "")


def test_the_stages_in_turn_make_what_build_makes(stranger: Project) -> None:
    settings = stranger.settings()
    before = files_of(stranger.guide_folder)
    for stage in (clean, split, train, evaluate, publish):
        stage(stranger, settings, progress=SilentProgress())
    assert files_of(stranger.guide_folder) == before


def test_features_of_a_coarser_runtime_must_still_agree(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Pictures.embed_views

    def embed_views(self: Pictures, model: Path, views: Any, runtime: Any) -> Any:
        tables = real(self, model, views, runtime)
        with built.catalog() as catalog:
            known = len(load_dataset(catalog).where("train", "val").labels)
        # only those trained on are wrong
        return [np.roll(table, 7, axis=0) for table in tables] if len(self) == known else tables

    set_key(built.settings_file, "publish", "examples = 3")
    monkeypatch.setattr(Pictures, "embed_views", embed_views)
    with pytest.raises(ParityError, match="agrees with the features"):
        press(built)
