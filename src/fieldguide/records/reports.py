"""The report of each stage: small frozen records, the same for a person, a program and the catalogue.

Knows nothing about how a stage comes to its numbers. The catalogue and `--json` hold these fields by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from html import escape
from typing import Any, Literal

BASELINE = "baseline"  # the learner of the most frequent class, which looks at no picture

HeldOut = Literal["grouped cross-validation", "validation split"]
CompareVerdict = Literal[
    "best", "the same model", "no significant difference", "worse", "better on what both answered",
    "too few shared pictures", "not compared",
]  # fmt: skip

_MAX_ITEMS = 12


class Report:
    """A readable `repr` for every report, and a table for notebooks."""

    def __post_init__(self) -> None:
        """Make tuples of what JSON has made lists, so that a report read from the catalogue equals the new one."""
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if isinstance(value, list) and "tuple[" in str(entry.type):
                object.__setattr__(self, entry.name, tuple(value))

    def __repr__(self) -> str:
        rows = self._rows()
        width = max(len(name) for name, _ in rows)
        indent = "\n" + " " * (width + 4)
        lines = [f"  {name:<{width}}  {indent.join(text.splitlines())}".rstrip() for name, text in rows]
        return "\n".join([type(self).__name__, *lines])

    def _repr_html_(self) -> str:
        """Return the report as a table; all text in it is escaped."""
        left = "style='text-align: left'"
        rows = [(escape(name), "<br>".join(map(escape, text.splitlines()))) for name, text in self._rows()]
        body = "".join(f"<tr><th {left}>{name}</th><td {left}>{text}</td></tr>" for name, text in rows)
        return f"<table><caption>{escape(type(self).__name__)}</caption>{body}</table>"

    def _rows(self) -> list[tuple[str, str]]:
        return [(entry.name, _describe(getattr(self, entry.name))) for entry in fields(self)]  # type: ignore[arg-type]


def _describe(value: Any) -> str:
    """Return a field's value in a few words; a score with its interval as percentages."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        nested = any(isinstance(item, Mapping) for item in value.values())
        return _join([f"{key}: {_describe(item)}" for key, item in value.items()], "\n" if nested else ", ")
    if isinstance(value, list | tuple):
        if len(value) == 3 and all(isinstance(item, float) for item in value):
            return f"{value[0]:.1%} (95% interval: {value[1]:.1%} to {value[2]:.1%})"
        parts = any(isinstance(item, Report) for item in value)
        return _join([str(item) if parts else _describe(item) for item in value], "\n" if parts else ", ")
    return "" if value is None else str(value)


def describe_claim(difference: tuple[float, float, float]) -> str:
    """Return how far off a claim is, in words, by its difference from the truth and the interval of that."""
    share, low, high = difference
    if low <= 0 <= high:
        return "no difference seen"
    return f"{abs(share) * 100:.1f} points {'too high' if share > 0 else 'too low'}"


def _join(items: list[str], separator: str) -> str:
    left = len(items) - _MAX_ITEMS
    return separator.join([*items[:_MAX_ITEMS], *([f"and {left} more"] if left > 0 else [])])


@dataclass(frozen=True, repr=False)
class NewReport(Report):
    """The result of `new`: the project that it made.

    Attributes:
        folder: where it is.
        class_names: its names; none where it takes the labels of whatever is added.
        sources: where `collect` will look.
        recipe: the recipe that it was made from, or "".
        waiting: sources of the recipe that are left out until the settings say how to reach you.
    """

    folder: str
    class_names: tuple[str, ...]
    sources: tuple[str, ...] = ()
    recipe: str = ""
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class RecipesReport(Report):
    """The recipes that come with the program: what each makes, in a line, by its name."""

    recipes: dict[str, str]


