"""The report's page as a reader sees it: every section, what its cells and its slider open, on a phone and printed."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import Clock, Pictures, draw_picture, encode, make_project
from fieldguide.features import Extractor
from fieldguide.features import Pictures as SeenPictures
from fieldguide.learners.contract import Outputs
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.runs import latest_run
from fieldguide.records import Preprocessing
from fieldguide.settings import change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.clean import clean
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.evaluate.confusion import choose_classes
from fieldguide.stages.evaluate.curves import Ranking, list_thresholds
from fieldguide.stages.evaluate.measuring import measure
from fieldguide.stages.evaluate.mistakes import map_evidence
from fieldguide.stages.evaluate.more_pictures import Growth, advise
from fieldguide.stages.split import split
from fieldguide.stages.train import train

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SECTIONS = ["scores", "matrices", "pairs", "curves", "calibration", "mistakes", "suspects", "growth", "leaks",
            "training", "architecture", "making"]  # fmt: skip
QUICK = {"train.learner": "colour", "train.colour.grid": "usual", "train.colour.families": ["logistic"],
         "evaluate.growth": False, "evaluate.cell_pictures": 5, "evaluate.saliency": 1}  # fmt: skip


class Page(HTMLParser):
    """What a page says: the text of each section, its headings, the places of its links."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: dict[str, str] = {"": ""}
        self._section = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values["id"])] if "id" in values else []
        self.links += [str(values["href"])] if tag == "a" else []
        if tag == "section":
            self._section = str(values["id"])
            self.texts[self._section] = ""

    def handle_endtag(self, tag: str) -> None:
        self._section = "" if tag == "section" else self._section

    def handle_data(self, data: str) -> None:
        self.texts[self._section] += " ".join(data.split()) + " "


