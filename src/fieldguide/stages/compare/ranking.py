"""Which run is better, and whether by more than chance: compared runs in, a report out.

Knows nothing about files, pages or how runs are loaded. The test split has no part in it: runs are compared by their
answers to pictures that training held out.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import NotReady
from fieldguide.metrics import (
    accuracy,
    accuracy_difference,
    adjust_for_many,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    mcnemar,
    per_class_scores,
)
from fieldguide.records.reports import BASELINE, CompareReport, CompareRow, CompareVerdict, HeldOut, SeedGroup
from fieldguide.stages.compare.report import advise, explain

MIN_SHARED = 20
_SIGNIFICANT = 0.05
_MAX_PER_CLASS = 4  # runs whose classes are shown one by one


@dataclass(frozen=True)
class ComparedRun:
    """A training run as it enters a comparison.

    Attributes:
        name: the run's.
        learner: the learner's name, such as "transfer".
        what: its settings in a few words.
        seed: of its training.
        settings_key: a digest of its settings without the seed: the same for runs that differ in the seed alone.
        answers: class name answered by SHA-256 of the picture, which training held out.
        truth: true class name of the same pictures; a picture that is not in both does not count.
        held_out: how the pictures were held out.
        parameters: number of parameters, pretrained ones included.
        bytes: size of the file that would be published.
        p50_ms: median time for one picture on this machine; None where it was not measured.
        train_s: how long training took.
        current: whether it was made from the pictures, classes and splits as they are now.
        model: a digest of what would be published: the same for runs that are the same model; "" where not known.
    """

    name: str
    learner: str
    what: str
    seed: int
    settings_key: str
    answers: Mapping[str, str]
    truth: Mapping[str, str]
    held_out: HeldOut
    parameters: int
    bytes: int
    p50_ms: float | None
    train_s: float
    current: bool = True
    model: str = ""

    def pictures(self) -> frozenset[str]:
        """Return the SHA-256 of the pictures that count: answered, and with a true class."""
        return frozenset(self.answers.keys() & self.truth.keys())


def baseline(train_labels: Iterable[str], truth: Mapping[str, str], held_out: HeldOut) -> ComparedRun:
    """Return what every run has to beat: the most frequent class, answered for every picture.

    Args:
        train_labels: the class name of each picture of train; of equally frequent ones the first by name is taken.
        truth: true class name of every picture that any run held out, by SHA-256.
        held_out: how.
    """
    counts = Counter(train_labels)
    if not counts:
        raise NotReady("there are no pictures to learn from", "run: fieldguide build")
    most = min(counts, key=lambda name: (-counts[name], name))
    return ComparedRun(
        name="most frequent class",
        learner=BASELINE,
        what=f"always answers {most}",
        seed=0,
        settings_key=BASELINE,
        answers=dict.fromkeys(truth, most),
        truth=dict(truth),
        held_out=held_out,
        parameters=0,
        bytes=0,
        p50_ms=0.0,
        train_s=0.0,
    )


def compare_runs(runs: Sequence[ComparedRun]) -> CompareReport:
    """Return each run's place beside the best, and which to publish."""
    if not runs:
        raise NotReady("there is no training run to compare", "run: fieldguide train")
    current = _time_models([run for run in runs if run.current])
    shared, apart = _shared_pictures(current)
    rows = [_score(run, run.pictures() if run.name in apart else shared) for run in current]
    order = sorted(range(len(current)), key=lambda index: _rank(rows[index], rows[index].name in apart))
    current, rows = [current[index] for index in order], [rows[index] for index in order]
    rows = _mark_frontiers(_test_against_best(current, _name_twins(current, rows), apart), apart)
    outdated = [replace(_score(run, run.pictures()), verdict="not compared") for run in runs if not run.current]
    recommended, advice = advise(rows)
    seeds = _group_seeds(current, rows)
    twins = {row.name for row in rows if row.same_as}
    shown = [run for run in current if run.learner != BASELINE and run.name not in twins | apart]
    return CompareReport(
        rows=tuple(rows),
        outdated=tuple(sorted(outdated, key=lambda row: _rank(row, False))),
        seeds=seeds,
        per_class=_per_class(shown[:_MAX_PER_CLASS], shared, apart),
        class_pictures=dict(Counter(sorted(shown[0].truth[sha256] for sha256 in shared))) if shown else {},
        recommended=recommended,
        advice=advice,
        notes=explain(rows, len(outdated), len(seeds), MIN_SHARED),
    )


