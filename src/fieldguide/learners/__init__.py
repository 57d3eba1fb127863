"""Learners: ways of learning, a module each. Only the one in use is imported.

Knows nothing about projects. Third parties add theirs through the entry point group `fieldguide.learners`, a
callable that takes the settings and the seed; a built-in name cannot be taken over.
"""

import importlib
import json
import os
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fieldguide.calibration import Calibration
from fieldguide.errors import NotReady, SettingsError
from fieldguide.learners.contract import Learner, Model
from fieldguide.project.runs import CALIBRATION, Run
from fieldguide.settings import TrainSettings

__all__ = ["known_learners", "load_calibration", "load_model", "open_learner"]

# Every way to torch and scikit-learn leads through here. Their OpenMP reads it once, when it is loaded: a thread
# that has done its part sleeps. Spinning, it takes the core from the one it waits for, wherever others compute too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

GROUP = "fieldguide.learners"
_BUILT_IN = {
    "cnn": "fieldguide.learners.cnn:CnnLearner",
    "colour": "fieldguide.learners.colour:ColourLearner",
    "transfer": "fieldguide.learners.transfer:TransferLearner",
}
Make = Callable[[TrainSettings, int], Learner]


def known_learners() -> dict[str, Make]:
    """Return what makes each learner by name: the built-in ones and those of other packages."""
    makers: dict[str, Make] = {name: partial(_built_in, place) for name, place in _BUILT_IN.items()}
    for entry in entry_points(group=GROUP):
        if entry.name not in makers:
            makers[entry.name] = partial(_added, entry)
    return dict(sorted(makers.items()))


def open_learner(settings: TrainSettings, seed: int) -> Learner:
    """Return the learner that the settings name; for "auto" that which is fitted first (`learners.auto`).

    Raises:
        SettingsError: there is none, or it comes from another package and cannot be used.
    """
    known = known_learners()
    name = "transfer" if settings.learner == "auto" else settings.learner
    if name not in known:
        near = get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"take one of auto, {', '.join(known)}"
        raise SettingsError(f"there is no learner called '{name}'", hint)
    return known[name](settings, seed)


def takes_vectors(name: str) -> bool:
    """Tell whether a learner learns from colour features without a picture too."""
    return name == "colour"


def load_model(run: Run, views: int = 1) -> tuple[Learner, Model]:
    """Return the learner of a run and the model that it trained, answering by so many views or as many as it can.

    Raises:
        NotReady: the run is damaged, or what it was made with has changed.
        SettingsError: its learner is not installed.
        MissingExtra: an optional library is not installed.
    """
    try:
        settings = TrainSettings(**run.settings)
    except ValidationError as error:
        raise NotReady(f"the run {run.name} is of another version", "run: fieldguide train") from error
    learner = open_learner(settings, run.seed)
    return learner, learner.load(run.model, run.preprocessing, len(run.class_names)).answering(views)


def load_calibration(run: Run, evaluated: Path | None = None) -> Calibration:
    """Return what turns the logits of a run's model, over its temperature, into probabilities.

    Args:
        run: the run.
        evaluated: its folder, for the calibration with which it was evaluated, if it was.

    Raises:
        NotReady: the run is damaged.
    """
    path = evaluated / CALIBRATION if evaluated else None
    try:
        fields = json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else run.calibration
        return Calibration.from_dict(fields, len(run.class_names))
    except (ValueError, TypeError, AttributeError) as error:
        raise NotReady(f"the run {run.name} is not whole: {error}", "run: fieldguide train") from error


def _built_in(place: str, settings: TrainSettings, seed: int) -> Learner:
    module, _, name = place.partition(":")
    learner: Learner = getattr(importlib.import_module(module), name)(settings, seed)
    return learner


def _added(entry: EntryPoint, settings: TrainSettings, seed: int) -> Learner:
    package = entry.dist.name if entry.dist else entry.value
    hint = f"update or remove the package '{package}', or take another learner"
    try:
        maker: Any = entry.load()
        learner: Learner = maker(settings, seed)
        fits = callable(learner.fit) and callable(learner.predict_held_out) and learner.name == entry.name
    except (ImportError, AttributeError, SyntaxError, TypeError, ValueError, LookupError, OSError) as error:
        raise SettingsError(f"the learner '{entry.name}' cannot be used: {error}", hint) from error
    if not fits:
        raise SettingsError(f"the learner '{entry.name}' calls itself by another name", hint)
    return learner
