"""report.html: one page that needs no network, from the figures of the stage and its sections.

Computes no figures.
"""

import base64
import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from fieldguide.calibration import MAX_LOG_LOSS
from fieldguide.metrics import MIN_CALIBRATION
from fieldguide.records import EvaluateReport
from fieldguide.stages.evaluate.measuring import Evaluation, Score
from fieldguide.stages.evaluate.parts import Part, thumbnail
from fieldguide.stages.evaluate.sections import SECTIONS
from fieldguide.text import format_score, render


def render_page(
    evaluation: Evaluation, report: EvaluateReport, numbers: Mapping[str, Any], parts: Mapping[str, Part]
) -> str:
    """Return the text of report.html.

    Args:
        evaluation: what was measured.
        report: of the stage.
        numbers: what `measure_scores` returns.
        parts: what `measure_sections` returns.
    """
    trained, settings = evaluation.run.report, evaluation.settings
    about = {"name": settings.name, "about": settings.about, "report": report, "least": MIN_CALIBRATION,
             "most_loss": MAX_LOG_LOSS, "measured": trained["measured"], "made": _describe_making(evaluation),
             "chosen": trained["chosen"].get("family", "")}  # fmt: skip
    sections = [(section, parts[section.name]) for section in SECTIONS if section.name in parts]
    return render("report.html", {**numbers, **about, **_load_pictures(evaluation), "sections": sections})


def _describe_making(evaluation: Evaluation) -> dict[str, Any]:
    """Return all that is needed to make the run again, by name."""
    run, trained = evaluation.run, evaluation.run.report
    return {
        "learner": " on ".join(filter(None, (run.learner, trained["backbone"]))),
        "preprocessing": f"{run.preprocessing.fit}, {run.preprocessing.size} pixels",
        **trained["chosen"],
        "options tried": "; ".join(f"{key} {value:.1%}" for key, value in trained["tried"].items()) or "-",
        "accuracy in training": f"{format_score(trained['accuracy'])} by {trained['measured_by']}, "
        f"{trained['measured']} pictures",
        **_describe_beside(trained.get("beside", {})),
        "temperature": round(trained["temperature"], 3),
        "runtime": trained["runtime"],
        "parameters": f"{trained['parameters']:,}",
        "trained on": f"{trained['images']} pictures (train and val)",
        "seed": run.seed,
    }


def _load_pictures(evaluation: Evaluation) -> dict[str, Any]:
    """Return the pictures of the page: plots and tables of the run, and wrong answers."""
    folder = evaluation.project.runs_folder / evaluation.run.name
    plots = {path.stem: base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("*.png"))}
    tables = {path.stem: list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) for path in folder.glob("*.csv")}
    families = _best_of_each(tables.get("families", []))
    rows = {"balance": tables.get("balance", []), "features": tables.get("features", []), "families": families}
    return {"plots": plots, **rows, "mistakes": _list_mistakes(evaluation)}


def _list_mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the wrong answers on held-out pictures, the most confident first, with thumbnails."""
    held, probs, names = evaluation.held, evaluation.held_probs, evaluation.class_names
    answers, labels = probs.argmax(axis=1), evaluation.data.labels[held]
    wrong = np.flatnonzero(answers != labels)
    most_confident = sorted(wrong, key=lambda index: -probs[index].max())
    places = {origin.sha256: origin.location for origin in evaluation.catalog.origins()}
    images = list(evaluation.data.images)
    return [
        {
            "class_name": names[labels[index]],
            "answer": names[answers[index]],
            "prob": float(probs[index].max()),
            "location": places.get(images[held[index]], ""),
            "thumbnail": thumbnail(evaluation, int(held[index])),
        }
        for index in most_confident[: evaluation.settings.evaluate.mistakes]
    ]


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
