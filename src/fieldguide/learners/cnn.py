"""The learner that starts with nothing: a small network trained from scratch.

Knows nothing about projects: a training in, what was learnt out.
"""

from collections.abc import Mapping

from fieldguide.learners.architectures import Network, build_network
from fieldguide.learners.finetune import NetworkLearner, resolve_loop
from fieldguide.settings import TrainSettings

DEFAULTS: Mapping[str, float] = {
    "epochs": 40, "batch_size": 32, "accumulate": 1, "lr": 1e-3, "layer_decay": 1.0,
}  # fmt: skip
DEFAULT_SIDE = 128


class CnnLearner(NetworkLearner):
    """A network from scratch."""

    name = "cnn"
    is_quick = False

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        side = settings.side(DEFAULT_SIDE)

        def build(classes: int) -> Network:
            return build_network(settings.network, classes, side, seed)

        loop = settings.loop.model_copy(update={"freeze": 0, "unfreeze": 0})
        super().__init__(settings, resolve_loop(loop, seed, DEFAULTS), settings.preprocessing(side), build, build)
