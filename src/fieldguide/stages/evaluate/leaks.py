"""What a careless split would have claimed, and what `split` found that could have leaked.

Reads the report of the finished `split`; computes nothing.
"""

from fieldguide.records import SplitReport
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part


def measure_leaks(evaluation: Evaluation) -> Part | None:
    """Return the leak report of `split`; None where an earlier version made the split."""
    done = evaluation.catalog.finished("split")
    if done is None:
        return None
    try:
        split = SplitReport(**done.report)
    except TypeError:
        return None
    test = len(evaluation.test)
    numbers = {
        "groups": split.groups,
        "of_several": split.several,
        "reasons": dict(split.reasons),
        "leaks": split.leaks,
        "set_aside": len(split.set_aside),
        "cut": split.cut,
        "careless_test": split.careless_test,
        "careless_linked": split.careless_linked,
        "careless": split.careless,
        "honest": split.honest,
        "difference": split.difference,
        "test_pictures": test,
    }
    return Part(numbers, {"page": split.page, "claim": split.careless_claim})
