"""The checks that read kept features: one pass of the backbone, the pass that training begins with too.

A check by features is a pure function in `checks/`, named in `CHECKS` here and by a key of the same name in [clean].
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import LEAST_PER_CLASS, FeatureRows, settle
from fieldguide.checks.losses import estimate_loss
from fieldguide.checks.outliers import judge_outliers, share_lost
from fieldguide.errors import MissingExtra
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.records import Verdict
from fieldguide.settings import Settings
from fieldguide.stages.clean.labels import MOST_DEEP, check_labels

Check = Callable[[FeatureRows], list[Verdict]]
CHECKS: Mapping[str, Check] = {"labels": check_labels, "outliers": judge_outliers}
# checks with scores that look at one picture alone
SINGLE_CHECKS = ("quality", "unsafe")
# what a rejection from a score on costs in good pictures; of single pictures it is estimated from their neighbours
LOSSES: Mapping[str, Callable[[float], float]] = {"outliers": share_lost}


@dataclass(frozen=True)
class Embedded:
    """The features of the pictures that could be looked at.

    Attributes:
        sha256: n hashes, in order.
        features: (n, d) float32, the backbone's last layer first, of many pictures alone; (0, 0) where there are none.
        top: how many of the first features are that last layer.
        store: the name of the folder that they are kept in.
        lack: why there are none; "" where there are.
    """

    sha256: tuple[str, ...]
    features: NDArray[np.float32]
    top: int
    store: str = ""
    lack: str = ""


def embed(
    project: Project,
    settings: Settings,
    images: Mapping[str, str],
    labels: Mapping[str, Collection[str]],
    surplus: Collection[str],
    progress: Progress,
) -> Embedded:
    """Compute the features of pictures, or say why there are none; what is known already is read.

    Args:
        project: whose pictures they are.
        settings: those of the project.
        images: hash and format of the pictures that no check of single files rejects.
        labels: class names by hash.
        surplus: pictures that are left out, since they are copies of others.
        progress: told of each picture that is computed.
    """
    counts = Counter(class_name for name in images for class_name in labels.get(name, ()))
    if max(counts.values(), default=0) < LEAST_PER_CLASS:
        return _nothing(f"no class has {LEAST_PER_CLASS} pictures")
    if all(getattr(settings.clean, name) == "off" for name in CHECKS) and settings.clean.copy_reframed == 1:
        return _nothing("switched off")
    # onnxruntime alone takes a quarter of a second to import
    from fieldguide.features import Pictures
    from fieldguide.learners.frozen import embed_usual, usual_store

    embedded = {name: kind for name, kind in images.items() if name not in surplus}
    pictures = Pictures(project, tuple(embedded.items()), settings, progress)
    try:
        features, top = embed_usual(pictures, deep=len(embedded) <= MOST_DEEP)
        store = usual_store(pictures)
    except MissingExtra as error:
        return _nothing(f"{error}: {error.hint}")
    return Embedded(tuple(embedded), features, top, store.folder.name)


def _nothing(lack: str) -> Embedded:
    return Embedded((), np.zeros((0, 0), np.float32), 0, lack=lack)


def check_unsafe(
    project: Project, settings: Settings, catalog: Catalog, images: Mapping[str, str], progress: Progress
) -> str:
    """Replace the verdicts of the check "unsafe" on the pictures from the web; return why it was not run, or ""."""
    from_web = {origin.sha256 for origin in catalog.origins() if origin.location.startswith(("http://", "https://"))}
    judged, setting, lack = [name for name in images if name in from_web], settings.clean.unsafe, ""
    verdicts: list[Verdict] = []
    if judged and setting != "off":
        from fieldguide.checks.unsafe import VIEW, judge_unsafe, make_extractor
        from fieldguide.features import Pictures

        pictures = Pictures(project, tuple((name, images[name]) for name in judged), settings, progress)
        try:
            verdicts = settle(judge_unsafe(judged, pictures.compute(make_extractor(), VIEW)[:, 0]), setting)
        except MissingExtra as error:
            lack = f"{error}: {error.hint}"
    catalog.replace_verdicts("unsafe", verdicts, str(setting))
    return lack


def has_come(not_run: Mapping[str, str]) -> bool:
    """Tell whether checks could be run now that were not run for want of a library."""
    lacking = [name for name, why in not_run.items() if "pip install" in why]
    return any(_is_there(name) for name in lacking)


def _is_there(check: str) -> bool:
    from fieldguide.checks.unsafe import make_extractor
    from fieldguide.learners.frozen import check_usual

    try:
        make_extractor() if check == "unsafe" else check_usual()
    except MissingExtra:
        return False
    return True


def check_by_features(settings: Settings, catalog: Catalog, embedded: Embedded) -> dict[str, str]:
    """Replace the verdicts of every check by features; return which were not run, and why.

    They judge what the other checks leave: pictures under one label. A picture that a person has decided on helps to
    judge the others and is not suspected again.
    """
    rows = _rows(catalog, embedded, tuple(CHECKS))
    not_run: dict[str, str] = {}
    for name, check in CHECKS.items():
        setting = getattr(settings.clean, name)
        verdicts: list[Verdict] = []
        if setting != "off" and embedded.lack:
            not_run[name] = embedded.lack
        elif setting != "off":
            verdicts = [item for item in settle(check(rows), setting) if item.sha256 not in rows.certain]
        catalog.replace_verdicts(name, verdicts, str(setting))
    return not_run


def estimate_losses(settings: Settings, catalog: Catalog, embedded: Embedded) -> dict[str, float]:
    """Return what each check that rejects from a score on is likely to cost, as a share of the good pictures."""
    losses = {}
    for name in (*SINGLE_CHECKS, *CHECKS):
        setting = getattr(settings.clean, name)
        rejected = {sha256 for sha256, (verdict, _) in catalog.verdicts(name).items() if verdict.verdict == "reject"}
        if isinstance(setting, str) or not rejected:
            continue
        if name in LOSSES:
            losses[name] = LOSSES[name](setting)
        elif name in SINGLE_CHECKS and not embedded.lack:  # other checks choose by the neighbours themselves
            rows = _rows(catalog, embedded, (*SINGLE_CHECKS, *CHECKS))
            losses[name] = estimate_loss(rows, np.array([sha256 in rejected for sha256 in rows.sha256], dtype=bool))
    return losses


def _rows(catalog: Catalog, embedded: Embedded, apart_from: Collection[str]) -> FeatureRows:
    """Return the rows of the pictures that no person and no check, apart from these, rejects."""
    decided = catalog.decided()
    dropped = {name for name, decision in decided.items() if decision == "drop"}
    rejected = catalog.rejected_by_others((*apart_from, "split")) | dropped
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
        frozenset(decided.keys() - rejected),
    )