@dataclass(frozen=True, repr=False)
class CollectReport(Report):
    """The result of `collect`, by class name.

    Attributes:
        asked: how many good pictures each class should have.
        found: how many good pictures each class has now.
        offered: how many pictures the sources have offered in all.
        fetched: how many addresses have been tried in all.
        reasons: why offered pictures were not kept, and how many each reason met.
        short: classes with fewer pictures than asked for, and why.
        shared: pictures found under more than one name, which `clean` will reject.
        again: reasons for which another try may help: `collect --retry REASON`.
        plan: what to expect, line by line, before anything is fetched.
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


@dataclass(frozen=True, repr=False)
class AddReport(Report):
    """The result of `add`: which files were taken and which were not.

    Attributes:
        taken: number of new images by class name.
        known: number of files whose image was already in the project.
        refused: number of files by reason.
        examples: the first few paths by reason.
        given_splits: number of images by split, where the source's own folders name one.
        number: what the addition can be undone by; 0 where it brought nothing new.
        relabelled: number of known images by class name that got this label in place of another.
        conflicts: number of files whose image has another label, which was left.
        spellings: what was read as one class, by class name, where it was spelled in several ways.
        removed: number of images by class name whose label was taken back by an undo.
        restored: number of images by class name that have an earlier label again after an undo.
        added_at: when the addition that was undone was made; "" where none was.
        vectors: how many of the new images are colour features without a picture.
    """

    path: str
    taken: dict[str, int]
    known: int
    refused: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    given_splits: dict[str, int] = field(default_factory=dict)
    number: int = 0
    relabelled: dict[str, int] = field(default_factory=dict)
    conflicts: int = 0
    spellings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)
    added_at: str = ""
    vectors: int = 0


@dataclass(frozen=True, repr=False)
class DecideReport(Report):
    """The result of `decide`: what was written.

    Attributes:
        kept: number of pictures that were kept by hand.
        dropped: number of pictures that were dropped.
        relabelled: number of pictures by the class name that they were given.
        undone: number of actions that were taken back.
        restored: number of pictures that are as they were before those.
        left: number of pictures that were left, since something else was decided about them later.
        copies: hashes of the pictures that stay set aside as copies of dropped ones; the largest comes first.
    """

    kept: int = 0
    dropped: int = 0
    relabelled: dict[str, int] = field(default_factory=dict)
    undone: int = 0
    restored: int = 0
    left: int = 0
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class ReviewReport(Report):
    """The result of `review`: what is left to look at, the worst first.

    Attributes:
        total: number of pictures.
        counts: number of pictures by value, for state, class_name, split, reason, source and decision.
        audit: how many were looked at, and an estimate of the wrong labels that are left.
        pictures: those that some check suspects or rejects and nobody has decided on; empty after a page was served.
        rules: what the settings say is to be kept and dropped.
    """

    total: int
    counts: dict[str, dict[str, int]]
    audit: dict[str, Any]
    pictures: tuple[dict[str, Any], ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class CreditsReport(Report):
    """The result of `credits`.

    Attributes:
        folder: where CREDITS.csv and credits.html are.
        images: number of images credited: all that are kept.
        unknown: how many of them have no known licence.
        licences: number of images by SPDX identifier (or "own") of their best known licence.
    """

    folder: str
    images: int
    unknown: int
    licences: dict[str, int]


@dataclass(frozen=True, repr=False)
class Rejection(Report):
    """A picture that `clean` sets aside or suspects.

    Attributes:
        location: where it came from, as it was added or its address; several are parted by "; ".
        class_name: its label; several are parted by ", ".
        reason: the first that applies, such as `too_small`.
        detail: the reason as a sentence.
        score: what the check measured, such as the shorter side in pixels.
        copy_of: the hash of the picture that it is a copy of, or "".
        location_of_copy: where that one came from.
    """

    sha256: str
    location: str
    class_name: str
    reason: str
    detail: str
    score: float
    copy_of: str
    location_of_copy: str

    def __str__(self) -> str:
        """Return in a line where the picture came from and why it is rejected."""
        if not self.copy_of:
            return f"{self.location}: {self.detail}"
        like = f"{self.location}: like {self.location_of_copy or self.copy_of[:12]}"
        if self.reason == "two_labels":
            return f"{like}, and {self.detail}"
        return like if self.detail.startswith("of ") else f"{like}, {self.detail}"


@dataclass(frozen=True, repr=False)
class CleanReport(Report):
    """The result of `clean`.

    Attributes:
        kept: number of images by class.
        rejected: number of images by reason; each counts once.
        groups: number of groups of look-alikes.
        nothing_kept: why no image is kept, where none is.
        hint: what to do then.
        rejections: every image that is rejected, also written to clean/rejected.csv.
        suspected: number of images by suspicion; they are kept, and each counts once.
        suspicions: every image that is suspected, the most suspicious first, also written to clean/suspects.csv.
        not_run: why a check was not run, by its name.
        report: path of report.html in the project.
        lost: by each check that rejects from a score on, the share of good pictures estimated to be among those.
        vectors: how many of those that are kept are colour features without a picture.
    """

    kept: dict[str, int]
    rejected: dict[str, int]
    groups: int
    nothing_kept: str = ""
    hint: str = ""
    rejections: tuple[Rejection, ...] = ()
    suspected: dict[str, int] = field(default_factory=dict)
    suspicions: tuple[Rejection, ...] = ()
    not_run: dict[str, str] = field(default_factory=dict)
    report: str = ""
    lost: dict[str, float] = field(default_factory=dict)
    vectors: int = 0


@dataclass(frozen=True, repr=False)
class LinkedPair(Report):
    """Two pictures that belong together.

    Attributes:
        location: where the first came from, as it was added or its address.
        split: the split that its source gives it, or "".
        other: the hash of the second; the same where one file came twice.
        other_location: where that one came from.
        other_split: the split that its source gives that one, or "".
        why: why they belong together; several reasons are parted by "; ".
    """

    sha256: str
    location: str
    split: str
    other: str
    other_location: str
    other_split: str
    why: str

    def __str__(self) -> str:
        """Return both pictures and the reason in a line."""
        splits = (f" ({split})" if split else "" for split in (self.split, self.other_split))
        return f"{self.location}{next(splits)} and {self.other_location}{next(splits)}: {self.why}"


@dataclass(frozen=True, repr=False)
class SplitReport(Report):
    """The result of `split`.

    Attributes:
        counts: number of images by split and class name.
        groups: number of groups of pictures that belong together, most of a single image.
        leaks: groups that the source's own split had on two sides; here they are on one.
        rules: the settings that, when changed, make a new split.
        reasons: number of groups of several pictures by the reason for which they belong together.
        joined: groups whose pictures were in different splits before, and are in one now.
        leaking: pairs that the source's own split had on two sides, at most 100.
        set_aside: new pictures that would have joined groups of different splits.
        several: groups of several files, near-copies left in.
        cut: how many of those a split of single files by chance would cut, on average.
        careless_test: how many files it would test on.
        careless_linked: how many of those would belong with a file that it trains on, on average.
        pairs: two files of each group of several, at most 100.
        careless: accuracy, with its interval, that such a split would claim for the frozen-feature learner.
        honest: the accuracy with groups held together, on the same pictures; None where features are not kept.
        difference: the first less the second, with its interval.
        page: where the report is shown, in the project.
        vectors: how many images of each split are colour features without a picture; empty where none are.
    """

    counts: dict[str, dict[str, int]]
    groups: int
    leaks: int
    rules: str
    reasons: dict[str, int] = field(default_factory=dict)
    joined: int = 0
    leaking: tuple[LinkedPair, ...] = ()
    set_aside: tuple[Rejection, ...] = ()
    several: int = 0
    cut: float = 0.0
    careless_test: float = 0.0
    careless_linked: float = 0.0
    pairs: tuple[LinkedPair, ...] = ()
    careless: tuple[float, float, float] | None = None
    honest: tuple[float, float, float] | None = None
    difference: tuple[float, float, float] | None = None
    page: str = ""
    vectors: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make records of what JSON has made dictionaries."""
        super().__post_init__()
        for name, kind in (("leaking", LinkedPair), ("set_aside", Rejection), ("pairs", LinkedPair)):
            items = [kind(**item) if isinstance(item, dict) else item for item in getattr(self, name)]
            object.__setattr__(self, name, tuple(items))

    @property
    def careless_claim(self) -> str:
        """What a split by chance claims beside this one, in words; "" where it was not measured."""
        return describe_claim(self.difference) if self.difference else ""


