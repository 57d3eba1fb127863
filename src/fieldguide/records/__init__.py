"""What passes between the rooms: small frozen records.

Knows nothing about files, databases or models. Importing it pulls in nothing outside the standard library,
so that a guide can be opened with very little installed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Literal, NamedTuple

from fieldguide.records.forms import ExportReport
from fieldguide.records.reports import (
    AddReport,
    CleanReport,
    CollectReport,
    CompareReport,
    CreditsReport,
    DecideReport,
    DeployReport,
    EvaluateReport,
    ExportDataReport,
    LinkedPair,
    NewReport,
    PreviewReport,
    PublishReport,
    RecipesReport,
    Rejection,
    Report,
    ReviewReport,
    ScoreReport,
    SplitReport,
    StageStatus,
    StatusReport,
    TrainReport,
    TuneReport,
)

__all__ = [
    "NO_CAPTURE",
    "NO_PRINTS",
    "AddReport",
    "Capture",
    "CleanReport",
    "CollectReport",
    "CompareReport",
    "CreditsReport",
    "DecideReport",
    "DeployReport",
    "Depth",
    "EvaluateReport",
    "ExportDataReport",
    "ExportReport",
    "Fit",
    "Grouping",
    "ImageRow",
    "ImageState",
    "Label",
    "LayerSummary",
    "LinkedPair",
    "NewReport",
    "Origin",
    "Prediction",
    "Preprocessing",
    "PreviewReport",
    "Prints",
    "PublishReport",
    "RecipesReport",
    "Rejection",
    "Report",
    "ReviewReport",
    "ScoreReport",
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
Certainty = Literal["sure", "leaning", "unsure"]


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
        mirrored: whether the square is then turned left to right.
    """

    size: int = 224
    fit: Fit = "squash"
    resize_shorter: int = 256
    interpolation: Literal["bicubic"] = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    mirrored: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them; `mirrored` stands there only where it is true."""
        fields = asdict(self)
        return fields if self.mirrored else {key: value for key, value in fields.items() if key != "mirrored"}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Preprocessing":
        """Return the record of such fields.

        Raises:
            TypeError: a field is missing, or is none of these.
            KeyError: there is no mean or deviation.
        """
        return cls(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})


@dataclass(frozen=True)
class LayerSummary:
    """A layer of a model, for a person.

    Attributes:
        name: its own.
        kind: what it does, such as "convolution 3 x 3" or "dense".
        shape: of what it gives for one picture: (channels, height, width), or (numbers,).
        parameters: how many numbers it learnt.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class ImageRow:
    """One original, as described by its header; width and height are as stored, before turning upright."""

    sha256: str
    format: str
    bytes: int
    width: int
    height: int
    mode: str
    frames: int


class Prints(NamedTuple):
    """What near-copies of a picture are recognised by; empty where it is not measured, or not in this form.

    Attributes:
        dhash: 64-bit difference hash, big-endian, 8 bytes.
        mirror: that of the mirror image.
        grey: the grey thumbnail, 32 x 32 bytes, row by row.
        colour: the colour thumbnail, 8 x 8 cells of two bytes, row by row.
    """

    dhash: bytes = b""
    mirror: bytes = b""
    grey: bytes = b""
    colour: bytes = b""


NO_PRINTS = Prints()


class Capture(NamedTuple):
    """When and with what a picture was taken, as its file says; both empty where it does not say when.

    Attributes:
        taken_at: by the camera's clock, ISO 8601 without a zone.
        camera: make and model, or "".
    """

    taken_at: str = ""
    camera: str = ""


NO_CAPTURE = Capture()


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
        family: the source's name for one subject photographed several times, or what a table calls its group. Pictures
            of one family, and a picture with those that were found similar to it, never sit on both sides of a split.
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
    """A class name given to an image, and who gave it.

    Attributes:
        replaces: whether it takes the place of the labels that the image had.
    """

    sha256: str
    class_name: str
    by: Literal["query", "folder", "person", "model"]
    replaces: bool = False


@dataclass(frozen=True)
class Verdict:
    """The verdict of one check on one image.

    Attributes:
        copy_of: the hash of the image that it is a copy of, or "".
    """

    sha256: str
    check: str
    verdict: Literal["keep", "reject", "suspect"]
    reason: str
    score: float
    copy_of: str = ""


@dataclass(frozen=True)
class Grouping:
    """Images with one `group_id` never sit on both sides of a split."""

    sha256: str
    group_id: str
    why: str


@dataclass(frozen=True)
class ImageState:
    """The state of one image, over everything in the catalogue.

    Attributes:
        state: `unchecked` until every check has run, then `kept` or `rejected`.
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


@dataclass(frozen=True, repr=False)
class Prediction(Report):
    """A guide's answer for one picture.

    Attributes:
        path: the file, or "" for bytes.
        class_name: the most probable class, or "" when the guide declines.
        probs: class name to probability, most probable first, summing to 1.
        familiarity: how near the picture is to those trained on; at most 0, higher is nearer.
        declined: the familiarity is below the guide's threshold: "none of these".
        error: why the picture could not be read, or "".
        certainty: how sure the answer is: "sure" from 90 %, "leaning", or "unsure" below the guide's own limit.
        parent: what the class is a kind of, such as its genus, where that is sure and the class is not; else "".
        parent_prob: how probable the parent is.
    """

    path: str
    class_name: str
    probs: dict[str, float]
    familiarity: float
    declined: bool
    error: str = ""
    certainty: Certainty = "unsure"
    parent: str = ""
    parent_prob: float = 0.0

    @property
    def summary(self) -> str:
        """The answer in a few words: "rose", "leaning rose", "some Rosa", "rose or tulip", "none of these"."""
        if self.error or self.declined or not self.probs:
            return self.error or "none of these"
        if self.parent:
            return f"some {self.parent}"
        second = list(self.probs)[1] if len(self.probs) > 1 else ""
        if self.certainty == "unsure" and second:
            return f"{self.class_name} or {second}"
        return f"leaning {self.class_name}" if self.certainty == "leaning" else self.class_name

    def top(self, count: int) -> "Prediction":
        """Return the answer with its `count` most probable classes alone."""
        return replace(self, probs=dict(islice(self.probs.items(), count)))
