"""Searches with a name: a space, what is tried first, and what stays the same in every trial.

Knows nothing about Optuna or how a trial is run. All settings stand below [train].
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fieldguide.errors import SettingsError
from fieldguide.settings import TuneSettings
from fieldguide.stages.tune.space import Choices, Condition, Floats, Ints, Space, Value, parse_space

__all__ = ["PRESETS", "Preset", "choose_preset", "find_preset"]

_OWN_TRIALS = 40


@dataclass(frozen=True)
class Preset:
    """A search with a name.

    Attributes:
        about: what it is for, in a sentence.
        space: what is chosen from.
        trials: how many, where nobody says otherwise.
        first: settings to begin with, in order; whatever they leave open is sampled.
        fixed: settings that all trials share.
    """

    about: str
    space: Space
    trials: int
    first: tuple[Mapping[str, Value], ...] = ()
    fixed: Mapping[str, Value] = field(default_factory=dict)


_FROZEN: Condition = {"learner": ("transfer",), "mode": ("frozen",)}
_UNFREEZE: Condition = {"learner": ("transfer",), "mode": ("unfreeze",)}
_TRAINED: tuple[Condition, ...] = ({"learner": ("cnn",)}, {"learner": ("transfer",), "mode": ("unfreeze", "full")})

_USUAL = Preset(
    about="for a laptop, offline: what is cheap first, then networks from scratch and the whole backbone",
    space=Space(
        {
            "learner": Choices(("transfer", "colour", "cnn")),
            "mode": Choices(("frozen", "unfreeze", "full"), only_if=({"learner": ("transfer",)},)),
            "depth": Choices(("top", "deep"), only_if=(_FROZEN,)),
            "loop.lr": Floats(1e-4, 1e-2, log=True, only_if=_TRAINED),
            "loop.batch_size": Choices((16, 32, 64), only_if=_TRAINED),
            "loop.augment": Choices(("none", "light", "strong"), only_if=_TRAINED),
            "loop.weight_decay": Floats(1e-4, 0.2, log=True, only_if=_TRAINED),
            "loop.freeze": Choices(("auto", 2, 4), only_if=(_UNFREEZE,)),
        }
    ),
    trials=40,
    first=(
        {"learner": "transfer", "mode": "frozen", "depth": "top"},
        {"learner": "transfer", "mode": "frozen", "depth": "deep"},
        {"learner": "colour"},
        {"learner": "transfer", "mode": "full", "loop.lr": 1e-3, "loop.batch_size": 32, "loop.augment": "light",
         "loop.weight_decay": 0.05},
        {"learner": "cnn", "loop.lr": 1e-3, "loop.batch_size": 32, "loop.augment": "light", "loop.weight_decay": 0.05},
    ),
    fixed={"backbone": "efficientnet_lite0", "weights": "embedded", "weights_sha256": ""},
)  # fmt: skip

# the plants' script: Optuna over these, 100 trials of 5 epochs, each class shown as often as the largest
_SEED003 = Preset(
    about="seven ImageNet networks fine-tuned for five epochs each, as in a known study of Crimean plants",
    space=Space(
        {
            "backbone": Choices(
                ("alexnet", "convnext_tiny", "densenet121", "densenet201", "resnet18", "mobilenet_v3_small",
                 "mobilenet_v3_large")
            ),
            "loop.lr": Floats(1e-5, 1e-4),
            "loop.batch_size": Ints(32, 128),
        }
    ),
    trials=100,
    fixed={"learner": "transfer", "mode": "full", "weights": "hub", "weights_sha256": "", "loop.epochs": 5,
           "loop.imbalance": "oversample", "loop.augment": "seed003", "loop.optimiser": "adam"},
)  # fmt: skip

PRESETS: Mapping[str, Preset] = MappingProxyType({"usual": _USUAL, "seed003": _SEED003})


def choose_preset(settings: TuneSettings) -> Preset:
    """What [tune] asks for: an own space where there is one, else the preset, with as many trials as it says.

    Raises:
        SettingsError: the own space is none.
    """
    if settings.space:
        chosen = Preset("an own space", parse_space(settings.space), _OWN_TRIALS)
    else:
        chosen = find_preset(settings.preset)
    return replace(chosen, trials=chosen.trials if settings.trials == "auto" else settings.trials)


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        SettingsError: there is none; the nearest is in the hint.
    """
    if name not in PRESETS:
        near = difflib.get_close_matches(name, list(PRESETS), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(PRESETS)}"
        raise SettingsError(f"tune.preset = {name!r}: there is no such preset", hint)
    return PRESETS[name]
