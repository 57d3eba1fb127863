"""Who is better, and whether that is more than chance: contenders in, a report out.

Knows nothing about files, pages or how runs are loaded. The test split has no part in it: what is compared are
answers to pictures that training held out.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import NotReady
from fieldguide.metrics import (
    accuracy,
    accuracy_difference,
    adjust_for_many,
    confusion_matrix,
    macro_f1,
    mcnemar,
    per_class_scores,
)
from fieldguide.records.comparison import BASELINE, CompareReport, CompareRow, Contender, HeldOut, SeedGroup, Standing
from fieldguide.stages.compare.advice import advise, explain

__all__ = ["MIN_SHARED", "baseline", "compare_runs", "find_frontier"]

MIN_SHARED = 20
_SIGNIFICANT = 0.05
_SIDE_BY_SIDE = 4  # runs whose classes are shown one by one


def baseline(learnt: Iterable[str], truth: Mapping[str, str], held_out: HeldOut) -> Contender:
    """What every run has to beat: the most frequent class, answered for every picture.

    Args:
        learnt: the class of each picture that is learnt from; of equally frequent ones the first by name.
        truth: SHA-256 to true class of every picture that is held out by any run.
        held_out: how.

    Raises:
        NotReady: there is nothing to learn from.
    """
    counts = Counter(learnt)
    if not counts:
        raise NotReady("there are no pictures to learn from", "run: fieldguide build")
    most = min(counts, key=lambda name: (-counts[name], name))
    return Contender(
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


def compare_runs(contenders: Sequence[Contender]) -> CompareReport:
    """Every contender's place beside the best, with what to make of it.

    Raises:
        NotReady: there is no contender.
    """
    if not contenders:
        raise NotReady("there is no training run to compare", "run: fieldguide train")
    now = [one for one in contenders if one.current]
    ground, apart = _common_ground(now)
    rows = [_score(one, _pictures(one) if one.name in apart else ground) for one in now]
    order = sorted(range(len(now)), key=lambda place: _rank(rows[place], rows[place].name in apart))
    now, rows = [now[place] for place in order], [rows[place] for place in order]
    rows = _mark_frontiers(_test_against_best(now, rows, apart), apart)
    outdated = [replace(_score(one, _pictures(one)), verdict="not compared") for one in contenders if not one.current]
    recommended, advice = advise(rows)
    seeds = _group_seeds(now, rows)
    return CompareReport(
        rows=tuple(rows),
        outdated=tuple(sorted(outdated, key=lambda row: _rank(row, False))),
        seeds=seeds,
        per_class=_per_class([one for one in now if one.learner != BASELINE][:_SIDE_BY_SIDE], ground, apart),
        recommended=recommended,
        advice=advice,
        notes=explain(rows, len(outdated), len(seeds), MIN_SHARED),
    )


def find_frontier(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Whether each choice is undominated: none gives as much for less, nor more for as much. Equals stand together."""
    best = -math.inf
    kept = [False] * len(costs)
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -gains[place]))
    last = (math.nan, math.nan)
    for place in order:
        here = costs[place], gains[place]
        kept[place] = gains[place] > best or here == last
        if kept[place]:
            best, last = gains[place], here
    return kept


def _pictures(one: Contender) -> frozenset[str]:
    """The pictures that count: answered, and with a true class."""
    return frozenset(one.answers.keys() & one.truth.keys())


def _common_ground(contenders: Sequence[Contender]) -> tuple[frozenset[str], frozenset[str]]:
    """The pictures that the runs have all answered, and the names of the runs that stand apart.

    Runs come in from the one with the most pictures on; one that would leave fewer than `MIN_SHARED` of the ground (or,
    where it has fewer, less than all of it) stays apart.
    """
    ground: frozenset[str] = frozenset()
    apart = set()
    for one in sorted(contenders, key=lambda one: (-len(_pictures(one)), one.name)):
        both = ground & _pictures(one) if ground else _pictures(one)
        if ground and len(both) < min(MIN_SHARED, len(ground)):
            apart.add(one.name)
        else:
            ground = both
    return ground, frozenset(apart | {one.name for one in contenders if not _pictures(one)})


def _right(one: Contender, pictures: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) whether each of the pictures was answered rightly."""
    return np.array([one.answers[name] == one.truth[name] for name in pictures], dtype=np.bool_)


def _labels(one: Contender, pictures: frozenset[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The classes that are true or answered, and (n,) true and answered places in them."""
    names = sorted({one.truth[name] for name in pictures} | {one.answers[name] for name in pictures})
    places = {name: place for place, name in enumerate(names)}
    order = sorted(pictures)
    labels = np.array([places[one.truth[name]] for name in order], dtype=np.int64)
    return names, labels, np.array([places[one.answers[name]] for name in order], dtype=np.int64)


