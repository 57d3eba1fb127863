"""What one does with a guide's folder, without a project: classify, score, serve, deploy.

A project's methods of the same names call these with its own guide. Knows nothing about how the stages work.
"""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from fieldguide.engine import core_count
from fieldguide.errors import InputUnusable
from fieldguide.event_loop import run_beside_loop
from fieldguide.guide import open_guide
from fieldguide.progress.shown import ShowProgress, open_progress
from fieldguide.project import SETTINGS_FILE, find_project
from fieldguide.records import DeployReport, Prediction, ScoreReport
from fieldguide.settings import ServeSettings, Settings, change_settings

PathLike = str | Path


def predict(
    images: PathLike | Sequence[PathLike], *, guide: PathLike, progress: ShowProgress = "auto"
) -> list[Prediction]:
    """Classify files, and all files in folders, by the guide in a folder.

    A file that is not a picture gets a prediction whose `error` says why.

    Raises:
        InputMissing: there is no guide there, or nothing at a path.
        GuideDamaged: the guide was altered or is unsafe.
    """
    from fieldguide.stages.predict import predict as run

    paths = [images] if isinstance(images, str | Path) else images
    with open_progress(progress) as shown:
        return run(Path(guide), [Path(path) for path in paths], trusted=_is_own(Path(guide)), progress=shown)


def _is_own(guide: Path) -> bool:
    """Tell whether a guide stands in the project that it was published from."""
    return (guide.resolve().parent / SETTINGS_FILE).is_file()


def evaluate(
    path: PathLike,
    *,
    guide: PathLike,
    class_name: str = "",
    layout: str = "auto",
    split_from: Mapping[str, str] | None = None,
    out: PathLike | None = None,
    progress: ShowProgress = "auto",
) -> ScoreReport:
    """Score the guide in a folder on new labelled pictures. Pictures of the project around it are counted apart.

    Args:
        path: a folder with a folder per class, a table, an archive: what `Project.add` takes.
        guide: the folder of a published guide.
        class_name: the label of every picture there; one that the guide does not know tests "none of these".
        layout: how folders are read, as in `Project.add`; whatever split a picture is in, it is scored.
        split_from: folders that are splits under another name, such as {"holdout": "test"}.
        out: the folder for predictions.csv and report.html; by default, a new `evaluation-<name>` beside the guide.
        progress: see `Project`.

    Raises:
        InputMissing: there is no guide there, or nothing at the path.
        InputUnusable: nothing there is a labelled picture, or `out` is among the pictures.
        GuideDamaged: the guide was altered or is unsafe.
    """
    from fieldguide.stages.add.inputs import Reading, read_input
    from fieldguide.stages.score import KnownPictures, score

    source, folder = Path(path), Path(guide)
    target = Path(out) if out else _new_folder(folder.resolve().parent / f"evaluation-{source.resolve().stem}")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise InputUnusable(f"{target} is inside the folder of the pictures", "choose another folder: --out DIR")
    known = KnownPictures()
    if _is_own(folder):
        around = find_project(folder.resolve().parent)
        clean = around.settings().clean
        with around.catalog() as catalog:
            # those of pictures that cannot be decoded are empty
            prints = {name: row for name, row in catalog.fingerprints().items() if row.dhash and row.colour}
            known = KnownPictures(catalog.hashes(), prints, clean.copy_distance, clean.copy_likeness)
    with open_progress(progress) as shown, ExitStack() as stack:
        opened = open_guide(folder, threads=core_count(), trusted=_is_own(folder))
        reading = Reading(opened.class_names, class_name, layout, dict(split_from or {}))
        contents = read_input(source, reading, stack)
        for line in contents.describe():
            shown.say(line)
        return score(opened, [*contents.files, *contents.closed()], known=known, out=target, progress=shown)


def _new_folder(folder: Path) -> Path:
    """Return the folder, or the first one with a number behind its name that does not exist."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(
        numbered_folder for numbered_folder in itertools.chain([folder], numbered) if not numbered_folder.exists()
    )


def serve(
    guide: PathLike,
    *,
    host: str | None = None,
    port: int | None = None,
    allowed_hosts: Sequence[str] | None = None,
    insecure: bool | None = None,
    max_bytes: int | None = None,
    max_pixels: int | None = None,
    more: Mapping[str, object] | None = None,
    api_key: str | None = None,
    settings: ServeSettings | None = None,
    progress: ShowProgress = "auto",
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the guide in a folder, a page and an API, until it is interrupted.

    Args:
        guide: the folder of a published guide.
        host: address to listen on; by default, this computer only.
        port: port to listen on; 0 takes a free one.
        allowed_hosts: names by which it is reached, as behind a proxy.
        insecure: whether others may use it without a key.
        max_bytes: the largest upload.
        max_pixels: the largest picture, width x height.
        more: further settings of [serve] by their keys, such as {"workers": 1}.
        api_key: what every request has to bring; by default, FIELDGUIDE_API_KEY; any address but a loopback wants it.
        settings: what else is set; by default, the defaults of [serve].
        progress: see `Project`.
        ready: called with each address once the server answers; by default, progress shows them.

    Raises:
        InputMissing: there is no guide there.
        GuideDamaged: the guide was altered or is unsafe.
        PortBusy: something else listens on that port.
        SettingsError: there is no such address here, or others could use it without a key.
    """
    from fieldguide.stages.serve import serve as run

    options = {"host": host, "port": port, "allowed_hosts": allowed_hosts, "insecure": insecure, **(more or {}),
               "max_bytes": max_bytes, "max_pixels": max_pixels}  # fmt: skip
    changed = {f"serve.{key}": value for key, value in options.items() if value is not None}
    chosen = change_settings(Settings(serve=settings or ServeSettings()), changed).serve
    key = os.environ.get("FIELDGUIDE_API_KEY", "") if api_key is None else api_key
    with open_progress(progress) as shown:
        tell = ready or (lambda address: shown.say(f"{address}  (interrupt to stop)"))
        run_beside_loop(lambda: run(Path(guide), chosen, api_key=key, progress=shown, ready=tell))


def deploy(
    to: str,
    *,
    guide: PathLike,
    out: PathLike | None = None,
    insecure: bool = False,
    progress: ShowProgress = "auto",
) -> DeployReport:
    """Write a folder that puts the guide in a folder online.

    Args:
        to: "docker", "heroku", "elastic-beanstalk" or "spaces"; "static" is made of a project.
        guide: the folder of a published guide.
        out: the folder to make; by default, `deploy-<to>` beside the guide.
        insecure: whether anybody may use it there, without an API key.
        progress: see `Project`.

    Raises:
        InputMissing: there is no guide there.
        InputUnusable: there is no such platform.
        GuideDamaged: the guide was altered or is unsafe.
        ProjectExists: the folder holds something that no deployment wrote, or that was changed since.
    """
    from fieldguide.stages.deploy import Target
    from fieldguide.stages.deploy import deploy as run

    place = Path(out) if out is not None else Path(guide).resolve().parent / f"deploy-{to}"
    with open_progress(progress) as shown:
        return run(Path(guide), ServeSettings(), target=Target(to, place, insecure), progress=shown)
