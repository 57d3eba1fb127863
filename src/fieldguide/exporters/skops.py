"""The form `skops`: the colour guide's estimator, for scikit-learn, in a file that is read without running anything.

`model.skops` holds a dictionary: scikit-learn's own `Pipeline` of a scaler and an estimator, from the 18 colour
features to the classes, and beside it the numbers that make the guide's answers of what it says. It is read back with
no type trusted but those that skops trusts by itself. Trees are not among those: scikit-learn follows the places of
their nodes without checking them, so a file that was tampered with could crash whoever asks it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Calibration
from fieldguide.errors import GuideDamaged, ParityError
from fieldguide.exporters.colour import Classifier
from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.estimators import Estimator
from fieldguide.exporters.running import PythonRuntime, copy_description
from fieldguide.familiarity import Familiarity
from fieldguide.images.colour_features import colour_features
from fieldguide.optional import require

MODEL = "model.skops"
_EXTRA = "skops"
_TREES = ("forest", "boosting")


class SkopsExporter:
    """Writes the estimator that the colour learner fitted."""

    name = "skops"
    facts = FormFacts("the colour guide's estimator, for scikit-learn", extra=_EXTRA)

    def unsuitable(self, source: Source) -> str:
        """Return why there is no estimator that could be written."""
        if source.has_backbone or source.estimator is None:
            return f"its learner is {source.learner!r}, and only that of colours has an estimator of scikit-learn"
        family = Classifier.from_bytes(source.trained).family
        return (
            f"its estimator is a {family} of trees, which skops does not read unless told to"
            if family in _TREES
            else ""
        )

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write `model.skops` and the description.

        Raises:
            ParityError: skops would not read it back.
        """
        skops = require("skops.io", extra=_EXTRA)
        assert source.estimator is not None, "it is suitable"
        estimator = source.estimator()
        familiarity = {name: np.asarray(values) for name, values in estimator.familiarity.to_arrays().items()}
        content = {
            "pipeline": estimator.pipeline,
            "family": estimator.family,
            "class_names": list(source.guide.class_names),
            "temperature": estimator.temperature,
            "calibration": estimator.calibration.to_dict(),
            "familiarity": {**familiarity, "score": estimator.familiarity.score},
        }
        skops.dump(content, folder / MODEL)
        if untrusted := skops.get_untrusted_types(file=folder / MODEL):
            raise ParityError(f"skops does not trust what it has written: {', '.join(untrusted)}", "report it")
        copy_description(source, folder)
        versions = {name: str(require(name, extra=_EXTRA).__version__) for name in ("sklearn", "skops")}
        return {"family": estimator.family, "scikit-learn": versions["sklearn"], "skops": versions["skops"]}

    def cannot_run(self) -> str:
        """Return "": whatever makes it runs it."""
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Read it with no type trusted that skops does not trust."""
        estimator = read_estimator(folder / MODEL)

        def ask(squares: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
            return estimator.answer(colour_features(squares))

        yield PythonRuntime.of(folder, ask)


def read_estimator(path: Path) -> Estimator:
    """Read what `export` wrote.

    Raises:
        GuideDamaged: the file holds something else, or types that skops does not trust.
        MissingExtra: skops is not installed.
    """
    skops = require("skops.io", extra=_EXTRA)
    exceptions = require("skops.io.exceptions", extra=_EXTRA)
    try:
        content = skops.load(path, trusted=[])
        classes = len(content["class_names"])
        return Estimator(
            content["family"], content["pipeline"], classes, float(content["temperature"]),
            Calibration.from_dict(content["calibration"], classes), Familiarity.from_arrays(content["familiarity"]),
        )  # fmt: skip
    except (exceptions.UntrustedTypesFoundException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise GuideDamaged(f"{path} cannot be read: {str(error).splitlines()[0]}", "export it again") from error
