"""The report of `export`: one form of a guide, and the proof that it answers as the guide does.

`guide/forms.json` holds these fields by name.
"""

from dataclasses import dataclass, field

from fieldguide.records.reports import Report


@dataclass(frozen=True, repr=False)
class ExportReport(Report):
    """The result of `export`: a form of the guide, how large and how fast it is, and how closely it answers alike.

    Attributes:
        form: its name.
        about: what it is and what runs it.
        folder: where it was written.
        files: how many files it has, of `bytes` together.
        latency_ms: the median time from a picture's file to its answer on this computer, one picture at a time; None
            where it was not run, as all that follows.
        guide_latency_ms: the same of the guide, measured in turn with it.
        compared: pictures that the guide and the form were both asked about, `held_out` of them pictures that the guide
            has not learnt: of val or, where the learner learns from val too, crops that no training has seen.
        agreement: share of those not learnt to which both give the same first answer.
        max_difference: the largest difference of any probability.
        mean_difference: the mean difference of the probability of the guide's first answer.
        decline_agreement: share of those not learnt that both decline or both accept.
        familiarity_difference: the largest difference of the familiarity, of pictures that both saw alike.
        pixel_difference: the mean difference of what the two models saw, in levels of 255; None where the form cannot
            tell.
        least_agreement: what `agreement` has to be at least.
        refused: pictures that only one of the two reads; they count as disagreement.
        doubts: what is not as it has to be; empty where the form is proved, or was not run.
        unproved: why it was not run; "" where it was.
        made: how it was made, such as by which quantiser.
    """

    form: str
    about: str
    folder: str
    files: int
    bytes: int
    latency_ms: float | None = None
    guide_latency_ms: float | None = None
    compared: int = 0
    held_out: int = 0
    agreement: float | None = None
    max_difference: float | None = None
    mean_difference: float | None = None
    decline_agreement: float | None = None
    pixel_difference: float | None = None
    familiarity_difference: float | None = None
    least_agreement: float = 0.999
    refused: int = 0
    doubts: tuple[str, ...] = ()
    unproved: str = ""
    made: dict[str, str | int | float] = field(default_factory=dict)
