"""The section on "none of these": how well known pictures are told from others, by kind of other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.errors import BadImage, InputMissing
from fieldguide.familiarity import accept_threshold
from fieldguide.folders import walk
from fieldguide.images import decode_image
from fieldguide.images.preprocess import decode_size
from fieldguide.learners.declining import draw_outputs, see_instead
from fieldguide.metrics import MIN_CALIBRATION, area_under_curve, wilson_interval
from fieldguide.project import decode_limits
from fieldguide.settings import Settings
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

_DRAWN, _SEED = 12, 2  # pictures of each kind that is drawn; with the other seed the score was chosen
_MOST = 300  # pictures of a folder


def measure_unknowns(evaluation: Evaluation) -> Part | None:
    """Return how often pictures of other things are accepted, and known ones declined; None of too few test pictures.

    Classes left out are pictures of train and val, by which the score was chosen too; drawn ones and those of a folder
    choose nothing.
    """
    named = evaluation.settings.evaluate.unknown
    if len(evaluation.test) < MIN_CALIBRATION and not named:
        return None
    declining, known = evaluation.declining, evaluation.familiarity
    promised = evaluation.settings.publish.true_accept
    threshold = accept_threshold(declining.known, promised)
    evaluation.progress.start("measuring when it declines", None)
    drawn = draw_outputs(evaluation.model, evaluation.pictures, _DRAWN, _SEED)
    kinds = {kind: _score(evaluation, outputs) for kind, outputs in drawn.items()}
    rows = [_judge(kind, scores, known, threshold) for kind, scores in kinds.items()]
    totals = [_judge("drawn here, all kinds", np.concatenate(list(kinds.values())), known, threshold)]
    unread = 0
    if named:
        images, unread = _load_folder(evaluation, evaluation.project.root / Path(named).expanduser())
        scores = _score(evaluation, see_instead(evaluation.model, evaluation.pictures, images))
        totals.append(_judge(f"the folder {Path(named).name}", scores, known, threshold))
    if declining.left_out:
        rows += [_judge(f"left out: {name}", scores, known, threshold) for name, scores in declining.left_out.items()]
        everything = np.concatenate(list(declining.left_out.values()))
        totals.append(_judge("a class left out, all of them", everything, known, threshold))
    rejected, count = int(np.sum(known < threshold)), len(known)
    numbers = {
        "score": declining.chosen,
        "tried": dict(sorted(declining.areas.items(), key=lambda item: -item[1])),
        "promised": promised,
        "false_reject": [rejected / count, *wilson_interval(rejected, count)],
        "test_pictures": count,
        "kinds": rows,
        "all": totals,
        "unread": unread,
    }
    return Part(numbers)


def list_unknown(root: Path, settings: Settings) -> list[str]:
    """Return the files of the folder of other things, each with its size and time, so that a change of them is seen."""
    folder = root / Path(settings.evaluate.unknown).expanduser()
    files = sorted(walk(folder)[0]) if folder.is_dir() else []
    found = [(path, path.stat()) for path in files if path.is_file()]
    return [f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}" for path, stat in found]


def _score(evaluation: Evaluation, outputs: Any) -> NDArray[np.float64]:
    return evaluation.declining.score(outputs, evaluation.model.temperature, evaluation.calibration)


def _judge(kind: str, scores: NDArray[np.float64], known: NDArray[np.float64], threshold: float) -> Mapping[str, Any]:
    """Return the AUROC against the known test pictures, and the share accepted, with intervals."""
    accepted = int(np.sum(scores >= threshold))
    return {
        "kind": kind,
        "pictures": len(scores),
        "auroc": area_under_curve(known, scores),
        "false_accept": [accepted / max(1, len(scores)), *wilson_interval(accepted, len(scores))],
    }


def _load_folder(evaluation: Evaluation, folder: Path) -> tuple[list[Image.Image], int]:
    """Return the pictures of a folder, at most 300 spread over it, and the number of files that are none.

    Raises:
        InputMissing: there is no such folder, or it has no picture.
    """
    if not folder.is_dir():
        raise InputMissing(f"there is no folder {folder}", "correct 'unknown' under [evaluate] in fieldguide.toml")
    files = sorted(walk(folder)[0])
    limits, side = decode_limits(evaluation.settings), decode_size(evaluation.model.preprocessing)
    images = []
    chosen = files[:: max(1, -(-len(files) // _MOST))]
    for path in chosen:
        if not path.is_file() or path.stat().st_size > limits.max_bytes:
            continue
        try:
            images.append(decode_image(path.read_bytes(), limits, at_least=side))
        except BadImage:
            continue
    if not images:
        raise InputMissing(f"{folder} holds no pictures", "correct 'unknown' under [evaluate] in fieldguide.toml")
    return images, len(chosen) - len(images)
