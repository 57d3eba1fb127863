"""A frozen backbone and a head: features of each picture's views are computed once and kept, the head takes seconds.

Knows nothing about projects. Each view of a training picture is a row of its own; how pictures are viewed, which layers
are read and which head is fitted are chosen by the answers for pictures left out, with their groups.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature
from fieldguide.errors import NotReady
from fieldguide.exporters.onnx import count_numbers, export_model, list_layers
from fieldguide.features import Extractor, FeatureStore, Pictures, Runtime, cache_folder, open_runner
from fieldguide.hashing import hash_file, hash_text
from fieldguide.learners import heads, linear_head, ridge
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
from fieldguide.learners.linear_head import Head, HeadKind, choose_within_error, picture_losses
from fieldguide.learners.sampling import Imbalance, balance_csv, class_balance, oversample
from fieldguide.learners.weights import embedded_weights, find_norm
from fieldguide.metrics import accuracy
from fieldguide.records import Depth, Fit, LayerSummary, Preprocessing
from fieldguide.settings import TrainSettings

ANSWER_VIEWS = (1, 2, 4)  # how many views an answer may be averaged over
_SIDES = {"efficientnet_lite2": 288}
DEFAULT_SIDE = 256
_FOUR_VIEWS, _TWO_VIEWS = 2000, 6000  # pictures up to which each is seen in so many views
_SAMPLE_ROWS = 3000  # that choices are made on
_LOGISTIC_ROWS = 2000  # up to which logistic regression, which takes minutes for more, is tried beside ridge
_ERRORS = 0.5
_HARDLY = 0.01  # nats: where nearly all are right, certain differences of how sure they are mean nothing
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FrozenModel:
    """A head over a backbone's features.

    Attributes:
        backbone: the ONNX file.
        digest: its SHA-256.
        name: the backbone's.
        top: how many of the first features are the backbone's last layer.
        views: how training pictures were seen; answers take the first of them.
        temperatures: by the number of views that an answer is averaged over.
        runtime: what computed the features that the head was fitted on.
        answers: how many views an answer is averaged over.
    """

    head: Head
    backbone: Path
    digest: str
    name: str
    top: int
    views: tuple[Preprocessing, ...]
    temperatures: Mapping[int, float]
    runtime: Runtime
    answers: int = 1

    file_name = "learnt.npz"

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are fitted to the square first of all."""
        return self.views[0]

    @property
    def answer_views(self) -> tuple[Preprocessing, ...]:
        """The views that an answer is averaged over."""
        return self.views[: self.answers]

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""
        return self.temperatures[self.answers]

    @property
    def parameters(self) -> int:
        """How many numbers the backbone and the head hold."""
        head = sum(layer.weights.size + layer.bias.size for layer in self.head.layers)
        return count_numbers(self.backbone.read_bytes()) + head

    def layers(self) -> list[LayerSummary]:
        """Return its layers, those of the backbone and the head."""
        head = [
            LayerSummary(f"head {number}", "dense", (len(layer.bias),), layer.weights.size + layer.bias.size)
            for number, layer in enumerate(self.head.layers, 1)
        ]
        return [*list_layers(self.backbone.read_bytes(), self.preprocessing.size), *head]

    def answering(self, views: int) -> "FrozenModel":
        """Return the model with answers averaged over so many views, or as many as it was trained with."""
        return replace(self, answers=max(count for count in self.temperatures if count <= views))

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """Return logits and features of pictures, means over the views; `exact`: by features in float32."""
        tables = pictures.embed_views(self.backbone, self.answer_views, "onnxruntime" if exact else self.runtime)
        logits = np.mean([self.head.logits(table) for table in tables], axis=0)
        # a view of an array would hold all of it
        features = tables[0][:, : self.top].copy()
        for table in tables[1:]:
            features += table[:, : self.top]
        return Outputs(logits, features / np.float32(len(tables)))

    def export(self) -> bytes:
        """Return the graph of the backbone and the head."""
        layers, size = self.head.tempered(self.temperature), self.preprocessing.size
        return export_model(self.backbone.read_bytes(), layers, size, width=self.top, views=self.answers)

    def to_bytes(self) -> bytes:
        """Return the head, and what it must be used with, as an .npz file."""
        buffer = io.BytesIO()
        views = json.dumps([view.to_dict() for view in self.views])
        counts = np.array(list(self.temperatures))
        np.savez(
            buffer, head=np.frombuffer(self.head.to_bytes(), np.uint8), backbone=self.digest, runtime=self.runtime,
            name=self.name, views=views, counts=counts, temperatures=np.array(list(self.temperatures.values())),
        )  # fmt: skip
        return buffer.getvalue()