@dataclass(frozen=True, repr=False)
class ExportDataReport(Report):
    """The result of `export-data`: the kept pictures, handed on.

    Attributes:
        to: the form.
        folder: where they are.
        counts: number of pictures by part ("images" where the splits are not kept apart) and class name.
        files: number of files, tables and credits included.
        bytes: size of all of them.
        size: the shorter side that pictures were scaled down to; 0 for the original files.
        left_out: by the original of a picture that could not be exported, why.
    """

    to: str
    folder: str
    counts: dict[str, dict[str, int]]
    files: int
    bytes: int
    size: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class DeployReport(Report):
    """The result of `deploy`: a folder that puts the guide online.

    Attributes:
        to: the platform.
        folder: where it is.
        files: number of files.
        bytes: size of all of them.
        commands: what to run in the folder.
        insecure: whether anybody may use it, without an API key.
        written: whether anything had to be written.
    """

    to: str
    folder: str
    files: int
    bytes: int
    commands: tuple[str, ...]
    insecure: bool = False
    written: bool = True


@dataclass(frozen=True, repr=False)
class TrainReport(Report):
    """The result of `train`: one training run.

    Attributes:
        run: its folder's name under `runs/`.
        learner: the learner's name.
        backbone: where its features come from; "" for none.
        fit: how pictures are fitted to the square, as chosen.
        size: side of that square, pixels.
        chosen: what else was chosen, by name.
        temperature: what the logits are divided by.
        accuracy: on held-out pictures of train and val, with its 95 % interval.
        measured_by: "grouped cross-validation" or "validation split".
        measured: number of those pictures.
        macro_f1: on the same pictures.
        tried: accuracy of each variant that was tried, such as "squash, deep".
        runtime: what computed the features or the network.
        images: number of pictures of train and val.
        parameters: number of trained parameters.
        seconds: how long it took.
        beside: with learner = "auto", by learner the accuracy with its interval, on pictures that both held out.
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
    beside: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class PreviewReport(Report):
    """The result of `train --preview`: a sheet of augmented pictures, with its preset and number of pictures."""

    path: str
    augment: str
    pictures: int


@dataclass(frozen=True, repr=False)
class TuneReport(Report):
    """The result of `tune`: the search as it stands.

    Attributes:
        study: its name, which follows from the pictures, the space and the fixed settings.
        others: number of other studies kept in the same file.
        ended: why this call ended.
        trials: number of trials by state: complete, pruned, failed, running (by another process), and stopped, which
            go on next time.
        best: number of the best trial; None before any is complete.
        params: its settings below [train].
        value: its accuracy.
        interval: the 95 % interval of that.
        minutes: work on trials, in all calls.
        report: path of report.html.
        pictures: number of pictures that the value was measured on.
        same_as: name of a run that is the same model as the best trial's, byte for byte; "" for none.
        written: whether the best settings were written into fieldguide.toml: not where they change nothing.
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
    pictures: int = 0
    same_as: str = ""
    written: bool = True


