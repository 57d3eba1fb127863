"""A head on a frozen backbone: features computed once and kept, the way of looking and the strength chosen by
validation, a head fitted in seconds.

Knows nothing about projects, nor how features or heads are made: it puts them together.
"""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity, fit_temperature
from fieldguide.errors import NotReady
from fieldguide.exporters.onnx import count_numbers, export_model
from fieldguide.features import Pictures, Runtime, cache_folder, open_runner
from fieldguide.hashing import hash_file, hash_text
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_norm, backbone_widths, depths
from fieldguide.learners.contract import FitResult, Fold, Model, Outputs, Scalar, TrainingData, check_classes
from fieldguide.learners.deepheads import fit_deep_head, hold_out_deep_head
from fieldguide.learners.headfit import (
    Head,
    choose_within_error,
    fit_head,
    group_folds,
    held_out_logits,
    hold_out_head,
    own_losses,
    search_head,
)
from fieldguide.learners.sampling import Imbalance, balance_csv, class_balance, oversample
from fieldguide.metrics import accuracy
from fieldguide.records import Depth, Fit, Preprocessing
from fieldguide.settings import TrainSettings

__all__ = ["FrozenLearner", "FrozenModel"]

_SIDE = 256
_TRIAL_IMAGES = 1500
Way = tuple[Fit, Depth]


