"""The stage that opens the test split, once for a run, and says honestly how good the answers are.

Beside the test it gives a grouped cross-validation over everything kept, and what a careless script would have
claimed: shuffled pictures with the near-copies left in.
"""

import base64
import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.atomic import write_text
from fieldguide.calibration import softmax
from fieldguide.catalog import Catalog
from fieldguide.dataset import Dataset, load_copies, load_dataset
from fieldguide.features import Embedder, cache_folder
from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.learners.backbones import BackboneChoice, backbone_model
from fieldguide.learners.headfit import Head, group_folds, held_out_logits
from fieldguide.metrics import accuracy, calibration_error, confusion_matrix, per_class_scores
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.records import EvaluateReport
from fieldguide.report import render
from fieldguide.runs import Run, latest_run
from fieldguide.settings import Settings

__all__ = ["evaluate", "inputs"]

_THUMBNAIL_SIDE = 260


def inputs(catalog: Catalog, settings: Settings) -> str:
    """The digest of everything that this stage's result depends on."""
    trained = catalog.finished("train")
    said = [settings.evaluate.model_dump_json(), settings.name, settings.about, repr(trained), catalog.digest("state")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def evaluate(project: Project, settings: Settings, *, progress: Progress) -> EvaluateReport:
    """The honest number with its interval, and where its report lies.

    Raises:
        NotReady: nothing has been trained, or the pictures have changed since.
        MissingExtra: the extra [train] is not installed.
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    with project.catalog() as catalog:
        wanted = inputs(catalog, settings)
        done = catalog.current("evaluate", wanted, EvaluateReport)
        if done and (project.root / done.report).is_file():
            return done
        run = latest_run(catalog, project.runs_folder)
        catalog.add_look(run.name, "evaluate", project.now())
        exam = _Exam.sit(project, settings, catalog, run, progress)
        progress.start("writing the report", None)
        report, page = exam.report(catalog)
        folder = project.runs_folder / run.name
        write_text(folder / "metrics.json", json.dumps(exam.numbers(), indent=1, ensure_ascii=False))
        write_text(folder / "report.html", page)
        catalog.finish("evaluate", wanted, asdict(report), project.now())
    return report


@dataclass(frozen=True)
class _Exam:
    """The answers that the report is written from."""

    project: Project
    settings: Settings
    run: Run
    data: Dataset
    test: NDArray[np.intp]
    probs: NDArray[np.float64]
    cv_probs: NDArray[np.float64]
    careless: tuple[float, float, float]
    copies: int

    @classmethod
    def sit(cls, project: Project, settings: Settings, catalog: Catalog, run: Run, progress: Progress) -> "_Exam":
        """The exam with every answer given."""
        data = load_dataset(catalog)
        model = backbone_model(BackboneChoice(run.backbone), run.preprocessing, cache_folder())
        embedder = Embedder.for_run(project, settings, run, model)
        head = Head.from_bytes(run.learnt)
        features = embedder.embed(data.images, progress)[:, : head.width]
        test = np.flatnonzero(data.splits == "test")
        progress.start("cross-validating", None)
        folds = group_folds(data.labels, data.groups, settings.evaluate.folds, settings.seed)
        logits = held_out_logits(features, data.labels, folds, head.strength)
        copies, copy_labels = load_copies(catalog, run.class_names)
        copied = np.concatenate([features, embedder.embed(copies, progress)[:, : head.width]]) if copies else features
        files = Counter(origin.sha256 for origin in catalog.origins())
        times = [files[name] for name in (*data.images, *copies)]
        labels = np.repeat(np.concatenate([data.labels, copy_labels]), times)
        careless = cls._careless(np.repeat(copied, times, axis=0), labels, settings, head.strength)
        probs, cv_probs = head.probs(features[test]), softmax(logits / head.temperature)
        extra = len(labels) - len(data.labels)
        return cls(project, settings, run, data, test, probs, cv_probs, careless, extra)

    @staticmethod
    def _careless(
        features: NDArray[np.float32], labels: NDArray[np.int64], settings: Settings, strength: float
    ) -> tuple[float, float, float]:
        """The accuracy over shuffled folds with the copies left in, and its interval."""
        folds = group_folds(labels, None, settings.evaluate.folds, settings.seed)
        return accuracy(labels, held_out_logits(features, labels, folds, strength).argmax(axis=1))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(classes, classes) on the test split."""
        return confusion_matrix(self.data.labels[self.test], self.probs.argmax(axis=1), len(self.run.class_names))

    @property
    def cv_confusion(self) -> NDArray[np.int64]:
        """(classes, classes) of the grouped cross-validation."""
        return confusion_matrix(self.data.labels, self.cv_probs.argmax(axis=1), len(self.run.class_names))

    def numbers(self) -> dict[str, Any]:
        """Every figure, for programs."""
        scores = per_class_scores(self.confusion)
        labels = self.data.labels[self.test]
        return {
            "run": self.run.name,
            "class_names": list(self.run.class_names),
            "images": len(self.data.labels),
            "test_images": len(self.test),
            "accuracy": accuracy(labels, self.probs.argmax(axis=1)),
            "macro_f1": float(np.mean([score["f1"] for score in scores])),
            "ece": calibration_error(self.probs, labels),
            "grouped": accuracy(self.data.labels, self.cv_probs.argmax(axis=1)),
            "careless": self.careless,
            "copies": self.copies,
            "folds": self.settings.evaluate.folds,
            "per_class": dict(zip(self.run.class_names, scores, strict=True)),
            "confusion": self.confusion.tolist(),
            "cv_confusion": self.cv_confusion.tolist(),
        }

    def report(self, catalog: Catalog) -> tuple[EvaluateReport, str]:
        """The stage's report and its page."""
        numbers = self.numbers()
        trained = self.run.report
        made = {
            "learner": f"{self.run.learner}, {self.run.backbone}",
            "picture to square": f"{self.run.preprocessing.fit}, {self.run.preprocessing.size} pixels",
            "layers read": trained["depth"],
            "ways tried": "; ".join(f"{key} {value:.3f}" for key, value in trained["tried"].items()) or "-",
            "strength C": trained["strength"],
            "temperature": round(trained["temperature"], 3),
            "features by": self.run.runtime,
            "trained on": f"{trained['images']} pictures (train and val)",
            "seed": self.settings.seed,
        }
        about = {"name": self.settings.name, "about": self.settings.about, "looks": catalog.count_looks()}
        page = render("report.html", {**numbers, **about, "made": made, "mistakes": self._mistakes(catalog)})
        kept = {key: numbers[key] for key in (
            "run", "accuracy", "macro_f1", "ece", "grouped", "careless", "per_class", "test_images")}  # fmt: skip
        return EvaluateReport(**kept, report=f"runs/{self.run.name}/report.html"), page

    def _mistakes(self, catalog: Catalog) -> list[dict[str, Any]]:
        """The wrong answers of the cross-validation, surest first, with thumbnails."""
        answers = self.cv_probs.argmax(axis=1)
        wrong = np.flatnonzero(answers != self.data.labels)
        surest = sorted(wrong, key=lambda index: -self.cv_probs[index].max())
        places = {origin.sha256: origin.location for origin in catalog.origins()}
        images = list(self.data.images.items())
        return [
            {
                "class_name": self.run.class_names[self.data.labels[index]],
                "answer": self.run.class_names[answers[index]],
                "prob": float(self.cv_probs[index].max()),
                "location": places.get(images[index][0], ""),
                "thumbnail": self._thumbnail(*images[index]),
            }
            for index in surest[: self.settings.evaluate.mistakes]
        ]

    def _thumbnail(self, sha256: str, suffix: str) -> str:
        """A small JPEG in base64."""
        pixels = decode(self.project.read_image(sha256, suffix), decode_limits(self.settings), at_least=_THUMBNAIL_SIDE)
        return base64.b64encode(thumbnail_jpeg(pixels, _THUMBNAIL_SIDE)).decode()
