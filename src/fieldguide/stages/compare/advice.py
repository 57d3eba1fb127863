"""What a comparison means, in sentences: which run to publish and why, and how to read the table.

Knows nothing about answers or tests: rows in, words out.
"""

from collections.abc import Sequence

from fieldguide.records.comparison import BASELINE, CompareRow
from fieldguide.stages.compare.words import say_bytes, say_ms

__all__ = ["advise", "explain"]

# what is measured wavers: nobody should be sent to a worse run for less than this
_AS_FAST = 1.2
_AS_SMALL = 1.1
_ERRORS_WIDE = 1.96  # the interval of a paired difference reaches so many standard errors each way


def advise(rows: Sequence[CompareRow]) -> tuple[str, str]:
    """The run to publish, or nothing, and why.

    Of the runs that do not differ significantly from the best, those within one standard error of its accuracy may be
    taken for being cheaper (Breiman et al., "Classification and Regression Trees", 1984, 3.4.3): the fastest of these,
    of those about as fast (a fifth slower) the smallest, of those about as small (a tenth larger) the most accurate.

    Args:
        rows: as compared, the best first.
    """
    learnt = [row for row in rows if row.learner != BASELINE]
    if not learnt:
        return "", "Nothing that was made from the pictures as they are now has been trained: run fieldguide train."
    best = rows[0]
    if best.verdict != "best":
        return "", "The runs share too few held-out pictures to be compared: train them again on the same pictures."
    idle = next((row for row in rows if row.learner == BASELINE), None)
    if idle is not None and (idle is best or idle.verdict == "no significant difference"):
        return "", (
            f"No run is significantly better than the baseline, which {idle.what} and is right in "
            f"{idle.accuracy[0]:.1%}: more pictures, or pictures that differ more between the classes, are needed."
        )
    equals = [row for row in learnt if row is best or row.verdict.startswith(("no significant", "better"))]
    near = [row for row in equals if _is_within_error(row)]
    chosen = _choose(near)
    return chosen.name, _say_why(chosen, best, (equals, near), idle, len(learnt))


def _is_within_error(row: CompareRow) -> bool:
    """Whether a run is less accurate than the best by no more than one standard error of their paired difference."""
    if row.difference is None:  # the best itself
        return True
    difference, low, high = row.difference
    return difference >= -(high - low) / (2 * _ERRORS_WIDE)


def _choose(rows: Sequence[CompareRow]) -> CompareRow:
    """The one to publish of runs that are as good as the best."""
    timed = [(row.p50_ms, row) for row in rows if row.p50_ms is not None]
    if timed:
        quickest = min(time for time, _ in timed)
        rows = [row for time, row in timed if time <= quickest * _AS_FAST]
    smallest = min(row.bytes for row in rows)
    rows = [row for row in rows if row.bytes <= smallest * _AS_SMALL]
    return max(rows, key=lambda row: (row.accuracy[0], -row.bytes, row.name))


def _say_why(
    chosen: CompareRow,
    best: CompareRow,
    beside: tuple[Sequence[CompareRow], Sequence[CompareRow]],
    idle: CompareRow | None,
    learnt: int,
) -> str:
    """The sentences that go with the recommended run; `beside`: runs not worse than the best, and those near it."""
    equals, near = beside
    cost = f"{say_ms(chosen.p50_ms)} for a picture, {say_bytes(chosen.bytes)}"
    if chosen.p50_ms is None:
        cost = f"{say_bytes(chosen.bytes)}; not timed"
    head = f"Publish {chosen.name} ({chosen.what}): right in {chosen.accuracy[0]:.1%}; {cost}."
    if learnt == 1:
        better = f" It beats the baseline's {idle.accuracy[0]:.1%};" if idle is not None else ""
        return f"{head}{better} no other run is there to compare it with."
    if len(equals) == 1:
        return f"{head} Every other run that it can be compared with is significantly less accurate."
    if chosen is best:
        count = len(equals) - 1
        others = "1 other run does" if count == 1 else f"{count} other runs do"
        return (
            f"{head} It is the most accurate; {others} not differ from it significantly, but none within one standard "
            f"error of it costs less."
        )
    doubt = ""
    if chosen.difference and chosen.difference[1] < 0:
        doubt = f" In truth it may be up to {-chosen.difference[1] * 100:.1f} points less accurate than that."
    return (
        f"{head} It costs least of the {len(near)} runs within one standard error of the most accurate, {best.name}, "
        f"which is right in {best.accuracy[0]:.1%}, at {say_ms(best.p50_ms)} and {say_bytes(best.bytes)}.{doubt}"
    )


def explain(rows: Sequence[CompareRow], outdated: int, seeds: int, min_shared: int) -> tuple[str, ...]:
    """What a reader has to know to read the table rightly, a sentence or two each."""
    notes = []
    tests = sum(row.p is not None for row in rows)
    if tests:
        notes.append(
            f"Each run is compared with the best on the pictures that both answered without having learnt from them "
            f'(mid-p McNemar test{f", {tests} of them, corrected by Holm" if tests > 1 else ""}). "No significant '
            f'difference" means that these pictures cannot tell the two apart, not that they are equal: the interval '
            f"says how far apart they may be."
        )
    if len(rows) > 2:
        notes.append(
            "The best of several is found on these same pictures, so its number is a little too good. The test split "
            "is not used here: fieldguide evaluate opens it, once."
        )
    together = [row for row in rows if row.verdict != "too few shared pictures"]
    if len({row.held_out for row in together if row.learner != BASELINE}) > 1:
        notes.append(
            "Runs measured on the validation split took the epoch that did best there: beside runs measured by grouped "
            "cross-validation their numbers are a little too good."
        )
    if any(row.own_pictures != row.pictures for row in together):
        notes.append(
            f"The runs held out different pictures: all are scored on the {together[0].pictures} that they have in "
            f"common, and tested on those that each shares with the best."
        )
    if any(row.pictures < min_shared for row in together) or any(0 < row.shared < min_shared for row in together):
        notes.append(f"With fewer than {min_shared} shared pictures hardly any difference can be significant.")
    apart = sum(row.verdict == "too few shared pictures" for row in rows)
    if apart:
        several = "1 run shares" if apart == 1 else f"{apart} runs share"
        notes.append(f"{several} too few held-out pictures with the others; the scores there are on pictures of their "
                     f"own and cannot be set beside the rest.")  # fmt: skip
    if seeds:
        notes.append(
            "Runs that differ in the seed alone show how much is luck: a gain smaller than their spread is none."
        )
    if outdated:
        several = "1 run was" if outdated == 1 else f"{outdated} runs were"
        notes.append(
            f"{several} made from other pictures, classes or splits than there are now, and compared with nothing."
        )
    return tuple(notes)
