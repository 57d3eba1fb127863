"""The colour guide's estimator for scikit-learn: it answers as the guide does, and reading it trusts nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from spoiling import PREPARING_MISTAKES, squash

import fieldguide as fg
from colour_samples import SMALL, clouds
from command import check_two_lines, ran, run, set_key
from conftest import CLASS_NAMES, picture_bytes
from fieldguide.calibration import Calibration
from fieldguide.errors import GuideDamaged, ParityError
from fieldguide.exporters.colour import Family
from fieldguide.exporters.contract import Source
from fieldguide.exporters.estimators import Estimator
from fieldguide.exporters.skops import MODEL, SkopsExporter, read_estimator
from fieldguide.familiarity import Familiarity
from fieldguide.guide import open_guide
from fieldguide.learners.colour.families import Candidate, fit_classifier
from fieldguide.project import Project
from fieldguide.stages.export.compared import ComparedFile
from fieldguide.stages.export.parity import GuideRuntime, Parity, measure_parity

skops = pytest.importorskip("skops.io", reason="it needs the extra [skops]")

COMPARED = [picture_bytes(name, number) for name in CLASS_NAMES for number in range(20, 24)]


@pytest.fixture(scope="module")
def colour_once(built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the small project with the colour learner and export it; only to be copied."""
    root = tmp_path_factory.mktemp("colour") / "shapes"
    shutil.copytree(built_once, root)
    settings = root / "fieldguide.toml"
    for section, line in (
        ("train", 'learner = "colour"'), ("train", "size = 64"),
        ("train.colour", 'families = ["svm"]'), ("train.colour", 'grid = "usual"'),
    ):  # fmt: skip
        set_key(settings, section, line)
    project = fg.open_project(root)
    project.build(progress=None)
    project.export("skops", progress=None)
    return root


@pytest.fixture
def colour(colour_once: Path, tmp_path: Path) -> Project:
    shutil.copytree(colour_once, tmp_path / "shapes")
    return Project(tmp_path / "shapes")


@pytest.fixture
def source(colour: Project) -> Source:
    (run_folder,) = [path.parent for path in colour.runs_folder.glob("*-colour/learnt.npz")]
    guide = open_guide(colour.guide_folder, trusted=True)
    return Source(
        guide, "colour", (run_folder / "learnt.npz").read_bytes(), lambda count: np.zeros((count, 1, 1, 3), np.uint8)
    )


def parity(colour: Project, folder: Path) -> Parity:
    guide = GuideRuntime(open_guide(colour.guide_folder, trusted=True))
    with SkopsExporter().open(folder) as runtime:
        return measure_parity(guide, runtime, [ComparedFile(partial(bytes, data)) for data in COMPARED], lambda: None)


def estimator_of(family: Family, **changed: Any) -> tuple[Estimator, NDArray[np.float32]]:
    """Return a fitted estimator of a family, and the features it was fitted to."""
    samples = clouds(classes=3)
    fitted = fit_classifier(samples, SMALL[family])
    values = {"temperature": 0.7, "calibration": Calibration(), "familiarity": Familiarity("probability", 1.0)}
    return Estimator(family, fitted.pipeline, 3, **{**values, **changed}), samples.features


def test_it_answers_as_the_guide_does(colour: Project) -> None:
    row = open_guide(colour.guide_folder).forms["skops"]
    assert row["agreement"] == 1.0 and row["max_difference"] < 1e-4 and row["made"]["family"] == "svm"
    measured = parity(colour, colour.root / "exports" / "skops")
    assert measured.doubts(SkopsExporter().facts) == () and measured.decline_agreement == 1.0


def test_what_is_read_is_scikit_learns_own(colour: Project) -> None:
    path = colour.root / "exports" / "skops" / MODEL
    assert skops.get_untrusted_types(file=path) == []
    content = skops.load(path, trusted=[])
    assert content["class_names"] == list(CLASS_NAMES)
    assert [type(step).__name__ for _, step in content["pipeline"].steps] == ["StandardScaler", "SVC"]


