"""The stage that opens the test split, once for a run, and reports honestly how accurate the model is.

Beside the test split it reports a grouped cross-validation over every picture kept, and what a careless script would
have claimed: shuffled pictures with the near-copies left in. The answers to the test pictures stay with the run, so
that whoever needs more of them does not open the test split again.
"""

import base64
import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import MAX_LOG_LOSS, fit_familiarity, softmax
from fieldguide.features import Pictures
from fieldguide.hashing import hash_text
from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.learners import load_model
from fieldguide.learners.contract import TrainingData, group_folds
from fieldguide.learners.linear_head import root
from fieldguide.metrics import (
    MIN_CALIBRATION,
    accuracy,
    accuracy_difference,
    calibration_error,
    calibration_interval,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    per_class_scores,
)
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_copies, load_dataset
from fieldguide.project.runs import TEST_ANSWERS, Run, latest_run
from fieldguide.records import EvaluateReport
from fieldguide.settings import Settings
from fieldguide.text import format_score, render, write_csv

_THUMBNAIL_SIDE = 260
Score = tuple[float, float, float]


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    trained = catalog.finished("train")
    if trained:  # the settings may name a run's choice where it was made by "auto": it is the same run
        made_from = catalog.run_inputs(trained.report["run"])
        trained = replace(trained, inputs=made_from or trained.inputs)
    values = [
        settings.evaluate.model_dump_json(),
        *([f"{settings.publish.views} views"] if settings.publish.views > 1 else []),
        settings.name,
        settings.about,
        repr(trained),
        catalog.digest("state"),
    ]
    return hash_text(json.dumps(values))


def evaluate(project: Project, settings: Settings, *, progress: Progress) -> EvaluateReport:
    """Measure the last run on the test split; report its accuracy with an interval, and where report.html lies.

    Raises:
        NotReady: nothing has been trained, or the pictures have changed since.
        MissingExtra: the extra [train] is not installed.
    """
    with project.catalog() as catalog:
        digest = inputs(catalog, settings)
        done = catalog.current("evaluate", digest, EvaluateReport)
        if done and (project.root / done.report).is_file():
            return done
        run = latest_run(catalog, project.runs_folder)
        catalog.add_look(run.name, "evaluate", project.now())
        evaluation = _Evaluation.measure(project, settings, catalog, run, progress)
        progress.start("writing the report", None)
        numbers = evaluation.scores()
        report, page = evaluation.report(catalog, numbers)
        folder = project.runs_folder / run.name
        write_text(folder / TEST_ANSWERS, evaluation.answers())
        write_text(folder / "metrics.json", json.dumps(numbers, indent=1, ensure_ascii=False))
        write_text(folder / "report.html", page)
        catalog.finish("evaluate", digest, asdict(report), project.now())
    return report


