"""The learner that builds on a backbone that knows pictures.

Knows nothing about projects: data in, a model out. In mode frozen features are computed once and kept, and a head over
them is fitted in seconds (`frozen`); in the others the network is trained (`finetune`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.architectures import Network
from fieldguide.learners.backbones import BackboneChoice
from fieldguide.learners.contract import FitResult, Fold, Model, TrainingData
from fieldguide.learners.finetune import NetworkLearner, resolve_loop
from fieldguide.learners.frozen import FrozenLearner
from fieldguide.learners.heads import attach_head
from fieldguide.learners.weights import load_backbone
from fieldguide.records import Preprocessing
from fieldguide.settings import TrainSettings

DEFAULTS: Mapping[str, float] = {"epochs": 8, "lr": 5e-4, "layer_decay": 0.8}
_SIDE = 224


class TransferLearner:
    """A backbone and a head."""

    name = "transfer"

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._choice = BackboneChoice(settings.backbone, settings.weights, settings.weights_sha256)
        self._learner = FrozenLearner(settings, self._choice, seed) if self.is_quick else self._network_learner()

    @property
    def is_quick(self) -> bool:
        """Whether only the head learns."""
        return self._settings.mode == "frozen"

    def fit(self, training: TrainingData) -> FitResult:
        """Fit a head, or train the network."""
        return self._learner.fit(training)

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by a model that never learnt from its fold."""
        return self._learner.predict_held_out(training, folds, like)

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file."""
        return self._learner.load(data, preprocessing, classes)

    def _network_learner(self) -> NetworkLearner:
        settings, side = self._settings, self._settings.side(_SIDE)
        loop = settings.loop
        if settings.mode == "full":
            loop = loop.model_copy(update={"freeze": 0, "unfreeze": 0})
        return NetworkLearner(
            settings,
            resolve_loop(loop, self._seed, DEFAULTS),
            Preprocessing(size=side, fit=settings.fits()[0], resize_shorter=round(side / 0.875)),
            self._build,
            self._build_empty,
            settings.backbone,
        )

    def _build(self, classes: int) -> Network:
        """Return the backbone with its weights and a new head."""
        choice, side = self._choice, self._settings.side(_SIDE)
        backbone = load_backbone(choice.name, choice.weights, side, sha256=choice.sha256)
        return attach_head(backbone, self._settings.head, classes, self._seed)

    def _build_empty(self, classes: int) -> Network:
        """Return the network with random weights: those that were learnt are filled in."""
        backbone = load_backbone(self._choice.name, "none", self._settings.side(_SIDE))
        return attach_head(backbone, self._settings.head, classes, self._seed)
