"""The benchmarks: with `--small`, each runs to its end and prints its table, so that none of them rots unnoticed.

They run on drawn pictures in the place of the real ones, so that they run everywhere. What the last whole runs printed
is on the page of figures, and nothing else is.
"""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from command import TIMEOUT_S, environment
from gallery import picture

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
SETS = {
    "flowers17": ("bluebell", "buttercup", "crocus"),
    "rooms": ("clean", "messy"),
    "handbags": ("hobo", "tote"),
    "charts-dev": ("area", "box", "bubble"),
    "colour-clothes": ("black", "blue"),
    "cifar10": ("bird", "cat"),
    "flowers5-tiny": ("daisy", "rose"),
}
# Of each benchmark, its table's heading and the beginning of its peer's row, as regular expressions.
TABLES = {
    "accuracy": (r"set +fieldguide, grouped 5-fold +plain script, 5-fold +target +seconds", r"rooms +\d"),
    "browser": (r"answers come from +cold ms +file to square +model +together", r"Python, ONNX Runtime +\d"),
    "calibration": (r"\| set \| pictures \| way \| as they are", r"\| flowers17 \| \d+ \| temperature \| \d"),
    "clean": (r"change +pictures +grey alone +by distance +with hue", r"rooms +\d"),
    "clean_speed": (r"way +seconds +CPU s +CPU ms each", r"(plain script: not measured|plain script +\d)"),
    "collect": (r"way +images/s +less start-up +CPU ms/im +peak MB +CPU others", r"plain loop +\d"),
    "colour": (r"family +published \| original: CV \(std\) quarter", r"  from files, 1 thread\(s\): original \d"),
    "decline": (r"\| set \| unknown \| score \| AUROC", r"\| flowers17 \| a class left out \| energy \| \d"),
    "forms": (r"form +MB +ms +guide ms +at export +held back", r"onnx +\d"),
    "copies": (r"change +pictures +clean", r"(ImageHash: not measured|ahash +\d)"),
    "demo": (r" +area +box .* recall +prec\.", r"real charts: .*; peer 0\.814;"),
    "features": (r"pipeline +images/s +ratio", r"Pillow \+ eager PyTorch fp32 +\d"),
    "finetune": (r" +images/s +ratio +seconds +accuracy", r"plain script +\d"),
    "labels": (r"set +wrong +way +AUROC", r"flowers17 +20% fieldguide +\d"),
    "learners": (r"way +accuracy, grouped folds +seconds +first", r"script +\d"),
    "many": (r"pictures +rows +CPU s", r"copies +24"),
    "near": (r"hashes +rows +way +seconds", r"random +2000  every pair, numpy +\d"),
    "outliers": (r"set +mixed in +clean +cleanlab +by class", r"flowers17 +charts-dev +0\.\d"),
    "paint": (r"learnt from +photographs right", r"painted pictures +\d"),
    "predict": (r"pictures +way +images/s +ratio", r"12 megapixels +fieldguide predict +\d"),
    "rescale": (r"pixels +original +copy +times", r"1334 x 1000 +\d"),
    "review": (r" +rows what +median ms +slowest", r" +300 peer: the view, sorted +\d"),
    "serve": (r"answer +median ms +95 % ms +beyond work", r"the work alone, Guide\.classify +\d"),
    "start": (r"process +best of \d", r"python -c pass +\d"),
    "views": (r"\| set +\| way +\| right", r"\| flowers17 +\| 3 +\|"),
    "whole": (r"stage +seconds +peak MB", r"target +300 +2000"),
}
SLOW = sorted(TABLES.keys() - {"start", "review"})