class _Plan(NamedTuple):
    """What features a head is fitted on, and which kind of head."""

    choice: BackboneChoice
    path: Path
    runtime: Runtime
    views: tuple[Preprocessing, ...]
    depth: Depth
    head: HeadKind

    @property
    def width(self) -> int:
        """How many of the first features the head reads."""
        return backbone_widths(self.choice, self.views[0].size)[self.depth]

    @property
    def words(self) -> str:
        """The views and the depth, for people."""
        names: list[str] = list(dict.fromkeys(view.fit for view in self.views))
        names += ["mirrored"] if any(view.mirrored for view in self.views) else []
        backbone = "" if self.choice.name == "efficientnet_lite0" else f", {self.choice.name}"
        return f"{' + '.join(names)}, {self.depth}{'' if self.head == 'ridge' else f', {self.head}'}{backbone}"


class _HeadFit(NamedTuple):
    """A head, and the (views, n, classes) logits of each picture's views by a head that never saw its group."""

    head: Head
    held_out: Doubles


def check_usual() -> None:
    """Check that there is a backbone for `embed_usual`.

    Raises:
        MissingExtra: the optional library that carries it is not installed.
    """
    embedded_weights(BackboneChoice().name)


def embed_usual(pictures: Pictures, *, deep: bool = True) -> tuple[Floats, int]:
    """Return the features, (n, d) float32, that training with the usual settings begins with.

    The second value tells how many of the first are the backbone's last layer; without `deep` there are no others.

    Raises:
        MissingExtra: an optional library is not installed.
    """
    choice = BackboneChoice()
    view = FrozenLearner(TrainSettings(), choice, 0).view(choice.name, "squash", False)
    pictures.progress.start(f"preparing {choice.name}", None)
    path = backbone_model(choice, view, cache_folder())
    top = backbone_widths(choice, view.size)["top"]
    runtime = pictures.choose_runtime(path, view.size)
    features = pictures.embed(path, view, runtime, None if deep else top)
    open_runner.cache_clear()  # what follows needs its memory
    return features, top


def usual_store(pictures: Pictures) -> FeatureStore:
    """Return where `embed_usual` keeps the features of these pictures.

    Raises:
        MissingExtra: the backbone that they are of cannot be prepared here.
    """
    choice = BackboneChoice()
    view = FrozenLearner(TrainSettings(), choice, 0).view(choice.name, "squash", False)
    path = backbone_model(choice, view, cache_folder())
    runtime = pictures.choose_runtime(path, view.size)
    extractor = Extractor(path.name, runtime, lambda: open_runner(path, runtime))
    return FeatureStore.at(pictures.project.features_folder, extractor, view)


