"""The stage that opens the test split, once for a run, and reports honestly how accurate the model is.

Beside the test split it reports a grouped cross-validation over every picture kept, and what a careless script would
have claimed: shuffled pictures with the near-copies left in. The answers to the test pictures stay with the run, so
that whoever needs more of them does not open the test split again.

`measuring` computes the answers, `scores` the figures that the stage reports, `page` writes them; what else the page
tells is one section after the other, a module each, in the list of `sections`.
"""

import json
from dataclasses import asdict, fields, replace

from fieldguide.hashing import hash_text
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_bytes, write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.runs import CALIBRATION, DECLINING, METRICS, TEST_ANSWERS, latest_run
from fieldguide.records import EvaluateReport
from fieldguide.settings import Settings
from fieldguide.stages.evaluate.measuring import measure
from fieldguide.stages.evaluate.page import render_page
from fieldguide.stages.evaluate.scores import measure_scores, write_answers
from fieldguide.stages.evaluate.sections import measure_sections
from fieldguide.stages.evaluate.unknowns import list_unknown

__all__ = ["evaluate", "inputs"]


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    trained = catalog.finished("train")
    if trained:  # the settings may name a run's choice where it was made by "auto": it is the same run
        made_from = catalog.run_inputs(trained.report["run"])
        trained = replace(trained, inputs=made_from or trained.inputs)
    values = [
        settings.evaluate.model_dump_json(),
        *([f"{settings.publish.views} views"] if settings.publish.views > 1 else []),
        *(["tempered"] if settings.publish.temper_for_shifts else []),
        *(list_unknown(catalog.path.parent, settings) if settings.evaluate.unknown else []),
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
        evaluation = measure(project, settings, catalog, run, progress, key=digest)
        numbers = measure_scores(evaluation)
        kept = {field.name: numbers[field.name] for field in fields(EvaluateReport) if field.name in numbers}
        report = EvaluateReport(**kept, report=f"runs/{run.name}/report.html", looks=catalog.count_looks())
        parts = measure_sections(evaluation)
        progress.start("writing the report", None)
        page = render_page(evaluation, report, numbers, parts)
        numbers |= {name: part.numbers for name, part in parts.items()}
        folder = project.runs_folder / run.name
        write_text(folder / TEST_ANSWERS, write_answers(evaluation))
        write_bytes(folder / DECLINING, evaluation.declining.to_bytes())
        write_text(folder / CALIBRATION, json.dumps(evaluation.calibration.to_dict()))
        write_text(folder / METRICS, json.dumps(numbers, indent=1, ensure_ascii=False))
        write_text(folder / "report.html", page)
        catalog.finish("evaluate", digest, asdict(report), project.now())
    return report