@pytest.fixture(scope="module")
def drawn_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a folder that looks like that of the real pictures, with a table of colour features."""
    from fieldguide.images.colour_features import FEATURE_NAMES

    base = tmp_path_factory.mktemp("shared")
    for name, classes in SETS.items():
        for class_name in classes:
            folder = base / "data" / name / class_name
            folder.mkdir(parents=True)
            for number in range(10):
                (folder / f"{number}.jpg").write_bytes(picture(f"{name}/{class_name}", number, 256))
    dice, rows = np.random.default_rng(0), []
    for label, class_name in enumerate(("abstract", "baroque", "cubism")):
        numbers = dice.normal(label, 1.0, (60, len(FEATURE_NAMES)))
        rows += [",".join([class_name, *(f"{number:.4f}" for number in row)]) for row in numbers]
    vectors = base / "data" / "art-colour-vectors"
    vectors.mkdir()
    lines = [",".join(["label", *FEATURE_NAMES]), *rows]
    (vectors / "support_vectors_labelled.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return base


def run_benchmark(name: str, *arguments: str, shared: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"bench_{name}.py"), *arguments]
    variables = {**environment(), "FIELDGUIDE_SHARED": str(shared)}
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=TIMEOUT_S)


def test_every_benchmark_is_listed() -> None:
    assert sorted(TABLES) == sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name != "start" else name for name in TABLES]
)
def test_a_small_run_prints_its_table(name: str, drawn_sets: Path) -> None:
    for library in ("sklearn", "openvino", "cv2"):
        pytest.importorskip(library, reason="the benchmarks need the extras [train,openvino,dev]")
    finished = run_benchmark(name, "--small", shared=drawn_sets)
    assert finished.returncode == 0, finished.stderr[-3000:]
    for pattern in TABLES[name]:
        assert re.search(f"^{pattern}", finished.stdout, re.MULTILINE), finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_without_real_pictures_it_is_skipped(name: str, tmp_path: Path) -> None:
    finished = run_benchmark(name, "--small", shared=tmp_path)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert f"skipped: there is no {tmp_path}" in finished.stdout


# ---- the page of figures


def page_text() -> str:
    return (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")


def test_the_page_has_a_block_for_every_benchmark_and_no_other_table() -> None:
    blocks = re.findall(r"<!-- results: (\w+) -->", page_text())
    assert sorted(blocks) == sorted(TABLES)
    by_hand = re.sub(r"<!-- results: .*?<!-- end of results -->", "", page_text(), flags=re.DOTALL)
    assert not re.search(r"^\||```", by_hand, re.MULTILINE)
    assert {path.stem for path in (FOLDER / "results").iterdir()} <= set(blocks)


def test_the_page_shows_what_was_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.fill_results(page_text()) == page_text()
    monkeypatch.setattr(generate, "RESULTS", tmp_path)
    (tmp_path / "start.md").write_text("`bench_start.py`:\n\n```text\npython -c pass 0.02 s\n```\n", encoding="utf-8")
    page = generate.fill_results(page_text())
    assert "python -c pass 0.02 s" in page
    assert "Not measured: `make bench NAMES=accuracy`" in page


def measured_blocks() -> dict[str, str]:
    """Return the results on the page by the anchor of their heading."""
    parts = re.split(r"^## (.+)$", page_text(), flags=re.MULTILINE)[1:]
    return {
        heading.lower().replace(" ", "-").replace(":", ""): text
        for heading, text in zip(*[iter(parts)] * 2, strict=True)
    }


def test_other_pages_have_the_figures_that_were_measured() -> None:
    """A percentage beside a link to the page stands there too, within one, and a time within a quarter."""
    blocks, checked = measured_blocks(), 0
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for sentence in re.split(r"\n\n|(?<=\w)\. ", path.read_text(encoding="utf-8")):
            for anchor in re.findall(r"\(measured\.md#([\w-]+)\)", sentence):
                shown = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", blocks[anchor])]
                for text, unit in re.findall(r"(?<![\d.,])(\d+(?:\.\d+)?) (%|ms\b)", sentence.replace("\n", " ")):
                    near = 1.0 if unit == "%" else max(0.5, float(text) / 4)
                    there = any(abs(number - float(text)) <= near for number in shown)
                    assert there, f"{path.name}: {text} {unit} in {sentence}"
                    checked += 1
    assert checked > 5


def test_a_small_run_leaves_the_results_as_they_are() -> None:
    before = {path: path.read_bytes() for path in (FOLDER / "results").iterdir()}
    command = [sys.executable, str(FOLDER / "run.py"), "start", "--", "--small"]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=TIMEOUT_S, check=True)
    assert re.search(TABLES["start"][1], finished.stdout)
    assert {path: path.read_bytes() for path in (FOLDER / "results").iterdir()} == before
