"""How closely a form answers as the guide does, picture by picture, from the same files.

Beside the pictures themselves, a few files are made from the first of them as cameras and programs write them, turned
or transparent: a form that reads those otherwise would go unnoticed where no picture of the project is such a file.
Knows nothing about how a form is made or run.
"""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from PIL import Image

from fieldguide.errors import BadImage, InputMissing
from fieldguide.exporters.contract import Answer, FormFacts, Runtime
from fieldguide.guide import Guide
from fieldguide.images import Limits, decode
from fieldguide.stages.export.compared import ComparedFile

_WARM_UP = 2  # answers before any is timed: the first ones allocate and compile
_PROBE_SIDE = 400
_ORIENTATION = 0x0112  # the EXIF tag
Pair = tuple[Answer, Answer]


@dataclass(frozen=True)
class GuideRuntime:
    """The guide itself, run as a form is."""

    guide: Guide

    def classify(self, data: bytes) -> Answer:
        """Classify a picture from its file's bytes."""
        start = time.perf_counter()
        square = self.guide.load(data)
        probs, familiarity = self.guide.session.run(["probs", "familiarity"], {"image": square[None]})
        latency_ms = (time.perf_counter() - start) * 1000
        return Answer(probs[0], float(familiarity[0]), bool(familiarity[0] < self.guide.threshold), latency_ms, square)


@dataclass(frozen=True)
class Parity:
    """What was measured; see `ExportReport`.

    Attributes:
        refused: pictures that one of the two reads and the other does not: they count as disagreement.
        exact_difference: `max_difference` of the pictures of which both saw the same pixels, as far as is known.
        probes: the answers for files made for it, by the kind of file; None where only one of the two reads it.
    """

    compared: int
    held_out: int
    agreement: float
    max_difference: float
    mean_difference: float
    decline_agreement: float
    familiarity_difference: float
    pixel_difference: float | None
    latency_ms: float
    guide_latency_ms: float
    exact_difference: float
    refused: int = 0
    probes: dict[str, Pair | None] = field(default_factory=dict)

    def doubts(self, facts: FormFacts) -> tuple[str, ...]:
        """Return in words what is not as the form's facts say that it has to be."""
        doubts = []
        if self.agreement < facts.least_agreement:
            doubts.append(
                f"it gives the guide's first answer for {self.agreement:.2%} of {self.held_out} pictures, "
                f"and {facts.least_agreement:.1%} is the least"
            )
        if self.refused:
            doubts.append(f"of {self.refused} pictures it refuses what the guide reads, or the other way round")
        exact, largest = self.exact_difference, self.max_difference
        for difference, most in ((exact, facts.most_difference), (largest, facts.most_difference_otherwise)):
            if difference > most:
                doubts.append(f"a probability differs from the guide's by {difference:.3g}, and {most:.3g} is the most")
                break
        # of pictures that a guide has learnt, every probability is 0 or 1 whatever is wrong; familiarity still moves
        if self.familiarity_difference > facts.most_difference:
            doubts.append(
                f"a familiarity differs from the guide's by {self.familiarity_difference:.3g}, "
                f"and {facts.most_difference:.3g} is the most"
            )
        if self.pixel_difference is not None and self.pixel_difference > facts.most_pixel_difference:
            doubts.append(
                f"its model sees pixels that differ from the guide's by {self.pixel_difference:.3g} levels, "
                f"and {facts.most_pixel_difference:.3g} is the most"
            )
        doubts += [
            f"it reads {kind} otherwise" for kind, pair in self.probes.items() if not (pair and _alike(pair, facts))
        ]
        return tuple(doubts)


def measure_parity(
    guide: GuideRuntime, form: Runtime, files: Sequence[ComparedFile], advance: Callable[[], None]
) -> Parity:
    """Ask the guide and a form about the same pictures.

    Args:
        guide: the guide.
        form: the form.
        files: of the pictures; shares of agreement are of those that the guide has not learnt, and the latency is
            that of files that were not made for the comparison, where there are such.
        advance: called after each picture.

    Raises:
        InputMissing: not one of the pictures can be read.
    """
    rows: list[tuple[ComparedFile, Pair]] = []
    refused = 0
    probes: dict[str, Pair | None] = {}
    for place, file in enumerate(files):
        try:
            data = file.read()
        except (BadImage, InputMissing):
            advance()
            continue
        if not rows and not probes:
            probes = _ask_probes(data, guide, form)
            for _ in range(_WARM_UP):
                _ask(guide, data), _ask(form, data)
        # whichever comes first finds the file's bytes cold: they take turns
        first, second = (guide, form) if place % 2 else (form, guide)
        one, other = _ask(first, data), _ask(second, data)
        if one and other:
            rows.append((file, (one, other) if first is guide else (other, one)))
        elif one or other:
            refused += 1
        advance()
    if not rows and not refused:
        raise InputMissing("not one of the pictures to compare with can be read", "restore the folder images/")
    if not rows:
        return Parity(refused, 0, 0.0, 1.0, 1.0, 0.0, 0.0, None, 0.0, 0.0, 1.0, refused, probes)
    return _compare(rows, probes, refused)