@dataclass(frozen=True)
class FrozenModel:
    """A head over a backbone's features.

    Attributes:
        head: what gives the logits.
        backbone: the ONNX file.
        digest: its SHA-256.
        top: how many of the first features are the backbone's last layer.
        preprocessing: how pictures are fitted to the square.
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
        """How many numbers the backbone and the head have."""
        head = sum(layer.weights.size + layer.bias.size for layer in self.head.layers)
        return count_numbers(self.backbone.read_bytes()) + head

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """What it says of pictures; exact: by features in float32.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original is no longer the picture that it was.
            DiskFull: no space for the features.
            NoPermission: the project cannot be written.
        """
        features = pictures.embed(self.backbone, self.preprocessing, "onnxruntime" if exact else self.runtime)
        return Outputs(self.head.logits(features), features[:, : self.top].copy())  # a view would hold all of them

    def export(self, familiarity: Familiarity) -> bytes:
        """The bytes of `model.onnx`.

        Raises:
            MissingExtra: onnx is not installed.
        """
        return export_model(self.backbone.read_bytes(), self.head.tempered(), familiarity, self.preprocessing.size)

    def to_bytes(self) -> bytes:
        """The head, and what it must be used with, as an .npz file."""
        buffer = io.BytesIO()
        head = np.frombuffer(self.head.to_bytes(), np.uint8)
        np.savez(buffer, head=head, backbone=self.digest, runtime=self.runtime)
        return buffer.getvalue()


class FrozenLearner:
    """A frozen backbone and a head."""

    def __init__(self, settings: TrainSettings, choice: BackboneChoice, seed: int) -> None:
        self._settings = settings
        self._choice = choice
        self._seed = seed

    def _preprocessing(self, fit: Fit) -> Preprocessing:
        """How pictures are fitted, in this way."""
        side = self._settings.side(224 if self._choice.name.startswith(("dino", "vit", "deit")) else _SIDE)
        mean, std = backbone_norm(self._choice)
        return Preprocessing(size=side, fit=fit, resize_shorter=round(side / 0.875), mean=mean, std=std)

    def _open(self, training: TrainingData) -> tuple[Path, Runtime]:
        """The backbone's ONNX file, and what runs it.

        Raises:
            SettingsError: no such backbone, no embedded weights for it, or a square that it cannot take.
            MissingExtra: something optional is not installed.
        """
        training.pictures.progress.start(f"preparing {self._choice.name}", None)
        preprocessing = self._preprocessing("squash")
        path = backbone_model(self._choice, preprocessing, cache_folder())
        return path, training.pictures.choose_runtime(path, preprocessing.size)

    def fit(self, training: TrainingData) -> FitResult:
        """The head, the way of looking chosen by validation.

        Raises:
            SettingsError: no such backbone, no embedded weights for it, or a square that it cannot take.
            InputUnusable: there is only one class, or weights of another architecture.
            MissingExtra: something optional is not installed.
            DiskFull: no space for the features; those written before stay.
            NoPermission: the project or the cache cannot be written.
        """
        check_classes(training)
        path, runtime = self._open(training)
        (fit, depth), tried = self._try_ways(training, path, runtime)
        preprocessing = self._preprocessing(fit)
        widths = backbone_widths(self._choice, preprocessing.size)
        features = training.pictures.embed(path, preprocessing, runtime)[:, : widths[depth]]
        open_runner.cache_clear()  # the head needs its memory
        training.pictures.progress.start("fitting the head", None)
        head, held_out = self._fit(features, training)
        model = FrozenModel(head, path, hash_file(path), widths["top"], preprocessing, runtime)
        chosen: dict[str, Scalar] = {"layers read": depth, "head": self._settings.head}
        if self._settings.head == "linear":
            chosen["strength C"] = f"{head.strength:g}"
        chosen["imbalance"] = self._settings.loop.imbalance
        evened: Imbalance = "none" if self._settings.loop.imbalance == "none" else "oversample"
        balance = class_balance(training.labels, len(training.class_names), evened)
        files = {"balance.csv": balance_csv(balance, training.class_names).encode()}
        return FitResult(model, held_out, "grouped cross-validation", self._choice.name, chosen, tried, files)

    def _fit(self, features: NDArray[np.float32], training: TrainingData) -> tuple[Head, NDArray[np.float64]]:
        """The head fitted on all, and its held-out logits."""
        folds, labels = self._folds(training), training.labels
        if self._settings.head != "linear":
            held_out = self._hold_out(features, labels, folds, 0.0)
            head = self._fit_evened(features, labels, 0.0)
            return replace(head, temperature=fit_temperature(held_out, labels)), held_out
        searched = search_head(features, labels, folds, self._settings.strengths)
        evened = self._settings.loop.imbalance != "none"  # what is strong enough hardly hangs on that
        held_out = self._hold_out(features, labels, folds, searched.strength) if evened else searched.logits
        head = self._fit_evened(features, labels, searched.strength)
        return replace(head, temperature=fit_temperature(held_out, labels)), held_out

    def _fit_evened(self, features: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> Head:
        """The head fitted on all, those of rarer classes seen more often where that is asked for; temperature 1."""
        if self._settings.loop.imbalance != "none":
            places = oversample(np.arange(len(labels)), labels, self._settings.loop.imbalance)
            features, labels = features[places], labels[places]
        if self._settings.head == "linear":
            return fit_head(features, labels, strength, 1.0)
        return fit_deep_head(features, labels, self._settings.head, self._seed, int(labels.max()) + 1)

    def _hold_out(
        self, features: NDArray[np.float32], labels: NDArray[np.int64], folds: Sequence[Fold], strength: float
    ) -> NDArray[np.float64]:
        """Held-out logits, (n, classes)."""
        if self._settings.loop.imbalance != "none":
            return hold_out_head(features, labels, folds, lambda rows, own: self._fit_evened(rows, own, strength))
        if self._settings.head == "linear":
            return held_out_logits(features, labels, folds, strength)
        return hold_out_deep_head(features, labels, folds, self._settings.head, self._seed)

    def _try_ways(self, training: TrainingData, path: Path, runtime: Runtime) -> tuple[Way, dict[str, float]]:
        """The way of fitting and the depth to use, and the grouped cross-validated accuracy of each that was tried.

        The first whose log loss is within a standard error of the best, shallow before deep, in each the ways of
        fitting in the order of `TrainSettings.fits`. At most 1,500 pictures are tried.
        """
        chosen = self._settings
        known = depths(self._choice)
        wanted = known if chosen.depth == "auto" else tuple(one for one in known if one == chosen.depth) or known[:1]
        ways = [(fit, depth) for depth in wanted for fit in chosen.fits()]
        if len(ways) == 1:
            return ways[0], {}
        sample = _sample(training)
        widths = backbone_widths(self._choice, self._preprocessing("squash").size)
        fits = chosen.fits()
        features = {fit: sample.pictures.embed(path, self._preprocessing(fit), runtime) for fit in fits}
        folds, progress = self._folds(sample), training.pictures.progress
        progress.start("choosing how to look", len(ways))
        scores: dict[str, float] = {}
        losses = []
        for fit, depth in ways:
            seen = features[fit][:, : widths[depth]]
            logits = search_head(seen, sample.labels, folds, chosen.strengths).logits
            scores[f"{fit}, {depth}"] = accuracy(sample.labels, logits.argmax(axis=1))[0]
            losses.append(own_losses(logits, sample.labels))
            progress.advance()
        return ways[choose_within_error(losses)], scores

    def _folds(self, training: TrainingData) -> list[Fold]:
        return group_folds(training.labels, training.groups, training.folds, training.seed)

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """(n, classes) logits, each picture's by a head fitted without its fold.

        Raises:
            DiskFull: no space for the features.
            NoPermission: the project cannot be written.
        """
        assert isinstance(like, FrozenModel)
        features = training.pictures.embed(like.backbone, like.preprocessing, like.runtime)[:, : like.head.width]
        open_runner.cache_clear()
        return self._hold_out(features, training.labels, folds, like.head.strength)

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """The model in a file.

        Raises:
            NotReady: the file is not whole, or the backbone is not the one that it was made with.
            MissingExtra: something optional is not installed.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                head = Head.from_bytes(file["head"].tobytes())
                digest, by = str(file["backbone"]), str(file["runtime"])
        except (ValueError, KeyError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise NotReady(f"the head is not whole: {error}", "run: fieldguide train") from error
        path = backbone_model(self._choice, preprocessing, cache_folder())
        if hash_file(path) != digest:
            raise NotReady("the backbone has changed since training", "run: fieldguide train")
        runtime: Runtime = "openvino" if by == "openvino" else "onnxruntime"
        top = backbone_widths(self._choice, preprocessing.size)["top"]
        return FrozenModel(head, path, digest, top, preprocessing, runtime)


def _sample(training: TrainingData) -> TrainingData:
    """At most 1,500 pictures of the training, in an order that has nothing to do with their own."""
    count = len(training.labels)
    if count <= _TRIAL_IMAGES:
        return training
    names = [name for name, _ in training.pictures.images]
    order = sorted(range(count), key=lambda index: hash_text(names[index]))
    return training.take(np.array(sorted(order[:_TRIAL_IMAGES])))
