"""The stage that learns: features once, the way of fitting and the strength chosen by validation, a head fitted.

The test split is never read here.
"""

import hashlib
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature, softmax
from fieldguide.catalog import Catalog
from fieldguide.csvtext import write_csv
from fieldguide.dataset import Dataset, load_dataset
from fieldguide.features import Embedder, cache_folder, choose_runtime, hash_file
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths
from fieldguide.learners.headfit import (
    Searched,
    choose_within_error,
    fit_head,
    group_folds,
    own_losses,
    search_head,
)
from fieldguide.metrics import accuracy
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.records import Depth, Fit, Preprocessing, TrainReport
from fieldguide.runs import Run, is_whole, save_run
from fieldguide.settings import Settings

__all__ = ["inputs", "train"]

_TRIAL_IMAGES = 1500

Way = tuple[Fit, Depth]


def inputs(catalog: Catalog, settings: Settings) -> str:
    """The digest of everything that this stage's result depends on."""
    said = f"{settings.train.model_dump_json()} {settings.features.model_dump_json()} seed {settings.seed}"
    return hashlib.sha256((said + catalog.digest("state")).encode()).hexdigest()


def train(project: Project, settings: Settings, *, progress: Progress) -> TrainReport:
    """What was learnt, with its cross-validated and its validation accuracy.

    Raises:
        NotReady: the pictures are not split.
        MissingExtra: the extra [train], or OpenVINO where it is asked for, is not installed.
        DiskFull: no space; features computed before stay.
        NoPermission: the project or the cache cannot be written.
    """
    with project.catalog() as catalog:
        wanted = inputs(catalog, settings)
        done = catalog.current("train", wanted, TrainReport)
        if done and is_whole(project.runs_folder / done.run):
            return done
        data = load_dataset(catalog).where("train", "val")
        bench = _Bench.open(project, settings, progress)
        way, tried = bench.try_ways(data)
        run, tables = bench.learn(data, way, tried, catalog.digest("state"))
        save_run(project.runs_folder / run.name, run, tables)
        catalog.add_run(run.name, run.learner, wanted, project.now())
        catalog.finish("train", wanted, run.report, project.now())
    return TrainReport(**run.report)


@dataclass(frozen=True)
class _Bench:
    """What the steps of training share."""

    project: Project
    settings: Settings
    progress: Progress
    embedder: Embedder

    @classmethod
    def open(cls, project: Project, settings: Settings, progress: Progress) -> "_Bench":
        """The bench with the backbone converted and the runtime chosen.

        Raises:
            MissingExtra: something optional is not installed.
        """
        chosen = settings.train
        preprocessing = Preprocessing(size=chosen.size, resize_shorter=round(chosen.size / 0.875))
        progress.start(f"preparing {chosen.backbone}", None)
        model = backbone_model(BackboneChoice(chosen.backbone), preprocessing, cache_folder())
        runtime = choose_runtime(model, chosen.size, settings.features.runtime)
        limits = decode_limits(settings)
        embedder = Embedder(project, model, preprocessing, runtime, limits, settings.features.batch_size)
        return cls(project, settings, progress, embedder)

    def fitted(self, fit: Fit) -> Embedder:
        """The embedder with another way of fitting."""
        return replace(self.embedder, preprocessing=replace(self.embedder.preprocessing, fit=fit))

    def try_ways(self, data: Dataset) -> tuple[Way, dict[str, float]]:
        """The way of fitting and the depth to use, and the grouped cross-validated accuracy of each that was tried.

        The first whose log loss is within a standard error of the best, the depths in the order of
        `TrainSettings.depths` and in each the ways of fitting in that of `TrainSettings.fits`. At most 1,500 pictures
        are tried.
        """
        chosen = self.settings.train
        ways = [(fit, depth) for depth in chosen.depths() for fit in chosen.fits()]
        if len(ways) == 1:
            return ways[0], {}
        names = list(data.images)
        order = sorted(range(len(names)), key=lambda index: _shuffled(names[index]))
        sample = data.take(sorted(order[:_TRIAL_IMAGES])) if len(order) > _TRIAL_IMAGES else data
        features = {fit: self.fitted(fit).embed(sample.images, self.progress) for fit in chosen.fits()}
        folds = self._folds(sample)
        self.progress.start("choosing how to look", len(ways))
        scores: dict[str, float] = {}
        losses = []
        for fit, depth in ways:
            logits = search_head(self._read(features[fit], depth), sample.labels, folds, chosen.strengths).logits
            scores[f"{fit}, {depth}"] = accuracy(sample.labels, logits.argmax(axis=1))[0]
            losses.append(own_losses(logits, sample.labels))
            self.progress.advance()
        return ways[choose_within_error(losses)], scores

    def _read(self, features: NDArray[np.float32], depth: Depth) -> NDArray[np.float32]:
        """The features that a depth reads."""
        chosen = self.settings.train
        return features[:, : backbone_widths(BackboneChoice(chosen.backbone), chosen.size)[depth]]

    def _folds(self, data: Dataset) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        return group_folds(data.labels, data.groups, self.settings.train.folds, self.settings.seed)

    def _new_name(self) -> str:
        """A name for the run that no other has, from the time and the learner."""
        name = f"{self.project.clock():%Y%m%d-%H%M%S}-{self.settings.train.learner}"
        taken = len(list(self.project.runs_folder.glob(f"{name}*")))
        return f"{name}-{taken + 1}" if taken else name

    def learn(self, data: Dataset, way: Way, tried: dict[str, float], digest: str) -> tuple[Run, dict[str, str]]:
        """The run, and its table of held-out predictions; `digest` says what the project held."""
        fit, depth = way
        embedder = self.fitted(fit)
        features = self._read(embedder.embed(data.images, self.progress), depth)
        self.progress.start("fitting the head", None)
        searched = search_head(features, data.labels, self._folds(data), self.settings.train.strengths)
        temperature = fit_temperature(searched.logits, data.labels)
        head = fit_head(features, data.labels, searched.strength, temperature)
        name = self._new_name()
        report = TrainReport(
            run=name,
            learner=self.settings.train.learner,
            backbone=self.settings.train.backbone,
            fit=fit,
            depth=depth,
            strength=searched.strength,
            temperature=temperature,
            cv_accuracy=accuracy(data.labels, searched.logits.argmax(axis=1)),
            tried=tried,
            runtime=embedder.runtime,
            images=len(data.labels),
            classes=len(data.class_names),
        )
        run = Run(
            name=name,
            learner=report.learner,
            backbone=report.backbone,
            preprocessing=embedder.preprocessing,
            runtime=embedder.runtime,
            class_names=data.class_names,
            data=digest,
            model=hash_file(embedder.model),
            report=asdict(report),
            learnt=head.to_bytes(),
        )
        return run, {"predictions.csv": _predictions(data, searched, temperature)}


def _shuffled(sha256: str) -> str:
    """A place in an order that has nothing to do with the pictures' own."""
    return hashlib.sha256(sha256.encode()).hexdigest()


def _predictions(data: Dataset, searched: Searched, temperature: float) -> str:
    """A CSV of what cross-validation answered for each picture of train and val."""
    probs = softmax(searched.logits / temperature)
    rows: list[list[str]] = []
    for index, sha256 in enumerate(data.images):
        answer = int(probs[index].argmax())
        names = data.class_names[data.labels[index]], data.class_names[answer]
        rows.append([sha256, str(data.splits[index]), *names, f"{probs[index, answer]:.6f}"])
    return write_csv(["sha256", "split", "class_name", "answer", "prob"], rows)
