"""The stage that writes the guide: model, card, credits, examples, and the proof that it answers as trained.

The guide appears whole, by a rename, after the proof; when the proof fails, the old guide stays.
"""

import io
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Calibration
from fieldguide.errors import NotReady, ParityError
from fieldguide.exporters.answers import add_answers
from fieldguide.familiarity import accept_threshold
from fieldguide.features import Pictures
from fieldguide.guide import SCHEMA_VERSION, Guide, is_unaltered, keep_edited, open_guide, write_manifest
from fieldguide.hashing import hash_text
from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.images.swatches import SWATCH
from fieldguide.images.unrelated import KINDS, draw_unrelated
from fieldguide.learners import load_calibration, load_model, takes_vectors
from fieldguide.learners.contract import Model, Outputs, TrainingData
from fieldguide.learners.declining import Declining, choose_declining, see_instead
from fieldguide.licences import credit_lines, credit_table, read_licence
from fieldguide.metrics import wilson_interval
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import replace_folder
from fieldguide.project.catalog import Catalog
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.provenance import describe_provenance
from fieldguide.project.runs import DECLINING, METRICS, Run, latest_run, load_held_out_logits, load_test_familiarity
from fieldguide.records import EvaluateReport, Origin, PublishReport
from fieldguide.settings import ClassSettings, Settings, digest_json
from fieldguide.stages.publish.branding import Branding, fingerprint_branding
from fieldguide.stages.publish.neighbours import list_neighbours, load_confusion, mean_probs
from fieldguide.text import link_label, render

_THUMBNAIL_SIDE = 320
_LEAST_AGREEMENT = 0.99
VAL, DRAWN = "val", "drawn"  # the pictures of a proof
_DRAWINGS = 8  # of each kind, on which a guide is proved that was made without pictures
MAX_COMPARED = 500  # val pictures that the guide classifies: one at a time, as its users will


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    evaluated = catalog.finished("evaluate")
    added = {
        name: {key for key in ("names", "parent") if not getattr(row, key)} for name, row in settings.classes.items()
    }
    classes = {name: row.model_dump(exclude=added[name]) for name, row in settings.classes.items()}  # since version 2
    branding = fingerprint_branding(settings.branding, catalog.path.parent)
    chosen = json.loads(digest_json(settings, "publish"))
    values = [settings.name, settings.about, classes, chosen, _version(), *([branding] if branding else [])]
    measured = json.dumps(evaluated.report if evaluated else None, sort_keys=True)
    text = json.dumps(values, sort_keys=True) + measured + catalog.digest("state", "origin")
    return hash_text(text)


def _version() -> str:
    from fieldguide import __version__

    return __version__


def publish(project: Project, settings: Settings, *, progress: Progress) -> PublishReport:
    """Publish the last run as a guide; report how closely it gives the answers of the trained model.

    Raises:
        NotReady: the last run has not been evaluated.
        ParityError: the guide would give other answers; nothing is published, and an old guide stays.
        MissingExtra: the extra [train] is not installed.
    """
    with project.catalog() as catalog:
        digest = inputs(catalog, settings)
        done = catalog.current("publish", digest, PublishReport)
        if done and is_unaltered(project.guide_folder):
            return done
        run = latest_run(catalog, project.runs_folder)
        evaluated = catalog.finished("evaluate")
        if evaluated is None or evaluated.report["run"] != run.name:
            raise NotReady("the last training run has not been evaluated", "run: fieldguide evaluate")
        writer = _GuideWriter.load(project, settings, catalog, run, progress)
        with replace_folder(project.guide_folder) as folder:
            report = writer.write(folder, EvaluateReport(**evaluated.report))
            for name in keep_edited(project.guide_folder, folder):
                progress.say(f"your edited file is kept as {project.guide_folder.name}/{name}, beside the new one")
        catalog.finish("publish", digest, asdict(report), project.now())
    return report


@dataclass(frozen=True)
class _Decline:
    """What the guide promises about "none of these"; shares in 0..1."""

    threshold: float
    true_accept: float
    false_accept: float | None
    left_out: int
    true_accept_interval: tuple[float, float]
    test_images: int
    false_accept_range: tuple[float, float] | None
    left_out_images: int
    score: str


