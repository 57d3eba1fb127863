"""Where it errs: the most confident mistakes, with what in the picture speaks for them, and labels that may be wrong.

A part of a picture speaks for an answer where the answer becomes less probable when it is covered: Zeiler, Fergus,
"Visualizing and Understanding Convolutional Networks", ECCV 2014, section 3. It needs only answers, so that it works
for every learner, those of other packages too.
"""

import base64
import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from fieldguide.checks.contract import SUSPICIOUS
from fieldguide.checks.labels import score_labels
from fieldguide.features.altered import AlteredPictures, Change
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part, make_thumbnails

_SIDE, _SUSPECT_SIDE = 260, 200
_GRID = 6  # patches across and down
_PATCH = 2.0  # side of a patch, in steps of the grid: each overlaps its neighbours
_SUSPECTS = 12
_CLEAR_NATS = 0.5  # of evidence: less is shown faintly


def measure_mistakes(evaluation: Evaluation) -> Part:
    """Return the wrong answers on held-out pictures, the most confident first, some with a map of what speaks for them.

    The maps are of the run that is evaluated. Where the mistake was made in a cross-validation, that run may have
    learnt from the picture: the map tells what speaks for the wrong class and not for the right one all the same.
    """
    held, probs, names = evaluation.held, evaluation.held_probs, evaluation.class_names
    answers, labels = probs.argmax(axis=1), evaluation.data.labels[held]
    wrong = np.flatnonzero(answers != labels)
    rows = sorted(wrong.tolist(), key=lambda row: -probs[row].max())[: evaluation.settings.evaluate.mistakes]
    places = [int(held[row]) for row in rows]
    chosen = [number for number, place in enumerate(places) if not evaluation.is_vector[place]]
    chosen = chosen[: evaluation.settings.evaluate.saliency]
    pairs = [(int(answers[rows[number]]), int(labels[rows[number]])) for number in chosen]
    maps = dict(zip(chosen, map_evidence(evaluation, [places[number] for number in chosen], pairs), strict=True))
    evaluation.progress.start("making thumbnails", len(places))
    thumbnails = make_thumbnails(evaluation, places, _SIDE)
    listed, shown = [], []
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        sha256 = evaluation.pictures.images[place][0]
        mistake: dict[str, Any] = {
            "sha256": sha256,
            "class_name": names[labels[row]],
            "answer": names[answers[row]],
            "prob": float(probs[row].max()),
            "location": evaluation.locations.get(sha256, ""),
            "map": np.round(maps[number], 3).tolist() if number in maps else None,
        }
        listed.append(mistake)
        heat = draw_heat(maps[number]) if number in maps else ""
        shown.append({**mistake, "thumbnail": thumbnails[number], "heat": heat})
    numbers = {"measured_on": evaluation.measured_on, "pictures": len(labels), "wrong": len(wrong), "listed": listed}
    return Part(numbers, {"mistakes": shown, "left_out": len(wrong) - len(listed), "mapped": len(maps)})


def map_evidence(
    evaluation: Evaluation, places: Sequence[int], pairs: Sequence[tuple[int, int]]
) -> list[NDArray[np.float64]]:
    """Return how much each part of a picture speaks for an answer against its label, (6, 6) nats for each picture.

    That is how much the logarithm of their odds falls when a grey patch covers the part.

    Args:
        evaluation: whose model is asked.
        places: of the pictures in the data.
        pairs: for each the answer and the label, as classes.
    """
    changes = [partial(cover_part, across=x, down=y) for y in range(_GRID) for x in range(_GRID)]
    if not places:
        return []
    evaluation.progress.start("finding what mistakes hang on", len(places) * len(changes))
    everything: list[Change] = [change for _ in places for change in changes]
    covered = AlteredPictures.of(evaluation.pictures, np.repeat(places, len(changes)).tolist(), everything)
    logits = evaluation.model.predict(covered).logits
    maps = []
    for number, (place, (answer, label)) in enumerate(zip(places, pairs, strict=True)):
        rows = logits[number * len(changes) : (number + 1) * len(changes)]
        odds = _log_odds(evaluation, rows, answer, label)
        uncovered = _log_odds(evaluation, evaluation.outputs.logits[[place]], answer, label)
        maps.append((uncovered - odds).reshape(_GRID, _GRID))
    return maps


def _log_odds(evaluation: Evaluation, logits: NDArray[np.float64], answer: int, label: int) -> NDArray[np.float64]:
    probs = np.maximum(evaluation.calibration.probs(logits / evaluation.model.temperature), 1e-12)
    return np.asarray(np.log(probs[:, answer]) - np.log(probs[:, label]))


def cover_part(image: Image.Image, across: int, down: int) -> Image.Image:
    """Return the picture with a patch of its mean colour over a part: a column and a row of the grid, from 0."""
    covered = image.copy()
    mean = tuple(round(band) for band in ImageStat.Stat(image).mean)
    steps = image.width / _GRID, image.height / _GRID
    middle = (across + 0.5) * steps[0], (down + 0.5) * steps[1]
    left, top = (max(0, round(at - step * _PATCH / 2)) for at, step in zip(middle, steps, strict=True))
    right, bottom = (round(at + step * _PATCH / 2) for at, step in zip(middle, steps, strict=True))
    covered.paste(mean, (left, top, max(left + 1, right), max(top + 1, bottom)))
    return covered


def draw_heat(evidence: NDArray[np.float64]) -> str:
    """Return a map as a PNG in base64 to be laid over the picture: red speaks for the answer, green for the label."""
    strength = np.abs(evidence) / max(float(np.abs(evidence).max()), _CLEAR_NATS)
    pixels = np.empty((*evidence.shape, 4), np.uint8)
    pixels[..., :3] = np.where(evidence[..., None] > 0, (214, 40, 40), (30, 150, 90))
    pixels[..., 3] = np.round(strength * 170)
    buffer = io.BytesIO()
    # enlarged here: browsers differ in how they do it
    Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).quantize(64).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def measure_suspects(evaluation: Evaluation) -> Part | None:
    """Return the test pictures whose labels may be wrong, the most doubtful first; None where nothing is held out.

    A label is doubted by the rule of `clean`, from answers of models that never learnt from the picture.
    """
    held, probs, names = evaluation.held, evaluation.held_probs, evaluation.class_names
    if not len(held) or not len(evaluation.test):
        return None
    labels = evaluation.data.labels[held]
    doubts = score_labels(probs, labels)
    others = probs.copy()
    others[np.arange(len(others)), labels] = -1.0
    in_test = np.isin(held, evaluation.test)
    rows = np.flatnonzero((doubts >= SUSPICIOUS) & in_test & (probs.argmax(axis=1) != labels))
    rows = rows[np.argsort(-doubts[rows], kind="stable")]
    listed = [
        {
            "sha256": evaluation.pictures.images[held[row]][0],
            "location": evaluation.locations.get(evaluation.pictures.images[held[row]][0], ""),
            "class_name": names[labels[row]],
            "looks_like": names[others[row].argmax()],
            "doubt": float(doubts[row]),
        }
        for row in rows
    ]
    thumbnails = make_thumbnails(evaluation, [int(held[row]) for row in rows[:_SUSPECTS]], _SUSPECT_SIDE)
    pictures = [item | {"thumbnail": thumbnail} for item, thumbnail in zip(listed, thumbnails, strict=False)]
    numbers = {"test_pictures": int(in_test.sum()), "measured_on": evaluation.measured_on, "suspects": listed}
    return Part(numbers, {"pictures": pictures})
