"""The tables of fieldguide.toml about learning.

Knows nothing about how learners work.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from fieldguide.records import Fit
from fieldguide.settings.section import Section

__all__ = ["FEW_PICTURES", "ColourSection", "CrossValidate", "LoopSection", "TrainSettings", "TuneSettings"]

FEW_PICTURES = 300  # with so few, a validation split of a seventh says little
CrossValidate = Literal["auto", "always", "never"]


class LoopSection(Section):
    """How a network is trained, where the learner trains one."""

    epochs: int = Field(0, ge=0, le=10_000, description="passes over the training pictures; 0: what suits the learner")
    batch_size: int = Field(32, ge=1, le=4096, description="pictures in one forward pass")
    accumulate: int = Field(1, ge=1, le=1024, description="forward passes in one step of the optimiser")
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = Field("adamw", description="which optimiser")
    lr: float = Field(0.0, ge=0, le=1000, description="highest learning rate; 0: what suits the learner")
    weight_decay: float = Field(0.05, ge=0, le=10, description="of matrices and kernels")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field("cosine", description="how the learning rate changes")
    warm_up: float = Field(1.0, ge=0, le=1000, description="epochs in which the learning rate rises, also parts of one")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of each target spread over all classes")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of a moving average of the weights; 0: none")
    clip: float = Field(0.0, ge=0, le=1e6, description="longest gradient; 0: any")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that has it")
    patience: int = Field(
        0, ge=0, le=10_000, description="epochs without a better validation before it stops; 0: never"
    )
    imbalance: Literal["none", "weights", "oversample"] = Field(
        "none", description="weights: each class counts alike; oversample: each is shown as often"
    )
    augment: Literal["none", "light", "strong", "seed003", "seed004"] = Field(
        "light", description="how much pictures are changed while a network learns; see train --preview"
    )
    layer_decay: float = Field(
        0.0, ge=0, le=1, description="factor of the learning rate at each stage down; 0: what suits the learner"
    )
    freeze: int = Field(
        -1, ge=-1, le=1000, description="in mode unfreeze: first stages that wait; -1: all but the head"
    )
    unfreeze: int = Field(2, ge=0, le=10_000, description="in mode unfreeze: epochs they wait; 0: for ever")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where; auto: CUDA, then MPS, then cpu")
    compile: Literal["no", "yes"] = Field("no", description="let torch compile the network; pays on a GPU")
    threads: int = Field(0, ge=0, le=1024, description="of torch on the processor; 0: one for each core")
    checkpoint_s: float = Field(60.0, gt=0, le=1e6, description="seconds between checkpoints inside an epoch")


class ColourSection(Section):
    """What the colour learner chooses from."""

    families: tuple[Literal["svm", "mlp", "logistic", "forest", "boosting"], ...] = Field(
        ("svm", "mlp", "logistic", "forest", "boosting"), min_length=1, description="families of classifiers to try"
    )
    grid: Literal["full", "usual"] = Field(
        "full", description="full: every setting of each family; usual: the one that is usually best"
    )


class TrainSettings(Section):
    """What is learnt, and how."""

    learner: str = Field(
        "transfer",
        description="transfer: a backbone that knows pictures; cnn: a network from scratch; colour: 18 features",
    )
    backbone: str = Field(
        "efficientnet_lite0", description="transfer: a short name or any of timm's; see docs/train.md"
    )
    weights: str = Field("embedded", description="transfer: embedded, hub, none, or the path of a file")
    weights_sha256: str = Field(
        "", pattern="^([0-9a-fA-F]{64})?$", description="what the file of weights must have; empty: anything"
    )
    mode: Literal["frozen", "unfreeze", "full"] = Field(
        "frozen", description="transfer: what learns: frozen: the head; unfreeze: the head, then all; full: all"
    )
    head: Literal["linear", "seed000", "seed003"] = Field(
        "linear", description="transfer: the layers behind the backbone"
    )
    network: Literal["small", "seed004"] = Field("small", description="cnn: which network")
    size: int = Field(0, ge=0, le=640, description="side of the square it sees, pixels; 0: what suits the learner")
    fit: Literal["auto", "crop", "squash", "pad"] = Field(
        "auto",
        description="how a picture is fitted to the square; auto: chosen by validation, where features are cached",
    )
    depth: Literal["auto", "top", "deep"] = Field(
        "auto", description="top: the backbone's last layer; deep: the last blocks too; auto: chosen by validation"
    )
    strengths: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), min_length=1, max_length=20,
        description="inverse regularisation strengths C to choose from by grouped cross-validation",
    )  # fmt: skip
    folds: int = Field(5, ge=2, le=20, description="folds of that cross-validation")
    seed: int = Field(-1, ge=-1, le=2**31 - 1, description="what chance in learning follows from; -1: the seed above")
    cross_validate: CrossValidate = Field(
        "auto", description="of networks, a training for each fold; auto: where train and val are 300 pictures or fewer"
    )
    loop: LoopSection = LoopSection()
    colour: ColourSection = ColourSection()

    def fits(self) -> tuple[Fit, ...]:
        """The ways of fitting to try, in order of preference when equal."""
        return ("squash", "crop", "pad") if self.fit == "auto" else (self.fit,)

    def crosses(self, pictures: int) -> bool:
        """Whether a network is trained once for each fold too, of so many pictures."""
        return self.cross_validate == "always" or (self.cross_validate == "auto" and pictures <= FEW_PICTURES)

    def side(self, usual: int) -> int:
        """Side of the square, pixels: as set, or what is usual."""
        return self.size or usual


class TuneSettings(Section):
    """What is searched for better settings of [train]."""

    preset: Literal["usual", "seed003"] = Field("usual", description="what is searched where space is empty")
    trials: int = Field(0, ge=0, le=100_000, description="trials in all; 0: as many as the preset has, usual 40")
    minutes: float = Field(0.0, ge=0.0, le=100_000.0, description="longest time of one call, minutes; 0: no limit")
    pruning: Literal["yes", "no"] = Field("yes", description="yes: trials that fall behind the others end early")
    space: dict[str, Any] = Field(
        default_factory=dict, description='an own search, such as "loop.lr" = {low = 1e-5, high = 1e-3, log = true}'
    )
