"""The learner that builds on a pretrained backbone.

Knows nothing about projects: data in, a model out. In mode frozen the backbone's features are computed once and kept,
and a head over them is fitted in seconds; in the others the network is trained (`finetune`).
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity, fit_temperature
from fieldguide.errors import NotReady
from fieldguide.exporters.onnx import count_numbers, export_model
from fieldguide.features import Pictures, Runtime, cache_folder, open_runner
from fieldguide.hashing import hash_file, hash_text
from fieldguide.learners import heads, linear_head
from fieldguide.learners.architectures import Network
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths, depths
from fieldguide.learners.contract import (
    FitResult,
    Fold,
    Model,
    Outputs,
    Scalar,
    TrainingData,
    check_classes,
    group_folds,
)
from fieldguide.learners.finetune import NetworkLearner, resolve_loop
from fieldguide.learners.linear_head import Head
from fieldguide.learners.sampling import Imbalance, balance_csv, class_balance, oversample
from fieldguide.learners.weights import find_norm, load_backbone
from fieldguide.metrics import accuracy
from fieldguide.records import Depth, Fit, Preprocessing
from fieldguide.settings import TrainSettings

DEFAULTS: Mapping[str, float] = {"epochs": 8, "lr": 5e-4, "layer_decay": 0.8}
DEFAULT_SIDE = 224
FROZEN_SIDE = 256
_SAMPLE_SIZE = 1500
View = tuple[Fit, Depth]


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


@dataclass(frozen=True)
class FrozenModel:
    """A head over a backbone's features.

    Attributes:
        backbone: the ONNX file.
        digest: its SHA-256.
        top: how many of the first features are the backbone's last layer.
        runtime: what computed the features that the head was fitted on.
    """

    head: Head
    backbone: Path
    digest: str
    top: int
    preprocessing: Preprocessing
    runtime: Runtime

    file_name = "learnt.npz"

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""
        return self.head.temperature

    @property
    def parameters(self) -> int:
        """How many numbers the backbone and the head hold."""
        head = sum(layer.weights.size + layer.bias.size for layer in self.head.layers)
        return count_numbers(self.backbone.read_bytes()) + head

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """Return logits and features of pictures; `exact`: by features in float32."""
        features = pictures.embed(self.backbone, self.preprocessing, "onnxruntime" if exact else self.runtime)
        return Outputs(self.head.logits(features), features[:, : self.top].copy())  # a view would hold all of them

    def export(self, familiarity: Familiarity) -> bytes:
        """Return `model.onnx`."""
        return export_model(self.backbone.read_bytes(), self.head.tempered(), familiarity, self.preprocessing.size)

    def to_bytes(self) -> bytes:
        """Return the head, and what it must be used with, as an .npz file."""
        buffer = io.BytesIO()
        head = np.frombuffer(self.head.to_bytes(), np.uint8)
        np.savez(buffer, head=head, backbone=self.digest, runtime=self.runtime)
        return buffer.getvalue()


class FrozenLearner:
    """A frozen backbone and a head: features are computed once and kept, and the head is fitted in seconds."""

    def __init__(self, settings: TrainSettings, choice: BackboneChoice, seed: int) -> None:
        self._settings = settings
        self._choice = choice
        self._seed = seed

    def _preprocessing(self, fit: Fit) -> Preprocessing:
        """Return how pictures are fitted to the square."""
        side = self._settings.side(224 if self._choice.name.startswith(("dino", "vit", "deit")) else FROZEN_SIDE)
        mean, std = find_norm(self._choice.name)
        return Preprocessing(size=side, fit=fit, resize_shorter=round(side / 0.875), mean=mean, std=std)

    def _open(self, training: TrainingData) -> tuple[Path, Runtime]:
        """Return the backbone's ONNX file, and what runs it."""
        training.pictures.progress.start(f"preparing {self._choice.name}", None)
        preprocessing = self._preprocessing("squash")
        path = backbone_model(self._choice, preprocessing, cache_folder())
        return path, training.pictures.choose_runtime(path, preprocessing.size)

    def fit(self, training: TrainingData) -> FitResult:
        """Fit the head; how pictures are viewed and the strength are chosen by cross-validation."""
        check_classes(training)
        path, runtime = self._open(training)
        (fit, depth), tried = self._choose_view(training, path, runtime)
        preprocessing = self._preprocessing(fit)
        widths = backbone_widths(self._choice, preprocessing.size)
        features = training.pictures.embed(path, preprocessing, runtime)[:, : widths[depth]]
        open_runner.cache_clear()  # the head needs its memory
        training.pictures.progress.start("fitting the head", None)
        head, held_out = self._fit_head(features, training)
        model = FrozenModel(head, path, hash_file(path), widths["top"], preprocessing, runtime)
        chosen: dict[str, Scalar] = {"layers read": depth, "head": self._settings.head}
        if self._settings.head == "linear":
            chosen["strength C"] = f"{head.strength:g}"
        chosen["imbalance"] = self._settings.loop.imbalance
        imbalance: Imbalance = "none" if self._settings.loop.imbalance == "none" else "oversample"
        balance = class_balance(training.labels, len(training.class_names), imbalance)
        files = {"balance.csv": balance_csv(balance, training.class_names).encode()}
        return FitResult(model, held_out, "grouped cross-validation", self._choice.name, chosen, tried, files)

    def _fit_head(self, features: NDArray[np.float32], training: TrainingData) -> tuple[Head, NDArray[np.float64]]:
        """Return the head fitted on all pictures, and its held-out logits."""
        labels, strength = training.labels, 0.0
        folds = group_folds(labels, training.groups, training.folds, training.seed)
        held_out: NDArray[np.float64] | None = None
        if self._settings.head == "linear":
            search = linear_head.search_strength(features, labels, folds, self._settings.strengths)
            strength = search.strength  # which hardly depends on the balance of classes
            held_out = search.logits if self._settings.loop.imbalance == "none" else None
        if held_out is None:
            held_out = self._predict_folds(features, labels, folds, strength)
        head = self._fit_balanced(features, labels, strength)
        return replace(head, temperature=fit_temperature(held_out, labels)), held_out

    def _fit_balanced(self, features: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> Head:
        """Fit a head with temperature 1; pictures of rarer classes count more often where the settings say so."""
        if self._settings.loop.imbalance != "none":
            indices = oversample(np.arange(len(labels)), labels, self._settings.loop.imbalance)
            features, labels = features[indices], labels[indices]
        if self._settings.head == "linear":
            return linear_head.fit_linear_head(features, labels, strength, 1.0)
        return heads.fit_head(features, labels, self._settings.head, self._seed, int(labels.max()) + 1)

    def _predict_folds(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], folds: Sequence[Fold], strength: float
    ) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by a head that never saw its fold."""
        if self._settings.loop.imbalance != "none":
            fit = partial(self._fit_balanced, strength=strength)
            return linear_head.hold_out_folds(features, labels, folds, fit)
        if self._settings.head == "linear":
            return linear_head.predict_held_out(features, labels, folds, strength)
        return heads.predict_held_out(features, labels, folds, self._settings.head, self._seed)

    def _choose_view(self, training: TrainingData, path: Path, runtime: Runtime) -> tuple[View, dict[str, float]]:
        """Return the fit and the depth to use, and the grouped cross-validated accuracy of each that was tried.

        The choice is the first whose log loss is within a standard error of the best, shallow before deep, and in each
        the fits in the order of `TrainSettings.fits`. At most 1,500 pictures are tried.
        """
        settings, fits = self._settings, self._settings.fits()
        known = depths(self._choice)
        wanted = known if settings.depth == "auto" else tuple(depth for depth in known if depth == settings.depth)
        views = [(fit, depth) for depth in wanted or known[:1] for fit in fits]
        if len(views) == 1:
            return views[0], {}
        sample = _sample(training)
        widths = backbone_widths(self._choice, self._preprocessing("squash").size)
        features = {fit: sample.pictures.embed(path, self._preprocessing(fit), runtime) for fit in fits}
        folds = group_folds(sample.labels, sample.groups, sample.folds, sample.seed)
        training.pictures.progress.start("choosing fit and layers", len(views))
        scores: dict[str, float] = {}
        losses = []
        for fit, depth in views:
            rows = features[fit][:, : widths[depth]]
            logits = linear_head.search_strength(rows, sample.labels, folds, settings.strengths).logits
            scores[f"{fit}, {depth}"] = accuracy(sample.labels, logits.argmax(axis=1))[0]
            losses.append(linear_head.picture_losses(logits, sample.labels))
            training.pictures.progress.advance()
        return views[linear_head.choose_within_error(losses)], scores

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by a head that never saw its fold."""
        assert isinstance(like, FrozenModel)
        features = training.pictures.embed(like.backbone, like.preprocessing, like.runtime)[:, : like.head.width]
        open_runner.cache_clear()
        return self._predict_folds(features, training.labels, folds, like.head.strength)

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                head = Head.from_bytes(file["head"].tobytes())
                digest, computed_by = str(file["backbone"]), str(file["runtime"])
        except (ValueError, KeyError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise NotReady(f"the head is damaged: {error}", "run: fieldguide train") from error
        path = backbone_model(self._choice, preprocessing, cache_folder())
        if hash_file(path) != digest:
            raise NotReady("the backbone has changed since training", "run: fieldguide train")
        runtime: Runtime = "openvino" if computed_by == "openvino" else "onnxruntime"
        top = backbone_widths(self._choice, preprocessing.size)["top"]
        return FrozenModel(head, path, digest, top, preprocessing, runtime)


def _sample(training: TrainingData) -> TrainingData:
    """Return at most 1,500 of the pictures, chosen by their hashes."""
    count = len(training.labels)
    if count <= _SAMPLE_SIZE:
        return training
    names = [name for name, _ in training.pictures.images]
    order = sorted(range(count), key=lambda index: hash_text(names[index]))
    return training.take(np.array(sorted(order[:_SAMPLE_SIZE])))