@dataclass(frozen=True)
class _GuideWriter:
    """Writes the parts of a guide from a run, its model's outputs and the origins of the pictures.

    Attributes:
        data: all pictures that are kept.
        known: those of train and val, in the order of `outputs` and `pictures`.
        declining: how known pictures are told from others, from the evaluation.
        test_scores: (test pictures,) how familiar they are, from the evaluation.
    """

    project: Project
    settings: Settings
    run: Run
    model: Model
    calibration: Calibration
    data: Dataset
    known: Dataset
    outputs: Outputs
    declining: Declining
    test_scores: NDArray[np.float64]
    origins: dict[str, list[Origin]]
    provenance: dict[str, Any]
    branding: Branding
    pictures: Pictures
    progress: Progress

    @classmethod
    def load(
        cls, project: Project, settings: Settings, catalog: Catalog, run: Run, progress: Progress
    ) -> "_GuideWriter":
        """Load a run's model and compute its outputs for the pictures of train and val."""
        branding = Branding.read(settings.branding, project.root)
        data = load_dataset(catalog, with_vectors=takes_vectors(run.learner))
        known = data.where("train", "val")
        learner, model = load_model(run, settings.publish.views)
        pictures = Pictures(project, tuple(known.images.items()), settings, progress)
        origins: dict[str, list[Origin]] = defaultdict(list)
        for origin in catalog.origins():
            origins[origin.sha256].append(origin)
        folder = project.runs_folder / run.name
        outputs, test, calibration = model.predict(pictures), data.where("test"), load_calibration(run, folder)
        declining, scores = _load_declining(folder), load_test_familiarity(folder)
        if declining is None:  # evaluated by an earlier version, which measured otherwise how familiar pictures are
            scores = {}
            training = replace(TrainingData.of(known, pictures, settings), seed=run.seed)
            kept = load_held_out_logits(folder)
            declining = choose_declining(learner, model, calibration, training, outputs, kept)
        if scores.keys() != test.images.keys():
            catalog.add_look(run.name, "publish", project.now())
            seen = model.predict(Pictures(project, tuple(test.images.items()), settings, progress))
            familiarity = declining.score(seen, model.temperature, calibration)
            scores = dict(zip(test.images, familiarity.tolist(), strict=True))
        answers = declining, np.array(list(scores.values()))
        parts = data, known, outputs, *answers, origins, describe_provenance(catalog, data.images, origins), branding
        return cls(project, settings, run, model, calibration, *parts, pictures, progress)

    def write(self, folder: Path, scores: EvaluateReport) -> PublishReport:
        """Write the whole guide into `folder` and prove it."""
        self.progress.start("measuring when to decline", None)
        decline = self._measure_decline()
        model = add_answers(self.model.export(), self.calibration, self.declining.familiarity)
        (folder / "model.onnx").write_bytes(model)
        examples = self._write_examples(folder)
        (folder / "CREDITS.csv").write_text(self._credits(), encoding="utf-8")
        about = self._about(scores, decline, examples)
        about |= self.branding.write(folder)
        parity = self._prove(folder, about)
        about["parity"] = parity
        _write_json(folder / "guide.json", about)
        card = render("card.md", {**about, "careless_claim": scores.careless_claim})
        (folder / "README.md").write_text(card, encoding="utf-8")
        write_manifest(folder)
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return PublishReport(
            guide=self.project.guide_folder.name,
            bytes=size_bytes,
            agreement=parity["agreement"],
            max_difference=parity["max_difference"],
            drift=parity["drift"],
            compared=parity["compared"],
            compared_on=parity["on"],
            threshold=decline.threshold,
            true_accept=decline.true_accept,
            false_accept=decline.false_accept,
            examples=sum(len(rows) for rows in examples.values()),
            run=self.run.name,
            true_accept_interval=decline.true_accept_interval,
            test_images=decline.test_images,
            false_accept_range=decline.false_accept_range,
            left_out=decline.left_out,
            left_out_images=decline.left_out_images,
        )

    def _measure_decline(self) -> _Decline:
        """Set the threshold on held-out pictures; measure it on test pictures and on classes left out."""
        declining = self.declining
        threshold = accept_threshold(declining.known, self.settings.publish.true_accept)
        accepted, count = int(np.sum(self.test_scores >= threshold)), len(self.test_scores)
        shares = [float(np.mean(scores >= threshold)) for scores in declining.left_out.values()]
        together = np.concatenate(list(declining.left_out.values())) if shares else np.zeros(0)
        return _Decline(
            threshold=threshold,
            true_accept=accepted / count,
            false_accept=float(np.mean(together >= threshold)) if shares else None,
            left_out=len(shares),
            true_accept_interval=wilson_interval(accepted, count),
            test_images=count,
            false_accept_range=(min(shares), max(shares)) if shares else None,
            left_out_images=len(together),
            score=declining.chosen,
        )

    def _probs(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return calibrated probabilities, (n, classes)."""
        return self.calibration.probs(outputs.logits / self.model.temperature)

    def _write_examples(self, folder: Path) -> dict[str, list[dict[str, str]]]:
        """Write the thumbnails of examples, metadata stripped; return their rows in guide.json, by class.

        Only pictures under a licence that allows it are shown, the most confidently classified first.
        """
        (folder / "examples").mkdir()
        probs = self._probs(self.outputs)  # not of the test split, which chooses nothing, not even what is shown
        confidence = probs[np.arange(len(probs)), self.known.labels]
        items = list(self.known.images.items())
        examples: dict[str, list[dict[str, str]]] = {name: [] for name in self.run.class_names}
        for index in np.argsort(-confidence, kind="stable"):
            class_name = self.run.class_names[self.known.labels[index]]
            sha256, suffix = items[index]
            origin = self._shown_origin(sha256)
            enough = len(examples[class_name]) >= self.settings.publish.examples
            if origin is None or enough or suffix == SWATCH:
                continue
            pixels = decode(
                self.project.read_image(sha256, suffix), decode_limits(self.settings), at_least=_THUMBNAIL_SIDE
            )
            name = f"examples/{sha256[:16]}.jpg"
            (folder / name).write_bytes(thumbnail_jpeg(pixels, _THUMBNAIL_SIDE))
            credit = {"author": origin.author, "licence": origin.licence, "licence_url": origin.licence_url}
            credit["source"] = origin.location
            examples[class_name].append({"file": name, **credit})
        return examples

    def _shown_origin(self, sha256: str) -> Origin | None:
        """Return an origin whose licence allows the image to be shown, or None."""
        allowed = {read_licence(licence).spdx for licence in self.settings.publish.example_licences} - {""}
        return next((origin for origin in self.origins[sha256] if read_licence(origin.licence).spdx in allowed), None)

    def _credits(self) -> str:
        """Return CREDITS.csv: whom to credit for each picture that the guide was made from."""
        lines = []
        for place, sha256 in enumerate(self.data.images):
            class_name = self.run.class_names[self.data.labels[place]]
            lines += credit_lines(sha256, "", class_name, self.origins[sha256])
        return credit_table(lines)

    def _about(self, scores: EvaluateReport, decline: _Decline, examples: dict[str, Any]) -> dict[str, Any]:
        """Return the content of guide.json, without the proof of parity."""
        counts = {name: int(np.sum(self.data.splits == name)) for name in ("train", "val", "test")}
        fingerprint = self.run.data
        licences = {read_licence(origin.licence).spdx for name in self.data.images for origin in self.origins[name]}
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.settings.name,
            "about": self.settings.about,
            "intended_use": self.settings.publish.intended_use,
            "limitations": self.settings.publish.limitations,
            "classes": self._classes(examples),
            "preprocessing": self.model.preprocessing.to_dict(),
            **({"views": [view.to_dict() for view in views]} if len(views := self.model.answer_views) > 1 else {}),
            "decline": asdict(decline),
            "unsure_below": self.settings.publish.unsure_below,
            "scores": {key: value for key, value in asdict(scores).items() if key not in ("report", "run")},
            "data": {
                "images": len(self.data.labels), **counts, "fingerprint": fingerprint,
                "learnt_per_class": self.data.learnt_per_class(),
                "sources": sorted({origin.source for name in self.data.images for origin in self.origins[name]}),
                "vectors": sum(form == SWATCH for form in self.data.images.values()),
                **self.provenance,
            },
            # the backbone's weights are Apache-2.0: no wider terms can be given for what holds them
            "licence": "apache-2.0" if licences <= {"CC0-1.0", "own"} else "other",
            "formats": list(self.settings.images.formats),
            "limits": self.settings.images.model_dump(exclude={"formats"}),
            "backbone": self.run.report["backbone"],
            "learner": self.run.learner,
            "run": self.run.name,
            "tool_version": _version(),
        }  # fmt: skip

    def _classes(self, examples: dict[str, list[dict[str, str]]]) -> list[dict[str, Any]]:
        """Return the entries of the classes in guide.json."""
        names, folder, rows = self.run.class_names, self.project.runs_folder / self.run.name, []
        labels = {sha256: int(self.known.labels[place]) for place, sha256 in enumerate(self.known.images)}
        nearness = mean_probs(load_held_out_logits(folder), labels, len(names))
        neighbours = list_neighbours(load_confusion(folder / METRICS, names), names, nearness)
        for place, name in enumerate(names):
            row = self.settings.classes.get(name, ClassSettings())
            links = [{"label": link.label or link_label(link.url), "url": link.url} for link in row.links]
            splits = self.data.splits[self.data.labels == place]
            counts = {split: int(np.sum(splits == split)) for split in ("train", "val", "test")}
            rows.append({
                "name": name, **({"names": row.names} if row.names else {}), "about": row.about, "links": links,
                "examples": examples[name], "images": counts, "neighbours": neighbours[name],
                **({"parent": row.parent} if row.parent else {}),
            })  # fmt: skip
        return rows

    def _prove(self, folder: Path, about: dict[str, Any]) -> dict[str, Any]:
        """Measure how closely the guide, given the original files, agrees with the trained model on val pictures.

        Two things are compared. In the same arithmetic, float32, the guide must give the trained model's
        probabilities: `max_difference`. And its top classes must be those of the features trained on, which a runtime
        may have computed in bfloat16: `agreement`, and the largest difference as `drift`.
        """
        _write_json(folder / "guide.json", about)
        write_manifest(folder)
        guide = open_guide(folder)
        pictures = np.array([form != SWATCH for form in self.known.images.values()])
        val = np.flatnonzero((self.known.splits == "val") & pictures)[:MAX_COMPARED]  # by their hashes: random
        if not len(val):
            return self._prove_on_drawings(guide)
        published = self._classify(guide, val)
        exact = self._probs(self.model.predict(self.pictures.take(val), exact=True))
        difference = float(np.abs(published - exact).max())
        trained = self._probs(self.outputs)[val]
        agreement = float(np.mean(published.argmax(axis=1) == trained.argmax(axis=1)))
        drift = float(np.abs(published - trained).max())
        if difference > self.settings.publish.tolerance:
            message = f"the guide's probabilities differ from the trained model's by up to {difference:.3g}"
            raise ParityError(message, "delete features/ and runs/, then run: fieldguide build; or report it")
        if agreement < min(_LEAST_AGREEMENT, 1 - 1 / len(val)):
            message = (
                f"the guide agrees with the features it was trained on for only {agreement:.1%} of the val pictures"
            )
            hint = 'set runtime = "onnxruntime" under [features] in fieldguide.toml, then run: fieldguide build'
            raise ParityError(message, hint)
        return {"compared": len(val), "agreement": agreement, "max_difference": difference, "drift": drift, "on": VAL}

    def _prove_on_drawings(self, guide: Guide) -> dict[str, Any]:
        """Measure the agreement on pictures drawn here: where only colour features were learnt from, there are none."""
        drawings = [draw_unrelated(kind, number, self.settings.seed) for kind in KINDS for number in range(_DRAWINGS)]
        exact = self._probs(see_instead(self.model, self.pictures, drawings))
        published = []
        for image in drawings:
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            probs = guide.classify(buffer.getvalue()).probs
            published.append([probs[name] for name in self.run.class_names])
        difference = float(np.abs(np.array(published) - exact).max())
        if difference > self.settings.publish.tolerance:
            message = f"the guide's probabilities differ from the trained model's by up to {difference:.3g}"
            raise ParityError(message, "delete runs/, then run: fieldguide build; or report it")
        agreement = float(np.mean(np.argmax(published, axis=1) == exact.argmax(axis=1)))
        return {
            "compared": len(drawings),
            "agreement": agreement,
            "max_difference": difference,
            "drift": difference,
            "on": DRAWN,
        }

    def _classify(self, guide: Guide, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the guide's probabilities, (n, classes), for the original files of the pictures at these places."""
        self.progress.start("comparing the guide with the trained model", len(places))
        items = list(self.known.images.items())
        limits = decode_limits(self.settings)
        rows = []
        for place in places:
            probs = guide.classify(self.project.read_image(*items[place]), limits=limits).probs
            rows.append([probs[name] for name in self.run.class_names])
            self.progress.advance()
        return np.array(rows)


def _load_declining(folder: Path) -> Declining | None:
    """Load what the evaluation of the run in a folder kept, if anything."""
    try:
        return Declining.from_bytes((folder / DECLINING).read_bytes())
    except (OSError, ValueError):
        return None


def _write_json(path: Path, about: dict[str, Any]) -> None:
    path.write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
