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
        exact_difference: `max_difference` of the pictures of which both saw the same pixels, as far as is known.
        probes: the answers for files made for it, by the kind of file.
    """

    compared: int
    agreement: float
    max_difference: float
    mean_difference: float
    decline_agreement: float
    familiarity_difference: float
    pixel_difference: float | None
    latency_ms: float
    guide_latency_ms: float
    exact_difference: float
    probes: dict[str, Pair] = field(default_factory=dict)

    def doubts(self, facts: FormFacts) -> tuple[str, ...]:
        """Return in words what is not as the form's facts say that it has to be."""
        doubts = []
        if self.agreement < facts.least_agreement:
            doubts.append(
                f"it gives the guide's first answer for {self.agreement:.2%} of {self.compared} pictures, "
                f"and {facts.least_agreement:.1%} is the least"
            )
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
        doubts += [f"it reads {kind} otherwise" for kind, pair in self.probes.items() if not _alike(pair, facts)]
        return tuple(doubts)


def measure_parity(
    guide: GuideRuntime, form: Runtime, files: Sequence[Callable[[], bytes]], advance: Callable[[], None]
) -> Parity:
    """Ask the guide and a form about the same pictures.

    Args:
        guide: the guide.
        form: the form.
        files: each returns the bytes of a picture's file.
        advance: called after each picture.

    Raises:
        InputMissing: not one of the pictures can be read.
    """
    pairs: list[Pair] = []
    probes: dict[str, Pair] = {}
    for place, read in enumerate(files):
        try:
            data = read()
            if not pairs:
                probes = {
                    kind: (guide.classify(probe), form.classify(probe))
                    for kind, probe in _probes(data, guide.guide.limits).items()
                }
                for _ in range(_WARM_UP):
                    guide.classify(data), form.classify(data)
            # whichever comes first finds the file's bytes cold: they take turns
            first, second = (guide, form) if place % 2 else (form, guide)
            answers = first.classify(data), second.classify(data)
            pairs.append(answers if first is guide else answers[::-1])
        except (BadImage, InputMissing):
            continue
        finally:
            advance()
    if not pairs:
        raise InputMissing("not one of the pictures to compare with can be read", "restore the folder images/")
    return _compare(pairs, probes)


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


def _compare(pairs: Sequence[Pair], probes: dict[str, Pair]) -> Parity:
    """Return how alike the answers of the guide and of a form are."""
    expected, probs = (np.stack([pair[side].probs for pair in pairs]).astype(np.float64) for side in (0, 1))
    rows, first = np.arange(len(pairs)), expected.argmax(axis=1)
    seen = [_pixel_difference(pair) for pair in pairs]
    pixels = [difference for difference in seen if difference is not None]
    differences = np.abs(expected - probs).max(axis=1) if np.isfinite(probs).all() else np.ones(len(pairs))
    return Parity(
        compared=len(pairs),
        agreement=float(np.mean(first == probs.argmax(axis=1))),
        max_difference=float(differences.max()),
        mean_difference=float(np.abs(expected - probs)[rows, first].mean()),
        decline_agreement=float(np.mean([guide.declined == form.declined for guide, form in pairs])),
        familiarity_difference=max(
            (
                abs(one.familiarity - other.familiarity)
                for (one, other), pixel in zip(pairs, seen, strict=True)
                if not pixel
            ),
            default=0.0,
        ),
        pixel_difference=float(np.mean(pixels)) if pixels else None,
        latency_ms=median(form.latency_ms for _, form in pairs),
        guide_latency_ms=median(guide.latency_ms for guide, _ in pairs),
        exact_difference=float(max(differences[[not pixel for pixel in seen]], default=0)),
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
