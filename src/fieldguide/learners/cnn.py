"""The learner that begins with nothing: a small network trained from scratch.

Knows nothing about projects: a training in, what was learnt out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.architectures import Network, build_network
from fieldguide.learners.contract import FitResult, Fold, Model, TrainingData
from fieldguide.learners.finetune import Plan, hold_out_network, learn_network, load_network, loop_settings
from fieldguide.records import Preprocessing
from fieldguide.settings import TrainSettings

__all__ = ["CnnLearner"]

_SIDE = 128
_USUAL = {"epochs": 40, "lr": 1e-3, "layer_decay": 1.0, "freeze": 0, "unfreeze": 0}


class CnnLearner:
    """A network from scratch."""

    name = "cnn"
    is_quick = False

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed

    def _plan(self) -> Plan:
        """How it is trained.

        Raises:
            SettingsError: a value that cannot be.
        """
        said = self._settings
        side = said.side(_SIDE)
        preprocessing = Preprocessing(size=side, fit=said.fits()[0], resize_shorter=round(side / 0.875))
        return Plan(self._build, loop_settings(said.loop, self._seed, _USUAL), preprocessing, said.crosses)

    def _build(self, classes: int) -> Network:
        """The network with its first weights.

        Raises:
            SettingsError: the square is too small.
            MissingExtra: torch is not installed.
        """
        return build_network(self._settings.network, classes, self._settings.side(_SIDE), self._seed)

    def fit(self, training: TrainingData) -> FitResult:
        """As `learn_network`."""
        return learn_network(training, self._plan())

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """As `hold_out_network`."""
        return hold_out_network(training, folds, self._plan())

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """As `load_network`."""
        return load_network(data, preprocessing, lambda: self._build(classes), self._settings.loop.batch_size)
