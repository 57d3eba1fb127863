"""The learner that builds on a backbone that already knows pictures: its head learns, or all of it.

Knows nothing about projects: data in, a model out. In mode frozen features are computed once and kept, and
a head over them is fitted in seconds (`frozen`); in the others the network is trained (`networked`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.architectures import Network
from fieldguide.learners.backbones import BackboneChoice
from fieldguide.learners.contract import FitResult, Fold, Model, TrainingData
from fieldguide.learners.finetune import Plan, hold_out_network, learn_network, load_network, loop_settings
from fieldguide.learners.frozen import FrozenLearner
from fieldguide.learners.heads import attach_head
from fieldguide.learners.weights import load_backbone
from fieldguide.records import Preprocessing
from fieldguide.settings import TrainSettings

__all__ = ["TransferLearner"]

_SIDE = 224
_USUAL = {"epochs": 8, "lr": 5e-4, "layer_decay": 0.8}


class TransferLearner:
    """A backbone and a head."""

    name = "transfer"

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._choice = BackboneChoice(settings.backbone, settings.weights, settings.weights_sha256)
        self._frozen = FrozenLearner(settings, self._choice, seed)

    @property
    def is_quick(self) -> bool:
        """Whether only the head learns."""
        return self._settings.mode == "frozen"

    def _plan(self) -> Plan:
        """How the whole network is trained.

        Raises:
            SettingsError: a value that cannot be.
        """
        said = self._settings
        side = said.side(_SIDE)
        preprocessing = Preprocessing(size=side, fit=said.fits()[0], resize_shorter=round(side / 0.875))
        usual = _USUAL if said.mode == "unfreeze" else _USUAL | {"freeze": 0, "unfreeze": 0}
        loop = loop_settings(said.loop, self._seed, usual)
        return Plan(self._build, loop, preprocessing, said.crosses, said.backbone)

    def _build(self, classes: int) -> Network:
        """The backbone with its weights and a new head.

        Raises:
            SettingsError: no such backbone, no embedded weights for it, or a square that it cannot take.
            InputMissing: there is no such file of weights.
            InputUnusable: the file holds no weights, or those of another architecture.
            NetworkDown: the hub cannot be reached.
            MissingExtra: torch, torchvision or timm is not installed.
        """
        chosen, side = self._choice, self._settings.side(_SIDE)
        backbone = load_backbone(chosen.name, chosen.weights, side, sha256=chosen.sha256)
        return attach_head(backbone, self._settings.head, classes, self._seed)

    def fit(self, training: TrainingData) -> FitResult:
        """As `FrozenLearner.learn` or `learn_network`."""
        return self._frozen.fit(training) if self.is_quick else learn_network(training, self._plan())

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """As `FrozenLearner.predict_held_out` or `hold_out_network`."""
        if self.is_quick:
            return self._frozen.predict_held_out(training, folds, like)
        return hold_out_network(training, folds, self._plan())

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """As `FrozenLearner.load` or `load_network`."""
        if self.is_quick:
            return self._frozen.load(data, preprocessing, classes)
        return load_network(data, preprocessing, lambda: self._unfilled(classes), self._settings.loop.batch_size)

    def _unfilled(self, classes: int) -> Network:
        """The network with random weights: those that were learnt are filled in."""
        backbone = load_backbone(self._choice.name, "none", self._settings.side(_SIDE))
        return attach_head(backbone, self._settings.head, classes, self._seed)
