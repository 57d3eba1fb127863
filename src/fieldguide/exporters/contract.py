"""What every form of a guide is, and what passes between a form and the stage that proves it.

Knows nothing about projects: a form is made from an open guide and pictures that it was trained on, and is asked about
the bytes of files, as its users will ask it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fieldguide.exporters.estimators import Estimator
from fieldguide.guide import Guide


@dataclass(frozen=True)
class FormFacts:
    """What is known of a form before it is made.

    Attributes:
        about: what it is and what runs it, in a few words.
        extra: the extra of this package that making it needs; "" for none.
        version: of what is written; another one makes every export anew.
        least_agreement: share of pictures, 0..1, to which it must give the guide's first answer.
        most_difference: the largest difference that any probability may have from the guide's; 1 for no bound.
        most_pixel_difference: mean difference, in levels of 255, that its squares may have from the guide's.
        most_probe_difference: as `most_pixel_difference`, of small files made for the proof, which no decoder scales.
        most_difference_otherwise: as `most_difference`, for pictures whose squares do differ.
    """

    about: str
    extra: str = ""
    version: int = 1
    least_agreement: float = 0.999
    most_difference: float = 1e-4
    most_pixel_difference: float = 0.0
    most_probe_difference: float = 0.0
    most_difference_otherwise: float = 1.0


@dataclass(frozen=True)
class Source:
    """What a form is made from.

    Attributes:
        guide: the published guide, open.
        learner: the name of the learner that its model was made by.
        trained: the trained model in the learner's own bytes, as the run keeps it.
        sample: gives so many pictures that it was trained on, or all where there are fewer, as the model sees them:
            (n, size, size, 3) uint8 RGB, or (n, views, size, size, 3). For what has to see real pictures, such as a
            quantiser.
        estimator: gives scikit-learn's own estimator, where the model is one.
    """

    guide: Guide
    learner: str
    trained: bytes
    sample: Callable[[int], NDArray[np.uint8]]
    estimator: Callable[[], Estimator] | None = None

    @property
    def has_backbone(self) -> bool:
        """Whether its model is a network, and not a classifier of colour features."""
        return self.learner != "colour"

    @property
    def model(self) -> bytes:
        """The guide's model.onnx."""
        return (self.guide.folder / "model.onnx").read_bytes()


@dataclass(frozen=True)
class Answer:
    """What a form says of one picture.

    Attributes:
        probs: (classes,) float, in the guide's order.
        familiarity: how near the picture is to those learnt from.
        declined: whether the form says that it is none of the classes.
        latency_ms: from the file's bytes to the answer.
        square: the picture as the form's model saw it, of the guide's shape, (size, size, 3) uint8 RGB or
            (views, size, size, 3); None where the form cannot tell.
    """

    probs: NDArray[np.floating]
    familiarity: float
    declined: bool
    latency_ms: float
    square: NDArray[np.uint8] | None = None


class Runtime(Protocol):
    """A form that is open and answers."""

    def classify(self, data: bytes) -> Answer:
        """Classify a picture from its file's bytes, prepared as the form itself prepares it.

        Raises:
            BadImage: it is not a picture that can be decoded within the guide's limits.
        """


@runtime_checkable
class Exporter(Protocol):
    """Makes one form of a guide, and runs it. It keeps nothing between calls."""

    @property
    def name(self) -> str:
        """What the form is called in `export --to`."""

    @property
    def facts(self) -> FormFacts:
        """What is known of it before it is made."""

    def unsuitable(self, source: Source) -> str:
        """Return why this guide cannot take the form, or this computer not make it; "" where it can."""

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Write the form's files into an empty folder.

        Returns:
            what a person should know of how it was made, such as {"quantiser": "onnxruntime 1.31.1"}.

        Raises:
            MissingExtra: an optional library is not installed.
            ParityError: what was made does not answer as it should, found while it was made.
        """

    def cannot_run(self) -> str:
        """Return why this computer cannot run the form, so that it stays unproved; "" where it can.

        Raises:
            MissingExtra: it could, if something were installed.
        """

    def open(self, folder: Path) -> AbstractContextManager[Runtime]:
        """Open what `export` wrote; nothing else of the guide may be read.

        Raises:
            MissingExtra: an optional library is not installed.
        """
