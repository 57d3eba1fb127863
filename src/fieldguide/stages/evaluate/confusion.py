"""Which classes are taken for which: the pictures behind the cells of the confusion matrices, and the pairs beside
each other.

The counts themselves are among the stage's scores.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part, make_thumbnails

_CELL_SIDE, _PAIR_SIDE = 96, 200
_MOST_BYTES = 3_000_000  # of the cells' pictures, in base64
_PAIRS, _EACH_WAY, _EXAMPLES = 5, 4, 2
MOST_CLASSES = 40  # whose matrix a reader takes in, and a phone draws
_SHOWN_CLASSES = 30  # of more


@dataclass(frozen=True)
class _Answers:
    """The answers of one matrix: the places of its pictures, their classes, answers, and how probable these are."""

    places: NDArray[np.intp]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    probs: NDArray[np.float64]

    @classmethod
    def of(cls, evaluation: Evaluation, places: NDArray[np.intp], probs: NDArray[np.float64]) -> "_Answers":
        return cls(places, evaluation.data.labels[places], probs.argmax(axis=1), probs.max(axis=1))

    def order(self) -> list[int]:
        """Return the rows in the order in which pictures are shown: mistakes, then one of each class in turn."""
        wrong = np.flatnonzero(self.answers != self.labels)
        order = sorted(wrong.tolist(), key=lambda row: -self.probs[row])
        times: Counter[int] = Counter()
        right = []
        for row in np.flatnonzero(self.answers == self.labels).tolist():
            times[self.labels[row]] += 1
            right.append((times[self.labels[row]], row))
        return order + [row for _, row in sorted(right)]

    def surest(self, label: int, count: int) -> list[int]:
        """Return rows of a class that were told rightly, the surest first."""
        right = np.flatnonzero((self.labels == label) & (self.answers == label))
        return [int(row) for row in right[np.argsort(-self.probs[right], kind="stable")][:count]]


def measure_confusion(evaluation: Evaluation) -> Part:
    """Return which classes the matrices show, which pictures stand behind their cells, and thumbnails of some."""
    sets = {"test": _Answers.of(evaluation, evaluation.test, evaluation.test_probs)}
    if evaluation.validation:
        sets["validation"] = _Answers.of(evaluation, evaluation.held, evaluation.held_probs)
    cells: dict[int, dict[str, tuple[int, int, float]]] = defaultdict(dict)
    for name, answers in sets.items():
        for row, place in enumerate(answers.places.tolist()):
            cells[place][name] = int(answers.labels[row]), int(answers.answers[row]), float(answers.probs[row])
    # the test split's first: its matrix stands first
    wanted = list(dict.fromkeys(int(answers.places[row]) for answers in sets.values() for row in answers.order()))
    mistakes = [place for place in wanted if any(label != answer for label, answer, _ in cells[place].values())]
    wanted = list(dict.fromkeys([*mistakes, *wanted]))[: evaluation.settings.evaluate.cell_pictures]
    evaluation.progress.start("making thumbnails", len(wanted))
    thumbnails = make_thumbnails(evaluation, wanted, _CELL_SIDE)
    shown: list[dict[str, Any]] = []
    bytes_left = _MOST_BYTES
    for place, thumbnail in zip(wanted, thumbnails, strict=True):
        bytes_left -= len(thumbnail)
        if bytes_left < 0:
            break
        name = evaluation.locations.get(evaluation.pictures.images[place][0], "")
        shown.append({"cells": cells[place], "thumbnail": thumbnail, "location": name})
    classes = choose_classes(_count_pairs(sets.get("validation", sets["test"])), len(evaluation.class_names))
    numbers = {"pictures": len(cells), "pictures_shown": len(shown), "pictures_left_out": len(cells) - len(shown),
               "classes_shown": [evaluation.class_names[label] for label in classes]}  # fmt: skip
    return Part(numbers, {"pictures": shown, "classes": classes})


def choose_classes(pairs: Mapping[tuple[int, int], int], count: int) -> list[int]:
    """Return the classes that a matrix shows: all, or of very many the most confused, those of a pair together.

    Args:
        pairs: mistakes by pair of classes, the lower first.
        count: of classes.
    """
    if count <= MOST_CLASSES:
        return list(range(count))
    worst = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    return list(dict.fromkeys(label for pair in worst for label in pair))[:_SHOWN_CLASSES] or list(
        range(_SHOWN_CLASSES)
    )


def _count_pairs(answers: _Answers) -> Counter[tuple[int, int]]:
    """Return how often the classes of each pair, the lower first, are taken for each other."""
    wrong = answers.answers != answers.labels
    first, second = answers.labels[wrong], answers.answers[wrong]
    return Counter(zip(np.minimum(first, second).tolist(), np.maximum(first, second).tolist(), strict=True))


def measure_pairs(evaluation: Evaluation) -> Part | None:
    """Return the pairs of classes that are most often taken for each other, with pictures; None without mistakes."""
    answers = _Answers.of(evaluation, evaluation.held, evaluation.held_probs)
    names = evaluation.class_names
    mistakes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in answers.order():
        if answers.answers[row] != answers.labels[row]:
            mistakes[int(answers.labels[row]), int(answers.answers[row])].append(row)
    counts = _count_pairs(answers)
    if not counts:
        return None
    totals = np.bincount(answers.labels, minlength=len(names))
    pairs, shown = [], []
    for (first, second), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_PAIRS]:
        sides = []
        for label, answer in ((first, second), (second, first)):
            rows = mistakes.get((label, answer), [])[:_EACH_WAY] or answers.surest(label, _EXAMPLES)
            places = [int(answers.places[row]) for row in rows]
            thumbnails = make_thumbnails(evaluation, places, _PAIR_SIDE)
            number = len(mistakes.get((label, answer), []))
            sides.append({"label": names[label], "answer": names[answer], "count": number, "of": int(totals[label]),
                          "thumbnails": thumbnails})  # fmt: skip
        pairs.append({"classes": [names[first], names[second]], "count": count,
                      "ways": [[side["count"], side["of"]] for side in sides]})  # fmt: skip
        shown.append(sides)
    return Part({"measured_on": evaluation.measured_on, "most_confused": pairs}, {"pairs": shown})
