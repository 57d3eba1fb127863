"""What passes between the rooms: small frozen records.

Knows nothing about files, databases or models. Importing it pulls in nothing outside the standard library,
so that a guide can be opened with very little installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "AddReport",
    "CleanReport",
    "CollectReport",
    "CreditsReport",
    "Depth",
    "EvaluateReport",
    "Fit",
    "Grouping",
    "ImageRow",
    "ImageState",
    "Label",
    "NewReport",
    "Origin",
    "Prediction",
    "Preprocessing",
    "PreviewReport",
    "PublishReport",
    "Split",
    "SplitReport",
    "StageStatus",
    "StatusReport",
    "TrainReport",
    "TuneReport",
    "Verdict",
]

Split = Literal["train", "val", "test"]
Fit = Literal["crop", "squash", "pad"]
Depth = Literal["top", "deep"]


@dataclass(frozen=True)
class Preprocessing:
    """How upright sRGB pixels become the square that a backbone sees.

    Attributes:
        size: side of the square, pixels.
        fit: `crop` keeps the middle, `squash` ignores the aspect, `pad` puts the whole picture on a border.
        resize_shorter: for `crop`, the shorter side before cropping, pixels; at least `size`.
        interpolation: the filter; only "bicubic" (Keys, a = -0.5, widened when shrinking) is defined.
        mean: subtracted inside the model graph, in units of 0..1 per RGB channel.
        std: divided by inside the model graph, in units of 0..1 per RGB channel.
    """

    size: int = 224
    fit: Fit = "squash"
    resize_shorter: int = 256
    interpolation: Literal["bicubic"] = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class ImageRow:
    """One original, as its header tells it; width and height are those stored, before turning upright."""

    sha256: str
    format: str
    bytes: int
    width: int
    height: int
    mode: str
    frames: int


@dataclass(frozen=True)
class Origin:
    """Where an image came from and under what terms; one image may have many.

    Attributes:
        source: "folder", "archive", "table", "drawn", or the name of a source that was searched.
        location: a path inside what was added, or the picture's address.
        licence: SPDX identifier, or "" when unknown.
        given_split: the split that the source's own folders put it in, or "".
        page: where a person can see the picture and its terms.
        licence_raw: the licence in the source's own words.
        query: what was searched for.
        parent: the address of the picture that it was found similar to, or "".
        family: the source's name for one subject photographed several times. Pictures of one family, and a picture
            with those that were found similar to it, never sit on both sides of a split.
    """

    sha256: str
    source: str
    location: str
    author: str = ""
    licence: str = ""
    licence_url: str = ""
    given_split: str = ""
    title: str = ""
    page: str = ""
    author_url: str = ""
    licence_raw: str = ""
    query: str = ""
    parent: str = ""
    family: str = ""


@dataclass(frozen=True)
class Label:
    """A class name given to an image, and who gave it."""

    sha256: str
    class_name: str
    by: Literal["query", "folder", "person", "model"]


@dataclass(frozen=True)
class Verdict:
    """What one check says of one image."""

    sha256: str
    check: str
    verdict: Literal["keep", "reject", "suspect"]
    reason: str
    score: float


@dataclass(frozen=True)
class Grouping:
    """Images with one `group_id` never sit on both sides of a split."""

    sha256: str
    group_id: str
    why: str


@dataclass(frozen=True)
class ImageState:
    """What the catalogue as a whole says of one image.

    Attributes:
        state: `unchecked` until every check has spoken, then `kept` or `rejected`.
        class_name: its label; "" when it has none or several.
        group_id: its own hash where it is alone.
        split: "" until split.
    """

    sha256: str
    format: str
    class_name: str
    state: Literal["unchecked", "kept", "rejected"]
    group_id: str
    split: str
    given_split: str


@dataclass(frozen=True)
class Prediction:
    """A guide's answer for one picture.

    Attributes:
        path: the file, or "" for bytes.
        class_name: the most probable class, or "" when the guide declines.
        probs: class name to probability, most probable first, summing to 1.
        familiarity: how near the picture is to what was learnt; at most 0, higher is nearer.
        declined: the familiarity is under the guide's threshold: "none of these".
        error: why the picture could not be read, or "".
    """

    path: str
    class_name: str
    probs: dict[str, float]
    familiarity: float
    declined: bool
    error: str = ""


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
            are too few classes to leave one out.
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