@pytest.mark.parametrize("family", ["svm", "mlp", "logistic"])
@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(),
        Calibration("vector", scale=np.array([1.0, 0.5, 2.0]), shift=np.array([0.1, 0.0, -0.1]), temper=1.2),
    ],
)
def test_every_family_is_read_as_it_was_written(
    family: Family, calibration: Calibration, source: Source, tmp_path: Path
) -> None:
    estimator, features = estimator_of(family, calibration=calibration)
    SkopsExporter().export(replace(source, estimator=lambda: estimator), tmp_path)
    for expected, answer in zip(
        estimator.answer(features), read_estimator(tmp_path / MODEL).answer(features), strict=True
    ):
        np.testing.assert_array_equal(expected, answer)


@pytest.mark.parametrize("family", ["forest", "boosting"])
def test_trees_are_refused(family: Family, source: Source, tmp_path: Path) -> None:
    trained = fit_classifier(clouds(classes=3), SMALL[family]).to_arrays(1.0).to_bytes()
    wishes = replace(source, trained=trained, estimator=lambda: estimator_of(family)[0])
    assert family in SkopsExporter().unsuitable(wishes)
    with pytest.raises(ParityError, match="does not trust"):
        SkopsExporter().export(wishes, tmp_path)


def test_a_network_has_no_estimator(built: Project) -> None:
    check_two_lines(
        run("export", "--to", "skops", "-C", built.root), 65,
        "cannot be exported as skops: its learner is 'transfer'", "choose another form",
    )  # fmt: skip


def test_another_classifier_is_found_when_it_is_fitted_again(colour: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(colour.root / "exports")
    monkeypatch.setattr(
        "fieldguide.learners.colour.fit_classifier",
        lambda samples, candidate: fit_classifier(samples, Candidate("logistic", {"C": 0.001})),
    )
    with pytest.raises(ParityError, match="becomes another one"):
        fg.open_project(colour.root).export("skops", progress=None)
    assert not (colour.root / "exports" / "skops").exists()


def of_another_kind(folder: Path) -> None:
    skops.dump([1, 2, 3], folder / MODEL)


def with_a_function(folder: Path) -> None:
    content = skops.load(folder / MODEL, trusted=[])
    skops.dump({**content, "pipeline": Path("x").exists}, folder / MODEL)


@pytest.mark.parametrize("spoil", [of_another_kind, with_a_function])
def test_a_file_of_another_kind_is_refused(colour: Project, spoil: Callable[[Path], None]) -> None:
    folder = colour.root / "exports" / "skops"
    spoil(folder)
    with pytest.raises(GuideDamaged, match="cannot be read") as caught:
        read_estimator(folder / MODEL)
    assert caught.value.hint


@pytest.mark.parametrize("mistake", PREPARING_MISTAKES)
def test_a_mistake_in_how_it_prepares_pictures_is_found(
    colour: Project, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    folder = colour.root / "exports" / "skops"
    PREPARING_MISTAKES[mistake](folder, monkeypatch)
    assert parity(colour, folder).doubts(SkopsExporter().facts)


def test_another_fit_to_the_square_is_found(colour: Project) -> None:
    squash(colour.root / "exports" / "skops")
    assert parity(colour, colour.root / "exports" / "skops").doubts(SkopsExporter().facts)


def test_channels_in_the_wrong_order_are_found(colour: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.images.colour_features import colour_features

    monkeypatch.setattr(
        "fieldguide.exporters.skops.colour_features", lambda squares: colour_features(squares[..., ::-1])
    )
    assert parity(colour, colour.root / "exports" / "skops").doubts(SkopsExporter().facts)


@pytest.mark.parametrize("change", [{"temperature": 1.02}, {"calibration": {"temper": 1.05}}])
def test_other_numbers_beside_the_estimator_are_found(colour: Project, change: dict[str, object]) -> None:
    path = colour.root / "exports" / "skops" / MODEL
    content = skops.load(path, trusted=[])
    skops.dump({**content, **change}, path)
    assert parity(colour, path.parent).doubts(SkopsExporter().facts)


def test_a_colour_guide_takes_no_form_that_it_cannot(colour: Project) -> None:
    for name, reason in (("int8", "no backbone"), ("litert", "float64"), ("coreml", "float64")):
        check_two_lines(
            run("export", "--to", name, "-C", colour.root), 65, f"cannot be exported as {name}", "another form"
        )
        assert reason in run("export", "--to", name, "-C", colour.root).stderr
    assert "100.00%" in ran("export", "--to", "onnx", "-C", colour.root)