@dataclass(frozen=True)
class _Evaluation:
    """The probabilities that the report is written from."""

    project: Project
    settings: Settings
    run: Run
    data: Dataset
    test: NDArray[np.intp]
    probs: NDArray[np.float64]
    familiarity: NDArray[np.float64]
    held: NDArray[np.intp]
    held_probs: NDArray[np.float64]
    grouped: Score | None
    careless: Score | None
    difference: Score | None
    copies: int
    folds: int

    @classmethod
    def measure(
        cls, project: Project, settings: Settings, catalog: Catalog, run: Run, progress: Progress
    ) -> "_Evaluation":
        """Compute the probabilities of the test split, and cross-validate where the settings ask for it."""
        data = load_dataset(catalog)
        learner, model = load_model(run, settings.publish.views)
        pictures = Pictures(project, tuple(data.images.items()), settings, progress)
        outputs = model.predict(pictures)
        probs = softmax(outputs.logits / model.temperature)
        test, known = np.flatnonzero(data.splits == "test"), data.splits != "test"
        familiarity = fit_familiarity(root(outputs.features[known]), data.labels[known])
        seen = data, test, probs[test], familiarity.nearness(root(outputs.features[test]))
        copies, copy_labels = load_copies(catalog, run.class_names)
        files = Counter(origin.sha256 for origin in catalog.origins())
        times = [files[name] for name in (*data.images, *copies)]
        extra = sum(times) - len(data.labels)
        choice = settings.evaluate.cross_validate
        if choice == "never" or (choice == "auto" and not learner.is_quick):
            held = test if learner.is_quick else np.flatnonzero(data.splits != "train")  # the others were trained on
            return cls(project, settings, run, *seen, held, probs[held], None, None, None, extra, 0)
        progress.start("cross-validating", None)
        key = hash_text(inputs(catalog, settings) + repr(times))[:16]
        keep = project.runs_folder / f"unfinished-evaluate-{run.name}" / key
        training = replace(TrainingData.of(data, pictures, settings, keep / "grouped"), seed=run.seed)
        folds = group_folds(data.labels, data.groups, settings.evaluate.folds, settings.seed)
        cv_logits = learner.predict_held_out(training, folds, model)
        everything = Pictures(project, (*data.images.items(), *copies.items()), settings, progress)
        places = np.repeat(np.arange(len(everything)), times)
        shuffled = replace(
            training, pictures=everything.take(places), labels=np.concatenate([data.labels, copy_labels])[places],
            groups=("",) * len(places), splits=np.full(len(places), "train"), keep=keep / "careless",
        )  # fmt: skip
        careless_folds = group_folds(shuffled.labels, None, settings.evaluate.folds, settings.seed)
        careless = learner.predict_held_out(shuffled, careless_folds, model)
        shutil.rmtree(keep.parent, ignore_errors=True)
        cv_probs = softmax(cv_logits / model.temperature)
        right, careless_right = cv_logits.argmax(axis=1) == data.labels, careless.argmax(axis=1) == shuffled.labels
        first = np.searchsorted(places, np.arange(len(data.labels)))  # of the files of each picture
        difference = accuracy_difference(careless_right[first], right)
        shares = accuracy(data.labels, cv_logits.argmax(axis=1)), accuracy(shuffled.labels, careless.argmax(axis=1))
        everywhere = np.arange(len(probs))
        return cls(project, settings, run, *seen, everywhere, cv_probs, *shares, difference, extra, len(folds))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts on the test split, (classes, classes): row = true class, column = answer."""
        return confusion_matrix(self.data.labels[self.test], self.probs.argmax(axis=1), len(self.run.class_names))

    @property
    def cv_confusion(self) -> list[list[int]] | None:
        """Counts of the grouped cross-validation, (classes, classes); None where there was none."""
        if self.grouped is None:
            return None
        answers = self.held_probs.argmax(axis=1)
        counts: list[list[int]] = confusion_matrix(self.data.labels, answers, len(self.run.class_names)).tolist()
        return counts

    def answers(self) -> str:
        """Return the answer for each test picture, and how familiar it is to a fit on train and val; CSV."""
        images, names = list(self.data.images), self.run.class_names
        rows = [
            [images[place], names[self.data.labels[place]], names[row.argmax()], f"{row.max():.6f}", repr(float(near))]
            for place, row, near in zip(self.test, self.probs, self.familiarity, strict=True)
        ]
        return write_csv(["sha256", "class_name", "answer", "prob", "familiarity"], rows)

    def scores(self) -> dict[str, Any]:
        """Return every figure, as in metrics.json."""
        scores = per_class_scores(self.confusion)
        labels, answers = self.data.labels[self.test], self.probs.argmax(axis=1)
        groups = [self.data.groups[place] for place in self.test]
        return {
            "run": self.run.name,
            "class_names": list(self.run.class_names),
            "images": len(self.data.labels),
            "learnt_per_class": self.data.learnt_per_class(),
            "test_images": len(self.test),
            "accuracy": accuracy(labels, answers),
            "macro_f1": macro_f1(labels, answers, len(self.run.class_names)),
            "macro_f1_interval": macro_f1_interval(self.confusion),
            "ece": calibration_error(self.probs, labels),
            "ece_interval": calibration_interval(self.probs, labels, groups),
            "grouped": self.grouped,
            "careless": self.careless,
            "difference": self.difference,
            "copies": self.copies,
            "folds": self.folds,
            "per_class": dict(zip(self.run.class_names, scores, strict=True)),
            "confusion": self.confusion.tolist(),
            "cv_confusion": self.cv_confusion,
        }

    def report(self, catalog: Catalog, numbers: dict[str, Any]) -> tuple[EvaluateReport, str]:
        """Return the stage's report and the text of report.html, from what `scores` returns."""
        trained = self.run.report
        made = {
            "learner": " on ".join(filter(None, (self.run.learner, trained["backbone"]))),
            "preprocessing": f"{self.run.preprocessing.fit}, {self.run.preprocessing.size} pixels",
            **trained["chosen"],
            "options tried": "; ".join(f"{key} {value:.1%}" for key, value in trained["tried"].items()) or "-",
            "accuracy in training": f"{format_score(trained['accuracy'])} by {trained['measured_by']}, "
            f"{trained['measured']} pictures",
            **_describe_beside(trained.get("beside", {})),
            "temperature": round(trained["temperature"], 3),
            "runtime": trained["runtime"],
            "parameters": f"{trained['parameters']:,}",
            "trained on": f"{trained['images']} pictures (train and val)",
            "seed": self.run.seed,
        }
        kept = {field.name: numbers[field.name] for field in fields(EvaluateReport) if field.name in numbers}
        report = EvaluateReport(**kept, report=f"runs/{self.run.name}/report.html", looks=catalog.count_looks())
        about = {"name": self.settings.name, "about": self.settings.about, "report": report,
                 "least": MIN_CALIBRATION, "most_loss": MAX_LOG_LOSS, "measured": trained["measured"]}  # fmt: skip
        chosen = trained["chosen"].get("family", "")  # of the colour learner
        pictures = self._pictures(catalog)
        return report, render("report.html", {**numbers, **about, **pictures, "made": made, "chosen": chosen})

    def _pictures(self, catalog: Catalog) -> dict[str, Any]:
        """Return the pictures of the page: plots and tables of the run, and wrong answers."""
        folder = self.project.runs_folder / self.run.name
        plots = {path.stem: base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("*.png"))}
        tables = {
            path.stem: list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) for path in folder.glob("*.csv")
        }
        families = _best_of_each(tables.get("families", []))
        rows = {"balance": tables.get("balance", []), "features": tables.get("features", []), "families": families}
        return {"plots": plots, **rows, "mistakes": self._mistakes(catalog)}

    def _mistakes(self, catalog: Catalog) -> list[dict[str, Any]]:
        """Return the wrong answers on held-out pictures, the most confident first, with thumbnails."""
        answers, labels = self.held_probs.argmax(axis=1), self.data.labels[self.held]
        wrong = np.flatnonzero(answers != labels)
        most_confident = sorted(wrong, key=lambda index: -self.held_probs[index].max())
        places = {origin.sha256: origin.location for origin in catalog.origins()}
        images = list(self.data.images.items())
        return [
            {
                "class_name": self.run.class_names[labels[index]],
                "answer": self.run.class_names[answers[index]],
                "prob": float(self.held_probs[index].max()),
                "location": places.get(images[self.held[index]][0], ""),
                "thumbnail": self._thumbnail(*images[self.held[index]]),
            }
            for index in most_confident[: self.settings.evaluate.mistakes]
        ]

    def _thumbnail(self, sha256: str, suffix: str) -> str:
        """Return a small JPEG in base64."""
        pixels = decode(self.project.read_image(sha256, suffix), decode_limits(self.settings), at_least=_THUMBNAIL_SIDE)
        return base64.b64encode(thumbnail_jpeg(pixels, _THUMBNAIL_SIDE)).decode()


def _best_of_each(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the first row of each family, in the order of the rows, which are sorted, the best first."""
    best: dict[str, dict[str, str]] = {}
    for row in rows:
        best.setdefault(row["family"], row)
    return list(best.values())


def _describe_beside(beside: Mapping[str, Score]) -> dict[str, str]:
    """Return the learners of which the better one was taken, as a row of the report; none where one was named."""
    scores = "; ".join(f"{name} {format_score(score)}" for name, score in beside.items())
    return {"learners side by side": scores} if scores else {}
