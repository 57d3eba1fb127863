"""What each stage reports: small frozen records, the same for a person, a program and the catalogue.

Knows nothing about how a stage came to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AddReport",
    "CleanReport",
    "CollectReport",
    "CreditsReport",
    "EvaluateReport",
    "NewReport",
    "PreviewReport",
    "PublishReport",
    "SplitReport",
    "StageStatus",
    "StatusReport",
    "TrainReport",
    "TuneReport",
]


@dataclass(frozen=True)
class NewReport:
    """What `new` made."""

    folder: str
    class_names: tuple[str, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class CollectReport:
    """What `collect` gathered, by class.

    Attributes:
        asked: good pictures of each class.
        found: good pictures of each class that there are now.
        offered: pictures that the sources offered, ever.
        fetched: addresses that were tried, ever.
        reasons: why offered pictures were not kept, to how many.
        short: classes with fewer than asked, and why.
        shared: pictures that were found under more than one name: `clean` will reject them.
        again: reasons for which another try may help: `collect --retry REASON`.
        plan: what was to be expected beforehand, line by line.
    """

    asked: int
    found: dict[str, int]
    offered: dict[str, int] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    short: dict[str, str] = field(default_factory=dict)
    shared: int = 0
    again: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AddReport:
    """What `add` took and what it did not.

    Attributes:
        taken: new images per class name.
        known: files that hold an image which was already here.
        refused: reason to how many files.
        examples: reason to the first few paths.
        given_splits: images per split that the source's own folders gave.
    """

    path: str
    taken: dict[str, int]
    known: int
    refused: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    given_splits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CreditsReport:
    """What `credits` wrote.

    Attributes:
        folder: where CREDITS.csv and credits.html are.
        images: how many are credited: all that are kept.
        unknown: how many of them have no known licence.
        licences: SPDX identifier (or "own") to how many images, by the best known licence of each.
    """

    folder: str
    images: int
    unknown: int
    licences: dict[str, int]


@dataclass(frozen=True)
class CleanReport:
    """What `clean` kept per class, rejected per reason, and how many groups of copies it found."""

    kept: dict[str, int]
    rejected: dict[str, int]
    groups: int


@dataclass(frozen=True)
class SplitReport:
    """Images per split and class.

    Attributes:
        counts: split to class name to images.
        groups: how many groups of copies (mostly of one) were divided.
        leaks: pictures that their source had put, as copies, on two sides of its own split; here they are on one.
        rules: the settings that, when changed, make the split anew.
    """

    counts: dict[str, dict[str, int]]
    groups: int
    leaks: int
    rules: str


@dataclass(frozen=True)
class TrainReport:
    """One training run.

    Attributes:
        run: its folder's name under `runs/`.
        learner: what learnt.
        backbone: where its features come from; "" for none.
        fit: how pictures are fitted to the square, as chosen.
        size: side of that square, pixels.
        chosen: what else was chosen, by name.
        temperature: what the logits are divided by.
        accuracy: on held-out pictures of train and val, with its 95 % interval.
        measured_by: "grouped cross-validation" or "validation split".
        measured: how many pictures that is.
        macro_f1: on the same pictures.
        tried: accuracy of each way that was tried, such as "squash, deep".
        runtime: what computed.
        images: pictures of train and val.
        parameters: how many numbers were learnt.
        seconds: how long it took.
    """

    run: str
    learner: str
    backbone: str
    fit: str
    size: int
    chosen: Mapping[str, str | int | float]
    temperature: float
    accuracy: tuple[float, float, float]
    measured_by: str
    measured: int
    macro_f1: float
    tried: Mapping[str, float]
    runtime: str
    images: int
    classes: int
    parameters: int
    seed: int
    seconds: float


@dataclass(frozen=True)
class PreviewReport:
    """A sheet of how pictures are changed before a network sees them: where it is, by which preset, of how many."""

    path: str
    augment: str
    pictures: int


@dataclass(frozen=True)
class TuneReport:
    """A search for better settings, as it stands.

    Attributes:
        study: its name; other pictures, another space or other fixed settings have another. `others` are kept too.
        ended: why this call ended.
        trials: by state: complete, pruned, failed, running.
        best: the number of the best trial, with its settings below [train], its value and its 95 % interval if known.
        minutes: worked on trials, in all calls.
    """

    study: str
    others: int
    ended: str
    trials: dict[str, int]
    best: int | None
    params: dict[str, str | int | float | bool]
    value: float | None
    interval: tuple[float, float] | None
    minutes: float
    report: str


@dataclass(frozen=True)
class EvaluateReport:
    """The honest number, and what a careless one would have been.

    Attributes:
        accuracy: on the test split, with its 95 % Wilson interval.
        grouped: accuracy of grouped cross-validation over everything kept, with its interval; None where it would
            cost a training for each fold and was not asked for.
        careless: the same over shuffled folds with the copies left in, with its interval; None likewise.
        per_class: class name to precision, recall, F1 and support on the test split.
        report: path of report.html.
    """

    run: str
    accuracy: tuple[float, float, float]
    macro_f1: float
    ece: float
    grouped: tuple[float, float, float] | None
    careless: tuple[float, float, float] | None
    per_class: dict[str, dict[str, float]]
    test_images: int
    report: str


@dataclass(frozen=True)
class PublishReport:
    """A finished guide.

    Attributes:
        agreement: share of val pictures with the same first answer from the features trained on and from the guide.
        max_difference: the largest difference of any probability between the trained model and the guide, both in
            float32.
        drift: the largest difference of any probability that the training runtime's precision makes.
        false_accept: measured share of pictures of left-out classes that would have been accepted; None where there
            are too few classes to leave one out, or a network has learnt them all.
    """

    guide: str
    bytes: int
    agreement: float
    max_difference: float
    drift: float
    compared: int
    threshold: float
    true_accept: float
    false_accept: float | None
    examples: int


@dataclass(frozen=True)
class StageStatus:
    """Whether a stage is done, out of date or not yet run, and a line on what it found."""

    stage: str
    state: Literal["done", "out of date", "not run"]
    summary: str


@dataclass(frozen=True)
class StatusReport:
    """Where a project stands and the command to type next."""

    folder: str
    name: str
    images: int
    kept: int
    stages: tuple[StageStatus, ...]
    next_command: str
