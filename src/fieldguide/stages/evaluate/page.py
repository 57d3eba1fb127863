"""report.html: one page that needs no network, from the figures of the stage and its sections.

Computes no figures.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fieldguide.calibration import MAX_LOG_LOSS
from fieldguide.metrics import MIN_CALIBRATION
from fieldguide.records import EvaluateReport
from fieldguide.stages.evaluate.confusion import MOST_CLASSES
from fieldguide.stages.evaluate.measuring import Evaluation, Score
from fieldguide.stages.evaluate.parts import Part
from fieldguide.stages.evaluate.sections import SECTIONS
from fieldguide.text import format_score, render

_SCRIPT = "evaluate/report.js"
_BY_TEST = {"calibration", "none_of_these", "robustness"}  # sections that few test pictures have too little to say for
_WORST = 20  # classes that stand open where there are too many


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
    about = {"name": settings.name, "about": settings.about, "report": report, "least_calibration": MIN_CALIBRATION,
             "vectors": int(evaluation.is_vector.sum()),
             "most_loss": MAX_LOG_LOSS, "measured": trained["measured"], "made": _describe_making(evaluation),
             "chosen": trained["chosen"].get("family", ""), "script": _SCRIPT,
             "script_digest": script_digest(), "worst_classes": _list_worst(numbers["per_class"])}  # fmt: skip
    sections = [(section, parts[section.name]) for section in SECTIONS if section.name in parts]
    few = len(evaluation.test) < MIN_CALIBRATION
    left_out = [section.title for section in SECTIONS if section.name in _BY_TEST and section.name not in parts and few]
    return render("report.html", {**numbers, **about, "sections": sections, "left_out": left_out})


def _list_worst(per_class: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    """Return the classes with the lowest F1 where there are too many to read; none where they are few."""
    if len(per_class) <= MOST_CLASSES:
        return []
    measured = [(name, scores) for name, scores in per_class.items() if scores["support"]]
    return sorted(measured, key=lambda item: item[1]["f1"])[:_WORST]


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


def script_digest() -> str:
    """Return the SHA-256 in base64 of the page's one script, by which the page allows it and no other."""
    source = files("fieldguide").joinpath("templates", _SCRIPT).read_text(encoding="utf-8")
    # a template is included without the end of its last line
    return base64.b64encode(hashlib.sha256(source.removesuffix("\n").encode()).digest()).decode()


def _describe_beside(beside: Mapping[str, Score]) -> dict[str, str]:
    """Return the learners of which the better one was taken, as a row of the report; none where one was named."""
    scores = "; ".join(f"{name} {format_score(score)}" for name, score in beside.items())
    return {"learners side by side": scores} if scores else {}
