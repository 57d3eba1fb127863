"""What passes between training runs, their comparison and whoever shows it: small frozen records.

Knows nothing about files or how anything was learnt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BASELINE", "CompareReport", "CompareRow", "Contender", "HeldOut", "SeedGroup", "Standing"]

BASELINE = "baseline"  # the learner that looks at nothing

HeldOut = Literal["grouped cross-validation", "validation split"]
Standing = Literal[
    "best", "no significant difference", "worse", "better on what both answered", "too few shared pictures",
    "not compared",
]  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """A training run as it comes into a comparison.

    Attributes:
        name: the run's.
        learner: what learnt, such as "transfer".
        what: its settings in a few words.
        seed: where its randomness came from.
        settings_key: a digest of its settings without the seed: the same for runs that differ in the seed alone.
        answers: SHA-256 to the class answered, of pictures that the answering model had not learnt from.
        truth: SHA-256 to the true class, of the same pictures; what is not in both is not counted.
        held_out: how it came that they were not learnt from.
        parameters: how many numbers were learnt or brought along.
        bytes: of the file that would be published.
        p50_ms: for one picture on this machine, milliseconds; None where it was not measured.
        train_s: how long training took, seconds.
        current: whether it was made from the pictures, classes and splits as they are now.
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


@dataclass(frozen=True)
class CompareRow:
    """How one run does beside the others.

    Attributes:
        accuracy: with its 95 % Wilson interval, on the pictures that all compared runs answered held out.
        macro_f1: on the same pictures.
        pictures: how many these are.
        own_accuracy: the same on every picture that this run answered held out.
        own_pictures: how many these are.
        difference: its accuracy less the best run's, with a 95 % interval, on the `shared` pictures.
        shared: how many pictures both it and the best run answered held out.
        p: mid-p McNemar test against the best run.
        p_adjusted: the same, corrected by Holm's method for the number of tests made; below 0.05 is significant.
        fastest: whether no other run is as accurate in less time.
        smallest: whether no other run is as accurate in fewer bytes.
    """

    name: str
    learner: str
    what: str
    seed: int
    held_out: HeldOut
    accuracy: tuple[float, float, float]
    macro_f1: float
    pictures: int
    own_accuracy: tuple[float, float, float]
    own_pictures: int
    parameters: int
    bytes: int
    p50_ms: float | None
    train_s: float
    verdict: Standing
    difference: tuple[float, float, float] | None = None
    shared: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    fastest: bool = False
    smallest: bool = False


@dataclass(frozen=True)
class SeedGroup:
    """Runs whose settings differ in the seed alone.

    Attributes:
        names: of the runs, one for each seed, the best first.
        mean: of their accuracies.
        spread: their standard deviation, with n - 1.
    """

    learner: str
    what: str
    names: tuple[str, ...]
    mean: float
    spread: float


@dataclass(frozen=True)
class CompareReport:
    """All runs side by side.

    Attributes:
        rows: most accurate first; the baseline is among them.
        outdated: runs made from other pictures, classes or splits: they are compared with nothing.
        seeds: settings that were tried with several seeds.
        per_class: class to run to F1, of the best few runs.
        recommended: the run to publish; empty where none deserves it.
        advice: why, in a sentence or two.
        notes: what a reader has to know to read the table rightly.
        report: path of report.html; empty before it is written.
        table: path of compare.csv; the same.
    """

    rows: tuple[CompareRow, ...]
    outdated: tuple[CompareRow, ...]
    seeds: tuple[SeedGroup, ...]
    per_class: Mapping[str, Mapping[str, float]]
    recommended: str
    advice: str
    notes: tuple[str, ...] = field(default=())
    report: str = ""
    table: str = ""
