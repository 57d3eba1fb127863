"""The checks that read kept features: one pass of the backbone, the pass that training begins with too.

A check by features is a pure function in `checks/`, named in `CHECKS` here and by a key of the same name in [clean].
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import LEAST_PER_CLASS, FeatureRows, settle
from fieldguide.checks.outliers import judge_outliers
from fieldguide.errors import MissingExtra
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.records import Verdict
from fieldguide.settings import Settings

Check = Callable[[FeatureRows], list[Verdict]]
CHECKS: Mapping[str, Check] = {"outliers": judge_outliers}


@dataclass(frozen=True)
class Embedded:
    """The features of the pictures that could be looked at.

    Attributes:
        sha256: n hashes, in order.
        features: (n, d) float32, the backbone's last layer first; (0, 0) where there are none.
        top: how many of the first features are that last layer.
        lack: why there are none; "" where there are.
    """

    sha256: tuple[str, ...]
    features: NDArray[np.float32]
    top: int
    lack: str = ""


def embed(
    project: Project,
    settings: Settings,
    images: Mapping[str, str],
    labels: Mapping[str, Collection[str]],
    progress: Progress,
) -> Embedded:
    """Compute the features of pictures, or say why there are none; what is known already is read.

    Args:
        project: whose pictures they are.
        settings: those of the project.
        images: hash and format of the pictures that no check of single files rejects.
        labels: class names by hash.
        progress: told of each picture that is computed.
    """
    counts = Counter(class_name for name in images for class_name in labels.get(name, ()))
    if max(counts.values(), default=0) < LEAST_PER_CLASS:
        return _nothing(f"no class has {LEAST_PER_CLASS} pictures")
    if all(getattr(settings.clean, name) == "off" for name in CHECKS):
        return _nothing("switched off")
    # onnxruntime alone takes a quarter of a second to import
    from fieldguide.features import Pictures
    from fieldguide.learners.frozen import embed_usual

    try:
        features, top = embed_usual(Pictures(project, tuple(images.items()), settings, progress))
    except MissingExtra as error:
        return _nothing(f"{error}: {error.hint}")
    return Embedded(tuple(images), features, top)


def _nothing(lack: str) -> Embedded:
    return Embedded((), np.zeros((0, 0), np.float32), 0, lack)


def has_come(not_run: Mapping[str, str]) -> bool:
    """Tell whether checks could be run now that were not run for want of a library."""
    if not any("pip install" in why for why in not_run.values()):
        return False
    from fieldguide.learners.frozen import check_usual

    try:
        check_usual()
    except MissingExtra:
        return False
    return True


def check_by_features(settings: Settings, catalog: Catalog, embedded: Embedded) -> dict[str, str]:
    """Replace the verdicts of every check by features; return which were not run, and why.

    They judge what the other checks leave: pictures under one label.
    """
    rows = _rows(catalog, embedded)
    not_run: dict[str, str] = {}
    for name, check in CHECKS.items():
        setting = getattr(settings.clean, name)
        verdicts: list[Verdict] = []
        if setting != "off" and embedded.lack:
            not_run[name] = embedded.lack
        elif setting != "off":
            verdicts = settle(check(rows), setting)
        catalog.replace_verdicts(name, verdicts, str(setting))
    return not_run


def _rows(catalog: Catalog, embedded: Embedded) -> FeatureRows:
    """Return the rows of the pictures that no other check rejects."""
    rejected = catalog.rejected_by_others((*CHECKS, "split"))
    states = {state.sha256: state for state in catalog.states() if state.class_name}
    places = [place for place, name in enumerate(embedded.sha256) if name in states and name not in rejected]
    kept = [states[embedded.sha256[place]] for place in places]
    class_names = tuple(sorted({state.class_name for state in kept}))
    numbers = {name: number for number, name in enumerate(class_names)}
    whole = len(places) == len(embedded.sha256)
    return FeatureRows(
        tuple(state.sha256 for state in kept),
        np.array([numbers[state.class_name] for state in kept], dtype=np.int64),
        class_names,
        tuple(state.group_id for state in kept),
        embedded.features if whole else embedded.features[places],
        embedded.top,
    )