@dataclass(frozen=True, repr=False)
class CompareRow(Report):
    """One run in a comparison.

    Attributes:
        what: its settings in a few words.
        held_out: how the pictures that it is scored on were kept out of its training.
        accuracy: with its 95 % Wilson interval, on the pictures that all compared runs held out.
        macro_f1: on the same pictures.
        pictures: number of these.
        own_accuracy: accuracy on every picture that this run held out, with its interval.
        own_pictures: number of those.
        parameters: number of parameters, pretrained ones included.
        bytes: size of the file that would be published.
        p50_ms: median time for one picture on this machine; None where it was not measured.
        train_s: how long training took.
        difference: its accuracy less the best run's, with a 95 % interval, on the `shared` pictures.
        shared: number of pictures that both it and the best run held out.
        p: p-value of the mid-p McNemar test against the best run.
        p_adjusted: the same, corrected by Holm's method for the number of tests made; below 0.05 is significant.
        fastest: whether no other run is as accurate in less time.
        smallest: whether no other run is as accurate in fewer bytes.
        same_as: name of a run above it that is the same model, byte for byte; "" for none.
        macro_f1_interval: the 95 % interval of the macro F1.
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
    verdict: CompareVerdict
    difference: tuple[float, float, float] | None = None
    shared: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    fastest: bool = False
    smallest: bool = False
    same_as: str = ""
    macro_f1_interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        return f"{self.name}: {_describe(self.accuracy)}, {self.what}, {self.verdict}"


@dataclass(frozen=True, repr=False)
class SeedGroup(Report):
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

    def __str__(self) -> str:
        seeds = f"{self.mean:.1%} over {len(self.names)} seeds, standard deviation {self.spread:.1%}"
        return f"{self.learner}, {self.what}: {seeds}"


@dataclass(frozen=True, repr=False)
class CompareReport(Report):
    """The result of `compare`: all runs side by side.

    Attributes:
        rows: the most accurate first; the baseline is among them.
        outdated: runs made from other pictures, classes or splits, which are not compared.
        seeds: settings that were tried with several seeds.
        per_class: F1 by class name and run, of the best few runs.
        recommended: the run to publish; "" for none.
        advice: why, in a sentence or two.
        notes: what a reader has to know to read the table.
        report: path of report.html; empty before it is written.
        table: path of compare.csv; the same.
        class_pictures: number of pictures by class name, behind the F1 of the best run.
        used: the run that is now the current one, because `--use` named it; "" where nothing was changed.
        written: what that changed in fieldguide.toml, by key.
        evaluated: its accuracy on the test split, where it was evaluated before, with its interval.
        evaluated_images: number of test pictures behind that.
        guide_run: the run that `guide/` was made from; "" for none.
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
    class_pictures: Mapping[str, int] = field(default_factory=dict)
    used: str = ""
    written: Mapping[str, Any] = field(default_factory=dict)
    evaluated: tuple[float, float, float] | None = None
    evaluated_images: int = 0
    guide_run: str = ""