def _ask(runtime: Runtime, data: bytes) -> Answer | None:
    """Return what it says of a picture; None where it does not read it."""
    try:
        return runtime.classify(data)
    except BadImage:
        return None


def _ask_probes(data: bytes, guide: GuideRuntime, form: Runtime) -> dict[str, Pair | None]:
    """Return the answers of both for files made from a picture; none where it is no picture."""
    try:
        files = _probes(data, guide.guide.limits)
    except BadImage:
        return {}
    asked = {kind: (_ask(guide, probe), _ask(form, probe)) for kind, probe in files.items()}
    return {kind: (one, other) if one and other else None for kind, (one, other) in asked.items() if one or other}


def _probes(data: bytes, limits: Limits) -> dict[str, bytes]:
    """Return files made from a picture, of those formats that the guide takes, by what they are."""
    upright = Image.fromarray(decode(data, limits, at_least=_PROBE_SIDE))
    upright.thumbnail((_PROBE_SIDE, _PROBE_SIDE))
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    turned, transparent = io.BytesIO(), io.BytesIO()
    upright.save(turned, "JPEG", quality=95, exif=exif)
    upright.putalpha(Image.linear_gradient("L").resize(upright.size))
    upright.save(transparent, "PNG")
    files = {"JPEG": ("a turned photograph", turned), "PNG": ("a transparent picture", transparent)}
    return {kind: file.getvalue() for name, (kind, file) in files.items() if name in limits.formats}


def _compare(rows: Sequence[tuple[ComparedFile, Pair]], probes: dict[str, Pair | None], refused: int) -> Parity:
    """Return how alike the answers of the guide and of a form are; so many more pictures only one of them reads."""
    pairs = [pair for _, pair in rows]
    expected, probs = (np.stack([pair[side].probs for pair in pairs]).astype(np.float64) for side in (0, 1))
    first = expected.argmax(axis=1)
    seen = [_pixel_difference(pair) for pair in pairs]
    pixels = [difference for difference in seen if difference is not None]
    differences = np.abs(expected - probs).max(axis=1) if np.isfinite(probs).all() else np.ones(len(pairs))
    familiar = np.array([abs(guide.familiarity - form.familiarity) for guide, form in pairs])
    alike = np.array([not pixel for pixel in seen])
    new = np.array([not file.is_learnt for file, _ in rows])
    new = new if new.any() else ~new
    declined = np.array([guide.declined == form.declined for guide, form in pairs])
    read = new.sum() / (new.sum() + refused)
    timed = [pair for file, pair in rows if not file.is_crop] or pairs
    return Parity(
        compared=len(pairs) + refused,
        held_out=int(new.sum()) + refused,
        agreement=float(read * np.mean(first[new] == probs[new].argmax(axis=1))),
        max_difference=float(differences.max()),
        mean_difference=float(np.abs(expected - probs)[np.arange(len(pairs)), first].mean()),
        decline_agreement=float(read * declined[new].mean()),
        familiarity_difference=float(max(familiar[alike], default=0.0)),
        pixel_difference=float(np.mean(pixels)) if pixels else None,
        latency_ms=median(form.latency_ms for _, form in timed),
        guide_latency_ms=median(guide.latency_ms for guide, _ in timed),
        exact_difference=float(max(differences[alike], default=0.0)),
        refused=refused,
        probes=probes,
    )


def _pixel_difference(pair: Pair) -> float | None:
    """Return the mean difference of two squares, in levels; None where one of them is not known."""
    expected, square = pair[0].square, pair[1].square
    if expected is None or square is None:
        return None
    if expected.shape != square.shape:
        return 255.0
    return float(np.abs(expected.astype(np.int16) - square.astype(np.int16)).mean())


def _alike(pair: Pair, facts: FormFacts) -> bool:
    """Tell whether a form reads a file as the guide does: by what its model sees, or its answer where that is equal."""
    difference = _pixel_difference(pair)
    if difference:
        return difference <= facts.most_probe_difference
    expected, answer = pair
    differs = float(np.abs(expected.probs - answer.probs).max()) > facts.most_difference
    return not differs and expected.probs.argmax() == answer.probs.argmax()