def _score(one: Contender, ground: frozenset[str]) -> CompareRow:
    """The contender's row before it is compared: as if it were the best."""
    names, labels, answers = _labels(one, ground)
    own = _pictures(one)
    _, own_labels, own_answers = _labels(one, own)
    return CompareRow(
        name=one.name,
        learner=one.learner,
        what=one.what,
        seed=one.seed,
        held_out=one.held_out,
        accuracy=accuracy(labels, answers),
        macro_f1=macro_f1(labels, answers, len(names)),
        pictures=len(ground),
        own_accuracy=accuracy(own_labels, own_answers),
        own_pictures=len(own),
        parameters=one.parameters,
        bytes=one.bytes,
        p50_ms=one.p50_ms,
        train_s=one.train_s,
        verdict="best",
    )


def _rank(row: CompareRow, apart: bool) -> tuple[bool, float, float, bool, float, int, str]:
    """Most accurate first; of equals the one with the better macro F1, then what was learnt, faster, smaller."""
    quick = math.inf if row.p50_ms is None else row.p50_ms
    return apart, -row.accuracy[0], -row.macro_f1, row.learner == BASELINE, quick, row.bytes, row.name


def _test_against_best(
    contenders: Sequence[Contender], rows: Sequence[CompareRow], apart: frozenset[str]
) -> list[CompareRow]:
    """The rows, best first, each with its paired difference, its p and what to make of them."""
    if not rows or rows[0].name in apart:
        return [replace(row, verdict="too few shared pictures") for row in rows]
    best = contenders[0]
    told = [rows[0]]
    for one, row in zip(contenders[1:], rows[1:], strict=True):
        shared = sorted(_pictures(one) & _pictures(best))
        if row.name in apart:
            told.append(replace(row, shared=len(shared), verdict="too few shared pictures"))
            continue
        right, best_right = _right(one, shared), _right(best, shared)
        p = mcnemar(right, best_right)
        told.append(replace(row, shared=len(shared), difference=accuracy_difference(right, best_right), p=p))
    adjusted = iter(adjust_for_many([row.p for row in told if row.p is not None]))
    return [row if row.p is None else _judge(row, next(adjusted)) for row in told]


def _judge(row: CompareRow, p_adjusted: float) -> CompareRow:
    """The row with its verdict."""
    verdict: Standing = "no significant difference"
    if p_adjusted < _SIGNIFICANT and row.difference:
        verdict = "worse" if row.difference[0] < 0 else "better on what both answered"
    return replace(row, p_adjusted=p_adjusted, verdict=verdict)


def _mark_frontiers(rows: Sequence[CompareRow], apart: frozenset[str]) -> list[CompareRow]:
    """The rows with those on the frontiers marked; a run that does not beat the baseline is on none."""
    beside = [row for row in rows if row.name not in apart]
    fastest = _on_frontier([(row, row.p50_ms) for row in beside if row.p50_ms is not None])
    smallest = _on_frontier([(row, row.bytes) for row in beside])
    return [replace(row, fastest=row.name in fastest, smallest=row.name in smallest) for row in rows]


def _on_frontier(costs: Sequence[tuple[CompareRow, float]]) -> set[str]:
    """The names of the undominated runs, without the baseline, which is free."""
    kept = find_frontier([cost for _, cost in costs], [row.accuracy[0] for row, _ in costs])
    return {row.name for (row, _), good in zip(costs, kept, strict=True) if good and row.learner != BASELINE}


def _group_seeds(contenders: Sequence[Contender], rows: Sequence[CompareRow]) -> tuple[SeedGroup, ...]:
    """Settings tried with several seeds, the best mean first; of runs with one seed and settings the last by name."""
    groups: dict[tuple[str, int], dict[int, CompareRow]] = defaultdict(dict)
    whose = sorted(zip(contenders, rows, strict=True), key=lambda both: both[0].name)
    for one, row in whose:
        groups[one.settings_key, row.pictures][one.seed] = row
    found = []
    for seeds in groups.values():
        if len(seeds) > 1:
            some = sorted(seeds.values(), key=lambda row: (-row.accuracy[0], row.name))
            values = [row.accuracy[0] for row in some]
            names = tuple(row.name for row in some)
            found.append(SeedGroup(some[0].learner, some[0].what, names, float(np.mean(values)),
                                   float(np.std(values, ddof=1))))  # fmt: skip
    return tuple(sorted(found, key=lambda group: (-group.mean, group.names)))


def _per_class(
    contenders: Sequence[Contender], ground: frozenset[str], apart: frozenset[str]
) -> dict[str, dict[str, float]]:
    """Class to run to F1, for the true classes of the ground."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in contenders:
        if one.name not in apart:
            names, labels, answers = _labels(one, ground)
            scores = per_class_scores(confusion_matrix(labels, answers, len(names)))
            for name, score in zip(names, scores, strict=True):
                if score["support"]:
                    found[name][one.name] = score["f1"]
    return dict(sorted(found.items()))