class FrozenLearner:
    """A frozen backbone and a head."""

    def __init__(self, settings: TrainSettings, choice: BackboneChoice, seed: int) -> None:
        self._settings = settings
        self._choice = choice
        self._seed = seed

    def fit(self, training: TrainingData) -> FitResult:
        """Fit the head; views, layers, kind of head and strength are chosen by cross-validation."""
        check_classes(training)
        plan, strengths, tried = self._choose(training)
        training.pictures.progress.start("fitting the head", None)
        plan, fitted = _best_view_first(plan, self._fit_head(_Tables(training), plan, strengths), training)
        counts = [count for count in ANSWER_VIEWS if count <= len(plan.views)]
        temperatures = {count: _temperature(fitted.held_out[:count], training) for count in counts}
        top = backbone_widths(plan.choice, plan.views[0].size)["top"]
        head = replace(fitted.head, temperature=temperatures[1])
        model = FrozenModel(
            head, plan.path, hash_file(plan.path), plan.choice.name, top, plan.views, temperatures, plan.runtime
        )  # fmt: skip
        chosen: dict[str, Scalar] = {"layers read": plan.depth, "head": plan.head, "views learnt from": len(plan.views)}
        if plan.head in ("ridge", "logistic"):
            chosen["penalty" if plan.head == "ridge" else "strength C"] = f"{head.strength:.3g}"
        chosen["imbalance"] = self._settings.loop.imbalance
        imbalance: Imbalance = "none" if self._settings.loop.imbalance == "none" else "oversample"
        balance = class_balance(training.labels, len(training.class_names), imbalance)
        files = {"balance.csv": balance_csv(balance, training.class_names).encode()}
        held_out, measured_by = fitted.held_out[0], "grouped cross-validation"
        return FitResult(model, held_out, measured_by, plan.choice.name, chosen, tried, files)

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> Doubles:
        """Return (n, classes) logits, each picture's by a head that never saw its fold."""
        assert isinstance(like, FrozenModel)
        depth: Depth = "top" if like.head.width == like.top else "deep"
        choice = replace(self._choice, name=like.name)
        plan = _Plan(choice, like.backbone, like.runtime, like.views, depth, like.head.kind)
        held_out = self._fit_head(_Tables(training), plan, [like.head.strength], folds).held_out
        return np.asarray(held_out[: like.answers].mean(axis=0))

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                head = Head.from_bytes(file["head"].tobytes())
                digest, computed_by = str(file["backbone"]), str(file["runtime"])
                views: tuple[Preprocessing, ...] = (preprocessing,)
                temperatures, name = {1: head.temperature}, self._choice.name
                if "views" in file:  # earlier runs had one
                    views = tuple(Preprocessing.from_dict(fields) for fields in json.loads(str(file["views"])))
                    pairs = zip(file["counts"].tolist(), file["temperatures"].tolist(), strict=True)
                    temperatures, name = dict(pairs), str(file["name"])
        except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise NotReady(f"the head is damaged: {error}", "run: fieldguide train") from error
        choice = replace(self._choice, name=name)
        path = backbone_model(choice, views[0], cache_folder())
        if hash_file(path) != digest:
            raise NotReady("the backbone has changed since training", "run: fieldguide train")
        runtime: Runtime = "openvino" if computed_by == "openvino" else "onnxruntime"
        top = backbone_widths(choice, views[0].size)["top"]
        return FrozenModel(head, path, digest, name, top, views, temperatures, runtime)

    def _choose(self, training: TrainingData) -> tuple[_Plan, Sequence[float], dict[str, float]]:
        """Return the plan, the strengths to try on all pictures, and the accuracy of each plan that was tried.

        Plans are compared on a sample by the log loss of their answers for pictures left out, each by one view; of
        those within a standard error of the best the first is taken. Then logistic regression must beat ridge, and
        another backbone the usual one, by as much.
        """
        first, known, sets = self._options(training)
        rivals = self._settings.head == "linear" or self._settings.backbone == "auto"
        if len(known) == len(sets) == 1 and not rivals:
            return first, self._strengths(first), {}
        sample = _sample(training, _SAMPLE_ROWS // len(first.views))
        tables = _Tables(sample)
        sample.pictures.progress.start("choosing layers and views", None)
        trials = [self._try(tables, first._replace(depth=depth)) for depth in known]
        best = _first_good(trials)
        others = [self._try(tables, best.plan._replace(views=views)) for views in sets[1:]]
        best, trials = _first_good([best, *others]), trials + others
        few = len(best.plan.views) * len(sample.labels) <= _LOGISTIC_ROWS
        if self._settings.head == "linear" and few and ridge.has_others(sample.labels, _group_numbers(sample)).any():
            trials.append(self._try(tables, best.plan._replace(head="logistic")))
            best = _first_good([best, trials[-1]])
        if self._settings.backbone == "auto":
            trials.append(self._try(tables, self._on_backbone(training, "efficientnet_lite2", best.plan)))
            best = _first_good([best, trials[-1]])
        tried = {trial.plan.words: trial.accuracy for trial in trials}
        if best.plan.head != "ridge":
            return best.plan, self._strengths(best.plan), tried
        if len(sample.labels) == len(training.labels):
            return best.plan, (best.strength,), tried
        # a penalty is a share of the rows' variance: of more rows a smaller share weighs as much
        share = np.log(best.strength * len(sample.labels) / len(training.labels))
        nearest = int(np.argmin(np.abs(np.log(ridge.PENALTIES) - share)))
        return best.plan, ridge.PENALTIES[max(0, nearest - 1) : nearest + 2], tried

    def _options(self, training: TrainingData) -> tuple[_Plan, Sequence[Depth], Sequence[tuple[Preprocessing, ...]]]:
        """Return the plan to prefer, and the depths and sets of views to choose from, the ones to prefer first.

        More layers and more views come first: they cost an answer nothing, and were better or equal on all sets tried.
        """
        settings = self._settings
        name = "efficientnet_lite0" if settings.backbone == "auto" else settings.backbone
        head: HeadKind = "ridge" if settings.head == "linear" else settings.head
        plan = self._on_backbone(training, name, _Plan(self._choice, Path(), "onnxruntime", (), "top", head))
        known = depths(plan.choice)
        wanted = known[::-1] if settings.depth == "auto" else tuple(depth for depth in known if depth == settings.depth)
        sets = [tuple(self.view(name, fit, mirrored) for fit, mirrored in views) for views in self._view_sets(training)]
        wanted = wanted or known[:1]
        return plan._replace(views=sets[0], depth=wanted[0]), wanted, sets

    def _view_sets(self, training: TrainingData) -> list[tuple[tuple[Fit, bool], ...]]:
        """Return the sets of views to choose from, each a fit and whether it is mirrored."""
        settings, pictures = self._settings, len(training.labels)
        usual = 4 if pictures <= _FOUR_VIEWS else 2 if pictures <= _TWO_VIEWS else 1
        most = usual if settings.views == "auto" else settings.views
        fits = settings.fits()
        singles: list[tuple[tuple[Fit, bool], ...]] = [((fit, False),) for fit in fits]
        if most == 1:
            return singles
        both = tuple((fit, False) for fit in fits[:2])
        mirrored = (*both, *((fit, True) for fit, _ in both))
        few = [
            views for views in ((both if len(both) > 1 else ()), mirrored[::2] if len(both) > 1 else mirrored) if views
        ]
        more = [mirrored] if most == 4 and len(both) > 1 else []
        sets = [*more, *few, *singles[:2]]
        if settings.mirror == "never":
            sets = [views for views in sets if not any(flip for _, flip in views)]
        if settings.mirror == "always":
            sets = [views for views in sets if any(flip for _, flip in views)]
        longest = max(map(len, sets))
        return sets if settings.views == "auto" else [views for views in sets if len(views) == longest]

    def view(self, name: str, fit: Fit, mirrored: bool) -> Preprocessing:
        """Return how pictures are fitted to the backbone's square."""
        usual = 224 if name.startswith(("dino", "vit", "deit")) else _SIDES.get(name, DEFAULT_SIDE)
        side = self._settings.side(usual)
        mean, std = find_norm(name)
        return Preprocessing(
            size=side, fit=fit, resize_shorter=round(side / 0.875), mean=mean, std=std, mirrored=mirrored
        )  # fmt: skip

    def _on_backbone(self, training: TrainingData, name: str, plan: _Plan) -> _Plan:
        """Return the plan on a backbone, converted and with what runs it fastest."""
        training.pictures.progress.start(f"preparing {name}", None)
        choice = replace(self._choice, name=name)
        view = self.view(name, "squash", False)
        path = backbone_model(choice, view, cache_folder())
        runtime = training.pictures.choose_runtime(path, view.size)
        views = tuple(self.view(name, view.fit, view.mirrored) for view in plan.views)
        return plan._replace(choice=choice, path=path, runtime=runtime, views=views)

    def _strengths(self, plan: _Plan) -> Sequence[float]:
        """Return the strengths to choose from where nothing is known of them yet."""
        return ridge.PENALTIES if plan.head == "ridge" else self._settings.strengths

    def _try(self, tables: "_Tables", plan: _Plan) -> "_Trial":
        """Return how well a plan answers for the pictures of a sample that are left out."""
        fitted = self._fit_head(tables, plan, self._strengths(plan))
        labels = tables.training.labels
        logits = _best_view_first(plan, fitted, tables.training)[1].held_out[0]
        known = _answerable(tables.training)
        share = accuracy(labels, logits.argmax(axis=1))[0]
        return _Trial(plan, fitted.head.strength, share, picture_losses(logits[known], labels[known]))

    def _fit_head(
        self, tables: "_Tables", plan: _Plan, strengths: Sequence[float], folds: Sequence[Fold] | None = None
    ) -> _HeadFit:
        """Fit a head to all views of all pictures; each picture's logits are by a head that never saw its group.

        Args:
            tables: the pictures and their features.
            plan: which features, and which kind of head.
            strengths: to choose from.
            folds: what is left out together instead of groups; each fold learns from all pictures of the others.
        """
        training, count = tables.training, len(plan.views)
        features, labels = tables.rows(plan), np.tile(training.labels, count)
        groups = _group_numbers(training)
        for number, (_, held_out) in enumerate(folds or ()):
            groups[held_out] = len(groups) + number  # a number that no group has
        if plan.head == "ridge":
            head, logits = self._fit_ridge(features, labels, np.tile(groups, count), strengths)
        else:
            if folds is None:
                folds = group_folds(training.labels, training.groups, training.folds, training.seed)
            shifts = len(training.labels) * np.arange(count)[:, None]  # from a picture to the rows of its views
            row_folds = [((train + shifts).ravel(), (rest + shifts).ravel()) for train, rest in folds]
            head, logits = self._fit_other(plan.head, features, labels, row_folds, strengths)
        return _HeadFit(head, logits.reshape(count, len(training.labels), -1))

    def _fit_ridge(
        self, features: Floats, labels: NDArray[np.int64], groups: NDArray[np.intp], penalties: Sequence[float]
    ) -> tuple[Head, Doubles]:
        """Fit ridge; rows of rarer classes count more often where the settings say so."""
        if self._settings.loop.imbalance == "none":
            layer, penalty, held_out = ridge.fit_ridge(features, labels, groups, penalties)
            return Head((layer,), 1.0, penalty, "ridge"), held_out
        rows = oversample(np.arange(len(labels)), labels, self._settings.loop.imbalance)
        layer, penalty, repeated = ridge.fit_ridge(features[rows], labels[rows], groups[rows], penalties)
        return Head((layer,), 1.0, penalty, "ridge"), repeated[np.unique(rows, return_index=True)[1]]

    def _fit_other(
        self,
        kind: HeadKind,
        features: Floats,
        labels: NDArray[np.int64],
        folds: Sequence[Fold],
        strengths: Sequence[float],
    ) -> tuple[Head, Doubles]:
        """Fit a head of another kind, the strength of logistic regression by the folds."""
        balanced, strength = self._settings.loop.imbalance != "none", 0.0
        held_out: Doubles | None = None
        if kind == "logistic":
            search = linear_head.search_strength(features, labels, folds, strengths)
            strength = search.strength  # which hardly depends on the balance of classes
            held_out = None if balanced else search.logits

        def fit(rows: Floats, targets: NDArray[np.int64]) -> Head:
            if balanced:
                indices = oversample(np.arange(len(targets)), targets, self._settings.loop.imbalance)
                rows, targets = rows[indices], targets[indices]
            if kind == "logistic":
                return linear_head.fit_linear_head(rows, targets, strength, 1.0)
            if kind == "lda":
                return linear_head.fit_lda(rows, targets)
            return heads.fit_head(rows, targets, kind, self._seed, int(labels.max()) + 1)

        if held_out is None and kind.startswith("mlp") and not balanced:
            held_out = heads.predict_held_out(features, labels, folds, kind, self._seed)
        elif held_out is None:
            held_out = linear_head.hold_out_folds(features, labels, folds, fit)
        return fit(features, labels), held_out


class _Trial(NamedTuple):
    """How a plan did: its strength, accuracy, and the log loss of each picture left out."""

    plan: _Plan
    strength: float
    accuracy: float
    losses: Doubles


@dataclass(frozen=True)
class _Tables:
    """The features of the pictures to learn from, read from the store as they are needed."""

    training: TrainingData

    def rows(self, plan: _Plan) -> Floats:
        """Return (views x n, d) features of a plan, the views one after another, an array of its own."""
        tables = self.training.pictures.embed_views(plan.path, plan.views, plan.runtime)
        open_runner.cache_clear()  # the head needs its memory
        if len(tables) == 1 and tables[0].shape[1] == plan.width:
            return tables[0]
        return np.concatenate([table[:, : plan.width] for table in tables])


def _group_numbers(training: TrainingData) -> NDArray[np.intp]:
    return np.unique(training.groups, return_inverse=True)[1]


def _answerable(training: TrainingData) -> NDArray[np.bool_]:
    """Tell of which pictures something can be learnt without them; of all, where that is none."""
    known = ridge.has_others(training.labels, _group_numbers(training))
    return known if known.any() else np.ones(len(known), bool)


def _first_good(trials: Sequence[_Trial]) -> _Trial:
    """Return the first whose log loss is within a standard error of the best, or hardly higher."""
    return trials[choose_within_error([trial.losses for trial in trials], least=_HARDLY)]


def _best_view_first(plan: _Plan, fitted: _HeadFit, training: TrainingData) -> tuple[_Plan, _HeadFit]:
    """Order the views for answers: the best by itself, its mirror image, then the others.

    Of those within half a standard error of the best the first stays.
    """
    known = _answerable(training)
    upright = [place for place, view in enumerate(plan.views) if not view.mirrored]
    losses = [picture_losses(fitted.held_out[place][known], training.labels[known]) for place in upright]
    first = plan.views[upright[choose_within_error(losses, _ERRORS)]].fit
    order = sorted(
        range(len(plan.views)), key=lambda place: (plan.views[place].fit != first, plan.views[place].mirrored)
    )
    views = tuple(plan.views[place] for place in order)
    return plan._replace(views=views), fitted._replace(held_out=fitted.held_out[order])


def _temperature(held_out: Doubles, training: TrainingData) -> float:
    """Return the temperature of answers that are averaged over these (views, n, classes) held-out logits."""
    known = _answerable(training)
    return fit_temperature(held_out.mean(axis=0)[known], training.labels[known])


def _sample(training: TrainingData, most: int) -> TrainingData:
    """Return at most so many of the pictures, chosen by their hashes."""
    count = len(training.labels)
    if count <= most:
        return training
    names = [name for name, _ in training.pictures.images]
    order = sorted(range(count), key=lambda index: hash_text(names[index]))
    return training.take(np.array(sorted(order[:most])))