def find_frontier(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Return whether each choice is Pareto-optimal: none gives as much for less, nor more for as much."""
    best = -math.inf
    optimal = [False] * len(costs)
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -gains[index]))
    last = (math.nan, math.nan)
    for index in order:
        point = costs[index], gains[index]
        optimal[index] = gains[index] > best or point == last  # equal ones stand together
        if optimal[index]:
            best, last = gains[index], point
    return optimal


def _shared_pictures(runs: Sequence[ComparedRun]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the pictures that the runs have all answered, and the names of the runs that stand apart.

    Runs come in from the one with the most pictures on; one that would leave fewer than `MIN_SHARED` shared pictures
    (or, where there are fewer, less than all of them) stands apart.
    """
    shared: frozenset[str] = frozenset()
    apart = set()
    for run in sorted(runs, key=lambda run: (-len(run.pictures()), run.name)):
        both = shared & run.pictures() if shared else run.pictures()
        if shared and len(both) < min(MIN_SHARED, len(shared)):
            apart.add(run.name)
        else:
            shared = both
    return shared, frozenset(apart | {run.name for run in runs if not run.pictures()})


def _time_models(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Return the runs, those that are the same model with one time: their measured times differ by chance."""
    times: dict[str, float] = {}
    for run in runs:
        if run.p50_ms is not None:
            times[run.model] = min(run.p50_ms, times.get(run.model, math.inf))
    return [replace(run, p50_ms=times.get(run.model)) if run.model else run for run in runs]


def _name_twins(runs: Sequence[ComparedRun], rows: Sequence[CompareRow]) -> list[CompareRow]:
    """Return the rows, each run that is the same model as one above it with the name of that."""
    first: dict[str, str] = {}
    names = [first.setdefault(run.model, run.name) if run.model else run.name for run in runs]
    return [replace(row, same_as="" if name == row.name else name) for row, name in zip(rows, names, strict=True)]


def _correct(run: ComparedRun, pictures: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,) whether each of the pictures was answered correctly."""
    return np.array([run.answers[sha256] == run.truth[sha256] for sha256 in pictures], dtype=np.bool_)


def _labels(run: ComparedRun, pictures: frozenset[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return the class names true or answered, and (n,) true and answered indices into them."""
    names = sorted({run.truth[sha256] for sha256 in pictures} | {run.answers[sha256] for sha256 in pictures})
    class_to_idx = {name: index for index, name in enumerate(names)}
    order = sorted(pictures)
    labels = np.array([class_to_idx[run.truth[sha256]] for sha256 in order], dtype=np.int64)
    return names, labels, np.array([class_to_idx[run.answers[sha256]] for sha256 in order], dtype=np.int64)


def _score(run: ComparedRun, pictures: frozenset[str]) -> CompareRow:
    """Return the run's row before it is compared: as if it were the best."""
    names, labels, answers = _labels(run, pictures)
    _, own_labels, own_answers = _labels(run, run.pictures())
    return CompareRow(
        name=run.name,
        learner=run.learner,
        what=run.what,
        seed=run.seed,
        held_out=run.held_out,
        accuracy=accuracy(labels, answers),
        macro_f1=macro_f1(labels, answers, len(names)),
        macro_f1_interval=macro_f1_interval(confusion_matrix(labels, answers, len(names))),
        pictures=len(pictures),
        own_accuracy=accuracy(own_labels, own_answers),
        own_pictures=len(own_labels),
        parameters=run.parameters,
        bytes=run.bytes,
        p50_ms=run.p50_ms,
        train_s=run.train_s,
        verdict="best",
    )


def _rank(row: CompareRow, apart: bool) -> tuple[bool, float, float, bool, float, int, str]:
    """Return the key to sort by: most accurate, then macro F1, then runs before the baseline, faster, smaller."""
    p50_ms = math.inf if row.p50_ms is None else row.p50_ms
    return apart, -row.accuracy[0], -row.macro_f1, row.learner == BASELINE, p50_ms, row.bytes, row.name


def _test_against_best(
    runs: Sequence[ComparedRun], rows: Sequence[CompareRow], apart: frozenset[str]
) -> list[CompareRow]:
    """Return the rows, best first, each with its paired difference, its p-values and its verdict."""
    if not rows or rows[0].name in apart:
        return [replace(row, verdict="too few shared pictures") for row in rows]
    best = runs[0]
    tested = [rows[0]]
    for run, row in zip(runs[1:], rows[1:], strict=True):
        shared = sorted(run.pictures() & best.pictures())
        if row.same_as == best.name:
            tested.append(replace(row, shared=len(shared), verdict="the same model"))
            continue
        if row.name in apart:
            tested.append(replace(row, shared=len(shared), verdict="too few shared pictures"))
            continue
        correct, best_correct = _correct(run, shared), _correct(best, shared)
        difference, p = accuracy_difference(correct, best_correct), mcnemar(correct, best_correct)
        tested.append(replace(row, shared=len(shared), difference=difference, p=p))
    adjusted = iter(adjust_for_many([row.p for row in tested if row.p is not None]))
    return [row if row.p is None else _judge(row, next(adjusted)) for row in tested]


def _judge(row: CompareRow, p_adjusted: float) -> CompareRow:
    verdict: CompareVerdict = "no significant difference"
    if p_adjusted < _SIGNIFICANT and row.difference:
        verdict = "worse" if row.difference[0] < 0 else "better on what both answered"
    return replace(row, p_adjusted=p_adjusted, verdict=verdict)


def _mark_frontiers(rows: Sequence[CompareRow], apart: frozenset[str]) -> list[CompareRow]:
    """Mark the rows on the frontiers; a run that does not beat the baseline is on none."""
    together = [row for row in rows if row.name not in apart]
    fastest = _on_frontier([(row, row.p50_ms) for row in together if row.p50_ms is not None])
    smallest = _on_frontier([(row, row.bytes) for row in together])
    return [replace(row, fastest=row.name in fastest, smallest=row.name in smallest) for row in rows]


def _on_frontier(costs: Sequence[tuple[CompareRow, float]]) -> set[str]:
    """Return the names of the Pareto-optimal runs, without the baseline, which is free."""
    optimal = find_frontier([cost for _, cost in costs], [row.accuracy[0] for row, _ in costs])
    return {row.name for (row, _), best in zip(costs, optimal, strict=True) if best and row.learner != BASELINE}


def _group_seeds(runs: Sequence[ComparedRun], rows: Sequence[CompareRow]) -> tuple[SeedGroup, ...]:
    """Return the settings tried with several seeds, the best mean first; of equal runs the last by name counts."""
    groups: dict[tuple[str, int], dict[int, CompareRow]] = defaultdict(dict)
    for run, row in sorted(zip(runs, rows, strict=True), key=lambda pair: pair[0].name):
        groups[run.settings_key, row.pictures][run.seed] = row
    seed_groups = []
    for seeds in groups.values():
        if len(seeds) > 1:
            best_first = sorted(seeds.values(), key=lambda row: (-row.accuracy[0], row.name))
            values = [row.accuracy[0] for row in best_first]
            names = tuple(row.name for row in best_first)
            mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
            seed_groups.append(SeedGroup(best_first[0].learner, best_first[0].what, names, mean, spread))
    return tuple(sorted(seed_groups, key=lambda group: (-group.mean, group.names)))


def _per_class(
    runs: Sequence[ComparedRun], pictures: frozenset[str], apart: frozenset[str]
) -> dict[str, dict[str, float]]:
    """Return F1 by class name and run, for the classes that some of the pictures have."""
    f1: dict[str, dict[str, float]] = defaultdict(dict)
    for run in runs:
        if run.name not in apart:
            names, labels, answers = _labels(run, pictures)
            scores = per_class_scores(confusion_matrix(labels, answers, len(names)))
            for name, score in zip(names, scores, strict=True):
                if score["support"]:
                    f1[name][run.name] = score["f1"]
    return dict(sorted(f1.items()))