@pytest.fixture(scope="module")
def two_classes(own_cache: Path, tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Project:
    """Build a project of two classes in which three squares are labelled as circles."""
    pytest.importorskip("torch", reason="training needs the extra [train]")
    base = tmp_path_factory.mktemp("two")
    project = make_project(base / "project", ["circle", "square"])
    source = pictures(base / "source", ["circle", "square"], 14)
    for number in range(40, 43):
        (source / "circle" / f"wrong-{number}.png").write_bytes(encode(draw_picture("square", number)))
    changed: dict[str, object] = {"features.runtime": "onnxruntime", "split.features_alike": 1.0, "train.folds": 3,
                                  "evaluate.folds": 3, "evaluate.cell_pictures": 20, "train.views": 1}  # fmt: skip
    project.write_settings(changed)
    add(project, project.settings(), source, terms=Terms(licence="own"), progress=SilentProgress())
    build(project, project.settings(), progress=SilentProgress(), done=lambda name, report: None)
    return project


def report_of(project: Project) -> Path:
    (path,) = project.runs_folder.glob("*/report.html")
    return path


def test_every_section_is_in_the_contents_and_its_figures_in_metrics(two_classes: Project) -> None:
    page = Page(report_of(two_classes))
    assert page.links == [f"#{name}" for name in page.texts if name]
    assert [name for name in page.texts if name in SECTIONS] == SECTIONS
    assert len(page.ids) == len(set(page.ids))
    numbers = json.loads(report_of(two_classes).with_name("metrics.json").read_text(encoding="utf-8"))
    assert set(SECTIONS) - {"scores", "making"} <= set(numbers)
    wrong = sum(map(sum, numbers["cv_confusion"])) - np.trace(np.array(numbers["cv_confusion"]))
    assert numbers["mistakes"]["wrong"] == wrong >= 3, "three labels are wrong"
    assert f"of {wrong} mistakes on {numbers['images']} pictures" in page.texts["mistakes"]
    (pair,) = numbers["pairs"]["most_confused"]
    assert pair["count"] == wrong and [count for count, _ in pair["ways"]] == [wrong, 0]
    assert "square never predicted circle; told rightly: 0 of" in page.texts["pairs"]
    assert page.source.count('alt="square, told rightly"') == 2
    assert len(numbers["curves"]["thresholds"]) == 101
    assert list(numbers["calibration"]["pools"]) == ["cross-validation"]
    assert "are too few, and 30 are needed: None of these, Changed pictures." in page.texts[""]
    low, high = numbers["curves"]["roc_auc"]["macro"][1:]
    assert 0 <= low <= numbers["curves"]["roc_auc"]["macro"][0] <= high <= 1
    assert numbers["top_k"]["1"][0] == pytest.approx(numbers["accuracy"][0])
    assert f"{numbers['matrices']['pictures_left_out']} are left out" in page.texts["matrices"]
    assert f"{numbers['architecture']['parameters']:,} parameters" in page.texts["architecture"]
    shapes = [layer["shape"] for layer in numbers["architecture"]["layers"]]
    assert all(size > 0 for shape in shapes for size in shape) and shapes[-1] == [2]
    names = {suspect["location"] for suspect in numbers["suspects"]["suspects"]}
    assert all(name in page.texts["suspects"] for name in names)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no Chromium with its driver here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.mark.browser
def test_cells_open_the_switch_turns_and_the_slider_moves(two_classes: Project, browser: Any) -> None:
    path = report_of(two_classes)
    numbers = json.loads(path.with_name("metrics.json").read_text(encoding="utf-8"))
    for width, scheme in ((1440, "light"), (375, "dark")):
        media = [{"name": "prefers-color-scheme", "value": scheme},
                 {"name": "prefers-reduced-motion", "value": "reduce"}]  # fmt: skip
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert all(browser.execute_script("return [...document.images].map(image => image.naturalWidth)"))
        if AXE.is_file():
            browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
            run = "const done = arguments[0]; axe.run().then(result => done(result.violations.map(rule => rule.id)))"
            assert browser.execute_async_script(run) == []
    (cell,) = browser.find_elements("css selector", '[data-set="validation"][data-cell="0-1"]')
    opened = browser.find_element("id", "opened")
    assert not opened.is_displayed() and cell.text == str(numbers["cv_confusion"][0][1])
    cell.click()
    figures = [figure for figure in opened.find_elements("css selector", "figure") if figure.is_displayed()]
    assert len(figures) == numbers["cv_confusion"][0][1] and "circle predicted as square" in opened.text
    assert sum("circle/wrong" in figure.text for figure in figures) == 3
    cell.click()
    assert not opened.is_displayed()
    browser.find_element("css selector", '[name="unit-validation"][value="percent"]').click()
    row = numbers["cv_confusion"][0]
    assert cell.text == f"{row[1] / sum(row) * 100:.0f}"
    slider = browser.find_element("id", "threshold")
    slider.send_keys("\ue010")  # End
    assert browser.find_element("id", "threshold-at").text == "100 %"
    slider.send_keys("\ue011")  # Home: all are called so
    assert browser.find_element("id", "threshold-recall").text.startswith("100.0 %")
    assert browser.find_element("id", "threshold-false").text.startswith("100.0 %")
    assert not browser.get_log("browser")


@pytest.fixture
def emptied(two_classes: Project, tmp_path: Path) -> Project:
    shutil.copytree(two_classes.root, tmp_path / "two")
    return Project(tmp_path / "two", Clock())


@pytest.mark.parametrize("missing", ["circle", ""])
def test_what_the_test_split_lacks_is_said(emptied: Project, missing: str) -> None:
    with emptied.catalog() as catalog:
        names = [state.sha256 for state in catalog.states() if state.class_name == missing or not missing]
    with closing(sqlite3.connect(emptied.root / "catalog.db")) as database, database:
        moved = "UPDATE split SET split = 'train' WHERE split = 'test' AND sha256 = ?"
        database.executemany(moved, [(name,) for name in names])
    settings = change_settings(emptied.settings(), QUICK | {"evaluate.cross_validate": "never"})
    train(emptied, settings, progress=SilentProgress())
    report = evaluate(emptied, settings, progress=SilentProgress())
    page = Page(emptied.root / report.report)
    text = " ".join(page.texts.values())
    assert "nan" not in text.lower().split() and "inf" not in text.lower().split()
    if missing:
        assert "No test picture shows circle: nothing can be said about it." in page.texts["scores"]
        assert re.search(r"circle - - - 0", page.texts["scores"])
    else:
        assert report.test_images == 0 and "not measured There are no test pictures" in page.texts[""]
        assert "no picture was held out" in page.texts["mistakes"]


def test_of_very_many_classes_the_most_confused_stand_together() -> None:
    pairs = {(number, number + 100): 60 - number for number in range(60)} | {(7, 150): 90}
    shown = choose_classes(pairs, 200)
    assert shown[:6] == [7, 150, 0, 100, 1, 101] and len(shown) == len(set(shown)) == 30
    assert choose_classes(pairs, 40) == list(range(40))
    assert len(choose_classes({}, 200)) == 30, "without a mistake any will do"


@pytest.mark.slow
def test_the_report_of_fifty_classes_can_be_read(tmp_path: Path) -> None:
    names = [f"colour {number:02}" for number in range(50)]
    project, dice = make_project(tmp_path / "project", names), np.random.default_rng(0)
    for number, name in enumerate(names):
        for shot in range(6):
            noise = dice.integers(0, 90, (96, 96, 3))
            pixels = (noise + np.array([3 * number, 150 - 3 * number, 60])).astype(np.uint8)
            path = tmp_path / "source" / name / f"{shot}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(Image.fromarray(pixels)))
    project.write_settings(QUICK | {"clean.copy_likeness": 1.0, "clean.labels": "off", "clean.outliers": "off",
                                    "train.folds": 3, "evaluate.folds": 3})  # fmt: skip
    add(project, project.settings(), tmp_path / "source", terms=Terms(licence="own"), progress=SilentProgress())
    for stage in (clean, split, train, evaluate):
        stage(project, project.settings(), progress=SilentProgress())
    page = Page(report_of(project))
    assert "20 with the lowest F1 of 50" in page.texts["scores"] and "All 50 classes" in page.texts["scores"]
    numbers = json.loads(report_of(project).with_name("metrics.json").read_text(encoding="utf-8"))
    shown = numbers["matrices"]["classes_shown"]
    assert len(shown) == 30 and set(numbers["pairs"]["most_confused"][0]["classes"]) == set(shown[:2])
    assert "The 30 classes of 50 that are taken for each other most often" in page.texts["matrices"]
    matrix = report_of(project).read_text(encoding="utf-8").split('class="matrix"')[1].split("</table>")[0]
    kept = [names.index(name) for name in shown]
    counts = np.array(numbers["confusion"])
    assert matrix.count("<tr><th") == 30 and matrix.count("<button") == np.count_nonzero(counts[np.ix_(kept, kept)])


@dataclass(frozen=True)
class CornerModel:
    """Says the second class by how bright the top left ninth of a picture is."""

    temperature: float = 1.0

    def predict(self, pictures: SeenPictures, *, exact: bool = False) -> Outputs:
        """Return logits and no features."""
        view = Preprocessing(size=36, resize_shorter=36, fit="squash")
        pixels = Extractor("corner-1", "numpy", lambda: lambda batch: batch.reshape(len(batch), -1).astype(np.float32))
        corner = pictures.compute(pixels, view).reshape(-1, 36, 36, 3)[:, :12, :12].mean(axis=(1, 2, 3))
        logits = np.stack([np.zeros(len(corner)), corner / 8], axis=1).astype(np.float64)
        return Outputs(logits, np.zeros((len(corner), 1), np.float32))


def test_a_map_shows_the_part_that_the_answer_hangs_on(two_classes: Project) -> None:
    settings = change_settings(two_classes.settings(), {"evaluate.cross_validate": "never"})
    with two_classes.catalog() as catalog:
        run = latest_run(catalog, two_classes.runs_folder)
        evaluation = measure(two_classes, settings, catalog, run, SilentProgress(), key="")
        model: Any = CornerModel()
        object.__setattr__(evaluation, "model", model)
        object.__setattr__(evaluation, "outputs", model.predict(evaluation.pictures))
        (evidence,) = map_evidence(evaluation, [0], [(1, 0)])
    assert evidence.shape == (6, 6)
    assert np.abs(evidence[4:, :]).max() < 1e-6 and np.abs(evidence[:, 4:]).max() < 1e-6
    assert np.abs(evidence[:2, :2]).min() > 0


class TestRanking:
    def test_the_areas_are_those_of_scikit_learn(self) -> None:
        metrics = pytest.importorskip("sklearn.metrics")
        dice = np.random.default_rng(0)
        for _ in range(20):
            positive = dice.random(60) < 0.4
            probs = np.round(dice.random(60) + np.where(positive, 0.3, 0.0), 1)  # many are equal
            times = dice.integers(0, 4, 60)
            for weights in (None, times):
                area, precision = Ranking.of(probs, positive).areas(weights)
                assert area == pytest.approx(metrics.roc_auc_score(positive, probs, sample_weight=weights))
                assert precision == pytest.approx(
                    metrics.average_precision_score(positive, probs, sample_weight=weights)
                )

    def test_a_perfect_order_is_a_corner(self) -> None:
        probs: NDArray[np.float64] = np.array([0.9, 0.8, 0.2, 0.1])
        rates, precision = Ranking.of(probs, probs > 0.5).curves()
        assert rates.min() == 1 and precision.min() == 1


class TestThresholds:
    dice = np.random.default_rng(3)
    positive: NDArray[np.bool_] = np.repeat(dice.random(60) < 0.5, 5)
    probs: NDArray[np.float64] = np.repeat(np.round(dice.random(60), 2), 5)  # many lie on a threshold

    def test_the_counts_are_those_of_asking_picture_by_picture(self) -> None:
        rows = list_thresholds(self.positive, self.probs, [str(at) for at in range(300)], 0)
        for percent, row in enumerate(rows):
            taken, true = self.probs >= percent / 100, self.positive
            pairs = [(taken, true), (~taken, true), (taken, ~true), (~taken, ~true)]
            assert row["counts"] == [int(np.sum(first & second)) for first, second in pairs]
            hits, missed, false, rest = row["counts"]
            shares = {"precision": (hits, hits + false), "recall": (hits, hits + missed),
                      "false_positive_rate": (false, false + rest), "accuracy": (hits + rest, 300)}  # fmt: skip
            for name, (count, total) in shares.items():
                assert row[name] == ((count / total, *wilson_interval(count, total)) if total else None)

    def test_five_shots_of_a_thing_are_one_witness(self) -> None:
        alone = list_thresholds(self.positive, self.probs, [str(at) for at in range(300)], 0)
        grouped = list_thresholds(self.positive, self.probs, [str(at // 5) for at in range(300)], 0)
        for name in ("precision", "recall", "false_positive_rate", "accuracy"):
            first, second = alone[50][name], grouped[50][name]
            assert first[0] == second[0]
            assert second[2] - second[1] > 1.7 * (first[2] - first[1]), "the root of five, about"


class TestAdvice:
    def grow(self, per_class: int, own_error: float, slope: float) -> dict[str, Any]:
        """Return the advice for four classes, the first of which errs more often than the others, in 10 %."""
        dice, labels = np.random.default_rng(0), np.repeat(np.arange(4), per_class)
        sizes = (per_class, per_class * 2.0, per_class * 4.0)
        chance = np.where(labels == 0, own_error, 0.1)
        right = np.stack([dice.random(len(labels)) > chance * (size / sizes[-1]) ** -slope for size in sizes])
        groups = tuple(str(number) for number in range(len(labels)))
        return advise(Growth(sizes, right), labels, groups, ["weak", "b", "c", "d"], seed=0)

    def test_a_class_that_lags_needs_what_the_curve_says(self) -> None:
        advice = self.grow(4000, own_error=0.16, slope=0.5)
        assert advice["exponent"][1] < 0.5 < advice["exponent"][2]
        weak = advice["classes"]["weak"]
        wanted = ((0.16 / 0.115) ** 2 - 1) * 4000
        assert weak["more"] == pytest.approx(wanted, rel=0.35) and weak["low"] < weak["more"] < weak["high"]
        assert advice["classes"]["b"]["why"] == "as good as all together"

    @pytest.mark.parametrize(("per_class", "own_error", "slope"), [(30, 0.2, 0.5), (400, 0.3, 0.02), (4000, 0.4, 0.3)])
    def test_what_the_curve_does_not_carry_is_not_told(self, per_class: int, own_error: float, slope: float) -> None:
        weak = self.grow(per_class, own_error, slope)["classes"]["weak"]
        assert weak["more"] is None and weak["why"]
