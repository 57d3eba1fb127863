"""The learner that builds on a pretrained backbone: frozen, with a head on its features, or trained as a network.

Knows nothing about projects: data in, a model out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import SettingsError
from fieldguide.learners import heads
from fieldguide.learners.architectures import Network
from fieldguide.learners.backbones import BackboneChoice
from fieldguide.learners.contract import FitResult, Fold, Model, TrainingData
from fieldguide.learners.finetune import NetworkLearner, resolve_loop
from fieldguide.learners.frozen import FrozenLearner
from fieldguide.learners.weights import load_backbone
from fieldguide.records import Preprocessing
from fieldguide.settings import TrainSettings

# two passes of 16: one of 32 holds 2 GB of activations of EfficientNet-Lite0, and is 5 to 9 % quicker
DEFAULTS: Mapping[str, float] = {
    "epochs": 8, "batch_size": 16, "accumulate": 2, "lr": 5e-4, "layer_decay": 0.8,
}  # fmt: skip
DEFAULT_SIDE = 224


class TransferLearner:
    """A backbone and a head."""

    name = "transfer"

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._choice = BackboneChoice(settings.backbone, settings.weights, settings.weights_sha256)
        if settings.backbone == "auto" and (settings.mode != "frozen" or settings.weights != "embedded"):
            message = 'backbone = "auto" compares embedded backbones, in mode = "frozen"'
            raise SettingsError(message, 'name one, such as backbone = "efficientnet_lite0"')
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
        settings, side = self._settings, self._settings.side(DEFAULT_SIDE)
        loop = settings.loop
        if settings.mode == "full":
            loop = loop.model_copy(update={"freeze": 0, "unfreeze": 0})
        loop = resolve_loop(loop, self._seed, DEFAULTS)
        preprocessing = settings.preprocessing(side)
        return NetworkLearner(settings, loop, preprocessing, self._build, self._build_empty, settings.backbone)

    def _build(self, classes: int) -> Network:
        """Return the backbone with its weights and a new head."""
        choice, side = self._choice, self._settings.side(DEFAULT_SIDE)
        backbone = load_backbone(choice.name, choice.weights, side, sha256=choice.sha256)
        return heads.attach_head(backbone, self._settings.head, classes, self._seed)

    def _build_empty(self, classes: int) -> Network:
        """Return the same network with random weights, to be filled in."""
        backbone = load_backbone(self._choice.name, "none", self._settings.side(DEFAULT_SIDE))
        return heads.attach_head(backbone, self._settings.head, classes, self._seed)