@dataclass(frozen=True, repr=False)
class EvaluateReport(Report):
    """The result of `evaluate`: the score on the test split, and what a careless split would have claimed.

    Attributes:
        accuracy: on the test split, with its 95 % Wilson interval.
        ece: the expected calibration error on the test split.
        grouped: accuracy of grouped cross-validation over all kept pictures, with its interval; None where it would
            cost a training for each fold and was not asked for.
        careless: the same over shuffled folds with the copies left in, with its interval; None then too.
        per_class: precision, recall, F1, their 95 % intervals, and support on the test split by class name.
        report: path of report.html.
        macro_f1_interval: the 95 % interval of the macro F1; None in reports of earlier versions.
        ece_interval: that of the calibration error; None too where there are too few pictures to say.
        difference: accuracy over shuffled folds less that over grouped ones, of the pictures in both, with its 95 %
            interval.
        images: number of pictures in the grouped cross-validation: all that are kept.
        copies: number of files that the careless one has besides: copies.
        looks: how often the test split has been opened in this project, for any run.
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
    macro_f1_interval: tuple[float, float] | None = None
    ece_interval: tuple[float, float] | None = None
    difference: tuple[float, float, float] | None = None
    images: int = 0
    copies: int = 0
    looks: int = 0

    @property
    def careless_claim(self) -> str:
        """What the careless split claims beside the grouped cross-validation, in words; "" where nothing is known."""
        return describe_claim(self.difference) if self.difference else ""


@dataclass(frozen=True, repr=False)
class ScoreReport(Report):
    """The result of `evaluate PATH`: how a guide answers new labelled pictures. Shares have their 95 % interval.

    Attributes:
        guide: the guide's folder.
        pictures: number of files.
        counts: by status: "scored", "other_class", and why the others are not scored, such as "in_project" or "copy".
        scored: number of pictures of the guide's classes, each counted once. All figures but `others` are of these.
        accuracy: how often the most probable class is right, whether or not the guide declines; None without pictures.
        answered: number of pictures that the guide does not decline.
        answered_accuracy: how often it is right on those.
        declined: share that it declines, wrongly.
        others: number of pictures of each class that the guide does not know.
        others_declined: share of those that it declines, rightly; None where there are none.
        macro_f1: mean F1 of the classes that are there.
        macro_f1_interval: its 95 % interval.
        log_loss: mean cross-entropy in nats.
        ece: the expected calibration error.
        ece_interval: its 95 % interval; None where there are too few pictures to say.
        per_class: precision, recall, F1, their 95 % intervals, support, and how many were declined, by class name.
        class_names: the guide's, in the order of `confusion`.
        confusion: counts; row = true class, column = most probable class.
        report: path of report.html.
        predictions: path of predictions.csv, with a row for each file.
    """

    guide: str
    pictures: int
    counts: dict[str, int]
    scored: int
    accuracy: tuple[float, float, float] | None
    answered: int
    answered_accuracy: tuple[float, float, float] | None
    declined: tuple[float, float, float] | None
    others: dict[str, int]
    others_declined: tuple[float, float, float] | None
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    log_loss: float | None
    ece: float
    ece_interval: tuple[float, float] | None
    per_class: dict[str, dict[str, float]]
    class_names: tuple[str, ...]
    confusion: list[list[int]]
    report: str
    predictions: str


@dataclass(frozen=True, repr=False)
class PublishReport(Report):
    """The result of `publish`: a finished guide.

    Attributes:
        agreement: share of pictures to which the guide and the trained model give the same first answer.
        max_difference: the largest difference of any probability between the trained model and the guide, both in
            float32.
        drift: the largest difference of any probability that the training runtime's precision makes.
        false_accept: measured share of pictures of left-out classes that would have been accepted; None where there
            are too few classes to leave one out, or a network was trained on them all.
        run: the training run that it was made from.
        true_accept_interval: the 95 % interval of the share of test pictures accepted, of `test_images`.
        false_accept_range: the least and the largest share among the classes left out.
        left_out: how many classes were left out, one at a time, with `left_out_images` pictures in all.
        compared_on: the pictures that the guide and the model were compared on: "val", or "drawn" where there are none.
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
    run: str = ""
    true_accept_interval: tuple[float, float] | None = None
    test_images: int = 0
    false_accept_range: tuple[float, float] | None = None
    left_out: int = 0
    left_out_images: int = 0
    compared_on: str = "val"


@dataclass(frozen=True, repr=False)
class StageStatus(Report):
    """The state of one stage, and a line on its result."""

    stage: str
    state: Literal["done", "out of date", "not run"]
    summary: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.state}" + (f", {self.summary}" if self.summary else "")


@dataclass(frozen=True, repr=False)
class StatusReport(Report):
    """The result of `status`: the state of each stage, and the command to type next.

    Attributes:
        to_review: number of pictures that are worth a look, by why: "suspected", "two_labels", "links_splits".
        suggestion: what may be done about them before that, in words; "" where there are none.
        vectors: how many of the images are colour features without a picture.
    """

    folder: str
    name: str
    images: int
    kept: int
    stages: tuple[StageStatus, ...]
    next_command: str
    to_review: dict[str, int] = field(default_factory=dict)
    suggestion: str = ""
    vectors: int = 0
