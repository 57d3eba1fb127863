"""What the report has beside its scores: one section after the other, each from a module of its own.

A section is a function from an `Evaluation` to a `Part`: its numbers, which metrics.json has under the section's
name, and what only the page shows, such as thumbnails. The page hands both to `templates/evaluate/<name>.html`, which
sees them as `part.numbers` and `part.shown`. To add a section, write the module and the template, and add a line to
`SECTIONS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fieldguide.stages.evaluate.calibrating import measure_calibration
from fieldguide.stages.evaluate.confusion import measure_confusion, measure_pairs
from fieldguide.stages.evaluate.curves import measure_curves
from fieldguide.stages.evaluate.leaks import measure_leaks
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.mistakes import measure_mistakes, measure_suspects
from fieldguide.stages.evaluate.more_pictures import measure_growth
from fieldguide.stages.evaluate.parts import Part
from fieldguide.stages.evaluate.robustness import measure_robustness, measure_slices
from fieldguide.stages.evaluate.training import measure_architecture, measure_training
from fieldguide.stages.evaluate.unknowns import measure_unknowns


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: its key in metrics.json, its anchor on the page, and the name of its template.
        title: its heading, also in the table of contents.
        measure: returns what it holds; None leaves it out.
    """

    name: str
    title: str
    measure: Callable[[Evaluation], Part | None]


SECTIONS = (
    Section("matrices", "Confusion", measure_confusion),
    Section("pairs", "Most confused pairs", measure_pairs),
    Section("curves", "ROC, precision and recall", measure_curves),
    Section("calibration", "Calibration", measure_calibration),
    Section("none_of_these", "None of these", measure_unknowns),
    Section("robustness", "Changed pictures", measure_robustness),
    Section("slices", "Slices", measure_slices),
    Section("mistakes", "Most confident mistakes", measure_mistakes),
    Section("suspects", "Test labels that may be wrong", measure_suspects),
    Section("growth", "Which classes need more pictures", measure_growth),
    Section("leaks", "What a careless split would claim", measure_leaks),
    Section("training", "Training", measure_training),
    Section("architecture", "What the model is made of", measure_architecture),
)


def measure_sections(evaluation: Evaluation) -> dict[str, Part]:
    """Return what each section holds, by its name, in the order of the page."""
    parts = {section.name: section.measure(evaluation) for section in SECTIONS}
    return {name: part for name, part in parts.items() if part is not None}
