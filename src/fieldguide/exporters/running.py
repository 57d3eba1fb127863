"""Forms that Python can run: a file's bytes prepared as the form's own description says, and its model asked.

Such a form has the guide's `guide.json` beside its model: the classes, how a picture becomes the square, and from which
familiarity on it is one of them. Knows nothing about what runs the model.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import ParityError
from fieldguide.exporters.contract import Answer, Source
from fieldguide.images import Limits
from fieldguide.images.preprocess import prepare_views
from fieldguide.records import Preprocessing

DESCRIPTION = "guide.json"
_CHECKED, _MOST_DIFFERENCE = 8, 1e-4
Ask = Callable[[NDArray[np.uint8]], tuple[NDArray[Any], NDArray[Any]]]


def copy_description(source: Source, folder: Path) -> None:
    """Put the guide's description beside a form's model."""
    shutil.copyfile(source.guide.folder / DESCRIPTION, folder / DESCRIPTION)


def check_float_model(source: Source, ask: Ask, what: str) -> None:
    """Check, before it is quantised, that a model answers as the guide: afterwards a small mistake could not be seen.

    Args:
        source: the guide and pictures.
        ask: asks the model about one picture.
        what: the model, in words.

    Raises:
        ParityError: it does not.
    """
    for square in source.sample(_CHECKED)[:, None]:
        expected = source.guide.session.run(["probs", "familiarity"], {"image": square})
        for wanted, value in zip(expected, ask(square), strict=True):
            difference = float(np.abs(np.asarray(value).reshape(-1) - wanted.reshape(-1)).max())
            if not difference <= _MOST_DIFFERENCE:
                raise ParityError(f"{what} differs from the guide by {difference:.3g} in float32", "report it")


@dataclass(frozen=True)
class PythonRuntime:
    """A form that is run from Python.

    Attributes:
        views: how a picture is fitted to the square.
        threshold: the familiarity under which it declines.
        limits: on pictures.
        ask: returns probabilities (n, classes) and familiarity (n,) of n pictures as the model sees them.
    """

    views: tuple[Preprocessing, ...]
    threshold: float
    limits: Limits
    ask: Ask

    @classmethod
    def of(cls, folder: Path, ask: Ask) -> "PythonRuntime":
        """Return the runtime of a form by the description in its folder."""
        about = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        views = tuple(Preprocessing.from_dict(fields) for fields in about.get("views", [about["preprocessing"]]))
        limits = Limits(formats=tuple(about["formats"]), **about.get("limits", {}))
        return cls(views, float(about["decline"]["threshold"]), limits, ask)

    def classify(self, data: bytes) -> Answer:
        """Classify a picture from its file's bytes."""
        start = time.perf_counter()
        squares = prepare_views(data, self.views, self.limits)
        square = squares if len(self.views) > 1 else squares[0]
        probs, familiarity = self.ask(square[None])
        latency_ms = (time.perf_counter() - start) * 1000
        nearness = float(np.asarray(familiarity).reshape(-1)[0])
        return Answer(np.asarray(probs)[0], nearness, bool(nearness < self.threshold), latency_ms, square)
